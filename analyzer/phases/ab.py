"""The A/B test: half of the users are answered by the challenger. May it answer everyone?"""

from __future__ import annotations

from analyzer.phases.against import latency_ratio
from analyzer.phases.arms import answered_twice, silent_minutes, weight_in_force
from analyzer.phases.data import log_checks
from analyzer.phases.detectable import detectable, serving_time
from analyzer.phases.fired import trigger_checks
from analyzer.phases.gate import Material, Phase
from analyzer.phases.harmful import segment_checks
from analyzer.phases.infrastructure import errors, latency
from analyzer.phases.process import duration, sample
from analyzer.phases.trial import registered, trial_checks, trial_waiting
from analyzer.phases.trial_process import SPLIT_DAYS
from analyzer.phases.waiting import waiting
from analyzer.verdict import Check, Waiting


def ab_checks(material: Material) -> list[Check]:
    """Every check of the A/B test: of process and data, of serving, then of the experiment."""
    limits = material.policy.ab
    return [
        duration(material),
        sample(material, limits.min_requests),
        weight_in_force(material, limits),
        *log_checks(material),
        answered_twice(material),
        latency(material),
        latency_ratio(material, limits, material.profiles, "in the same hours"),
        errors(material),
        *segment_checks(material, limits.segments),
        *trigger_checks(material, limits),
        *trial_checks(material),
    ]


def _waiting(material: Material, check: Check) -> list[Waiting]:
    if check.layer == "experiment" or check.id == SPLIT_DAYS:
        return trial_waiting(material, check)
    return waiting(material, check)


def _cost(material: Material) -> str:
    return serving_time(material, "requests answered by the challenger")


AB = Phase(
    name="ab",
    serves="champion",
    checks=ab_checks,
    waiting=_waiting,
    detectable=detectable,
    cost=_cost,
    unwatched=silent_minutes,
    registered=registered,
)
"""Each model answers users of its own, and the business metric decides."""
