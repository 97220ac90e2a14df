"""The error budget of an objective: what is spent, what is left, whether it burns too fast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from analyzer.phases.gate import Material, check, percent, share_with_interval
from analyzer.profile import over
from analyzer.slo.burn import Alert, Objective, follow
from analyzer.slo.history import History, by_hour
from analyzer.slo.shares import share
from analyzer.stats.result import Estimate, Result, Undefined, estimate, point
from analyzer.verdict import Check, Observed, observed
from analyzer.window import DAY, Window

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


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


def budgets(material: Material, past: History) -> tuple[list[Budget], list[Check]]:
    """The budgets of the error rate and of the latency limit, and their checks."""
    found: list[Budget] = []
    checks: list[Check] = []
    for objective in _objectives(material, past):
        result, budget = _budget(material, past, objective)
        found.append(budget)
        checks += _checks(material, objective, budget, result)
    return found, checks


def _objectives(material: Material, past: History) -> Iterator[Objective]:
    limits = material.policy.slo
    n, failed = past.served("n"), past.served("errors")
    assert n is not None and failed is not None
    dark = past.unknown_errors
    words = f"{percent(limits.max_error_rate)} of requests may fail"
    yield Objective("errors", words, limits.max_error_rate, failed, n, dark)
    timed, slow = past.served("latency_n"), past.served(over(limits.latency_limit_ms))
    if timed is None or slow is None or not timed.any():
        return
    allowed = round(1 - limits.latency_quantile, 12)
    words = f"{percent(allowed)} of requests may take {limits.latency_limit_ms:g} ms or more"
    yield Objective("latency", words, allowed, slow, timed, np.zeros_like(dark))


def _budget(material: Material, past: History, objective: Objective) -> tuple[Result, Budget]:
    limits = material.policy.slo
    first = past.hours - limits.budget_days * 24
    hours = slice(first, past.hours)
    bad, n = by_hour(objective.bad)[hours], by_hour(objective.n)[hours]
    dark = np.minimum(objective.dark[hours], n - bad)  # known by hour only
    found = share(bad, n, dark, confidence=limits.confidence)
    spent = _times(found.result, 1 / objective.allowed)
    left = _times(spent, -1.0, 1.0)
    alerts = [follow(limits, past, objective, burn) for burn in limits.burn]
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


def _checks(material: Material, objective: Objective, budget: Budget, spent: Result) -> list[Check]:
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


def _alert_sentence(objective: Objective, alert: Alert, pair: str, result: Result) -> str:
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


def _spent_check(material: Material, objective: Objective, budget: Budget, spent: Result) -> Check:
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
        f"Budget: {objective.words} in {days} days; {_spent_in_words(budget, spent)}.{young}",
        severity="warn",
        window=Window(window.end - days * DAY, window.end),
        counts={"bad": budget.bad, "requests": budget.requests},
    )


def _spent_in_words(budget: Budget, spent: Result) -> str:
    if isinstance(spent, Undefined):
        return f"what is spent of it {share_with_interval(spent)}"
    did = f"{budget.bad:,} of {budget.requests:,} did"
    return f"{did}, which spends {share_with_interval(spent)} of it"
