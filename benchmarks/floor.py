"""The decode floor: the least that reading the scan's columns of both logs once can cost.

`python -m benchmarks.floor READER LOGS --cores N` reads in one way and prints the seconds. The
floor of a run is the fastest reader. Every reader decodes every column; none keeps the rows.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from benchmarks.logs import CATEGORICAL, CHALLENGER, CHAMPION, FEATURES, SEGMENTS, files

COLUMNS = {"champion": CHAMPION, "challenger": CHALLENGER}
SUMMED = [*FEATURES, "score", "latency_ms"]
CODED = [*SEGMENTS, *CATEGORICAL]
BATCH_ROWS = 131_072

Work = list[tuple[str, list[str]]]
"""(side, files) to read."""


def read_duckdb(work: Work, cores: int) -> None:
    """Trivial aggregates: the sum of numbers, the count of all else."""
    with duckdb.connect(config={"threads": cores}) as connection:
        for side, paths in work:
            sums = ", ".join(f"sum({c})" if c in SUMMED else f"count({c})" for c in COLUMNS[side])
            connection.execute(f"SELECT {sums} FROM read_parquet($paths)", {"paths": paths})
            connection.fetchall()


def read_polars(work: Work, cores: int) -> None:
    """The same aggregates by the streaming engine; POLARS_MAX_THREADS is set outside."""
    for side, paths in work:
        sums = [pl.col(c).sum() if c in SUMMED else pl.col(c).count() for c in COLUMNS[side]]
        pl.scan_parquet(paths).select(sums).collect(engine="streaming")


def read_polars_frame(work: Work, cores: int) -> None:
    """Whole columns into memory, one file after the other."""
    for side, paths in work:
        for path in paths:
            pl.scan_parquet(path).select(COLUMNS[side]).collect()


def read_pyarrow_threads(work: Work, cores: int) -> None:
    """Row groups in batches, columns decoded by threads."""
    _row_groups(work, threads=True)


def read_pyarrow_table(work: Work, cores: int) -> None:
    """Whole files as tables, columns decoded by threads."""
    for side, paths in work:
        for path in paths:
            parquet = pq.ParquetFile(path, read_dictionary=_coded(side), pre_buffer=False)
            parquet.read(columns=COLUMNS[side], use_threads=True)


def read_pyarrow_dataset(work: Work, cores: int) -> None:
    """The dataset scanner: fragments and columns by threads."""
    for side, paths in work:
        form = ds.ParquetFileFormat(dictionary_columns=_coded(side))
        data = ds.dataset(paths, format=form)
        for _ in data.to_batches(columns=COLUMNS[side], batch_size=BATCH_ROWS):
            pass


def _coded(side: str) -> list[str]:
    return [c for c in COLUMNS[side] if c in CODED]


def _row_groups(work: Work, threads: bool) -> None:
    for side, paths in work:
        for path in paths:
            parquet = pq.ParquetFile(path, read_dictionary=_coded(side))
            batches = parquet.iter_batches(BATCH_ROWS, columns=COLUMNS[side], use_threads=threads)
            for _ in batches:
                pass


def _row_groups_of(piece: tuple[str, str]) -> None:
    side, path = piece
    _row_groups([(side, [path])], threads=False)


READERS: dict[str, Callable[[Work, int], None]] = {
    "duckdb": read_duckdb,
    "polars": read_polars,
    "polars-frames": read_polars_frame,
    "pyarrow-threads": read_pyarrow_threads,
    "pyarrow-tables": read_pyarrow_table,
    "pyarrow-dataset": read_pyarrow_dataset,
}
PROCESSES = "pyarrow-processes"
NAMES = (*READERS, PROCESSES)


def seconds_by_processes(work: Work, cores: int) -> float:
    """Files shared out to waiting processes, whose start is not counted; the largest first."""
    pieces = [(side, path) for side, paths in work for path in paths]
    pieces.sort(key=lambda piece: -Path(piece[1]).stat().st_size)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, context) as pool:
        list(pool.map(time.sleep, [0.3] * cores))
        began = time.perf_counter()
        list(pool.map(_row_groups_of, pieces))
        return time.perf_counter() - began


def main() -> None:
    """Read once, print the seconds without the interpreter's start."""
    parser = argparse.ArgumentParser()
    parser.add_argument("reader", choices=NAMES)
    parser.add_argument("logs", type=Path)
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    pa.set_cpu_count(arguments.cores)
    pa.set_io_thread_count(max(arguments.cores, 1))
    work: Work = [(side, files(arguments.logs, side)) for side in COLUMNS]
    if arguments.reader == PROCESSES:
        seconds = seconds_by_processes(work, arguments.cores)
    else:
        began = time.perf_counter()
        READERS[arguments.reader](work, arguments.cores)
        seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
