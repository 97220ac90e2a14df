"""Tests without effect, read every day; ramps; effects that wear off: what does the gate say?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from analyzer.diary import Event
from analyzer.experiment.known import Known
from analyzer.experiment.registration import Registration
from analyzer.stats.laws import norm_isf
from analyzer.stats.result import Estimate, Result
from benchmarks.planted.trial_counts import counted, drawn, rate_design
from benchmarks.planted.trial_units import known_of
from benchmarks.planted.trial_worlds import (
    World,
    checks_of,
    decision,
    design_of,
    promised,
    ramp,
    read,
)

DAYS = 14
METRICS = ("revenue", "conversion", "complaints")


@dataclass(frozen=True)
class Watched:
    """One test read every day. better, harm, invalid: whether some reading said so; naive: whether
    the interval for a single look, read every day, excluded 0 on some day, at 5 %.
    """

    better: bool
    harm: bool
    invalid: bool
    naive: bool


def watch(known: Known, promise: Registration, events: Sequence[Event] = ()) -> Watched:
    """Read a test after every day."""
    said: Counter[str] = Counter()
    for day in range(known.as_of - DAYS + 1, known.as_of + 1):
        then = known.at(day)
        analysis = read(then, promise, events)
        checks = checks_of(analysis, then, events)
        primary = next(check for check in checks if check.id == "experiment.primary")
        said.update([decision(checks), f"primary {primary.outcome}"])
    looks = [look.naive for look in analysis.looks]
    return Watched(
        said["primary pass"] > 0,
        said["harm"] > 0,
        said["invalid"] > 0,
        any(_excludes(look, promise.final_alpha) for look in looks),
    )


def _excludes(naive: Result, alpha: float) -> bool:
    """Whether a naive interval of another level excludes 0 at 5 %."""
    if not isinstance(naive, Estimate) or naive.high == naive.low:
        return False
    error = (naive.high - naive.low) / 2 / norm_isf(alpha / 2)
    return bool(abs(naive.value) > norm_isf(0.025) * error)


def _units(world: World) -> Callable[[Generator], Known]:
    design = design_of(*METRICS)
    return lambda rng: known_of(design, world.draw(rng))


def _rates(rate: float, weight: float, per_day: int) -> Callable[[Generator], Known]:
    design = rate_design(weight)
    return lambda rng: counted(design, *drawn(rng, per_day, (weight,) * DAYS, (rate, rate)))


WITHOUT_EFFECT = {
    "users who return, 50 / 50": (_units(World()), 1.0),
    "heavy tails (a price's log has SD 1.5)": (_units(World(tail=1.5)), 0.25),
    "users come on 8 days of 10, spend very unequally": (
        _units(World(returning=0.8, skill=1.2)),
        0.25,
    ),
    "a share of 0.1 %, 50 / 50": (_rates(0.001, 0.5, 20_000), 0.25),
    "a share of 5 %, 99 / 1": (_rates(0.05, 0.01, 20_000), 0.25),
    "a share of 0.1 %, 99 / 1": (_rates(0.001, 0.01, 600_000), 0.25),
}
"""How a test without effect is drawn, and on which part of the runs."""


def peeking(seed: int, runs: int) -> list[dict[str, object]]:
    """Tests without effect, read every day for 14 days."""
    found: list[dict[str, object]] = []
    for number, (name, (draw, part)) in enumerate(WITHOUT_EFFECT.items()):
        rng = np.random.default_rng([seed, 1, number])
        watched = []
        for _ in range(max(round(runs * part), 1)):
            known = draw(rng)
            n_star = sum(known.units().values())
            watched.append(watch(known, promised(known.design, n_star, DAYS)))
        found.append(
            {
                "world": name,
                "runs": len(watched),
                "better": sum(w.better for w in watched),
                "harm": sum(w.harm for w in watched),
                "either": sum(w.better or w.harm for w in watched),
                "invalid": sum(w.invalid for w in watched),
                "naive": sum(w.naive for w in watched),
            }
        )
    return found


def ramps(seed: int, runs: int) -> dict[str, object]:
    """A ramp 5 -> 50 % without effect, whose first days bring 1.5 times the revenue."""
    world = World(weights=(0.05,) * 4 + (0.5,) * 10, level=(1.5,) * 4 + (1.0,) * 10)
    design, diary = design_of(*METRICS), ramp(world.weights)
    promise = promised(design, world.per_day * 10, DAYS)
    rng = np.random.default_rng([seed, 2])
    said: Counter[str] = Counter()
    lifts, pooled = [], []
    for _ in range(runs):
        known = known_of(design, world.draw(rng))
        analysis = read(known, promise, diary)
        checks = checks_of(analysis, known, diary)
        primary = next(check for check in checks if check.id == "experiment.primary")
        said.update([decision(checks), f"primary {primary.outcome}"])
        lift = analysis.readings[0].final
        lifts.append(lift.value if isinstance(lift, Estimate) else 0.0)
        one, two = known.moments_of(("revenue",)).values()
        pooled.append(two.mean[0] / one.mean[0] - 1)
    return {
        "runs": runs,
        "better": said["primary pass"],
        "harm": said["harm"],
        "invalid": said["invalid"],
        "lift": float(np.mean(lifts)),
        "lift SE": float(np.std(lifts) / np.sqrt(runs)),
        "pooled": float(np.mean(pooled)),
    }


def novelties(seed: int, runs: int) -> list[dict[str, object]]:
    """Effects that last, and effects that fade within days, as the gate's check sees them."""
    found: list[dict[str, object]] = []
    worlds = {
        "no effect": World(returning=0.7),
        "an effect of 30 % that lasts": World(returning=0.7, lift=0.3),
        "150 % at first, a third of it after 3 days": World(returning=0.7, lift=1.5, fading=2.7),
    }
    for number, (name, world) in enumerate(worlds.items()):
        design = design_of("revenue", "complaints")
        rng = np.random.default_rng([seed, 3, number])
        outcomes: Counter[str] = Counter()
        for _ in range(runs):
            known = known_of(design, world.draw(rng))
            analysis = read(known, promised(design, world.per_day * DAYS, DAYS))
            checks = checks_of(analysis, known)
            one = next(check for check in checks if check.id == "experiment.novelty")
            outcomes["wears off" if "wears off:" in one.sentence else one.outcome] += 1
        found.append({"world": name, "runs": runs, "wears off": outcomes["wears off"]})
    return found
