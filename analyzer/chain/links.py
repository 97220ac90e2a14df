"""Did the earlier phases earn this one? Each must have promoted, and while that was valid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.chain.changes import models_of
from analyzer.chain.kept import Chain, Kept
from analyzer.diary import Event
from analyzer.phase_limits import LADDER
from analyzer.phases.gate import Material, check
from analyzer.policy import PHASES, Policy
from analyzer.stats.result import Estimate, Undefined, point
from analyzer.verdict import Check, Outcome, judge
from analyzer.window import HOUR, parse, show


@dataclass(frozen=True)
class Link:
    """What an earlier phase says of the step from it: its verdict, where that carries the step."""

    phase: str
    outcome: Outcome
    sentence: str
    verdict: Kept | None = None


@dataclass(frozen=True)
class Past:
    """An earlier phase: when it began and when the next one did (microseconds UTC), by the
    diary; None where it does not say. next: that next phase.
    """

    phase: str
    began: int | None
    next: str
    ended: int | None


def earlier(events: Sequence[Event], phase: str, started: int | None) -> list[Past]:
    """The phases before `phase`, each with the one that followed it by the diary."""
    found: list[Past] = []
    later, ended = phase, started
    for name in reversed(LADDER[: LADDER.index(phase)]):
        began = _last_start(events, name, ended)
        found.append(Past(name, began, later, ended))
        if began is not None:
            later, ended = name, began
    return found[::-1]


def _last_start(events: Sequence[Event], phase: str, before: int | None) -> int | None:
    starts = [
        event.at
        for event in events
        if event.kind == "phase" and event.phase == phase and (before is None or event.at <= before)
    ]
    return max(starts, default=None)


def link(past: Past, chain: Chain, material: Material, events: Sequence[Event]) -> Link:
    """Whether an earlier phase's verdict carries the step out of it."""

    def no(outcome: Outcome, sentence: str) -> Link:
        return Link(past.phase, outcome, sentence)

    name, models = past.phase, models_of(material)
    known = [k for k in chain.of(material.rollout.name, name) if k.at <= material.as_of]
    same = [k for k in known if k.verdict.models == models]
    if not known and past.began is None:
        return no("fail", f"{name} was skipped: neither the diary nor a kept verdict knows it.")
    if not known:
        return no(
            "undecided",
            f"{name} began {show(past.began or 0)}, but no verdict of it is kept: run `analyzer "
            f"gate {name}` for the time before {past.next} began.",
        )
    if not same:
        other = " against ".join(known[-1].verdict.models[s] for s in ("challenger", "champion"))
        return no("fail", f"the kept verdicts of {name} are of other models: {other}.")
    if past.ended is None:
        return no(
            "undecided",
            f"the diary does not say when {past.next} began, so whether {name} had promoted by "
            f"then cannot be said: `analyzer event add phase {past.next} --at TIME`.",
        )
    in_time = [k for k in same if k.at <= past.ended]
    if not in_time:
        return no("fail", f"{name} was judged only after {past.next} began {show(past.ended)}.")
    return _carried(past, past.ended, in_time, chain, events)


def _carried(
    past: Past, ended: int, verdicts: Sequence[Kept], chain: Chain, events: Sequence[Event]
) -> Link:
    """Whether the last word of a phase was a promotion that still held when the next began."""
    name, following = past.phase, f"when {past.next} began {show(ended)}"
    decided = [k for k in verdicts if k.verdict.outcome != "undecided"]
    if not decided:
        return Link(name, "fail", f"{name} was still undecided {following}.")
    last = [k for k in decided if k.at == decided[-1].at]
    against = [k for k in last if k.verdict.outcome != "promote"]
    found = (against or last)[-1]
    of = f"verdict {found.digest} of {found.verdict.as_of}"
    if against:
        return Link(name, "fail", f"the last word of {name} was {found.verdict.outcome}: {of}.")
    if parse(found.verdict.valid_until) < ended:
        return Link(
            name,
            "fail",
            f"{name} had promoted, but that had expired {found.verdict.valid_until} (policy key "
            f"verdict.valid_hours) {following}: {of}.",
        )
    undone = [e for e in events if e.kind == "rollback" and found.at < e.at <= ended]
    if undone:
        return Link(
            name, "fail", f"{name} had promoted, but a rollback followed {undone[-1].ts}: {of}."
        )
    lost = sorted(set(found.verdict.evidence) - {k.digest for k in chain.kept})
    if lost:
        return Link(name, "fail", f"{name} stands on verdict {lost[0]}, which is not kept: {of}.")
    hours = (ended - found.at) / HOUR
    return Link(
        name, "pass", f"{name} promoted {hours:.3g} h before {past.next} began: {of}.", found
    )


def link_checks(material: Material, links: Sequence[Link]) -> Iterator[Check]:
    """One check for each earlier phase: whether it earned the next."""
    for found in links:
        carried = point(1.0, 1, "a kept verdict") if found.verdict else None
        yield check(
            material,
            f"process.chain.{found.phase}",
            "process",
            f"evidence of {found.phase}",
            carried or Undefined(found.sentence.rstrip("."), 0),
            None,
            None,
            found.sentence[:1].upper() + found.sentence[1:],
            outcome=found.outcome,
        )


def length_checks(material: Material, pasts: Sequence[Past]) -> Iterator[Check]:
    """One check for each earlier phase whose length and minimum are known."""
    for past in pasts:
        least = min_hours(material.policy, past.phase)
        if past.began is None or past.ended is None or least is None:
            continue
        hours = (past.ended - past.began) / HOUR
        result: Estimate = point(hours, hours, "hours between the diary's phases")
        yield check(
            material,
            f"process.length.{past.phase}",
            "process",
            f"hours in {past.phase}",
            result,
            ">=",
            least,
            f"{past.phase} lasted {hours:.4g} h before {past.next} began; at least {least:g} h "
            "are needed.",
            outcome=judge(result, ">=", least),
        )


def decommission_checks(material: Material, events: Sequence[Event]) -> Iterator[Check]:
    """Whether the old model stayed warm long enough, where the diary says that it is gone."""
    gone, began = _last_start(events, "decommission", None), material.started
    if material.phase != "full" or gone is None or began is None or gone < began:
        return
    least = float(material.limits.min_hours)
    hours = (gone - began) / HOUR
    result = point(hours, hours, "hours between the diary's phases")
    yield check(
        material,
        "process.decommission",
        "process",
        "hours until decommissioning",
        result,
        ">=",
        least,
        f"The old model was decommissioned {hours:.4g} h after full rollout began; it is kept warm "
        f"for {least:g} h, so that a rollback stays possible.",
    )


def min_hours(policy: Policy, phase: str) -> float | None:
    """How long a phase lasts at least, None where the policy has no limits for it."""
    return float(policy.phase(phase).min_hours) if phase in PHASES else None
