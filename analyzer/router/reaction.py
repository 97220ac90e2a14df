"""From a trigger that fired to a router rolled back, without anybody being asked.

Only a firing acts. What is undecided, or cannot be read, does nothing and says so; and nothing that
stands beside the rollback (diary, lock, diagnosis) can delay it for more than seconds, or stop it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import msgspec

from analyzer import diary
from analyzer.config import Rollout
from analyzer.diary import Event, weight_at
from analyzer.errors import AnalyzerError
from analyzer.policy import Policy
from analyzer.router import audit, change, noted
from analyzer.router.adapter import RouterError
from analyzer.router.audit import AuditError, Busy, alone
from analyzer.router.controller import Controller, Report
from analyzer.router.decision import text
from analyzer.stages import Stages
from analyzer.triggers.newest import newest
from analyzer.triggers.run import Firing, Triggers
from analyzer.window import MINUTE, parse

WAIT_FOR_OTHER, PAUSE = 5.0, 0.2
"""Seconds for which another watcher may take to write its rollback, and between looks at that."""

Outcome = Literal["quiet", "undecided", "not asked", "fired", "rolled back", "elsewhere", "failed"]


@dataclass(frozen=True)
class Reaction:
    """What one look at the newest minutes led to. said: sentences for people. fired: told by a
    trigger while the challenger had traffic, and `[rollback] act` is off. elsewhere: another
    watcher rolled back. report: of the rollback. first: whether the diary learnt of it only
    now, so that its diagnosis may begin.
    """

    outcome: Outcome
    said: list[str] = field(default_factory=list)
    report: Report | None = None
    first: bool = False


class Alarm(NamedTuple):
    """A trigger's firing and when it happened. last: when its last breaching minute was over,
    microseconds UTC.
    """

    name: str
    sentence: str
    stages: Stages
    last: int


def react(rollout: Rollout, policy: Policy, controller: Controller) -> Reaction:
    """Follow the triggers over the newest minutes; roll back if one fired and the policy says so.

    Never raises for what stands in the way, but reports it.
    """
    try:
        events = diary.read(diary.path_of(rollout))
        now = round(controller.clock() * 1e6)
        answer = newest(rollout, policy.trigger, events, now)
    except AnalyzerError as error:
        return Reaction(
            "not asked", [f"the triggers could not be asked, so nothing is done: {error}"]
        )
    found = answer.found
    notes = [*found.notes, *([answer.unsaved] if answer.unsaved else [])]
    alarm = alarm_of(found, exposed_since(events), policy.trigger.bucket_minutes)
    if alarm is None:
        open_ = [f"{t.name}: {t.sentence}" for t in found.triggers if t.outcome == "undecided"]
        return Reaction("undecided" if open_ else "quiet", [*open_, *notes])
    said = [f"{alarm.name}: {alarm.sentence}", *notes]
    if _taken(controller, events):
        return Reaction("quiet", ["the challenger has no traffic; nothing is left to do", *said])
    if not policy.rollback.act:
        off = (
            "[rollback] act is off in the policy, so nothing was done; `analyzer route rollback` "
            "sends everybody to the champion"
        )
        return Reaction("fired", [off, *said])
    acted = _act(rollout, controller, alarm)
    return replace(acted, said=[*acted.said, *said])


def exposed_since(events: Sequence[Event]) -> int | None:
    """When the challenger last began to have traffic, microseconds UTC; None where the diary does
    not say. events: in order of time.
    """
    since, weight = None, 0.0
    for event in events:
        if event.challenger_weight is not None:
            if event.challenger_weight > 0 and weight == 0:
                since = event.at
            weight = event.challenger_weight
    return since


def alarm_of(found: Triggers, since: int | None, bucket_minutes: int) -> Alarm | None:
    """The first firing with a breach after `since`: what fired before has had its rollback."""
    step = bucket_minutes * MINUTE
    alarms = [
        _alarm(trigger.name, firing, step)
        for trigger in found.triggers
        for firing in trigger.firings
    ]
    alarms = [a for a in alarms if since is None or a.last > since]
    return min(alarms, key=lambda a: (a.stages.fired, a.stages.breach), default=None)


def _alarm(name: str, firing: Firing, step: int) -> Alarm:
    fired = text((parse(firing.fired) + step) / 1e6)
    stages = Stages(breach=text(parse(firing.first) / 1e6), fired=fired)
    counts = ", ".join(f"{value:,} {what}" for what, value in firing.counts.items())
    sentence = (
        f"fired at {firing.fired} (first breach {firing.first}, last {firing.last}): at worst "
        f"{firing.worst:.4g} against {firing.limit:.4g}; until it fired: {counts}"
    )
    return Alarm(name, sentence, stages, parse(firing.last) + step)


def _taken(controller: Controller, events: Sequence[Event]) -> bool:
    """Whether nothing is left to take away: by the router, the diary and the audit log."""
    now = round(controller.clock() * 1e6)
    try:
        records = audit.read(controller.log).records
    except AuditError:
        return False
    cut_short = bool(records) and records[-1]["kind"] == "intent"
    return not weight_at(events, now) and not cut_short and _off(controller)


def _off(controller: Controller) -> bool:
    """Whether the router gives the challenger nothing."""
    try:
        return controller.adapter.read().off
    except RouterError:
        return False


def _act(rollout: Rollout, controller: Controller, alarm: Alarm) -> Reaction:
    said: list[str] = []
    with ExitStack() as stack:
        until = time.monotonic() + WAIT_FOR_OTHER
        while True:
            try:
                stack.enter_context(alone(controller.folder / "watch"))
                break
            except Busy:
                if _off(controller):
                    return Reaction("elsewhere", ["another `analyzer route watch` rolled back"])
                if time.monotonic() >= until:
                    said.append("another `analyzer route watch` is at it; went ahead all the same")
                    break
                time.sleep(PAUSE)
            except AuditError as error:
                said.append(str(error))
                break
        known, faults = _known(rollout)
        if not faults and _taken(controller, known):
            return Reaction("elsewhere", ["another `analyzer route watch` rolled back"])
        reason = f"trigger {alarm.name} fired at {alarm.stages.fired}"
        stages = _earlier(controller, alarm.stages)
        report = change.rollback(controller, reason, stages=stages)
        lines, first = _lines(alarm, report, known)
        faults += noted.append(rollout, lines)
    outcome: Outcome = "rolled back" if report.done else "failed"
    return Reaction(outcome, [*said, *faults], report, first and not faults)


def _earlier(controller: Controller, stages: Stages) -> Stages:
    """With what the audit log knows of earlier tries after the same firing: a kill, or a router
    that did not answer, must not make the way look shorter.
    """
    try:
        records = audit.read(controller.log).records
    except AuditError:
        return stages
    told = [r["stages"] for r in records if isinstance(r.get("stages"), dict)]
    for one in (t for t in told if t.get("fired") == stages.fired):
        for name in ("decided", "written"):
            if isinstance(one.get(name), str) and not getattr(stages, name):
                stages = msgspec.structs.replace(stages, **{name: one[name]})
    return stages


def _known(rollout: Rollout) -> tuple[Sequence[Event], list[str]]:
    try:
        return diary.read(diary.path_of(rollout)), []
    except AnalyzerError as error:
        return (), [str(error)]


def _lines(alarm: Alarm, report: Report, known: Sequence[Event]) -> tuple[list[Event], bool]:
    """What the diary does not hold yet, and whether this rollback is new to it."""
    fired = noted.trigger(alarm.name, alarm.sentence, alarm.stages)
    told = [e for e in known if e.source == noted.SOURCE and e.at >= fired.at]
    lines = [] if any((e.ts, e.kind) == (fired.ts, fired.kind) for e in told) else [fired]
    first = not any(e.kind == "rollback" for e in told)
    lines += noted.decided(report) if first else []
    return [*lines, *noted.confirmed(report)], first
