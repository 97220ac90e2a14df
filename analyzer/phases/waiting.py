"""When there will be enough data for an undecided check, at the window's traffic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analyzer.measure import hourly
from analyzer.phases.gate import Material
from analyzer.stats.proportion import requests_needed
from analyzer.stats.result import Estimate, Result
from analyzer.verdict import Check, Waiting, judge
from analyzer.window import HOUR, show


def waiting(material: Material, check: Check) -> list[Waiting]:
    """For the checks that every phase has: its duration, and rates of the challenger."""
    if check.id == "process.duration":
        hours, needs = material.window.hours, float(material.limits.min_hours)
        return [wait(material, check.id, hours, needs, needs / max(hours, 1e-9), "hours")]
    if check.id == "process.sample" and check.limit and check.counts["requests"]:
        has = float(check.counts["requests"])
        return [wait(material, check.id, has, check.limit, check.limit / has, "requests")]
    return _rate_waiting(material, check)


def _rate_waiting(material: Material, check: Check) -> list[Waiting]:
    shares = ("infrastructure.errors", "infrastructure.latency")
    if check.id not in shares and not check.id.startswith(("model.nulls", "model.parity")):
        return []
    if check.limit is None or check.observed.value is None:
        return []
    # a rate's interval stands on counted / deff effective requests: its own design effect
    counted = max(check.counts.values(), default=0)
    deff = counted / check.observed.n if check.observed.n else 1.0
    rows = hourly(material.profiles, "challenger").total("n")
    seen = check.observed.value
    if check.id == "infrastructure.latency" and rows > counted:  # silent requests stay unknown
        seen = (check.counts["over_limit"] + rows - counted) / rows
    needed = requests_needed(seen, check.limit, material.limits.confidence, always_valid=True)
    if not isinstance(needed, Estimate):
        return [
            Waiting(
                check=check.id,
                has=float(rows),
                needs=None,
                at=None,
                sentence=f"{check.id}: has {rows:,} requests; at the rate seen no number of "
                f"requests will let it pass ({needed.reason}).",
            )
        ]
    if rows == 0:
        return []
    requests = needed.value * deff * rows / max(counted, 1)
    return [wait(material, check.id, float(rows), requests, requests / rows, "requests")]


def psi_waiting(
    material: Material, check: Check, supposed: Callable[[float], Result]
) -> list[Waiting]:
    """How much longer a window would settle a PSI, if it stayed what it is.

    supposed: the PSI with so many times the traffic.
    """
    if check.observed.undefined:
        return []
    hours = material.window.hours
    for factor in np.geomspace(1.05, 20.0, 60).tolist():
        if judge(supposed(factor), "<=", check.limit or 0.0) == "pass":
            return [wait(material, check.id, hours, hours * factor, factor, "hours")]
    return [
        Waiting(
            check=check.id,
            has=hours,
            needs=None,
            at=None,
            sentence=f"{check.id}: has {hours:g} hours; at the drift seen, 20 times as many would "
            "not bring it below the limit.",
        )
    ]


def wait(
    material: Material, name: str, has: float, needs: float, factor: float, unit: str
) -> Waiting:
    """A line that says so. factor: how many times as long the window must be."""
    at = show(material.window.start + int(factor * material.window.hours) * HOUR)
    return Waiting(
        check=name,
        has=has,
        needs=needs,
        at=at,
        sentence=f"{name}: has {has:,.0f}, needs about {needs:,.0f} {unit}, "
        f"at this traffic by {at}.",
    )
