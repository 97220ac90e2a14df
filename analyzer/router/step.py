"""One change on its way: what rising and falling share. Plan, belief, decision kept, audit log."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence

import msgspec

from analyzer.router import audit
from analyzer.router.adapter import (
    Ambiguous,
    Live,
    Plan,
    Refused,
    Rejected,
    RouterError,
    guarded,
)
from analyzer.router.audit import AuditError
from analyzer.router.confirm import confirm
from analyzer.router.controller import Controller, Report
from analyzer.router.decision import ARMS, Decision, encode, text
from analyzer.router.files import replace
from analyzer.stages import Stages


class Step:
    """One change: the decision that it carries out, and what was found on the way."""

    def __init__(
        self,
        controller: Controller,
        decision: Decision,
        action: str,
        as_of: str = "",
        force: bool = False,
        stages: Stages | None = None,
    ) -> None:
        self.to, self.decision, self.action = controller, decision, action
        self.as_of, self.force = as_of, force
        self.identity = uuid.uuid4().hex[:12]
        self.started = time.monotonic()
        self.report = Report(action, "unreachable", decision.share, epoch=decision.epoch)
        self.began = controller.clock()
        if decision.share == 0:
            known = stages or Stages()
            decided = known.decided or text(self.began)
            self.report.stages = msgspec.structs.replace(known, decided=decided)

    def plan(self, live: Live, share: float | None = None) -> Plan:
        share = self.decision.share if share is None else share
        plan = guarded(self.to.adapter, live, share, self.force)
        weights = {"champion": round(1 - share, 12), "challenger": share}
        plan = plan._replace(decision=self.decision._replace(weights=weights))
        self.report.commands = list(plan.commands)
        return plan

    def dry(self) -> Report:
        self.report.outcome, self.report.dry_run = "no-op", True
        return self.report

    def believe(self, plan: Plan) -> None:
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
            quiet=self.to.quiet_seconds,
            clock=self.to.clock,
            on_stuck=harder,
        )
        self.mark("confirmed")
        if plan.share == 0 and report.confirmed.still_at is not None:
            last = text(report.confirmed.still_at)
            report.stages = msgspec.structs.replace(report.stages, last_response=last)
        if report.confirmed.configuration == "ok":
            report.after = plan.share
            if report.outcome == "ambiguous":
                report.outcome = "applied"

    def mark(self, name: str) -> None:
        taken = self.report.timings[name] = round(time.monotonic() - self.started, 4)
        if self.decision.share == 0 and (name == "written" or self._believed(name)):
            at = text(self.began + taken)
            self.report.stages = msgspec.structs.replace(self.report.stages, **{name: at})

    def _believed(self, name: str) -> bool:
        confirmed = self.report.confirmed
        return name == "confirmed" and confirmed is not None and confirmed.ok

    def keep(self) -> None:
        try:
            replace(self.to.folder / "decision.json", encode(self.decision))
        except OSError as error:
            raise AuditError(
                f"{self.to.folder / 'decision.json'}: cannot be written ({error})"
            ) from None

    def keep_quietly(self, decision: Decision | None = None) -> None:
        """Keep a decision that lowers; not being able to must not stop it."""
        kept = decision or self.decision
        try:
            if decision is None:
                latest = self.in_force()
                if latest is not None and latest.epoch > kept.epoch:
                    kept = self.decision = kept._replace(epoch=latest.epoch + 1)
            replace(self.to.folder / "decision.json", encode(kept))
        except OSError as error:
            note = f"the decision in force cannot be kept ({error})"
            if note not in self.report.notes:
                self.report.notes.append(note)

    def record(self, kind: str, plan: Plan | None = None) -> None:
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
        if self.decision.share == 0:
            content["stages"] = msgspec.to_builtins(report.stages)
        if kind == "outcome":
            told = report.told()
            names = ("outcome", "after", "timings", "notes", "commands", "confirmed")
            content |= {name: told[name] for name in names}
        audit.append(self.to.log, kind, self.to.clock(), self.identity, **content)
        self.mark(kind)

    def _unfinished(self) -> list[str]:
        """Earlier changes of which no outcome was recorded, and damage of the log: named once."""
        trail = audit.read(self.to.log)
        found = [f"the change {i} has no recorded outcome" for i in trail.unfinished]
        known = {one for record in trail.records for one in record.get("unfinished", ())}
        new = [one for one in (*found, *trail.faults) if one not in known]
        self.report.notes += new
        return new

    def record_if_possible(self, kind: str) -> None:
        try:
            self.record(kind)
        except AuditError as error:
            if str(error) not in self.report.notes:
                self.report.notes.append(str(error))

    def in_force(self) -> Decision | None:
        try:
            return self.to.in_force()
        except Refused:
            return None

    def failed(self, error: RouterError) -> None:
        self.report.outcome = (
            "ambiguous"
            if isinstance(error, Ambiguous)
            else "rejected"
            if isinstance(error, Rejected | Refused)
            else "unreachable"
        )
        self.report.notes.append(str(error))
