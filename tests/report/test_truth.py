"""The page's section on labels, from a night with labels, damaged ones and none."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from logbook import INSTANT, START, Book, pa

from analyzer import policy
from analyzer.cli import run
from analyzer.nightly import nightly
from analyzer.window import parse_window

DAY = 86_400 * 1_000_000
DAYS, ROWS = 14, 150


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """Two weeks; labels come within two days, none of the last ten rows."""
    random = np.random.default_rng(5)
    n = DAYS * ROWS
    ts = np.sort(random.integers(0, DAYS * DAY, n))
    risk = random.beta(1, 3, n)
    book = Book(tmp_path_factory.mktemp("truth"))
    ids = [f"r{i}" for i in range(n)]
    for side, score in (("champion", risk), ("challenger", np.minimum(2 * risk, 1))):
        columns = {"request_id": ids, "ts": pa.array(START + ts, INSTANT), "score": score}
        book.write(f"{side}.parquet", columns)
    late = ts + random.integers(0, 2 * DAY, n)
    book.write(
        "labels/all.parquet",
        {
            "request_id": ids[:-10],
            "label": (random.random(n) < risk).astype(int)[:-10],
            "label_ts": pa.array(START + late, INSTANT)[:-10],
        },
    )
    book.describe(
        score={"type": "probability"},
        labels={"paths": ["labels/*.parquet"]},
        **{"proxies.early": {"paths": ["labels/*.parquet"], "open_hours": 24}},
    )
    return book


def section(page: bytes) -> str:
    """The part of the page that is about labels: as it is written, then its words alone."""
    text = page.decode()
    start = text.index('id="truth"')
    part = text[start : text.index("<section", start)]
    return part + re.sub(r"<[^>]+>", "", part)


def test_a_night_says_what_labels_say(book: Book, tmp_path: Path) -> None:
    window = parse_window("2025-03-10", "2025-03-17")
    found = nightly(book.rollout, policy.load(), window=window, out=tmp_path)
    page = (tmp_path / "report.html").read_bytes()
    told = section(page)
    for words in (
        "Labels known by 2025-03-17 00:00 UTC",
        "Label coverage",
        "Share of positives by mean score",
        "Labels here by age in days",
        "Both models on the same pairs",
        "Every day matured on",
        "Business checks",
    ):
        assert words in told, words
    assert "Labels say nothing here" not in told
    assert b'id="proxies"' in page
    assert any(file.endswith("labels.json") for file in found.files)
    again = ["report", str(tmp_path / "verdict.json"), "--out", str(tmp_path / "again.html")]
    assert run([*again, "--config", str(book.root / "rollout.toml")]) == 0
    assert (tmp_path / "again.html").read_bytes() == page


def test_labels_that_cannot_be_read_are_said_on_the_page(book: Book, tmp_path: Path) -> None:
    book.describe(score={"type": "probability"}, labels={"paths": ["nowhere/*.parquet"]})
    window = parse_window("2025-03-10", "2025-03-17")
    nightly(book.rollout, policy.load(), window=window, out=tmp_path)
    told = section((tmp_path / "report.html").read_bytes())
    assert "Labels say nothing here: " in told
    assert "Label coverage" not in told
