"""`slo`: is production healthy? Every level of three layers, and the error budgets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from analyzer import __version__
from analyzer.config import Rollout
from analyzer.diary import Event
from analyzer.logs import SIDES, LogFile
from analyzer.phases.data import reading_checks
from analyzer.phases.gate import Material
from analyzer.policy import Policy
from analyzer.profiles import Profiles
from analyzer.slo.budget import Budget, budgets
from analyzer.slo.business import business_levels
from analyzer.slo.health import model_health_checks
from analyzer.slo.history import History, history
from analyzer.slo.infrastructure import infrastructure_checks
from analyzer.verdict import EXIT_CODES, Check, decide
from analyzer.window import show

Outcome = Literal["healthy", "hold", "undecided", "roll back"]


@dataclass(frozen=True)
class Slo:
    """All levels over a window. serves: who answers users; baseline: what tells what is usual.

    blocking: ids of the checks that keep production from being called healthy.
    """

    tool: str
    rollout: str
    window: tuple[str, str]
    as_of: str
    outcome: Outcome
    exit_code: int
    headline: str
    serves: str
    baseline: str
    policy: str
    profiles: dict[str, str]
    checks: list[Check]
    blocking: list[str]
    budgets: list[Budget]


def slo(
    rollout: Rollout,
    policy: Policy,
    profiles: Profiles,
    events: Sequence[Event],
    *,
    as_of: int | None = None,
    problems: Sequence[LogFile] = (),
) -> Slo:
    """Judge the service levels over the profiles' window.

    events: the diary, for weights, holidays and incidents. as_of: instant in microseconds UTC as of
    which labels are known, default the window's end. problems: log files that could not be used.
    Raises StoreError where nothing of the window was profiled.
    """
    known = profiles.window.end if as_of is None else as_of
    material = Material(rollout, policy, profiles, problems, known, None, events=events)
    past = history(rollout, profiles, policy.slo, events)
    spent, burning = budgets(material, past)
    checks = [
        *_of_those_who_log(reading_checks(material), past),
        *infrastructure_checks(material, past),
        *burning,
        *model_health_checks(material, events, always_valid=False),
        *business_levels(material),
    ]
    decision = decide(checks, overdue=False)
    outcome: Outcome = "healthy" if decision == "promote" else decision
    blocking = [c for c in checks if c.severity == "block" and c.outcome != "pass"]
    return Slo(
        __version__,
        rollout.name,
        (show(material.window.start), show(material.window.end)),
        show(known),
        outcome,
        EXIT_CODES[decision],
        _headline(outcome, blocking),
        _serves(past),
        past.left_out,
        policy.digest,
        profiles.digests,
        checks,
        [c.id for c in blocking],
        spent,
    )


def _of_those_who_log(checks: Sequence[Check], past: History) -> Iterator[Check]:
    """The checks as they are, but that one of a shadow's log decides nothing, and that nothing is
    asked of a model that is not there.
    """
    for check in checks:
        sides = [side for side in SIDES if check.id.endswith(f".{side}")]
        if all(past.logs(side) for side in sides):
            shadow = any(side not in past.serving() for side in sides)
            yield msgspec.structs.replace(check, severity="warn") if shadow else check


def _headline(outcome: Outcome, blocking: Sequence[Check]) -> str:
    if not blocking:
        return "Healthy: every level that decides is kept."
    order = {"fail": 0, "invalid": 1, "undecided": 2}
    first = min(blocking, key=lambda c: order.get(c.outcome, 3))
    rest = f" and {len(blocking) - 1} more" if len(blocking) > 1 else ""
    doubled = first.outcome == outcome
    return f"{outcome.capitalize()}: {first.id}{'' if doubled else f' ({first.outcome})'}{rest}."


def _serves(past: History) -> str:
    """Who answers users in the window, by the diary."""
    weight = past.weight[past.inside.start * 60 :]
    low, high = float(weight.min()), float(weight.max())
    shares = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
    names = " and ".join(side for side in SIDES if side in past.serving())
    return f"{names}; the challenger's weight is {shares} of 1"
