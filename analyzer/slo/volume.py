"""The volume of predictions against the same hours of earlier weeks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.baseline import Usual
from analyzer.logs import SIDES, Side
from analyzer.phases.gate import Material, check, percent, share_with_interval
from analyzer.slo.history import History, by_hour
from analyzer.stats.level import dispersion, volume_change
from analyzer.stats.result import Estimate, Result, Undefined
from analyzer.verdict import Check, Outcome, judge, worst
from analyzer.window import HOUR, Window

Floats = NDArray[np.float64]


def volume_checks(material: Material, past: History) -> list[Check]:
    """Requests answered to users; and, where a model should log but a part, that model's rows.

    A ramp is no drop: a model is held against the usual traffic times the weight in force.
    """
    limits = material.policy.slo
    usual = past.usual(past.requests, limits.baseline_weeks, limits.min_baseline_weeks)
    checks = [_volume(material, past, usual, past.requests, None, "all answered requests")]
    for side in SIDES:
        part = _part(material, past, side)
        if part is not None and past.logs(side):
            of_arm = Usual(usual.values * part, usual.stands_on)
            rows = past.sums[side]["n"]
            checks.append(_volume(material, past, of_arm, rows, side, f"rows of the {side}"))
    return checks


def _part(material: Material, past: History, side: Side) -> Floats | None:
    """What part of the traffic a model should log at each hour of the window; None where that is
    all of it anyway, or where nobody said how much a shadowed champion is shown.
    """
    weight = past.weight.reshape(-1, 60).mean(axis=1)[past.inside]
    mirrored = weight == 0
    if side == "champion":
        alone = bool(mirrored.all()) or bool((weight == 1).any())
        return None if alone else np.where(mirrored, 1.0, 1.0 - weight)
    if (weight == 1).all():
        return None
    return np.where(mirrored, material.rollout.shadow.mirror_share, weight)


@dataclass(frozen=True)
class _Block:
    """Hours judged together: places [first, last) in the window, requests seen and usual, weeks."""

    first: int
    last: int
    n: int
    usual: float
    weeks: int


def _volume(
    material: Material,
    past: History,
    usual: Usual,
    minutes: NDArray[np.int64],
    side: Side | None,
    what: str,
) -> Check:
    limits = material.policy.slo
    n = by_hour(minutes)[past.inside]
    holiday, known = past.holiday[past.inside], past.known[past.inside]
    judged = ~np.isnan(usual.values) & ~holiday & known
    blocks = _blocks(n, usual, judged, limits.volume_requests)
    phi = dispersion(minutes[past.inside.start * 60 :])
    confidence = 1 - (1 - limits.confidence) / max(len(blocks), 1)
    changes = [volume_change(b.n, b.usual, b.weeks, phi, confidence) for b in blocks]
    whole: Result = Undefined(_nothing(past, holiday, known))
    share = float(judged.mean())
    if blocks and share < limits.min_judged_share:
        reason = f"{share:.0%} of the hours have a baseline, {limits.min_judged_share:.0%} needed"
        whole = Undefined(reason)
    elif blocks:
        total = sum(b.usual for b in blocks)
        rows = sum(b.n for b in blocks)
        whole = volume_change(rows, total, min(b.weeks for b in blocks), phi, limits.confidence)
    outcomes: list[Outcome] = [judge(c, "<=", limits.max_volume_change) for c in changes]
    outcome = worst(outcomes) if isinstance(whole, Estimate) or "fail" in outcomes else "undecided"
    at = _deciding(outcomes, outcome, changes)
    shown = changes[at] if at is not None else whole
    return check(
        material,
        "model.volume" if side is None else f"model.volume.{side}",
        "model",
        "change of the volume on the same hours of the week",
        shown if outcome != "undecided" or isinstance(whole, Estimate) else whole,
        "<=",
        limits.max_volume_change,
        f"Volume, {what}: {_total(blocks, whole)}; {_worst_block(past, blocks, at, shown)}within "
        f"{percent(limits.max_volume_change)} is needed. Baseline: {usual.words}."
        f"{_holidays(holiday)}{_left_out(past)}",
        outcome=outcome,
        severity="block" if side is None or side in past.serving() else "warn",
        counts={"requests": int(n.sum())},
    )


def _blocks(
    n: NDArray[np.int64], usual: Usual, judged: NDArray[np.bool_], least: float
) -> list[_Block]:
    """Runs of judged hours that should bring enough requests; a rest joins the last run."""
    blocks: list[_Block] = []
    first, rows, due, weeks = 0, 0, 0.0, 10**6
    for hour in range(len(n)):
        if not judged[hour]:
            continue
        first = hour if due == 0 and rows == 0 else first
        rows, due = rows + int(n[hour]), due + float(usual.values[hour])
        weeks = min(weeks, max(int(usual.stands_on[hour]), 1))
        if due >= least:
            blocks.append(_Block(first, hour + 1, rows, due, weeks))
            rows, due, weeks = 0, 0.0, 10**6
    if due or rows:
        last = blocks.pop() if blocks else _Block(first, first, 0, 0.0, weeks)
        end = int(np.flatnonzero(judged)[-1]) + 1
        weeks = min(weeks, last.weeks)
        blocks.append(_Block(last.first, end, last.n + rows, last.usual + due, weeks))
    return blocks


def _deciding(outcomes: list[Outcome], outcome: Outcome, changes: list[Result]) -> int | None:
    """The block that decides: of those with the outcome the one that lies furthest off."""
    chosen = [i for i, found in enumerate(outcomes) if found == outcome]
    known = [(c.value, i) for i in chosen if isinstance(c := changes[i], Estimate)]
    return max(known)[1] if known else None


def _total(blocks: list[_Block], whole: Result) -> str:
    if isinstance(whole, Undefined):
        return f"cannot be said ({whole.reason})"
    n, due = sum(b.n for b in blocks), sum(b.usual for b in blocks)
    way = "fewer" if n < due else "more"
    return f"{n:,} where {due:,.0f} are usual, {share_with_interval(whole)} {way}"


def _worst_block(past: History, blocks: list[_Block], at: int | None, change: Result) -> str:
    if at is None or len(blocks) < 2:
        return ""
    b = blocks[at]
    start = past.window.start
    span = Window(start + b.first * HOUR, start + b.last * HOUR)
    way = "fewer" if b.n < b.usual else "more"
    return (
        f"the furthest of {len(blocks)} runs of hours, {span}: {b.n:,} where "
        f"{b.usual:,.0f} are usual, {share_with_interval(change)} {way}; "
    )


def _nothing(past: History, holiday: NDArray[np.bool_], known: NDArray[np.bool_]) -> str:
    if holiday.all():
        return "the whole window is a holiday, which no ordinary week tells of"
    if not known.any():
        return "nothing of the window was profiled"
    return "there are neither clean weeks nor a clean day before"


def _holidays(holiday: NDArray[np.bool_]) -> str:
    hours = int(holiday.sum())
    return f" {hours} h of the window are a holiday and not judged." if hours else ""


def _left_out(past: History) -> str:
    said = past.left_out
    return f" Before the window {said}." if said else ""
