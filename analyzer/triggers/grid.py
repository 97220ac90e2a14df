"""Every minute of a window, with or without traffic: what each model's log holds of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.histogram import bin_edges
from analyzer.logs import SIDES, Side
from analyzer.profiles import Profiles
from analyzer.serving import COARSE
from analyzer.window import MINUTE, Window

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Arm:
    """One model by bucket of minutes: requests, failed ones, those with a latency, and the
    latency percentile in milliseconds (NaN where none was logged).
    """

    n: Ints
    errors: Ints
    latency_n: Ints
    latency: Floats


@dataclass(frozen=True, eq=False)
class Grid:
    """A dense grid: bucket i is [start + i * step, start + (i + 1) * step), microseconds UTC."""

    start: int
    step: int
    arms: dict[Side, Arm]

    @property
    def points(self) -> int:
        """Buckets on the grid."""
        return len(self.arms["champion"].n)

    @property
    def end(self) -> int:
        """Where the last bucket ends."""
        return self.start + self.points * self.step

    def at(self, point: int) -> int:
        """When a bucket starts."""
        return self.start + point * self.step


def grid_of(profiles: Profiles, bucket_minutes: int = 1, q: float = 0.99) -> Grid:
    """The profiled minutes of a window in buckets, minutes without a row included.

    Rows of slots that were never scanned are not 0 but unknown: the grid covers the window's
    slots from the first to the last, as far as the window goes.
    """
    start = max(profiles.window.start, min(m.start for m in profiles.manifests))
    end = min(profiles.window.end, max(m.end for m in profiles.manifests))
    step = bucket_minutes * MINUTE
    points = max(0, (end - start) // step)
    arms = {side: _arm(profiles, side, start, step, points, q) for side in SIDES}
    return Grid(start, step, arms)


def logged(profiles: Profiles) -> Profiles:
    """The same profiles up to the last minute with a row: what lies behind it may not have been
    logged yet.
    """
    minutes = profiles.table("minutes")["minute"]
    last = pc.max(minutes.cast(pa.int64())).as_py()
    end = profiles.window.end if last is None else last + MINUTE
    return profiles.within(Window(profiles.window.start, end))


def _arm(profiles: Profiles, side: Side, start: int, step: int, points: int, q: float) -> Arm:
    minutes = _of(profiles.table("minutes"), side)
    place, inside = _places(minutes, start, step, points)
    sums = []
    for name in ("n", "errors", "latency_n"):
        values = minutes[name].to_numpy() if name in minutes.schema.names else np.zeros(len(place))
        sums.append(np.bincount(place, weights=values[inside], minlength=points).astype(np.int64))
    n, errors, latency_n = sums
    return Arm(n, errors, latency_n, _percentile(profiles, side, start, step, points, q))


def _of(table: pa.Table, side: Side) -> pa.Table:
    return table.filter(pc.equal(table["model"], side))


def _places(table: pa.Table, start: int, step: int, points: int) -> tuple[Ints, NDArray[np.bool_]]:
    """Place on the grid of the rows that lie on it, and which rows do."""
    place = (table["minute"].cast(pa.int64()).to_numpy() - start) // step
    inside = (place >= 0) & (place < points)
    return place[inside], inside


def _percentile(
    profiles: Profiles, side: Side, start: int, step: int, points: int, q: float
) -> Floats:
    """The latency of the ceil(q n)-th fastest request of each bucket, as the middle of its bin
    (16 bins an octave: within 3 %).
    """
    found = np.full(points, np.nan)
    table = _of(profiles.table("minute_latency"), side)
    place, inside = _places(table, start, step, points)
    if not len(place):
        return found
    codes, at = np.unique(table["code"].to_numpy()[inside].astype(np.int64), return_inverse=True)
    low, _ = bin_edges(codes, "distance", profiles.frozen.bins["latency_ms"].origin)
    high, _ = bin_edges(
        codes + (1 << COARSE), "distance", profiles.frozen.bins["latency_ms"].origin
    )
    middle = (low + high) / 2
    counts = table["n"].to_numpy()[inside]
    order = np.lexsort((at, place))
    place, at, cumulated = place[order], at[order], np.cumsum(counts[order])
    busy, first = np.unique(place, return_index=True)
    before = np.concatenate([[0], cumulated])[first]
    last = np.concatenate([first[1:], [len(place)]]) - 1
    rank = before + np.ceil(q * (cumulated[last] - before))
    found[busy] = middle[at[np.searchsorted(cumulated, rank)]]
    return found
