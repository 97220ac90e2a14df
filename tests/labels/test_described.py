"""What `[labels]` may say, and what `check`, `init` and `nightly` make of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from logbook import START, Book, plain, times

from analyzer import init, policy
from analyzer.check import check
from analyzer.errors import AnalyzerError, ConfigError
from analyzer.labels.known import known
from analyzer.labels.tables import DAY
from analyzer.labels.update import update
from analyzer.nightly import nightly
from analyzer.window import HOUR, Window

ROWS = 300


def logged(book: Book, **said: Any) -> Book:
    """Logs of two models and their labels; `said` goes into [labels]."""
    ours, theirs = plain(ROWS)
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    book.describe(labels={"paths": ["labels/*.parquet"], **said})
    return book


def labelled(book: Book, label: Any, ids: list[Any] | None = None, **columns: Any) -> None:
    ids = [f"r{i}" for i in range(ROWS)] if ids is None else ids
    late = times(np.arange(ROWS) + 5 * 3600)
    table = {"request_id": ids, "label": label, "label_ts": late, **columns}
    book.write("labels/first.parquet", table)


YES = [i % 3 == 0 for i in range(ROWS)]


@pytest.mark.parametrize(
    ("label", "positive"),
    [
        (YES, None),
        ([int(x) for x in YES], None),
        ([float(x) for x in YES], None),
        ([str(x).upper() for x in YES], None),
        (["fraud" if x else "fine" for x in YES], "fraud"),
        ([7 if x else 3 for x in YES], 7),
        (pa.array(["1" if x else "0" for x in YES]).dictionary_encode(), None),
    ],
)
def test_a_yes_is_a_yes_however_it_is_spelled(book: Book, label: Any, positive: Any) -> None:
    logged(book, **({} if positive is None else {"positive": positive}))
    labelled(book, label)
    book.scan()
    update(book.rollout)
    found = known(book.rollout).pairs
    assert found.n[found.label == 1].sum() == sum(YES)
    assert found.n[found.label == 0].sum() == ROWS - sum(YES)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_ids_and_times_of_other_types(book: Book, unit: str) -> None:
    ours, theirs = plain(ROWS)
    number = pa.array(range(ROWS), pa.int32())
    book.write("champion.parquet", ours.set_column(0, "request_id", number))
    book.write("challenger.parquet", theirs.set_column(0, "request_id", number))
    book.write(
        "truth/day=1/a.parquet",
        {
            "id": [str(i) for i in range(ROWS)],
            "truth": YES,
            "known": times(np.arange(ROWS) + 20_000, pa.timestamp(unit)),
        },
    )
    columns = {"request_id": "id", "label": "truth", "label_ts": "known"}
    book.describe(
        time={"zone": "UTC"}, labels={"paths": ["truth"], "columns": columns, "kind": "binary"}
    )
    book.scan()
    update(book.rollout)
    assert known(book.rollout).pairs.n.sum() == ROWS


@pytest.mark.parametrize(
    ("labels", "score", "words"),
    [
        ({"kind": "binary"}, "regression", "needs a probability"),
        ({"kind": "values"}, "class", "needs a score"),
        ({"columns": {"truth": "y"}}, "probability", "'truth' is no column of labels"),
        ({"positive": "x"}, "class", "means nothing where labels are classes"),
        ({"open_days": 0}, "probability", "open_days"),
        ({"arrival": "late"}, "probability", "arrival"),
    ],
)
def test_what_cannot_be_meant_is_refused(book: Book, labels: Any, score: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        book.describe(score={"type": score}, labels={"paths": ["x"], **labels})


def problems(book: Book) -> str:
    found = check(book.rollout, policy.load())
    assert found.can_run
    return "\n".join(f.problem for f in found.findings if f.log == "labels")


def test_check_finds_nothing_wrong_with_good_labels(book: Book) -> None:
    labelled(logged(book, open_days=7), YES)  # late ones would want a proxy
    assert problems(book) == ""


def test_check_names_what_is_wrong_with_labels(book: Book) -> None:
    label = ["1", "yes", None] * (ROWS // 3)
    labelled(logged(book), label, [f"x{i}" for i in range(ROWS)])
    book.write("labels/broken.parquet", {"request_id": ["r1"], "label": [1]})
    found = problems(book)
    for words in ("has no column 'label_ts'", "NULL or NaN", "neither 0 nor 1", "0% are in"):
        assert words in found


@pytest.mark.parametrize(
    ("label", "arrival", "words"),
    [
        ([1] * ROWS, "both", "every label is positive"),
        ([1] * ROWS, "positives", ""),
        (YES, "positives", "expects none"),
        ([0] * ROWS, "both", "every label is negative"),
    ],
)
def test_check_says_where_arrival_contradicts_the_data(
    book: Book, label: Any, arrival: str, words: str
) -> None:
    labelled(logged(book, arrival=arrival, open_days=7), label)
    found = problems(book)
    assert words in found
    assert bool(words) == bool(found)


def test_check_survives_labels_that_are_not_there(book: Book) -> None:
    assert "matches no file" in problems(logged(book))


def test_init_tells_positives_only(book: Book) -> None:
    labelled(logged(book), [1] * ROWS)
    (book.root / "rollout.toml").unlink()
    guess = init.guess([book.root], book.root)
    assert 'arrival = "positives"' in guess.text
    (book.root / "rollout.toml").write_text(guess.text, encoding="utf-8")
    assert book.rollout.labels.arrival == "positives"


def test_a_night_joins_labels_and_survives_their_absence(book: Book) -> None:
    logged(book)
    window = Window(START, START + 4 * HOUR)
    first = nightly(book.rollout, policy.load(), window=window)
    assert first.labels is None
    assert any("labels" in line and "matches no file" in line for line in first.skipped)
    labelled(book, YES)
    early = nightly(book.rollout, policy.load(), window=window)  # the labels' day is not over
    assert early.labels is not None
    assert early.labels.made == ()
    second = nightly(book.rollout, policy.load(), window=window, as_of=START + 24 * HOUR)
    assert second.labels is not None
    assert second.labels.made == ("2025-03-03",)


def test_before_anything_is_joined(book: Book) -> None:
    logged(book)
    for call in (update, known):
        with pytest.raises(AnalyzerError, match="analyzer scan"):
            call(book.rollout)


def test_predictions_too_old_are_told_from_unknown_ones(book: Book) -> None:
    logged(book, open_days=2)
    old = pa.array([START - 30 * DAY] * ROWS, pa.timestamp("us", tz="UTC"))
    labelled(book, YES, [f"old{i}" for i in range(ROWS)], prediction_ts=old)
    book.scan()
    update(book.rollout)
    assert known(book.rollout).faults == {"prediction older than open_days": ROWS}


def test_no_request_outlives_the_update_where_ids_are_redacted(book: Book) -> None:
    labelled(logged(book), YES)
    book.describe(labels={"paths": ["labels/*.parquet"]}, store={"redact_ids": True})
    book.scan()
    update(book.rollout)
    assert not list(book.store.path.rglob("*.arrow"))
    assert known(book.rollout).pairs.n.sum() == ROWS
    assert update(book.rollout).made == ()
