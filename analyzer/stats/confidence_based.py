"""What a classifier's own calibrated scores expect of it, while there are no labels.

Blind to a change of P(label | features): it believes the scores. Never a pass, a hint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .classification import accuracy_functional, class_functional
from .influence import Functional, Linearised, interval
from .precision_recall import average_precision_functional, average_precision_spread
from .ranking import roc_auc_functional
from .result import Result, Undefined

Floats = NDArray[np.float64]
_CUT: Final = (-1e-12, 1.0)
"""Ends cut at 0 and 1, on the plain scale: a sum of independent labels is near normal."""

Metric: TypeAlias = Literal[
    "accuracy", "precision", "recall", "specificity", "f1", "roc_auc", "average_precision"
]


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Rows by score bin, by rising score: how many the model calls negative and positive, and
    the calibrated probability of a positive in each bin."""

    negative_calls: Floats
    positive_calls: Floats
    probability: Floats


def expected(
    negative_calls: ArrayLike, positive_calls: ArrayLike, probability: ArrayLike
) -> Expected:
    """Build an `Expected`; raises ValueError unless probabilities lie in [0, 1], one per bin.

    >>> expected([5, 0], [0, 5], [0.1, 0.9]).probability.tolist()
    [0.1, 0.9]
    """
    no, yes, c = (
        np.asarray(x, dtype=np.float64) for x in (negative_calls, positive_calls, probability)
    )
    if not no.shape == yes.shape == c.shape or bool(np.any((c < 0) | (c > 1))):
        raise ValueError("each bin needs its calls and one probability in [0, 1]")
    return Expected(no, yes, c)


def isotonic(positives: ArrayLike, n: ArrayLike) -> Floats:
    """Calibrated probability per score bin: the best non-decreasing fit of positives / n.

    Pool adjacent violators, weights n; bins by rising score. A bin without rows takes the value
    of the last bin below it that has some (the first above, at the start). Barlow et al.
    (1972); Zadrozny and Elkan (2002), KDD.

    >>> isotonic([1, 3, 2, 4], [4, 4, 4, 4]).tolist()
    [0.25, 0.625, 0.625, 1.0]
    """
    k, rows = np.asarray(positives, dtype=np.float64), np.asarray(n, dtype=np.float64)
    held = np.flatnonzero(rows > 0)
    if not len(held):
        raise ValueError("no rows to calibrate on")
    blocks: list[list[float]] = []  # positives, rows, bins
    for hits, size in zip(k[held].tolist(), rows[held].tolist(), strict=True):
        blocks.append([hits, size, 1])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    fitted = np.repeat([b[0] / b[1] for b in blocks], [int(b[2]) for b in blocks])
    place = np.maximum(np.searchsorted(held, np.arange(len(rows)), side="right") - 1, 0)
    return np.asarray(fitted[place], dtype=np.float64)


def between(scores: ArrayLike, knots: ArrayLike, fitted: ArrayLike) -> Floats:
    """Calibrated probability of any scores: linear between fitted ones, constant beyond them.

    `knots` are the scores (rising) at which `fitted` was fitted.

    >>> between([0.0, 0.75, 9.0], [0.5, 1.0], [0.0, 0.5]).tolist()
    [0.0, 0.25, 0.5]
    """
    x, knots_, y = (np.asarray(v, dtype=np.float64) for v in (scores, knots, fitted))
    return np.interp(x, knots_, y)


def expected_confusion(rows: Expected) -> Floats:
    """Expected confusion matrix, (actual, predicted): sums of calibrated probabilities.

    NannyML, confidence-based performance estimation; Guillory et al. (2021), ICCV.

    >>> expected_confusion(expected([10, 0], [0, 10], [0.1, 0.8])).tolist()
    [[9.0, 2.0], [1.0, 8.0]]
    """
    calls = np.stack([rows.negative_calls, rows.positive_calls])
    positive = calls @ rows.probability
    return np.stack([calls.sum(axis=1) - positive, positive])


def _of_calls(functional: Functional) -> Functional:
    """A functional of the confusion matrix, on cells (label, call, bin)."""

    def of_cells(cells: Floats) -> Linearised | Undefined:
        found = functional(cells.sum(axis=2))
        if isinstance(found, Undefined):
            return found
        gradient = np.broadcast_to(found.gradient[:, :, None], cells.shape)
        return Linearised(found.value, gradient)

    return of_cells


def _of_bins(functional: Functional) -> Functional:
    """A functional of negatives and positives by bin, on cells (label, call, bin)."""

    def of_cells(cells: Floats) -> Linearised | Undefined:
        found = functional(cells.sum(axis=1))
        if isinstance(found, Undefined):
            return found
        return Linearised(found.value, np.broadcast_to(found.gradient[:, None], cells.shape))

    return of_cells


def _precision_of_rows(cells: Floats) -> Linearised | Undefined:
    """Average precision with every row a threshold of its own: rows of a bin are not one call."""
    found = average_precision_functional(cells)
    if isinstance(found, Undefined):
        return found
    return Linearised(average_precision_spread(cells[1], cells[0]), found.gradient)


def _functional(metric: Metric) -> Functional:
    known: dict[Metric, Functional] = {
        "accuracy": _of_calls(accuracy_functional),
        "precision": _of_calls(partial(class_functional, score="precision")),
        "recall": _of_calls(partial(class_functional, score="recall")),
        "specificity": _of_calls(partial(class_functional, score="recall", of=0)),
        "f1": _of_calls(partial(class_functional, score="f1")),
        "roc_auc": _of_bins(roc_auc_functional),
        "average_precision": _of_bins(_precision_of_rows),
    }
    return known[metric]


def expected_metric(
    rows: Expected, metric: Metric, confidence: float = 0.95, deff: float = 1.0
) -> Result:
    """What a metric of these rows will be, if the calibrated scores are right.

    Every row counts as probability c of a positive and 1 - c of a negative. The interval is for
    the metric once these rows' labels are known: labels vary about c, sd^2 = deff sum n_b c_b
    (1 - c_b) (derivative by a positive - by a negative)^2; it holds nothing of a calibration
    that has become wrong, to which the method is blind: mark it so. `n` is the rows / deff.
    Undefined where the metric is. NannyML, confidence-based performance estimation (sampling
    error there from reference chunks).

    >>> r = expected_metric(expected([10, 0], [0, 10], [0.1, 0.8]), "accuracy")
    >>> round(r.value, 3), round(r.low, 3), round(r.high, 3)
    (0.85, 0.695, 1.0)
    """
    calls = np.stack([rows.negative_calls, rows.positive_calls])
    cells = np.stack([calls * (1 - rows.probability), calls * rows.probability])
    found = _functional(metric)(cells)
    if isinstance(found, Undefined):
        return found
    swing = found.gradient[1] - found.gradient[0]
    noise = float(np.sum(calls * rows.probability * (1 - rows.probability) * swing**2))
    n, error = float(calls.sum()) / max(deff, 1.0), math.sqrt(max(deff, 1.0) * noise)
    method = "confidence-based, blind to concept change"
    return interval(found.value, error, n, method, confidence, support=_CUT)
