"""What bins lose: ROC AUC from counts against the rank sum of the scores themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from logbook import START, Book, times
from scipy.stats import rankdata

from analyzer.labels import cells as at
from analyzer.labels import label_days
from analyzer.labels.known import known
from analyzer.labels.tables import DAY
from analyzer.labels.update import update
from analyzer.stats.ranking import roc_auc

ROWS = 20_000


def exact_auc(score: np.ndarray, label: np.ndarray) -> float:
    ranks, positives = rankdata(score), int(label.sum())
    above = ranks[label].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(score) - positives)))


def write(book: Book, score: np.ndarray, label: np.ndarray, days: int = 2) -> None:
    ids = [f"r{i}" for i in range(len(score))]
    when = np.sort(np.random.default_rng(1).uniform(0, days * 86_400, len(score)))
    for side, said in (("champion", score), ("challenger", np.sqrt(score))):
        book.write(f"{side}.parquet", {"request_id": ids, "ts": times(when), "score": said})
    truth = {"request_id": ids, "label": label, "label_ts": times(when + 40_000)}
    book.write("labels.parquet", truth)
    book.describe(labels={"paths": ["labels.parquet"]})
    book.scan()


@pytest.mark.parametrize("shape", ["spread", "rare", "rarer", "sure", "rounded"])
def test_auc_from_bins(tmp_path: Path, shape: str) -> None:
    random = np.random.default_rng(3)
    score = {
        "spread": lambda: random.beta(2, 2, ROWS),
        "rare": lambda: random.beta(1, 200, ROWS),
        "rarer": lambda: np.exp(random.normal(-12, 1.5, ROWS)).clip(0, 1),
        "sure": lambda: 1 - random.beta(1, 500, ROWS),
        "rounded": lambda: random.integers(0, 11, ROWS) / 10,
    }[shape]()
    label = random.random(ROWS) < 0.1 + 0.5 * (rankdata(score) / ROWS) ** 2
    book = Book(tmp_path)
    write(book, score, label)
    update(book.rollout)
    found = known(book.rollout).sides
    for model, said in ((at.CHAMPION, score), (at.CHALLENGER, np.sqrt(score))):
        rows = (found.model == model) & (found.segment == at.ALL_ROWS)
        bins, place = np.unique(found.bin[rows], return_inverse=True)
        counts = np.zeros((2, len(bins)))
        np.add.at(counts, (found.label[rows], place), found.n[rows])
        value = roc_auc(counts[1], counts[0]).value
        assert value == pytest.approx(exact_auc(said, label), abs=1e-4)


def test_the_new_day_remakes_yesterday_only_where_it_reaches_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    real = label_days.requests_of

    def counted(slots: list) -> pa.Table:
        made.append((slots[0].start - START) // DAY)
        return real(slots)

    monkeypatch.setattr(label_days, "requests_of", counted)
    book = Book(tmp_path)

    def day(number: int, ids: list[str], seconds: float) -> None:
        at_once = times([number * 86_400 + seconds] * len(ids))
        for side in ("champion", "challenger"):
            rows = {"request_id": ids, "ts": at_once, "score": [0.5] * len(ids)}
            book.write(f"{side}/{number}.parquet", rows)

    logs = {side: {"paths": [f"{side}/*.parquet"]} for side in ("champion", "challenger")}
    book.write(
        "labels.parquet",
        {"request_id": ["a", "b"], "label": [1, 0], "label_ts": times([2e5, 2e5])},
    )
    book.describe(**logs, labels={"paths": ["labels.parquet"]})
    day(0, ["a"], 86_390)
    book.scan()
    update(book.rollout)
    assert made == [0, 1]  # the file reaches into the slack of the next day
    day(1, ["b"], 10)
    book.scan()
    update(book.rollout)
    assert made[2:] == [1], "yesterday was made again"
    day(1, ["a"], 10)
    book.scan()
    update(book.rollout)
    assert sorted(made[3:]) == [0, 1]
