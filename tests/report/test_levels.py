"""Service levels on the page about a verdict, and beside it in the night's folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from logbook import Book, plain
from report import nights

from analyzer import policy
from analyzer.cli import run
from analyzer.nightly import nightly
from analyzer.window import parse_window


def section(page: bytes) -> str:
    text = page.decode()
    start = text.index('id="levels"')
    return re.sub(r"<[^>]+>", "", text[start : text.index("<section", start)])


def test_three_layers_and_the_budgets() -> None:
    told = section(nights.hostile())
    for words in (
        "2025-04-02 00:00 to 2025-04-03 00:00 UTC. Hold: infrastructure.errors (fail)",
        "Users are answered by the champion; the challenger",
        "Infrastructure",
        "Model health",
        "Business, with label delay",
        "not declared: no labels are described",
        "Errors, objective 99.9",
        "Errors, page above 14.4",
        "Alerted 2025-04-02 14:21 to",
        "analyzer slo --from 2025-04-02T00:00Z --to 2025-04-03T00:00Z",
    ):
        assert words in told, words
    assert "<img" not in nights.hostile().decode()
    assert "Production on the last day" in nights.hostile().decode()


@pytest.mark.parametrize("failed", [0, 0.2])
def test_a_night_keeps_levels_and_harm_in_them_holds(
    book: Book, tmp_path: Path, failed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(1)
    error = random.random(3000) < failed
    ours, theirs = plain(3000, hours=24, error=error)
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    book.describe()
    window = parse_window("2025-03-03", "2025-03-04")
    found = nightly(book.rollout, policy.load(), window=window, out=tmp_path / "out")
    kept = json.loads((tmp_path / "out/slo.json").read_text())
    assert kept["outcome"] == ("hold" if failed else "undecided")
    assert found.levels is not None and found.levels.outcome == kept["outcome"]
    assert found.exit_code == (3 if failed else found.verdict.exit_code)
    page = tmp_path / "out/report.html"
    first = page.read_bytes()
    assert "Service levels" in section(first)
    monkeypatch.chdir(book.root)
    assert run(["report", str(tmp_path / "out/verdict.json")]) == 0
    assert page.read_bytes() == first
