"""What a fit leaves of the outcome in every candidate, from sums made once for each segment.

An effect e taken off a set S changes a candidate's sum by -e n(c and S) and its sum of squares by
-2 e total(c and S) + e^2 n(c and S); two sets that overlap add 2 e f n(c and S and T). So the rows
of a set are passed over once, however often effects are fitted anew.

Learnt by profiling: passes over the rows of two sets cost more than all else where twenty segments
overlap, and most change nothing; hence SMALL.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.segments.fit import Fit
from analyzer.segments.lattice import Lattice

SMALL = 0.05
"""Share of the outcome's variance below which what two sets add together, 2 e f, is left out: it
changes no z by more than half of that."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CellSums = tuple[Floats, Floats]
"""Sum and sum of squares in whole numbers, (candidates + 1, slots); the last row is of all rows."""


@dataclass(frozen=True, eq=False)
class Share:
    """Rows and outcome that the cells share with a set: `at` are the cells with any, flat."""

    at: Ints
    n: Floats
    total: Floats | None


class Left:
    """The sums of one lattice's candidates. logged: of the outcome, no effect taken off."""

    def __init__(self, lattice: Lattice, fit: Fit, sums: list[Floats] | None = None) -> None:
        self.lattice, self.fit = lattice, fit
        weights = (fit.rows.whole, fit.rows.squares(fit.rows.whole))
        found = lattice.sums(*weights) if sums is None else sums
        whole = [lattice.slots.sums(weight)[None, :] for weight in weights]
        total, squares = (np.vstack(pair) for pair in zip(found, whole, strict=True))
        self.logged: CellSums = (total, squares)
        self._least = SMALL * squares[-1].sum() / fit.rows.table.rows / fit.rows.square_ratio
        self._shares: dict[tuple[int, ...], Share] = {}

    def sums(self) -> CellSums:
        """The sums of what is left when all effects of the fit are taken off."""
        total, squares = (x.copy() for x in self.logged)
        in_squares = np.zeros_like(total)
        steps = self.fit.steps()
        before: list[tuple[int, float]] = []
        for member, step in steps.items():
            share = self._share(member.bit)
            assert share.total is not None
            total.flat[share.at] -= step * share.n
            in_squares.flat[share.at] += step * (step * share.n - 2 * share.total)
            for bit, other in before:
                if abs(2 * step * other) < self._least:
                    continue
                both = self._share(min(bit, member.bit), max(bit, member.bit))
                in_squares.flat[both.at] += 2 * step * other * both.n
            before.append((member.bit, step))
        squares += in_squares * self.fit.rows.square_ratio
        return total, squares

    def _share(self, *bits: int) -> Share:
        """What the cells share with a set, or with two sets together (rows alone)."""
        if bits not in self._shares:
            rows = self.fit.acted_on(*bits)
            weights = (None,) if len(bits) > 1 else (None, self.fit.rows.whole[rows])
            each = [np.zeros((len(self.lattice.n), self.lattice.slots.width)) for _ in weights]
            if len(rows):
                each = self.lattice.sums(*weights, rows=rows)
            whole = [self.lattice.slots.sums(weight, rows)[None, :] for weight in weights]
            n, *totals = (np.vstack(pair).ravel() for pair in zip(each, whole, strict=True))
            at = np.flatnonzero(n)
            self._shares[bits] = Share(at, n[at], totals[0][at] if totals else None)
        return self._shares[bits]
