"""Simulated A/B tests: how units behave, what is promised of the test, what the gate says of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator

from analyzer import policy
from analyzer.config import Log, Rollout
from analyzer.design import Experiment, Metric
from analyzer.diary import Event
from analyzer.experiment.analysis import Analysis, analyze
from analyzer.experiment.known import Known
from analyzer.experiment.registration import Registration, design_digest
from analyzer.phases.gate import Material
from analyzer.phases.trial import trial_checks
from analyzer.verdict import Check
from analyzer.window import DAY, Window, show
from benchmarks.planted.trial_units import FIRST, Floats, Trial

POLICY = policy.load()
METRICS = {
    "revenue": Metric(role="primary", value="revenue", covariate="before"),
    "conversion": Metric(kind="proportion", value="orders"),
    "basket": Metric(kind="ratio", value="revenue", denominator="orders"),
    "complaints": Metric(role="guard rail", better="lower", value="complaints", margin=0.6),
}


def design_of(*metrics: str, weight: float = 0.5, **more: Metric) -> Experiment:
    """An experiment with some of the metrics, and others."""
    return Experiment(
        outcomes=["outcomes/*.parquet"],
        champion="A",
        challenger="B",
        weight=weight,
        weight_reason="" if weight == 0.5 else "simulated",
        metrics={**{name: METRICS[name] for name in metrics}, **more},
    )


@dataclass(frozen=True)
class World:
    """How many units come a day and what they do.

    weights: the challenger's share of new units by day. returning: chance that a unit comes on a
    later day. skill: SD of the log of a unit's rate of orders, which `before` tells of. tail: SD
    of the log of a price. level: factor of revenue by day. lift: of the challenger's revenue,
    `fading` times e every so many days since exposure. missing: share of units without `before`;
    told: whether `before` tells of a unit's skill at all.
    """

    per_day: int = 300
    weights: tuple[float, ...] = (0.5,) * 14
    returning: float = 0.3
    skill: float = 0.7
    tail: float = 0.5
    level: tuple[float, ...] = (1.0,)
    lift: float = 0.0
    fading: float = float("inf")
    missing: float = 0.1
    told: bool = True

    def draw(self, rng: Generator) -> Trial:
        """One trial."""
        days = len(self.weights)
        n = self.per_day * days
        exposed = np.repeat(np.arange(days), self.per_day)
        arm = (rng.random(n) < np.array(self.weights)[exposed]).astype(np.int64)
        day = np.arange(days)
        active = (rng.random((n, days)) < self.returning) & (day > exposed[:, None])
        active[np.arange(n), exposed] = True
        skill = np.exp(self.skill * rng.standard_normal(n) - self.skill**2 / 2)
        before = 10 * (skill if self.told else rng.permutation(skill)) * rng.gamma(4, 0.25, n)
        before[rng.random(n) < self.missing] = np.nan
        unit, at = np.nonzero(active)
        orders = np.zeros((n, days))
        orders[unit, at] = rng.poisson(0.5 * skill[unit])
        price = np.exp(self.tail * rng.standard_normal(len(unit)) - self.tail**2 / 2)
        since = at - exposed[unit]
        effect = 1 + self.lift * np.exp(-since / self.fading) * arm[unit]
        level = np.resize(np.array(self.level), days)[at]
        revenue = np.zeros((n, days))
        revenue[unit, at] = np.round(10 * price * effect * level * orders[unit, at], 2)
        complaints = np.zeros((n, days))
        complaints[unit, at] = rng.random(len(unit)) < 0.05
        values = {"revenue": revenue, "orders": orders, "complaints": complaints}
        return Trial(arm, exposed, active, values, {"before": before})


def promised(design: Experiment, n_star: float, days: int, **errors: float) -> Registration:
    """A registration from the first day on. errors: other than the policy's."""
    limits = POLICY.experiment
    first, end = (str(np.datetime64(FIRST + day, "D")) for day in (0, days))
    return Registration(
        rollout="planted",
        primary=design.primary,
        design=design_digest(design),
        weight=design.weight,
        weight_reason=design.weight_reason,
        min_effect=limits.min_effect,
        alpha=limits.alpha,
        power=limits.power,
        sequence_alpha=errors.get("sequence_alpha", limits.sequence_alpha),
        final_alpha=errors.get("final_alpha", limits.final_alpha),
        n_star=int(n_star),
        start=first,
        end=end,
    )


def read(known: Known, promise: Registration, events: Sequence[Event] = ()) -> Analysis:
    """What `experiment analyze` says."""
    return analyze(known, promise, POLICY.experiment, events)


@dataclass
class _Profiles:
    """In the place of a store's profiles: the gate asks them for the analysis that was made."""

    analysis: Analysis
    window: Window = field(default_factory=lambda: Window(FIRST * DAY, (FIRST + 14) * DAY))

    def remember(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The analysis, whatever it is called."""
        return self.analysis


def checks_of(analysis: Analysis, known: Known, events: Sequence[Event] = ()) -> list[Check]:
    """The experiment's checks in the gate of the A/B test."""
    rollout = Rollout(
        name="planted",
        champion=Log(paths=["champion"]),
        challenger=Log(paths=["challenger"]),
        experiment=known.design,
    )
    profiles: Any = _Profiles(analysis)
    as_of = known.as_of * DAY
    return trial_checks(
        Material(rollout, POLICY, profiles, [], as_of, FIRST * DAY, "ab", events=events)
    )


def decision(checks: Sequence[Check]) -> str:
    """What the checks come to: promote, harm (roll back), invalid or wait."""
    outcomes = {check.outcome for check in checks}
    if "invalid" in outcomes:
        return "invalid"
    if any(check.outcome == "fail" and check.on_fail == "roll back" for check in checks):
        return "harm"
    return "promote" if outcomes == {"pass"} else "wait"


def ramp(weights: Sequence[float]) -> list[Event]:
    """The diary of weights by day, where they change."""
    return [
        Event(ts=show((FIRST + day) * DAY), kind="weight", challenger_weight=weight)
        for day, weight in enumerate(weights)
        if day == 0 or weights[day - 1] != weight
    ]


def share(hits: int, of: int) -> str:
    """A share with its standard error in percent."""
    p = hits / of
    return f"{100 * p:.2f} % (SE {100 * np.sqrt(max(p * (1 - p), 1e-12) / of):.2f})"


def half_width(error: Floats, n: Floats, n_star: float, alpha: float) -> Floats:
    """Half width of the always-valid interval by its formula, written out again."""
    rho = (-2 * np.log(alpha) + np.log(1 - 2 * np.log(alpha))) / n_star
    found: Floats = error * np.sqrt((n * rho + 1) / (n * rho) * np.log((n * rho + 1) / alpha**2))
    return found
