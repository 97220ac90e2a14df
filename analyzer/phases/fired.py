"""Did a rollback trigger fire in this phase?"""

from __future__ import annotations

from analyzer.phases.gate import Material, check
from analyzer.policy import ServedPhase
from analyzer.stats.result import Undefined, point
from analyzer.triggers.run import Trigger, triggers
from analyzer.verdict import Check, Outcome

OUTCOMES: dict[str, Outcome] = {"fired": "fail", "ok": "pass", "undecided": "undecided"}
REMEDY = (
    "Raise the weight or `trigger.bucket_minutes` if minutes hold too few requests, scan earlier "
    "weeks if none is known, or let the gate go on without it (`undecided_triggers`)."
)


def trigger_checks(material: Material, limits: ServedPhase) -> list[Check]:
    """A check for each trigger, followed over every minute of the window.

    A trigger that fired keeps the phase from promoting for good. One that could not be judged
    leaves the gate undecided, unless the policy only wants to be told.
    """
    found = triggers(material.rollout, material.profiles, material.policy.trigger, material.events)
    return [_check(material, limits, one) for one in found.triggers]


def _check(material: Material, limits: ServedPhase, found: Trigger) -> Check:
    outcome = OUTCOMES[found.outcome]
    told = outcome == "undecided" and limits.undecided_triggers == "warn"
    judged = sum(found.minutes.get(state, 0) for state in ("ok", "breach"))
    remedy = f" {REMEDY}" if outcome == "undecided" else ""
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
        f"Trigger: {found.rule}: {found.sentence}.{remedy}",
        outcome=outcome,
        severity="warn" if told else "block",
        harm=True,
    )
