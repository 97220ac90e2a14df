"""Ranking metrics from fine score bins, where the grid of a pair's two scores is too coarse."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.cells import ALL_ROWS, ALONE, CHALLENGER, CHAMPION, MADE, SideCells
from analyzer.labels.evidence import picked
from analyzer.labels.pair_metrics import PairMetric
from analyzer.labels.shares import Shares
from analyzer.labels.weighting import Part, Whose, weighted_cells
from analyzer.stats.influence import Functional
from analyzer.stats.ranking import compare_roc_auc
from analyzer.stats.result import Estimate, Result, Undefined, estimate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def fine_values(
    sides: SideCells | None,
    complete: Shares,
    strata: Collection[int],
    days: Ints,
    paired: float,
    made: float | None,
    functional: Functional,
) -> tuple[float, float] | None:
    """A functional of negatives and positives by fine bin, of champion and challenger.

    The labelled pairs of `days`, each weighted by 1 / completeness of its class, stratum and day:
    a model's own labelled rows less those that are no pair. `strata`: segments that cut them.
    `made`: where only positives are reported, all
    pairs made; those that are no positive are the negatives. None where these are not the
    `paired` and `made` rows, or the functional is Undefined.
    """
    if sides is None:
        return None
    on = np.isin(sides.prediction_day, days)
    here = on & (sides.segment == ALL_ROWS)
    by_stratum = on & np.isin(sides.segment, list(strata))
    values = []
    for model in (CHAMPION, CHALLENGER):
        codes = (model, ALONE[model], MADE[model])
        rows = picked(sides, here & np.isin(sides.model, codes))
        of, label = rows.model, rows.label
        n = np.where(of == ALONE[model], -1.0, 1.0) * rows.n
        every = of == MADE[model]
        own = ~every & ((label == 1) | (made is None))
        if round(float(n[own].sum())) != round(paired):
            return None
        if made is not None and round(float(n[every].sum())) != round(made):
            return None
        cut = picked(sides, by_stratum & (sides.model == model))
        weight = n * complete.weights(rows, cut)
        _, place = np.unique(rows.bin, return_inverse=True)
        size = int(place.max(initial=0)) + 1
        cells = [np.bincount(place, weight * (own & (label == c)), size) for c in (0, 1)]
        if made is not None:
            cells[0] = np.bincount(place, n * every, size) - cells[1]
        found = functional(np.maximum(np.stack(cells), 0.0))
        if isinstance(found, Undefined):
            return None
        values.append(found.value)
    return values[0], values[1]


def moved(found: dict[Whose, Result], fine: tuple[float, float]) -> dict[Whose, Result]:
    """The intervals of a coarse grid about the values of the fine bins."""
    champion, challenger = fine
    to: dict[Whose, float] = {
        "champion": champion,
        "challenger": challenger,
        "difference": challenger - champion,
    }
    return {whose: _moved(result, to[whose], _floor(whose)) for whose, result in found.items()}


def _floor(whose: Whose) -> float:
    """The least that a share, or a difference of shares, can be."""
    return -1.0 if whose == "difference" else 0.0


def _moved(result: Result, value: float, floor: float) -> Result:
    if not isinstance(result, Estimate):
        return result
    by = value - result.value
    low, high = max(result.low + by, floor), min(result.high + by, 1.0)
    return estimate(value, low, high, result.n, f"{result.method}, fine bins")


def by_rows(
    parts: Sequence[Part], metric: PairMetric, fine: tuple[float, float], confidence: float
) -> Result:
    """Challenger minus champion of an AUC with DeLong's interval, for rows that are independent
    and all labelled. The grid of both scores gives the variance, `fine` the difference.

    DeLong, DeLong, Clarke-Pearson (1988), Biometrics 44. Undefined as `compare_roc_auc`.
    """
    negatives, positives = np.maximum(weighted_cells(parts, metric), 0.0)
    champion, challenger = fine
    return compare_roc_auc(positives, negatives, confidence, difference=challenger - champion)


def widened(found: dict[Whose, Result], hidden: float) -> dict[Whose, Result]:
    """Intervals that hold whatever order the scores have inside the bins of a coarse grid."""
    return {
        whose: Estimate(
            x.value,
            max(x.low - hidden, _floor(whose)),
            min(x.high + hidden, 1.0),
            x.n,
            f"{x.method}, ties either way",
        )
        if isinstance(x, Estimate)
        else x
        for whose, x in found.items()
    }


def hidden_by_ties(parts: Sequence[Part], metric: PairMetric) -> float:
    """How far the difference of both models may lie from what the grid of their scores says."""
    cells = np.maximum(weighted_cells(parts, metric), 0.0)
    if metric.hidden is None:
        return 0.0
    return sum(metric.hidden(*cells.sum(axis=axis)[::-1]) for axis in (1, 2))
