"""`analyzer labels` where labels say little: what is not known is not told as a number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from logbook import INSTANT, START, Book, pa

from analyzer.labels.answer import Labels, labels
from analyzer.labels.fine import moved, widened
from analyzer.labels.known import known
from analyzer.labels.tables import DAY
from analyzer.labels.update import update
from analyzer.stats.result import Estimate, Undefined

DAYS, ROWS = 12, 100


def told(root: Path, only: int | None = None, days_late: float = 0.7) -> Labels:
    """What labels say after twelve days; `only` one class of them comes."""
    random = np.random.default_rng(4)
    n = DAYS * ROWS
    ts = np.sort(random.integers(0, DAYS * DAY, n))
    risk = random.beta(1, 4, n)
    label = (random.random(n) < risk).astype(int)
    ids = np.arange(n)
    book = Book(root)
    for side, score in (("champion", risk), ("challenger", np.minimum(2 * risk, 1))):
        made = {"request_id": ids, "ts": pa.array(START + ts, INSTANT), "score": score}
        book.write(f"{side}.parquet", made)
    late = ts + random.exponential(days_late * DAY, n).astype(np.int64)
    here = np.flatnonzero((late < (DAYS + 1) * DAY) & (True if only is None else label == only))
    book.write(
        "labels.parquet",
        {
            "request_id": ids[here],
            "label": label[here],
            "label_ts": pa.array(START + late[here], INSTANT),
        },
    )
    book.describe(score={"type": "probability"}, labels={"paths": ["labels.parquet"]})
    book.scan()
    update(book.rollout)
    return labels(known(book.rollout), "both")


@pytest.mark.parametrize("only", [0, 1])
def test_one_class_of_labels_names_no_model(tmp_path: Path, only: int) -> None:
    """Positives alone would speak for the model that predicts too much."""
    found = told(tmp_path, only)
    assert found.comparison.refused is not None
    assert f"only labels of class {only}" in found.comparison.refused.reason
    assert found.comparison.metrics == found.comparison.waited.metrics == ()
    assert all(isinstance(x, Undefined) for q in found.quality for x in q.metrics.values())


def test_a_history_shorter_than_the_delays_has_no_quality(tmp_path: Path) -> None:
    found = told(tmp_path, days_late=30)
    assert found.comparison.refused is not None
    assert all(q.n > 0 and q.complete == 0 for q in found.quality)
    assert all(isinstance(x, Undefined) for q in found.quality for x in q.metrics.values())


def test_labels_that_are_all_null_are_counted(tmp_path: Path) -> None:
    book = Book(tmp_path)
    at = pa.array([START, START + 1], INSTANT)
    for side in ("champion", "challenger"):
        book.write(f"{side}.parquet", {"request_id": [1, 2], "ts": at, "score": [0.2, 0.7]})
    book.write("labels.parquet", {"request_id": [1, 2], "label": [None, None], "label_ts": at})
    book.describe(score={"type": "probability"}, labels={"paths": ["labels.parquet"]})
    book.scan()
    update(book.rollout)
    assert known(book.rollout).faults == {"label is NULL or NaN": 2}


def test_intervals_of_shares_stay_shares() -> None:
    """Whatever order hides in coarse bins, no precision lies below 0 or above 1."""
    one = Estimate(0.5, 0.4, 0.6, 9, "example")
    wide = widened({"champion": one, "difference": one}, 0.9)
    assert [(x.low, x.high) for x in wide.values()] == [(0.0, 1.0), (-0.5, 1.0)]
    near = moved({"champion": Estimate(0.5, 0.1, 0.6, 9, "example")}, (0.2, 0.3))["champion"]
    assert near.low == 0.0


def test_a_label_dated_far_ahead_is_no_today(tmp_path: Path) -> None:
    """Its date as the as-of would leave nothing in the last 30 days, and all labels complete."""
    book = Book(tmp_path)
    ids, at = [1, 2], pa.array([START, START + 1], INSTANT)
    for side in ("champion", "challenger"):
        book.write(f"{side}.parquet", {"request_id": ids, "ts": at, "score": [0.2, 0.7]})
    ahead = pa.array([START + DAY, START + 20_000 * DAY], INSTANT)
    book.write("labels.parquet", {"request_id": ids, "label": [0, 1], "label_ts": ahead})
    book.describe(
        score={"type": "probability"}, labels={"paths": ["labels.parquet"], "open_days": 5}
    )
    book.scan()
    update(book.rollout)
    found = known(book.rollout)
    assert found.as_of == START // DAY + 5
    assert found.faults == {"no prediction in the open window": 1}
    assert known(book.rollout, START + 2 * DAY).faults == {}
