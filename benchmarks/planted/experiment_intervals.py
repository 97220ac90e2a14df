"""Do intervals hold what they promise, how wide are they, and what do covariates gain?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from analyzer.design import Metric
from analyzer.experiment.known import Known
from analyzer.experiment.readings import Errors, reading
from analyzer.stats.result import Estimate, Result
from analyzer.stats.units import UnitMoments
from benchmarks.planted.trial_counts import counted, drawn, rate_design
from benchmarks.planted.trial_units import FIRST, known_of
from benchmarks.planted.trial_worlds import World, design_of, half_width

DAYS = 14
ALPHA = 0.05
LOOKS = (3, 7, 14)
"""Days after which tests of units are read; tests of counts are read every day."""

EVERY_KIND = design_of(
    "revenue",
    "basket",
    plain=Metric(value="revenue"),
    conversion=Metric(kind="proportion", value="orders"),
    events=Metric(kind="count"),
    median=Metric(kind="quantile", value="revenue"),
    p90=Metric(kind="quantile", value="revenue", quantile=0.9),
    order=Metric(kind="quantile", of="events", value="revenue", ignore_zeros=True),
    order_p90=Metric(
        kind="quantile", of="events", value="revenue", quantile=0.9, ignore_zeros=True
    ),
)
LIFTED = {"revenue", "basket", "plain", "median", "p90", "order", "order_p90"}
"""Metrics that a lift of revenue lifts as much."""


@dataclass
class Kept:
    """How often intervals held the truth: the one at the end, and the sequence at every look.

    halves: widths of the sequence at the end over those by the formula, with a true error.
    """

    once: list[bool] = field(default_factory=list)
    always: list[bool] = field(default_factory=list)
    halves: list[float] = field(default_factory=list)

    def row(self, name: str) -> dict[str, object]:
        """For the table."""
        return {
            "metric": name,
            "runs": len(self.once),
            "once": sum(self.once),
            "read": len(self.always),
            "always": sum(self.always),
            "width": float(np.mean(self.halves)) if self.halves else None,
        }


def _holds(result: Result, truth: float) -> bool:
    return not isinstance(result, Estimate) or result.low <= truth <= result.high


def _look(
    kept: Kept,
    known: Known,
    name: str,
    truth: float,
    days: Iterable[int],
    n: float,
    apart: float | None = None,
) -> None:
    """Read one metric of a test after each of the days, the last of which is the end. truth: its
    true lift; apart: its true difference, where that is checked too.
    """
    held = True
    for day in days:
        errors = Errors(n, ALPHA, ALPHA, day == DAYS)
        found = reading(known.at(FIRST + day), name, errors)
        held = held and _holds(found.lift, truth)
        held = held and (apart is None or _holds(found.difference, apart))
    if isinstance(found.final, Estimate):
        kept.once.append(_holds(found.final, truth))
    kept.always.append(held)


def coverage(seed: int, runs: int) -> list[dict[str, object]]:
    """Every kind of metric, with and without effect, with heavy tails."""
    found = []
    worlds = {
        "a lift of 0": World(),
        "a lift of 20 %": World(lift=0.2),
        "heavy tails, a lift of 20 %": World(tail=1.5, lift=0.2),
        "99 / 1, 30,000 units": World(per_day=2143, weights=(0.01,) * DAYS),
        "users who come often and differ much, a lift of 20 %": World(
            returning=0.8, skill=1.2, tail=1.0, lift=0.2
        ),
    }
    for number, (world, behaviour) in enumerate(worlds.items()):
        rng = np.random.default_rng([seed, 4, number])
        kept = {name: Kept() for name in EVERY_KIND.metrics}
        for _ in range(runs if behaviour.per_day < 1000 else runs // 5):
            known = known_of(EVERY_KIND, behaviour.draw(rng))
            n = behaviour.per_day * DAYS
            for name, one in kept.items():
                truth = behaviour.lift if name in LIFTED else 0.0
                _look(one, known, name, truth, LOOKS, n)
        found += [one.row(f"{name}, {world}") for name, one in kept.items()]
    return found


def shares(seed: int, runs: int) -> list[dict[str, object]]:
    """Shares of units, down to one in a thousand and splits of 99 / 1."""
    found = []
    for number, (rate, weight, per_day, lift) in enumerate(
        [
            (0.001, 0.5, 20_000, 0.0),
            (0.001, 0.5, 20_000, 0.2),
            (0.05, 0.01, 20_000, 0.0),
            (0.05, 0.01, 20_000, 0.1),
            (0.001, 0.01, 600_000, 0.0),
        ]
    ):
        rng = np.random.default_rng([seed, 5, number])
        kept, design = Kept(), rate_design(weight)
        for _ in range(runs):
            rates = (rate, rate * (1 + lift))
            units, hits = drawn(rng, per_day, (weight,) * DAYS, rates)
            known = counted(design, units, hits)
            n = per_day * DAYS
            _look(kept, known, "conversion", lift, range(1, DAYS + 1), n, rates[1] - rates[0])
            if not lift:  # then its error is that of equal rates, as the formula has it
                said = reading(known, "conversion", Errors(n, ALPHA, ALPHA, True)).difference
                error = np.sqrt(rate * (1 - rate) * (1 / units.sum(axis=0)).sum())
                true = half_width(error, np.float64(n), n, ALPHA)
                if isinstance(said, Estimate):
                    kept.halves.append((said.high - said.low) / 2 / float(true))
        split = f"{100 * (1 - weight):g} / {100 * weight:g}"
        found.append(kept.row(f"a share of {100 * rate:g} %, {split}, a lift of {100 * lift:g} %"))
    return found


def widths(seed: int, runs: int) -> dict[str, object]:
    """The sequence of a mean at the planned end, over the formula with the error that units drawn
    over all runs have.
    """
    design, world = design_of("revenue", plain=Metric(value="revenue")), World()
    rng = np.random.default_rng([seed, 6])
    whole: UnitMoments | None = None
    halves = []
    n = world.per_day * DAYS
    for _ in range(runs):
        known = known_of(design, world.draw(rng))
        for moments in known.moments_of(("revenue",)).values():
            whole = moments if whole is None else whole + moments
        said = reading(known, "plain", Errors(n, ALPHA, ALPHA, True)).difference
        if isinstance(said, Estimate):
            halves.append((said.high - said.low) / 2)
    assert whole is not None
    error = np.sqrt(whole.scatter[0, 0] / whole.n) * 2 / np.sqrt(n)
    true = float(half_width(error, np.float64(n), n, ALPHA))
    return {"runs": runs, "width": float(np.mean(halves)) / true}


def covariates(seed: int, runs: int) -> list[dict[str, object]]:
    """Variance of the lift with and without a covariate, over runs, and what was predicted."""
    worlds = {
        "`before` tells much (skill 1.2)": World(skill=1.2, missing=0.0),
        "`before` tells some": World(missing=0.0),
        "some, 40 % of units without `before`": World(missing=0.4),
        "some, 90 / 10": World(weights=(0.1,) * DAYS, missing=0.0),
        "`before` tells nothing": World(told=False),
    }
    found = []
    for number, (name, world) in enumerate(worlds.items()):
        rng = np.random.default_rng([seed, 7, number])
        design = design_of("revenue", plain=Metric(value="revenue"))
        pairs, predicted = [], []
        for _ in range(runs):
            known = known_of(design, world.draw(rng))
            errors = Errors(world.per_day * DAYS, ALPHA, ALPHA, True)
            one, plain = (reading(known, metric, errors) for metric in ("revenue", "plain"))
            if isinstance(one.difference, Estimate) and isinstance(plain.difference, Estimate):
                pairs.append((one.difference.value, plain.difference.value))
                predicted.append(one.explained)
        adjusted, bare = np.array(pairs).T
        ratio = float(np.var(adjusted) / np.var(bare))
        spread = 2 * np.sqrt((1 - np.corrcoef(adjusted, bare)[0, 1] ** 2) / len(pairs)) * ratio
        found.append(
            {
                "world": name,
                "runs": len(pairs),
                "predicted": float(1 - np.mean(predicted)),
                "found": ratio,
                "SE": float(spread),
            }
        )
    return found
