"""What a call of the router's client costs: `python -m benchmarks.router_client --date D`.

Beside it the alternative that costs less, CRC-32 with the salt as its start value, and why it is
not used: what one rollout's units do in another.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
import timeit
import zlib
from pathlib import Path

from analyzer.router import Router
from analyzer.router.decision import decision_for, encode
from analyzer.router.units import place
from benchmarks.results import RESULTS, against, save, shown, spread

CALL_MICROSECONDS, IMPORT_MILLISECONDS, POINTS = 2.0, 50.0, 0.2
LOAD = (
    "import time; start = time.process_time(); import analyzer.router; "
    "print((time.process_time() - start) * 1e3)"
)


def client(folder: Path, share: float) -> Router:
    """A client of a decision that is valid now."""
    path = folder / "decision.json"
    now = time.time()
    models = {"champion": "v6", "challenger": "v7"}
    decision = decision_for(
        "canary",
        share,
        rollout="flights",
        models=models,
        reason="a benchmark",
        verdict="",
        issued=now,
        expires=now + 86_400,
        epoch=1,
    )
    path.write_bytes(encode(decision))
    return Router(path, models=models)


def microseconds(router: Router, calls: int, rounds: int) -> list[float]:
    """Wall time of one `model` call, looks at the decision included, per round."""
    units = [f"user-{n}" for n in range(1000)]

    def thousand() -> None:
        model = router.model
        for unit in units:
            model(unit)

    number = max(calls // 1000, 1)
    return [t / number / 1e3 * 1e6 for t in timeit.repeat(thousand, number=number, repeat=rounds)]


def threaded(router: Router, calls: int, threads: int) -> float:
    """Wall microseconds a call with several threads at once (they share one interpreter)."""

    def serve() -> None:
        for n in range(calls // threads):
            router.model(f"user-{n}")

    every = [threading.Thread(target=serve) for _ in range(threads)]
    started = time.perf_counter()
    for thread in every:
        thread.start()
    for thread in every:
        thread.join()
    return (time.perf_counter() - started) / calls * 1e6


def crc(rollout: str, unit: str) -> float:
    """Where CRC-32 would put a unit."""
    return zlib.crc32(unit.encode(), zlib.crc32(rollout.encode())) / 2**32


def overlaps(units: int, seed: int) -> list[dict[str, object]]:
    """Of the units that 10 % of one rollout takes, how many 10 % of another takes: 10 % expected.

    Every pair of ten rollouts; with CRC-32 each salt is an XOR of the other.
    """
    names = [f"rollout-{seed}-{n}" for n in range(10)]
    rows = []
    for title, where in (("BLAKE2b (used)", place), ("CRC-32", crc)):
        taken = [{u for u in range(units) if where(n, f"user-{u:07d}") < 0.1} for n in names]
        shares = [
            100 * len(a & b) / len(a) for i, a in enumerate(taken) for b in taken[i + 1 :] if a
        ]
        worst = max(abs(100 * len(t) / units - 10) for t in taken)
        rows.append(
            {
                "hash": title,
                "units": units,
                "share of 10 %: worst error, points": f"{worst:.3f}",
                "overlap of two rollouts, %": shown(spread(shares)),
            }
        )
    return rows


def main() -> None:
    """Measure and write results/router_client.*"""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--date", required=True)
    parser.add_argument("--calls", type=float, default=1e6)
    parser.add_argument("--units", type=float, default=1e6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    calls, units = int(options.calls), int(options.units)
    with tempfile.TemporaryDirectory() as folder:
        router = client(Path(folder), 0.1)
        call = microseconds(router, calls, options.rounds)
        four = [threaded(router, calls, 4) for _ in range(options.rounds)]
    loads = [
        float(subprocess.run([sys.executable, "-c", LOAD], capture_output=True, check=True).stdout)
        for _ in range(2 * options.rounds)
    ]
    at = [place(f"rollout-{options.seed}", f"user-{n}") for n in range(units)]
    errors = [abs(100 * sum(x < s for x in at) / units - 100 * s) for s in (0.01, 0.05, 0.1, 0.5)]
    moved = 100 * sum(0.05 <= x < 0.1 for x in at) / units
    tables = {
        "Cost": [
            {
                "what": "one call, one thread (microseconds)",
                "time": shown(spread(call)),
                "target": against(spread(call)["median"], CALL_MICROSECONDS),
            },
            {"what": "one call, four threads", "time": shown(spread(four)), "target": "-"},
            {
                "what": "import, CPU milliseconds",
                "time": shown(spread(loads)),
                "target": against(spread(loads)["median"], IMPORT_MILLISECONDS),
            },
        ],
        "Shares": [
            {
                "what": f"worst error of 1, 5, 10, 50 % over {units:,} units (points)",
                "value": f"{max(errors):.3f}",
                "target": against(max(errors), POINTS),
            },
            {"what": "5 % to 10 % moves (% of units)", "value": f"{moved:.3f}", "target": "5"},
        ],
        "Independence of rollouts": overlaps(min(units, 100_000), options.seed),
    }
    save(
        "router_client",
        "The router's client",
        options.date,
        options.out,
        {"calls": calls, "units": units, "rounds": options.rounds, "seed": options.seed},
        tables,
        {"call": call, "four_threads": four, "import": loads, "errors": errors},
        ["Times are of the wall for calls and of the processor for the import."],
    )


if __name__ == "__main__":
    main()
