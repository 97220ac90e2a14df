"""The store's tables against an independent recount of the raw logs, in SQL and to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from logbook import START, Book, write_messy

from analyzer.histogram import bin_edges
from analyzer.ids import buckets
from analyzer.logs import SIDES
from analyzer.window import HOUR

SLACK = 600_000_000
PREPARE = """
CREATE TABLE {side} AS
WITH logged AS (
    SELECT row_number() OVER () AS row, epoch_us(ts) AS ts, * EXCLUDE (ts)
    FROM read_parquet('{path}')
)
SELECT *, (ts - {start}) // 3600000000 AS h,
    CASE WHEN score IS NULL OR isnan(score) OR score < 0 OR score > 1 THEN NULL
    ELSE CAST(score AS DOUBLE) END AS usable,
    coalesce(error >= 500, FALSE) AS failed, error IS NULL AS unknown,
    CASE WHEN country IS NULL THEN NULL WHEN country = '(other)' THEN '\\(other)'
    ELSE country END AS country_value,
    CASE WHEN many IS NULL THEN NULL WHEN list_contains($kept, many) THEN many
    ELSE '(other)' END AS many_value
FROM logged
"""
PAIRS = """
CREATE TABLE duplicates AS
SELECT 'champion' AS side, row, slot FROM ({champion}) WHERE place > 1
UNION ALL SELECT 'challenger', row, slot FROM ({challenger}) WHERE place > 1;
CREATE TABLE pairs AS
SELECT a.slot, a.row AS ours, b.row AS theirs FROM ({champion}) a JOIN ({challenger}) b
ON a.slot = b.slot AND a.request_id = b.request_id AND a.place = 1 AND b.place = 1
"""
RANKED = """
SELECT row, request_id, slot, row_number() OVER (
    PARTITION BY slot, request_id ORDER BY ts, usable NULLS LAST, row) AS place
FROM {side}, (SELECT unnest(range({slots})) AS slot)
WHERE request_id IS NOT NULL
  AND ts >= {start} + slot * {length} - {slack} AND ts < {start} + (slot + 1) * {length} + {slack}
"""


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Book, Any]]:
    """A scanned messy log, and a database that holds its raw rows and brute-force pairs."""
    book = Book(Path(tmp_path_factory.mktemp("oracle")))
    write_messy(book, slot_hours=3)
    book.scan()
    kept = book.store.frozen().segments["many"]
    assert len(kept) == 50
    base = duckdb.connect()
    for side in SIDES:
        text = PREPARE.format(side=side, path=book.root / f"{side}.parquet", start=START)
        base.execute(text, {"kept": kept})
    ranked = {
        side: RANKED.format(side=side, slots=3, start=START, length=3 * HOUR, slack=SLACK)
        for side in SIDES
    }
    base.execute(PAIRS.format(**ranked))
    base.execute(
        """CREATE TABLE both_sides AS
        SELECT a.h, a.ts, a.country_value, a.many_value, a.request_id, a.unit_id,
            a.usable AS x, b.usable AS y, y - x AS d, b.ts - a.ts AS lag,
            a.prediction AS pa, b.prediction AS pb, a.amount AS fa, b.amount AS fb
        FROM pairs JOIN champion a ON a.row = ours JOIN challenger b ON b.row = theirs
        WHERE a.h // 3 = slot"""
    )
    yield book, base
    base.close()


def ask(base: Any, statement: str) -> list[tuple[Any, ...]]:
    return sorted(base.execute(statement).fetchall(), key=repr)


def held(book: Book, table: str, *columns: str, **where: Any) -> list[tuple[Any, ...]]:
    """Rows of a profile table as the oracle writes them: hours since START."""
    found = []
    for row in book.table(table).to_pylist():
        if all(row[key] == value for key, value in where.items()):
            for key in ("hour", "slot"):
                if key in row:
                    row[key] = (round(row[key].timestamp() * 1_000_000) - START) // HOUR
            found.append(tuple(row[column] for column in columns))
    return sorted(found, key=repr)


