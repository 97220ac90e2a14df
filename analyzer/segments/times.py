"""Segments that differ only for some hours: every candidate of two conditions, many intervals.

A segment in an interval is compared with everybody else in that interval, so that an hour in
which all segments moved singles out none.
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
Bools = NDArray[np.bool_]
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
        every = lattice.slots.sums(None, np.arange(lattice.rows))
        self._n = np.vstack([lattice.by_slot, every])
        self._running_n = _running(self._n[:, :hours])

    def standing(self) -> Standing | None:
        """Every candidate in its best interval; p is corrected for the intervals tried."""
        if not self.tried or not len(self.ledger.lattice.n):
            return None
        ledger, size = self.ledger, len(self.ledger.lattice.n)
        total, squares = ledger.sums()
        elsewhere = self._elsewhere(total, squares)
        running = [self._running_n, *(_running(x[:, : self.hours]) for x in (total, squares))]
        best, effects = np.full(size, -1.0), np.zeros(size)
        hours = np.zeros((size, 2), dtype=np.int64)
        for starts, length in self._blocks(size):
            effect, z = self._compared(running, starts, length, *elsewhere)
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
        sums = self._moments(running, hours, total, squares)
        return Standing(ledger.lattice, effects, z * np.sign(effects), p, score, hours, sums)

    def _elsewhere(self, total: Floats, squares: Floats) -> tuple[Floats, Floats, Bools]:
        """What the groups that no interval is cut from add to each effect and its variance, and
        which candidates have rows enough there.
        """
        groups, rows = self.ledger.rows.groups, self.ledger.rows
        others = [x[:, self.hours :] for x in (self._n, total, squares)]
        signs = [sign for group, sign in enumerate(groups.signs) if group != groups.treated]
        cells, whole = (rows.moments(*(x[part] for x in others)) for part in (slice(-1), -1))
        effect, variance = contrast(cells, whole, signs)
        fewest = np.minimum(cells.n, whole.n - cells.n)
        return effect, variance, np.asarray((fewest >= self.least).all(axis=-1))

    def _compared(
        self,
        running: list[Floats],
        starts: Ints,
        length: int,
        other_effect: Floats,
        other_variance: Floats,
        possible: Bools,
    ) -> tuple[Floats, Floats]:
        """Effect and z of every candidate in intervals of one length, (starts, candidates); 0
        where rows are too few.
        """
        rows = self.ledger.rows
        within = [(x[:, starts + length] - x[:, starts]).T for x in running]
        cells, whole = [x[:, :-1] for x in within], [x[:, -1:] for x in within]
        enough = (cells[0] >= self.least) & (whole[0] - cells[0] >= self.least) & possible
        start, cell = np.nonzero(enough)
        effect, variance = contrast(
            rows.moments(*(x[start, cell][:, None] for x in cells)),
            rows.moments(*(x[start] for x in whole)),
            [rows.groups.signs[rows.groups.treated]],
        )
        effects, z = np.zeros(enough.shape), np.zeros(enough.shape)
        effects[start, cell] = effect = effect + other_effect[cell]
        z[start, cell] = z_of(effect, (variance + other_variance[cell]) * self.ledger.deff[cell])
        return effects, z

    def _moments(self, running: list[Floats], hours: Ints, *others: Floats) -> Moments:
        """Moments of every candidate in its own interval, (candidates, groups)."""
        every, treated = np.arange(len(hours)), self.ledger.rows.groups.treated
        found = []
        for sums, slots in zip(running, (self._n, *others), strict=True):
            within = sums[every, hours[:, 1]] - sums[every, hours[:, 0]]
            found.append(np.insert(slots[:-1, self.hours :], treated, within, axis=1))
        return self.ledger.rows.moments(*found)

    def _blocks(self, size: int) -> Iterator[tuple[Ints, int]]:
        """Intervals of one length by their starts, as many as may be held for all cells."""
        for length, group in groupby(self.tried, lambda interval: interval[1] - interval[0]):
            starts = np.array([start for start, _ in group])
            yield from ((block, length) for block in _split(starts, max(1, BLOCK // size)))


def _running(by_hour: NDArray[Any]) -> Floats:
    """Sums up to each hour, (cells, hours + 1)."""
    zero = np.zeros((len(by_hour), 1))
    return np.hstack([zero, np.cumsum(by_hour, axis=1, dtype=np.float64)])


def _split(starts: Ints, most: int) -> Iterator[Ints]:
    for low in range(0, len(starts), most):
        yield starts[low : low + most]
