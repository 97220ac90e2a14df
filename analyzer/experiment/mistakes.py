"""What is done wrong in how an experiment is run, before any number is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from analyzer.design import Experiment, offline
from analyzer.experiment.known import Known
from analyzer.experiment.registration import Registration, design_digest
from analyzer.experiment.split import Days
from analyzer.policy import Experiments
from analyzer.window import date

Rule = Literal["registration", "primary", "guard_rails", "planned_days", "split"]

RULES: dict[Rule, str] = {
    "registration": "arms, metrics and start are those that were registered",
    "primary": "the primary metric is one of the business",
    "guard_rails": "guard rails are declared",
    "planned_days": "a week or more is planned",
    "split": "the split is even, or a reason is given",
}


@dataclass(frozen=True)
class Mistake:
    """A rule that was broken, and how."""

    rule: Rule
    sentence: str


def mistakes(
    known: Known, registration: Registration, days: Days, limits: Experiments
) -> Iterator[Mistake]:
    """Every mistake there is. days: the weights in force, of all days with new units."""
    design = known.design
    first, last = registration.days
    if registration.design != design_digest(design):
        yield Mistake(
            "registration",
            "Arms, metrics or split are not those that were registered: what is read now was not "
            "promised before.",
        )
    early = _begun(known, days, design)
    if early is not None and early < first:
        yield Mistake(
            "registration",
            f"The planned split was in force from {date(early)} on, before the registered start on "
            f"{date(first)}: results could be seen before anything was promised.",
        )
    if offline(design.primary, design.metrics[design.primary]):
        yield Mistake(
            "primary",
            f"The primary metric {design.primary!r} tells how well a model predicts, not what it "
            "does for the business.",
        )
    if not any(metric.role == "guard rail" for metric in design.metrics.values()):
        yield Mistake(
            "guard_rails", "No guard rail is declared: harm beside the primary metric goes unseen."
        )
    if last - first < limits.min_days:
        yield Mistake(
            "planned_days",
            f"Planned for {last - first} days: fewer than {limits.min_days} do not hold a week.",
        )
    if design.weight != 0.5 and not design.weight_reason.strip():
        yield Mistake(
            "split",
            f"The split is {1 - design.weight:g} to {design.weight:g}, and no weight_reason says "
            "why.",
        )


def _begun(known: Known, days: Days, design: Experiment) -> int | None:
    """The first day of the planned split by the diary; without one, of a unit of the challenger."""
    for day, (_, challenger) in known.units_by_day().items():
        if days.weights.get(day) == design.weight if days.recorded else challenger > 0:
            return day
    return None
