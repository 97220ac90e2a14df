"""Champion against challenger while labels arrive, on worlds whose truth is known."""

from __future__ import annotations

import doctest
import importlib
from dataclasses import replace

import numpy as np
import pytest

from analyzer.labels.compare import compare
from analyzer.labels.comparison import Comparison, Question
from analyzer.labels.evidence import Evidence, picked, together
from analyzer.labels.pair_metrics import PROBABILITY, VALUE, of_classes
from analyzer.stats.influence import over_buckets, ratio
from analyzer.stats.ranking import compare_over_buckets, roc_auc_hidden
from analyzer.stats.result import Estimate, Undefined
from analyzer.stats.sequential import any_time_confidence, two_sided_radius
from benchmarks.planted.late import (
    ARRIVALS,
    DAYS,
    DELAYS,
    FIRST,
    HISTORY,
    Rows,
    World,
    known,
    naive,
    rows,
    truth,
)

WINDOW = {"first": FIRST + HISTORY, "last": FIRST + DAYS}
BRIER = PROBABILITY[:1]


def brier(world: World, drawn: Rows, as_of: int) -> Comparison:
    return compare(known(world, drawn, as_of), Question(world.arrival, **WINDOW, metrics=BRIER))


def complete(values: bool = False) -> Evidence:
    """Labels of a steady history, all of which came within two days; the window's all came."""
    drawn = rows(World(5, "exponential", "both", "over", False))
    quick = replace(drawn, age=np.minimum(drawn.age, 2))
    found = known(World(5, "exponential", "both", "over", False), quick, DAYS + 3)
    if not values:
        return found
    return replace(found, pairs=replace(found.pairs, label=found.pairs.label * 0 - 1))


def test_the_right_model_is_named_early() -> None:
    named = []
    for number, (delays, arrival) in enumerate((d, a) for d in DELAYS for a in ARRIVALS):
        for worse in ("under", "over"):
            world = World(11, delays, arrival, worse, number % 2 == 0)
            found = brier(world, rows(world), DAYS + 5)
            right = "champion" if truth(world) > 0 else "challenger"
            assert min(found.completeness.values()) < 0.9
            assert found.metrics[0].better in (right, "undecided")
            assert bool(found.alarms) == (delays == "slower")
            named.append(found.metrics[0].better == right)
    assert sum(named) >= 0.8 * len(named)


def test_simple_estimators_name_the_wrong_one() -> None:
    """Few positives have arrived, so predicting too little looks good; and the other way round."""
    under = World(3, "exponential", "positives", "under", False)
    over = replace(under, worse="over")
    assert naive(under, rows(under), DAYS + 1)["no label is a negative"] < 0 < truth(under)
    assert naive(over, rows(over), DAYS + 1)["labelled rows only"] < 0 < truth(over)


def test_complete_labels_are_counted_plainly() -> None:
    found = complete()
    said = compare(found, Question("both", **WINDOW))
    mine = picked(found.pairs, found.pairs.prediction_day >= FIRST + HISTORY)
    losses = np.stack(
        [
            np.bincount(mine.bucket, mine.sums[name])
            for name in ("challenger_squares", "champion_squares")
        ]
    )
    n = np.bincount(mine.bucket, mine.n)
    plain = over_buckets(np.stack([losses[0] - losses[1], n], axis=-1), ratio, 0.9)
    grids = np.zeros((len(n), 2, 32, 32))
    place = (mine.bucket, mine.label, mine.champion_bin, mine.challenger_bin)
    np.add.at(grids, place, mine.n)
    auc = compare_over_buckets(grids, confidence=0.9)
    margins = [grids.sum(axis=(0, axis)) for axis in (2, 3)]
    ties = sum(roc_auc_hidden(cells[1], cells[0]) for cells in margins)  # no finer bins are known
    for mine_said, expected, hidden in (
        (said.metrics[0], plain, 0.0),
        (said.metrics[1], auc, ties),
    ):
        assert isinstance(mine_said.difference, Estimate)
        assert isinstance(expected, Estimate)
        ends = (mine_said.difference.value, mine_said.difference.low, mine_said.difference.high)
        assert ends == pytest.approx(
            (expected.value, expected.low - hidden, expected.high + hidden), rel=1e-6
        )
        final = mine_said.final
        assert isinstance(final, Estimate)
        assert final.high - final.low < 2 * hidden + 1e-9  # nothing is open about these rows
    assert said.coverage == 1
    assert said.waited.days == 10
    assert said.waited.metrics[0].difference == said.metrics[0].difference


