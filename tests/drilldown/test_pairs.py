"""A drill-down's pairs against a plain recount; what must not change them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from logbook import MESSY, START, Book, messy

from analyzer.drilldown import pairs as module
from analyzer.drilldown.margins import MISSING, SUMS, UNSAID
from analyzer.drilldown.pairs import RATIO_BITS, SCORE_BITS
from analyzer.drilldown.plan import Column, logged_by, shape_of, tasks
from analyzer.drilldown.window import Pairs, read_parts, recoded, vocabulary
from analyzer.logs import SIDES, survey
from analyzer.window import HOUR, Window

WINDOW = Window(START, START + 6 * HOUR)


def read(
    book: Book, window: Window = WINDOW, every: int = 1
) -> tuple[Pairs, dict[str, tuple[str | None, ...]]]:
    rollout = book.rollout
    frozen = book.store.frozen()
    assert frozen is not None
    files = {side: survey(rollout, side) for side in SIDES}
    shape = shape_of(rollout, frozen, files)
    columns = [
        Column(name, side)
        for name in rollout.segments.columns
        if (side := logged_by(rollout, files, name)) is not None
    ]
    parts = read_parts(tasks(shape, files, window, columns, every), None)
    words = vocabulary(columns, parts)
    return recoded(parts, words, frozen.scale), dict(words)


def content(found: Pairs) -> dict[str, Any]:
    return {**found.codes, **found.arrays, **{f"m {k}": v for k, v in found.margins.items()}}


def same(a: Pairs, b: Pairs) -> bool:
    one, two = content(a), content(b)
    return one.keys() == two.keys() and all(np.array_equal(one[k], two[k]) for k in one)


def write(book: Book, ours: pa.Table, theirs: pa.Table, hours: int = 3) -> None:
    book.write("champion.parquet", ours, row_group_size=1000)
    book.write("challenger.parquet", theirs, row_group_size=1500)
    book.describe(**MESSY, time={"slot_hours": hours})
    if book.store.frozen() is None:
        book.scan()


def test_it_pairs_what_the_scan_pairs(book: Book) -> None:
    write(book, *messy())
    found, words = read(book)
    assert found.rows == book.total("coverage", "matched")
    assert found.alone == book.total("coverage", "only_champion")
    difference = found.arrays["difference"]
    assert np.count_nonzero(difference == MISSING) == book.total(
        "cells", "nulls", model="pair", a=None, b=None
    )
    flips = found.arrays["flip"]
    assert np.count_nonzero(flips == 1) == book.total(
        "cells", "flips", model="pair", a=None, b=None
    )
    for value in words["country"]:
        label = value
        n = found.margins["country"][words["country"].index(value), 0]
        scanned = book.total("cells", "n", model="pair", a="country", a_value=label, b=None)
        assert n == scanned, value


def test_values_are_the_logged_ones(book: Book) -> None:
    ours, theirs = _three_requests()
    write(book, ours, theirs, hours=6)
    found, words = read(book)
    assert found.measure("difference").tolist()[:2] == pytest.approx(
        [0.25, -0.5], abs=2**-SCORE_BITS
    )
    assert np.isnan(found.measure("difference")[2])
    ratio = found.measure("ratio")
    assert ratio[0] == pytest.approx(np.log(2.0), abs=2**-RATIO_BITS)
    assert np.isnan(ratio[1])
    assert found.arrays["error"].tolist() == [0, 1, UNSAID]
    assert found.arrays["hour"].tolist() == [0, 1, 2]
    assert [words["country"][c] for c in found.codes["country"]] == ["de", None, "fr"]
    assert words["country"] == ("de", "fr", "(other)", None)


def _three_requests() -> tuple[pa.Table, pa.Table]:
    at = [START + h * HOUR + 1_000_000 for h in range(3)]
    stamp = pa.timestamp("us", tz="UTC")
    base = {"request_id": ["a", "b", "c"], "many": ["x"] * 3, "plan": ["free"] * 3}
    numbers = {"amount": [1.0, 2.0, 3.0], "age": [30, 40, 50]}
    ours = {
        **base,
        **numbers,
        "ts": pa.array(at, stamp),
        "score": [0.25, 0.75, 0.5],
        "latency_ms": [10.0, None, 30.0],
        "error": pa.array([200, 200, None], pa.int32()),
        "country": ["de", None, "fr"],
    }
    theirs = {
        "request_id": ["c", "b", "a"],
        "ts": pa.array(at[::-1], stamp),
        "score": [None, 0.25, 0.5],
        "latency_ms": [30.0, 20.0, 20.0],
        "error": pa.array([200, 503, 200], pa.int32()),
    }
    return pa.table(ours), pa.table(theirs)


def test_files_and_their_order_do_not_show(book: Book, tmp_path: Path) -> None:
    ours, theirs = messy()
    write(book, ours, theirs)
    before, _ = read(book)
    other = Book(tmp_path / "other")
    random = np.random.default_rng(3)
    mixed = [t.take(random.permutation(t.num_rows)) for t in (ours, theirs)]
    for name, table in zip(("a", "b"), mixed, strict=True):
        third = table.num_rows // 3
        other.write(f"{name}/2.parquet", table.slice(0, third), row_group_size=333)
        other.write(f"{name}/1.parquet", table.slice(third), row_group_size=777)
    other.describe(
        {"paths": ["a/*.parquet"]}, {"paths": ["b/*.parquet"]}, **MESSY, time={"slot_hours": 3}
    )
    other.scan()
    after, _ = read(other)
    assert same(before, after)


def test_parts_of_a_large_slot_add_up(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    write(book, *messy())
    whole, _ = read(book)
    monkeypatch.setattr(module, "PART_ROWS", 700)
    split, _ = read(book)
    assert same(whole, split)


def test_a_window_cuts_slots(book: Book) -> None:
    write(book, *messy())
    halves = [
        read(book, Window(START + a * HOUR, START + b * HOUR))[0] for a, b in ((0, 2), (2, 6))
    ]
    whole, _ = read(book)
    assert sum(half.rows for half in halves) == whole.rows
    assert sum(h.margins["country"][:, 0].sum() for h in halves) == whole.rows
    assert halves[1].arrays["hour"].min() == 0


def test_a_sample_is_drawn_by_request_and_counts_all(book: Book) -> None:
    write(book, *messy())
    whole, words = read(book)
    sampled, again = read(book, every=3)
    assert again == words and sampled.pairs == whole.pairs == whole.rows
    assert 0.2 * whole.rows < sampled.rows < 0.5 * whole.rows
    for name, sums in whole.margins.items():
        assert np.array_equal(sums, sampled.margins[name])
    halves = [
        read(book, Window(START + a * HOUR, START + b * HOUR), 3)[0] for a, b in ((0, 2), (2, 6))
    ]
    cut = np.concatenate([half.arrays["difference"] for half in halves])
    assert np.array_equal(cut, sampled.arrays["difference"]), "the same requests of any window"


def test_a_column_of_thousands_of_values_is_folded(book: Book) -> None:
    ours, theirs = messy(rows=6000)
    wide = [f"v{i % 2500}" if i % 3 else "(other)" for i in range(ours.num_rows)]
    ours = ours.set_column(ours.schema.get_field_index("many"), "many", pa.array(wide))
    write(book, ours, theirs)
    found, words = read(book)
    labels = words["many"]
    assert len(labels) == 1002 and labels[-2:] == ("(other)", None)
    assert "\\(other)" in labels, "a value that is spelled like the fold stays itself"
    counts = found.margins["many"][:, SUMS.index("n")]
    assert counts.sum() == found.rows
    assert counts[labels.index("\\(other)")] > counts[labels.index("(other)")] > 0
    assert np.array_equal(np.bincount(found.codes["many"], minlength=1002), counts)


def test_margins_are_the_sums_of_the_rows(book: Book) -> None:
    write(book, *messy())
    found, words = read(book)
    for name, sums in found.margins.items():
        for label in range(len(words[name])):
            rows = found.codes[name] == label
            difference = found.arrays["difference"][rows].astype(np.int64)
            difference = difference[difference != MISSING]
            row = dict(zip(SUMS, sums[label].tolist(), strict=True))
            assert row["n"] == rows.sum()
            assert row["scored"] == len(difference)
            assert row["difference"] == difference.sum()
            assert row["absolute"] == np.abs(difference).sum()
            assert row["flips"] == np.count_nonzero(found.arrays["flip"][rows] == 1)
            assert row["decided"] == np.count_nonzero(found.arrays["flip"][rows] != UNSAID)
