"""The challenger's latency percentile against another one: the champion's."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analyzer.accepted import same_hours
from analyzer.measure import in_buckets, latency_quantile
from analyzer.phase_limits import ServedPhase
from analyzer.phases.gate import Material, check, number_with_interval
from analyzer.profile import OVER
from analyzer.profiles import Profiles
from analyzer.stats.dependence import carried_effect, combined_design_effect, design_effect
from analyzer.stats.result import Result, Undefined, estimate
from analyzer.verdict import Check


def latency_ratio(
    material: Material, limits: ServedPhase, baseline: Profiles | Undefined, what: str
) -> Check:
    """Whether the challenger's percentile is above so many times the champion's in `baseline`.

    Fails if L_challenger > ratio U_champion, passes if U_challenger <= ratio L_champion. Of another
    time only the window's hours of the day count. Users and hours that are slower as a whole are
    allowed for at the percentile itself. Both intervals may be read at any time, each at
    half the error.
    """
    q = limits.latency_quantile
    confidence = (1 + limits.confidence) / 2
    ours: Result = (
        baseline
        if isinstance(baseline, Undefined)
        else _percentile(
            baseline,
            "champion",
            limits,
            confidence,
            same_hours(baseline, material.window) if baseline is not material.profiles else None,
        )
    )
    theirs = _percentile(material.profiles, "challenger", limits, confidence)
    name = f"P{q * 100:g}"
    return check(
        material,
        "infrastructure.latency_ratio",
        "infrastructure",
        f"{name} of the challenger over the champion's",
        _ratio(theirs, ours),
        "<=",
        limits.max_latency_ratio,
        f"{name} of the challenger {number_with_interval(theirs, ' ms')}, of the champion {what} "
        f"{number_with_interval(ours, ' ms')}: ratio {number_with_interval(_ratio(theirs, ours))}; "
        f"at most {limits.max_latency_ratio:g}.",
        harm=True,
    )


def _percentile(
    profiles: Profiles,
    side: str,
    limits: ServedPhase,
    confidence: float,
    kept: NDArray[np.bool_] | None = None,
) -> Result:
    return latency_quantile(
        profiles,
        side,
        limits.latency_quantile,
        deff=units_effect(profiles, side, 1 - limits.latency_quantile),
        confidence=confidence,
        always_valid=True,
        kept=kept,
    )


def units_effect(profiles: Profiles, model: str, share: float) -> float:
    """Design effect of unit buckets on the share of rows beyond a percentile.

    Buckets count the rows beyond the policy's thresholds only. So the effect is that at the
    threshold whose share of the rows is nearest on the logit scale, carried to the percentile's
    own (`carried_effect`); 1 where no row, or every row, is beyond any.
    """
    sums = in_buckets(profiles, model)
    found: list[tuple[float, float]] = []
    for name in sorted(name for name in sums if name.startswith(OVER)):
        k, n = sums[name], sums["latency_n"]
        beyond = float(k.sum() / max(n.sum(), 1))
        if 0 < beyond < 1:
            deff = combined_design_effect(
                design_effect(k, n, beyond * (1 - beyond)), minimum_blocks=2
            )
            distance = abs(math.log(beyond / (1 - beyond)) - math.log(share / (1 - share)))
            rows = float(n @ n) / float(n.sum())
            found.append((distance, carried_effect(deff, beyond, share, rows)))
    return min(found)[1] if found else 1.0


def _ratio(theirs: Result, ours: Result) -> Result:
    if isinstance(theirs, Undefined):
        return Undefined(f"challenger: {theirs.reason}", theirs.n)
    if isinstance(ours, Undefined):
        return Undefined(f"champion: {ours.reason}", ours.n)
    if ours.low <= 0:
        return Undefined("the champion's percentile may be 0", ours.n)
    return estimate(
        theirs.value / ours.value,
        theirs.low / ours.high,
        theirs.high / ours.low,
        min(theirs.n, ours.n),
        "ratio of percentiles, a confidence sequence each",
    )
