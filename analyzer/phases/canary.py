"""The canary gate: the challenger answers a few percent of the users. May it be tried on half?"""

from __future__ import annotations

from analyzer.phases.against import latency_ratio
from analyzer.phases.arms import answered_twice, sample_ratio, silent_minutes, weight_in_force
from analyzer.phases.consistency import scores_as_before, since_shadow
from analyzer.phases.data import log_checks
from analyzer.phases.detectable import detectable, serving_time
from analyzer.phases.fired import trigger_checks
from analyzer.phases.gate import Material, Phase
from analyzer.phases.harmful import segment_checks
from analyzer.phases.infrastructure import errors, latency
from analyzer.phases.process import duration, sample
from analyzer.phases.waiting import psi_waiting, waiting
from analyzer.verdict import Check, Waiting


def canary_checks(material: Material) -> list[Check]:
    """Every check of the canary phase, those of process and data first."""
    return [*hourly_checks(material), *trigger_checks(material, material.policy.canary)]


def hourly_checks(material: Material) -> list[Check]:
    """Those that rest on counts by hour."""
    limits = material.policy.canary
    return [
        duration(material),
        sample(material, limits.min_requests),
        weight_in_force(material, limits),
        *log_checks(material),
        answered_twice(material),
        sample_ratio(material, limits.sample_ratio_level),
        latency(material),
        latency_ratio(material, limits, material.profiles, "in the same hours"),
        errors(material),
        *segment_checks(material, limits.segments),
        scores_as_before(material, limits.max_score_psi),
    ]


def _waiting(material: Material, check: Check) -> list[Waiting]:
    if check.id == "model.score_psi":
        return psi_waiting(material, check, lambda more: since_shadow(material, more))
    return waiting(material, check)


def _cost(material: Material) -> str:
    return serving_time(material, "requests answered by the challenger")


CANARY = Phase(
    name="canary",
    serves="champion",
    checks=canary_checks,
    waiting=_waiting,
    detectable=detectable,
    cost=_cost,
    unwatched=silent_minutes,
)
"""Each model answers requests of its own."""
