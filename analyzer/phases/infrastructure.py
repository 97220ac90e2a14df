"""Errors and latency of the challenger against the phase's own limits."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow.compute as pc

from analyzer.measure import Rate, by_hour, hourly, in_buckets, latency_quantile, rate, rate_of
from analyzer.phases.gate import (
    Material,
    check,
    number_with_interval,
    percent,
    share_with_interval,
)
from analyzer.profile import ERROR_UNKNOWN, over
from analyzer.stats.result import Estimate, Result, Undefined, estimate
from analyzer.verdict import Check
from analyzer.window import HOUR


def latency(material: Material) -> Check:
    """The share of requests beyond the phase's latency limit, by exact counts."""
    limits = material.limits
    name = over(limits.latency_limit_ms)
    found = rate(material.profiles, "challenger", name, "latency_n", confidence=limits.confidence)
    result = _with_missing(material, found, name)
    missing = hourly(material.profiles, "challenger").total("n") - found.n
    silent = f" {missing:,} requests log none and may have been slow." if missing else ""
    tail = latency_quantile(
        material.profiles,
        "challenger",
        limits.latency_quantile,
        deff=found.deff,
        confidence=limits.confidence,
        always_valid=True,
    )
    limit = 1 - limits.latency_quantile
    return check(
        material,
        "infrastructure.latency",
        "infrastructure",
        f"share of requests of {limits.latency_limit_ms:g} ms or more",
        result,
        "<",
        round(limit, 12),
        f"{found.k:,} of {found.n:,} challenger requests took {limits.latency_limit_ms:g} ms or "
        f"more: {share_with_interval(result)}; below {percent(limit)} is needed for "
        f"P{limits.latency_quantile * 100:g} < {limits.latency_limit_ms:g} ms. "
        f"P{limits.latency_quantile * 100:g}: {number_with_interval(tail, ' ms')}. "
        f"Design effect {found.deff:.2g}.{silent}{_worst_hour(material, name, 'latency_n')}",
        harm=True,
        counts={"over_limit": found.k, "with_latency": found.n},
    )


def _with_missing(material: Material, found: Rate, name: str) -> Result:
    """The share of slow requests when nothing is known of those that log no latency.

    A timeout often logs none. So the upper end takes them all as slow and the lower end as fast.
    """
    if not isinstance(found.result, Estimate):
        return Undefined("the challenger logs no latency")
    sums = hourly(material.profiles, "challenger")
    missing = sums.blocks("n") - sums.blocks("latency_n")
    if not missing.any():
        return found.result
    confidence = material.limits.confidence
    units = in_buckets(material.profiles, "challenger")
    silent = units["n"] - units["latency_n"]
    extremes = [
        rate_of(
            sums.blocks(name) + slow,
            sums.blocks("n"),
            units[name] + slow_units,
            units["n"],
            confidence=confidence,
        ).result
        for slow, slow_units in ((missing, silent), (0 * missing, 0 * silent))
    ]
    ends = [r for r in (*extremes, found.result) if isinstance(r, Estimate)]
    return estimate(
        found.result.value,
        min(r.low for r in ends),
        max(r.high for r in ends),
        found.result.n,
        f"{found.result.method}, missing latencies either way",
    )


def errors(material: Material) -> Check:
    """The share of requests that failed."""
    limits = material.limits
    found = rate(material.profiles, "challenger", "errors", confidence=limits.confidence)
    result, unknown = _with_unknown_errors(material, found)
    said = f" Of {unknown:,} it was not logged whether they failed." if unknown else ""
    return check(
        material,
        "infrastructure.errors",
        "infrastructure",
        "error rate",
        result,
        "<",
        limits.max_error_rate,
        f"{found.k:,} of {found.n:,} challenger requests failed: "
        f"{share_with_interval(result)}; below {percent(limits.max_error_rate)} is needed. "
        f"Design effect {found.deff:.2g}.{said}{_worst_hour(material, 'errors', 'n')}",
        harm=True,
        counts={"errors": found.k, "requests": found.n},
    )


def _with_unknown_errors(material: Material, found: Rate) -> tuple[Result, int]:
    """The error rate with every request of which nothing is known taken as failed in the upper
    end, as fine in the lower; and how many those are. A log without errors cannot pass.
    """
    table = material.profiles.table("rejects")
    chosen = pc.and_(
        pc.equal(table["model"], "challenger"), pc.equal(table["reason"], ERROR_UNKNOWN)
    )
    missing = by_hour(material.profiles, table.filter(chosen), ["n"])
    unknown = missing.total("n")
    if not unknown or not isinstance(found.result, Estimate):
        return found.result, unknown
    if unknown >= found.n:
        return Undefined("the challenger logs no errors; map the column as `error`"), unknown
    sums = hourly(material.profiles, "challenger")
    worst_case = rate_of(
        sums.blocks("errors") + missing.blocks("n"),
        sums.blocks("n"),
        confidence=material.limits.confidence,
    ).result
    high = worst_case.high if isinstance(worst_case, Estimate) else 1.0
    seen = found.result
    method = f"{seen.method}, unknown errors either way"
    return estimate(seen.value, seen.low, max(high, seen.high), seen.n, method), unknown


def _worst_hour(material: Material, numerator: str, denominator: str) -> str:
    sums = hourly(material.profiles, "challenger")
    k, n = sums[numerator], sums[denominator]
    if not k.any():
        return ""
    shares = np.where(n > 0, k / np.maximum(n, 1), 0.0)
    at = int(np.argmax(shares))
    hour = datetime.fromtimestamp((sums.start + at * HOUR) // 1_000_000, UTC)
    return f" Worst hour {hour:%Y-%m-%d %H}h UTC: {k[at]:,} of {n[at]:,}."
