"""The candidates of a search as it goes on: their sums of what is left, and who leads.

A candidate's score is z^2 less twice the logarithm of how many candidates have as many
conditions: what it costs to name it. z^2, the gain in deviance, peaks at the true granularity;
the cost settles near-ties for the shorter name (Rissanen, 1983, *Annals of Statistics* 11). For the
score all candidates share one design effect: with its own, half of every unit's rows would count as
much as all of them, and a segment would fall apart into pieces. Whether a candidate holds at all
is judged on its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.segments.lattice import Lattice
from analyzer.segments.rows import Rows
from analyzer.stats.contrast import Moments, contrast, two_sided_p

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Hours = tuple[int, int]


@dataclass(frozen=True, order=True)
class Name:
    """A candidate: its (column, folded code) pairs, and the hours if only some."""

    where: tuple[tuple[int, int], ...]
    hours: Hours | None = None


@dataclass(frozen=True, eq=False)
class Standing:
    """How the candidates stand: effect in the outcome's units, z on screening variances, p.

    p is not corrected. score ranks. hours: (candidates, 2), or None when all hours are meant.
    """

    lattice: Lattice
    effect: Floats
    z: Floats
    p: Floats
    score: Floats
    hours: Ints | None
    sums: Moments

    def name(self, at: int) -> Name:
        """The candidate's name."""
        pairs = zip(self.lattice.columns[at], self.lattice.values[at], strict=True)
        where = tuple((int(c), int(v)) for c, v in pairs if c >= 0)
        if self.hours is None:
            return Name(where)
        return Name(where, (int(self.hours[at, 0]), int(self.hours[at, 1])))

    def inside(self, name: Name, n: Floats) -> NDArray[np.bool_]:
        """Candidates with all conditions of `name` and fewer rows than its n (by group)."""
        return np.asarray(self._holds(name) & (self.lattice.n < n).any(axis=1))

    def _holds(self, name: Name) -> NDArray[np.bool_]:
        held = np.ones(len(self.lattice.orders), dtype=bool)
        for column, value in name.where:
            here = (self.lattice.columns == column) & (self.lattice.values == value)
            held &= here.any(axis=1)
        return held

    def leaders(self, passing: NDArray[np.bool_]) -> Iterator[int]:
        """Passing candidates by score, one of each set of candidates with the same sums."""
        at = np.flatnonzero(passing)
        at = at[np.lexsort((self.lattice.orders[at], -self.score[at]))]  # same rows: shortest
        seen = set()
        for candidate in at.tolist():
            sums = self.sums.at(candidate)
            key = (sums.n.tobytes(), sums.total.tobytes(), sums.squares.tobytes())
            if key not in seen:
                seen.add(key)
                yield candidate


class Ledger:
    """Sums of the residual per candidate, kept up to date row by row.

    deff: of each candidate, for screening; shared: of the score. residual: the fit's own array,
    which changes in place. dense: its sums and squares per block, where they are known.
    """

    def __init__(
        self,
        lattice: Lattice,
        rows: Rows,
        deff: Floats,
        shared: float,
        residual: Floats,
        dense: list[list[Floats]] | None = None,
    ) -> None:
        self.lattice, self.rows, self.deff, self.residual = lattice, rows, deff, residual
        self.shared = shared
        self.dense = lattice.sums(residual, rows.squares(residual)) if dense is None else dense
        counts = np.bincount(lattice.orders, minlength=lattice.order + 1)
        # a longer name never costs less, however few candidates have as many conditions
        self.cost = 2 * np.log(np.maximum.accumulate(np.maximum(counts, 1)))[lattice.orders]

    def update(self, moved: Ints, old: Floats) -> None:
        """Take over the new residuals of the rows that moved; `old` is what they were."""
        if not len(moved):
            return
        new = self.residual[moved]
        squares = self.rows.squares(new) - self.rows.squares(old)
        for dense, change in zip(
            self.dense, self.lattice.sums(new - old, squares, rows=moved), strict=True
        ):
            for total, part in zip(dense, change, strict=True):
                total += part

    def margins(self) -> tuple[Floats, Floats]:
        """Sum and sum of squares per candidate and slot."""
        total, squares = zip(*self.dense, strict=True) if self.dense else ((), ())
        return self.lattice.margins(total), self.lattice.margins(squares)

    def by_slot(self) -> list[Floats]:
        """Sum and sum of squares of all rows by slot: every block holds each row once."""
        width = self.lattice.slots.width
        return [block.reshape(-1, width).sum(axis=0) for block in self.dense[0]]

    def whole(self) -> Moments:
        """Moments of all rows per group."""
        total, squares = (self.lattice.slots.groups(sums) for sums in self.by_slot())
        return self.rows.moments(self.rows.n, total, squares)

    def standing(self) -> Standing:
        """Every candidate against its complement."""
        cells = self.rows.moments(self.lattice.n, *self.margins())
        effect, variance = contrast(cells, self.whole(), self.rows.groups.signs)
        z = z_of(effect, variance * self.deff)
        return Standing(self.lattice, effect, z, two_sided_p(z), self.score(z), None, cells)

    def score(self, z: Floats) -> Floats:
        """Score of every candidate from its z on screening variances."""
        found: Floats = z * z * self.deff / self.shared - self.cost
        return found


def z_of(effect: Floats, variance: Floats) -> Floats:
    """Effect in standard errors, 0 where there is no variance.

    >>> z_of(np.array([1.0, 1.0]), np.array([0.25, 0.0])).tolist()
    [2.0, 0.0]
    """
    error = np.sqrt(variance)
    return np.divide(effect, error, out=np.zeros_like(effect), where=error > 0)
