"""Rows to units by sorting, against plain Polars."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from analyzer import ids
from analyzer.experiment import grouping


def _rows(seed: int, in_time: bool, varied: bool) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    unit = rng.integers(0, 2**64, 300, dtype=np.uint64)[rng.integers(0, 300, 1_000)]
    own = (unit % np.uint64(7)).astype(float)
    own[own == 3] = np.nan
    first = rng.integers(0, 50, 1_000)
    return {
        "unit": unit,
        "variant": rng.integers(0, 2, 1_000).astype(np.int8),
        "first": np.sort(first) if in_time else first,
        "v0": rng.integers(-(2**40), 2**40, 1_000),
        "x0": np.where(rng.random(1_000) < 0.1, own + 1, own) if varied else own,
        "s0": unit % np.uint64(5),
    }


@pytest.mark.parametrize("in_time", [True, False])
@pytest.mark.parametrize("varied", [True, False])
def test_units_are_what_polars_says_in_one_part_or_many(in_time: bool, varied: bool) -> None:
    rows = _rows(5, in_time, varied)
    parts = [
        {n: x[cut] for n, x in rows.items()}
        for cut in (slice(0, 300), slice(300, 301), slice(301, None))
    ]
    twice = grouping.merged([grouping.by_unit(part) for part in parts])
    plain = (
        pl.DataFrame(rows)
        .with_columns(pl.col("x0").fill_nan(None))
        .group_by("unit")
        .agg(
            pl.col("first").min(),
            pl.len().cast(pl.Int64).alias("events"),
            pl.col("v0").sum(),
            *(pl.col(c).min().alias(c) for c in ("variant", "x0", "s0")),
            *(pl.col(c).max().alias(c + grouping.HIGH) for c in ("variant", "x0", "s0")),
        )
        .sort("unit")
    )
    for found in (grouping.by_unit(rows), twice):
        assert set(found) == set(plain.columns)
        for name, column in found.items():
            wanted = plain[name].to_numpy()
            assert np.array_equal(column, wanted, equal_nan=name.startswith("x"))


def test_hashes_that_share_their_high_bits_are_still_in_order() -> None:
    keys = np.array([9, 1, 8, 1, 3, 0, 9], dtype=np.uint64)  # fewer bits than rows need
    order, found = ids.ascending(keys)
    assert found.tolist() == sorted(keys.tolist())
    assert keys[order].tolist() == found.tolist()
    assert order[found == 9].tolist() == [0, 6]


def test_of_an_event_logged_twice_the_earliest_stays_whatever_the_order() -> None:
    rows = {
        "unit": np.array([4, 4, 4, 5, 5], dtype=np.uint64),
        "event": np.array([1, 1, 2, 1, 1], dtype=np.uint64),
        "first": np.array([20, 10, 30, 7, 7]),
        "variant": np.array([0, 1, 0, 1, 1], dtype=np.int8),
        "v0": np.array([1, 2, 3, 9, 8]),
    }
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]):
        kept = grouping.once({n: x[order] for n, x in rows.items()})
        assert set(kept) == set(rows) - {"event"}
        assert sorted(kept["v0"].tolist()) == [2, 3, 8]


def test_no_rows() -> None:
    none = {name: column[:0] for name, column in _rows(1, True, False).items()}
    assert [len(column) for column in grouping.by_unit(none).values()] == [0] * 10
