"""Slower labels raise an alarm; fewer of them, or a base rate that moved, do not."""

from __future__ import annotations

import numpy as np
import pytest

from analyzer.labels.completeness import Completeness
from analyzer.labels.maturity import by_class

DAYS, AS_OF = 50, 50
ROWS = 1500.0


def world(
    seed: int, rate: tuple[float, float], delay: tuple[float, float], labelled: float = 1.0
) -> dict[int, Completeness]:
    """Two classes of labels; rate of positives, mean delay, before and in the last eight days;
    `labelled`: share of the last eight days' rows that ever get a label.
    """
    rng = np.random.default_rng(seed)
    days, ages, labels, counts = [], [], [], []
    for day in range(DAYS):
        late = day >= DAYS - 8
        share = np.diff(1 - np.exp(-np.arange(DAYS + 1) / delay[late]))
        for label, part in ((0, 1 - rate[late]), (1, rate[late])):
            ever = labelled if late else 1.0
            came = rng.poisson(ROWS * part * ever * share)
            days.append(np.full(DAYS, day))
            ages.append(np.arange(DAYS))
            labels.append(np.full(DAYS, label))
            counts.append(came)
    columns = [np.concatenate(x) for x in (days, ages, labels, counts)]
    return by_class(*columns, dict.fromkeys(range(DAYS), ROWS), AS_OF)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_labels_that_take_twice_as_long_raise_an_alarm(seed: int) -> None:
    found = world(seed, (0.3, 0.3), (5, 10))
    assert found[0].alarm and found[1].alarm
    assert not found[0].note and not found[1].note


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_base_rate_that_moved_is_told_and_is_no_alarm(seed: int) -> None:
    found = world(seed, (0.2, 0.5), (5, 5))
    assert not found[0].alarm and not found[1].alarm
    assert "the base rate moved, labels are no slower" in found[0].note
    assert "labels of class 0 are 6" in found[0].note
    assert not found[1].note  # more labels than usual need no word


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_labels_that_never_come_are_told_apart_where_the_others_are_prompt(seed: int) -> None:
    found = world(seed, (0.3, 0.3), (0.5, 0.5), labelled=0.5)
    assert not found[0].alarm and not found[1].alarm
    assert "though no slower: some never come" in found[0].note


def test_where_ages_cannot_tell_it_says_so() -> None:
    found = world(1, (0.3, 0.3), (15, 15), labelled=0.5)
    assert "slower, or fewer; their ages cannot tell yet" in found[0].alarm


def test_one_class_alone_cannot_tell_a_base_rate_from_slowness() -> None:
    rng = np.random.default_rng(4)
    share = np.diff(1 - np.exp(-np.arange(DAYS + 1) / 5))
    rate = np.where(np.arange(DAYS) < DAYS - 8, 0.3, 0.15)[:, None]
    came = rng.poisson(ROWS * rate * share)
    day, age = np.indices(came.shape)
    n, ones = came.ravel(), np.ones(came.size, np.int64)
    rows = dict.fromkeys(range(DAYS), ROWS)
    found = by_class(day.ravel(), age.ravel(), ones, n, rows, AS_OF)
    assert "slower, or fewer; their ages cannot tell yet" in found[1].alarm


def test_steady_worlds_raise_hardly_any_alarm() -> None:
    alarms = sum(
        bool(one.alarm) for seed in range(60) for one in world(seed, (0.3, 0.3), (5, 5)).values()
    )
    assert alarms <= 5  # 120 asked, each at 1 % by ages and 0.5 % by counts
