"""An error budget: how fast it is spent, and what an alert at some speed has cost by then."""

from __future__ import annotations

from .proportion import clopper_pearson
from .result import Result, Undefined, estimate


def burn_rate(
    bad: float,
    n: float,
    allowed: float,
    alert: float,
    least: float = 5.0,
    confidence: float = 0.95,
) -> Result:
    """How many times faster than evenly the budget is spent: (bad / n) / allowed.

    `bad` of `n` requests in a window, of which the share `allowed` may be (1 - objective); exact
    binomial interval. Undefined where at the rate `alert` fewer than `least` bad requests would be
    expected (one failure in five quiet minutes is no burning budget), or where that rate exceeds
    all requests. Beyer et al. (2018), *The Site Reliability Workbook*, 5.

    >>> burn_rate(150, 10_000, 0.001, 14.4).value
    15.0
    >>> burn_rate(1, 50, 0.001, 14.4).reason
    '50 requests, 348 needed'
    """
    if not 0 < allowed * alert < 1:
        return Undefined(f"no more than all requests can fail: {alert:g} times is never reached", n)
    needed = least / (allowed * alert)
    if n < needed:
        return Undefined(f"{n:,.0f} requests, {int(-(-needed // 1)):,} needed", n)
    found = clopper_pearson(bad, n, confidence)
    if isinstance(found, Undefined):
        return found
    value, low, high = (x / allowed for x in (found.value, found.low, found.high))
    return estimate(value, low, high, n, f"{found.method} over the allowed share")


def spent_by(rate: float, hours: float, days: float) -> float:
    """Share of a budget of `days` that is gone after `hours` at a burn rate.

    rate x hours / (24 days). Beyer et al. (2018), *The Site Reliability Workbook*, 5, table 5-2.

    >>> [round(spent_by(rate, hours, 30), 3) for rate, hours in ((14.4, 1), (6, 6), (1, 72))]
    [0.02, 0.05, 0.1]
    """
    return rate * hours / (24 * days)
