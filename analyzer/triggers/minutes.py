"""What is known of every minute: each model's counts, the hours before, what could not be read.

Two sources give it, profiles (`profiled`) and the newest log files (`newest`); what is made of it
is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer import compute as pc
from analyzer.logs import SIDES, Side
from analyzer.profile import ERROR_UNKNOWN
from analyzer.profiles import Profiles
from analyzer.store import Manifest, Store
from analyzer.triggers.expected import Past, past_of
from analyzer.triggers.unread import Unread, unread
from analyzer.window import HOUR, MINUTE, WEEK, Window

Ints = NDArray[np.int64]
Origin = Literal["profiles", "newest files"]


@dataclass(frozen=True, eq=False)
class Counts:
    """One model by minute: requests, failed ones, those of which it is known whether they failed,
    those with a latency; and the latter by bin.

    minute, bin_minute: starts, microseconds UTC. What is said of the same minute adds up.
    """

    minute: Ints
    n: Ints
    errors: Ints
    error_n: Ints
    latency_n: Ints
    bin_minute: Ints
    code: Ints
    count: Ints


@dataclass(frozen=True, eq=False)
class Minutes:
    """Counts of a window (whole minutes) per model; past: requests served by hour, to the window's
    end; unread: spans of time of which a model's log could not be read, with the reason.
    """

    window: Window
    counts: dict[Side, Counts]
    past: Past
    unread: dict[Side, tuple[Unread, ...]]
    origin: Origin


def profiled(profiles: Profiles, weeks: int) -> Minutes:
    """The profiled minutes of a window, and the hours of `weeks` earlier weeks.

    Rows of slots that were never scanned are not 0 but unknown: the minutes go from the first to
    the last slot of the window, as far as the window goes.
    """
    start = max(profiles.window.start, min(m.start for m in profiles.manifests))
    end = min(profiles.window.end, max(m.end for m in profiles.manifests))
    wider = Window(start // HOUR * HOUR - (weeks + 1) * WEEK, -(-end // HOUR) * HOUR)
    known = hours_served(profiles.store, profiles.within(wider).manifests)
    footers = {key.split()[0]: files for key, files in profiles.store.footers().items()}
    window = Window(start, end)
    return Minutes(
        window,
        {side: _counts(profiles, side) for side in SIDES},
        past_of(known, wider),
        {side: unread(footers.get(side, []), window) for side in SIDES},
        "profiles",
    )


def logged(profiles: Profiles) -> Profiles:
    """The same profiles up to the last minute with a row: what lies behind it may not have been
    logged yet.
    """
    minutes = profiles.table("minutes")["minute"]
    last = pc.max(minutes.cast(pa.int64())).as_py()
    end = profiles.window.end if last is None else last + MINUTE
    return profiles.within(Window(profiles.window.start, end))


def hours_served(store: Store, manifests: Iterable[Manifest]) -> dict[int, float]:
    """Requests answered to users by hour of some slots, microseconds UTC."""
    known: dict[int, float] = {}
    for manifest in manifests:
        known.update(dict.fromkeys(range(manifest.start, manifest.end, HOUR), 0.0))
        table = store.read(manifest, "coverage")
        champion, challenger, matched = (
            table[name].to_numpy() for name in ("champion_rows", "challenger_rows", "matched")
        )
        # a request that both answered was mirrored, and counts once
        served = (champion + challenger - matched).astype(np.float64)
        hours = table["hour"].to_numpy().view(np.int64)
        known.update(zip(hours.tolist(), served.tolist(), strict=True))
    return known


def _counts(profiles: Profiles, side: Side) -> Counts:
    minutes = _of(profiles.table("minutes"), side)
    bins = _of(profiles.table("minute_latency"), side)
    zeros = np.zeros(minutes.num_rows, dtype=np.int64)
    minute = minutes["minute"].cast(pa.int64()).to_numpy()
    n, errors, latency_n = (
        minutes[name].to_numpy() if name in minutes.schema.names else zeros
        for name in ("n", "errors", "latency_n")
    )
    silent = _silent_hours(profiles, side)
    return Counts(
        minute,
        n,
        errors,
        np.where(np.isin(minute // HOUR * HOUR, silent), 0, n),
        latency_n,
        bins["minute"].cast(pa.int64()).to_numpy(),
        bins["code"].to_numpy().astype(np.int64),
        bins["n"].to_numpy(),
    )


def _silent_hours(profiles: Profiles, side: Side) -> list[int]:
    """Hours in which no row of a model said whether the request failed."""
    rejects = _of(profiles.whole_slots("rejects"), side)
    rejects = rejects.filter(pc.equal(rejects["reason"], ERROR_UNKNOWN))
    unknown = dict(_by_hour(rejects, "n"))
    rows = dict(_by_hour(profiles.whole_slots("coverage"), f"{side}_rows"))
    return [hour for hour, n in unknown.items() if n >= rows.get(hour, 0)]


def _by_hour(table: pa.Table, name: str) -> Iterator[tuple[int, int]]:
    return zip(table["hour"].cast(pa.int64()).to_pylist(), table[name].to_pylist(), strict=True)


def _of(table: pa.Table, side: Side) -> pa.Table:
    return table.filter(pc.equal(table["model"], side))
