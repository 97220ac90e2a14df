"""Bounds for pairs whose labels can never exist, on a world in which they are known after all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analyzer.labels.answer import labels
from analyzer.labels.evidence import picked
from analyzer.labels.selective import acceptance
from analyzer.stats.result import Undefined
from benchmarks.planted.late import DAYS, FIRST, THRESHOLD, World, everything, known, rows


@pytest.mark.parametrize("worse", ["under", "over"])
def test_bounds_hold_the_truth_and_name_what_is_open(worse: str) -> None:
    world = World(5, "exponential", "selective", worse, False)
    drawn = rows(world)
    drawn = replace(drawn, age=np.minimum(drawn.age, 2))
    found = known(world, drawn, DAYS + 3)
    assert found.made is not None
    said = acceptance(found.made, found.pairs)
    assert not isinstance(said.bounds, Undefined)
    one, two = drawn.champion < THRESHOLD, drawn.challenger < THRESHOLD
    assert said.both == (one & two).sum()
    assert said.only_challenger == (two & ~one).sum()
    truth = np.mean((two & ~drawn.label).astype(int) - (one & ~drawn.label).astype(int))
    assert said.bounds.outer_low <= truth <= said.bounds.outer_high
    assert said.bounds.width == pytest.approx(said.only_challenger / len(one))


def test_missing_labels_leave_no_bounds() -> None:
    world = World(5, "exponential", "selective", "over", False)
    found = known(world, rows(world), DAYS)
    assert found.made is not None
    young = found.pairs.prediction_day >= FIRST + DAYS - 5
    made = picked(found.made, found.made.prediction_day >= FIRST + DAYS - 5)
    assert isinstance(acceptance(made, picked(found.pairs, young)).bounds, Undefined)


def test_the_answer_holds_them() -> None:
    world = World(5, "exponential", "selective", "over", False)
    drawn = rows(world)
    drawn = replace(drawn, age=np.minimum(drawn.age, 2))
    found = labels(
        replace(everything(world, drawn, DAYS + 3), made=known(world, drawn, DAYS + 3).made),
        "selective",
    )
    assert found.acceptance is not None
    assert not isinstance(found.acceptance.bounds, Undefined)
    assert found.acceptance.only_challenger == 0  # it predicts more, so it lets fewer through
