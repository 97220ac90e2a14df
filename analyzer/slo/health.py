"""Model health, no labels needed: the mean score, the volume of predictions, critical features.

Judged for the models that answer users; for a shadow the same is shown and decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analyzer.diary import Event
from analyzer.logs import SIDES, Side
from analyzer.measure import BLOCK_HOURS, feature_nulls, in_buckets, logged
from analyzer.phases.gate import Material, check, percent, share_with_interval
from analyzer.slo.history import Floats, History, Ints, by_hour, history
from analyzer.slo.shares import share
from analyzer.slo.volume import volume_checks
from analyzer.stats.dependence import combined_design_effect, design_effect
from analyzer.stats.level import Average, average_of_days, mean_change
from analyzer.stats.result import Estimate, Result, Undefined
from analyzer.verdict import Check
from analyzer.weeks import local_hours

DAY_HOURS = 24


def model_health_checks(
    material: Material, events: Sequence[Event], *, always_valid: bool = True
) -> list[Check]:
    """The model-health service levels over the material's window, from profiles.

    events: the diary, for the weights in force, holidays and incidents. Whoever answers users
    blocks; a shadow warns. always_valid: for a window that grows while it is read, as a phase does.
    """
    past = history(material.rollout, material.profiles, material.policy.slo, events)
    checks = []
    for side in SIDES:
        if by_hour(past.sums[side]["n"])[past.inside].any() or side in past.serving():
            checks += _of_model(material, past, side, always_valid)
    return [*volume_checks(material, past), *checks]


def _of_model(material: Material, past: History, side: Side, always_valid: bool) -> list[Check]:
    checks = []
    if material.rollout.score.type != "class":
        checks.append(_mean_score(material, past, side))
    features = material.rollout.features.critical
    return [*checks, *(_nulls(material, past, side, f, always_valid) for f in features)]


def severity(past: History, side: Side) -> str:
    """Whether a model's check decides: not while it is but a shadow."""
    return "block" if side in past.serving() else "warn"


def place(past: History, side: Side) -> str:
    """How a sentence names a model."""
    return side if side in past.serving() else f"{side} (a shadow)"


@dataclass(frozen=True, eq=False)
class _Usually:
    """The rolling average of a model's mean score; unit: what a change is a share of, the mean or
    the scores' standard deviation; course: the usual mean at each hour of the window.
    """

    average: Average
    unit: float
    course: Floats

    def today(self, mean: float) -> Average:
        """The average of a window with this mean: days differ by a share of their level, where
        that is the unit.
        """
        grown = mean / self.average.mean if self.unit == self.average.mean > 0 else 1.0
        return replace(self.average, of_a_day=self.average.of_a_day * max(1.0, grown) ** 2)


def _mean_score(material: Material, past: History, side: Side) -> Check:
    limits = material.policy.slo
    n, totals, squares = _scores(material, past, side)
    usually = _usually(material, past, n, totals, squares)
    inside = past.inside
    size, total = float(n[inside].sum()), float(totals[inside].sum())
    result: Result
    if isinstance(usually, Undefined):
        result = usually
    elif not size:
        result = Undefined(f"the {side} logged no usable score in the window")
    else:
        variance = max(float(squares[inside].sum()) / size - (total / size) ** 2, 0.0)
        average = usually.today(total / size)
        hours = np.arange(0, len(usually.course), BLOCK_HOURS)
        course = np.nan_to_num(usually.course, nan=average.mean)
        usual = np.add.reduceat(n[inside] * course, hours)
        rows = np.add.reduceat(n[inside], hours)
        result = mean_change(
            np.add.reduceat(totals[inside], hours),
            rows,
            np.divide(usual, rows, out=np.full(len(rows), np.nan), where=rows > 0),
            average,
            usually.unit,
            variance * _units_effect(material, side, variance),
            max(1.0, float((n[inside] > 0).sum()) / DAY_HOURS),
            limits.confidence,
        )
    return check(
        material,
        f"model.mean_score.{side}",
        "model",
        "change of the mean score on its rolling average",
        result,
        "<=",
        limits.max_score_change,
        _score_sentence(material, past, side, result, usually, total / size if size else 0.0),
        severity=severity(past, side),
        counts={"scored": int(size)},
    )


