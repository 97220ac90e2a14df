"""Segments that differ only for some hours: every candidate of two conditions, many intervals.

A segment in an interval is compared with everybody else in that interval, so that an hour in
which all segments moved singles out none.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from analyzer.segments.candidates import Ledger, Standing, z_of
from analyzer.stats.contrast import Moments, contrast, two_sided_p

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BLOCK = 500_000
"""Cells times intervals that are compared at once."""

LENGTHS = (1, 2, 3, 4, 6, 8, 12, 18, 24, 36, 48, 72, 96, 120, 168)


def intervals(hours: int) -> list[tuple[int, int]]:
    """[from, to) of the intervals tried: at most half the window, long ones in coarser steps.

    >>> intervals(4)
    [(0, 1), (1, 2), (2, 3), (3, 4), (0, 2), (1, 3), (2, 4)]
    """
    return [
        (start, start + length)
        for length in LENGTHS
        if length <= hours // 2
        for start in range(0, hours - length + 1, max(1, length // 12))
    ]


class Clock:
    """A ledger by hour: its slots are the hours of the group acted on, then the other groups."""

    def __init__(self, ledger: Ledger, hours: int, least: int) -> None:
        self.ledger, self.hours, self.least = ledger, hours, least
        self.tried = intervals(hours)
        lattice = ledger.lattice
        self._n = self._running(lattice.by_slot)
        codes = lattice.slots.codes
        assert codes is not None
        self._whole_n = self._running(np.bincount(codes, minlength=lattice.slots.width)[None, :])

    def standing(self) -> Standing | None:
        """Every candidate in its best interval; p is corrected for the intervals tried."""
        if not self.tried or not len(self.ledger.lattice.n):
            return None
        rows, ledger = self.ledger.rows, self.ledger
        total, squares = (self._running(x) for x in ledger.margins())
        whole_total, whole_squares = (self._running(x[None, :]) for x in ledger.by_slot())
        size = len(ledger.lattice.n)
        every = np.arange(size)
        best = np.full(size, -1.0)
        hours = np.zeros((size, 2), dtype=np.int64)
        effects, kept = np.zeros(size), [np.zeros(ledger.lattice.n.shape) for _ in range(3)]
        for starts, length in self._blocks(size):
            cells = self._within(starts, length, self._n, total, squares)
            whole = self._within(starts, length, self._whole_n, whole_total, whole_squares)
            fewest = np.minimum(cells.n, whole.n - cells.n).min(axis=-1)
            enough = fewest >= self.least
            with np.errstate(divide="ignore", invalid="ignore"):
                effect, variance = contrast(cells, whole, rows.groups.signs)
                z = np.where(enough, z_of(effect, variance * ledger.deff), 0.0)
            first = np.argmax(np.abs(z), axis=0)
            top = np.abs(z[first, every])
            at = np.flatnonzero((top > best) & enough[first, every])
            first = first[at]
            best[at], effects[at] = top[at], effect[first, at]
            hours[at] = np.stack([starts[first], starts[first] + length], axis=1)
            for store, moment in zip(kept, (cells.n, cells.total, cells.squares), strict=True):
                store[at] = moment[first, at]
        z = np.maximum(best, 0.0)
        p = np.minimum(two_sided_p(z) * len(self.tried), 1.0)
        score = ledger.score(z) - 2 * np.log(len(self.tried))
        return Standing(
            ledger.lattice, effects, z * np.sign(effects), p, score, hours, Moments(*kept)
        )

    def _running(self, slots: Floats | NDArray[np.int64]) -> Floats:
        """Sums up to each hour, (cells, hours + 1), then the other groups' sums as they are."""
        by_hour, others = slots[:, : self.hours], slots[:, self.hours :]
        zero = np.zeros((len(slots), 1))
        return np.hstack([zero, np.cumsum(by_hour, axis=1, dtype=np.float64), others])

    def _blocks(self, size: int) -> Iterator[tuple[Ints, int]]:
        """Intervals of one length by their starts, as many as may be held for all cells."""
        for length, group in groupby(self.tried, lambda interval: interval[1] - interval[0]):
            starts = np.array([start for start, _ in group])
            yield from ((block, length) for block in _split(starts, max(1, BLOCK // size)))

    def _within(self, starts: Ints, length: int, *running: Floats) -> Moments:
        """Moments of shape (starts, cells, groups), the group acted on in the interval only."""
        rows = self.ledger.rows
        treated = rows.groups.treated
        found = []
        for sums in running:
            others = sums[:, self.hours + 1 :]
            moments = np.empty((len(starts), len(sums), others.shape[1] + 1))
            moments[:, :, treated] = (sums[:, starts + length] - sums[:, starts]).T
            moments[:, :, :treated] = others[:, :treated]
            moments[:, :, treated + 1 :] = others[:, treated:]
            found.append(moments)
        return rows.moments(found[0], found[1], found[2])


def _split(starts: Ints, most: int) -> Iterator[Ints]:
    for low in range(0, len(starts), most):
        yield starts[low : low + most]
