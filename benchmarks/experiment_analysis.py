"""Speed of reading an experiment: `python -m benchmarks.experiment_analysis --date D`.

50 metrics with a covariate, 50 segments in 5 columns, 14 days of new and returning units, drawn
from a seed and summed into a store as the product would. Read from it: what `experiment analyze`
says at the end, and every metric in every segment on every day. Beside it the sums of the same
rows by DuckDB: to that day, by metric and segment, without any statistics.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.compute as pc

from analyzer import policy
from analyzer.config import Log, Rollout
from analyzer.design import Experiment, Metric
from analyzer.experiment.analysis import analyze
from analyzer.experiment.days import SCALES
from analyzer.experiment.known import known
from analyzer.experiment.readings import Errors, readings
from analyzer.experiment.registration import Registration, design_digest
from analyzer.experiment.tables import (
    DAY,
    Scales,
    faults_table,
    sums_store,
    units_store,
)
from analyzer.profile import encode
from analyzer.store import Store
from benchmarks.measure import Run, run
from benchmarks.planted.trial_units import FIRST, Trial, tables
from benchmarks.results import against, alternate, save, shown, spread

TARGET = 5.0
COLUMNS, VALUES = 5, 10
"""Segment columns and values of each."""


def main() -> None:
    """Measure and write results/experiment_analysis.*"""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=int, default=50)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--units", type=int, default=2_000, help="new units a day")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    folder = Path(tempfile.gettempdir()) / "analyzer-benchmarks"
    parser.add_argument("--data", type=Path, default=folder)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--date")
    parser.add_argument("--once", choices=["analyze", "readings", "duckdb"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        print(json.dumps(once(options)))
        return
    if options.date is None:
        parser.error("--date is missing")
    measure(options)


def measure(options: argparse.Namespace) -> None:
    """Run the contenders in turn and write the results."""
    make(options)
    contenders: dict[str, Callable[[], Run]] = {
        name: _contender(options, what)
        for name, what in (
            ("`experiment analyze`", "analyze"),
            ("every metric, segment and day read", "readings"),
            ("DuckDB adds up the same rows", "duckdb"),
        )
    }
    runs = alternate(contenders, options.rounds)
    save(
        "experiment_analysis",
        "Reading an experiment",
        options.date,
        options.out,
        {
            "metrics": options.metrics,
            "segments": COLUMNS * VALUES,
            "days": options.days,
            "units": f"{options.units * options.days:,}",
            "seed": options.seed,
            "rounds": options.rounds,
        },
        {"From the stored sums to results": [_line(name, each) for name, each in runs.items()]},
        {name: [r.answer for r in each] for name, each in runs.items()},
        ["Seconds are those of the reading alone, without the start of Python; one thread each."],
    )


def _line(name: str, runs: list[Run]) -> dict[str, object]:
    cpu = spread([r.answer["cpu"] for r in runs])
    return {
        "": name,
        "seconds": shown(spread([r.answer["seconds"] for r in runs])),
        "CPU s": shown(cpu),
        "results": f"{runs[0].answer['results']:,}",
        "CPU target": "" if name.startswith("DuckDB") else against(cpu["median"], TARGET),
    }


def _contender(options: argparse.Namespace, what: str) -> Callable[[], Run]:
    command = [sys.executable, "-m", "benchmarks.experiment_analysis", "--once", what]
    for name in ("metrics", "days", "units", "seed", "data"):
        command += [f"--{name}", str(getattr(options, name))]
    return lambda: run(command, cores=1)


def once(options: argparse.Namespace) -> dict[str, object]:
    """Read the store in one of the ways; seconds of the reading alone."""
    rollout = _rollout(options)
    began, cpu = time.perf_counter(), time.process_time()
    if options.once == "duckdb":
        found = _added(rollout, options.days)
    elif options.once == "analyze":
        registration = _registration(rollout, options)
        said = analyze(known(rollout), registration, policy.load().experiment)
        assert said.valid == "pass" and said.comparisons == COLUMNS * VALUES
        found = len(said.readings) + len(said.segments) + len(said.looks)
    else:
        whole = known(rollout)
        errors = Errors(options.units * options.days, 0.01, 0.045, False)
        read = [
            one
            for day in range(FIRST + 1, FIRST + options.days + 1)
            for name in whole.design.metrics
            for one in readings(whole.at(day), name, errors, whole.segments())
        ]
        found = len(read)
    return {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "results": found,
    }


def _added(rollout: Rollout, days: int) -> int:
    """Sums by day, segment, arm and summand, cumulated: what any reading needs, and no more."""
    files = str(sums_store(Store(rollout.store_path)).path / "data" / "*" / "unit_sums.parquet")
    with duckdb.connect(config={"threads": 1}) as connection:
        return len(
            connection.sql(
                f"""SELECT d.day, "column", value, arm, one, other, sum(n)
                FROM read_parquet('{files}') AS s
                JOIN (SELECT unnest(range({FIRST}, {FIRST + days})) AS day) AS d ON s.day <= d.day
                GROUP BY d.day, "column", value, arm, one, other"""
            ).to_arrow_table()
        )


def _design(metrics: int) -> Experiment:
    named = {
        f"m{i}": Metric(value=f"m{i}", covariate="before", role="secondary" if i else "primary")
        for i in range(metrics)
    }
    columns = [f"c{i}" for i in range(COLUMNS)]
    return Experiment(outcomes=["outcomes"], segments=columns, metrics=named)


def _rollout(options: argparse.Namespace) -> Rollout:
    size = f"{options.metrics}-{options.days}-{options.units}-{options.seed}"
    return Rollout(
        name="trial",
        champion=Log(paths=["champion"]),
        challenger=Log(paths=["challenger"]),
        root=str(options.data / f"experiment-{size}"),
        experiment=_design(options.metrics),
    )


def _registration(rollout: Rollout, options: argparse.Namespace) -> Registration:
    limits = policy.load().experiment
    assert rollout.experiment is not None
    days = [str(np.datetime64(day, "D")) for day in (FIRST, FIRST + options.days)]
    return Registration(
        rollout=rollout.name,
        primary=rollout.experiment.primary,
        design=design_digest(rollout.experiment),
        weight=0.5,
        weight_reason="",
        min_effect=limits.min_effect,
        alpha=limits.alpha,
        power=limits.power,
        sequence_alpha=limits.sequence_alpha,
        final_alpha=limits.final_alpha,
        n_star=options.units * options.days,
        start=days[0],
        end=days[1],
    )


def make(options: argparse.Namespace) -> None:
    """Draw the units and put their sums into a store, where they are not there yet."""
    rollout = _rollout(options)
    design, store = rollout.experiment, Store(rollout.store_path)
    assert design is not None
    if units_store(store).load(SCALES, Scales) is not None:
        return
    trial = _trial(options)
    scales = trial.scales(design)
    made = tables(design, trial, scales)
    with units_store(store).locked(), sums_store(store).locked():
        for day in range(FIRST, FIRST + options.days):
            of_day = {n: t.filter(pc.equal(t["day"], day)) for n, t in made.items()}
            of_day["unit_faults"] = faults_table(day, {})
            for kept, names in ((units_store(store), ["unit_faults"]), (sums_store(store), of_day)):
                encoded = {name: encode(of_day[name]) for name in names}
                kept.save_slot(day * DAY, (day + 1) * DAY, encoded, "", [])
        units_store(store).replace(SCALES, scales)


def _trial(options: argparse.Namespace) -> Trial:
    """New units each day, a third of the others again."""
    rng = np.random.default_rng(options.seed)
    n, days = options.units * options.days, options.days
    exposed = np.repeat(np.arange(days), options.units)
    active = (rng.random((n, days)) < 1 / 3) & (np.arange(days) > exposed[:, None])
    active[np.arange(n), exposed] = True
    return Trial(
        rng.integers(0, 2, n),
        exposed,
        active,
        {f"m{i}": rng.exponential(0.1, (n, days)) for i in range(options.metrics)},
        {"before": rng.gamma(2, 1, n)},
        {f"c{i}": rng.integers(0, VALUES, n) for i in range(COLUMNS)},
    )


if __name__ == "__main__":
    main()
