"""What a phase could have found, and what it costs."""

from __future__ import annotations

from analyzer.binned import fine_bins
from analyzer.histogram import bin_edges
from analyzer.measure import hourly, rate
from analyzer.phases.gate import Material, percent
from analyzer.profile import over
from analyzer.stats.proportion import detectable_rate
from analyzer.stats.result import Estimate


def detectable(material: Material) -> list[str]:
    """The smallest true harm this window would have found with the policy's power (90 %)."""
    limits, power = material.limits, material.policy.record.power
    slow = over(limits.latency_limit_ms)
    lines = []
    for what, numerator, denominator, limit in (
        ("an error rate", "errors", "n", limits.max_error_rate),
        (
            f"a share of requests over {limits.latency_limit_ms:g} ms",
            slow,
            "latency_n",
            round(1 - limits.latency_quantile, 12),
        ),
    ):
        found = rate(material.profiles, "challenger", numerator, denominator)
        least = detectable_rate(
            found.n / found.deff, limit, limits.confidence, power, always_valid=True
        )
        if isinstance(least, Estimate):
            lines.append(
                f"{what.capitalize()} of {percent(least.value)} or more would have been found "
                f"with {percent(power)} power (limit {percent(limit)})."
            )
        else:
            lines.append(f"No harm in {what} could have been found: {least.reason}.")
    return lines


def serving_time(material: Material, what: str) -> str:
    """Requests of the model that is mirrored or tried, and the time spent on them."""
    model = material.mirrored
    rows = hourly(material.profiles, model).total("n")
    _, code, n = fine_bins(material.profiles, model, "latency_ms")
    if not len(code):
        return f"{rows:,} {what}; the {model} logs no latency."
    low, high = bin_edges(code, "distance", material.profiles.frozen.bins["latency_ms"].origin)
    seconds = float(((low + high) / 2) @ n) / 1e3
    return f"{rows:,} {what}, about {_duration(seconds)} of serving time."


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} seconds"
    return f"{seconds / 60:.3g} minutes" if seconds < 7200 else f"{seconds / 3600:,.3g} hours"
