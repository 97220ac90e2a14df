"""Up: once, with everything in place; any doubt holds, and any doubt afterwards takes it back."""

from __future__ import annotations

import time

from analyzer.router.adapter import TOLERANCE, Live, Outcome, Refused, RouterError
from analyzer.router.audit import AuditError, alone
from analyzer.router.controller import Report
from analyzer.router.decision import Decision
from analyzer.router.fall import descend
from analyzer.router.step import Step

TAKE_BACK_SECONDS = 8.0


def up(step: Step, live: Live, dry_run: bool) -> Report:
    """Raise the challenger's share, or write the same once more under a new decision."""
    report = step.report
    report.before = report.after = live.share
    if _stands(step, live):
        report.outcome, report.dry_run = "no-op", dry_run
        return report
    killed = step.to.switch.why()
    if killed:
        raise Refused(f"{killed}; the challenger gets no more traffic")
    plan = step.plan(live)
    if dry_run:
        return step.dry()
    with alone(step.to.folder):
        earlier = step.to.in_force()
        step.record("intent", plan)
        try:
            step.keep()  # before the router: a kill in between leaves less than is allowed
        except AuditError as error:
            report.outcome = "refused"
            report.notes.append(str(error))
            step.record_if_possible("outcome")
            raise
        try:
            report.outcome = step.to.adapter.apply(plan, live.version)
            step.mark("written")
        except RouterError as error:
            step.failed(error)
        if report.outcome in ("applied", "ambiguous"):
            step.believe(plan)
        _take_back_on_doubt(step, earlier)
        step.record("outcome", plan)
    return report


def _stands(step: Step, live: Live) -> bool:
    """Whether the router and the decision in force are as this change would leave them."""
    decision, wanted = step.in_force(), step.decision
    same = decision is not None and decision.verdict == wanted.verdict
    return abs(live.share - wanted.share) < TOLERANCE and (same or not wanted.verdict)


def _take_back_on_doubt(step: Step, earlier: Decision | None) -> None:
    """After a rise that is not believed, or that somebody decided against meanwhile."""
    report = step.report
    latest = step.in_force()
    overruled = latest is None or latest.epoch != step.decision.epoch
    believed = report.confirmed is not None and report.confirmed.ok
    if report.outcome == "applied" and believed and not overruled:
        return
    if overruled:
        report.notes.append("another decision was made meanwhile: it stands")
    elif earlier is not None:
        step.keep_quietly(earlier)
    else:
        (step.to.folder / "decision.json").unlink(missing_ok=True)
    if report.outcome == "conflict" and not overruled:
        return  # nothing of ours was written, and what is there is another's
    # what was there before the change is the most that the challenger may have
    outcome: Outcome = "ambiguous" if report.outcome == "applied" else report.outcome
    most = min(report.before or 0.0, latest.share if overruled and latest else 1.0)
    descend(step, most, time.monotonic() + TAKE_BACK_SECONDS)
    report.outcome = "conflict" if overruled else outcome
