"""What the experiment says, as checks of the A/B gate.

Early reads never promote: before the planned end the primary metric can only be harmful or
undecided. Units that are not split as planned void what the experiment says, for good or ill.
"""

from __future__ import annotations

from collections.abc import Sequence

from analyzer.config import Rollout
from analyzer.diary import Event
from analyzer.errors import AnalyzerError
from analyzer.experiment.analysis import Analysis, current
from analyzer.experiment.guard_rails import Guard
from analyzer.phases.gate import Material, check, percent
from analyzer.phases.trial_data import outcome_checks
from analyzer.phases.trial_process import SAMPLE, SPLIT_DAYS, run_checks, run_waiting
from analyzer.policy import Policy
from analyzer.profiles import Profiles
from analyzer.stats.result import Estimate, Result, Undefined, point
from analyzer.verdict import Check, Operator, Outcome, Verdict, Waiting, judge
from analyzer.window import parse

PRIMARY, GUARD, NOVELTY = "experiment.primary", "experiment.guard_rail", "experiment.novelty"


def trial_checks(material: Material) -> list[Check]:
    """The split, the primary metric, guard rails and novelty, and how the experiment is run.

    From the outcomes read so far and known at the verdict's as-of, against the registration.
    Where either is missing the one check is undecided and says what to do.
    """
    found = _analysis(material)
    if isinstance(found, str):
        return [_unread(material, found)]
    return [
        *outcome_checks(material, found),
        _ratio(material, found),
        _mixed(material, found),
        *_primary(material, found),
        *(_guard_rail(material, one) for one in found.guard_rails),
        _novelty(material, found),
        *run_checks(material, found),
    ]


def _analysis(material: Material) -> Analysis | str:
    return trial_of(
        material.rollout, material.policy, material.profiles, material.events, material.as_of
    )


def trial_of(
    rollout: Rollout, policy: Policy, profiles: Profiles, events: Sequence[Event], as_of: int
) -> Analysis | str:
    """What the experiment says as of an instant (microseconds UTC), or why it says nothing; made
    once for the checks, what they wait for, and the night's page.
    """

    def made() -> Analysis | str:
        try:
            return current(rollout, policy.experiment, events, as_of)
        except AnalyzerError as error:
            return str(error)

    key = ("experiment", as_of, policy.digest, tuple(events))
    return profiles.remember(key, made)


def trial_in(
    rollout: Rollout, policy: Policy, verdict: Verdict, profiles: Profiles, events: Sequence[Event]
) -> Analysis | str | None:
    """What the A/B test says by a verdict's as-of, or why nothing; None in another phase."""
    if verdict.phase != "ab":
        return None
    as_of = parse(verdict.as_of)
    by_then = [event for event in events if event.at <= as_of]
    return trial_of(rollout, policy, profiles, by_then, as_of)


def _unread(material: Material, why: str) -> Check:
    return check(
        material,
        PRIMARY,
        "experiment",
        "lift of the primary metric",
        Undefined(why),
        None,
        None,
        f"Nothing can be said of the experiment: {why}.",
        outcome="undecided",
    )


def _ratio(material: Material, found: Analysis) -> Check:
    limit = material.policy.experiment.sample_ratio_level
    what = "Units" if found.clusters is None else "Clusters of units"
    counted = found.units if found.clusters is None else found.clusters
    counts = ", ".join(f"{arm} {n:,.0f}" for arm, n in counted.items())
    outcome = judge(found.ratio, ">", limit)
    return check(
        material,
        "experiment.sample_ratio",
        "experiment",
        "p of the planned split",
        found.ratio,
        ">",
        limit,
        f"{what} in the planned split: {counts}; p over all weights in force {_p(found.ratio)}, "
        f"above {limit:g} is needed. Below it units were lost or moved, and no effect can be "
        "trusted.",
        outcome="invalid" if outcome == "fail" else outcome,
    )


def _p(result: Result) -> str:
    if not isinstance(result, Estimate):
        return f"cannot be said ({result.reason})"
    return f"{result.value:.3g}"


def _mixed(material: Material, found: Analysis) -> Check:
    limit = material.policy.experiment.max_mixed_share
    outcome = judge(found.mixed, "<=", limit)
    seen = percent(found.mixed.value) if isinstance(found.mixed, Estimate) else "no unit"
    return check(
        material,
        "experiment.mixed_units",
        "experiment",
        "units seen in both arms",
        found.mixed,
        "<=",
        limit,
        f"Units seen in both arms: {seen}; at most {percent(limit)}. They count in neither.",
        outcome="invalid" if outcome == "fail" else outcome,
    )


