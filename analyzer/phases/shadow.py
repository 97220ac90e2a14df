"""The shadow gate: the challenger sees all traffic and serves none. May it take one percent?"""

from __future__ import annotations

from analyzer.measure import hourly
from analyzer.phases.data import log_checks
from analyzer.phases.detectable import detectable, serving_time
from analyzer.phases.features import critical_features
from analyzer.phases.gate import Material, Phase, check, number_with_interval
from analyzer.phases.halves import DAY_HOURS, half_psi
from analyzer.phases.infrastructure import errors, latency
from analyzer.phases.mirror import mirror_checks, unwatched_minutes
from analyzer.phases.process import duration
from analyzer.phases.ratio import score_ratio
from analyzer.phases.waiting import psi_waiting, waiting
from analyzer.stats.result import Estimate, Result, Undefined, point
from analyzer.verdict import Check, Waiting


def shadow_checks(material: Material) -> list[Check]:
    """Every check of the shadow phase, data checks first."""
    limits = material.policy.shadow
    return [
        duration(material),
        *log_checks(material),
        *mirror_checks(material, limits.min_coverage, material.rollout.shadow.mirror_share),
        latency(material),
        errors(material),
        *score_ratio(material, limits.max_score_ratio_change),
        _score_psi(material),
        *critical_features(material),
        _divergence(material),
    ]


def _score_psi(material: Material) -> Check:
    limits = material.policy.shadow
    result = half_psi(material)
    how = (
        "at the same hours"
        if material.window.hours >= 2 * DAY_HOURS
        else "with the champion's own change between them taken out"
    )
    return check(
        material,
        "model.score_psi",
        "model",
        "PSI of the challenger's scores between halves",
        result,
        "<=",
        limits.max_score_psi,
        "The challenger's score distribution, second half of the phase against the first "
        f"{how}: debiased PSI {number_with_interval(result)}; at most {limits.max_score_psi:g}.",
    )


def _divergence(material: Material) -> Check:
    """Always shown; a limit on it is optional."""
    pairs = hourly(material.profiles, "pair")
    n = pairs.total("n") - pairs.total("nulls")
    limit = material.policy.shadow.max_divergence
    result: Result = Undefined("no pair has two scores")
    if n:
        mean = pairs.total("difference_absolute") * material.profiles.frozen.quantum / n
        result = point(mean, n, "mean absolute difference of paired scores, counted")
    decided, flips = pairs.total("decided"), pairs.total("flips")
    flipped = f"; {flips:,} of {decided:,} decisions differ" if decided else ""
    shown = f"{result.value:.4g}" if isinstance(result, Estimate) else "cannot be said"
    return check(
        material,
        "model.divergence",
        "model",
        "mean absolute difference of scores",
        result,
        "<=",
        limit,
        f"Mean absolute difference between the two models' scores over {n:,} pairs: "
        f"{shown}{flipped}.",
        outcome="pass" if limit is None else None,
        severity="warn" if limit is None else "block",
        counts={"pairs": n, "flips": flips, "decided": decided},
    )


def _waiting(material: Material, check: Check) -> list[Waiting]:
    if check.id == "model.score_psi":
        return psi_waiting(material, check, lambda more: half_psi(material, more))
    return waiting(material, check)


def _cost(material: Material) -> str:
    """What the phase costs: the mirrored requests and the time spent on them."""
    return serving_time(material, "mirrored requests")


SHADOW = Phase(
    name="shadow",
    serves="champion",
    checks=shadow_checks,
    waiting=_waiting,
    detectable=detectable,
    cost=_cost,
    unwatched=unwatched_minutes,
)
"""The challenger is mirrored."""