def test_every_metric_of_every_kind_of_label() -> None:
    found = complete()
    said = compare(found, Question("both", **WINDOW))
    assert [m.metric for m in said.metrics] == [
        "brier",
        "roc_auc",
        "average_precision",
        "accuracy",
        "precision",
        "recall",
        "f1",
    ]
    assert all(isinstance(m.difference, Estimate) for m in said.metrics)
    classes = compare(found, Question("both", **WINDOW, metrics=of_classes(2)))
    assert classes.metrics[0].difference == said.metrics[3].difference
    values = compare(complete(values=True), Question("both", **WINDOW, metrics=VALUE))
    assert [m.metric for m in values.metrics] == ["mae", "rmse"]
    assert all(m.better == "champion" for m in values.metrics)


def test_young_days_are_left_out_and_too_young_windows_refused() -> None:
    world = World(2, "exponential", "both", "over", False)
    drawn = rows(world)
    early = brier(world, drawn, DAYS + 1)
    assert 0 < len(early.days) < early.asked == 10
    assert max(early.days) < FIRST + DAYS - 1
    assert min(early.completeness.values()) >= 0.3
    assert early.waited.ready is not None
    assert FIRST + DAYS + 8 <= early.waited.ready <= FIRST + DAYS + 16
    refused = brier(world, drawn, HISTORY + 1)
    assert refused.metrics == ()
    assert isinstance(refused.refused, Undefined)
    assert "below 0.3" in refused.refused.reason
    before = brier(world, drawn, HISTORY)
    assert before.refused == Undefined("no pair was predicted on these days")


def test_a_past_night_is_told_exactly() -> None:
    world = World(4, "by class", "both", "under", True)
    drawn = rows(world)
    assert compare(
        known(world, drawn, DAYS + 20).at(FIRST + DAYS + 3),
        Question("both", **WINDOW, metrics=BRIER),
    ) == brier(world, drawn, DAYS + 3)
    with pytest.raises(ValueError, match="lies after"):
        known(world, drawn, DAYS).at(FIRST + DAYS + 1)


def test_a_label_that_was_revised_away_is_not_counted() -> None:
    found = complete()
    wrong = picked(found.pairs, np.arange(2000))
    taken = replace(wrong, n=-wrong.n, sums={k: -v for k, v in wrong.sums.items()})
    twice = replace(found, pairs=together(found.pairs, together(wrong, taken)))
    question = Question("both", **WINDOW, metrics=BRIER)
    once, again = compare(found, question).metrics[0], compare(twice, question).metrics[0]
    assert isinstance(once.difference, Estimate)
    assert isinstance(again.difference, Estimate)
    assert again.difference.value == pytest.approx(once.difference.value, abs=1e-12)


def test_positives_only_needs_all_rows() -> None:
    world = World(6, "exponential", "positives", "under", False)
    found = replace(known(world, rows(world), DAYS + 5), made=None)
    said = compare(found, Question("positives", **WINDOW))
    assert said.metrics == said.waited.metrics == ()
    assert isinstance(said.refused, Undefined)


def test_weekly_uploads_have_a_ladder_per_weekday_and_order_does_not_matter() -> None:
    world = World(7, "weekly", "both", "over", False)
    found = known(world, rows(world), DAYS + 6)
    question = Question("both", **WINDOW, metrics=BRIER)
    said = compare(found, question)
    assert said.refused is None
    shuffled = np.random.default_rng(1).permutation(len(found.pairs.n))
    again = compare(replace(found, pairs=picked(found.pairs, shuffled)), question)
    a, b = said.metrics[0].difference, again.metrics[0].difference
    assert isinstance(a, Estimate)
    assert isinstance(b, Estimate)
    assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high), rel=1e-9)


@pytest.mark.parametrize("name", ["compare", "maturity"])
def test_examples(name: str) -> None:
    module = importlib.import_module(f"analyzer.labels.{name}")
    assert doctest.testmod(module).failed == 0


def test_an_interval_read_every_night_is_a_confidence_sequence() -> None:
    found = complete()
    fixed = compare(found, Question("both", **WINDOW, confidence=0.95)).metrics[0].difference
    said = compare(found, Question("both", **WINDOW, confidence=0.95, planned=14.0))
    sequence = said.metrics[0].difference
    assert isinstance(fixed, Estimate) and isinstance(sequence, Estimate)
    assert sequence.value == fixed.value
    days = len(said.days)
    wider = (sequence.high - sequence.low) / (fixed.high - fixed.low)
    assert wider > two_sided_radius(1.0, days, 0.05, 14) / 1.96  # and more: Student's t
    again = compare(found, Question("both", **WINDOW, confidence=any_time_confidence(days, 14)))
    assert again.metrics[0].difference == sequence
