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

from analyzer.segments.fit import Fit
from analyzer.segments.lattice import Lattice
from analyzer.segments.left import CellSums, Left
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
    """Sums per candidate of what a fit leaves of the outcome.

    deff: of each candidate, for screening; shared: of the score; sums: of the outcome and its
    squares per candidate and slot, where they are known.
    """

    def __init__(
        self,
        lattice: Lattice,
        rows: Rows,
        deff: Floats,
        shared: float,
        fit: Fit,
        sums: list[Floats] | None = None,
    ) -> None:
        self.lattice, self.rows, self.deff, self.shared = lattice, rows, deff, shared
        self._fit, self._left = fit, Left(lattice, fit, sums)
        self._known = (-1, self._left.logged)
        counts = np.bincount(lattice.orders, minlength=lattice.order + 1)
        # a longer name never costs less, however few candidates have as many conditions
        self.cost = 2 * np.log(np.maximum.accumulate(np.maximum(counts, 1)))[lattice.orders]

    def sums(self) -> CellSums:
        """Sum and sum of squares per candidate and slot, and of all rows."""
        if self._known[0] != self._fit.revision:
            self._known = (self._fit.revision, self._left.sums())
        return self._known[1]

    def whole(self) -> Moments:
        """Moments of all rows per group."""
        groups = self.lattice.slots.groups
        total, squares = (groups(x[-1]) for x in self.sums())
        return self.rows.moments(self.rows.n, total, squares)

    def standing(self) -> Standing:
        """Every candidate against its complement."""
        groups = self.lattice.slots.groups
        total, squares = (groups(x[:-1]) for x in self.sums())
        cells = self.rows.moments(self.lattice.n, total, squares)
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