def test_coverage(scanned: tuple[Book, Any]) -> None:
    book, base = scanned
    for side, mine in (("champion", "ours"), ("challenger", "theirs")):
        wanted = ask(
            base,
            f"""SELECT h, count(*), count(*) FILTER (twice),
                count(*) FILTER (NOT twice AND NOT found) FROM (
                SELECT h, EXISTS (FROM duplicates d WHERE d.side = '{side}' AND d.row = t.row
                    AND d.slot = h // 3) AS twice,
                EXISTS (FROM pairs p WHERE p.{mine} = t.row AND p.slot = h // 3) AS found
                FROM {side} t) GROUP BY h""",
        )
        columns = ("hour", f"{side}_rows", f"{side}_duplicates", f"only_{side}")
        got = [row for row in held(book, "coverage", *columns) if row[1]]
        assert got == wanted
        assert sum(row[2] for row in got) > 100
    wanted = ask(base, "SELECT h, count(*), CAST(sum(lag) AS BIGINT) FROM both_sides GROUP BY h")
    got = [row for row in held(book, "coverage", "hour", "matched", "lag_us") if row[1]]
    assert got == wanted


def test_rejects(scanned: tuple[Book, Any]) -> None:
    book, base = scanned
    for side in SIDES:
        wanted = ask(
            base,
            f"""SELECT h, reason, count(*) FROM (
            SELECT h, unnest([
                CASE WHEN isnan(score) THEN 'score nan' WHEN isinf(score) THEN 'score infinite'
                WHEN score > 1 THEN 'score out of range' END,
                CASE WHEN request_id IS NULL THEN 'request id null' END,
                    CASE WHEN unknown THEN 'error unknown' END,
                CASE WHEN latency_ms < 0 THEN 'latency negative or not finite' END]) AS reason
            FROM {side}) WHERE reason IS NOT NULL GROUP BY h, reason""",
        )
        assert held(book, "rejects", "hour", "reason", "n", model=side) == wanted


def quantised(column: str, book: Book, square: bool = False) -> str:
    frozen = book.store.frozen()
    unit = frozen.quantum * (frozen.scale if square else 1)
    return f"CAST(sum(CAST(round_even({column} / {unit!r}, 0) AS HUGEINT)) AS BIGINT)"


@pytest.mark.parametrize(
    "kept", [(), ("country",), ("many",), ("country", "many")], ids=lambda k: "-".join(k) or "all"
)
def test_cells_of_models(scanned: tuple[Book, Any], kept: tuple[str, ...]) -> None:
    book, base = scanned
    values = [f"{name}_value" for name in kept]
    sums = f"""count(*), count(*) FILTER (failed), count(*) FILTER (usable IS NULL),
        count(*) FILTER (latency_ms >= 0), count(*) FILTER (latency_ms >= 200),
        coalesce({quantised("usable", book)}, 0),
        coalesce({quantised("usable * usable", book, square=True)}, 0)"""
    wanted = ask(
        base,
        f"SELECT {', '.join(['h', *values, sums])} FROM champion "
        f"GROUP BY {', '.join(['h', *values])}",
    )
    where = {"a": kept[0] if kept else None, "b": kept[1] if len(kept) > 1 else None}
    columns = ["a_value", "b_value"][: len(kept)]
    got = held(
        book,
        "cells",
        "hour",
        *columns,
        "n",
        "errors",
        "nulls",
        "latency_n",
        "over_200ms",
        "score_sum",
        "score_squares",
        model="champion",
        **where,
    )
    assert got == wanted


@pytest.mark.parametrize("kept", [(), ("country",), ("country", "many")], ids=lambda k: str(len(k)))
def test_cells_of_pairs(scanned: tuple[Book, Any], kept: tuple[str, ...]) -> None:
    book, base = scanned
    values = [f"{name}_value" for name in kept]
    flips = "x IS NOT NULL AND y IS NOT NULL AND (x >= 0.5) <> (y >= 0.5)"
    sums = f"""count(*), count(*) FILTER (d IS NULL), count(*) FILTER (d IS NOT NULL),
        count(*) FILTER ({flips}), coalesce({quantised("d", book)}, 0),
        coalesce({quantised("d * d", book, square=True)}, 0),
        coalesce({quantised("abs(d)", book)}, 0)"""
    wanted = ask(
        base,
        f"SELECT {', '.join(['h', *values, sums])} FROM both_sides "
        f"GROUP BY {', '.join(['h', *values])}",
    )
    where = {"a": kept[0] if kept else None, "b": kept[1] if len(kept) > 1 else None}
    columns = ["a_value", "b_value"][: len(kept)]
    got = held(
        book,
        "cells",
        "hour",
        *columns,
        "n",
        "nulls",
        "decided",
        "flips",
        "difference_sum",
        "difference_squares",
        "difference_absolute",
        model="pair",
        **where,
    )
    assert got == wanted


