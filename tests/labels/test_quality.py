"""Quality of each model, the whole answer, and the history of past nights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analyzer.labels.answer import labels
from analyzer.labels.cells import NONE, Known
from analyzer.labels.evidence import evidence
from analyzer.labels.history import history
from analyzer.labels.maturity import of_labels
from analyzer.labels.pair_metrics import PROBABILITY
from analyzer.labels.quality import quality
from analyzer.stats.result import Estimate, Result, Undefined
from benchmarks.planted.late import (
    DAYS,
    FIRST,
    HISTORY,
    THRESHOLD,
    Rows,
    World,
    everything,
    rows,
)

WINDOW = np.arange(FIRST + HISTORY, FIRST + DAYS)


def value(result: Result) -> float:
    assert isinstance(result, Estimate), result
    return result.value


def complete() -> tuple[Rows, Known]:
    """All labels of all days are here."""
    world = World(5, "exponential", "both", "over", False)
    drawn = rows(world)
    drawn = replace(drawn, age=np.minimum(drawn.age, 2))
    return drawn, everything(world, drawn, DAYS + 3)


def test_complete_labels_are_counted_plainly() -> None:
    drawn, known = complete()
    champion, challenger = quality(known, of_labels(known), WINDOW)
    mine = drawn.day >= HISTORY
    label = drawn.label[mine]
    assert champion.n == champion.predicted == mine.sum()
    assert champion.coverage == champion.complete == 1
    for found, score in ((champion, drawn.champion[mine]), (challenger, drawn.challenger[mine])):
        called = score >= THRESHOLD
        order = np.argsort(np.concatenate([score[label], score[~label]]), kind="stable")
        rank = np.empty(len(order))
        rank[order] = np.arange(1, len(order) + 1)
        positives = int(label.sum())
        auc = (rank[:positives].sum() - positives * (positives + 1) / 2) / (
            positives * (len(label) - positives)
        )
        expected = {
            "accuracy": np.mean(called == label),
            "precision": label[called].mean(),
            "recall": called[label].mean(),
            "Brier": np.mean((score - label) ** 2),
            "log loss": -np.mean(np.log(np.where(label, score, 1 - score))),
        }
        for name, exact in expected.items():
            assert value(found.metrics[name]) == pytest.approx(exact, abs=1e-6), name
        assert value(found.metrics["ROC AUC"]) == pytest.approx(auc, abs=1e-4)
        assert len(found.curve) == 10
        assert all(isinstance(x, Estimate) for x in found.metrics.values())


def test_classes_of_different_speed_stand_in_their_true_shares() -> None:
    """Positives come in 5 days, negatives in 15: labels so far hold too many positives."""
    world = World(1, "by class", "both", "over", False)
    drawn = rows(world)
    known = everything(world, drawn, DAYS + 8)
    champion, _ = quality(known, of_labels(known), WINDOW)
    came = (drawn.day >= HISTORY) & (drawn.day + drawn.age < DAYS + 8)
    losses = (drawn.champion - drawn.label) ** 2
    truth = losses[drawn.day >= HISTORY].mean()
    plain = losses[came].mean()
    said = champion.metrics["Brier"]
    assert isinstance(said, Estimate)
    assert plain > said.high
    assert said.low <= truth <= said.high
    assert champion.n == came.sum()


@pytest.mark.parametrize("by", ["day", "week", "segment", "age"])
def test_groups(by: str) -> None:
    world = World(2, "exponential", "both", "over", False)
    known = everything(world, rows(world), DAYS)
    found = quality(known, of_labels(known), WINDOW, by)  # type: ignore[arg-type]
    assert {q.model for q in found} == {"champion", "challenger"}
    if by != "age":
        (champion, _) = quality(known, of_labels(known), WINDOW)
        mine = [q for q in found if q.model == "champion"]
        assert sum(q.n for q in mine) == champion.n
        assert sum(q.predicted for q in mine) == champion.predicted
    for q in found:
        said = [isinstance(x, Estimate) for x in q.metrics.values()]
        assert not any(said) or q.complete >= 0.3 or q.left_out > 0
    if by in ("day", "age"):
        young = [q for q in found if q.complete < 0.3]
        assert young
        reasons = {x.reason for q in young for x in q.metrics.values() if isinstance(x, Undefined)}
        assert all("below 0.3" in reason for reason in reasons)


def test_values_and_classes() -> None:
    drawn, known = complete()
    sides = known.sides
    of_classes = replace(known, kind="classes", classes=("no", "yes"))
    binary, named = (quality(k, of_labels(k), WINDOW)[0].metrics for k in (known, of_classes))
    assert value(named["accuracy"]) == value(binary["accuracy"])
    assert value(named["F1 of yes"]) == value(binary["F1"])
    assert value(named["macro recall"]) == pytest.approx(
        (value(named["recall of no"]) + value(named["recall of yes"])) / 2
    )
    error = sides.label - sides.sums["score"]
    sums = {
        "error": error,
        "error_absolute": np.abs(error),
        "error_squares": error**2,
        "error_fourths": error**4,
        "error_squares_above": np.where(error > 0, error**2, 0.0),
    }
    nothing = {"label": sides.label * 0 + NONE, "called": sides.called * 0 + NONE}
    values = replace(
        known,
        kind="values",
        classes=(),
        sides=replace(sides, **nothing, sums=sums),
        pairs=replace(known.pairs, label=known.pairs.label * 0 + NONE),
    )
    found = quality(values, of_labels(values), WINDOW)[0].metrics
    mine = drawn.day >= HISTORY
    exact = np.abs(drawn.label - drawn.champion)[mine]
    assert value(found["MAE"]) == pytest.approx(exact.mean())
    assert value(found["RMSE"]) == pytest.approx(np.sqrt(np.mean(exact**2)))
    assert value(found["quantile loss 0.5"]) == pytest.approx(exact.mean() / 2)
    assert labels(values, "both").comparison.metrics[0].better == "champion"
    declared = replace(values, quantiles=(0.25,))
    told = quality(declared, of_labels(declared), WINDOW)[0].metrics
    error = (drawn.label - drawn.champion)[mine]
    pinball = np.where(error > 0, 0.25 * error, -0.75 * error)
    assert value(told["quantile loss 0.25"]) == pytest.approx(pinball.mean())
    assert "quantile loss 0.5" not in told


def test_the_whole_answer() -> None:
    world = World(3, "exponential", "both", "under", True)
    known = everything(world, rows(world), DAYS + 4)
    found = labels(known, "both", by="week")
    assert (found.as_of, found.last) == ("2026-03-16", "2026-03-16")
    assert [m.label for m in found.maturity] == ["0", "1"]
    assert all(not m.alarm for m in found.maturity)
    assert 10 <= value(found.maturity[0].ready_age) <= 13
    assert found.comparison.metrics[0].better == "champion"
    ranked = found.comparison.metrics[1]
    assert ranked.metric == "roc_auc"
    assert abs(value(ranked.difference)) < 1e-3  # a factor moves no rank
    assert ranked.better == "undecided"
    assert {q.by for q in found.quality} == {"all", "week"}
    nothing = labels(known, "both", first=FIRST + 500, last=FIRST + 501)
    assert nothing.quality == ()
    assert isinstance(nothing.comparison.refused, Undefined)


def test_positives_alone_say_recall_and_a_comparison_from_all_rows() -> None:
    world = World(4, "exponential", "positives", "under", False)
    known = everything(world, rows(world), DAYS + 8)
    found = labels(known, "positives")
    said = {k for k, v in found.quality[0].metrics.items() if isinstance(v, Estimate)}
    assert said == {"recall"}


def test_what_was_said_on_past_nights() -> None:
    world = World(6, "exponential", "both", "over", False)
    known = everything(world, rows(world), DAYS + 20)
    found = history(evidence(known), "both", PROBABILITY[0], weeks=4)
    assert {told.as_of - told.last for told in found.nights} == {1, 3, 7, 14, 21, 28}
    assert len({(told.first, told.as_of) for told in found.nights}) == len(found.nights)
    assert found.wrong == 0
    assert found.named > 0
    assert not isinstance(found.backtest, Undefined)
    assert value(found.backtest.held) >= 0.6
    assert found.nights == history(evidence(known), "both", PROBABILITY[0], weeks=4).nights
    early = history(evidence(known).at(FIRST + 8), "both", PROBABILITY[0])
    assert early.nights == ()
    assert isinstance(early.backtest, Undefined)