def _primary(material: Material, found: Analysis) -> list[Check]:
    """Better at the planned end, by the test that was registered; harmful at any time."""
    one = next(r for r in found.readings if r.role == "primary")
    good: Operator = ">" if one.better == "higher" else "<"
    harmed = judge(one.lift, good, 0.0) == "fail"
    at_end = found.ended and not harmed
    result = one.final if at_end else one.lift
    if found.valid == "invalid":
        outcome: Outcome = "invalid"
    else:
        outcome = judge(result, good, 0.0)
        if not found.ended and outcome == "pass":
            outcome = "undecided"
    how = "at the planned end" if at_end else "so far, readable at any time"
    more = (
        "" if found.ended else " Before the outcomes of the planned end it can harm, not promote."
    )
    return [
        check(
            material,
            PRIMARY,
            "experiment",
            f"lift of {one.metric}",
            result,
            good,
            0.0,
            f"{one.metric}: {_lift(result)} {how}; {'above' if good == '>' else 'below'} 0 is "
            f"needed.{more}",
            outcome=outcome,
            harm=True,
        )
    ]


def _lift(result: Result) -> str:
    if not isinstance(result, Estimate):
        return f"cannot be said ({result.reason})"
    return f"{result.value:+.2%} ({result.low:+.2%} to {result.high:+.2%})"


def _guard_rail(material: Material, one: Guard) -> Check:
    word = (
        " It is certainly worse, within its margin." if one.worse and one.outcome == "pass" else ""
    )
    return check(
        material,
        f"{GUARD}.{one.metric}",
        "experiment",
        f"harm to {one.metric}",
        one.harm,
        "<",
        one.margin,
        f"{one.metric} is worse by {_lift(one.harm)} of the champion's; less than "
        f"{percent(one.margin)} is allowed.{word}",
        outcome=one.outcome,
        harm=True,
    )


def _novelty(material: Material, found: Analysis) -> Check:
    """Does the effect survive? Where it wears off, only the late days of it count."""
    one = next(r for r in found.readings if r.role == "primary")
    worse: Operator = "<" if one.better == "higher" else ">"
    good: Operator = ">" if one.better == "higher" else "<"
    seen, late, early = found.novelty.contrast, found.novelty.late, found.novelty.early
    result: Result
    if not isinstance(seen, Estimate):
        result, outcome = seen, judge(seen, good, 0.0)
        sentence = f"Whether the effect wears off cannot be said: {seen.reason}."
    elif judge(seen, worse, 0.0) == "pass" and _lost(late, early, good):
        result, outcome = late, judge(late, good, 0.0)
        sentence = (
            f"The effect on {one.metric} wears off: {_lift(early)} in the first third of a "
            f"unit's days, {_lift(late)} in the last, which alone counts."
        )
    else:
        result, outcome = seen, "pass"
        sentence = (
            f"The effect on {one.metric} holds: the lift of the last third of a unit's days minus "
            f"that of the first is {_lift(seen)}."
        )
    invalid = found.valid == "invalid"
    return check(
        material,
        NOVELTY,
        "experiment",
        f"lift of {one.metric} by day since exposure",
        result,
        good,
        0.0,
        sentence,
        outcome="invalid" if invalid else outcome,
    )


def _lost(late: Result, early: Result, good: Operator) -> bool:
    """Whether nothing certain is left, or less than half."""
    if not isinstance(late, Estimate) or not isinstance(early, Estimate):
        return True
    sign = 1.0 if good == ">" else -1.0
    half = judge(point(sign * (late.value - early.value / 2), late.n, "left"), "<", 0.0)
    return judge(late, good, 0.0) != "pass" or half == "pass"


def trial_waiting(material: Material, failed: Check) -> list[Waiting]:
    """When the planned end comes: before it no read can promote."""
    found = _analysis(material)
    if isinstance(found, str) or found.ended:
        return []
    if failed.id in (SAMPLE, SPLIT_DAYS):
        return run_waiting(failed, found)
    if failed.id != PRIMARY:
        return []
    promised, units = found.promised, sum(found.units.values())
    return [
        Waiting(
            check=failed.id,
            has=units,
            needs=float(promised.n_star),
            at=f"{promised.end}T00:00Z",
            sentence=f"{failed.id}: has {units:,.0f} of {promised.n_star:,} planned units; the "
            f"planned end is {promised.end}.",
        )
    ]


def registered(material: Material) -> str:
    """Digest of the registration that the experiment is read against; empty without one."""
    found = _analysis(material)
    return "" if isinstance(found, str) else found.registration
