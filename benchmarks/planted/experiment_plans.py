"""Do experiments of the planned size find the planned effect, and how soon do they decide?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from analyzer.design import Experiment, Metric
from analyzer.experiment.known import Known
from analyzer.experiment.plan import Need, plan
from analyzer.experiment.readings import Errors, Reading, reading
from analyzer.stats.result import Estimate, Result
from benchmarks.planted.trial_counts import counted, drawn, rate_design
from benchmarks.planted.trial_units import FIRST, known_of
from benchmarks.planted.trial_worlds import POLICY, World, design_of

LIMITS = POLICY.experiment
PAST = 200_000
"""Units of the past that a plan is made from; a hundred times as many of shares."""

WORLD = World(skill=0.4, tail=0.3)


@dataclass(frozen=True)
class Planned:
    """A metric, the lift that is planned and planted, and how a test of n units is drawn with a
    lift on so many days (units are seen on one day each).
    """

    design: Experiment
    metric: str
    effect: float
    draw: Callable[[Generator, int, float, int], Known]
    past: int = PAST
    harm: bool = False


def _of_units(design: Experiment, metric: str, effect: float, world: World) -> Planned:
    def draw(rng: Generator, n: int, lift: float, days: int) -> Known:
        weights = (design.weight,) * days
        here = replace(world, per_day=-(-n // days), weights=weights, lift=lift, returning=0.0)
        return known_of(design, here.draw(rng))

    return Planned(design, metric, effect, draw)


def _of_rates(design: Experiment, rate: float, effect: float) -> Planned:
    def draw(rng: Generator, n: int, lift: float, days: int) -> Known:
        rates = (rate, rate * (1 + lift))
        weights = (design.weight,) * days
        return counted(design, *drawn(rng, -(-n // days), weights, rates))

    return Planned(design, "conversion", effect, draw, 100 * PAST)


def _guard_rail() -> Planned:
    rail = Metric(kind="proportion", role="guard rail", better="lower", margin=0.1, value="orders")
    design = design_of(all=Metric(role="primary", kind="count"), conversion=rail)
    return replace(_of_rates(design, 0.02, 0.0), harm=True)


PLANS = {
    "a mean with a covariate, + 15 %": _of_units(design_of("revenue"), "revenue", 0.15, WORLD),
    "a mean, 80 / 20, + 20 %": _of_units(
        design_of(weight=0.2, plain=Metric(role="primary", value="revenue")),
        "plain",
        0.2,
        WORLD,
    ),
    "a ratio, + 5 %": _of_units(
        design_of(
            basket=Metric(kind="ratio", role="primary", value="revenue", denominator="orders")
        ),
        "basket",
        0.05,
        WORLD,
    ),
    "a share of 5 %, + 2 %": _of_rates(rate_design(), 0.05, 0.02),
    "a share of 0.1 %, 99 / 1, + 20 %": _of_rates(rate_design(0.01), 0.001, 0.2),
    "a guard rail of 2 %, margin 10 %, no harm": _guard_rail(),
}


def powers(seed: int, runs: int) -> list[dict[str, object]]:
    """Share of experiments of the planned size that find what was planned: the one test at its
    size, and the sequence at its own.
    """
    found: list[dict[str, object]] = []
    for number, (name, planned) in enumerate(PLANS.items()):
        rng = np.random.default_rng([seed, 10, number])
        need = _need(planned, rng)
        once, sequence = _whole(need.units), _whole(need.sequence)
        found.append(
            {
                "plan": name,
                "runs": runs,
                "units": once,
                "once": sum(_finds(planned, rng, once, True) for _ in range(runs)),
                "units of the sequence": sequence,
                "sequence": sum(_finds(planned, rng, sequence, False) for _ in range(runs)),
            }
        )
    return found


def _whole(units: Result) -> int:
    assert isinstance(units, Estimate), units
    return int(units.value)


def _need(planned: Planned, rng: Generator) -> Need:
    past = planned.draw(rng, planned.past, 0.0, 1)
    made = plan(past, LIMITS, planned.effect or None)
    return next(need for need in made.needs if need.metric == planned.metric)


def _finds(planned: Planned, rng: Generator, n: int, once: bool) -> bool:
    known = planned.draw(rng, n, planned.effect, 1)
    said = reading(known, planned.metric, _errors(n, once))
    return _decided(planned, said, once)


def _errors(n: int, ended: bool) -> Errors:
    return Errors(n, LIMITS.sequence_alpha, LIMITS.final_alpha, ended)


def _decided(planned: Planned, said: Reading, once: bool) -> bool:
    if planned.harm:
        assert said.margin is not None
        return isinstance(said.harm, Estimate) and said.harm.high < said.margin
    result = said.final if once else said.lift
    return isinstance(result, Estimate) and result.low > 0


def decisions(seed: int, runs: int) -> list[dict[str, object]]:
    """Units at which the sequence, read on 28 days, is certain of a lift as planned or other; of
    those that never are, all. Beside it the units of one test with the same power.
    """
    planned, days = PLANS["a share of 5 %, + 2 %"], 28
    found: list[dict[str, object]] = []
    for number, times in enumerate((0.0, 0.5, 1.0, 1.5, 2.0)):
        rng = np.random.default_rng([seed, 11, number])
        need = _need(planned, np.random.default_rng([seed, 11]))
        n_star, once = _whole(need.sequence), _whole(need.units)
        at = []
        for _ in range(runs):
            known = planned.draw(rng, n_star, planned.effect * times, days)
            at.append(_first(planned, known, n_star, days))
        certain = [n for n in at if n is not None]
        mean = float(np.mean([n_star if n is None else n for n in at]))
        found.append(
            {
                "lift": planned.effect * times,
                "runs": runs,
                "decided": len(certain),
                "mean": mean,
                "median": float(np.median([n_star if n is None else n for n in at])),
                "once": once,
                "n_star": n_star,
            }
        )
    return found


def _first(planned: Planned, known: Known, n_star: int, days: int) -> float | None:
    """Units of both arms when the sequence first was certain."""
    for day in range(1, days + 1):
        said = reading(known.at(FIRST + day), planned.metric, _errors(n_star, False))
        if isinstance(said.lift, Estimate) and (said.lift.low > 0 or said.lift.high < 0):
            return said.units
    return None
