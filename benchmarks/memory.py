"""Peak memory and time of a scan, ten times the pairs: `python -m benchmarks.memory --date D`.

Ten times the pairs in the same days (larger slots) and in ten times the days (more slots).
Memory is that of the whole process tree, in two figures: the largest sum of proportional set
sizes at one moment (sampled), and the sum of every process's own peak, an upper bound.
"""

from pathlib import Path

from benchmarks import logs
from benchmarks.measure import Run, run
from benchmarks.results import against, alternate, ratio, save, shown, spread
from benchmarks.speed import scan_command

LIMIT_GB, SAME, LINEAR = 1.5, 1.1, 10.5


def scanner(folder: Path, store: Path, cores: int) -> Run:
    """One watched scan into an empty store."""
    config = logs.configure(folder, store)
    return run(scan_command(config, cores), cores=cores, memory=True)


def main() -> None:
    """Measure and write results/memory.*"""
    parser = logs.options(__doc__, pairs=1e7, days=7, rounds=1)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--times", type=int, default=10, help="how many times larger")
    parser.add_argument("--keep", action="store_true", help="keep the large logs")
    options = parser.parse_args()
    times, days = options.times, options.days
    sizes = {
        "base": (options.pairs, days),
        "larger slots": (options.pairs * times, days),
        "more slots": (options.pairs * times, days * times),
    }
    store = options.data / "store-memory"
    folders = {name: logs.make(options.data, *size) for name, size in sizes.items()}
    contenders = {
        name: lambda folder=folder: scanner(folder, store, options.cores)
        for name, folder in folders.items()
    }
    runs = alternate(contenders, options.rounds)
    save(
        "memory",
        "Memory and linear time of the scan",
        options.date,
        options.out,
        {
            "pairs": int(options.pairs),
            "days": days,
            "times": times,
            "cores": options.cores,
            "rounds": options.rounds,
        },
        {"Scans": _rows(sizes, runs), f"Against base, x {times}": _ratios(runs, times)},
        {
            name: [
                {
                    "inside": r.answer["seconds"],
                    "cpu": r.cpu,
                    "peak_pss": r.peak_pss,
                    "peak_rss": r.peak_rss,
                }
                for r in each
            ]
            for name, each in runs.items()
        },
    )
    if not options.keep:
        for name in ("larger slots", "more slots"):
            logs.remove(options.data, *sizes[name])


def _rows(sizes: dict[str, tuple[float, int]], runs: dict[str, list[Run]]) -> list[dict]:
    rows = []
    for name, each in runs.items():
        pss = spread([r.peak_pss / 2**30 for r in each])
        rss = spread([r.peak_rss / 2**30 for r in each])
        rows.append(
            {
                "logs": name,
                "pairs": f"{int(sizes[name][0]):,}",
                "days": sizes[name][1],
                "seconds": shown(spread([r.answer["seconds"] for r in each])),
                "CPU s": shown(spread([r.cpu for r in each])),
                "peak PSS GB": shown(pss),
                "sum of peak RSS GB": shown(rss),
                "target": against(rss["max"], LIMIT_GB),
            }
        )
    return rows


def _ratios(runs: dict[str, list[Run]], times: int) -> list[dict]:
    rows = []
    for name in ("larger slots", "more slots"):
        pairs = {
            "seconds": (lambda r: r.answer["seconds"], LINEAR / 10 * times),
            "CPU seconds": (lambda r: r.cpu, LINEAR / 10 * times),
            "peak PSS": (lambda r: r.peak_pss, SAME),
            "sum of peak RSS": (lambda r: r.peak_rss, SAME),
        }
        for what, (of, limit) in pairs.items():
            value = ratio([of(r) for r in runs[name]], [of(r) for r in runs["base"]])
            rows.append(
                {
                    "logs": name,
                    "what": what,
                    "ratio": shown(value),
                    "target": against(value["median"], limit),
                }
            )
    return rows


if __name__ == "__main__":
    main()
