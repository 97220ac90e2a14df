"""The metrics of one model's labelled rows, by the kind of label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.cells import Known
from analyzer.stats.calibration import (
    CurvePoint,
    brier,
    calibration_curve,
    calibration_error,
    log_loss,
    score_bins,
)
from analyzer.stats.classification import Score, accuracy, f1, macro, precision, recall
from analyzer.stats.precision_recall import average_precision
from analyzer.stats.ranking import roc_auc
from analyzer.stats.regression import (
    ErrorSums,
    bias,
    mean_absolute_error,
    quantile_loss,
    root_mean_squared_error,
)
from analyzer.stats.result import Result

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
GROUPS = 10
"""Groups of equal size in a calibration curve."""

Metrics = dict[str, Result]
Curve = tuple[CurvePoint, ...]


@dataclass(frozen=True)
class Rows:
    """Labelled rows in cells: score bin, class called, label, weighted count and sums; `kish` is
    the design effect of the weights."""

    bin: Ints
    called: Ints
    label: Ints
    n: Floats
    sums: Mapping[str, Floats]
    kish: float


def metrics_of(known: Known, rows: Rows, deff: float, confidence: float) -> tuple[Metrics, Curve]:
    """Every metric that these labels allow, and the calibration curve of a probability."""
    effect = deff * rows.kish
    if known.kind == "binary":
        return _binary(rows, confidence, effect)
    if known.kind == "classes":
        return _classes(rows, known.classes, confidence, effect), ()
    return _values(rows, known.quantiles, confidence, effect), ()


def _confusion(rows: Rows, classes: int) -> Floats:
    known = (rows.label >= 0) & (rows.called >= 0)
    cell = rows.label[known] * classes + rows.called[known]
    found = np.bincount(cell, rows.n[known], classes * classes)
    return np.maximum(found, 0.0).reshape(classes, classes)


def _binary(rows: Rows, confidence: float, deff: float) -> tuple[Metrics, Curve]:
    confusion = _confusion(rows, 2)
    values, place = np.unique(rows.bin, return_inverse=True)
    size = max(len(values), 1)
    n, total, squares = (
        np.maximum(np.bincount(place, x, size), 0.0)
        for x in (rows.n, rows.sums["score"], rows.sums["score_squares"])
    )
    positives = np.clip(np.bincount(place, rows.n * (rows.label == 1), size), 0.0, n)
    bins = score_bins(n, positives, np.minimum(total, n), squares)
    how = {"confidence": confidence, "deff": deff}
    found: Metrics = {
        "accuracy": accuracy(confusion, **how),
        "precision": precision(confusion, 1, **how),
        "recall": recall(confusion, 1, **how),
        "F1": f1(confusion, 1, **how),
        "ROC AUC": roc_auc(positives, n - positives, **how),
        "PR AUC": average_precision(positives, n - positives, **how),
        "log loss": log_loss(bins, **how),
        "Brier": brier(bins, **how),
        "calibration error": calibration_error(bins, GROUPS, **how),
    }
    return found, calibration_curve(bins, GROUPS, **how) if n.sum() > 0 else ()


def _classes(rows: Rows, classes: Sequence[str], confidence: float, deff: float) -> Metrics:
    whole = _confusion(rows, len(classes))
    used = np.flatnonzero((whole.sum(axis=0) > 0) | (whole.sum(axis=1) > 0))
    confusion = whole[np.ix_(used, used)]
    how = {"confidence": confidence, "deff": deff}
    found: Metrics = {"accuracy": accuracy(confusion, **how)}
    scores: tuple[Score, ...] = ("precision", "recall", "f1")
    for score in scores:
        found[f"macro {score.replace('f1', 'F1')}"] = macro(confusion, score, **how)
    for place, code in enumerate(used.tolist()):
        for name, metric in (("precision", precision), ("recall", recall), ("F1", f1)):
            found[f"{name} of {classes[code]}"] = metric(confusion, place, **how)
    return found


def _values(rows: Rows, orders: Sequence[float], confidence: float, deff: float) -> Metrics:
    names = ("error", "error_absolute", "error_squares", "error_fourths", "error_squares_above")
    sums = ErrorSums(float(rows.n.sum()), *(float(rows.sums[name].sum()) for name in names))
    how = {"confidence": confidence, "deff": deff}
    found: Metrics = {
        "MAE": mean_absolute_error(sums, **how),
        "RMSE": root_mean_squared_error(sums, **how),
        "bias": bias(sums, **how),
    }
    for q in orders:
        found[f"quantile loss {q:g}"] = quantile_loss(sums, q, **how)
    return found
