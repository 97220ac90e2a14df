"""Questions after the scan, through the command line: `python -m benchmarks.questions --date D`.

Every command is a process of its own over a store of 30 days; the interpreter's start counts.
"""

import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from benchmarks import logs
from benchmarks.measure import ROOT, Run, run
from benchmarks.results import against, alternate, save, shown, spread
from benchmarks.speed import scan_command

ANALYZER = [sys.executable, "-m", "analyzer.cli"]
ANSWER_SECONDS, HELP_SECONDS = 3.0, 0.3
VERDICTS = (0, 3, 4, 5)


def questions(config: Path, folder: Path) -> dict[str, list[str]]:
    """What is asked, over all days of the logs; drift against the first quarter of them."""
    days = logs.days_of(folder)
    window = ["--from", str(days[0]), "--to", str(days[-1] + timedelta(days=1))]
    month = ["--config", str(config), "--json", *window]
    edge = str(days[max(1, len(days) // 4)])
    later = ["--config", str(config), "--json", "--from", edge, *window[2:]]
    return {
        "gate shadow": ["gate", "shadow", *month],
        "diff": ["diff", *month],
        "drift": ["drift", *later, "--reference", f"{days[0]}/{edge}"],
        "latency": ["latency", *month],
    }


def main() -> None:
    """Measure and write results/questions.*"""
    parser = logs.options(__doc__, pairs=1.5e7, days=30, rounds=5)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    folder = logs.make(options.data, options.pairs, options.days)
    config = logs.configure(folder, options.data / "store-questions", name="questions")
    run(scan_command(config, options.cores), cores=options.cores)
    contenders: dict[str, Callable[[], Run]] = {"--help": asker(["--help"], options.cores)}
    absent = []
    for name, arguments in questions(config, folder).items():
        if (ROOT / "analyzer" / "cli" / f"{arguments[0]}.py").exists():
            contenders[name] = asker(arguments, options.cores)
        else:
            absent.append(f"NOT MEASURED: there is no command `analyzer {name}` yet.")
            print(f"*** {absent[-1]} ***", flush=True)
    runs = alternate(contenders, options.rounds)
    save(
        "questions",
        "Questions after the scan",
        options.date,
        options.out,
        {
            "pairs": int(options.pairs),
            "days": options.days,
            "cores": options.cores,
            "rounds": options.rounds,
        },
        {"Commands": _rows(runs)},
        {name: [{"process": r.seconds, "cpu": r.cpu} for r in each] for name, each in runs.items()},
        absent,
    )


def asker(arguments: Sequence[str], cores: int) -> Callable[[], Run]:
    """One command; a verdict's exit code is an answer, any other is a failure."""
    return lambda: run([*ANALYZER, *arguments], cores=cores, accept=VERDICTS)


def _rows(runs: dict[str, list[Run]]) -> list[dict]:
    rows = []
    for name, each in runs.items():
        whole = spread([r.seconds for r in each])
        limit = HELP_SECONDS if name == "--help" else ANSWER_SECONDS
        rows.append(
            {
                "analyzer": name,
                "process s": shown(whole),
                "CPU s": shown(spread([r.cpu for r in each])),
                "target": against(whole["median"], limit) + " s",
            }
        )
    return rows


if __name__ == "__main__":
    main()
