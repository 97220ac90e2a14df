"""How long a scan takes, as a multiple of the decode floor. `python -m benchmarks.speed --date D`

Every contender runs as a process of its own, in turn, on the same cores.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import floor, logs
from benchmarks.measure import Run, run
from benchmarks.results import against, alternate, ratio, save, shown, spread

TARGET, AIM = 2.5, 1.5


def scan_command(config: Path, cores: int) -> list[str]:
    """A scan in a process of its own."""
    return [sys.executable, "-m", "benchmarks.scan_once", str(config), "--jobs", str(cores)]


def scanner(folder: Path, store: Path, cores: int) -> Callable[[], Run]:
    """A scan into an empty store."""

    def once() -> Run:
        config = logs.configure(folder, store)
        return run(scan_command(config, cores), cores=cores)

    return once


def reader(name: str, folder: Path, cores: int) -> Callable[[], Run]:
    """One way of reading the same columns."""
    module = ["-m", "benchmarks.floor", name, str(folder), "--cores", str(cores)]
    return lambda: run([sys.executable, *module], cores=cores)


def main() -> None:
    """Measure and write results/speed.*"""
    parser = logs.options(__doc__, pairs=1e7, days=7, rounds=5)
    parser.add_argument("--cores", type=int, nargs="+", default=[2, 1])
    options = parser.parse_args()
    folder = logs.make(options.data, options.pairs, options.days)
    cells = logs.cells(folder)
    tables, raw = {}, {}
    for cores in options.cores:
        contenders = {"scan": scanner(folder, options.data / "store-speed", cores)}
        for name in floor.NAMES:
            if name != floor.PROCESSES or cores > 1:
                contenders[name] = reader(name, folder, cores)
        runs = alternate(contenders, options.rounds)
        tables |= _tables(runs, cores, cells)
        raw[f"{cores} cores"] = {
            name: [
                {"process": r.seconds, "inside": r.answer["seconds"], "cpu": r.cpu} for r in each
            ]
            for name, each in runs.items()
        }
    save(
        "speed",
        "Speed of the scan",
        options.date,
        options.out,
        {"pairs": int(options.pairs), "days": options.days, "rounds": options.rounds},
        tables,
        raw,
        [
            "inside: without the interpreter's start and imports; of pyarrow-processes also "
            "without the start of its workers, which the scan's figure includes.",
            "CPU seconds are of the whole process tree, imports included.",
        ],
    )


def _tables(runs: dict[str, list[Run]], cores: int, cells: int) -> dict[str, list[dict]]:
    inside = {name: [r.answer["seconds"] for r in each] for name, each in runs.items()}
    whole = {name: [r.seconds for r in each] for name, each in runs.items()}
    readers = [name for name in runs if name != "scan"]
    rows = [
        {
            f"{cores} core(s)": name,
            "inside s": shown(spread(inside[name])),
            "process s": shown(spread(whole[name])),
            "CPU s": shown(spread([r.cpu for r in runs[name]])),
            "Mcells/s/core": f"{cells / spread(inside[name])['median'] / cores / 1e6:.1f}",
        }
        for name in runs
    ]
    best = min(readers, key=lambda n: spread(inside[n])["median"])
    best_whole = min(readers, key=lambda n: spread(whole[n])["median"])
    times = ratio(inside["scan"], inside[best])
    times_whole = ratio(whole["scan"], whole[best_whole])
    ratios = [
        {
            "scan / floor": kind,
            "floor is": name,
            "ratio": shown(value),
            "target": against(value["median"], TARGET),
            "aim": against(value["median"], AIM),
        }
        for kind, name, value in (
            ("inside", best, times),
            ("whole process", best_whole, times_whole),
        )
    ]
    return {f"Seconds, {cores} core(s)": rows, f"Ratio, {cores} core(s)": ratios}


if __name__ == "__main__":
    main()
