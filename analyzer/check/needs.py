"""How long a phase's gate would need at this traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analyzer.check.finding import Need
from analyzer.phase_limits import PhaseLimits, ServedPhase
from analyzer.policy import Policy
from analyzer.stats.proportion import requests_needed
from analyzer.stats.result import Undefined
from analyzer.window import HOUR


def traffic(rows: Sequence[Mapping[str, int]], since: int | None = None) -> float | None:
    """Requests an hour between the first and the last row; of days that end after `since`."""
    rows = [row for row in rows if since is None or row["last"] >= since]
    if not rows:
        return None
    span = max(row["last"] for row in rows) - min(row["first"] for row in rows)
    return sum(row["rows"] for row in rows) / max(span / HOUR, 1.0)


def needs(policy: Policy, phase: str, per_hour: float | None) -> tuple[Need, ...]:
    """Requests and hours after which each limit of a phase's gate could be established.

    Every phase is read as it grows, and its gate's intervals allow for that; so does the need.
    """
    limits = policy.phase(phase)
    slow = f"{1 - limits.latency_quantile:.2g} at {limits.latency_limit_ms:g} ms or more"
    asked = [
        ("errors, if there are none", limits.max_error_rate, 0.0),
        ("errors, at half the limit", limits.max_error_rate, 0.5),
        (f"share of {slow}, at half", 1 - limits.latency_quantile, 0.5),
    ]
    found = [
        _need(what, limit, limit * part, limits, per_hour)
        for what, limit, part in asked
        if 0 < limit < 1
    ]
    if isinstance(limits, ServedPhase):
        found.append(
            _at_least("answered requests, at least", limits, limits.min_requests, per_hour)
        )
    lasts = float(limits.min_hours)
    return (*found, Need("the phase's least duration", None, None, None, lasts, True))


def _need(
    what: str, limit: float, rate: float, limits: PhaseLimits, per_hour: float | None
) -> Need:
    found = requests_needed(rate, limit, limits.confidence, always_valid=True)
    if isinstance(found, Undefined):
        return Need(what, limit, rate, None, None, False)
    need = _at_least(what, limits, round(found.value), per_hour)
    return Need(what, limit, rate, need.requests, need.hours, need.in_time)


def _at_least(what: str, limits: PhaseLimits, requests: int, per_hour: float | None) -> Need:
    hours = requests / per_hour if per_hour else None
    return Need(what, None, None, requests, hours, hours is not None and hours <= limits.max_hours)
