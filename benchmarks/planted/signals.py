"""How often the signals for a human cry wolf: `python -m benchmarks.planted.signals --date D`.

Days on which nothing changes: the share that is raised, beside the share that the signal itself
says. Days that depend on the day before show what independence is worth.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path

import numpy as np

from analyzer import policy
from analyzer.stats.result import Estimate, Undefined
from analyzer.stats.rolling import false_alarms, point_alarms, sigmas

HERE = Path(__file__).parent / "results"
POLICY = policy.load()
LIMIT = POLICY.trigger.signal_sigmas
GROWTH = POLICY.business.max_loss_growth
DAYS = 7
REQUESTS, COMPLAINTS = 20_000, 0.004
LABELS, WRONG = 3_000, 0.2
Z = 1.959964


def distribution(random: np.random.Generator, carried: float, planted: float = 0.0) -> float:
    """Sigmas of a day's mean score after seven; carried: correlation of a day with the next;
    planted: by how many standard deviations of days the last one is moved.
    """
    noise = random.normal(0, 1, DAYS + 1)
    level = np.zeros(DAYS + 1)
    level[0] = noise[0]
    for day in range(1, DAYS + 1):
        level[day] = carried * level[day - 1] + np.sqrt(1 - carried**2) * noise[day]
    level[-1] += planted
    return _value(sigmas(0.3 + 0.01 * level[-1], 0.3 + 0.01 * level[:-1]))


def guard_rail(random: np.random.Generator, times: float = 1.0) -> float:
    """Sigmas of a day's complaint rate after seven, on the last day `times` as many."""
    rates = np.full(DAYS + 1, COMPLAINTS)
    rates[-1] *= times
    counts = random.binomial(REQUESTS, rates)
    return _value(sigmas(counts[-1] / REQUESTS, counts[:-1] / REQUESTS))


def business(random: np.random.Generator, growth: float = 0.0) -> tuple[float, float, float]:
    """Growth of a share of wrong predictions week over week, with its interval."""
    wrong = random.binomial(LABELS, [WRONG, WRONG * (1 + growth)])
    error = float(np.sqrt((1 / np.maximum(wrong, 1) - 1 / LABELS).sum()))
    ratio = float(np.log(wrong[1] / wrong[0]))
    return tuple(float(np.expm1(ratio + step * error)) for step in (-Z, 0.0, Z))


def _value(found: Estimate | Undefined) -> float:
    assert isinstance(found, Estimate), found
    return found.value


def measured(seed: int, runs: int) -> list[dict[str, object]]:
    """A line for each signal."""
    random = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []

    def line(name: str, raised: list[bool], implied: float | None) -> None:
        share = float(np.mean(raised))
        rows.append(
            {
                "signal": name,
                "raised": f"{share:.1%}",
                "standard error": f"{np.sqrt(share * (1 - share) / runs):.1%}",
                "as it says itself": "" if implied is None else f"{implied:.1%}",
            }
        )

    both, one = false_alarms(DAYS, LIMIT), false_alarms(DAYS, LIMIT, sides=1)
    for name, carried, moved, said in (
        ("distribution, independent days", 0.0, 0.0, both),
        ("distribution, a day follows the last by 0.5", 0.5, 0.0, both),
        ("distribution, moved by 3 day-to-day deviations", 0.0, 3.0, None),
    ):
        line(name, [abs(distribution(random, carried, moved)) > LIMIT for _ in range(runs)], said)
    line("guard rail, nothing changed", [guard_rail(random) > LIMIT for _ in range(runs)], one)
    line(
        "guard rail, half as many again",
        [guard_rail(random, 1.5) > LIMIT for _ in range(runs)],
        None,
    )
    for growth in (0.0, 0.1):
        weeks = [business(random, growth) for _ in range(runs)]
        said = float(np.mean([point_alarms(low, high, GROWTH) for low, _, high in weeks]))
        name = "nothing changed" if growth == 0 else f"loss up {growth:.0%}"
        implied = None if growth else said
        line(f"business, point, {name}", [value > GROWTH for _, value, _ in weeks], implied)
        line(f"business, certain, {name}", [low > GROWTH for low, _, _ in weeks], None)
    return rows


def main() -> None:
    """Simulate and write results/signals.*"""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--date", required=True)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    rows = measured(options.seed, options.runs)
    result = {
        "date": options.date,
        "seed": options.seed,
        "runs": options.runs,
        "signals": rows,
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
    }
    names = list(rows[0])
    text = [
        "# Signals for a human: how often by chance",
        "",
        f"{options.date}. Seed {options.seed}, {options.runs:,} runs each; 7 days before the day, "
        f"{LIMIT:g} sigma; {REQUESTS:,} requests a day with {COMPLAINTS:.1%} complaints; "
        f"{LABELS:,} labels a week, {WRONG:.0%} of them wrong.",
        "",
        "| " + " | ".join(names) + " |",
        "|" + "---|" * len(names),
        *("| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows),
        "",
        ", ".join(f"{name} {version}" for name, version in sorted(result["versions"].items()))
        + ".",
        "",
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "signals.md").write_text("\n".join(text), encoding="utf-8")
    (options.out / "signals.json").write_text(
        json.dumps(result, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    print("\n".join(text))


if __name__ == "__main__":
    main()
