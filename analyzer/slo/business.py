"""Business levels: what late labels say, or in words why they say nothing. Never a silent pass."""

from __future__ import annotations

from analyzer.diary import running_phase
from analyzer.labels.gate_checks import label_checks
from analyzer.phases.gate import Material, check
from analyzer.stats.result import Undefined
from analyzer.verdict import Check

UNDESCRIBED = "not declared: no labels are described under [labels] in rollout.toml"


def business_levels(material: Material) -> list[Check]:
    """The business checks as of the material's instant, or the one that says why there are none."""
    events = [e for e in material.events if e.at <= material.as_of]
    phase = running_phase(events)
    found = label_checks(material.rollout, material.policy, phase, material.as_of, events)
    return list(found.checks) or [unsaid(material, UNDESCRIBED)]


def unsaid(material: Material, reason: str) -> Check:
    """An undecided check that says why nothing is said of business."""
    return check(
        material,
        "business.labels",
        "business",
        "primary metric, week over week",
        Undefined(reason),
        "<=",
        material.policy.business.max_loss_growth,
        f"Business: nothing can be said: {reason}.",
        severity="warn",
    )
