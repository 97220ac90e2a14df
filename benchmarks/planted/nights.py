"""A comparison by late labels, read every night: how often is a model blamed that is no worse?

    python -m benchmarks.planted.nights --date 2026-01-01 --seed 1 --runs 40

Worlds of `late` in which neither model is better, and some whose challenger is: 40 nights of a
rollout, on each the business check `business.excess_loss`, once on the last week (as without a
diary), once on all days since the rollout began (a confidence sequence, as a gate says it).
"""

from __future__ import annotations

import argparse
import platform
from pathlib import Path

import numpy as np

from analyzer import policy
from analyzer.labels.business import business_checks
from analyzer.stats.proportion import clopper_pearson
from analyzer.stats.result import Estimate
from benchmarks.planted.late import DAYS, DELAYS, FIRST, World, everything, rows
from benchmarks.planted.saved import save

HERE = Path(__file__).parent / "results"
BEGAN = 25
"""Day of the world on which the rollout begins."""

NIGHTS = range(BEGAN + 6, DAYS + 1)
WAYS: dict[str, int | None] = {"the last week": None, "since the rollout began": FIRST + BEGAN}
LIMITS = policy.load().business


def failures(seed: int, worse: str) -> dict[str, list[int]]:
    """Nights, counted from the rollout's begin, on which the check failed, by way of reading."""
    steady = [delay for delay in DELAYS if delay != "slower"]
    world = World(seed, steady[seed % len(steady)], "both", worse, bool(seed % 2))
    drawn = rows(world)
    found: dict[str, list[int]] = {way: [] for way in WAYS}
    for night in NIGHTS:
        known = everything(world, drawn, night)
        for way, since in WAYS.items():
            checks = business_checks(known, world.arrival, LIMITS, since=since)
            said = next(c for c in checks if c.id == "business.excess_loss")
            if said.outcome == "fail":
                found[way].append(night - BEGAN)
    return found


def summary(told: list[dict[str, list[int]]]) -> dict[str, dict[str, object]]:
    """Worlds with a failure on any night, nights with one, and when the first one came."""
    result: dict[str, dict[str, object]] = {}
    for way in WAYS:
        first = [nights[way][0] for nights in told if nights[way]]
        interval = clopper_pearson(len(first), len(told))
        assert isinstance(interval, Estimate)
        result[way] = {
            "worlds": len(told),
            "failed on any night": len(first),
            "interval": [round(interval.low, 4), round(interval.high, 4)],
            "nights that failed": sum(len(nights[way]) for nights in told),
            "nights": len(told) * len(NIGHTS),
            "first, in days of the rollout: median": float(np.median(first)) if first else None,
        }
    return result


def main() -> None:
    """Simulate and write results/nights.*"""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=40, help="A/A worlds")
    parser.add_argument("--harmed", type=int, default=10, help="worlds whose challenger is worse")
    parser.add_argument("--date", required=True)
    parser.add_argument("--out", type=Path, default=HERE)
    given = parser.parse_args()
    cases = {
        truth: summary([failures(given.seed + run, worse) for run in range(runs)])
        for truth, worse, runs in (
            ("neither is better", "equal", given.runs),
            ("the challenger is worse", "over", given.harmed),
        )
    }
    result = {
        "date": given.date,
        "seed": given.seed,
        "cases": cases,
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
    }
    save(given.out, "nights", result, _page(result))


def _page(result: dict) -> str:
    lines = [
        "# A comparison by late labels, read every night",
        "",
        f"{result['date']}. Seed {result['seed']}. Labels that take about 5 days, 1,000 to 2,500 "
        f"pairs a day, half of the worlds with users that return; `business.excess_loss` at "
        f"confidence {LIMITS.confidence:.0%} and a limit of {LIMITS.max_loss_excess:g}, on each of "
        f"{len(NIGHTS)} nights of a rollout.",
        "",
        "| truth | compared on | worlds | failed on any night | nights that failed | first failure "
        "after days: median |",
        "|---|---|---|---|---|---|",
    ]
    for truth, ways in result["cases"].items():
        for way, c in ways.items():
            low, high = (f"{100 * x:.1f}" for x in c["interval"])
            first = c["first, in days of the rollout: median"]
            lines.append(
                f"| {truth} | {way} | {c['worlds']} | {c['failed on any night']} ({low} to {high} "
                f"%) | {c['nights that failed']} of {c['nights']} | "
                f"{'' if first is None else f'{first:g}'} |"
            )
    versions = ", ".join(f"{k} {v}" for k, v in sorted(result["versions"].items()))
    return "\n".join([*lines, "", f"{versions}.", ""])


if __name__ == "__main__":
    main()
