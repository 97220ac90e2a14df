"""Intervals by linearisation: what one more row in a cell does to a statistic."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .laws import norm_isf, student_isf
from .result import Result, Undefined, estimate

Floats = NDArray[np.float64]

SHARE: Final = (0.0, 1.0)
POSITIVE: Final = (0.0, math.inf)
REAL: Final = (-math.inf, math.inf)
DIFFERENCE: Final = (-1.0, 1.0)
"""Where a statistic can lie: a share, a loss, anything, a difference of shares."""


@dataclass(frozen=True, slots=True, eq=False)
class Linearised:
    """A statistic at given sums and its derivative by each sum (the shape of the cells)."""

    value: float
    gradient: Floats


Functional: TypeAlias = Callable[[Floats], Linearised | Undefined]
"""A statistic of sums over rows that does not change when every sum is doubled."""


def ratio(cells: ArrayLike) -> Linearised | Undefined:
    """The functional num / den of cells (num, den): any mean, rate or mean loss.

    Gradient (1 / den, -num / den^2). Undefined when den is 0.

    >>> found = ratio([1.0, 4.0])
    >>> found.value, found.gradient.tolist()
    (0.25, [0.25, -0.0625])
    """
    num, den = (float(x) for x in np.asarray(cells, dtype=np.float64))
    if den == 0:
        return Undefined("the denominator is 0")
    return Linearised(num / den, np.array([1 / den, -num / den**2]))


def row_error(counts: ArrayLike, gradient: ArrayLike, deff: float = 1.0) -> float:
    """Standard error when the cells are disjoint counts of independent rows.

    sqrt(deff sum_c n_c g_c^2), g the gradient by count: the infinitesimal jackknife.
    Jaeckel (1972), Bell Laboratories; Efron (1982), *The Jackknife, the Bootstrap*, 6.


    >>> round(row_error([25, 75], [0.0075, -0.0025]), 6)
    0.043301
    """
    n, g = np.asarray(counts, dtype=np.float64), np.asarray(gradient, dtype=np.float64)
    return math.sqrt(max(deff, 1.0) * max(float(np.sum(n * g * g)), 0.0))


def bucket_error(sums: ArrayLike, gradient: ArrayLike) -> tuple[float, int]:
    """Standard error and number of non-empty buckets, when rows depend within a bucket.

    With u_k = sum_c sums_kc g_c: sqrt(K/(K-1) sum (u_k - mean)^2), the linearised jackknife over
    K buckets. `sums` has shape (buckets, cells...). Infinite with fewer than two buckets.
    Kish (1965), *Survey Sampling*; Efron and Tibshirani (1993), 11.

    >>> bucket_error([[1, 10], [2, 10], [3, 10]], ratio([6.0, 30.0]).gradient)[1]
    3
    """
    x, g = np.asarray(sums, dtype=np.float64), np.asarray(gradient, dtype=np.float64)
    flat = x.reshape(len(x), -1)
    held = np.any(flat != 0, axis=1)
    buckets = int(held.sum())
    if buckets < 2:
        return math.inf, buckets
    scores = flat[held] @ g.ravel()
    scores = scores - scores.mean()
    return math.sqrt(buckets / (buckets - 1) * float(scores @ scores)), buckets


def interval(
    value: float,
    error: float,
    n: float,
    method: str,
    confidence: float = 0.95,
    df: float = math.inf,
    support: tuple[float, float] = REAL,
) -> Result:
    """value +- t_df error, on the logit scale for a share and the log scale for a loss.

    So the ends stay inside `support`. On other bounded supports the ends are cut. A share or
    loss at the end of its support and any infinite error are Undefined: no linearisation there.
    Agresti (2013), *Categorical Data Analysis*, 3, for the scales.

    >>> r = interval(0.9, 0.05, 40, "example", support=SHARE)
    >>> round(r.low, 4), round(r.high, 4)
    (0.7518, 0.9639)
    """
    if not math.isfinite(error):
        return Undefined("no standard error", n)
    tail = (1 - confidence) / 2
    z = student_isf(tail, df) if math.isfinite(df) else norm_isf(tail)
    described = (
        f"{method}, {'t' if math.isfinite(df) else 'normal'} interval {100 * confidence:.4g}%"
    )
    if support in (SHARE, POSITIVE):
        if not support[0] < value < support[1] or error == 0:
            return Undefined("no variation to build an interval from", n)
        return _transformed(value, z * error, n, described, support == SHARE)
    low, high = max(value - z * error, support[0]), min(value + z * error, support[1])
    return estimate(value, low, high, n, described)


def _transformed(value: float, half: float, n: float, method: str, share: bool) -> Result:
    if not share:
        factor = math.exp(min(half / value, 700.0))
        return estimate(value, value / factor, value * factor, n, method)
    odds, factor = value / (1 - value), math.exp(min(half / (value * (1 - value)), 700.0))
    low, high = odds / factor, odds * factor
    return estimate(value, low / (1 + low), 1 - 1 / (1 + high), n, method)


def over_buckets(
    sums: ArrayLike,
    functional: Functional,
    confidence: float = 0.95,
    support: tuple[float, float] = REAL,
) -> Result:
    """Any functional of sums with the interval of its linearised jackknife over buckets.

    `sums` has shape (buckets, cells...); the statistic is that of the sums over buckets, its
    interval `bucket_error` with t of K-1 degrees of freedom (`interval` for the scale); `n` is
    K. Undefined with fewer than two non-empty buckets or where the functional is.

    >>> r = over_buckets([[1, 10], [2, 10], [3, 10]], ratio)
    >>> round(r.value, 3), round(r.low, 3)
    (0.2, -0.048)
    """
    x = np.asarray(sums, dtype=np.float64)
    found = functional(x.sum(axis=0))
    if isinstance(found, Undefined):
        return found
    error, buckets = bucket_error(x, found.gradient)
    if buckets < 2:
        return Undefined(f"{buckets} non-empty buckets, 2 needed", buckets)
    method = f"linearised jackknife over {buckets} buckets"
    return interval(found.value, error, buckets, method, confidence, buckets - 1, support)


def minus(first: Functional, second: Functional) -> Functional:
    """The functional first - second of the same cells: a paired comparison.

    What both share row by row cancels in the gradient.

    >>> minus(ratio, ratio)(np.array([1.0, 4.0])).value
    0.0
    """

    def difference(cells: Floats) -> Linearised | Undefined:
        a, b = first(cells), second(cells)
        if isinstance(a, Undefined):
            return a
        if isinstance(b, Undefined):
            return b
        return Linearised(a.value - b.value, a.gradient - b.gradient)

    return difference
