"""The written replay of the flights' labels is what the product says and what the logs hold."""

from __future__ import annotations

from dataclasses import asdict
from itertools import product
from pathlib import Path

import pytest

from analyzer.window import DAY, parse
from sample_data.replay_labels import (
    STRATA,
    WINDOWS,
    Log,
    figures,
    joined,
    load,
    replay,
    worst_days,
)

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "labels-flights.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "labels-flights.html").read_bytes()
NIGHTS = load(ROOT / "docs" / "labels-flights.csv")


@pytest.fixture(scope="module")
def log() -> Log:
    return Log.read()


def test_a_night_comes_out_again(tmp_path: Path) -> None:
    span = ("2013-05-22", "2013-05-22")
    again = replay(joined(tmp_path, span[1], "2013-05"), *span)
    kept = [n for n in NIGHTS if n.night == span[0]]
    assert len(again) == len(kept) == len(WINDOWS) * len(STRATA)
    for one, other in zip(again, kept, strict=True):
        for name, value in asdict(one).items():
            if isinstance(value, float):
                assert value == pytest.approx(getattr(other, name), rel=1e-4), name
            else:
                assert value == getattr(other, name), name


def test_the_kept_truth_is_that_of_the_logs(log: Log) -> None:
    for one in NIGHTS[:: len(NIGHTS) // 40]:
        as_of = parse(one.night) // DAY
        days = one.compared or one.days  # the newest are left out, if any
        end = as_of - one.days + days
        mine = (log.day >= as_of - one.days) & (log.day < end)
        ever = mine & (log.label >= 0)
        loss = log.losses(log.label)
        assert one.truth == pytest.approx(loss[ever].mean(), abs=2e-6)
        assert (one.flights, one.never) == (mine.sum(), mine.sum() - ever.sum())
        assert one.labels == (ever & (log.label_day < as_of)).sum()
        assert one.worst_low <= one.worst_high


def test_the_text_quotes_the_replay(log: Log) -> None:
    tables = [line.strip("| ").split(" | ") for line in TEXT.splitlines() if line[:2] == "| "]
    said = {name: tuple(values) for name, *values in tables}
    for place, (days, by) in enumerate(product(WINDOWS, STRATA)):
        for name, value in figures(NIGHTS, days, by):
            assert said[name][place] == value, (name, days, by)
    for day, never, flights in worst_days(log, 5):
        assert said[day] == (f"{never}", f"{flights}")
    assert int((log.label < 0).sum()) == 5783 and "5,783" in TEXT


def test_the_page_is_small_and_loads_nothing() -> None:
    assert len(PAGE) < 1_500_000
    assert b"<script" not in PAGE and b"http" not in PAGE.replace(b"http-equiv", b"")
