"""Units that do not come as split: false alarms along ramps, and how soon a loss is found."""

from __future__ import annotations

import numpy as np

from analyzer.experiment.split import days_of, sample_ratio
from analyzer.stats.result import Estimate
from benchmarks.planted.trial_counts import counted, rate_design
from benchmarks.planted.trial_units import FIRST, Ints
from benchmarks.planted.trial_worlds import POLICY, promised, ramp, read

RAMPS = {
    "50 / 50": (0.5,) * 14,
    "99 / 1": (0.01,) * 14,
    "1, 5, 10, 25, 50 %": (0.01,) * 2 + (0.05,) * 2 + (0.1,) * 3 + (0.25,) * 3 + (0.5,) * 4,
    "5, 50, 5, 50 %": (0.05,) * 3 + (0.5,) * 4 + (0.05,) * 3 + (0.5,) * 4,
}
LOSSES = {0.1: 10_000, 0.03: 150_000, 0.01: 1_500_000}
"""A lost share of the challenger's units, and the units of both arms by which it should show."""

DAYS = 14


def false_alarms(seed: int, runs: int) -> list[dict[str, object]]:
    """Units that come as split, read every day: how often is a test called invalid?"""
    design = rate_design()
    found: list[dict[str, object]] = []
    for number, (name, weights) in enumerate(RAMPS.items()):
        rng = np.random.default_rng([seed, 8, number])
        diary = ramp(weights)
        invalid = 0
        for _ in range(runs):
            units = _arrivals(rng, rng.poisson(float(rng.uniform(50, 20_000)), DAYS), weights, 0.0)
            known = counted(design, units, units // 20)
            # the smallest p of all looks: reading on the last day is reading on every day
            said = read(known, promised(design, 100_000, DAYS), diary)
            invalid += said.valid == "invalid"
        found.append({"ramp": name, "runs": runs, "invalid": invalid})
    return found


def _arrivals(
    rng: np.random.Generator, per_day: Ints, weights: tuple[float, ...], lost: float
) -> Ints:
    """Units (days, 2); of the challenger's a share is lost."""
    challenger = rng.binomial(per_day, weights)
    kept = rng.binomial(challenger, 1 - lost)
    return np.column_stack((per_day - challenger, kept)).astype(np.int64)


def losses(seed: int, runs: int) -> list[dict[str, object]]:
    """A share of the challenger's units is lost: by how many units of both arms is it found?"""
    level, looks = POLICY.experiment.sample_ratio_level, 20
    found: list[dict[str, object]] = []
    for number, (lost, due) in enumerate(LOSSES.items()):
        rng = np.random.default_rng([seed, 9, number])
        design = rate_design()
        at: list[float] = []
        for _ in range(runs):
            per_day = np.full(2 * looks, round(due / looks / (1 - lost / 2)))
            units = _arrivals(rng, per_day, (0.5,) * len(per_day), lost)
            known = counted(design, units, units // 20)
            days = days_of([], range(FIRST, FIRST + len(units)), 0.5)
            at.append(float("inf"))
            for day in range(1, len(units) + 1):
                p = sample_ratio(known.at(FIRST + day), days)
                if isinstance(p, Estimate) and p.value <= level:
                    at[-1] = float(units[:day].sum())
                    break
        found.append(
            {
                "lost": lost,
                "by": due,
                "runs": runs,
                "found": int(np.sum(np.array(at) <= due)),
                "median": float(np.median(at)),
                "90 %": float(np.quantile(at, 0.9, method="higher")),
            }
        )
    return found
