"""ROC AUC from the counts of ordered score bins, alone and paired."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .influence import (
    DIFFERENCE,
    SHARE,
    Functional,
    Linearised,
    interval,
    minus,
    over_buckets,
    row_error,
)
from .proportion import clopper_pearson
from .result import Result, Undefined, estimate

Floats = NDArray[np.float64]


def by_label(positives: ArrayLike, negatives: ArrayLike) -> Floats:
    """Cells of shape (2, bins...): negatives, then positives. Raises ValueError below 0.

    >>> by_label([0, 1], [1, 0]).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    cells = np.stack([np.asarray(x, dtype=np.float64) for x in (negatives, positives)])
    if not bool(np.all(np.isfinite(cells))) or bool(np.any(cells < 0)):
        raise ValueError("each bin needs finite counts of positives and negatives")
    return cells


def _placements(cells: Floats) -> tuple[Floats, Floats]:
    """Share of negatives below each bin, share of positives above it; ties count half."""
    negatives, positives = cells
    below = (np.cumsum(negatives) - negatives / 2) / negatives.sum()
    above = 1 - (np.cumsum(positives) - positives / 2) / positives.sum()
    return below, above


def roc_auc_functional(cells: ArrayLike) -> Linearised | Undefined:
    """The functional of `roc_auc`: cells (2, bins) of negatives and positives, by rising score.

    A = sum_b p_b (N_<b + n_b / 2) / (P N); the gradient by a positive of bin b is
    (its share of negatives below - A) / P, by a negative (its share of positives above - A) / N.
    Undefined without both classes.

    >>> round(roc_auc_functional([[1, 0, 1, 0], [0, 1, 0, 1]]).value, 2)
    0.75
    """
    c = np.asarray(cells, dtype=np.float64)
    n, p = float(c[0].sum()), float(c[1].sum())
    if p <= 0 or n <= 0:
        return Undefined("one of the two classes is missing", p + n)
    below, above = _placements(c)
    value = float(c[1] @ below) / p
    return Linearised(value, np.stack([(above - value) / n, (below - value) / p]))


def _perfect(value: float, cells: Floats, confidence: float, deff: float) -> Result:
    """Interval of a perfect (or perfectly wrong) ranking: disjoint pairs all ranked alike."""
    pairs = float(min(cells[0].sum(), cells[1].sum())) / max(deff, 1.0)
    found = clopper_pearson(value * pairs, pairs, confidence)
    if isinstance(found, Undefined):
        return found
    return estimate(value, found.low, found.high, pairs, f"exact over {pairs:g} disjoint pairs")


def _delong_error(gradient: Floats, cells: Floats, deff: float) -> float:
    """The infinitesimal jackknife with each class's n / (n - 1): DeLong's standard error."""
    small = [math.inf if x.sum() <= 1 else x.sum() / (x.sum() - 1) for x in cells]
    if math.inf in small:
        return math.inf
    return math.hypot(
        *(row_error(x, g, deff * by) for x, g, by in zip(cells, gradient, small, strict=True))
    )


def roc_auc(
    positives: ArrayLike, negatives: ArrayLike, confidence: float = 0.95, deff: float = 1.0
) -> Result:
    """Area under the ROC curve from counts per score bin, with DeLong's interval.

    The share of (positive, negative) pairs in which the positive scores higher; a tie (the same
    bin) counts half. `positives` and `negatives` are counts by rising score. Variance by DeLong
    (exact on the bins) times `deff`, logit scale; a perfect ranking has the exact interval of
    min(P, N) disjoint pairs. Undefined without both classes, or with one row of one of them.
    DeLong, DeLong, Clarke-Pearson (1988), Biometrics 44; Pepe (2003), 5.

    >>> r = roc_auc([0, 10, 20, 30], [30, 20, 10, 0])
    >>> round(r.value, 4), round(r.low, 4), round(r.high, 4)
    (0.9167, 0.8631, 0.9505)
    """
    cells = by_label(positives, negatives)
    found = roc_auc_functional(cells)
    if isinstance(found, Undefined):
        return found
    if found.value in (0.0, 1.0):
        return _perfect(found.value, cells, confidence, deff)
    error, n = _delong_error(found.gradient, cells, deff), float(cells.sum()) / max(deff, 1.0)
    return interval(found.value, error, n, "DeLong", confidence, support=SHARE)


