"""Calls are logged decisions; ranking of the very pairs; rows let through by chance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from logbook import Book, times
from scipy.stats import rankdata

from analyzer.errors import ConfigError
from analyzer.labels.answer import Labels, labels
from analyzer.labels.known import known
from analyzer.labels.update import update
from analyzer.stats.result import Estimate, Undefined

ROWS, DAYS = 6000, 12


def logs(book: Book, *, seed: int = 1, shadow: slice = slice(None), **own: Any) -> dict[str, Any]:
    """Twelve days; labels within a day; the challenger logged only some rows. `own`: columns."""
    random = np.random.default_rng(seed)
    risk = random.beta(1, 2, ROWS)
    when = np.sort(random.uniform(0, DAYS * 86_400, ROWS))
    ids = np.array([f"r{i}" for i in range(ROWS)])
    drawn = {
        "risk": risk,
        "champion": np.clip(risk + random.normal(0, 0.1, ROWS), 0, 1),
        "challenger": np.clip(risk + random.normal(0, 0.15, ROWS), 0, 1),
        "label": random.random(ROWS) < risk,
    }
    for side in ("champion", "challenger"):
        rows = {"request_id": ids, "ts": times(when), "score": drawn[side]}
        mine = {k: v(drawn) for k, v in own.get(side, {}).items()}
        kept = slice(None) if side == "champion" else shadow
        table = {k: np.asarray(v)[kept] for k, v in {**rows, **mine}.items() if k != "ts"}
        book.write(f"{side}.parquet", {**table, "ts": times(when[kept])})
    come = own.get("come", lambda d: np.ones(ROWS, bool))(drawn)
    truth = {"request_id": ids[come], "label": drawn["label"][come]}
    book.write("labels.parquet", {**truth, "label_ts": times(when[come] + 20_000)})
    return drawn


def said(book: Book, **described: Any) -> Labels:
    book.describe(labels={"paths": ["labels.parquet"], **described})
    book.scan()
    update(book.rollout)
    return labels(known(book.rollout), book.rollout.labels.arrival)


def metric(found: Labels, side: int, name: str) -> float:
    value = found.quality[side].metrics[name]
    assert isinstance(value, Estimate)
    return value.value


@pytest.mark.parametrize("spelled", [(True, False), ("decline", "approve")])
def test_a_logged_decision_is_what_was_called(tmp_path: Path, spelled: tuple[Any, Any]) -> None:
    """The champion declines from 0.7 on, not from the declared 0.5; the challenger logs none."""
    book = Book(tmp_path)
    cut = {"decision": lambda d: np.where(d["champion"] >= 0.7, *spelled)}
    drawn = logs(book, champion=cut)
    yes = {} if spelled[0] is True else {"positive_decision": "decline"}
    found = said(book, **yes)
    right = (drawn["champion"] >= 0.7) == drawn["label"]
    assert metric(found, 0, "accuracy") == pytest.approx(right.mean())
    called = drawn["champion"] >= 0.7
    precision = drawn["label"][called].mean()
    assert metric(found, 0, "precision") == pytest.approx(precision)
    pairs = {m.metric: m.champion for m in found.comparison.metrics}
    assert isinstance(pairs["precision"], Estimate)
    assert pairs["precision"].value == pytest.approx(precision, abs=0.01)
    theirs = (drawn["challenger"] >= 0.5) == drawn["label"]
    assert metric(found, 1, "accuracy") == pytest.approx(theirs.mean())
    assert found.basis == {
        "champion: the logged decision": ROWS,
        "challenger: the score's threshold": ROWS,
    }


def test_words_that_nothing_explains_leave_the_threshold(tmp_path: Path) -> None:
    book = Book(tmp_path)
    logs(book, champion={"decision": lambda d: np.where(d["champion"] >= 0.7, "b", "a")})
    assert "champion: the score's threshold" in said(book).basis


def test_auc_of_the_very_pairs(tmp_path: Path) -> None:
    """The challenger missed a tenth of the rows: the AUC compared is that of the others."""
    book = Book(tmp_path)
    drawn = logs(book, shadow=slice(ROWS // 10, None))
    found = said(book)
    roc = next(m for m in found.comparison.metrics if m.metric == "roc_auc")
    for side, result in (("champion", roc.champion), ("challenger", roc.challenger)):
        assert isinstance(result, Estimate)
        assert result.value == pytest.approx(auc(drawn, side, slice(ROWS // 10, None)), abs=5e-4)
        assert "fine bins" in result.method


def auc(drawn: dict[str, Any], side: str, rows: slice) -> float:
    score, label = drawn[side][rows], drawn["label"][rows]
    ranks, positives = rankdata(score), label.sum()
    wins = ranks[label].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * (len(score) - positives)))


def test_auc_where_only_positives_are_reported(tmp_path: Path) -> None:
    book = Book(tmp_path)
    drawn = logs(book, come=lambda d: d["label"])
    roc = next(
        m for m in said(book, arrival="positives").comparison.metrics if m.metric == "roc_auc"
    )
    assert isinstance(roc.champion, Estimate)
    assert "fine bins" in roc.champion.method
    assert roc.champion.value == pytest.approx(auc(drawn, "champion", slice(None)), abs=0.02)


def explored(share: float) -> dict[str, Any]:
    """The champion stops from 0.4 on, but lets some of these rows through at random."""
    chosen = np.random.default_rng(9).random(ROWS) < share
    return {
        "champion": {
            "decision": lambda d: (d["champion"] >= 0.4) & ~chosen,
            "tried": lambda d: (d["champion"] >= 0.4) & chosen,
            "chance": lambda d: np.full(ROWS, share),
        },
        "come": lambda d: (d["champion"] < 0.4) | chosen,
    }


@pytest.mark.parametrize("chance", [{"explore_share": 0.2}, {"explore_probability": "chance"}])
def test_rows_let_through_by_chance_speak_for_all(tmp_path: Path, chance: dict[str, Any]) -> None:
    book = Book(tmp_path)
    drawn = logs(book, **explored(0.2))
    found = said(book, arrival="selective", explore="tried", **chance).exploration
    assert found is not None
    assert found.comparison is not None
    brier = found.comparison.metrics[0]
    for side, result in (("champion", brier.champion), ("challenger", brier.challenger)):
        assert isinstance(result, Estimate)
        truth = np.mean((drawn[side] - drawn["label"]) ** 2)
        assert result.low <= truth <= result.high
        assert result.high - result.low < 0.05
    stopped = (drawn["champion"] >= 0.4).sum()
    assert found.stopped == stopped
    assert found.stands_for == pytest.approx(stopped, rel=0.1)
    assert found.effective == pytest.approx(found.explored)


def test_too_few_rows_let_through_say_nothing(tmp_path: Path) -> None:
    book = Book(tmp_path)
    logs(book, **explored(0.01))
    found = said(book, arrival="selective", explore="tried", explore_share=0.01).exploration
    assert found is not None
    assert found.comparison is None
    assert isinstance(found.refused, Undefined)


@pytest.mark.parametrize(
    ("labels_", "words"),
    [
        ({"explore": "x"}, "belongs to arrival"),
        ({"arrival": "selective", "explore": "x"}, "either explore_share"),
        ({"explore_share": 0.1}, "explore is missing"),
    ],
)
def test_what_cannot_be_meant_is_refused(book: Book, labels_: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        book.describe(labels={"paths": ["x"], **labels_})
