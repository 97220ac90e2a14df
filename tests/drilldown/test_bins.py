"""Numeric columns as dimensions, and which of them go with the divergence."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from logbook import Book, plain

from analyzer.drilldown.bins import quantile_bins
from analyzer.drilldown.plan import shape_of
from analyzer.drilldown.sample import Cells, related, relation, sample, spread_hours
from analyzer.histogram import raw_bins
from analyzer.logs import SIDES, survey
from analyzer.window import HOUR


def place(bins, values) -> list[str | None]:  # type: ignore[no-untyped-def]
    array = np.asarray(values, dtype=np.float64)
    nulls = np.flatnonzero(np.isnan(array))
    raw = raw_bins(array, nulls, bins.kind, bins.origin, np.empty(len(array), dtype=np.int64))
    return [bins.labels[at] for at in bins.lookup[raw]]


def numbers(book: Book, **columns: object) -> None:
    rows = len(next(iter(columns.values())))  # type: ignore[arg-type]
    ours, theirs = plain(rows, hours=24, **columns)
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    book.describe(features={"numeric": list(columns)})
    book.scan()


def test_tails_stand_apart(book: Book) -> None:
    random = np.random.default_rng(0)
    values = random.normal(100, 10, 20_000)
    numbers(book, size=values)
    bins = quantile_bins(book.profiles, "champion", "size")
    assert len(bins.labels) == 7 and bins.labels[-1] is None
    codes = bins.lookup[
        raw_bins(values, np.zeros(0, np.int64), "distance", bins.origin, np.empty(20_000, np.int64))
    ]
    shares = np.bincount(codes, minlength=7) / 20_000
    assert shares[:6] == pytest.approx([0.05, 0.2, 0.25, 0.25, 0.2, 0.05], abs=0.02)
    first, last = place(bins, [-1e9, 1e9])
    assert (first, last) == (bins.labels[0], bins.labels[5])
    assert place(bins, [np.nan, np.inf, -np.inf]) == [None, bins.labels[5], bins.labels[0]]


def test_ties_and_constants(book: Book) -> None:
    rows = 2_000
    skewed = np.where(np.arange(rows) % 50 == 0, 1.0 + np.arange(rows) / rows, 0.0)
    numbers(book, rain=skewed, one=np.full(rows, 3.0), none=pa.nulls(rows, pa.float64()))
    rain = quantile_bins(book.profiles, "champion", "rain")
    assert place(rain, [0.0]) == [rain.labels[0]]
    assert quantile_bins(book.profiles, "champion", "one").labels == ("any", None)
    nothing = quantile_bins(book.profiles, "champion", "none")
    assert place(nothing, [5.0, np.nan]) == ["any", None]


def test_labels_are_distinct_where_values_are_close(book: Book) -> None:
    numbers(book, year=1_000_000 + np.arange(4_000) % 40)
    labels = quantile_bins(book.profiles, "champion", "year").labels
    assert len(set(labels)) == len(labels) > 3


def test_related_features_come_first(book: Book) -> None:
    random = np.random.default_rng(1)
    rows = 6_000
    columns = {f"x{i}": random.normal(0, 1, rows) for i in range(5)}
    ours, theirs = plain(rows, hours=24, **columns)
    moved = np.clip(ours["score"].to_numpy() + 0.1 * (columns["x3"] > 1), 0, 1)
    theirs = theirs.set_column(theirs.schema.get_field_index("score"), "score", pa.array(moved))
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    rollout = book.describe(features={"numeric": list(columns)})
    book.scan()
    files = {side: survey(rollout, side) for side in SIDES}
    frozen = book.store.frozen()
    assert frozen is not None
    shape = shape_of(rollout, frozen, files)
    coverage = book.table("coverage")
    start = book.profiles.window.start
    spans = spread_hours(coverage["matched"].to_numpy(), start)
    found = sample(shape, files, list(columns), spans)
    kept, left_out = related(found, 2)
    assert kept[0] == "x3" and len(left_out) == 3
    assert sum(int(found["x3"].sums[:, 0].sum()) for _ in range(1)) == 6_000
    assert relation(found["x3"]) > 0.3 > 0.05 > relation(found["x0"])


def test_relation_of_nothing_is_nothing() -> None:
    empty = Cells(("a", None), np.zeros((2, 10), dtype=np.int64), 0.0)
    assert relation(empty) == 0.0


def test_hours_are_spread_and_joined() -> None:
    pairs = np.full(24, 100)
    spans = spread_hours(pairs, 0, rows=300)
    assert sum(s.hours for s in spans) == 3 and len(spans) == 3
    assert spread_hours(pairs, 0, rows=10**9)[0].end == 24 * HOUR
