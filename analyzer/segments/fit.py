"""The effects of the segments found so far, fitted together, and what is left of the outcome.

Rows that lie in the same segments form an atom; the fit needs the sums of atoms alone. Effects
are fitted by backfitting: each in turn is the contrast of its segment with the rest after the
others are taken off, until none moves. With one group this is least squares on indicators.
Buja, Hastie, Tibshirani (1989), *Annals of Statistics* 17.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.segments.rows import Rows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SWEEPS = 200


@dataclass(frozen=True, eq=False)
class Member:
    """A set of rows that the fit knows: bit number, and bit of the rows it is compared within."""

    bit: int
    scope: int | None


class Fit:
    """Effects, residuals and atoms of one outcome; effects act on one group of rows only."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.residual = rows.whole.copy()
        self.atom = np.zeros(rows.table.rows, dtype=np.uint16)
        self.bits = [0]  # per atom: the sets it lies in
        self.sets = 0
        self.effects: dict[Member, float] = {}
        self._fitted = np.zeros(1)

    def know(self, rows: Ints) -> int:
        """Split the atoms by a new set of rows; returns its bit."""
        bit, self.sets = self.sets, self.sets + 1
        inside = self.atom[rows]
        touched = np.flatnonzero(np.bincount(inside, minlength=len(self.bits)))
        table = np.zeros(len(self.bits), dtype=np.uint16)
        for old in touched:
            table[old] = len(self.bits)
            self.bits.append(self.bits[old] | 1 << bit)
        self.atom[rows] = table[inside]
        self._fitted = np.concatenate([self._fitted, self._fitted[touched]])
        return bit

    def refit(self) -> tuple[Ints, Floats]:
        """Fit all effects together; returns the rows whose residual moved, and what it was."""
        n, total = self._atoms()
        inside = {m: self._inside(m.bit) for m in self.effects}
        scope = {m: self._inside(m.scope) for m in self.effects}
        treated, signs = self.rows.groups.treated, self.rows.groups.signs
        left = total.copy()
        for m, effect in self.effects.items():
            left[inside[m], treated] -= effect * n[inside[m], treated]
        scale = float(np.sqrt(self.rows.squares(self.rows.whole).mean() * self.rows.square_unit))
        for _ in range(SWEEPS):
            moved = 0.0
            for m in self.effects:
                step = _contrast(n, left, inside[m], scope[m], signs, treated)
                self.effects[m] += step
                left[inside[m], treated] -= step * n[inside[m], treated]
                moved = max(moved, abs(step))
            if moved * self.rows.unit <= 1e-9 * scale:
                break
        return self._apply(inside)

    def _apply(self, inside: dict[Member, NDArray[np.bool_]]) -> tuple[Ints, Floats]:
        fitted = np.zeros(len(self.bits))
        for m, effect in self.effects.items():
            fitted[inside[m]] += effect
        fitted = np.rint(fitted)
        change = fitted - self._fitted
        self._fitted = fitted
        moved = (change != 0)[self.atom]
        acted_on = self.rows.acted_on
        if acted_on is not None:
            moved &= acted_on
        rows = np.flatnonzero(moved)
        old = self.residual[rows]
        self.residual[rows] = old - change[self.atom[rows]]
        return rows, old

    def _inside(self, bit: int | None) -> NDArray[np.bool_]:
        if bit is None:
            return np.ones(len(self.bits), dtype=bool)
        return np.array([bits >> bit & 1 == 1 for bits in self.bits])

    def _atoms(self) -> tuple[Floats, Floats]:
        """Rows and sums of the outcome, (atoms, groups)."""
        size, group = len(self.rows.groups.signs), self.rows.group
        code = self.atom.astype(np.int64)
        if group is not None:
            code = code * size + group
        cells = len(self.bits) * size
        n = np.bincount(code, minlength=cells).reshape(-1, size)
        total = np.bincount(code, weights=self.rows.whole, minlength=cells).reshape(-1, size)
        return n.astype(np.float64), total.astype(np.float64)


def _contrast(
    n: Floats,
    total: Floats,
    inside: NDArray[np.bool_],
    scope: NDArray[np.bool_],
    signs: tuple[int, ...],
    treated: int,
) -> float:
    """Signed difference of means inside and outside; the scope limits the treated group only."""
    effect = 0.0
    for group, sign in enumerate(signs):
        within = scope if group == treated else np.ones_like(scope)
        a, b = inside & within, ~inside & within
        mean_a = total[a, group].sum() / max(n[a, group].sum(), 1.0)
        mean_b = total[b, group].sum() / max(n[b, group].sum(), 1.0)
        effect += sign * float(mean_a - mean_b)
    return effect
