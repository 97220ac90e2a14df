"""Every minute of a window, with or without traffic: what each model's log holds of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.histogram import bin_edges
from analyzer.logs import SIDES, Side
from analyzer.serving import COARSE, LATENCY_ORIGIN
from analyzer.triggers.minutes import Minutes
from analyzer.triggers.unread import marked
from analyzer.window import MINUTE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Arm:
    """One model by bucket of minutes: requests, failed ones, those with a latency, and the
    latency percentile in milliseconds (NaN where none was logged). error_n: requests of which it
    is known whether they failed (None: all). unknown: buckets of which the log could not be read
    in full (None: there are none).
    """

    n: Ints
    errors: Ints
    latency_n: Ints
    latency: Floats
    error_n: Ints | None = None
    unknown: NDArray[np.bool_] | None = None


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

    def unknown(self, *sides: Side) -> NDArray[np.bool_]:
        """Buckets of which some of these logs could not be read in full."""
        found = np.zeros(self.points, dtype=bool)
        for side in sides:
            mine = self.arms[side].unknown
            found |= False if mine is None else mine
        return found

    def at(self, point: int) -> int:
        """When a bucket starts."""
        return self.start + point * self.step


def grid_of(minutes: Minutes, bucket_minutes: int = 1, q: float = 0.99) -> Grid:
    """The minutes of a window in buckets, minutes without a row included.

    A rest of the window shorter than a bucket is left out.
    """
    window, step = minutes.window, bucket_minutes * MINUTE
    points = max(0, (window.end - window.start) // step)
    arms = {side: _arm(minutes, side, window.start, step, points, q) for side in SIDES}
    return Grid(window.start, step, arms)


def _arm(minutes: Minutes, side: Side, start: int, step: int, points: int, q: float) -> Arm:
    counts = minutes.counts[side]
    place, inside = _places(counts.minute, start, step, points)
    n, errors, error_n, latency_n = (
        np.bincount(place, weights=values[inside], minlength=points).astype(np.int64)
        for values in (counts.n, counts.errors, counts.error_n, counts.latency_n)
    )
    bin_place, inside = _places(counts.bin_minute, start, step, points)
    latency = percentiles(bin_place, counts.code[inside], counts.count[inside], points, q)
    unknown = marked(minutes.unread[side], start, step, points)
    return Arm(n, errors, latency_n, latency, error_n, unknown)


def _places(minute: Ints, start: int, step: int, points: int) -> tuple[Ints, NDArray[np.bool_]]:
    """Place on the grid of the minutes that lie on it, and which do."""
    place = (minute - start) // step
    inside = (place >= 0) & (place < points)
    return place[inside], inside


def percentiles(place: Ints, code: Ints, count: Ints, points: int, q: float) -> Floats:
    """The latency of the ceil(q n)-th fastest request of each place, milliseconds, as the middle of
    its bin (16 bins an octave: within 3 %); NaN where there is none.

    place, code, count: of each bin, where it belongs, its code, the requests in it.
    """
    found = np.full(points, np.nan)
    if not len(place):
        return found
    codes, at = np.unique(code >> COARSE << COARSE, return_inverse=True)
    low, _ = bin_edges(codes, "distance", LATENCY_ORIGIN)
    high, _ = bin_edges(codes + (1 << COARSE), "distance", LATENCY_ORIGIN)
    middle = (low + high) / 2
    order = np.lexsort((at, place))
    place, at, cumulated = place[order], at[order], np.cumsum(count[order])
    busy, first = np.unique(place, return_index=True)
    before = np.concatenate([[0], cumulated])[first]
    last = np.concatenate([first[1:], [len(place)]]) - 1
    rank = before + np.ceil(q * (cumulated[last] - before))
    found[busy] = middle[at[np.searchsorted(cumulated, rank)]]
    return found
