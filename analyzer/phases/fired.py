"""Did a rollback trigger fire in this phase?"""

from __future__ import annotations

import math
from collections.abc import Collection

from analyzer.logs import SIDES
from analyzer.measure import hourly
from analyzer.phase_limits import ServedPhase
from analyzer.phases.gate import Material, check
from analyzer.stats.result import Undefined, point
from analyzer.triggers.run import Trigger, triggers
from analyzer.verdict import Check, Outcome
from analyzer.window import MINUTE

OUTCOMES: dict[str, Outcome] = {"fired": "fail", "ok": "pass", "undecided": "undecided"}


def trigger_checks(
    material: Material, limits: ServedPhase, left_out: Collection[str] = ()
) -> list[Check]:
    """A check for each trigger but those `left_out`, followed over every minute of the window.

    A trigger that fired keeps the phase from promoting for good. One that could not be judged
    leaves the gate undecided, or only warns, as the policy says: for minutes with too few requests,
    and for all else. Errors and latency of such minutes still count in the window's own checks.
    """
    found = triggers(material.rollout, material.profiles, material.policy.trigger, material.events)
    return [_check(material, limits, one) for one in found.triggers if one.name not in left_out]


def _check(material: Material, limits: ServedPhase, found: Trigger) -> Check:
    outcome = OUTCOMES[found.outcome]
    judged = sum(found.minutes.get(state, 0) for state in ("ok", "breach"))
    remedy, told = "", False
    if outcome == "undecided":
        few = _few(material, found)
        told = (limits.low_traffic_triggers if few else limits.undecided_triggers) == "warn"
        key = "low_traffic_triggers" if few else "undecided_triggers"
        remedy = (
            f". {_remedy(material, few)}; whether the gate waits for it is `{key}` in the policy"
        )
    return check(
        material,
        f"infrastructure.trigger.{found.name.replace(' ', '_')}",
        "infrastructure",
        "times a rollback trigger fired",
        Undefined(found.sentence, judged)
        if outcome == "undecided"
        else point(float(len(found.firings)), judged, "minutes that could be judged"),
        "<=",
        0.0,
        f"Trigger: {found.rule}: {found.sentence}{remedy}.",
        outcome=outcome,
        severity="warn" if told else "block",
        harm=True,
    )


def _remedy(material: Material, few: bool) -> str:
    if few:
        return "Minutes hold too few requests: raise the weight or `trigger.bucket_minutes`"
    window = material.window
    spans = [(m.start, m.end) for m in material.profiles.manifests]
    profiled = sum(min(end, window.end) - max(start, window.start) for start, end in spans)
    if profiled < window.end - window.start:
        return "Scan what is missing of the phase, and earlier weeks if none is known"
    return (
        "All of the phase is scanned: where some hours bring few requests, raise the weight or "
        "`trigger.bucket_minutes`; where no earlier week is known, scan one"
    )


def _few(material: Material, found: Trigger) -> bool:
    """Whether it is for want of requests that minutes could not be judged: of so few an hour, some
    minutes have none by chance.
    """
    limits = material.policy.trigger
    minutes = sum(found.minutes.values())
    rows = min(hourly(material.profiles, side).total("n") for side in SIDES)
    span = (material.window.end - material.window.start) / MINUTE
    by_chance = math.exp(-rows / span * limits.bucket_minutes)
    allowed = (1 - limits.min_judged_share + by_chance) * minutes
    return rows > 0 and found.minutes.get("missing", 0) <= allowed
