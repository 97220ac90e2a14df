"""What a ladder's own error adds to a model's quality while labels are still arriving."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from analyzer.labels.ladder_error import shifts, widened
from analyzer.labels.maturity import of_labels
from analyzer.labels.quality import quality
from analyzer.stats.maturity import Ladder, completeness_error
from analyzer.stats.result import Estimate, Undefined
from benchmarks.planted.late import DAYS, FIRST, Known, World, everything, rows


def young(delays: str, seed: int = 3) -> Known:
    """Sixteen days of a world, the last of them two days old."""
    world = World(seed, delays, "both", "over", False)
    drawn = rows(world)
    kept = drawn.day >= DAYS - 16
    columns = {f.name: getattr(drawn, f.name)[kept] for f in fields(drawn)}
    return everything(world, replace(drawn, **columns), DAYS + 2)


def test_the_shifts_of_one_day_are_macks_error() -> None:
    ladders = of_labels(young("exponential"))
    day = np.array([FIRST + DAYS - 3])
    for label, fitted in ladders.items():
        ladder = fitted.ladder(int(day[0]))
        assert isinstance(ladder, Ladder)
        smooth = replace(ladder, scatter=1.0)
        one = {label: replace(fitted, ladders=(smooth,))}
        found = shifts(one, day, lambda days: np.full(len(days), 4))
        total = math.sqrt(sum(x.size**2 for x in found))
        assert total == pytest.approx(completeness_error(ladder, 4))


def test_intervals_of_young_days_are_wider_than_counting_alone() -> None:
    known = young("exponential")
    ladders, days = of_labels(known), np.arange(FIRST + DAYS - 3, FIRST + DAYS)
    said = quality(known, ladders, days, confidence=0.9)[0]
    for name in ("Brier", "recall", "ROC AUC", "log loss"):
        result = said.metrics[name]
        assert isinstance(result, Estimate)
        assert "ladders' errors added" in result.method
        assert 0 <= result.low < result.value < result.high


def test_ends_stay_where_a_metric_can_lie() -> None:
    metrics = {
        "recall": Estimate(0.9, 0.8, 0.95, 9, ""),
        "MAE": Estimate(0.9, 0.8, 0.95, 9, ""),
        "F1": Undefined("none"),
    }
    there = {name: Estimate(0.1, 0.0, 1.0, 9, "") for name in metrics}
    found = widened(metrics, lambda _: there, shifts({}, np.array([0]), lambda d: d), 0.9)
    assert found["recall"] == metrics["recall"]
    error = shifts(
        of_labels(young("exponential")), np.array([FIRST + DAYS - 1]), lambda d: d * 0 + 2
    )
    found = widened(metrics, lambda _: there, error, 0.9)
    recall, mae = found["recall"], found["MAE"]
    assert isinstance(recall, Estimate)
    assert isinstance(mae, Estimate)
    assert (recall.low, recall.high) == (0.0, 1.0)
    assert mae.high > 1
    assert isinstance(found["F1"], Undefined)
