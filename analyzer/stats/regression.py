"""Errors of a regression model from sums: MAE, RMSE, bias, quantile loss, and paired."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .influence import POSITIVE, Linearised, interval, over_buckets, ratio
from .paired import Sums, mean_difference
from .result import Result, Undefined

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ErrorSums:
    """Sums over rows of e = label - prediction, in the label's unit. They add.

    n, sum e, sum |e|, sum e^2, sum e^4, and sum e^2 where e > 0 (the prediction was too low).

    >>> ErrorSums(1, 2, 2, 4, 16, 4) + ErrorSums(1, -1, 1, 1, 1, 0)
    ErrorSums(n=2, total=1, absolute=3, squares=5, fourths=17, squares_above=4)
    """

    n: float
    total: float
    absolute: float
    squares: float
    fourths: float
    squares_above: float

    def __add__(self, other: ErrorSums) -> ErrorSums:
        return ErrorSums(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def error_sums(errors: ArrayLike) -> ErrorSums:
    """The sums of given errors (label - prediction).

    >>> error_sums([2.0, -1.0]).squares
    5.0
    """
    e = np.asarray(errors, dtype=np.float64)
    above = e[e > 0]
    return ErrorSums(
        len(e),
        float(e.sum()),
        float(np.abs(e).sum()),
        float(e @ e),
        float(np.sum(e**4)),
        float(above @ above),
    )


def bias(sums: ErrorSums, confidence: float = 0.95, deff: float = 1.0) -> Result:
    """Mean of label - prediction with its t interval; above 0: predictions are too low.

    Undefined with fewer than two effective rows. Student (1908), Biometrika 6.

    >>> bias(error_sums([2.0, -1.0, 0.5])).value
    0.5
    """
    return mean_difference(Sums(sums.n, sums.total, sums.squares), confidence, deff)


def mean_absolute_error(sums: ErrorSums, confidence: float = 0.95, deff: float = 1.0) -> Result:
    """Mean of |e| with its t interval, in the label's unit.

    Undefined with fewer than two effective rows. Willmott and Matsuura (2005), Climate
    Research 30.

    >>> mean_absolute_error(error_sums([2.0, -1.0, 0.0])).value
    1.0
    """
    return mean_difference(Sums(sums.n, sums.absolute, sums.squares), confidence, deff)


def root_mean_squared_error(sums: ErrorSums, confidence: float = 0.95, deff: float = 1.0) -> Result:
    """Root of the mean of e^2, in the label's unit.

    Delta method, var(RMSE) = deff (m4 - m2^2) / (4 n m2), log scale. Undefined with fewer than
    two effective rows or when all errors are equally large (no variation).
    Oehlert (1992), American Statistician 46.

    >>> root_mean_squared_error(error_sums([3.0, 4.0, 0.0, 0.0])).value
    2.5
    """
    effective = sums.n / max(deff, 1.0)
    if effective < 2:
        return Undefined("fewer than two effective rows", effective)
    mean, fourth = sums.squares / sums.n, sums.fourths / sums.n
    if mean <= 0:
        return Undefined("no error at all: no variation to build an interval from", effective)
    root = math.sqrt(mean)
    error = math.sqrt(max(fourth - mean**2, 0.0) / (effective - 1)) / (2 * root)
    return interval(root, error, effective, "delta method", confidence, effective - 1, POSITIVE)


def quantile_loss(sums: ErrorSums, q: float, confidence: float = 0.95, deff: float = 1.0) -> Result:
    """Mean pinball loss at quantile q: q e where e > 0, (q - 1) e where e < 0.

    From sums: sum e+ = (sum |e| + sum e) / 2, sum e- = (sum |e| - sum e) / 2; t interval. At
    q = 1/2 it is half the MAE. Undefined with fewer than two effective rows.
    Koenker and Bassett (1978), Econometrica 46.

    >>> quantile_loss(error_sums([2.0, -1.0, 0.0]), 0.9).value
    0.6333333333333333
    """
    if not 0 < q < 1:
        raise ValueError(f"a quantile's order must lie between 0 and 1, not {q}")
    above, below = (sums.absolute + sums.total) / 2, (sums.absolute - sums.total) / 2
    squares = q**2 * sums.squares_above + (1 - q) ** 2 * (sums.squares - sums.squares_above)
    return mean_difference(Sums(sums.n, q * above + (1 - q) * below, squares), confidence, deff)


def compare_losses(differences: Sums, confidence: float = 0.95, deff: float = 1.0) -> Result:
    """Mean of the challenger's minus the champion's loss on the same rows.

    `differences` sums d = |e1| - |e0|, e1^2 - e0^2 or a difference of pinball losses, row by
    row, in the loss's unit; paired t interval. Undefined with fewer than two effective rows.
    Diebold and Mariano (1995), JBES 13.

    >>> compare_losses(Sums(4, -2.0, 3.0)).value
    -0.5
    """
    return mean_difference(differences, confidence, deff)


def rmse_functional(cells: ArrayLike) -> Linearised | Undefined:
    """The functional of RMSE: cells (sum e^2, n), for weighted sums. Undefined without errors.

    >>> rmse_functional([25.0, 4.0]).value
    2.5
    """
    mean = ratio(cells)
    if isinstance(mean, Undefined):
        return mean
    if mean.value <= 0:
        return Undefined("no error at all")
    root = math.sqrt(mean.value)
    return Linearised(root, mean.gradient / (2 * root))


def _difference_of_roots(cells: Floats) -> Linearised | Undefined:
    champion, challenger, n = cells
    a, b = rmse_functional([champion, n]), rmse_functional([challenger, n])
    if isinstance(a, Undefined):
        return a
    if isinstance(b, Undefined):
        return b
    rows = b.gradient[1] - a.gradient[1]
    return Linearised(b.value - a.value, np.array([-a.gradient[0], b.gradient[0], rows]))


def compare_rmse(
    champion_squares: ArrayLike,
    challenger_squares: ArrayLike,
    rows: ArrayLike,
    confidence: float = 0.95,
) -> Result:
    """RMSE of the challenger minus that of the champion on the same rows, by bucket of units.

    Sums of e^2 of each model and the rows, by bucket. Linearised jackknife, t interval.
    Undefined with fewer than two non-empty buckets or without errors. Efron and Tibshirani
    (1993), 11.

    >>> compare_rmse([10.0, 15.0], [40.0, 60.0], [2, 2]).value
    2.5
    """
    columns = (np.asarray(x, float) for x in (champion_squares, challenger_squares, rows))
    return over_buckets(np.stack(list(columns), axis=-1), _difference_of_roots, confidence)
