"""Changing a router's weights: intent, write, belief, outcome.

The two directions are not alike, and that is what makes this safe. Down: tried again on every
failure, under the kill switch, without lock or audit log. Up: once, with everything in place; any
doubt holds, and any doubt afterwards takes it back.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from dataclasses import replace as replaced
from pathlib import Path

from analyzer.router import audit
from analyzer.router.adapter import (
    TOLERANCE,
    Adapter,
    Ambiguous,
    Live,
    Outcome,
    Plan,
    Refused,
    Rejected,
    RouterError,
    guarded,
)
from analyzer.router.audit import AuditError, Busy, alone
from analyzer.router.confirm import Confirmed, confirm
from analyzer.router.decision import ARMS, Decision, DecisionError, decision_for, decode, encode
from analyzer.router.files import replace
from analyzer.router.killswitch import KillSwitch

CONFIRM_SECONDS, DOWN_SECONDS, TAKE_BACK_SECONDS = 20.0, 25.0, 8.0
PAUSE = 0.2
"""Seconds between tries on the way down."""
WAIT_FOR_LOCK = 1.0
"""Seconds for which a rollback lets another controller finish before it goes ahead all the same."""
FOREVER = 10 * 366 * 86_400.0
"""Seconds for which a decision for the champion is valid: it needs no renewal."""


@dataclass
class Report:
    """What came of a change. before, after: the challenger's share as the router said; timings in
    seconds since the command began; notes: everything that went wrong on the way.
    """

    action: str
    outcome: Outcome
    share: float
    before: float | None = None
    after: float | None = None
    commands: list[str] = field(default_factory=list)
    confirmed: Confirmed | None = None
    timings: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    epoch: int = 0
    dry_run: bool = False

    def told(self) -> dict[str, object]:
        """The report for programs."""
        confirmed = self.confirmed._asdict() if self.confirmed else None
        return {**asdict(self), "confirmed": confirmed, "done": self.done}

    @property
    def done(self) -> bool:
        """Whether the router is believed to be where it should be."""
        believed = self.confirmed is None or self.confirmed.ok
        return self.outcome in ("applied", "no-op") and believed


@dataclass(frozen=True)
class Controller:
    """What a change of one rollout's router needs. folder: lock, audit log, decision in force.

    models: names of the arms' models. clock: seconds since 1970.
    """

    adapter: Adapter
    folder: Path
    rollout: str
    models: dict[str, str]
    switch: KillSwitch = field(default_factory=KillSwitch)
    clock: Callable[[], float] = time.time
    confirm_seconds: float = CONFIRM_SECONDS
    down_seconds: float = DOWN_SECONDS

    @property
    def log(self) -> Path:
        """The audit log."""
        return self.folder / "audit.jsonl"

    def in_force(self) -> Decision | None:
        """The decision in force, None where there never was one. Raises Refused (unreadable)."""
        try:
            return decode((self.folder / "decision.json").read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, DecisionError) as error:
            raise Refused(
                f"{self.folder / 'decision.json'}: the decision in force cannot be read ({error}); "
                "`analyzer route rollback` makes a new one"
            ) from None

    def epoch(self) -> int:
        """The next epoch. Where no record can be read, one that no counter will have reached."""
        known = [0]
        try:
            decision = self.in_force()
            known.append(decision.epoch if decision else 0)
            known += [
                r["epoch"] for r in audit.read(self.log).records if isinstance(r.get("epoch"), int)
            ]
        except (Refused, AuditError):
            known.append(int(self.clock()))
        return max(known) + 1


def rollback(
    controller: Controller, reason: str, *, dry_run: bool = False, force: bool = False
) -> Report:
    """Send everybody to the champion. Needs nothing but the router; never raises RouterError for
    what stands in the way, but reports it.
    """
    now = controller.clock()
    decision = _decision(_as_known(controller), "shadow", 0.0, reason, "", now + FOREVER)
    return _Change(controller, decision, "rollback", force=force).down(dry_run)


def lower(controller: Controller, share: float, reason: str) -> Report:
    """Bring the challenger down to `share`, which the decision in force allows."""
    try:
        now = controller.in_force()
    except Refused:
        now = None
    ends = controller.clock() + FOREVER
    if now is None or share == 0:
        decision = _decision(controller, "shadow", share, reason, "", ends)
    else:
        decision = now._replace(epoch=controller.epoch(), reason=reason)
    return _Change(controller, decision, "lower").down(dry_run=False)


def apply(
    controller: Controller,
    phase: str,
    share: float,
    *,
    reason: str,
    verdict: str,
    expires: float,
    live: Live,
    as_of: str = "",
    dry_run: bool = False,
) -> Report:
    """Carry out what a verdict permits. expires: seconds since 1970; live: what `permit` saw.

    Raises Refused, Unreachable, AuditError or Busy where nothing was done.
    """
    decision = _decision(controller, phase, share, reason, verdict, expires)
    change = _Change(controller, decision, "apply", as_of=as_of)
    if share < live.share - TOLERANCE:
        return change.down(dry_run)
    return change.up(live, dry_run)


def _as_known(controller: Controller) -> Controller:
    """With the models of the decision in force: clients obey no decision about others, and a
    rollout.toml that is broken may not name them.
    """
    try:
        decision = controller.in_force()
    except Refused:
        return controller
    return controller if decision is None else replaced(controller, models=decision.models)


def _decision(
    controller: Controller, phase: str, share: float, reason: str, verdict: str, expires: float
) -> Decision:
    now = controller.clock()
    return decision_for(
        phase,
        share,
        rollout=controller.rollout,
        models=controller.models,
        reason=reason,
        verdict=verdict,
        issued=now,
        expires=max(expires, now + 1),
        epoch=controller.epoch(),
    )


class _Change:
    """One change on its way."""

    def __init__(
        self,
        controller: Controller,
        decision: Decision,
        action: str,
        as_of: str = "",
        force: bool = False,
    ) -> None:
        self.to, self.decision, self.action = controller, decision, action
        self.as_of, self.force = as_of, force
        self.identity = uuid.uuid4().hex[:12]
        self.started = time.monotonic()
        self.report = Report(action, "unreachable", decision.share, epoch=decision.epoch)

    # up: once, everything in place

    def up(self, live: Live, dry_run: bool) -> Report:
        """Raise the challenger's share, or leave it where it is."""
        report = self.report
        report.before = report.after = live.share
        if abs(live.share - self.decision.share) < TOLERANCE:
            return self._nothing_to_do(live, dry_run)
        killed = self.to.switch.why()
        if killed:
            raise Refused(f"{killed}; the challenger gets no more traffic")
        plan = self._plan(live)
        if dry_run:
            return self._dry()
        with alone(self.to.folder):
            earlier = self.to.in_force()
            self._record("intent", plan)
            try:
                self._keep()  # before the router: a kill in between leaves less than is allowed
            except AuditError as error:
                report.outcome = "refused"
                report.notes.append(str(error))
                self._record_if_possible("outcome")
                raise
            try:
                report.outcome = self.to.adapter.apply(plan, live.version)
                self._mark("written")
            except RouterError as error:
                self._failed(error)
            if report.outcome in ("applied", "ambiguous"):
                self._believe(plan)
            self._take_back_on_doubt(earlier)
            self._record("outcome", plan)
        return report

    def _nothing_to_do(self, live: Live, dry_run: bool) -> Report:
        self.report.outcome = "no-op"
        self.report.dry_run = dry_run
        decision = self._in_force()
        stale = decision is None or decision.verdict != self.decision.verdict
        if not dry_run and stale and self.decision.verdict:
            with alone(self.to.folder):
                plan = self._plan(live)
                self._record("intent", plan)
                self._keep()
                self._record("outcome", plan)
        return self.report

    def _in_force(self) -> Decision | None:
        try:
            return self.to.in_force()
        except Refused:
            return None

    def _failed(self, error: RouterError) -> None:
        self.report.outcome = (
            "ambiguous"
            if isinstance(error, Ambiguous)
            else "rejected"
            if isinstance(error, Rejected | Refused)
            else "unreachable"
        )
        self.report.notes.append(str(error))

    def _take_back_on_doubt(self, earlier: Decision | None) -> None:
        """After a rise that is not believed, or that somebody decided against meanwhile."""
        report = self.report
        latest = self._in_force()
        overruled = latest is None or latest.epoch != self.decision.epoch
        believed = report.confirmed is not None and report.confirmed.ok
        if report.outcome == "applied" and believed and not overruled:
            return
        if overruled:
            report.notes.append("another decision was made meanwhile: it stands")
        elif earlier is not None:
            self._keep_quietly(earlier)
        else:
            (self.to.folder / "decision.json").unlink(missing_ok=True)
        if report.outcome == "conflict" and not overruled:
            return  # nothing of ours was written, and what is there is another's
        # what was there before the change is the most that the challenger may have
        outcome: Outcome = "ambiguous" if report.outcome == "applied" else report.outcome
        most = min(report.before or 0.0, latest.share if overruled and latest else 1.0)
        self._descend(most, time.monotonic() + TAKE_BACK_SECONDS)
        report.outcome = "conflict" if overruled else outcome

    # down: again and again, with whatever there is

    def down(self, dry_run: bool) -> Report:
        """Lower the challenger's share: try until it holds or the time is over."""
        report = self.report
        if dry_run:
            live = self.to.adapter.read()
            report.before = report.after = live.share
            self._plan(live)
            return self._dry()
        with ExitStack() as stack:
            self._lock_if_possible(stack)
            self._record_if_possible("intent")
            until = self.started + self.to.down_seconds
            plan = self._descend(self.decision.share, until)
            self._keep_quietly()
            if plan is not None:
                self._believe(plan)
                if report.confirmed and report.confirmed.configuration == "no":
                    report.outcome = "ambiguous"
            self._record_if_possible("outcome")
        return report

    def _lock_if_possible(self, stack: ExitStack) -> None:
        until = time.monotonic() + WAIT_FOR_LOCK
        while True:
            try:
                stack.enter_context(alone(self.to.folder))
                return
            except Busy as error:
                # the decision first: whoever holds the lock sees it, and takes its rise back
                self._keep_quietly()
                if time.monotonic() >= until:
                    self.report.notes.append(f"{error}; went ahead without the lock")
                    return
                time.sleep(PAUSE)
            except AuditError as error:
                self.report.notes.append(str(error))
                return

    def _descend(self, share: float, until: float) -> Plan | None:
        """Write `share` or less until the router takes it; None where it never did."""
        report, last = self.report, ""
        while True:
            try:
                live = self.to.adapter.read()
                report.before = live.share if report.before is None else report.before
                report.after = live.share
                plan = self._plan(live, share)
                loose = share == 0 and live.clings
                if live.share <= share + TOLERANCE and not loose:
                    report.outcome = "no-op" if report.outcome == "unreachable" else report.outcome
                    return plan
                outcome = self.to.adapter.apply(plan, live.version)
                if outcome == "applied":
                    report.outcome = outcome
                    self._mark("written")
                    return plan
                last = "the router changed at the same moment; tried again"
            except Refused as error:
                report.outcome = "refused"
                report.notes.append(str(error))
                return None
            except RouterError as error:
                last = str(error)
                self._failed(error)
                report.notes.pop()
            if last not in report.notes:
                report.notes.append(last)
            if time.monotonic() >= until:
                return None
            time.sleep(PAUSE)

    # what both do

    def _plan(self, live: Live, share: float | None = None) -> Plan:
        share = self.decision.share if share is None else share
        plan = guarded(self.to.adapter, live, share, self.force)
        weights = {"champion": round(1 - share, 12), "challenger": share}
        plan = plan._replace(decision=self.decision._replace(weights=weights))
        self.report.commands = list(plan.commands)
        return plan

    def _dry(self) -> Report:
        self.report.outcome, self.report.dry_run = "no-op", True
        return self.report

    def _believe(self, plan: Plan) -> None:
        report = self.report

        steps: list[Plan] = []

        def harder() -> bool:
            try:
                live = self.to.adapter.read()
                ladder: Sequence[Plan] = self.to.adapter.ladder(live)
                if len(steps) >= len(ladder):
                    return False
                steps.append(ladder[len(steps)])
                report.commands += steps[-1].commands
                report.notes.append(f"still serving: {'; '.join(steps[-1].commands)}")
                self.to.adapter.apply(steps[-1], live.version)
            except RouterError as error:
                report.notes.append(str(error))
            return True

        report.confirmed = confirm(
            self.to.adapter,
            plan,
            self.to.confirm_seconds,
            clock=self.to.clock,
            on_stuck=harder,
        )
        self._mark("confirmed")
        if report.confirmed.configuration == "ok":
            report.after = plan.share
            if report.outcome == "ambiguous":
                report.outcome = "applied"

    def _mark(self, name: str) -> None:
        self.report.timings[name] = round(time.monotonic() - self.started, 4)

    def _keep(self) -> None:
        try:
            replace(self.to.folder / "decision.json", encode(self.decision))
        except OSError as error:
            raise AuditError(
                f"{self.to.folder / 'decision.json'}: cannot be written ({error})"
            ) from None

    def _keep_quietly(self, decision: Decision | None = None) -> None:
        """Keep a decision that lowers; not being able to must not stop it."""
        kept = decision or self.decision
        try:
            if decision is None:
                latest = self._in_force()
                if latest is not None and latest.epoch > kept.epoch:
                    kept = self.decision = kept._replace(epoch=latest.epoch + 1)
            replace(self.to.folder / "decision.json", encode(kept))
        except OSError as error:
            note = f"the decision in force cannot be kept ({error})"
            if note not in self.report.notes:
                self.report.notes.append(note)

    def _record(self, kind: str, plan: Plan | None = None) -> None:
        report = self.report
        content: dict[str, object] = {
            "action": self.action,
            "share": self.decision.share,
            "phase": self.decision.phase,
            "reason": self.decision.reason,
            "verdict": self.decision.verdict,
            "epoch": self.decision.epoch,
            "before": report.before,
            "commands": list(plan.commands) if plan else report.commands,
            "models": {arm: self.decision.models[arm] for arm in ARMS},
        }
        if kind == "intent":
            content["unfinished"] = self._unfinished()
        if self.as_of:
            content["as_of"] = self.as_of
        if kind == "outcome":
            told = report.told()
            names = ("outcome", "after", "timings", "notes", "commands", "confirmed")
            content |= {name: told[name] for name in names}
        audit.append(self.to.log, kind, self.to.clock(), self.identity, **content)
        self._mark(kind)

    def _unfinished(self) -> list[str]:
        """Earlier changes of which no outcome was recorded, and damage of the log: named once."""
        trail = audit.read(self.to.log)
        found = [f"the change {i} has no recorded outcome" for i in trail.unfinished]
        known = {one for record in trail.records for one in record.get("unfinished", ())}
        new = [one for one in (*found, *trail.faults) if one not in known]
        self.report.notes += new
        return new

    def _record_if_possible(self, kind: str) -> None:
        try:
            self._record(kind)
        except AuditError as error:
            if str(error) not in self.report.notes:
                self.report.notes.append(str(error))
