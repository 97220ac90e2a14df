"""Are the critical features there, and did both models see the same ones?"""

from __future__ import annotations

import numpy as np

from analyzer.measure import by_hour, feature_nulls, logged, rate_of
from analyzer.phases.gate import Material, check, percent, share_with_interval
from analyzer.stats.result import Undefined
from analyzer.verdict import Check

WITHOUT_UNITS = "The interval knows the hours' dependence, not that of users."
"""Feature tables hold no unit buckets: they would multiply the profile by the features."""


def critical_features(material: Material) -> list[Check]:
    """Null share of every critical feature, and parity of all that both models log."""
    checks = []
    for feature in material.rollout.features.critical:
        model = "challenger" if logged(material.profiles, "challenger", feature) else "champion"
        checks.append(_nulls(material, feature, model))
    return [*checks, *_parity(material)]


def _nulls(material: Material, feature: str, model: str) -> Check:
    limits = material.policy.shadow
    sums = feature_nulls(material.profiles, model, feature)
    found = rate_of(sums.blocks("nulls"), sums.blocks("n"), confidence=limits.confidence)
    result = found.result if found.n else Undefined("neither model logs it in this window")
    return check(
        material,
        f"model.nulls.{feature}",
        "model",
        "null share of a critical feature",
        result,
        "<",
        limits.max_critical_null_share,
        f"Critical feature {feature}, as the {model} logged it: {found.k:,} of {found.n:,} are "
        f"NULL or NaN: {share_with_interval(result)}; below "
        f"{percent(limits.max_critical_null_share)} is needed. {WITHOUT_UNITS}",
        counts={"nulls": found.k, "rows": found.n},
    )


def _parity(material: Material) -> list[Check]:
    """Critical features block; the others that both models log are shown."""
    limits = material.policy.shadow
    table = material.profiles.table("parity")
    checks = []
    for feature in sorted(set(table["feature"].to_pylist())):
        rows = table.filter(np.asarray(table["feature"].to_numpy(zero_copy_only=False)) == feature)
        sums = by_hour(material.profiles, rows, ["compared", "differing"])
        found = rate_of(
            sums.blocks("differing"), sums.blocks("compared"), confidence=limits.confidence
        )
        critical = feature in material.rollout.features.critical
        checks.append(
            check(
                material,
                f"model.parity.{feature}",
                "model",
                "feature parity",
                found.result,
                "<=",
                limits.max_parity_mismatch,
                f"Feature {feature} as both models logged it for the same request: {found.k:,} of "
                f"{found.n:,} differ: {share_with_interval(found.result)}; at most "
                f"{percent(limits.max_parity_mismatch)}. {WITHOUT_UNITS}",
                severity="block" if critical else "warn",
                counts={"differing": found.k, "compared": found.n},
            )
        )
    return checks