def _score_sentence(
    material: Material,
    past: History,
    side: Side,
    result: Result,
    usually: _Usually | Undefined,
    mean: float,
) -> str:
    limits = material.policy.slo
    who = f"Mean score of the {place(past, side)}"
    if isinstance(usually, Undefined) or isinstance(result, Undefined):
        reason = result.reason if isinstance(result, Undefined) else ""
        return f"{who} on its average of {limits.score_days} days: cannot be said ({reason})."
    average = usually.average
    unit = "" if material.rollout.score.type == "probability" else " of the scores' SD"
    way = "above" if mean > average.mean else "below"
    stands = (
        f" The average stands on {average.days} of {limits.score_days} days."
        if average.days < limits.score_days
        else ""
    )
    return (
        f"{who}: {mean:.4g}, {share_with_interval(result)}{unit} {way} its average of "
        f"{limits.score_days} days, {average.mean:.4g}; within {percent(limits.max_score_change)} "
        f"is needed. Its days differ by {percent(average.of_a_day**0.5 / usually.unit)}{unit}."
        f"{stands}"
    )


def _scores(material: Material, past: History, side: Side) -> tuple[Ints, Floats, Floats]:
    """Usable scores by hour: how many, their sum, the sum of their squares."""
    frozen = material.profiles.frozen
    sums = past.sums[side]
    nothing = np.zeros(past.hours * 60, dtype=np.int64)
    n = by_hour(sums["n"] - sums.get("nulls", nothing))
    totals, squares = (
        by_hour(sums.get(name, nothing)).astype(np.float64) * frozen.quantum
        for name in ("score_sum", "score_squares")
    )
    return n, totals, squares * frozen.scale


def _usually(
    material: Material, past: History, n: Ints, totals: Floats, squares: Floats
) -> _Usually | Undefined:
    """Over the ordinary hours of the days before the window, at the window's hours of the day."""
    limits = material.policy.slo
    keys, _ = local_hours(past.start, past.hours, past.zone)
    of_day = keys % DAY_HOURS
    end = past.inside.start
    span = slice(max(0, end - limits.score_days * DAY_HOURS), end)
    asked = np.isin(of_day[span], of_day[past.inside])
    used = past.ordinary[span] & asked & (n[span] > 0)
    rows, sums = np.where(used, n[span], 0), np.where(used, totals[span], 0.0)
    day = (np.arange(span.start, end) - end) // DAY_HOURS + limits.score_days
    found = average_of_days(np.bincount(day, weights=sums), np.bincount(day, weights=rows))
    days = int(found.n) if isinstance(found, Undefined) else found.days
    if isinstance(found, Undefined) or days < limits.min_score_days:
        return Undefined(
            f"{days} ordinary days with scores before the window, {limits.min_score_days} needed"
        )
    spread = float(np.where(used, squares[span], 0.0).sum() / rows.sum()) - found.mean**2
    hourly = [np.bincount(of_day[span], weights=x, minlength=DAY_HOURS) for x in (rows, sums)]
    course = np.divide(hourly[1], hourly[0], out=np.full(DAY_HOURS, np.nan), where=hourly[0] > 0)
    positive = material.rollout.score.type == "probability"
    unit = found.mean if positive else max(spread, 0.0) ** 0.5
    return _Usually(found, unit, course[of_day[past.inside]])


def _units_effect(material: Material, side: Side, variance: float) -> float:
    """Users return: how much wider a mean score is than its rows suggest."""
    buckets = in_buckets(material.profiles, side)
    if not buckets or not buckets["n"].sum() or "score_sum" not in buckets:
        return 1.0
    found = design_effect(
        buckets["score_sum"] * material.profiles.frozen.quantum,
        buckets["n"] - buckets["nulls"],
        variance,
    )
    return combined_design_effect(found, minimum_blocks=2)


def _nulls(
    material: Material, past: History, side: Side, feature: str, always_valid: bool
) -> Check:
    limits = material.policy.slo
    other: Side = "challenger" if side == "champion" else "champion"
    model = side if logged(material.profiles, side, feature) else other
    sums = feature_nulls(material.profiles, model, feature)
    found = share(sums["nulls"], sums["n"], confidence=limits.confidence, always_valid=always_valid)
    result: Result = found.result if found.n else Undefined("no model logs it in this window")
    by = "" if model == side else f", as the {model} logged it"
    said = f"{found.bad:,} of {found.n:,} are NULL or NaN: " if isinstance(result, Estimate) else ""
    return check(
        material,
        f"model.null_share.{feature}.{side}",
        "model",
        "null share of a critical feature",
        result,
        "<",
        limits.max_critical_null_share,
        f"Critical feature {feature} of the {place(past, side)}{by}: {said}"
        f"{share_with_interval(result)}; below {percent(limits.max_critical_null_share)} is "
        "needed.",
        severity=severity(past, side),
        counts={"nulls": found.bad, "rows": found.n},
    )
