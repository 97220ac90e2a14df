"""Feature freshness against plain Polars, bin by bin; and stores of the schema before it."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from logbook import INSTANT, Book, messy, plain, times

from analyzer import policy
from analyzer.histogram import bin_edges
from analyzer.logs import SIDES
from analyzer.profile import UNDATED
from analyzer.scan.run import scan

LIMIT = 300 * 1_000_000


def dated(log: pa.Table, seed: int) -> pa.Table:
    """The log with features updated seconds to hours before; some ahead, some not said."""
    random = np.random.default_rng(seed)
    ts = np.asarray(log["ts"].cast(pa.int64()))
    age = np.rint(random.lognormal(4.5, 1.5, len(ts)) * 1e6).astype(np.int64)
    age[random.random(len(ts)) < 0.02] = LIMIT
    age[random.random(len(ts)) < 0.02] = LIMIT + 1
    age[random.random(len(ts)) < 0.02] = 0
    age[random.random(len(ts)) < 0.02] = -1
    age[random.random(len(ts)) < 0.02] *= -1
    values = pa.array(ts - age, INSTANT, mask=random.random(len(ts)) < 0.03)
    return log.append_column("feature_ts", values)


def write(book: Book) -> None:
    for seed, (side, log) in enumerate(zip(SIDES, messy(3000), strict=True)):
        book.write(f"{side}.parquet", dated(log, seed), row_group_size=700)
    book.describe(time={"slot_hours": 3})


def test_every_count_is_that_of_the_raw_rows(book: Book) -> None:
    write(book)
    book.scan()
    for side in SIDES:
        raw = pl.read_parquet(book.root / f"{side}.parquet").with_columns(
            (pl.col("ts") - pl.col("feature_ts")).dt.total_microseconds().alias("age"),
            pl.col("ts").dt.truncate("1h").alias("hour"),
        )
        wanted = raw.group_by("hour").agg(
            pl.len().alias("n"),
            pl.col("age").is_between(0, LIMIT).sum().alias("fresh"),
            pl.col("age").is_null().sum().alias("undated"),
            (pl.col("age") < 0).sum().alias("ahead"),
        )
        table = pl.from_arrow(book.table("freshness")).filter(pl.col("model") == side)
        found = table.group_by("hour").agg(
            pl.col("n").sum(),
            pl.col("fresh_300s").sum().alias("fresh"),
            pl.col("n").filter(pl.col("code") == UNDATED).sum().alias("undated"),
            pl.col("n")
            .filter((pl.col("code") < 0) & (pl.col("code") > UNDATED))
            .sum()
            .alias("ahead"),
        )
        assert found.sort("hour").equals(wanted.sort("hour").cast(found.schema)), side
        assert int(found["ahead"].sum()) > 50 and int(found["undated"].sum()) > 50
        known = table.filter(pl.col("code") > UNDATED)
        low, _ = bin_edges(known["code"].to_numpy().astype(np.int64), "distance", 0.0)
        high, _ = bin_edges(known["code"].to_numpy().astype(np.int64) + 8, "distance", 0.0)
        ages = raw["age"].drop_nulls().to_numpy() / 1e6
        for first, last, n in zip(*(x.tolist() for x in _by_code(low, high, known)), strict=True):
            assert abs(np.count_nonzero((ages >= first) & (ages < last)) - n) <= 2


def _by_code(low: np.ndarray, high: np.ndarray, known: pl.DataFrame) -> tuple[np.ndarray, ...]:
    codes, at = np.unique(known["code"].to_numpy(), return_inverse=True)
    n = np.bincount(at, weights=known["n"].to_numpy())
    first = np.unique(at, return_index=True)[1]
    chosen = np.argsort(n)[-20:]  # the bins that hold most
    assert len(codes) > 60
    return low[first][chosen], high[first][chosen], n[chosen]


def test_the_limit_is_the_policys(book: Book) -> None:
    write(book)
    shipped = policy.load()
    minute = msgspec.structs.replace(
        shipped, slo=msgspec.structs.replace(shipped.slo, max_feature_age_minutes=1.0)
    )
    book.scan()
    assert book.scan().scanned == ()
    assert scan(book.rollout, minute).scanned  # counted anew
    assert "fresh_60s" in book.table("freshness").schema.names
    assert 0 < book.total("freshness", "fresh_60s") < book.total("freshness") / 2


@pytest.mark.parametrize("how", ["absent", "null", "naive", "one file"])
def test_logs_that_do_not_say(book: Book, how: str) -> None:
    ours, theirs = plain(200)
    if how == "null":
        ours = ours.append_column("feature_ts", pa.nulls(200))
    if how == "naive":
        ours = ours.append_column("feature_ts", times([0.0] * 200, pa.timestamp("us")))
    if how == "one file":
        dated_half = ours.slice(0, 100).append_column("feature_ts", times([0.0] * 100))
        book.write("a.parquet", dated_half)
        book.write("b.parquet", ours.slice(100))
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    paths = ["a.parquet", "b.parquet"] if how == "one file" else ["champion.parquet"]
    book.describe(champion={"paths": paths}, time={"slot_hours": 4})
    book.scan()
    undated = {"absent": 0, "null": 200, "naive": 200, "one file": 100}[how]
    rows = 0 if how == "absent" else 200
    assert book.total("freshness") == rows
    assert book.total("freshness", "n", code=UNDATED) == undated


def test_a_store_of_the_schema_before_is_read_and_brought_up_to_date(book: Book) -> None:
    write(book)
    book.scan()
    store = book.store.path
    file = store / "store.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "schema": 1}))
    for name in sorted((store / "slots").glob("*.json")):
        manifest = json.loads(name.read_text())
        del manifest["tables"]["freshness"]
        manifest["depends"] = "old"
        name.write_text(json.dumps(manifest))
    for table in store.glob("data/*/freshness.parquet"):
        table.unlink()
    assert book.table("freshness").num_rows == 0
    assert book.total("coverage", "champion_rows") > 0
    assert len(book.scan().scanned) == len(list((store / "slots").glob("*.json")))
    assert book.total("freshness") > 5000
    assert json.loads(file.read_text())["schema"] == 2
