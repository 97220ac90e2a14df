"""AUC of both models on matured days: DeLong by rows, buckets where units are logged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from logbook import Book

from analyzer.labels.answer import labels
from analyzer.labels.comparison import Compared
from analyzer.labels.known import known
from analyzer.stats.result import Estimate
from tests.labels.test_calls import DAYS, ROWS, logs, said


def exact(scores: list[np.ndarray], label: np.ndarray) -> tuple[float, float]:
    """Difference of the AUCs and its standard error, from every pair of raw scores."""
    above, below = [], []
    for score in scores:
        yes, no = score[label], score[~label]
        wins = (yes[:, None] > no[None, :]) + 0.5 * (yes[:, None] == no[None, :])
        above.append(wins.mean(axis=1))
        below.append(wins.mean(axis=0))
    positives, negatives = above[1] - above[0], below[1] - below[0]
    variance = positives.var(ddof=1) / len(positives) + negatives.var(ddof=1) / len(negatives)
    return float(positives.mean()), float(np.sqrt(variance))


def roc(found: tuple[Compared, ...]) -> Estimate:
    (one,) = [m.difference for m in found if m.metric == "roc_auc"]
    assert isinstance(one, Estimate)
    return one


def test_delong_of_raw_scores_comes_out(tmp_path: Path) -> None:
    drawn = logs(Book(tmp_path))
    waited = said(Book(tmp_path)).comparison.waited
    assert waited.days == DAYS
    found = roc(waited.metrics)
    value, error = exact([drawn["champion"], drawn["challenger"]], drawn["label"])
    assert "paired DeLong" in found.method
    assert found.n == ROWS
    assert found.value == pytest.approx(value, abs=2e-4)
    assert (found.high - found.low) / (2 * 1.959964) == pytest.approx(error, rel=0.03)


def test_units_keep_their_buckets(tmp_path: Path) -> None:
    book = Book(tmp_path)
    logs(book, champion={"unit_id": lambda drawn: np.arange(ROWS) % 50})
    assert "jackknife" in roc(said(book).comparison.waited.metrics).method
    told = known(book.rollout)
    assert told.units
    alone = labels(replace(told, units=False), "both")
    assert "paired DeLong" in roc(alone.comparison.waited.metrics).method
