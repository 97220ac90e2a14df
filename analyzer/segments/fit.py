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
    """Effects and atoms of one outcome; effects act on one group of rows only.

    sets: rows of each set by its bit; bucket_n: how many of each that effects act on, by bucket;
    revision: how often effects were fitted.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.revision = 0
        self.atom = np.zeros(rows.table.rows, dtype=np.uint16)
        self.bits = [0]  # per atom: the sets it lies in
        self.sets: list[Ints] = []
        self.bucket_n: list[Floats] = []
        self.effects: dict[Member, float] = {}
        self._fitted = np.zeros(1)
        self._masks: dict[int, NDArray[np.bool_]] = {}
        everything = rows.sums(None, rows.whole)
        self._n, self._total = everything.n[None, :], everything.total[None, :]
        self._scale = float(np.sqrt(everything.moments.squares.sum() / rows.table.rows))

    def know(self, rows: Ints) -> int:
        """Split the atoms by a new set of rows; returns its bit."""
        bit = len(self.sets)
        self.sets.append(rows)
        self.bucket_n.append(self.rows.by_bucket(rows)[self.rows.groups.treated])
        before, inside = len(self.bits), self.atom[rows]
        touched = np.flatnonzero(np.bincount(inside, minlength=before))
        table = np.zeros(before, dtype=np.uint16)
        table[touched] = before + np.arange(len(touched))
        self.bits += [self.bits[old] | 1 << bit for old in touched]
        self.atom[rows] = table[inside]
        self._fitted = np.concatenate([self._fitted, self._fitted[touched]])
        n, total = self._sums_of(rows, before)
        self._n[touched] -= n
        self._total[touched] -= total
        self._n, self._total = np.vstack([self._n, n]), np.vstack([self._total, total])
        return bit

    def _sums_of(self, rows: Ints, first: int) -> tuple[Floats, Floats]:
        """Rows and sums of the outcome, (atoms from `first` on, groups), over some rows."""
        size, group = len(self.rows.groups.signs), self.rows.group
        code = self.atom[rows].astype(np.int64) - first
        if group is not None:
            code = code * size + group[rows]
        cells = (len(self.bits) - first) * size
        n = np.bincount(code, minlength=cells).reshape(-1, size)
        total = np.bincount(code, weights=self.rows.whole[rows], minlength=cells)
        return n.astype(np.float64), total.astype(np.float64).reshape(-1, size)

    def steps(self) -> dict[Member, float]:
        """The effects in whole numbers, those that are not 0."""
        rounded = {member: float(round(effect)) for member, effect in self.effects.items()}
        return {member: step for member, step in rounded.items() if step}

    def left(self, rows: Ints | None = None) -> Floats:
        """What is left of the outcome, in whole numbers, of some rows or of all."""
        keep = slice(None) if rows is None else rows
        fitted = self._fitted[self.atom[keep]]
        acted_on = self.rows.acted_on
        if acted_on is not None:
            fitted *= acted_on[keep]
        return np.subtract(self.rows.whole[keep], fitted, out=fitted)

    def acted_on(self, bit: int, other: int | None = None) -> Ints:
        """The rows of a set, or of two sets together, that effects act on."""
        rows = self.sets[bit]
        if other is not None:
            rows = rows[self._inside(other)[self.atom[rows]]]
        acted_on = self.rows.acted_on
        return rows if acted_on is None else rows[acted_on[rows]]

    def refit(self) -> None:
        """Fit all effects together.

        Sweep by sweep, each effect takes up the signed difference of means that is left inside
        against outside (Gauss and Seidel), on sums per segment: a step of one changes the sums
        of another by the rows they share. Only the treated group moves.
        """
        self.revision += 1
        if not self.effects:
            self._fitted = np.zeros(len(self.bits))
            return
        inside = {m: self._inside(m.bit) for m in self.effects}
        treated = self.rows.groups.treated
        n, left = self._n[:, treated], self._total[:, treated].copy()
        for m, effect in self.effects.items():
            left -= effect * n * inside[m]
        acts = np.stack(list(inside.values()))
        scope = np.stack([self._inside(m.scope) for m in self.effects])
        within = acts & scope
        ours, ours_n = _sums(within, left), _sums(within, n)
        theirs, theirs_n = _sums(scope & ~within, left), _sums(scope & ~within, n)
        shared = np.stack([_sums(within, n * other) for other in acts], axis=1)
        foreign = np.stack([_sums(scope & ~within, n * other) for other in acts], axis=1)
        sign, others = self.rows.groups.signs[treated], self._elsewhere(within, scope)
        effects = np.array(list(self.effects.values()))
        for _ in range(SWEEPS):
            moved = 0.0
            for at in range(len(effects)):
                means = ours[at] / max(ours_n[at], 1.0) - theirs[at] / max(theirs_n[at], 1.0)
                step = sign * float(means) + others[at]
                effects[at] += step
                ours -= step * shared[:, at]
                theirs -= step * foreign[:, at]
                moved = max(moved, abs(step))
            if moved * self.rows.unit <= 1e-9 * self._scale:
                break
        self.effects = dict(zip(self.effects, effects.tolist(), strict=True))
        self._fitted = np.zeros(len(self.bits))
        for member, step in self.steps().items():
            self._fitted[inside[member]] += step

    def _elsewhere(self, within: NDArray[np.bool_], scope: NDArray[np.bool_]) -> list[float]:
        """Signed difference of means in the groups that effects do not act on."""
        found = np.zeros(len(within))
        for group, sign in enumerate(self.rows.groups.signs):
            if group != self.rows.groups.treated:
                sums, n = self._total[:, group], self._n[:, group]
                means = [
                    _sums(rows, sums) / np.maximum(_sums(rows, n), 1.0)
                    for rows in (within, scope & ~within)
                ]
                found += sign * (means[0] - means[1])
        return [float(x) for x in found]

    def _inside(self, bit: int | None) -> NDArray[np.bool_]:
        """Which atoms lie in a set; known ones are remembered, as atoms are only ever added."""
        if bit is None:
            return np.ones(len(self.bits), dtype=bool)
        known = self._masks.get(bit, np.zeros(0, dtype=bool))
        if len(known) < len(self.bits):
            new = [bits >> bit & 1 == 1 for bits in self.bits[len(known) :]]
            known = self._masks[bit] = np.concatenate([known, np.array(new, dtype=bool)])
        return known


def _sums(chosen: NDArray[np.bool_], values: Floats) -> Floats:
    """Sum of the values that each row of `chosen` picks; its order of adding is always the same."""
    return np.asarray(np.where(chosen, values, 0.0).sum(axis=-1))
