"""A nightly scan with all days but the last profiled: `python -m benchmarks.incremental --date D`.

The logs hold 30 days. Full: an empty store. One night: a store of 29 days sees the 30th.
Nothing new: the same store again. A view of links lets the last day appear without a new config.
"""

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from benchmarks import logs
from benchmarks.measure import Run, run
from benchmarks.results import against, alternate, ratio, save, shown, spread
from benchmarks.speed import scan_command

SHARE, IDLE_SECONDS = 1 / 20, 2.0


def main() -> None:
    """Measure and write results/incremental.*"""
    parser = logs.options(__doc__, pairs=1.5e7, days=30, rounds=3)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    folder = logs.make(options.data, options.pairs, options.days)
    full, before, night = (options.data / f"store-{n}" for n in ("full", "before", "night"))
    view = linked(folder, options.data / "view-incremental", logs.days_of(folder)[:-1])
    scan(logs.configure(view, before), options.cores)
    linked(folder, view, logs.days_of(folder))
    config = logs.configure(view, night)

    def whole() -> Run:
        return scan(logs.configure(view, full, name="full"), options.cores)

    def one_night() -> Run:
        shutil.rmtree(night, ignore_errors=True)
        shutil.copytree(before, night)
        return scan(config, options.cores)

    contenders = {
        "full": whole,
        "one night": one_night,
        "nothing new": lambda: scan(config, options.cores),
    }
    runs = alternate(contenders, options.rounds)
    save(
        "incremental",
        "Incremental scan",
        options.date,
        options.out,
        {
            "pairs": int(options.pairs),
            "days": options.days,
            "cores": options.cores,
            "rounds": options.rounds,
        },
        {"Scans": _rows(runs)},
        {
            name: [{"process": r.seconds, "cpu": r.cpu, **r.answer} for r in each]
            for name, each in runs.items()
        },
        [
            "process: with the interpreter's start and imports. A full scan keeps all cores busy; "
            "one night's slot has two tasks only, so its share of CPU is smaller than of seconds."
        ],
    )


def linked(folder: Path, view: Path, days: Sequence[date]) -> Path:
    """A folder in which only the given days of the logs are to be seen."""
    shutil.rmtree(view, ignore_errors=True)
    for side in ("champion", "challenger"):
        (view / side).mkdir(parents=True)
        for day in days:
            (view / side / str(day)).symlink_to((folder / side / str(day)).resolve())
    return view


def scan(config: Path, cores: int) -> Run:
    """One scan of what is new."""
    return run(scan_command(config, cores), cores=cores)


def _rows(runs: dict[str, list[Run]]) -> list[dict]:
    inside = {name: [r.answer["seconds"] for r in each] for name, each in runs.items()}
    rows = []
    for name, each in runs.items():
        whole = spread([r.seconds for r in each])
        share = ratio(inside[name], inside["full"])
        cpu_share = ratio([r.cpu for r in each], [r.cpu for r in runs["full"]])
        target = {
            "full": "",
            "one night": f"seconds {against(share['median'], SHARE)}, "
            f"CPU {against(cpu_share['median'], SHARE)}",
            "nothing new": against(whole["median"], IDLE_SECONDS) + " s",
        }
        rows.append(
            {
                "scan": name,
                "slots scanned": each[0].answer["slots"],
                "inside s": shown(spread(inside[name])),
                "process s": shown(whole),
                "CPU s": shown(spread([r.cpu for r in each])),
                "of the full scan": shown(share),
                "CPU of the full": shown(cpu_share),
                "target": target[name],
            }
        )
    return rows


if __name__ == "__main__":
    main()
