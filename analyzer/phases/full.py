"""The full rollout: the challenger answers everyone. May the old model be decommissioned?

A part of the requests is shadowed to the old model, so the challenger's log is the large one and
the champion's holds the mirror.
"""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec

from analyzer.accepted import champion_before, span_of
from analyzer.phases.against import latency_ratio
from analyzer.phases.arms import weight_in_force
from analyzer.phases.data import log_checks
from analyzer.phases.detectable import detectable, serving_time
from analyzer.phases.fired import trigger_checks
from analyzer.phases.gate import Material, Phase
from analyzer.phases.infrastructure import errors, latency
from analyzer.phases.matured import NAME, matured_checks, matured_waiting
from analyzer.phases.mirror import mirror_checks, unwatched_minutes
from analyzer.phases.process import duration, sample
from analyzer.phases.ratio import score_ratio
from analyzer.phases.waiting import waiting
from analyzer.slo.health import model_health_checks
from analyzer.stats.result import Undefined
from analyzer.verdict import Check, Waiting

OLD_MODEL = ("volume of the champion",)
"""Triggers about the old model: it serves nobody, and its mirror has checks of its own."""


def full_checks(material: Material) -> list[Check]:
    """Every check of the full rollout, those of process and data first."""
    limits = material.policy.full
    return [
        *hourly_checks(material),
        *health_checks(material),
        *trigger_checks(material, limits, OLD_MODEL),
        *matured_checks(material, limits.labels),
    ]


def hourly_checks(material: Material) -> list[Check]:
    """Those that rest on counts by hour."""
    limits = material.policy.full
    began = material.window.start if material.started is None else material.started
    before = champion_before(material.profiles, material.events, began, limits.baseline_days)
    when = "before" if isinstance(before, Undefined) else f"on {span_of(before)}"
    return [
        duration(material),
        sample(material, limits.min_requests),
        weight_in_force(material, limits),
        *log_checks(material),
        *mirror_checks(material, limits.min_coverage, limits.mirror_share),
        latency(material),
        latency_ratio(material, limits, before, when),
        errors(material),
        *score_ratio(material, limits.max_score_ratio_change),
    ]


def health_checks(material: Material) -> list[Check]:
    """Model health over the phase. The volume counts as a whole: of two weeks' hours some lie off
    their usual traffic with any model, and every night's `slo` names them.
    """
    slo = msgspec.structs.replace(material.policy.slo, volume_requests=math.inf)
    whole = replace(material, policy=msgspec.structs.replace(material.policy, slo=slo))
    return model_health_checks(whole, material.events)


def _waiting(material: Material, check: Check) -> list[Waiting]:
    if check.id == NAME:
        return matured_waiting(material, material.policy.full.labels)
    return waiting(material, check)


def _cost(material: Material) -> str:
    return serving_time(material, "requests shadowed to the old model")


FULL = Phase(
    name="full",
    serves="challenger",
    checks=full_checks,
    waiting=_waiting,
    detectable=detectable,
    cost=_cost,
    unwatched=unwatched_minutes,
    then="the old model may be decommissioned",
)
"""The old model is mirrored."""
