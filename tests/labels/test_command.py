"""`analyzer labels` on logs: both classes late, and positives only."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from logbook import INSTANT, START, Book, pa

from analyzer.cli import run
from analyzer.labels.answer import labels
from analyzer.labels.known import known
from analyzer.labels.tables import DAY
from analyzer.labels.update import update
from analyzer.stats.result import Estimate

DAYS, ROWS = 16, 150


def written(root: Path, arrival: str) -> tuple[Book, dict[str, np.ndarray]]:
    """Sixteen days; labels come within three days; the challenger predicts too much."""
    random = np.random.default_rng(3)
    n = DAYS * ROWS
    ts = np.sort(random.integers(0, DAYS * DAY, n))
    risk = random.beta(1, 4, n)
    label = random.random(n) < risk
    scores = {"champion": np.round(risk, 4), "challenger": np.round(np.minimum(2 * risk, 1), 4)}
    ids = [f"r{i}" for i in range(n)]
    book = Book(root)
    for side, score in scores.items():
        columns = {"request_id": ids, "ts": pa.array(START + ts, INSTANT), "score": score}
        book.write(f"{side}.parquet", {**columns, "country": ["de", "fr"] * (n // 2)})
    late = ts + random.exponential(0.7 * DAY, n).clip(max=2 * DAY).astype(np.int64)
    told = np.flatnonzero(label) if arrival == "positives" else np.arange(n)
    book.write(
        "labels/all.parquet",
        {
            "request_id": [ids[i] for i in told],
            "label": label[told].astype(int),
            "label_ts": pa.array(START + late[told], INSTANT),
        },
    )
    book.describe(
        score={"type": "probability"},
        segments={"columns": ["country"]},
        labels={"paths": ["labels/*.parquet"], "arrival": arrival},
    )
    book.scan()
    return book, {"label": label, "ts": ts, "late": late, **scores}


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Book, dict]]:
    """Logs of each kind of arrival, labels joined."""
    found = {a: written(tmp_path_factory.mktemp(a), a) for a in ("both", "positives")}
    for book, _ in found.values():
        update(book.rollout)
    return found


@pytest.mark.parametrize("arrival", ["both", "positives"])
def test_labels_that_have_all_come_are_counted_exactly(books: dict, arrival: str) -> None:
    book, rows = books[arrival]
    found = labels(known(book.rollout), arrival, first=START // DAY, last=START // DAY + 10)  # type: ignore[arg-type]
    mine = rows["ts"] < 10 * DAY
    losses = [
        np.mean((rows[side] - rows["label"])[mine] ** 2) for side in ("champion", "challenger")
    ]
    brier = found.comparison.metrics[0]
    assert found.comparison.rows == mine.sum()
    assert isinstance(brier.difference, Estimate)
    assert brier.difference.value == pytest.approx(losses[1] - losses[0], abs=1e-9)
    assert brier.better == "champion"


def test_positives_of_a_past_night_stand_for_those_still_to_come(books: dict) -> None:
    book, rows = books["positives"]
    first, night = START // DAY, 12
    found = labels(known(book.rollout, START + night * DAY), "positives", first=first + 6)
    whole = found.comparison
    assert whole.refused is None
    days = np.isin(rows["ts"] // DAY + first, whole.days)
    came = days & rows["label"] & (rows["late"] < night * DAY)
    assert whole.labels == came.sum() < (days & rows["label"]).sum()
    truth = np.mean(
        ((rows["challenger"] - rows["label"]) ** 2 - (rows["champion"] - rows["label"]) ** 2)[days]
    )
    final = whole.metrics[0].final
    assert isinstance(final, Estimate)
    assert final.low <= truth <= final.high


def test_the_command(books: dict, capsys: pytest.CaptureFixture[str]) -> None:
    book, _ = books["both"]
    config = ["--config", str(book.root / "rollout.toml")]
    assert run(["labels", *config, "--last", "10d", "--as-of", "2025-03-17", "--by", "week"]) == 0
    shown = capsys.readouterr().out
    for words in (
        "Labels known by 2025-03-17 00:00 UTC, predictions from 2025-03-07 to 2025-03-17",
        "Share of labels here by age",
        "ROC AUC",
        "week of 2025-03-10",
        "days with 0.9 of the labels",
        "Simply waiting until 0.9",
    ):
        assert words in shown
    assert max(map(len, shown.splitlines())) <= 80
    of_group = [line.split() for line in shown.splitlines() if line.startswith("  challenger ")]
    assert of_group and all(value.count("±") == 1 for row in of_group for value in row[3:])
    asked = ["labels", *config, "--as-of", "2025-03-17", "--json"]
    assert run([*asked, "--by", "age"]) == 0
    first = capsys.readouterr().out
    assert run([*asked, "--by", "age"]) == 0
    assert capsys.readouterr().out == first
    assert json.loads(first)["comparison"]["metrics"][0]["metric"] == "brier"
    assert run(["labels", *config, "--expected"]) == 0
    assert "Expected from calibrated scores" in capsys.readouterr().out
    assert run(["labels", *config, "--history"]) == 0
    assert "in the end" in capsys.readouterr().out
    assert run([*asked, "--history"]) == 0
    assert json.loads(capsys.readouterr().out)["metric"] == "brier"


def test_without_labels_the_command_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = Book(tmp_path)
    book.describe(score={"type": "probability"})
    assert run(["labels", "--config", str(book.root / "rollout.toml")]) == 2
    assert "[labels] paths is empty" in capsys.readouterr().err
