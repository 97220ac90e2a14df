"""Down: again and again, with whatever there is."""

from __future__ import annotations

import time
from contextlib import ExitStack

from analyzer.router.adapter import TOLERANCE, Plan, Refused, RouterError
from analyzer.router.audit import AuditError, Busy, alone
from analyzer.router.controller import Report
from analyzer.router.step import Step

PAUSE = 0.2
"""Seconds between tries."""
WAIT_FOR_LOCK = 1.0
"""Seconds for which a rollback lets another controller finish before it goes ahead all the same."""


def down(step: Step, dry_run: bool) -> Report:
    """Lower the challenger's share: try until it holds or the time is over."""
    report = step.report
    if dry_run:
        live = step.to.adapter.read()
        report.before = report.after = live.share
        step.plan(live)
        return step.dry()
    with ExitStack() as stack:
        _lock_if_possible(step, stack)
        step.record_if_possible("intent")
        until = step.started + step.to.down_seconds
        plan = descend(step, step.decision.share, until)
        step.keep_quietly()
        if plan is not None:
            step.believe(plan)
            if report.confirmed and report.confirmed.configuration == "no":
                report.outcome = "ambiguous"
        step.record_if_possible("outcome")
    return report


def _lock_if_possible(step: Step, stack: ExitStack) -> None:
    until = time.monotonic() + WAIT_FOR_LOCK
    while True:
        try:
            stack.enter_context(alone(step.to.folder))
            return
        except Busy as error:
            # the decision first: whoever holds the lock sees it, and takes its rise back
            step.keep_quietly()
            if time.monotonic() >= until:
                step.report.notes.append(f"{error}; went ahead without the lock")
                return
            time.sleep(PAUSE)
        except AuditError as error:
            step.report.notes.append(str(error))
            return


def descend(step: Step, share: float, until: float) -> Plan | None:
    """Write `share` or less until the router takes it; None where it never did."""
    report, last = step.report, ""
    while True:
        try:
            live = step.to.adapter.read()
            report.before = live.share if report.before is None else report.before
            report.after = None if live.missing else live.share
            plan = step.plan(live, share)
            low = live.share <= share + TOLERANCE and not live.missing
            if live.off if share == 0 else low:
                nothing = report.outcome in ("unreachable", "busy", "conflict")
                report.outcome = "no-op" if nothing else report.outcome
                return plan
            report.outcome = step.to.adapter.apply(plan, live.version)
            if report.outcome == "applied":
                step.mark("written")
                return plan
            last = (
                "the router is busy with an earlier change; tried again"
                if report.outcome == "busy"
                else "the router changed at the same moment; tried again"
            )
        except Refused as error:
            report.outcome = "refused"
            report.notes.append(str(error))
            return None
        except RouterError as error:
            last = str(error)
            step.failed(error)
            report.notes.pop()
        if last not in report.notes:
            report.notes.append(last)
        if time.monotonic() >= until:
            return None
        time.sleep(PAUSE)
