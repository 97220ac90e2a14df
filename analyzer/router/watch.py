"""Is the router where the decision in force wants it? If not, downwards only."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.router import audit
from analyzer.router.adapter import TOLERANCE, Refused, RouterError
from analyzer.router.audit import AuditError
from analyzer.router.change import lower
from analyzer.router.controller import Controller, Report


@dataclass(frozen=True)
class Seen:
    """One look. share: the challenger's live share, None where the router, or an instance, does not
    answer; allowed: the most that it may have; alarms: sentences for people; report: of what was
    done.
    """

    share: float | None
    allowed: float
    alarms: list[str]
    report: Report | None = None


def watch(controller: Controller) -> Seen:
    """Look once, and lower the challenger's share where it has more than it may.

    It may have what the decision in force allows: nothing under the kill switch, and nothing after
    the end of a canary's decision; an A/B test's weights hold, with an alarm. Where the decision
    cannot be read, the last one that the audit log recorded counts.
    """
    allowed, alarms = _allowed(controller)
    try:
        live = controller.adapter.read()
    except RouterError as error:
        return Seen(None, allowed, [*alarms, str(error)])
    seen = None if live.missing else live.share
    if live.share <= allowed + TOLERANCE:
        if live.share < allowed - TOLERANCE:
            alarms.append(
                f"the challenger has {live.share:.2%} and may have {allowed:.2%}: somebody lowered "
                "it; nothing is raised without a verdict"
            )
        return Seen(seen, allowed, [*alarms, *live.faults])
    alarms.append(f"the challenger has {live.share:.2%} and may have {allowed:.2%}")
    report = lower(controller, allowed, "; ".join(alarms))
    return Seen(seen, allowed, [*alarms, *live.faults], report)


def _allowed(controller: Controller) -> tuple[float, list[str]]:
    now = controller.clock()
    alarms = [killed] if (killed := controller.switch.why()) else []
    try:
        decision = controller.in_force()
    except Refused as error:
        share, why = _recorded(controller)
        return 0.0 if killed else share, [*alarms, str(error), why]
    if decision is None:
        return 0.0, [*alarms, "no decision is in force: the champion serves all"] if killed else []
    if now >= decision.expires:
        after = "the champion serves all" if decision.fallback == "champion" else "weights hold"
        alarms.append(f"the decision in force ended at {decision.valid_until}: {after}")
    return 0.0 if killed else decision.allows(now), alarms


def _recorded(controller: Controller) -> tuple[float, str]:
    """The share of the last change that the audit log knows."""
    try:
        records = audit.read(controller.log).records
    except AuditError as error:
        return 0.0, str(error)
    shares = [r["share"] for r in records if isinstance(r.get("share"), float | int)]
    if not shares:
        return 0.0, "and no change is recorded: the champion serves all"
    return float(shares[-1]), f"the last recorded change gave the challenger {shares[-1]:.2%}"
