"""Has the phase lasted long enough, and seen enough?"""

from __future__ import annotations

from analyzer.measure import hourly
from analyzer.phases.data import watched_hours
from analyzer.phases.gate import Material, check
from analyzer.stats.result import point
from analyzer.verdict import Check, judge


def duration(material: Material) -> Check:
    """The phase's shortest allowed duration, by the hours with traffic."""
    limits = material.limits
    hours = float(watched_hours(material))
    result = point(hours, hours, "hours from the first to the last with traffic")
    word = (
        "" if material.started is not None else " The phase's start is not recorded in the diary."
    )
    return check(
        material,
        "process.duration",
        "process",
        f"hours in {material.phase}",
        result,
        ">=",
        float(limits.min_hours),
        f"{hours:g} h in {material.phase}; never judged before {limits.min_hours} h.{word}",
        outcome="pass" if judge(result, ">=", limits.min_hours) == "pass" else "undecided",
    )


def sample(material: Material, least: int) -> Check:
    """The fewest requests of the challenger that a verdict may rest on."""
    rows = hourly(material.profiles, "challenger").total("n")
    result = point(float(rows), rows, "requests of the challenger, counted")
    return check(
        material,
        "process.sample",
        "process",
        "requests answered by the challenger",
        result,
        ">=",
        float(least),
        f"The challenger answered {rows:,} requests; never judged before {least:,}.",
        outcome="pass" if judge(result, ">=", least) == "pass" else "undecided",
        counts={"requests": rows},
    )
