"""What a model's own scores expect of it, on days whose labels are not here yet.

Calibrated on days whose labels are; blind to a change of P(label | features): a hint, never a
pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.cells import ALL_ROWS, MODELS, Known
from analyzer.labels.completeness import Completeness
from analyzer.labels.evidence import picked
from analyzer.labels.quality import matured_days
from analyzer.stats.confidence_based import Metric, between, expected, expected_metric, isotonic
from analyzer.stats.maturity import READY
from analyzer.stats.result import Result, Undefined

Ints = NDArray[np.int64]
FEWEST: Final = 200
"""Labelled rows below which scores are not calibrated."""


@dataclass(frozen=True)
class Hinted:
    """One model's metrics as its calibrated scores expect them on `rows` predictions; `labelled`
    rows of matured days calibrated them."""

    model: str
    rows: float
    labelled: float
    metrics: dict[str, Result]


def hinted(
    known: Known,
    ladders: Mapping[int, Completeness],
    side: str,
    code: Ints,
    n: Ints,
    confidence: float = 0.95,
) -> Hinted:
    """Expected metrics of predictions given by fine score bin (`code`, `n`), labels unknown.

    Scores are calibrated by isotonic regression on the days of which 0.9 of every class of labels
    is here. A bin calls positive where most of its labelled rows, or those of the bins below,
    do. Undefined with fewer than 200 labelled rows, and for labels that are not binary.
    NannyML, confidence-based performance estimation; Guillory et al. (2021), ICCV.
    """
    sides = known.sides
    rows = np.unique(sides.prediction_day).tolist()
    days = matured_days(ladders, rows, READY)
    mine = (sides.model == MODELS[side]) & (sides.segment == ALL_ROWS)
    cells = picked(sides, mine & np.isin(sides.prediction_day, days))
    labelled, total = float(cells.n.sum()), float(n.sum())
    names: tuple[Metric, ...] = get_args(Metric)
    if known.kind != "binary" or labelled < FEWEST or total <= 0:
        reason = "needs a probability, predictions and 200 labels of days that are complete"
        return Hinted(side, total, labelled, dict.fromkeys(names, Undefined(reason, labelled)))
    knots, place = np.unique(cells.bin, return_inverse=True)
    seen, positive, called = (
        np.maximum(np.bincount(place, cells.n * chosen, len(knots)), 0.0)
        for chosen in (np.ones(len(place)), cells.label == 1, cells.called == 1)
    )
    bins, at = np.unique(code, return_inverse=True)
    counts = np.bincount(at, n, len(bins))
    probability = between(bins, knots, isotonic(positive, seen))
    yes = counts * (bins >= _threshold(knots, seen, called))
    found = expected(counts - yes, yes, np.clip(probability, 0.0, 1.0))
    metrics: dict[str, Result] = {name: expected_metric(found, name, confidence) for name in names}
    return Hinted(side, total, labelled, metrics)


def _threshold(
    knots: NDArray[np.integer], seen: NDArray[np.float64], called: NDArray[np.float64]
) -> float:
    """The bin from which on rows are called positive; infinite where none ever was."""
    over = np.flatnonzero(2 * called > seen)
    return float(knots[over[0]]) if len(over) else np.inf