def roc_auc_hidden(positives: ArrayLike, negatives: ArrayLike) -> float:
    """How far the AUC of the unbinned scores can lie from `roc_auc`: half the tied pairs.

    sum_b p_b n_b / (2 P N), a bound that is reached only if every bin is sorted one way. With
    rows in random order inside their bins the error is of the order bound / sqrt(tied rows).
    Undefined inputs (a class missing) give 0: nothing is hidden.

    >>> roc_auc_hidden([0, 10, 20, 30], [30, 20, 10, 0])
    0.05555555555555555
    """
    negative, positive = by_label(positives, negatives)
    pairs = float(positive.sum() * negative.sum())
    return float(positive @ negative) / (2 * pairs) if pairs > 0 else 0.0


def margin(functional: Functional, axis: int) -> Functional:
    """The functional of one model's scores, on a joint grid (2, champion bins, challenger bins).

    Axis 1 is the champion, 2 the challenger.

    >>> grid = np.array([[[3.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 3.0]]])
    >>> margin(roc_auc_functional, 1)(grid).value
    0.8
    """
    other = 2 - axis

    def of_grid(cells: Floats) -> Linearised | Undefined:
        found = functional(cells.sum(axis=1 + other))
        if isinstance(found, Undefined):
            return found
        gradient = np.expand_dims(found.gradient, 1 + other)
        return Linearised(found.value, np.broadcast_to(gradient, cells.shape))

    return of_grid


def paired(functional: Functional) -> Functional:
    """Challenger minus champion of a functional of score bins, on the joint grid of both.

    Cells (2, champion bins, challenger bins): negatives and positives by both models' bins.

    >>> grid = np.ones((2, 2, 2))
    >>> paired(roc_auc_functional)(grid).value
    0.0
    """
    return minus(margin(functional, 2), margin(functional, 1))


def compare_roc_auc(
    positives: ArrayLike,
    negatives: ArrayLike,
    confidence: float = 0.95,
    deff: float = 1.0,
    difference: float | None = None,
) -> Result:
    """AUC of the challenger minus that of the champion on the same rows, DeLong's paired interval.

    `positives` and `negatives` have shape (champion bins, challenger bins), both by rising
    score. `difference` is the difference from finer bins of the same rows, if known: the grid
    then only gives the variance. Normal interval, cut at -1 and 1. Undefined as `roc_auc`.
    DeLong, DeLong, Clarke-Pearson (1988), Biometrics 44; Sun and Xu (2014) for the fast form.

    >>> r = compare_roc_auc([[2, 3], [3, 12]], [[8, 4], [2, 6]])
    >>> round(r.value, 4), round(r.low, 4), round(r.high, 4)
    (-0.05, -0.2227, 0.1227)
    """
    cells = by_label(positives, negatives)
    found = paired(roc_auc_functional)(cells)
    if isinstance(found, Undefined):
        return found
    error = _delong_error(found.gradient, cells, deff)
    value, n = found.value if difference is None else difference, float(cells.sum())
    return interval(
        value, error, n / max(deff, 1.0), "paired DeLong", confidence, support=DIFFERENCE
    )


def compare_over_buckets(
    grids: ArrayLike, functional: Functional = roc_auc_functional, confidence: float = 0.95
) -> Result:
    """Challenger minus champion of a functional of score bins, when rows depend within units.

    `grids` has shape (buckets of units, 2, champion bins, challenger bins), negatives first.
    Linearised jackknife over the buckets, t interval. Undefined as
    `influence.over_buckets`. Obuchowski (1997), Biometrics 53: clustered ROC data.

    >>> grids = [[[[8, 4], [2, 6]], [[2, 3], [3, 12]]], [[[7, 5], [2, 6]], [[2, 3], [1, 14]]]]
    >>> round(compare_over_buckets(grids).value, 4)
    -0.0375
    """
    return over_buckets(grids, paired(functional), confidence, DIFFERENCE)


def over_unit_buckets(
    cells: ArrayLike, functional: Functional = roc_auc_functional, confidence: float = 0.95
) -> Result:
    """One model's functional of score bins with the jackknife over buckets of units.

    `cells` has shape (buckets, 2, bins), negatives first, by rising score. Undefined as
    `influence.over_buckets`. Obuchowski (1997), Biometrics 53.

    >>> cells = [[[3, 1], [1, 3]], [[4, 1], [1, 2]]]
    >>> round(over_unit_buckets(cells).value, 4)
    0.746
    """
    return over_buckets(cells, functional, confidence, SHARE)