def test_challenger_rows_take_the_segment_of_their_champion(scanned: tuple[Book, Any]) -> None:
    book, base = scanned
    wanted = ask(
        base,
        """SELECT c.h, CASE WHEN p.ours IS NULL THEN c.country_value ELSE a.country_value END,
            count(*)
        FROM challenger c LEFT JOIN pairs p ON p.theirs = c.row AND p.slot = c.h // 3
        LEFT JOIN champion a ON a.row = p.ours GROUP BY 1, 2""",
    )
    got = held(book, "cells", "hour", "a_value", "n", model="challenger", a="country", b=None)
    assert got == wanted


def test_minutes_add_up_to_cells(scanned: tuple[Book, Any]) -> None:
    book, base = scanned
    wanted = ask(
        base,
        f"""SELECT ts // 60000000, count(*), count(*) FILTER (failed),
            coalesce({quantised("usable", book)}, 0) FROM champion GROUP BY 1""",
    )
    got = [
        (round(row["minute"].timestamp()) // 60, row["n"], row["errors"], row["score_sum"])
        for row in book.table("minutes").to_pylist()
        if row["model"] == "champion"
    ]
    assert sorted(got, key=repr) == wanted
    for model in (*SIDES, "pair"):
        for column in ("n", "nulls", "score_squares", "difference_squares", "flips", "unmatched"):
            assert book.total("minutes", column, model=model) == book.total(
                "cells", column, model=model, a=None
            )


def test_cell_buckets(scanned: tuple[Book, Any]) -> None:
    book, base = scanned
    rows = base.sql("SELECT h // 3 * 3 AS slot, unit_id, failed FROM champion")
    table = rows.to_arrow_table()
    bucket = buckets(table["unit_id"].combine_chunks())
    wanted: dict[tuple[int, int], list[int]] = {}
    for slot, place, failed in zip(
        table["slot"].to_pylist(), bucket.tolist(), table["failed"].to_pylist(), strict=True
    ):
        sums = wanted.setdefault((slot, place), [0, 0])
        sums[0] += 1
        sums[1] += failed
    got = held(book, "cell_buckets", "slot", "bucket", "n", "errors", model="champion", a=None)
    assert got == sorted(((*k, *v) for k, v in wanted.items()), key=repr)
    for model in (*SIDES, "pair"):
        for column in ("n", "nulls", "score_sum", "difference_sum", "over_200ms"):
            total = book.total("cells", column, model=model, a=None)
            assert book.total("cell_buckets", column, model=model, a=None) == total
            assert book.total("cell_buckets", column, model=model, a="many") == total


def test_values(scanned: tuple[Book, Any]) -> None:
    book, base = scanned
    for side in SIDES:
        for column in ("plan", "prediction"):
            wanted = ask(base, f"SELECT h, {column}, count(*) FROM {side} GROUP BY h, {column}")
            got = held(book, "values", "hour", "value", "n", model=side, column=column)
            assert got == wanted


def test_histograms(scanned: tuple[Book, Any]) -> None:
    book, base = scanned
    frozen = book.store.frozen()
    for side in SIDES:
        for column in ("amount", "age"):
            binning = frozen.binning(column)
            low, _ = bin_edges(np.array(binning.starts), "distance", binning.origin)
            _, high = bin_edges(np.array([binning.last]), "distance", binning.origin)
            shifted = f"CAST(CAST({column} AS FLOAT) - CAST({binning.origin!r} AS FLOAT) AS DOUBLE)"
            edges = [float(x) - binning.origin for x in low]
            case = f"""CASE WHEN {column} IS NULL THEN 66 WHEN isnan({column}::FLOAT) THEN 67
                WHEN {column} = CAST('inf' AS FLOAT) THEN 68
                WHEN {column} = CAST('-inf' AS FLOAT) THEN 69
                WHEN {shifted} < {edges[0]!r} THEN 64
                WHEN {shifted} >= {float(high[0]) - binning.origin} THEN 65
                ELSE len(list_filter({edges!r}, lambda e: e <= {shifted})) - 1 END"""
            wanted = ask(base, f"SELECT h, {case} AS cell, count(*) FROM {side} GROUP BY 1, 2")
            got = held(book, "histograms", "hour", "cell", "n", model=side, column=column)
            tolerance = {row[:2]: row[2] for row in wanted}
            assert {row[:2]: row[2] for row in got} == tolerance
            finite = base.execute(
                f"SELECT count(*) FROM {side} WHERE isfinite({column})"
            ).fetchone()[0]
            assert book.total("fine", model=side, column=column) == finite


def test_serving_histograms(scanned: tuple[Book, Any]) -> None:
    book, base = scanned
    wanted = ask(base, "SELECT h, count(*) FROM champion WHERE latency_ms >= 0 GROUP BY h")
    by_hour: dict[int, int] = {}
    for hour, n in held(book, "fine_hours", "hour", "n", model="champion", column="latency_ms"):
        by_hour[hour] = by_hour.get(hour, 0) + n
    assert sorted(by_hour.items(), key=repr) == wanted
    assert book.total("minute_latency", model="champion") == sum(by_hour.values())
    scores = base.execute("SELECT count(usable) FROM champion").fetchone()[0]
    assert book.total("fine_hours", model="champion", column="score") == scores


def test_differences_and_worst(scanned: tuple[Book, Any]) -> None:
    book, base = scanned
    wanted = ask(base, "SELECT h, count(d) FROM both_sides GROUP BY h HAVING count(d) > 0")
    by_hour: dict[int, int] = {}
    for hour, n in held(book, "differences", "hour", "n"):
        by_hour[hour] = by_hour.get(hour, 0) + n
    assert sorted(by_hour.items(), key=repr) == wanted
    wanted = ask(
        base,
        """SELECT h // 3 * 3 AS slot, ts, request_id, x, y, abs(d) FROM both_sides
        WHERE d IS NOT NULL QUALIFY row_number() OVER (
            PARTITION BY slot ORDER BY abs(d) DESC, ts, request_id) <= 50""",
    )
    got = [
        (slot, round(ts.timestamp() * 1_000_000), *rest)
        for slot, ts, *rest in held(
            book,
            "worst",
            "slot",
            "ts",
            "request_id",
            "champion_score",
            "challenger_score",
            "distance",
        )
    ]
    assert sorted(got, key=repr) == wanted


def test_parity(scanned: tuple[Book, Any]) -> None:
    book, base = scanned
    a, b = "CASE WHEN isnan(fa) THEN NULL ELSE fa END", "CASE WHEN isnan(fb) THEN NULL ELSE fb END"
    wanted = ask(
        base,
        f"""SELECT h, count(*), count(*) FILTER (
                (a IS NULL) <> (b IS NULL)
                OR a <> b AND (isinf(a) OR isinf(b)
                               OR abs(a - b) > 1e-6 * greatest(abs(a), abs(b)))),
            count(*) FILTER (a IS NULL AND b IS NOT NULL),
            count(*) FILTER (b IS NULL AND a IS NOT NULL)
        FROM (SELECT h, CAST({a} AS DOUBLE) AS a, CAST({b} AS DOUBLE) AS b FROM both_sides)
        GROUP BY h""",
    )
    columns = ("hour", "compared", "differing", "null_on_champion", "null_on_challenger")
    assert held(book, "parity", *columns, feature="amount") == wanted


def test_confusion(scanned: tuple[Book, Any]) -> None:
    book, base = scanned
    wanted = ask(
        base,
        """SELECT h, pa, pb, count(*) FROM both_sides
        WHERE pa IS NOT NULL AND pb IS NOT NULL GROUP BY h, pa, pb""",
    )
    got = held(book, "confusion", "hour", "champion_class", "challenger_class", "n")
    assert got == wanted
