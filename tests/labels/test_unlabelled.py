"""Metrics expected from calibrated scores, held against the labels that were hidden."""

from __future__ import annotations

import numpy as np

from analyzer.labels.maturity import of_labels
from analyzer.labels.unlabelled import hinted
from analyzer.stats.result import Estimate, Undefined
from benchmarks.planted.late import DAYS, World, everything, rows


def test_expected_metrics_hold_what_the_labels_say_later() -> None:
    world = World(8, "exponential", "both", "over", False)
    drawn = rows(world)
    known = everything(world, drawn, DAYS)
    late = drawn.day >= DAYS - 10
    for side, score in (("champion", drawn.champion), ("challenger", drawn.challenger)):
        code = (score[late] * 65_536).astype(np.int64)
        found = hinted(known, of_labels(known), side, code, np.ones(len(code), np.int64), 0.99)
        assert found.rows == late.sum()
        called, label = score[late] >= 0.3, drawn.label[late]
        truths = {
            "accuracy": np.mean(called == label),
            "precision": label[called].mean(),
            "recall": called[label].mean(),
        }
        for name, truth in truths.items():
            said = found.metrics[name]
            assert isinstance(said, Estimate)
            assert said.low <= truth <= said.high, (side, name)
            assert "blind" in said.method


def test_too_few_labels_say_nothing() -> None:
    world = World(8, "exponential", "both", "over", False)
    known = everything(world, rows(world), 2)
    found = hinted(known, of_labels(known), "champion", np.array([5]), np.array([9]))
    assert all(isinstance(x, Undefined) for x in found.metrics.values())
