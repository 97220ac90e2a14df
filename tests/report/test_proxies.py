"""The page's section on proxies: past weeks first, then now, and distrust in words."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
from logbook import INSTANT, START, Book, pa

from analyzer import policy
from analyzer.labels.answer import labels
from analyzer.labels.known import known
from analyzer.labels.proxies.answer import proxies
from analyzer.labels.update import update
from analyzer.overview import Late
from analyzer.report.blocks import Page
from analyzer.report.page import render
from analyzer.report.proxies import proxies_section
from analyzer.window import DAY

DAYS, ROWS = 21, 120


def written(root: Path) -> Book:
    """Three weeks; labels come within four days, signals within hours."""
    random = np.random.default_rng(7)
    n = DAYS * ROWS
    ts = np.sort(random.integers(0, DAYS * DAY, n))
    risk = random.beta(1, 3, n)
    truth = random.random(n) < risk
    ids = [f"r{i}" for i in range(n)]
    book = Book(root)
    for side, score in (("champion", risk), ("challenger", np.minimum(2 * risk, 1))):
        columns = {"request_id": ids, "ts": pa.array(START + ts, INSTANT), "score": score}
        book.write(f"{side}.parquet", columns)
    late, soon = ts + random.integers(0, 4 * DAY, n), ts + random.integers(0, DAY // 6, n)
    for log, when, said in (
        ("labels", late, truth),
        ("signals", soon, truth & (random.random(n) < 0.7)),
    ):
        stamps = pa.array(START + when, INSTANT)
        book.write(
            f"{log}.parquet",
            {"request_id": ids, "label": said.astype(int), "label_ts": stamps},
        )
    book.describe(
        score={"type": "probability"},
        labels={"paths": ["labels.parquet"], "open_days": 10},
        **{"proxies.click": {"paths": ["signals.parquet"], "open_hours": 12}},
    )
    book.scan()
    return book


def words(book: Book) -> str:
    """The section's words, empty where there is none."""
    update(book.rollout)
    found = known(book.rollout, START + DAYS * DAY)
    told = proxies(book.rollout, found, "both", policy.load().proxy)
    sections = proxies_section(Late(replace(labels(found, "both"), proxies=told)))
    if not sections:
        return ""
    drawn = render(Page("t", "e", "h", "plain", "l", [], sections)).decode()
    text = drawn[drawn.index('id="proxies"') :]
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)))


def test_the_past_stands_before_the_present_and_distrust_is_said(tmp_path: Path) -> None:
    told = words(written(tmp_path))
    for said in ("Share with a signal", "Champion's brier", "Newest days, proxy only"):
        assert said in told, said
    assert told.index("click on past weeks") < told.index("click now")
    # three weeks of logs hold too few past weeks with all labels
    assert re.search(r"champion: NOT TRUSTED : \d past weeks with all labels, \d+ needed", told)
    assert "trusted so far" not in told


def test_a_proxy_without_a_signal_and_no_proxy_at_all(tmp_path: Path) -> None:
    book = written(tmp_path)
    none = {"request_id": pa.nulls(0, pa.string()), "label": pa.nulls(0, pa.int64())}
    book.write("signals.parquet", {**none, "label_ts": pa.nulls(0, INSTANT)})
    told = words(book)
    assert "Says nothing no day's signals are settled yet" in told
    book.describe(score={"type": "probability"}, labels={"paths": ["labels.parquet"]})
    assert words(book) == ""
