"""How long the shadow gate would need at this traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analyzer.check.finding import Need
from analyzer.policy import Policy
from analyzer.stats.proportion import requests_needed
from analyzer.stats.result import Undefined
from analyzer.window import HOUR


def traffic(rows: Sequence[Mapping[str, int]]) -> float | None:
    """Requests an hour between the first and the last row."""
    if not rows:
        return None
    span = max(row["last"] for row in rows) - min(row["first"] for row in rows)
    return sum(row["rows"] for row in rows) / max(span / HOUR, 1.0)


def needs(policy: Policy, per_hour: float | None) -> tuple[Need, ...]:
    """Requests and hours after which each limit of the shadow gate could be established."""
    shadow = policy.shadow
    slow = f"{1 - shadow.latency_quantile:.2g} at {shadow.latency_limit_ms:g} ms or more"
    asked = [
        ("errors, if there are none", shadow.max_error_rate, 0.0),
        ("errors, at half the limit", shadow.max_error_rate, 0.5),
        (f"share of {slow}, at half", 1 - shadow.latency_quantile, 0.5),
        ("missing pairs, at half the limit", 1 - shadow.min_coverage, 0.5),
    ]
    return tuple(
        _need(what, limit, limit * part, policy, per_hour)
        for what, limit, part in asked
        if 0 < limit < 1
    )


def _need(what: str, limit: float, rate: float, policy: Policy, per_hour: float | None) -> Need:
    found = requests_needed(rate, limit, policy.shadow.confidence)
    if isinstance(found, Undefined):
        return Need(what, limit, rate, None, None, False)
    requests = round(found.value)
    hours = requests / per_hour if per_hour else None
    in_time = hours is not None and hours <= policy.shadow.max_hours
    return Need(what, limit, rate, requests, hours, in_time)
