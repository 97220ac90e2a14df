"""Accuracy, precision, recall and F1 from a confusion matrix, binary and multi-class."""

from __future__ import annotations

from functools import partial
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .influence import SHARE, Functional, Linearised, interval, over_buckets, row_error
from .proportion import clopper_pearson, effective
from .result import Result, Undefined, estimate

Floats = NDArray[np.float64]
Score: TypeAlias = Literal["precision", "recall", "f1"]


def _matrix(confusion: ArrayLike) -> Floats:
    c = np.asarray(confusion, dtype=np.float64)
    if c.ndim != 2 or c.shape[0] != c.shape[1] or not bool(np.all(np.isfinite(c))):
        raise ValueError("a confusion matrix is square: actual classes by predicted classes")
    if bool(np.any(c < 0)):
        raise ValueError("a confusion matrix holds counts, none below 0")
    return c


def _share(k: float, n: float, confidence: float, deff: float, nothing: str) -> Result:
    if n <= 0:
        return Undefined(nothing)
    return clopper_pearson(*effective(k, n, deff), confidence)


def accuracy(confusion: ArrayLike, confidence: float = 0.95, deff: float = 1.0) -> Result:
    """Share of rows predicted right, with the Clopper-Pearson interval on n / deff rows.

    `confusion` has shape (actual classes, predicted classes). Equals micro-averaged precision,
    recall and F1 when every row has one class. Undefined without rows.
    Clopper and Pearson (1934), Biometrika 26.

    >>> r = accuracy([[50, 10], [5, 35]])
    >>> r.value, round(r.low, 4), round(r.high, 4)
    (0.85, 0.7647, 0.9135)
    """
    c = _matrix(confusion)
    return _share(float(np.trace(c)), float(c.sum()), confidence, deff, "no rows")


def precision(
    confusion: ArrayLike, of: int = 1, confidence: float = 0.95, deff: float = 1.0
) -> Result:
    """Of the rows predicted to be class `of`, the share that is; Clopper-Pearson interval.

    Undefined when no row was predicted so: not 0. Clopper and Pearson (1934).

    >>> round(precision([[50, 10], [5, 35]]).value, 4), precision([[5, 0], [5, 0]]).reason
    (0.7778, 'no row was predicted to be class 1')
    """
    c = _matrix(confusion)
    nothing = f"no row was predicted to be class {of}"
    return _share(float(c[of, of]), float(c[:, of].sum()), confidence, deff, nothing)


def recall(
    confusion: ArrayLike, of: int = 1, confidence: float = 0.95, deff: float = 1.0
) -> Result:
    """Of the rows of class `of`, the share predicted so; Clopper-Pearson interval.

    In two classes, recall of class 0 is the specificity. Undefined without rows of the class.
    Clopper and Pearson (1934).

    >>> recall([[50, 10], [5, 35]]).value
    0.875
    """
    c = _matrix(confusion)
    return _share(
        float(c[of, of]), float(c[of].sum()), confidence, deff, f"no row is of class {of}"
    )


def f1(confusion: ArrayLike, of: int = 1, confidence: float = 0.95, deff: float = 1.0) -> Result:
    """F1 of class `of`: 2 TP / (2 TP + FP + FN), with an exact interval.

    F1 = 2 J / (1 + J) with J = TP / (TP + FP + FN), which is a binomial share of the rows that
    are or are called class `of`: the Clopper-Pearson ends of J are carried over. Undefined when
    there are no such rows. Van Rijsbergen (1979), 7; Clopper and Pearson (1934).

    >>> r = f1([[50, 10], [5, 35]])
    >>> round(r.value, 4), round(r.low, 4), round(r.high, 4)
    (0.8235, 0.7129, 0.9019)
    """
    c = _matrix(confusion)
    hit = float(c[of, of])
    union = float(c[of].sum() + c[:, of].sum()) - hit
    found = _share(hit, union, confidence, deff, f"no row is, or is predicted, class {of}")
    if isinstance(found, Undefined):
        return found
    value, low, high = (2 * j / (1 + j) for j in (found.value, found.low, found.high))
    return estimate(value, low, high, found.n, found.method)


