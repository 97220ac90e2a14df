"""Rivals side by side with the scan: `python -m benchmarks.rivals --date D`.

The DuckDB script gives the same tables as the scan, and is compared with it row by row.
Evidently and whylogs do the feature tables' work only, each in an environment of its own that is
made under the data folder the first time.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import logs
from benchmarks.logs import CATEGORICAL, FEATURES
from benchmarks.measure import Run, run
from benchmarks.results import against, alternate, ratio, save, shown, spread
from benchmarks.rivals.agreement import compare
from benchmarks.speed import scanner

HERE = Path(__file__).parent
SCRIPT_TARGET, FEATURE_TARGET = 3.0, 60.0
PROGRAMS = {"evidently": "evidently_report.py", "whylogs": "whylogs_profile.py"}


def main() -> None:
    """Measure and write results/rivals.*"""
    parser = logs.options(__doc__, pairs=1e7, days=7, rounds=3)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rival-rows", type=float, default=1e6, help="for Evidently and whylogs")
    for rival in PROGRAMS:
        parser.add_argument(f"--python-for-{rival}", default=sys.executable)
    options = parser.parse_args()
    folder = logs.make(options.data, options.pairs, options.days)
    script, agreement = script_tables(folder, options)
    features, feature_raw, absent = feature_tables(folder, options)
    save(
        "rivals",
        "Rivals",
        options.date,
        options.out,
        {
            "pairs": int(options.pairs),
            "days": options.days,
            "cores": options.cores,
            "rows for Evidently and whylogs": int(options.rival_rows),
            "rounds": options.rounds,
        },
        {
            "All tables: the scan and a DuckDB script": script["rows"],
            "Do they count the same?": agreement,
            "Feature tables alone, one process": features,
        },
        {"script": script["raw"], "features": feature_raw},
        [
            "The script's time is inside its process, like the scan's; making the reference "
            "cells is not counted for it, and is for the scan.",
            "Evidently compares one half of the rows with the other (PSI); whylogs profiles "
            "them. Their reading of the files is not counted, ours is.",
            *absent,
        ],
    )


def script_tables(folder: Path, options: argparse.Namespace) -> tuple[dict, list[dict]]:
    """The scan against the script, and whether the tables agree."""
    store, out = options.data / "store-rivals", options.data / "script-tables"
    module = ["-m", "benchmarks.rivals.duckdb_script", str(folder), str(store), str(out)]
    command = [sys.executable, *module, "--cores", str(options.cores)]
    contenders = {
        "scan": scanner(folder, store, options.cores),
        "duckdb script": lambda: run(command, cores=options.cores),
    }
    runs = alternate(contenders, options.rounds)
    inside = {name: [r.answer["seconds"] for r in each] for name, each in runs.items()}
    cpu = {name: [r.cpu for r in each] for name, each in runs.items()}
    cells = logs.cells(folder)
    times, cpu_times = (ratio(v["duckdb script"], v["scan"]) for v in (inside, cpu))
    rows = [
        {
            "": name,
            "seconds": shown(spread(inside[name])),
            "CPU s": shown(spread(cpu[name])),
            "Mcells/s/core": f"{cells / spread(inside[name])['median'] / options.cores / 1e6:.1f}",
            "scan is faster by": "",
            "target": "",
        }
        for name in runs
    ]
    rows[1]["scan is faster by"] = f"{shown(times)} of seconds, {shown(cpu_times)} of CPU"
    rows[1]["target"] = against(times["median"], SCRIPT_TARGET, at_least=True)
    raw = {name: {"inside": inside[name], "cpu": cpu[name]} for name in runs}
    return {"rows": rows, "raw": raw}, compare(store, out)


def feature_tables(folder: Path, options: argparse.Namespace) -> tuple[list[dict], dict, list[str]]:
    """Our feature tables against Evidently and whylogs, on one core each."""
    columns = len(FEATURES) + len(CATEGORICAL)
    champion = json.loads((folder / "truth.json").read_text())["rows"]["champion_rows"]
    contenders: dict[str, Callable[[], Run]] = {"feature_tables": ours(folder, options.data)}
    absent = []
    for rival in PROGRAMS:
        python = environment(rival, options.data, getattr(options, f"python_for_{rival}"))
        if python is None:
            absent.append(
                f"{rival.upper()} COULD NOT BE INSTALLED with this Python and was not measured; "
                f"name another with --python-for-{rival}."
            )
            continue
        arguments = [str(int(options.rival_rows)), ",".join(FEATURES), ",".join(CATEGORICAL)]
        command = [str(python), str(HERE / PROGRAMS[rival]), *arguments]
        command += logs.files(folder, "champion")
        contenders[rival] = lambda command=command: run(command, cores=1)
    runs = alternate(contenders, options.rounds)
    rates = {
        name: [r.answer.get("rows", champion) * columns / r.answer["seconds"] for r in each]
        for name, each in runs.items()
    }
    rows = []
    for name, each in rates.items():
        times = ratio(rates["feature_tables"], each)
        rival = name != "feature_tables"
        rows.append(
            {
                "": name,
                "rows": runs[name][0].answer.get("rows", champion),
                "seconds": shown(spread([r.answer["seconds"] for r in runs[name]])),
                "Mcells/s/core": shown(spread([rate / 1e6 for rate in each])),
                "ours is faster by": shown(times) if rival else "",
                "target": against(times["median"], FEATURE_TARGET, True) if rival else "",
            }
        )
    return rows, rates, absent


def ours(folder: Path, data: Path) -> Callable[[], Run]:
    """Feature tables of every day."""

    def once() -> Run:
        config = logs.configure(folder, data / "store-features")
        return run([sys.executable, "-m", "benchmarks.rivals.feature_tables", str(config)], cores=1)

    return once


def environment(rival: str, data: Path, python: str) -> Path | None:
    """A venv with the rival in it, made the first time; None, loudly, when that fails."""
    folder = data / f"venv-{rival}"
    inside = folder / "bin" / "python"
    if (folder / "ready").exists():
        return inside
    shutil.rmtree(folder, ignore_errors=True)
    print(f"making an environment for {rival}", flush=True)
    requirements = str(HERE / f"requirements-{rival}.txt")
    for command in (
        [python, "-m", "venv", str(folder)],
        [str(inside), "-m", "pip", "install", "--quiet", "-r", requirements],
        [str(inside), "-c", f"import {rival}"],
    ):
        if subprocess.run(command, check=False).returncode:
            print(f"*** {rival} CANNOT BE INSTALLED with {Path(python).name} ***", flush=True)
            return None
    (folder / "ready").touch()
    return inside


if __name__ == "__main__":
    main()
