"""Moments over units: what an experiment needs of its users, whatever the metric.

A unit (a user, an account, a cluster) is one row of numbers: totals of metrics, denominators,
values before the experiment. Means of rows that repeat are ratios of such totals, and only units
are independent of each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .paired import centred
from .result import Undefined

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class UnitMoments:
    """n units, the mean of each of p numbers (p,), and their scatter (p, p).

    scatter = sum (x - mean)(x - mean)'. Moments of disjoint sets of units add up.
    """

    n: float
    mean: Floats
    scatter: Floats

    def __add__(self, other: UnitMoments) -> UnitMoments:
        return (self.cells() + other.cells()).at(0)

    def cells(self) -> CellMoments:
        """The same as one cell of many."""
        return CellMoments(np.array([self.n]), self.mean[..., None], self.scatter[..., None])

    @property
    def covariance(self) -> Floats | Undefined:
        """Sample covariance (p, p). Undefined with fewer than two units."""
        if self.n < 2:
            return Undefined("fewer than two units", self.n)
        return np.asarray(self.scatter / (self.n - 1))


@dataclass(frozen=True, eq=False)
class CellMoments:
    """Moments of the units of many cells (segments, say) at once: n (cells,), mean (p, cells),
    scatter (p, p, cells).
    """

    n: Floats
    mean: Floats
    scatter: Floats

    def __add__(self, other: CellMoments) -> CellMoments:
        """Chan, Golub, LeVeque (1983), The American Statistician 37."""
        n = self.n + other.n
        whole = np.where(n > 0, n, 1.0)
        apart = other.mean - self.mean
        between = apart[:, None] * apart * (self.n * other.n / whole)
        mean = self.mean + apart * (other.n / whole)
        return CellMoments(n, mean, self.scatter + other.scatter + between)

    def at(self, cell: int) -> UnitMoments:
        """Those of one cell."""
        return UnitMoments(float(self.n[cell]), self.mean[..., cell], self.scatter[..., cell])


def moments_of(values: ArrayLike) -> UnitMoments:
    """Moments of units given one by one, shape (units, p).

    >>> m = moments_of([[1.0, 2.0], [3.0, 2.0]])
    >>> m.n, m.mean.tolist(), m.scatter.tolist()
    (2.0, [2.0, 2.0], [[2.0, 0.0], [0.0, 0.0]])
    """
    rows = np.asarray(values, dtype=np.float64)
    if len(rows) == 0:
        p = rows.shape[1]
        return UnitMoments(0.0, np.zeros(p), np.zeros((p, p)))
    mean = rows.mean(axis=0)
    apart = rows - mean
    return UnitMoments(float(len(rows)), mean, apart.T @ apart)


def moments_from_sums(n: float, totals: ArrayLike, products: ArrayLike) -> UnitMoments:
    """Moments from sums: totals (p,) of x, products (p, p) of x x'; only its lower half is read.

    The subtraction is exact (rational arithmetic), so sums about any centre will do.

    >>> moments_from_sums(2, [4.0], [[10.0]]).scatter.tolist()
    [[2.0]]
    """
    total, product = (np.asarray(x, dtype=np.float64) for x in (totals, products))
    p = len(total)
    if n == 0:
        return UnitMoments(0.0, np.zeros(p), np.zeros((p, p)))
    scatter = np.zeros((p, p))
    for i in range(p):
        for j in range(i + 1):
            cross = centred(n, float(total[i]), float(total[j]), float(product[i, j]))
            scatter[i, j] = scatter[j, i] = max(cross, 0.0) if i == j else cross
    return UnitMoments(float(n), total / n, scatter)
