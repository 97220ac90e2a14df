"""Changing a router's weights: intent, write, belief, outcome.

The two directions are not alike, and that is what makes this safe. Down (`fall`): tried again on
every failure, under the kill switch, without lock or audit log. Up (`rise`): once, with everything
in place; any doubt holds, and any doubt afterwards takes it back.
"""

from __future__ import annotations

from dataclasses import replace as replaced

from analyzer.router import fall, rise
from analyzer.router.adapter import TOLERANCE, Live, Refused
from analyzer.router.controller import Controller as Controller
from analyzer.router.controller import Report as Report
from analyzer.router.decision import Decision, decision_for
from analyzer.router.step import Step
from analyzer.stages import Stages

FOREVER = 10 * 366 * 86_400.0
"""Seconds for which a decision for the champion is valid: it needs no renewal."""


def rollback(
    controller: Controller,
    reason: str,
    *,
    dry_run: bool = False,
    force: bool = False,
    stages: Stages | None = None,
) -> Report:
    """Send everybody to the champion. Needs nothing but the router; never raises RouterError for
    what stands in the way, but reports it. stages: what is known of the time before.
    """
    now = controller.clock()
    decision = _decision(_as_known(controller), "shadow", 0.0, reason, "", now + FOREVER)
    step = Step(controller, decision, "rollback", force=force, stages=stages)
    return fall.down(step, dry_run)


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
    return fall.down(Step(controller, decision, "lower"), dry_run=False)


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
    step = Step(controller, decision, "apply", as_of=as_of)
    if share < live.share - TOLERANCE or (share == 0 and not live.off):
        return fall.down(step, dry_run)
    return rise.up(step, live, dry_run)


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
