"""Completeness by a declared stratum: joined, compared, and in each model's own quality."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from logbook import START

from analyzer.errors import ConfigError
from analyzer.labels import known as knowing
from analyzer.labels.answer import labels
from analyzer.labels.cells import Known
from analyzer.labels.compare import compare
from analyzer.labels.comparison import Question
from analyzer.labels.evidence import evidence
from analyzer.labels.known import known
from analyzer.labels.maturity import of_labels
from analyzer.labels.pace import pace
from analyzer.labels.pair_metrics import PROBABILITY
from analyzer.labels.quality import quality
from analyzer.labels.tables import DAY
from analyzer.labels.update import update
from analyzer.stats.result import Estimate, Result, Undefined
from analyzer.window import HOUR
from benchmarks.planted.late import CUT, DAYS, FIRST, HISTORY, Rows, World, everything, final, rows
from tests.labels.test_join import OPEN, bytes_of, logbook_of, states

WINDOW = np.arange(FIRST + HISTORY, FIRST + DAYS)
AS_OF = DAYS + 9


def value(result: Result) -> float:
    assert isinstance(result, Estimate), result
    return result.value


@pytest.fixture(scope="module")
def world() -> tuple[World, Rows, Known]:
    one = World(4, CUT, "both", "under", False)
    drawn = rows(one)
    return one, drawn, everything(one, drawn, AS_OF)


def weights(drawn: Rows, told: Known) -> tuple[np.ndarray, np.ndarray]:
    """The window's labelled rows, and 1 / completeness of each by plain reading of ladders."""
    mine = np.flatnonzero((drawn.day >= HISTORY) & (drawn.day + drawn.age < AS_OF))
    ladders = of_labels(told)
    found = {
        (day, label, slow): ladders[label].strata[1 + slow].value(FIRST + day)
        for day in range(HISTORY, DAYS)
        for label in (0, 1)
        for slow in (0, 1)
    }
    keys = zip(drawn.day[mine], drawn.label[mine], drawn.slow[mine], strict=True)
    return mine, np.array([1 / found[int(d), int(y), int(s)] for d, y, s in keys])


def test_the_difference_is_the_sum_over_strata(world: tuple[World, Rows, Known]) -> None:
    one, drawn, told = world
    mine, weight = weights(drawn, told)
    label = drawn.label[mine]
    losses = (drawn.challenger[mine] - label) ** 2 - (drawn.champion[mine] - label) ** 2
    asked = Question("both", FIRST + HISTORY, FIRST + DAYS, PROBABILITY)
    found = compare(evidence(told), asked)
    assert value(found.metrics[0].difference) == pytest.approx(weight @ losses / weight.sum())
    true = final(one, drawn)
    for metrics, holds in (
        (found.metrics, True),
        (compare(replace(evidence(told), strata={}), asked).metrics, False),
    ):
        said = metrics[0].final
        assert isinstance(said, Estimate)
        assert (said.low <= true <= said.high) == holds
    auc = next(m for m in found.metrics if m.metric == "roc_auc")
    for said, score in ((auc.champion, drawn.champion), (auc.challenger, drawn.challenger)):
        assert value(said) == pytest.approx(weighted_auc(score[mine], label, weight), abs=5e-4)


def weighted_auc(score: np.ndarray, label: np.ndarray, weight: np.ndarray) -> float:
    order = np.argsort(score)
    below = np.cumsum(np.where(label, 0, weight)[order]) - np.where(label, 0, weight)[order] / 2
    return float(np.where(label, weight, 0)[order] @ below) / (
        weight[label].sum() * weight[~label].sum()
    )


def test_a_model_by_itself_is_weighted_by_stratum_too(world: tuple[World, Rows, Known]) -> None:
    _, drawn, told = world
    mine, weight = weights(drawn, told)
    label, score = drawn.label[mine], drawn.champion[mine]
    champion, _ = quality(told, of_labels(told), WINDOW)
    exact = weight @ (score - label) ** 2 / weight.sum()
    assert value(champion.metrics["Brier"]) == pytest.approx(exact, rel=1e-3)
    auc = weighted_auc(score, label, weight)
    assert value(champion.metrics["ROC AUC"]) == pytest.approx(auc, abs=5e-4)
    flat = replace(told, stratum="")
    other, _ = quality(flat, of_labels(flat), WINDOW)
    strata, together = (value(q.metrics["Brier"]) - exact for q in (champion, other))
    assert abs(together) > 20 * abs(strata)


def test_each_segment_has_a_ladder_of_its_own(world: tuple[World, Rows, Known]) -> None:
    _, drawn, told = world
    flat = replace(told, stratum="")  # no stratum is needed for that
    found = quality(flat, of_labels(flat), WINDOW, "segment")
    complete = {q.value: q.complete for q in found if q.model == "champion"}
    for slow, name in enumerate(("half = a", "half = b")):
        mine = (drawn.slow == slow) & (drawn.day >= HISTORY)
        here = (drawn.day + drawn.age < AS_OF)[mine].mean()
        assert complete[name] == pytest.approx(here, abs=0.04)


