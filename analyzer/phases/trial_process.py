"""How an experiment is run, as checks of the A/B gate: its plan, its split, its size."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.experiment.analysis import Analysis
from analyzer.experiment.mistakes import RULES
from analyzer.phases.gate import Material, check, percent
from analyzer.stats.result import point
from analyzer.verdict import Check, Waiting, judge

SAMPLE, SPLIT_DAYS = "experiment.sample", "process.split_days"


def run_checks(material: Material, found: Analysis) -> Iterator[Check]:
    """One check for each rule of an experiment's process, then its days and its units."""
    for rule, kept in RULES.items():
        broken = [m.sentence for m in found.mistakes if m.rule == rule]
        yield check(
            material,
            f"process.{rule}",
            "process",
            kept,
            point(float(len(broken)), len(broken), "mistakes, counted"),
            "<=",
            0.0,
            " ".join(broken) or f"As it should be: {kept}.",
        )
    yield _split_days(material, found)
    yield _sample(material, found)


def _split_days(material: Material, found: Analysis) -> Check:
    """The planned split in force for a week: effects are those of units first exposed then."""
    least = material.policy.experiment.min_days
    first, last = found.promised.days
    held = point(float(found.days), found.days, "days, counted")
    enough = judge(held, ">=", least)
    return check(
        material,
        SPLIT_DAYS,
        "process",
        "days with the planned split",
        held,
        ">=",
        float(least),
        f"The planned split, {percent(found.promised.weight)} for the challenger, was in force on "
        f"{found.days} of {last - first} planned days in a row; {least} are needed. Units first "
        "exposed on other days count in no effect.",
        outcome="undecided" if enough == "fail" and not found.ended else enough,
    )


def _sample(material: Material, found: Analysis) -> Check:
    """The units that the power analysis asked for, for the one test that may promote."""
    units, needed = sum(found.units.values()), found.promised.needed
    seen = point(units, units, "units, counted")
    enough = judge(seen, ">=", float(needed))
    return check(
        material,
        SAMPLE,
        "experiment",
        "units against the plan",
        seen,
        ">=",
        float(needed),
        f"{units:,.0f} units count; the power analysis asked for {needed:,} to find a lift of "
        f"{percent(found.promised.min_effect)} with the test at the planned end, N* is "
        f"{found.promised.n_star:,}. Fewer promote nothing.",
        outcome="pass" if enough == "pass" else "undecided",
    )


def run_waiting(failed: Check, found: Analysis) -> list[Waiting]:
    """When the planned end comes: what is missing by then will stay so."""
    if found.ended or failed.observed.value is None or failed.limit is None:
        return []
    has, what = failed.observed.value, "days" if failed.id == SPLIT_DAYS else "units"
    return [
        Waiting(
            check=failed.id,
            has=has,
            needs=failed.limit,
            at=f"{found.promised.end}T00:00Z",
            sentence=f"{failed.id}: has {has:,.0f} of {failed.limit:,.0f} {what}; the planned end "
            f"is {found.promised.end}.",
        )
    ]
