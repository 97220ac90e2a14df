"""Business levels: what late labels say, or in words why they say nothing. Never a silent pass."""

from __future__ import annotations

from analyzer.errors import AnalyzerError
from analyzer.labels.business import business_checks
from analyzer.labels.known import known
from analyzer.phases.gate import Material, check
from analyzer.stats.result import Undefined
from analyzer.verdict import Check

UNDESCRIBED = "not declared: no labels are described under [labels] in rollout.toml"


def business_levels(material: Material) -> list[Check]:
    """The business checks as of the material's instant, or the one that says why there are none."""
    rollout = material.rollout
    if not rollout.labels.paths:
        return [unsaid(material, UNDESCRIBED)]
    try:
        found = known(rollout, material.as_of)
    except AnalyzerError as error:
        return [unsaid(material, str(error))]
    return business_checks(found, rollout.labels.arrival, material.policy.business)


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