def test_segments_of_another_pace_are_told_where_no_stratum_is(
    world: tuple[World, Rows, Known],
) -> None:
    _, _, told = world
    assert pace(told, of_labels(told)) == {}  # it is allowed for
    flat = replace(told, stratum="")
    found = pace(flat, of_labels(flat))
    assert found[0].column == found[1].column == "half"
    assert "after" in str(found[0]) and 'stratum = "half"' in str(found[0])
    for seed in range(3):
        like = World(seed, "by class", "both", "under", seed == 1)
        alike = everything(like, rows(like), AS_OF)
        assert pace(alike, of_labels(alike)) == {}


def test_the_answer_tells_the_slowest_stratum(world: tuple[World, Rows, Known]) -> None:
    _, _, told = world
    for one in labels(told, "both", first=FIRST + HISTORY, last=FIRST + DAYS).maturity:
        assert one.slowest and one.slowest.where == "half = b"
        assert one.slowest.ready_age == one.ready_age
        fast, slow = (value(s.curve[5].complete) for s in one.strata)
        assert fast > slow + 0.2


def test_a_day_waits_for_its_slowest_stratum(world: tuple[World, Rows, Known]) -> None:
    _, _, told = world
    early = evidence(told).at(FIRST + DAYS + 2)
    asked = Question("both", FIRST + DAYS - 2, FIRST + DAYS, PROBABILITY[:1])
    refused = compare(early, asked).refused
    assert isinstance(refused, Undefined)
    assert "where half = b is 0." in refused.reason
    assert compare(replace(early, strata={}), asked).refused is None


def test_strata_with_few_labels_follow_all_together(world: tuple[World, Rows, Known]) -> None:
    _, _, told = world
    rare = told.pairs.stratum.copy()
    rare[::5000] = 3
    pairs = replace(told.pairs, stratum=rare)
    names = {1: "half = a", 2: "half = b", 3: "half = c"}
    asked = Question("both", FIRST + HISTORY, FIRST + DAYS, PROBABILITY[:1])
    found = compare(replace(evidence(told), pairs=pairs, strata=names), asked)
    plain = compare(evidence(told), asked)
    assert found.days == plain.days
    assert value(found.metrics[0].difference) == pytest.approx(
        value(plain.metrics[0].difference), rel=0.02
    )


@pytest.mark.parametrize("quantiles", [[0.5, 0.5], [1.0], [0.1, 0]])
def test_quantiles_lie_between_0_and_1_once_each(tmp_path: Path, quantiles: list[float]) -> None:
    book, _, _ = logbook_of(tmp_path, "values", 3)
    with pytest.raises(ConfigError, match="quantiles"):
        book.describe(labels={"paths": ["labels/*.parquet"], "quantiles": quantiles})


@pytest.mark.parametrize("stratum", ["hour", "country"])
def test_pairs_are_counted_by_stratum(tmp_path: Path, stratum: str) -> None:
    book, said, told = logbook_of(tmp_path, "binary", 3)
    described = {"paths": ["labels/*.parquet"], "open_days": OPEN}
    settings = {"score": {"type": "probability"}, "segments": {"columns": ["country"]}}
    update(book.rollout)
    plain = known(book.rollout, START + 5 * DAY)
    book.describe(**settings, labels={**described, "stratum": stratum})
    assert update(book.rollout).made
    for day in (2, 5, 9):
        found = known(book.rollout, START + day * DAY)
        expected, _ = states(said, told, day)
        counted: Counter[str] = Counter()
        for code, n in zip(found.pairs.stratum.tolist(), found.pairs.n.tolist(), strict=True):
            counted[found.strata[code]] += n
        both = [r for r in expected if r in said["champion"] and r in said["challenger"]]
        assert +counted == Counter(stratum_of(stratum, r, said) for r in both)
        made = found.predicted
        for code, name in found.strata.items():
            own = made.n[(made.segment == code) & (made.model == 0)].sum()
            asked = [r for r in said["champion"] if stratum_of(stratum, r, said) == name]
            assert own == sum(said["champion"][r][0] < day * DAY for r in asked)
    again = known(book.rollout, START + 5 * DAY)
    assert again.pairs.n.sum() == plain.pairs.n.sum()
    kept = bytes_of(book)
    assert not update(book.rollout).made
    assert bytes_of(book) == kept


def stratum_of(stratum: str, request: str, said: dict) -> str:
    if stratum == "hour":
        return f"hour = {said['champion'][request][0] // HOUR % 24:02d}"
    return f"country = {('de', 'fr', 'NULL')[int(request[1:]) % 3]}"


def test_fragments_without_a_stratum_are_still_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book, _, _ = logbook_of(tmp_path, "binary", 3)
    update(book.rollout)
    now = known(book.rollout)
    joined = knowing._joined

    def before(*given: object) -> pa.Table:
        table = joined(*given)  # type: ignore[arg-type]
        is_pairs = "champion_bin" in table.schema.names
        return table.drop_columns(["column", "value"]) if is_pairs else table

    monkeypatch.setattr(knowing, "_joined", before)
    old = known(book.rollout)
    assert (old.pairs.stratum == 0).all()
    assert old.pairs.n.tolist() == now.pairs.n.tolist()
    assert old.strata == now.strata == {}


def test_a_stratum_is_a_segment_or_the_hour(tmp_path: Path) -> None:
    book, _, _ = logbook_of(tmp_path, "binary", 3)
    with pytest.raises(ConfigError, match=r'stratum = .contry. is no segment.*or "hour"'):
        book.describe(labels={"paths": ["labels/*.parquet"], "stratum": "contry"})
