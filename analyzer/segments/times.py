"""Segments that differ only for some hours: every candidate of two conditions, many intervals.

A segment in an interval is compared with everybody else in that interval, so that an hour in
which all segments moved singles out none; and with the same hours of the baseline (of the other
arm), so that what a segment does at that time of every day is no change.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

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
    """A ledger by hour: its slots are the hours of each group in turn."""

    def __init__(self, ledger: Ledger, hours: int, least: int) -> None:
        self.ledger, self.hours, self.least = ledger, hours, least
        self.tried = intervals(hours)
        lattice = ledger.lattice
        every = lattice.slots.sums(None, np.arange(lattice.rows))
        self._running_n = self._running(np.vstack([lattice.by_slot, every]))

    def standing(self) -> Standing | None:
        """Every candidate in its best interval; p is corrected for the intervals tried."""
        if not self.tried or not len(self.ledger.lattice.n):
            return None
        ledger, size = self.ledger, len(self.ledger.lattice.n)
        total, squares = ledger.sums()
        running = [self._running_n, *(self._running(x) for x in (total, squares))]
        best, effects = np.full(size, -1.0), np.zeros(size)
        hours = np.zeros((size, 2), dtype=np.int64)
        for starts, length in self._blocks(size):
            effect, z = self._compared(running, starts, length)
            first = np.argmax(np.abs(z), axis=0)
            every = np.arange(size)
            top = np.abs(z[first, every])
            at = np.flatnonzero(top > np.maximum(best, 0.0))
            first = first[at]
            best[at], effects[at] = top[at], effect[first, at]
            hours[at] = np.stack([starts[first], starts[first] + length], axis=1)
        z = np.maximum(best, 0.0)
        p = np.minimum(two_sided_p(z) * len(self.tried), 1.0)
        score = ledger.score(z) - 2 * np.log(len(self.tried))
        sums = self._moments(running, hours)
        return Standing(ledger.lattice, effects, z * np.sign(effects), p, score, hours, sums)

    def _compared(self, running: list[Floats], starts: Ints, length: int) -> tuple[Floats, Floats]:
        """Effect and z of every candidate in intervals of one length, (starts, candidates); 0
        where rows are too few.
        """
        rows = self.ledger.rows
        within = [np.moveaxis(x[:, starts + length] - x[:, starts], 1, 0) for x in running]
        cells, whole = [x[:, :-1] for x in within], [x[:, -1:] for x in within]
        enough = (cells[0] >= self.least) & (whole[0] - cells[0] >= self.least)
        start, cell = np.nonzero(enough.all(axis=-1))
        effect, variance = contrast(
            rows.moments(*(x[start, cell] for x in cells)),
            rows.moments(*(x[start, 0] for x in whole)),
            rows.groups.signs,
        )
        effects, z = np.zeros(enough.shape[:2]), np.zeros(enough.shape[:2])
        effects[start, cell] = effect
        z[start, cell] = z_of(effect, variance * self.ledger.deff[cell])
        return effects, z

    def _moments(self, running: list[Floats], hours: Ints) -> Moments:
        """Moments of every candidate in its own interval, (candidates, groups)."""
        every = np.arange(len(hours))
        return self.ledger.rows.moments(
            *(sums[every, hours[:, 1]] - sums[every, hours[:, 0]] for sums in running)
        )

    def _running(self, by_slot: NDArray[Any]) -> Floats:
        """Sums up to each hour, (cells, hours + 1, groups)."""
        by_hour = by_slot.reshape(len(by_slot), -1, self.hours)
        found = np.zeros((len(by_slot), self.hours + 1, by_hour.shape[1]))
        np.cumsum(by_hour.swapaxes(1, 2), axis=1, out=found[:, 1:])
        return found

    def _blocks(self, size: int) -> Iterator[tuple[Ints, int]]:
        """Intervals of one length by their starts, as many as may be held for all cells."""
        for length, group in groupby(self.tried, lambda interval: interval[1] - interval[0]):
            starts = np.array([start for start, _ in group])
            yield from ((block, length) for block in _split(starts, max(1, BLOCK // size)))


def _split(starts: Ints, most: int) -> Iterator[Ints]:
    for low in range(0, len(starts), most):
        yield starts[low : low + most]
