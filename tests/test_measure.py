"""From profiles to estimates: counts, design effects, fine bins, and what a trap must not hide."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from logbook import START, Book, plain, times

from analyzer.measure import (
    class_cells,
    feature_nulls,
    hourly,
    in_buckets,
    latency_quantile,
    logged,
    rate,
    rate_of,
    realised,
    score_cells,
)
from analyzer.profiles import open_profiles
from analyzer.stats.result import Estimate, Undefined
from analyzer.window import HOUR, Window


@pytest.fixture
def scanned(book: Book) -> Book:
    """Six hours of two logs with units, errors and a feature that only the champion logs."""
    ours, theirs = plain(3000, hours=6, unit_id=np.arange(3000) % 300)
    ours = ours.append_column("amount", pa.array([None, 1.0, float("nan")] * 1000))
    theirs = theirs.append_column("error", pa.array(np.arange(3000) % 100 == 0))
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    book.describe(features={"numeric": ["amount"]}, time={"slot_hours": 3})
    book.scan()
    return book


def window(first: int, last: int) -> Window:
    return Window(START + first * HOUR, START + last * HOUR)


def test_hours_of_a_window_lie_on_a_dense_grid(scanned: Book) -> None:
    wide = open_profiles(scanned.store, window(-2, 9))
    sums = hourly(wide, "challenger")
    assert len(sums["n"]) == 11
    assert sums["n"][:2].tolist() == [0, 0] and sums["n"][8:].tolist() == [0, 0, 0]
    assert sums.total("n") == 3000 and sums.total("errors") == 30
    assert sums.blocks("n").sum() == 3000 and len(sums.blocks("n")) == 6
    cut = hourly(open_profiles(scanned.store, window(1, 3)), "challenger")
    assert cut["n"].tolist() == sums["n"][3:5].tolist()


def test_a_rate_counts_exactly_and_knows_its_dependence(scanned: Book) -> None:
    found = rate(scanned.profiles, "challenger", "errors")
    assert (found.k, found.n) == (30, 3000)
    assert isinstance(found.result, Estimate)
    assert found.result.low < 0.01 < found.result.high


def test_alike_units_widen_a_rate() -> None:
    blocks = np.full(24, 100)
    k = np.full(24, 10)
    apart = rate_of(k, blocks, np.full(256, 1), np.full(256, 10))
    # all errors in a tenth of the buckets: the rows of a unit are alike
    bucket_k = np.zeros(256, dtype=np.int64)
    bucket_k[:24] = 10
    alike = rate_of(k, blocks, bucket_k, np.full(256, 10))
    assert apart.deff == 1.0 and alike.deff > 5
    assert alike.result.high - alike.result.low > 2 * (apart.result.high - apart.result.low)


def test_alike_hours_widen_a_rate() -> None:
    even = rate_of(np.full(24, 10), np.full(24, 1000))
    burst = rate_of(np.array([240] + [0] * 23), np.full(24, 1000))
    assert (even.k, even.n) == (burst.k, burst.n)
    assert even.deff == 1.0 and burst.deff > 50
    assert burst.result.high > 2 * even.result.high


def test_no_rows_is_no_rate() -> None:
    none = rate_of(np.zeros(3, np.int64), np.zeros(3, np.int64))
    assert isinstance(none.result, Undefined)
    assert isinstance(realised(0, 0, ""), Undefined)


def test_units_of_a_slot_that_the_window_cuts_are_counted(scanned: Book) -> None:
    assert in_buckets(open_profiles(scanned.store, window(1, 2)), "champion")["n"].sum() > 1000
    assert in_buckets(scanned.profiles, "pair")["n"].sum() == 3000


def test_score_cells_count_every_usable_score_once(scanned: Book) -> None:
    for model in ("champion", "challenger"):
        cells = score_cells(scanned.profiles, model)
        assert cells.shape == (6, 10)
        assert cells.sum() == 3000
    shares = score_cells(scanned.profiles, "champion").sum(axis=0) / 3000
    assert np.all(np.abs(shares - 0.1) < 0.03)  # the reference's own deciles


def test_classes_share_their_columns_across_models(book: Book) -> None:
    words = {"champion": ["a", "b"], "challenger": ["b", "z"]}
    for side, pair in words.items():
        book.write(
            f"{side}.parquet",
            {
                "request_id": [f"r{i}" for i in range(40)],
                "ts": times(np.arange(40) * 180),
                "prediction": pair * 20,
            },
        )
    book.describe(score={"type": "class"})
    book.scan()
    ours = class_cells(book.profiles, "champion").sum(axis=0)
    theirs = class_cells(book.profiles, "challenger").sum(axis=0)
    assert ours.tolist() == [20, 20, 0] and theirs.tolist() == [0, 20, 20]


def test_nan_of_a_feature_is_as_unusable_as_null(scanned: Book) -> None:
    sums = feature_nulls(scanned.profiles, "champion", "amount")
    assert (sums.total("n"), sums.total("nulls")) == (3000, 2000)
    assert logged(scanned.profiles, "champion", "amount")
    assert not logged(scanned.profiles, "challenger", "amount")


def test_a_percentile_agrees_with_the_rows(scanned: Book) -> None:
    values = np.asarray(plain(3000, hours=6)[0]["latency_ms"])
    for q in (0.5, 0.95, 0.99):
        found = latency_quantile(scanned.profiles, "champion", q)
        assert isinstance(found, Estimate)
        true = float(np.quantile(values, q))
        assert abs(found.value / true - 1) < 0.02
        assert found.low <= true <= found.high


def test_a_percentile_of_too_few_requests_is_refused(book: Book) -> None:
    for name, log in zip(("champion", "challenger"), plain(379), strict=True):
        book.write(f"{name}.parquet", log)
    book.describe()
    book.scan()
    assert isinstance(latency_quantile(book.profiles, "champion", 0.99), Undefined)
    assert isinstance(latency_quantile(book.profiles, "champion", 0.5), Estimate)
