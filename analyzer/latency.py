"""`analyzer latency`: percentiles per model with intervals, the share over each limit, by hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.binned import fine_bins
from analyzer.logs import SIDES
from analyzer.measure import (
    Rate,
    hourly,
    latency_quantile,
    quantiles_of_bins,
    rate,
)
from analyzer.profile import over
from analyzer.profiles import Profiles
from analyzer.stats.result import Result
from analyzer.window import HOUR, show

QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)


@dataclass(frozen=True)
class HourOfLatency:
    """One hour of one model: requests with a latency, P50 and P99 in ms, requests over limits."""

    model: str
    hour: str
    n: int
    p50: Result
    p99: Result
    over: dict[str, int]


@dataclass(frozen=True)
class ModelLatency:
    """One model's latency over a window; percentiles in milliseconds, shares of requests."""

    model: str
    n: int
    without_latency: int
    quantiles: dict[str, Result]
    over: dict[str, Rate]


@dataclass(frozen=True)
class Latency:
    """Latency of both models over a window, and by hour."""

    window: str
    models: list[ModelLatency]
    hours: list[HourOfLatency]


def latency(profiles: Profiles, limits_ms: Sequence[float], *, confidence: float = 0.95) -> Latency:
    """Latency percentiles, and the exact share of requests at or over each limit.

    Intervals: order statistics on the effective number of requests (percentiles), an
    always-valid sequence (shares). Within a single hour rows count as independent. A percentile
    whose interval needs more requests than there are is Undefined: P99 below 380, P99.9 below
    3,838.
    """
    models, hours = [], []
    for model in SIDES:
        sums = hourly(profiles, model)
        shares = {
            f"{limit:g}": rate(profiles, model, over(limit), "latency_n", confidence=confidence)
            for limit in limits_ms
        }
        deff = max((share.deff for share in shares.values()), default=1.0)
        models.append(
            ModelLatency(
                model,
                sums.total("latency_n"),
                sums.total("n") - sums.total("latency_n"),
                {
                    f"P{q * 100:g}": latency_quantile(
                        profiles, model, q, deff=deff, confidence=confidence
                    )
                    for q in QUANTILES
                },
                shares,
            )
        )
        hours += _by_hour(profiles, model, limits_ms, confidence)
    return Latency(str(profiles.window), models, hours)


def _by_hour(
    profiles: Profiles, model: str, limits_ms: Sequence[float], confidence: float
) -> list[HourOfLatency]:
    sums = hourly(profiles, model)
    hours, code, n = fine_bins(profiles, model, "latency_ms")
    order = np.argsort(hours, kind="stable")
    hours, code, n = hours[order], code[order], n[order]
    logged, first = np.unique(hours, return_index=True)
    result: list[HourOfLatency] = []
    if not len(logged):  # np.split would still give one part
        return result
    for hour, codes, counts in zip(
        logged.tolist(), np.split(code, first[1:]), np.split(n, first[1:]), strict=True
    ):
        p50, p99 = quantiles_of_bins(profiles, codes, counts, (0.5, 0.99), confidence=confidence)
        result.append(
            HourOfLatency(
                model,
                show(sums.start + hour * HOUR),
                int(sums["latency_n"][hour]),
                p50,
                p99,
                {f"{limit:g}": int(sums[over(limit)][hour]) for limit in limits_ms},
            )
        )
    return result
