"""Outcomes to sums over units against its yardstick: `python -m benchmarks.outcomes --date D`.

Yardstick: twice the decode floor (the fastest of three readers of all columns) and one group-by of
the same rows by unit in DuckDB. The update starts from an empty store and writes all its tables.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks import logs
from benchmarks.measure import Run, run
from benchmarks.results import against, alternate, ratio, save, shown, spread

DAY = 86_400_000_000
FIRST = 20_514
SHARE = 2.0
COUNTRIES = 20
READERS = ("duckdb", "polars", "pyarrow")
GROUP_BY = """CREATE TABLE units AS
SELECT unit_id, any_value(variant) v, min(ts) f, any_value(country) c, any_value(before) b,
       sum(revenue) r, sum(orders) o, sum(complaints) m, count(*) n
FROM read_parquet($paths) GROUP BY unit_id"""
CONFIG = """name = "outcomes"
[champion]
paths = ["champion/*.parquet"]
[challenger]
paths = ["challenger/*.parquet"]
[store]
path = {store}
[experiment]
outcomes = ["outcomes/*.parquet"]
champion = "A"
challenger = "B"
segments = ["country"]
[experiment.metrics.revenue]
role = "primary"
value = "revenue"
covariate = "before"
winsorise = 0.99
[experiment.metrics.conversion]
kind = "proportion"
value = "orders"
[experiment.metrics.basket]
kind = "ratio"
value = "revenue"
denominator = "orders"
[experiment.metrics.median]
kind = "quantile"
value = "revenue"
[experiment.metrics.complaints]
value = "complaints"
role = "guard rail"
better = "lower"
margin = 0.1
"""
"""A mean with a covariate and a cut tail, a proportion, a ratio, a median, a guard rail."""


def main() -> None:
    """Measure and write results/outcomes.*"""
    parser = logs.options(__doc__, pairs=1e8, days=14, rounds=3)
    parser.add_argument("--units", type=float, default=1e7)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = made(options)

    def child(*what: str, memory: bool = False) -> Callable[[], Run]:
        command = [sys.executable, "-m", "benchmarks.outcomes", "once", *what, str(folder)]
        return lambda: run(command, cores=options.cores, memory=memory)

    contenders = {
        **{f"decode by {reader}": child(reader) for reader in READERS},
        "group-by in DuckDB": child("group-by"),
        "outcomes to sums": child("update", memory=True),
        "nothing new": child("again"),
    }
    runs = alternate(contenders, options.rounds)
    inside = {name: [r.answer["seconds"] for r in each] for name, each in runs.items()}
    cpu = {name: [r.answer["cpu"] for r in each] for name, each in runs.items()}
    rows = [
        {
            "step": name,
            "inside s": shown(spread(inside[name])),
            "inside CPU s": shown(spread(cpu[name])),
            "peak MB": round(max(r.peak_pss for r in each) / 1e6) or "",
        }
        for name, each in runs.items()
    ]
    shares = {what: _share(taken) for what, taken in (("seconds", inside), ("CPU", cpu))}
    save(
        "outcomes",
        "Outcomes of an experiment to sums over units",
        options.date,
        options.out,
        {
            "rows": int(options.pairs),
            "units": int(options.units),
            "days": options.days,
            "cores": options.cores,
            "rounds": options.rounds,
            "seed": options.seed,
        },
        {
            "Steps": rows,
            "Update over (decode floor + group-by)": [
                {
                    "what": what,
                    "share": shown(share),
                    "target": against(share["median"], SHARE) if what == "seconds" else "",
                }
                for what, share in shares.items()
            ],
        },
        {name: [{"cpu": r.cpu, **r.answer} for r in each] for name, each in runs.items()},
        [
            "inside: without the interpreter's start and imports. The floor is the fastest reader "
            "of each round. The group-by makes one table of units, the update one per day, the "
            "sums by day of first exposure, arm and segment, fine bins, buckets and the units."
        ],
    )


def _share(taken: dict[str, list[float]]) -> dict[str, float]:
    floors = zip(*(taken[f"decode by {reader}"] for reader in READERS), strict=True)
    below = [min(each) + one for each, one in zip(floors, taken["group-by in DuckDB"], strict=True)]
    return ratio(taken["outcomes to sums"], below)


def made(options: argparse.Namespace) -> Path:
    """Folder of an outcomes log, a file a day in order of time; made the first time."""
    rows, units, days = int(options.pairs), int(options.units), options.days
    folder = options.data / f"outcomes-{rows}-{units}-{days}-{options.seed}"
    if (folder / "rollout.toml").exists():
        return folder
    print(f"making outcomes: {rows:,} rows of {units:,} units over {days} days", flush=True)
    (folder / "outcomes").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(options.seed)
    arm = np.where(rng.random(units) < 0.5, 0, 1).astype(np.int8)
    before = rng.gamma(2, 5, units).astype(np.float32)
    country = rng.integers(0, COUNTRIES, units, dtype=np.int8)
    for day in range(days):
        n = rows // days
        unit = rng.integers(0, units, n)
        orders = rng.poisson(0.4, n).astype(np.int32)
        ts = np.sort(rng.integers(0, DAY, n)) + (FIRST + day) * DAY
        pl.DataFrame(
            {
                "unit_id": unit,
                "ts": pl.Series(ts).cast(pl.Datetime("us", "UTC")),
                "variant": pl.Series(["A", "B"])[arm[unit]],
                "country": pl.Series([f"c{k}" for k in range(COUNTRIES)])[country[unit]],
                "before": before[unit],
                "revenue": np.round(orders * rng.gamma(2, 10, n), 2),
                "orders": orders,
                "complaints": (rng.random(n) < 0.02).astype(np.int8),
            }
        ).write_parquet(folder / "outcomes" / f"{day:02}.parquet", row_group_size=1_000_000)
    config = CONFIG.format(store=json.dumps(str(folder / "store")))
    (folder / "rollout.toml").write_text(config, encoding="utf-8")
    return folder


def once(what: str, folder: Path) -> None:
    """One contender; prints its seconds and CPU seconds as JSON."""
    work = {
        "duckdb": _by_duckdb,
        "polars": _by_polars,
        "pyarrow": _by_pyarrow,
        "group-by": _group_by,
        "update": _update,
        "again": _update,
    }[what]
    if what == "update":
        shutil.rmtree(folder / "store", ignore_errors=True)
    go = work(folder)
    began, cpu = time.perf_counter(), time.process_time()
    go()
    answer = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    print(json.dumps(answer))


def _files(folder: Path) -> list[str]:
    return sorted(str(path) for path in (folder / "outcomes").glob("*.parquet"))


def _by_duckdb(folder: Path) -> Callable[[], object]:
    import duckdb

    sums = "sum(revenue), sum(orders), sum(complaints), sum(before), sum(unit_id)"
    told = f"SELECT {sums}, count(ts), count(variant), count(country) FROM read_parquet($paths)"
    connection = duckdb.connect(config={"threads": 2})
    return lambda: connection.execute(told, {"paths": _files(folder)}).fetchall()


def _by_polars(folder: Path) -> Callable[[], object]:
    return lambda: [len(pl.read_parquet(path)) for path in _files(folder)]


def _by_pyarrow(folder: Path) -> Callable[[], object]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_cpu_count(2)
    texts = ["variant", "country"]
    return lambda: [
        pq.ParquetFile(path, read_dictionary=texts).read().num_rows for path in _files(folder)
    ]


def _group_by(folder: Path) -> Callable[[], object]:
    import duckdb

    connection = duckdb.connect(config={"threads": 2})
    return lambda: connection.execute(GROUP_BY, {"paths": _files(folder)})


def _update(folder: Path) -> Callable[[], object]:
    from analyzer.config import load
    from analyzer.experiment.update import update
    from analyzer.scan.memory import keep_freed_memory

    keep_freed_memory()
    rollout = load(str(folder / "rollout.toml"))
    return lambda: update(rollout)


if __name__ == "__main__":
    if sys.argv[1:2] == ["once"]:
        once(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
