"""Speed of the segment search beside SliceLine: `python -m benchmarks.segments --date D`.

Twelve columns of 4 to 20 values, skewed; three segments planted; 256 buckets of units; conjunctions
up to order 3 with support of 0.1 % or 500 rows. SliceLine (Sagadeeva and Boehm, 2021) runs in an
environment of its own on as many of the same rows as `--rival-rows` says and `--memory` allows.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from analyzer.segments.finding import shown as named
from analyzer.segments.search import search
from analyzer.segments.settings import Settings
from analyzer.segments.table import Dimension, Outcome, Table
from benchmarks.measure import Run, run
from benchmarks.results import against, alternate, save, shown, spread
from benchmarks.rivals.__main__ import environment

TARGET = 25.0
SIZES = (5, 8, 10, 10, 12, 20, 4, 8, 8, 8, 8, 10)
RIVAL = Path(__file__).parent / "rivals" / "sliceline_search.py"


def main() -> None:
    """Measure and write results/segments.*"""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, default=1e7)
    parser.add_argument("--rival-rows", type=float, default=4e4)
    parser.add_argument("--memory", type=float, default=6, help="gigabytes SliceLine may take")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    folder = Path(tempfile.gettempdir()) / "analyzer-benchmarks"
    parser.add_argument("--data", type=Path, default=folder)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--python-for-sliceline", default=sys.executable)
    parser.add_argument("--date")
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.search is not None:
        print(json.dumps(once(options.search, int(options.rows), options.cores)))
        return
    if options.date is None:
        parser.error("--date is missing")
    measure(options)


def measure(options: argparse.Namespace) -> None:
    """Run the contenders in turn and write the results."""
    options.data.mkdir(parents=True, exist_ok=True)
    file = options.data / f"segments-{int(options.rows)}-{options.seed}.npz"
    if not file.exists():
        make(file, int(options.rows), options.seed)
    few = int(options.rival_rows)
    contenders = {
        f"search, {int(options.rows):,} rows": ours(file, int(options.rows), options.cores),
        f"search, {few:,} rows": ours(file, few, options.cores),
    }
    python = environment("sliceline", options.data, options.python_for_sliceline)
    notes = ["Seconds and CPU seconds are of the search alone, memory is of its whole process."]
    if python is None:
        notes.append("SLICELINE COULD NOT BE INSTALLED with this Python and was not measured.")
    else:
        command = [str(python), str(RIVAL), str(file), str(few), str(options.memory)]
        contenders[f"SliceLine, {few:,} rows"] = lambda: run(command, cores=options.cores)
    runs = alternate(contenders, options.rounds)
    save(
        "segments",
        "Segment search",
        options.date,
        options.out,
        {"columns": len(SIZES), "cores": options.cores, "rounds": options.rounds},
        {"Conjunctions up to order 3": [line(name, each) for name, each in runs.items()]},
        {name: [r.answer for r in each] for name, each in runs.items()},
        notes,
    )


def line(name: str, runs: list[Run]) -> dict[str, object]:
    """One contender's figures."""
    answers = [r.answer for r in runs]
    cpu = spread([a["cpu"] for a in answers])
    large = name.startswith("search") and answers[0]["rows"] >= 1e7
    return {
        "": name,
        "seconds": shown(spread([a["seconds"] for a in answers])),
        "CPU s": shown(cpu),
        "rows/s": f"{answers[0]['rows'] / spread([a['seconds'] for a in answers])['median']:,.0f}",
        "peak GB": f"{max(r.peak_pss for r in runs) / 2**30:.2f}" if runs[0].peak_pss else "",
        "found": answers[0].get("failed") or ", ".join(answers[0]["slices"]) or "nothing",
        "CPU target": against(cpu["median"], TARGET) if large else "",
    }


def ours(file: Path, rows: int, cores: int) -> Callable[[], Run]:
    """A contender: the search in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.segments", "--search", str(file)]
    command += ["--rows", str(rows), "--cores", str(cores)]
    return lambda: run(command, cores=cores, memory=True)


def once(file: Path, rows: int, cores: int) -> dict[str, object]:
    """Search the file's first rows; seconds of the search alone."""
    data = np.load(file)
    codes = data["codes"]
    dimensions = tuple(
        Dimension(f"c{i}", tuple(f"v{v}" for v in range(size)), codes[:rows, i].copy())
        for i, size in enumerate(SIZES)
    )
    del codes
    table = Table(dimensions, rows, bucket=data["bucket"][:rows])
    outcome = Outcome("difference", data["values"][:rows])
    began, cpu = time.perf_counter(), time.process_time()
    found = search(table, outcome, Settings(threads=cores))
    return {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "rows": rows,
        "cells": found.cells_tested,
        "slices": [named(segment.where) for segment in found.segments],
    }


def make(file: Path, rows: int, seed: int) -> None:
    """Write the rows: codes, values, buckets."""
    rng = np.random.default_rng([seed, 4])
    codes = np.empty((rows, len(SIZES)), dtype=np.uint8)
    for column, size in enumerate(SIZES):
        cumulated = np.cumsum(1 / np.arange(1, size + 1) ** 0.6)
        codes[:, column] = np.searchsorted(cumulated / cumulated[-1], rng.random(rows))
    values = rng.standard_t(3, rows) / np.sqrt(3)
    values += 0.3 * ((codes[:, 0] == 1) & (codes[:, 2] == 3))
    values -= 0.2 * (codes[:, 4] == 5)
    values += 0.25 * ((codes[:, 5] == 1) & (codes[:, 1] == 2) & (codes[:, 3] == 1))
    bucket = rng.integers(0, 256, rows).astype(np.uint8)
    np.savez(file, codes=codes, values=values, bucket=bucket)


if __name__ == "__main__":
    main()
