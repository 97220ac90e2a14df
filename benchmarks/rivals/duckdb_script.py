"""Run the DuckDB script over all days of a log: `python -m benchmarks.rivals.duckdb_script`.

Prints the seconds as JSON. The reference cells are those of a store that a scan has made, so
that the histograms can be compared cell by cell.
"""

import argparse
import json
import shutil
import time
from pathlib import Path

import duckdb
import numpy as np

from analyzer.histogram import RAW_BINS
from analyzer.store import Store
from benchmarks.logs import CATEGORICAL, FEATURES, days_of

TABLES = (
    "coverage",
    "rejects",
    "minutes",
    "pair_minutes",
    "minute_latency",
    "fine_hours",
    "cells",
    "pair_cells",
    "cell_buckets",
    "pair_buckets",
    "differences",
    "worst",
    "histograms",
    "fine_slots",
    "values",
)
FEATURE = """INSERT INTO fine
SELECT epoch_us(ts) // 3600000000, '{name}', raw_bin({name} + ({minus})::FLOAT), count(*)
FROM read_parquet(getvariable('champion'))
GROUP BY epoch_us(ts) // 3600000000, raw_bin({name} + ({minus})::FLOAT)"""
VALUES = """INSERT INTO "values"
SELECT epoch_us(ts) // 3600000000, '{name}', {name}, count(*)
FROM read_parquet(getvariable('champion'))
GROUP BY epoch_us(ts) // 3600000000, {name}"""
HISTOGRAMS = """CREATE OR REPLACE TEMP TABLE histograms AS
SELECT f.hour, f.name, c.cell, sum(f.n)::BIGINT AS n
FROM fine f LEFT JOIN feature_cells c ON f.name = c.name AND f.raw = c.raw
GROUP BY f.hour, f.name, c.cell"""
FINE_SLOTS = """CREATE OR REPLACE TEMP TABLE fine_slots AS
SELECT name, code_of(raw) AS code, sum(n)::BIGINT AS n
FROM fine WHERE raw IS NOT NULL GROUP BY name, code_of(raw)"""


def main() -> None:
    """Every day's tables as Parquet files under `out`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("logs", type=Path)
    parser.add_argument("store", type=Path, help="a store of these logs, for its cells")
    parser.add_argument("out", type=Path)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--memory", default="4GB")
    options = parser.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    settings = {"threads": options.cores, "memory_limit": options.memory}
    with duckdb.connect(config=settings) as connection:
        origins = prepare(connection, options.store)
        began = time.perf_counter()
        for day in days_of(options.logs):
            tables_of_day(connection, options.logs, str(day), origins, options.out)
        seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds}))


def prepare(connection: duckdb.DuckDBPyConnection, store: Path) -> dict[str, float]:
    """Table `feature_cells`; the origins of the features. Not part of the time."""
    frozen = Store(store).frozen()
    assert frozen is not None
    raw = np.arange(RAW_BINS)
    signed = np.where(raw < RAW_BINS // 2, raw, raw - RAW_BINS)
    connection.execute("CREATE TEMP TABLE feature_cells (name VARCHAR, raw INTEGER, cell SMALLINT)")
    for name in FEATURES:
        cells = {"raw": signed, "cell": frozen.binning(name).cell_of_raw.astype(np.int16)}
        connection.register("one", cells)
        connection.execute(
            "INSERT INTO feature_cells SELECT $name, raw, cell FROM one", {"name": name}
        )
        connection.unregister("one")
    return {name: frozen.binning(name).origin for name in FEATURES}


def tables_of_day(
    connection: duckdb.DuckDBPyConnection,
    logs: Path,
    day: str,
    origins: dict[str, float],
    out: Path,
) -> None:
    """Run the script on one day's files, write every table."""
    for side in ("champion", "challenger"):
        paths = sorted(str(path) for path in (logs / side / day).glob("*.parquet"))
        connection.execute(f"SET VARIABLE {side} = $paths", {"paths": paths})
    connection.execute(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
    for name, origin in origins.items():
        connection.execute(FEATURE.format(name=name, minus=repr(-origin)))
    for name in CATEGORICAL:
        connection.execute(VALUES.format(name=name))
    connection.execute(HISTOGRAMS)
    connection.execute(FINE_SLOTS)
    for table in TABLES:
        path = out / f"{day}-{table}.parquet"
        connection.execute(f"COPY \"{table}\" TO '{path}' (FORMAT parquet, COMPRESSION zstd)")


if __name__ == "__main__":
    main()
