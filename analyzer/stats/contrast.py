"""A segment against its complement, for many segments at once, from sums.

Rows fall into groups with signs: one group (+1) for a level, baseline and incident (-1, +1) for a
change, champion and challenger (-1, +1) for arms, and all four (+1, -1, -1, +1) for a change of
arms. The effect of a segment S with complement C is sum_g sign_g (mean_Sg - mean_Cg): the
difference in means, or in differences of means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from .laws import norm_isf, student_isf
from .result import Result, Undefined, estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Rows, sum and sum of squares, each of shape (..., groups). They add and subtract.

    Sums are about a centre near the mean, so that squares lose no digits to it.
    """

    n: Floats
    total: Floats
    squares: Floats

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.n + other.n, self.total + other.total, self.squares + other.squares)

    def __sub__(self, other: Moments) -> Moments:
        return Moments(self.n - other.n, self.total - other.total, self.squares - other.squares)

    def at(self, cells: NDArray[Any] | int) -> Moments:
        """The moments of some cells (along the first axis)."""
        return Moments(self.n[cells], self.total[cells], self.squares[cells])

    @property
    def mean(self) -> Floats:
        """Mean per group, 0 where a group is empty."""
        return np.divide(self.total, self.n, out=np.zeros_like(self.total), where=self.n > 0)

    @property
    def variance(self) -> Floats:
        """Mean squared deviation per group: divided by n, so that a copy of every row changes
        nothing; groups are large enough for n and n - 1 to be the same."""
        centred = np.maximum(self.squares - self.total * self.mean, 0.0)
        return np.divide(centred, self.n, out=np.zeros_like(centred), where=self.n > 0)


def welch_variance(cells: Moments, whole: Moments) -> Floats:
    """Variance of each cell's effect if rows were independent: sum_g s_Sg^2/n_Sg + s_Cg^2/n_Cg.

    Welch (1947), Biometrika 34.

    >>> cells = Moments(np.array([[10.0]]), np.array([[10.0]]), np.array([[20.0]]))
    >>> whole = Moments(np.array([30.0]), np.array([10.0]), np.array([40.0]))
    >>> welch_variance(cells, whole).round(4).tolist()
    [0.15]
    """
    rest = whole - cells
    return np.asarray((cells.variance / cells.n + rest.variance / rest.n).sum(axis=-1))


def contrast(cells: Moments, whole: Moments, signs: ArrayLike) -> tuple[Floats, Floats]:
    """Effect of each cell against its complement, and the variance of that effect.

    variance = sum_g s_Sg^2 / n_Sg + s_Cg^2 / n_Cg as Welch's, except that a segment's own s^2
    counts only where it is above that of all rows. A small segment that missed the tail of a
    skewed outcome has a mean and a spread that are both too small (and a segment without any
    rare event no spread at all), which Welch's statistic takes for certainty; an outlier raises
    the segment's own spread along with its mean. So each protects where the other fails.
    Cells: (..., groups); whole: (groups,). Every group of a cell and its complement needs a row.
    Welch (1947), Biometrika 34.

    >>> cells = Moments(np.array([[10.0]]), np.array([[10.0]]), np.array([[19.0]]))
    >>> whole = Moments(np.array([30.0]), np.array([10.0]), np.array([38.0]))
    >>> [round(float(x[0]), 4) for x in contrast(cells, whole, [1])]
    [1.0, 0.1733]
    """
    rest = whole - cells
    effect = (cells.mean - rest.mean) @ np.asarray(signs, dtype=np.float64)
    spread = whole.variance
    variance = np.maximum(cells.variance, spread) / cells.n + spread / rest.n
    return effect, variance.sum(axis=-1)


def clustered_variance(
    n: ArrayLike, total: ArrayLike, whole_n: ArrayLike, whole_total: ArrayLike, signs: ArrayLike
) -> tuple[float, int, float]:
    """Variance of the effect from sums by bucket of units, the segment's non-empty buckets K, df.

    K / (K - 1) sum_k u_k^2, u_k = sum_g sign_g (r_Sgk / n_Sg - r_Cgk / n_Cg), r_gk = total_gk -
    mean_g n_gk: the linearised jackknife over buckets. Degrees of freedom: K - 1, or less where
    few buckets hold most of the variance (a unit with a tenth of the rows), by Satterthwaite's
    (sum s_k^2)^2 / sum s_k^4 with sum s_k^4 = sum u_k^4 / 3. Arrays of shape (groups, buckets).
    (inf, K, 0) when K < 2. Cochran (1977), *Sampling Techniques*, 6; Wolter (2007), 4;
    Satterthwaite (1946), Biometrics 2.

    >>> clustered_variance([[2, 2, 0]], [[2.0, 6.0, 0]], [[4, 4, 4]], [[2.0, 6.0, 4.0]], [1])
    (1.1875, 2, 1.0)
    """
    n, total = np.asarray(n, dtype=np.float64), np.asarray(total, dtype=np.float64)
    held = n.any(axis=0)
    buckets = int(np.count_nonzero(held))
    if buckets < 2:
        return math.inf, buckets, 0.0
    influence = np.zeros(n.shape[1])
    sides = ((1.0, n, total), (-1.0, np.asarray(whole_n) - n, np.asarray(whole_total) - total))
    for side, rows, sums in sides:
        for sign, rows_g, sums_g in zip(np.asarray(signs), rows, sums, strict=True):
            all_rows = float(rows_g.sum())
            if all_rows > 0:
                residual = sums_g - float(sums_g.sum()) / all_rows * rows_g
                influence += side * sign * residual / all_rows
    squares = np.square(influence)
    whole, fourth = float(squares.sum()), float(squares @ squares)
    df = float(buckets - 1)
    if fourth > 0:
        df = min(df, max(1.0, 3 * whole**2 / fourth))
    return buckets / (buckets - 1) * whole, buckets, df


def two_sided_p(z: ArrayLike, df: float = math.inf) -> Floats:
    """Chance of a |z| at least this large: normal, or Student's t with df degrees of freedom.

    >>> two_sided_p([1.959964, 0.0]).round(4).tolist()
    [0.05, 1.0]
    """
    size = -np.abs(np.asarray(z, dtype=np.float64))
    tail = special.ndtr(size) if math.isinf(df) else special.stdtr(df, size)
    return np.asarray(2 * tail, dtype=np.float64)


def interval(
    effect: float, variance: float, df: float, n: float, method: str, confidence: float = 0.95
) -> Result:
    """Effect with its t interval (normal when df is infinite). Undefined without a variance.

    >>> r = interval(1.0, 0.25, math.inf, 100, "normal")
    >>> round(r.low, 2), round(r.high, 2)
    (0.02, 1.98)
    """
    if not (math.isfinite(variance) and df >= 1):
        return Undefined("fewer than two units or rows on a side", n)
    tail = (1 - confidence) / 2
    half = (norm_isf(tail) if math.isinf(df) else student_isf(tail, df)) * math.sqrt(variance)
    return estimate(effect, effect - half, effect + half, n, f"{method} {confidence:.0%}")