def accuracy_functional(confusion: ArrayLike) -> Linearised | Undefined:
    """The functional of `accuracy`, for weighted counts. Undefined without rows.

    >>> accuracy_functional([[50, 10], [5, 35]]).value
    0.85
    """
    c = np.asarray(confusion, dtype=np.float64)
    n = float(c.sum())
    if n <= 0:
        return Undefined("no rows")
    value = float(np.trace(c)) / n
    return Linearised(value, (np.eye(len(c)) - value) / n)


def _ratio_of_cells(c: Floats, num: Floats, den: Floats, nothing: str) -> Linearised | Undefined:
    below = float(np.sum(den * c))
    if below <= 0:
        return Undefined(nothing)
    value = float(np.sum(num * c)) / below
    return Linearised(value, (num - value * den) / below)


def class_functional(confusion: ArrayLike, score: Score, of: int = 1) -> Linearised | Undefined:
    """The functional of precision, recall or F1 of one class, for weighted counts.

    Undefined as the function of that name.

    >>> round(class_functional([[50, 10], [5, 35]], "f1").value, 4)
    0.8235
    """
    c = np.asarray(confusion, dtype=np.float64)
    hit, row, column = (np.zeros_like(c) for _ in range(3))
    hit[of, of], row[of], column[:, of] = 1, 1, 1
    num, den = {
        "precision": (hit, column),
        "recall": (hit, row),
        "f1": (2 * hit, row + column),
    }[score]
    return _ratio_of_cells(c, num, den, f"{score} of class {of} does not exist: no such rows")


def macro_functional(confusion: ArrayLike, score: Score = "f1") -> Linearised | Undefined:
    """The plain mean over classes of precision, recall or F1, for weighted counts.

    Undefined when it does not exist for one of the classes, which is named.

    >>> round(macro_functional([[50, 10], [5, 35]]).value, 4)
    0.8465
    """
    c = np.asarray(confusion, dtype=np.float64)
    value, gradient = 0.0, np.zeros_like(c)
    for of in range(len(c)):
        found = class_functional(c, score, of)
        if isinstance(found, Undefined):
            return found
        value, gradient = value + found.value / len(c), gradient + found.gradient / len(c)
    return Linearised(value, gradient)


def macro(
    confusion: ArrayLike, score: Score = "f1", confidence: float = 0.95, deff: float = 1.0
) -> Result:
    """Macro-averaged precision, recall or F1: the plain mean over classes.

    Delta method on the multinomial cells times `deff`, logit scale. F1 is averaged over
    classes, not built from averaged precision and recall. Undefined when it does not exist for
    a class, or when it is 0 or 1 (no variation). Takahashi, Yamamoto, Kuchiba, Koyama (2022),
    Applied Intelligence 52; Opitz and Burst (2019) on the two macro F1.

    >>> r = macro([[50, 10], [5, 35]])
    >>> round(r.value, 4), round(r.low, 4), round(r.high, 4)
    (0.8465, 0.7608, 0.9054)
    """
    c = _matrix(confusion)
    found = macro_functional(c, score)
    if isinstance(found, Undefined):
        return found
    n = float(c.sum()) / max(deff, 1.0)
    error = row_error(c, found.gradient, deff)
    return interval(
        found.value, error, n, f"macro {score}, delta method", confidence, support=SHARE
    )


def confusion_over_buckets(
    confusions: ArrayLike,
    score: Score | Literal["accuracy"] = "accuracy",
    of: int | None = 1,
    confidence: float = 0.95,
) -> Result:
    """Accuracy, or a score of class `of` (None: macro), when rows depend within units.

    `confusions` has shape (buckets of units, actual, predicted). Linearised jackknife over the
    buckets, logit scale. Undefined as the functional, with fewer than two buckets, and at 0 or
    1. Efron and Tibshirani (1993), 11.

    >>> r = confusion_over_buckets([[[25, 5], [2, 18]], [[25, 5], [3, 17]]], "recall")
    >>> r.value
    0.875
    """
    functional: Functional
    if score == "accuracy":
        functional = accuracy_functional
    elif of is None:
        functional = partial(macro_functional, score=score)
    else:
        functional = partial(class_functional, score=score, of=of)
    return over_buckets(confusions, functional, confidence, SHARE)
