"""The error budget of an objective: what is spent of it, and whether it burns too fast.

An alert needs two windows: over the long one it is worth waking somebody, and the short one says
that it goes on. It is a rule on counts, followed at every minute of the window; the intervals
beside it say how far the counts can be trusted. Where too few requests come to tell, it is
undecided.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from analyzer.phases.gate import Material, check, percent, share_with_interval
from analyzer.policy import Burn
from analyzer.profile import over
from analyzer.slo.history import History, Ints, by_hour
from analyzer.slo.shares import share
from analyzer.stats.budget import burn_rate, spent_by
from analyzer.stats.result import Estimate, Result, Undefined, estimate, point
from analyzer.verdict import Check, Observed, holds, observed
from analyzer.window import DAY, MINUTE, Window, show

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Alert:
    """A pair of windows. highest: the fastest that both burned at once in the window judged, a
    minute at a time; long, short: at its end. episodes: when it alerted, first to last minute.
    spends: share of the budget that is gone when it alerts. judged: share of the minutes that
    could be judged. course: the fastest of both at once in each hour, None where nobody can tell.
    """

    rate: float
    hours: int
    minutes: int
    alert: Literal["page", "ticket"]
    outcome: Literal["quiet", "alerted", "undecided"]
    highest: Observed
    long: Observed
    short: Observed
    spends: float
    judged: float
    episodes: list[tuple[str, str]]
    course: list[float | None]


@dataclass(frozen=True)
class Budget:
    """What an objective lets fail in `days`, and what has failed. stands_on: days with logs.

    spent, left: shares of the budget for the requests that came so far, left < 0 when overspent.
    """

    objective: str
    target: float
    days: int
    stands_on: float
    requests: int
    bad: int
    spent: Observed
    left: Observed
    alerts: list[Alert]


@dataclass(frozen=True)
class _Objective:
    """bad and all requests by minute; dark: by hour, of which nothing is known."""

    name: str
    words: str
    allowed: float
    bad: Ints
    n: Ints
    dark: Ints


def budgets(material: Material, past: History) -> tuple[list[Budget], list[Check]]:
    """The budgets of the error rate and of the latency limit, and their checks."""
    found: list[Budget] = []
    checks: list[Check] = []
    for objective in _objectives(material, past):
        result, budget = _budget(material, past, objective)
        found.append(budget)
        checks += _checks(material, objective, budget, result)
    return found, checks


def _objectives(material: Material, past: History) -> Iterator[_Objective]:
    limits = material.policy.slo
    n, failed = past.served("n"), past.served("errors")
    assert n is not None and failed is not None
    dark = past.unknown_errors
    words = f"{percent(limits.max_error_rate)} of requests may fail"
    yield _Objective("errors", words, limits.max_error_rate, failed, n, dark)
    timed, slow = past.served("latency_n"), past.served(over(limits.latency_limit_ms))
    if timed is None or slow is None or not timed.any():
        return
    allowed = round(1 - limits.latency_quantile, 12)
    words = f"{percent(allowed)} of requests may take {limits.latency_limit_ms:g} ms or more"
    yield _Objective("latency", words, allowed, slow, timed, np.zeros_like(dark))


def _budget(material: Material, past: History, objective: _Objective) -> tuple[Result, Budget]:
    limits = material.policy.slo
    first = past.hours - limits.budget_days * 24
    hours = slice(first, past.hours)
    bad, n = by_hour(objective.bad)[hours], by_hour(objective.n)[hours]
    dark = np.minimum(objective.dark[hours], n)
    found = share(bad, n, dark, confidence=limits.confidence)
    spent = _times(found.result, 1 / objective.allowed)
    left = _times(spent, -1.0, 1.0)
    alerts = [_alert(material, past, objective, burn) for burn in limits.burn]
    return spent, Budget(
        objective.name,
        1 - objective.allowed,
        limits.budget_days,
        round(int(past.known[hours].sum()) / 24, 2),
        found.n,
        found.bad,
        observed(spent),
        observed(left),
        alerts,
    )


def _times(result: Result, factor: float, plus: float = 0.0) -> Result:
    if isinstance(result, Undefined):
        return result
    low, high = sorted((result.low * factor + plus, result.high * factor + plus))
    return estimate(result.value * factor + plus, low, high, result.n, result.method)


def _alert(material: Material, past: History, objective: _Objective, burn: Burn) -> Alert:
    limits = material.policy.slo
    start = past.inside.start * 60
    least = limits.min_burn_events / (burn.rate * objective.allowed)
    never = burn.rate * objective.allowed >= 1
    both = []
    for minutes in (burn.hours * 60, burn.minutes):
        bad, n = (_before(x, minutes)[start:] for x in (objective.bad, objective.n))
        enough = (n >= least) & (not never)
        # rounded: 144 of 10,000 burn exactly 14.4 times a thousandth
        burned = np.round(bad / np.maximum(n, 1) / objective.allowed, 9)
        both.append(np.where(enough, burned, np.nan))
    speed = np.minimum(*both)  # NaN where either is unknown
    one = np.fmin(*both)  # quiet is known where one window alone says so
    judged = ~np.isnan(speed) | holds(one, "<=", burn.rate)
    over_rate = holds(speed, ">", burn.rate)
    highest: Result = _highest(speed, one, judged, objective, burn, limits.min_judged_share)
    ends = [
        burn_rate(
            float(objective.bad[-minutes:].sum()),
            float(objective.n[-minutes:].sum()),
            objective.allowed,
            burn.rate,
            limits.min_burn_events,
            limits.confidence,
        )
        for minutes in (burn.hours * 60, burn.minutes)
    ]
    outcome: Literal["quiet", "alerted", "undecided"] = (
        "alerted" if over_rate.any() else "quiet" if isinstance(highest, Estimate) else "undecided"
    )
    return Alert(
        burn.rate,
        burn.hours,
        burn.minutes,
        burn.alert,
        outcome,
        observed(highest),
        observed(ends[0]),
        observed(ends[1]),
        spent_by(burn.rate, burn.hours, limits.budget_days),
        round(float(judged.mean()), 6),
        _episodes(over_rate, past.window),
        _course(np.where(judged, np.where(np.isnan(speed), one, speed), np.nan)),
    )


def _before(counts: Ints, minutes: int) -> Ints:
    """Sums over so many minutes up to and with each one."""
    total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
    end = np.arange(1, len(total))
    found: Ints = total[end] - total[np.maximum(end - minutes, 0)]
    return found


def _highest(
    speed: Floats, one: Floats, judged: Bools, objective: _Objective, burn: Burn, least: float
) -> Result:
    """The fastest burn of both windows at once; by one window alone where it is quiet and the
    other cannot tell.
    """
    if burn.rate * objective.allowed >= 1:
        return burn_rate(0, 0, objective.allowed, burn.rate)
    seen = np.where(np.isnan(speed), one, speed)
    if bool(holds(speed, ">", burn.rate).any()):
        return point(float(np.nanmax(speed)), len(speed), "counts, minute by minute")
    if judged.mean() < least:
        share_judged = percent(float(judged.mean()))
        return Undefined(
            f"too few requests: {share_judged} of the minutes can be judged", len(speed)
        )
    return point(float(np.max(seen[judged])), len(speed), "counts, minute by minute")


def _course(burned: Floats) -> list[float | None]:
    """The fastest of each hour."""
    hours = np.fmax.reduce(burned.reshape(-1, 60), axis=1)
    return [None if np.isnan(x) else round(x, 6) for x in hours.tolist()]


def _episodes(alerting: Bools, window: Window) -> list[tuple[str, str]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], alerting.astype(np.int8), [0]))))
    return [
        (show(window.start + first * MINUTE), show(window.start + (end - 1) * MINUTE))
        for first, end in edges.reshape(-1, 2).tolist()
    ]


def _checks(
    material: Material, objective: _Objective, budget: Budget, spent: Result
) -> list[Check]:
    on_fail = material.policy.slo.on_fail
    checks = [_spent_check(material, objective, budget, spent)]
    for alert in budget.alerts:
        found = alert.highest
        result: Result = (
            Undefined(found.undefined, found.n)
            if found.value is None
            else point(found.value, found.n, found.method)
        )
        pair = f"{alert.hours} h and {alert.minutes} min"
        made = check(
            material,
            f"infrastructure.burn.{objective.name}.{alert.hours}h",
            "infrastructure",
            f"burn rate of the {objective.name} budget over {pair}",
            result,
            "<=",
            alert.rate,
            _alert_sentence(objective, alert, pair, result),
            severity="block" if alert.alert == "page" and isinstance(result, Estimate) else "warn",
        )
        checks.append(msgspec.structs.replace(made, on_fail=on_fail))
    return checks


def _alert_sentence(objective: _Objective, alert: Alert, pair: str, result: Result) -> str:
    what = f"The {objective.name} budget over {pair}"
    if isinstance(result, Undefined):
        return f"{what}: cannot be said ({result.reason})."
    at = f"the fastest that both burned at once is {result.value:.3g} times evenly"
    when = ", ".join(f"{first} to {last}" for first, last in alert.episodes[:3])
    more = f" and {len(alert.episodes) - 3} times more" if len(alert.episodes) > 3 else ""
    fired = f" Above it {when}{more}." if when else ""
    return (
        f"{what}: {at}; above {alert.rate:g} is a {alert.alert}, as "
        f"{percent(alert.spends)} of the budget is gone by then.{fired}"
    )


def _spent_check(material: Material, objective: _Objective, budget: Budget, spent: Result) -> Check:
    window = material.window
    days = budget.days
    young = (
        f" It stands on {budget.stands_on:g} of {days} days." if budget.stands_on < days - 1 else ""
    )
    return check(
        material,
        f"infrastructure.budget.{objective.name}",
        "infrastructure",
        f"share of the {objective.name} budget that is spent",
        spent,
        "<=",
        1.0,
        f"Budget: {objective.words} in {days} days; {budget.bad:,} of {budget.requests:,} did, "
        f"which spends {share_with_interval(spent)} of it.{young}",
        severity="warn",
        window=Window(window.end - days * DAY, window.end),
        counts={"bad": budget.bad, "requests": budget.requests},
    )
