"""Average precision, the area under the precision-recall curve, from ordered score bins."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma

from .influence import SHARE, Linearised, interval, row_error
from .ranking import by_label
from .result import Result, Undefined

Floats = NDArray[np.float64]


def average_precision_functional(cells: ArrayLike) -> Linearised | Undefined:
    """The functional of `average_precision`: cells (2, bins), by rising score.

    Undefined without positives.

    >>> round(average_precision_functional([[1, 0, 1, 0], [0, 1, 0, 1]]).value, 4)
    0.8333
    """
    c = np.asarray(cells, dtype=np.float64)
    positives = float(c[1].sum())
    if positives <= 0:
        return Undefined("no positives", float(c.sum()))
    false, true = (np.cumsum(x[::-1])[::-1] for x in c)
    called = false + true
    precision, by_true, by_false = (
        np.divide(x, y, out=np.zeros_like(x), where=y > 0)
        for x, y in ((true, called), (false, called**2), (-true, called**2))
    )
    value = float(c[1] @ precision) / positives
    # A row in bin b is called positive at every threshold at or below b.
    later_true, later_false = (np.cumsum(c[1] * x) / positives for x in (by_true, by_false))
    return Linearised(value, np.stack([later_false, (precision - value) / positives + later_true]))


def average_precision(
    positives: ArrayLike, negatives: ArrayLike, confidence: float = 0.95, deff: float = 1.0
) -> Result:
    """Average precision (area under the precision-recall curve, step form) from score bins.

    AP = sum_b (R_b - R_b+1) P_b, P_b and R_b precision and recall when bins at or above b are
    called positive. Infinitesimal-jackknife variance times `deff`, logit scale. Undefined
    without positives or when every positive outranks every negative (no variation).
    Su, Yuan, Zhu (2015), ICTIR, for the definition; Boyd, Eng, Page (2013), ECML, for the scale.

    >>> r = average_precision([0, 1, 0, 1], [1, 0, 1, 0])
    >>> round(r.value, 4)
    0.8333
    """
    cells = by_label(positives, negatives)
    found = average_precision_functional(cells)
    if isinstance(found, Undefined):
        return found
    n = float(cells.sum()) / max(deff, 1.0)
    error = row_error(cells, found.gradient, deff)
    return interval(found.value, error, n, "infinitesimal jackknife", confidence, support=SHARE)


def average_precision_spread(positives: ArrayLike, negatives: ArrayLike) -> float:
    """Average precision if the rows of a bin, each as positive as the bin's rate c, had an order.

    sum_b c_b sum_{i=1..m} (T + c i) / (N + i) / P with T positives and N rows above the bin and m
    in it: c m + (T - c N) (digamma(N + m + 1) - digamma(N + 1)) for the inner sum. Nearer than
    the step form to the value of continuous scores that were binned (the step form is exact
    when a bin holds one score), and the value of calibrated probabilities whose rows are
    thresholds one by one. 0 without positives.

    >>> round(average_precision_spread([1, 1], [1, 1]), 4)
    0.5
    """
    negative, positive = by_label(positives, negatives)
    rows, total = negative + positive, float(positive.sum())
    if total <= 0:
        return 0.0
    rate = np.divide(positive, rows, out=np.zeros_like(rows), where=rows > 0)
    true = np.cumsum(positive[::-1])[::-1] - positive
    above = np.cumsum(rows[::-1])[::-1] - rows
    harmonic = digamma(above + rows + 1) - digamma(above + 1)
    return float(rate @ (rate * rows + (true - rate * above) * harmonic)) / total


def average_precision_hidden(positives: ArrayLike, negatives: ArrayLike) -> tuple[float, float]:
    """Lowest and highest average precision of unbinned scores that fall in these bins.

    Each bin's negatives all ahead of its positives, or all behind. The sum over the i-th of a
    bin's p positives of (T + i) / (T + i + F) is i + digamma differences, F counting the bin's
    negatives or not. (0, 1) without positives.

    >>> low, high = average_precision_hidden([1, 1], [1, 1])
    >>> round(low, 4), round(high, 4)
    (0.5, 0.8333)
    """
    negative, positive = by_label(positives, negatives)
    total = float(positive.sum())
    if total <= 0:
        return 0.0, 1.0
    true = np.cumsum(positive[::-1])[::-1] - positive
    false = np.cumsum(negative[::-1])[::-1]
    low, high = (_sum_of_precisions(true, positive, f) / total for f in (false, false - negative))
    return low, high


def _sum_of_precisions(true: Floats, positive: Floats, false: Floats) -> float:
    """sum over bins and i = 1..p of 1 - F / (T + i + F), by differences of the digamma."""
    start = true + false
    harmonic = digamma(start + positive + 1) - digamma(start + 1)
    return float(np.sum(positive - false * harmonic))
