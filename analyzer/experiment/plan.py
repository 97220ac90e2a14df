"""`analyzer experiment plan`: how many units and days an experiment needs, from past outcomes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import pyarrow as pa

from analyzer.design import Metric
from analyzer.experiment.comparing import compared
from analyzer.experiment.known import Known
from analyzer.experiment.planned_error import variance_at, with_its_error
from analyzer.experiment.registration import Registration, design_digest
from analyzer.policy import Experiments
from analyzer.stats.planning import margin_sample_size, reach, sequence_factor, tail
from analyzer.stats.power import sample_size, smallest_detectable_difference
from analyzer.stats.result import Estimate, Result, Undefined, point
from analyzer.window import date

LONGEST = 365
"""Days beyond which an experiment is said to have no solution."""


@dataclass(frozen=True)
class Need:
    """What one metric needs. level: its value. deviation: SD of a unit over it (CUPED taken off;
    `explained` says how much). units: of both arms for the one test at the end; sequence: to be
    read at any time; days until the units of `sequence` are there.
    """

    metric: str
    role: str
    level: float
    deviation: Result
    explained: float
    effect: float
    units: Result
    sequence: Result
    days: Result


@dataclass(frozen=True)
class Plan:
    """Per metric what it needs, and the smallest lift of the primary metric that would be found
    with the policy's power by day (1, 2, ..), read at any time.
    """

    primary: str
    per_day: Result
    weight: float
    needs: tuple[Need, ...]
    detectable: tuple[tuple[int, float], ...]
    days: Result
    n_star: Result


def plan(known: Known, limits: Experiments, min_effect: float | None = None) -> Plan:
    """Plan from outcomes of the past, whichever arms served them: how units vary, how many come.

    A metric's variance is that of both arms' units as if they were one. Units come as fast as on
    the average day of `known`. min_effect: smallest relative lift worth finding, by default the
    policy's. No solution is said, never 0.
    """
    design = known.design
    effect = limits.min_effect if min_effect is None else min_effect
    per_day = _per_day(known)
    needs = tuple(
        _need(known, name, metric, limits, effect, per_day)
        for name, metric in design.metrics.items()
    )
    main = next(need for need in needs if need.metric == design.primary)
    days = main.days
    if isinstance(days, Estimate):
        length = max(days.value, float(limits.min_days))
        days = point(length, days.n, f"at least {limits.min_days} days")
    n_star = main.sequence
    if isinstance(n_star, Estimate) and isinstance(days, Estimate):
        reached = per_day.value * days.value if isinstance(per_day, Estimate) else 0.0
        n_star = point(max(n_star.value, math.ceil(reached)), n_star.n, "planned units")
    return Plan(
        design.primary,
        per_day,
        design.weight,
        needs,
        _detectable(design.metrics[design.primary], main, limits, per_day, design.weight),
        days,
        n_star,
    )


def _per_day(known: Known) -> Result:
    """Units first seen on an average day."""
    counts = {day: sum(two) for day, two in known.units_by_day().items()}
    if not counts:
        return Undefined("no unit was seen")
    length = max(counts) + 1 - min(counts)
    return point(sum(counts.values()) / length, length, "units first seen a day")


def _need(
    known: Known,
    name: str,
    metric: Metric,
    limits: Experiments,
    effect: float,
    per_day: Result,
) -> Need:
    found = _deviation(known, metric)
    if isinstance(found, Undefined):
        return Need(name, metric.role, 0.0, found, 0.0, effect, found, found, found)
    level, deviation, explained, n = found
    weight = known.design.weight
    if metric.role == "guard rail" and metric.margin is not None:
        effect = metric.margin
    side = _side(metric)

    def needed(alpha: float, z: float) -> Result:
        grown = variance_at(metric, effect, level, weight, z, limits.power)
        return _units(metric, deviation**2 * grown, effect, alpha, limits.power, weight)

    once = needed(limits.final_alpha, tail(limits.final_alpha, side))
    sequence = needed(limits.sequence_alpha, reach(limits.sequence_alpha, side))
    if isinstance(sequence, Estimate):
        factor = sequence_factor(limits.sequence_alpha, limits.power, side)
        sequence = point(math.ceil(sequence.value * factor), sequence.n, "always-valid")
    return Need(
        name,
        metric.role,
        level,
        point(deviation, n, "SD of a unit over the value"),
        explained,
        effect,
        once,
        sequence,
        _days(sequence, per_day),
    )


def _side(metric: Metric) -> Literal["both", "greater"]:
    return "greater" if metric.role == "guard rail" else "both"


def _units(
    metric: Metric, variance: float, effect: float, alpha: float, power: float, weight: float
) -> Result:
    """Units of both arms for one test: of a guard rail, to show that there is no harm."""
    if math.isinf(variance):
        return Undefined("no solution: with that effect the share would leave 0 to 1")
    if metric.role == "guard rail":
        return margin_sample_size(variance, effect, 0.0, alpha, power, weight)
    return sample_size(variance, effect, alpha, power, weight)


def _deviation(known: Known, metric: Metric) -> tuple[float, float, float, float] | Undefined:
    """The metric's value, SD of a unit's contribution over it, what covariates explain, n."""
    both = compared(_pooled(known), metric)
    found, level = both.lift.at(0), both.champion[0]
    if isinstance(found, Undefined):
        return found
    if not (found.error > 0 and level is not None):
        return Undefined("the metric does not vary", found.n)
    # both arms are the same units: twice the variance of one, each of half the counted units
    deviation = found.error * math.sqrt(found.n) / 2
    return level, deviation, found.covariates_explain, found.n / 2


def _pooled(known: Known) -> Known:
    """The same with every unit in both arms: no effect, and all the units there are."""
    tables = {
        name: _doubled(table) if name in ("unit_bins", "event_bins", "unit_clusters") else table
        for name, table in known.tables.items()
    }
    return replace(known, totals=known.totals.pooled(), tables=tables)


def _doubled(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("arm")
    arms = [pa.array([arm] * table.num_rows, table.schema.field("arm").type) for arm in (0, 1)]
    return pa.concat_tables([table.set_column(place, "arm", [arm]) for arm in arms])


def _days(units: Result, per_day: Result) -> Result:
    if isinstance(units, Undefined):
        return units
    if isinstance(per_day, Undefined):
        return per_day
    days = math.ceil(units.value / per_day.value) if per_day.value > 0 else math.inf
    if days > LONGEST:
        return Undefined(f"no solution within {LONGEST} days at {per_day.value:,.0f} units a day")
    return point(float(days), units.value, "at the units of an average day")


def _detectable(
    metric: Metric, need: Need, limits: Experiments, per_day: Result, weight: float
) -> tuple[tuple[int, float], ...]:
    if not isinstance(need.deviation, Estimate) or not isinstance(per_day, Estimate):
        return ()
    found = []
    factor = math.sqrt(sequence_factor(limits.sequence_alpha, limits.power))
    z = reach(limits.sequence_alpha, "both")
    for day in range(1, 61):
        n = per_day.value * day
        if n <= 1:
            continue
        error = need.deviation.value / math.sqrt(n * weight * (1 - weight))
        least = smallest_detectable_difference(error, limits.sequence_alpha, limits.power)
        if isinstance(least, Estimate):
            lift = with_its_error(metric, least.value * factor, need.level, weight, z, limits.power)
            if lift is not None:
                found.append((day, lift))
    return tuple(found)


def register(
    rollout: str, known: Known, found: Plan, limits: Experiments, start: int, min_effect: float
) -> Registration | Undefined:
    """The plan as it is promised, from `start` (days since 1970, UTC) on. Undefined where the
    plan has no solution.
    """
    if isinstance(found.days, Undefined):
        return found.days
    if isinstance(found.n_star, Undefined):
        return found.n_star
    design = known.design
    once = next(need.units for need in found.needs if need.metric == found.primary)
    end = start + math.ceil(found.days.value)
    return Registration(
        rollout=rollout,
        primary=design.primary,
        design=design_digest(design),
        weight=design.weight,
        weight_reason=design.weight_reason,
        min_effect=min_effect,
        alpha=limits.alpha,
        power=limits.power,
        sequence_alpha=limits.sequence_alpha,
        final_alpha=limits.final_alpha,
        n_star=int(found.n_star.value),
        start=date(start),
        end=date(end),
        n_final=int(once.value) if isinstance(once, Estimate) else None,
    )
