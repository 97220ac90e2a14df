"""Simulated A/B tests, planned, read every day and judged by the product: is it right?

    python -m benchmarks.planted.experiments --seed 1 --runs 2000 --date 2026-01-31

Tests without effect, with effects that last or fade, along ramps, with lost units; intervals,
plans and covariates against the truth. Units (or, where they are millions, counts) are drawn and
summed as the product sums them; some of the tests are written as logs as well, read by the
product, and must say the same (`planted.trial_logs`). From the sums on everything is the
product's: what is known of a day, readings, analysis, the gate's checks, plans.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from analyzer import __version__
from benchmarks.planted.experiment_intervals import covariates, coverage, shares, widths
from benchmarks.planted.experiment_looks import METRICS, novelties, peeking, ramps
from benchmarks.planted.experiment_page import LINES, met, page
from benchmarks.planted.experiment_plans import decisions, powers
from benchmarks.planted.experiment_splits import false_alarms, losses
from benchmarks.planted.trial_logs import differences
from benchmarks.planted.trial_worlds import POLICY, World, design_of, ramp

HERE = Path(__file__).parent / "results"
VERSIONS = {
    "analyzer": __version__,
    "numpy": np.__version__,
    "python": platform.python_version(),
}


def logs(seed: int, runs: int) -> list[dict[str, object]]:
    """Tests written as logs and read by the product: where they say other than those drawn."""
    rng = np.random.default_rng([seed, 12])
    found = []
    for _ in range(runs):
        weights = ((0.5,) * 8, (0.1,) * 3 + (0.5,) * 5)[int(rng.integers(2))]
        world = World(per_day=60, weights=weights, lift=float(rng.choice([0, 0.3])), missing=0.2)
        trial = world.draw(rng)
        found.append({"differs": differences(design_of(*METRICS, "basket"), trial, ramp(weights))})
    return found


def parts(runs: int) -> dict[str, Callable[[int], Any]]:
    """Every simulation by name, with its number of runs."""
    return {
        "logs": lambda seed: logs(seed, max(runs // 60, 1)),
        "losses": lambda seed: losses(seed, runs // 4),
        "false alarms": lambda seed: false_alarms(seed, runs // 2),
        "decisions": lambda seed: decisions(seed, runs // 4),
        "powers": lambda seed: powers(seed, runs),
        "shares": lambda seed: shares(seed, runs),
        "widths": lambda seed: widths(seed, runs // 4),
        "ramps": lambda seed: ramps(seed, runs // 4),
        "novelties": lambda seed: novelties(seed, runs // 5),
        "covariates": lambda seed: covariates(seed, runs // 4),
        "coverage": lambda seed: coverage(seed, runs // 2),
        "peeking": lambda seed: peeking(seed, runs),
    }


def main() -> None:
    """Simulate and write results/experiments.*"""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=2000, help="of the largest simulation")
    parser.add_argument("--only", nargs="*", help="simulations to run; of others, what was found")
    parser.add_argument("--date", required=True)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "experiments.json"
    result = json.loads(file.read_text("utf-8")) if options.only and file.exists() else {}
    for name, simulate in parts(options.runs).items():
        if options.only and name not in options.only:
            continue
        began = time.process_time()
        found = simulate(options.seed)
        result[name] = {
            "found": found,
            "seed": options.seed,
            "runs": options.runs,
            "date": options.date,
            "policy": POLICY.digest,
            "CPU seconds": round(time.process_time() - began, 1),
            "versions": VERSIONS,
        }
        print(f"{name}: {result[name]['CPU seconds']:.0f} CPU seconds", flush=True)
        for line in LINES[name](found):
            print(*line[:3], met(line), sep="  |  ", flush=True)
        file.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        (options.out / "experiments.md").write_text(page(result), encoding="utf-8")


if __name__ == "__main__":
    main()
