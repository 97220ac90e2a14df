"""`analyzer diagnose` after a scan of a month: `python -m benchmarks.diagnose --date D`.

200 features (each log column under ten names), 8 segment columns; one incident planted on a day
near the end. Measured apart: the drill-down with its searches, and everything else.
"""

import json
import sys
from argparse import Namespace
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from benchmarks import logs
from benchmarks.measure import Run, run
from benchmarks.results import against, alternate, save, shown, spread
from benchmarks.speed import scan_command
from sample_data.generate import generate

REST_SECONDS, DRILL_SECONDS, MEMORY_GB = 10.0, 60.0, 1.5
COPIES = 10


def main() -> None:
    """Measure and write results/diagnose.*"""
    parser = logs.options(__doc__, pairs=4.3e7, days=30, rounds=3)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--hours", type=int, default=24, help="length of the incident")
    parser.add_argument("--drill-pairs", type=float, default=1e7, help="pairs of the week drilled")
    options = parser.parse_args()
    contenders = {"month": _month(options), "week": _week(options)}
    runs = alternate(contenders, options.rounds)
    save(
        "diagnose",
        "Diagnose",
        options.date,
        options.out,
        {
            "pairs": int(options.pairs),
            "days": options.days,
            "incident hours": options.hours,
            "features": COPIES * len(logs.FEATURES),
            "segment columns": 8,
            "week": int(options.drill_pairs),
            "cores": options.cores,
            "rounds": options.rounds,
        },
        {
            "A day's incident in a month of profiles": [_rest(runs["month"])],
            "Drill-down and search over a week's pairs, 12 dimensions": [_drilled(runs["week"])],
        },
        {name: [_raw(r) for r in each] for name, each in runs.items()},
        [
            "month: an incident's day, its baseline and the null run's are drilled into; `rest` is "
            "all but that.",
            "week: the incident is the second half of the week, its baseline the first half; 7 "
            "segment columns and the 5 numeric features most related to the divergence.",
        ],
    )


def _month(options: Namespace) -> Callable[[], Run]:
    start = 24 * (options.days - 3)
    folder = _made(options, options.pairs, options.days, start, start + options.hours)
    config = _configure(folder, "month", COPIES, ["c0", "c1", "c2", "plan_2"])
    run(scan_command(config, options.cores), cores=options.cores)
    day = logs.days_of(folder)[options.days - 3]
    end = f"{day + timedelta(hours=options.hours // 24 * 24)}T{options.hours % 24:02d}"
    return _asker(config, str(day), end, options.cores)


def _week(options: Namespace) -> Callable[[], Run]:
    folder = _made(options, options.drill_pairs, 7, 84, 168)
    config = _configure(folder, "week", 1, logs.CATEGORICAL)
    run(scan_command(config, options.cores), cores=options.cores)
    days = logs.days_of(folder)
    return _asker(config, f"{days[3]}T12", str(days[-1] + timedelta(days=1)), options.cores)


def _made(options: Namespace, pairs: float, days: int, first: int, last: int) -> Path:
    folder = options.data / f"incident-{int(pairs)}-{days}"
    if not (folder / "truth.json").exists():
        print(f"making logs of {int(pairs):,} pairs over {days} days", flush=True)
        plants = [
            f"segment:country=DE,device=ios,effect=0.6,from={first},to={last}",
            f"drift:feature=f01,shift=0.3,from={max(first - 6, 0)},to={last}",
        ]
        generate(folder, pairs=int(pairs), days=days, start=logs.START.isoformat(), plants=plants)
    return folder


def _configure(folder: Path, name: str, copies: int, segments: list[str]) -> Path:
    """Ten features from each column of the log: what counts is how many are profiled."""
    names = {f"{f}_{copy}": f for copy in range(2, copies + 1) for f in logs.FEATURES}
    numeric = [*logs.FEATURES, *names]
    if "plan_2" in segments:
        names["plan_2"] = "plan"
    text = "\n".join(
        [
            'name = "benchmark"',
            "[champion]",
            'paths = ["champion/*/*.parquet"]',
            "[champion.columns]",
            *(f'{own} = "{column}"' for own, column in names.items()),
            "[challenger]",
            'paths = ["challenger/*/*.parquet"]',
            "[segments]",
            f"columns = {json.dumps([*logs.SEGMENTS, *segments])}",
            "[features]",
            f"numeric = {json.dumps(numeric)}",
            "[store]",
            f'path = ".{name}"',
            "",
        ]
    )
    file = folder / f"{name}.toml"
    file.write_text(text, encoding="utf-8")
    return file


def _asker(config: Path, start: str, end: str, cores: int) -> Callable[[], Run]:
    program = [sys.executable, "-m", "benchmarks.diagnose_once", str(config), start, end]
    return lambda: run([*program, str(cores)], cores=cores, memory=True)


def _raw(one: Run) -> dict:
    return {"process": one.seconds, "cpu": one.cpu, "peak_pss": one.peak_pss, **one.answer}


def _rest(runs: list[Run]) -> dict:
    rest = spread([r.answer["rest"] for r in runs])
    return {
        "rest s": shown(rest),
        "drill-down s": shown(spread([r.answer["drill-down"] for r in runs])),
        "pairs drilled": f"{runs[0].answer['pairs']:,}",
        "CPU s": shown(spread([r.cpu for r in runs])),
        "memory GB": shown(spread([r.peak_pss / 1e9 for r in runs])),
        "target": f"rest {against(rest['median'], REST_SECONDS)} s",
    }


def _drilled(runs: list[Run]) -> dict:
    drilled = spread([r.answer["drill-down"] for r in runs])
    memory = spread([r.peak_pss / 1e9 for r in runs])
    return {
        "drill-down s": shown(drilled),
        "pairs": f"{runs[0].answer['pairs']:,}",
        "segments tested": f"{runs[0].answer['tested']:,}",
        "named": runs[0].answer["named"],
        "CPU s": shown(spread([r.cpu for r in runs])),
        "memory GB": shown(memory),
        "target": f"{against(drilled['median'], DRILL_SECONDS)} s",
    }


if __name__ == "__main__":
    main()
