"""Rules that somebody set aside, by the diary: what each covers, and how it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from analyzer.diary import Event
from analyzer.policy import Policy
from analyzer.verdict import Check, Override
from analyzer.window import parse, show

TABLES = {
    "shadow": ("data", "shadow"),
    "canary": ("data", "canary", "trigger"),
    "ab": ("data", "experiment"),
    "full": ("data", "full", "trigger", "slo"),
}
"""Tables of the policy that a phase's gate judges by; others may change while it runs."""

Tables = Mapping[str, Mapping[str, Any]]


def overrides_of(events: Sequence[Event], challenger: str | None = None) -> list[Override]:
    """What the diary says was set aside, for one challenger or for all, in order of time."""
    return [
        Override(
            phase=e.phase,
            what=e.what,
            reason=e.note,
            by=e.source,
            at=show(e.at),
            policy=e.policy,
        )
        for e in events
        if e.kind == "override" and (challenger is None or e.challenger in ("", challenger))
    ]


def told(override: Override) -> str:
    """An override as a sentence."""
    by = f" by {override.by}" if override.by else ""
    return f"Overridden{by} {override.at}, {override.what} in {override.phase}: {override.reason}"


def set_aside(
    checks: Sequence[Check],
    overrides: Sequence[Override],
    policy: Policy,
    phase: str,
    policies: Mapping[str, Tables],
    restarts: int,
    harmed: int,
) -> list[Check]:
    """The checks; those that an override covers keep their outcome and no longer decide.

    restarts: how many starts of this phase moved; each needs an override of its own. harmed: when
    harm was last found in it, microseconds UTC: an override before that did not know of it.
    """
    found = []
    for one in checks:
        named = [o for o in overrides if one.id in _covered(o, phase)]
        if one.id == "process.policy":
            named = [o for o in named if _same_policy(o, policy, phase, policies)]
        if one.id == "process.start" and len(named) < restarts:
            named = []
        if one.id == "process.harm":
            named = [o for o in named if parse(o.at) >= harmed]
        if named and one.outcome != "pass":
            sentence = f"{one.sentence} {told(named[-1])}"
            one = msgspec.structs.replace(one, severity="warn", sentence=sentence)
        found.append(one)
    return found


def _covered(override: Override, phase: str) -> set[str]:
    """Checks of the gate of `phase` that an override sets aside."""
    where = override.phase
    here = {
        "skip": set(),
        "shorten": {
            "process.duration",
            "process.decommission",
            "process.planned_days",
            "process.split_days",
        },
        "policy": {"process.policy"},
        "restart": {"process.start", "process.plan"},
        "split": {"process.split"},
        "harm": {"process.harm"},
    }
    before = {"skip": {f"process.chain.{where}"}, "shorten": {f"process.length.{where}"}}
    return before.get(override.what, set()) | (here[override.what] if where == phase else set())


def _same_policy(
    override: Override, policy: Policy, phase: str, policies: Mapping[str, Tables]
) -> bool:
    if override.policy == policy.digest:
        return True
    return moved_keys(policies.get(override.policy), policy, phase) == []


def moved_keys(before: Tables | None, now: Policy, phase: str) -> list[str] | None:
    """Which keys that a phase is judged by changed, in words; None where it cannot be said.

    A key that the earlier policy did not have yet came with a newer version of this tool and is
    no change of the team's.
    """
    if before is None:
        return None
    old, new = _flat(before), _flat(msgspec.to_builtins(now))
    return [
        f"{key} was {value}, is {new.get(key)}"
        for key, value in sorted(old.items())
        if key.split(".")[0] in TABLES[phase] and new.get(key) != value
    ]


def _flat(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Keys of tables within tables by their whole name, as in `canary.segments.q`."""
    found: dict[str, Any] = {}
    for key, value in tables.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
