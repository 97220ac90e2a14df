"""The volume of predictions against the same hours of earlier weeks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.baseline import Usual
from analyzer.logs import SIDES, Side
from analyzer.phases.gate import Material, check, percent, share_with_interval
from analyzer.slo.history import History, by_hour
from analyzer.slo.strays import Strays
from analyzer.stats.level import dispersion, volume_change
from analyzer.stats.result import Estimate, Result, Undefined
from analyzer.stats.scatter import LEAST_DF, Scatter
from analyzer.verdict import Check, judge
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
    """Hours judged together: places [first, last) in the window, how many of them are judged,
    requests seen and usual, weeks.
    """

    first: int
    last: int
    hours: int
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
    """The window as a whole has to lie within the limit; a run of its hours, corrected for their
    number, can only fail: of many healthy hours some always lie far off.
    """
    limits = material.policy.slo
    n = by_hour(minutes)[past.inside]
    holiday, known = past.holiday[past.inside], past.known[past.inside]
    judged = ~np.isnan(usual.values) & ~holiday & known
    blocks = _blocks(n, usual, judged, limits.volume_requests)
    strays = Strays(past, limits.baseline_weeks, dispersion(minutes[past.inside.start * 60 :]))
    runs = [_change(b, strays, 1 - (1 - limits.confidence) / len(blocks)) for b in blocks]
    whole: Result = Undefined(_nothing(past, holiday, known))
    share = float(judged.mean())
    if blocks and share < limits.min_judged_share:
        reason = f"{share:.0%} of the hours have a baseline, {limits.min_judged_share:.0%} needed"
        whole = Undefined(reason)
    elif blocks:
        whole = _change(_together(blocks), strays, limits.confidence)
    failed = [judge(run, "<=", limits.max_volume_change) == "fail" for run in runs]
    at = _furthest(runs, failed)
    shown = runs[at] if at is not None and any(failed) else whole
    return check(
        material,
        "model.volume" if side is None else f"model.volume.{side}",
        "model",
        "change of the volume on the same hours of the week",
        shown,
        "<=",
        limits.max_volume_change,
        f"Volume, {what}: {_total(blocks, whole)}; {_furthest_block(past, blocks, runs, at)}within "
        f"{percent(limits.max_volume_change)} is needed. Baseline: {usual.words}."
        f"{_varies(strays, blocks)}{_holidays(holiday)}{_left_out(past)}",
        severity="block" if side is None or side in past.serving() else "warn",
        counts={"requests": int(n.sum())},
    )


def _change(block: _Block, strays: Strays, confidence: float) -> Result:
    """How far a run lies from what is usual, by how much such runs stray from week to week. Where
    that is not known only silence is certain: however much volumes vary, they do not vanish.
    """
    stray = strays.over(block.hours, block.weeks > 0)
    if isinstance(stray, Undefined):
        if block.n:
            return Undefined(stray.reason, block.n)
        stray = Scatter(0.0, LEAST_DF, block.hours)
    return volume_change(
        block.n,
        block.usual,
        max(block.weeks, 1),
        strays.phi,
        confidence,
        stray.mean(block.hours),
        stray.df,
    )


def _together(blocks: list[_Block]) -> _Block:
    return _Block(
        blocks[0].first,
        blocks[-1].last,
        sum(b.hours for b in blocks),
        sum(b.n for b in blocks),
        sum(b.usual for b in blocks),
        min(b.weeks for b in blocks),
    )


def _blocks(
    n: NDArray[np.int64], usual: Usual, judged: NDArray[np.bool_], least: float
) -> list[_Block]:
    """Runs of judged hours that should bring enough requests; a rest joins the last run."""
    blocks: list[_Block] = []
    run: list[int] = []

    def block(hours: list[int]) -> _Block:
        return _Block(
            hours[0],
            hours[-1] + 1,
            len(hours),
            int(n[hours].sum()),
            float(usual.values[hours].sum()),
            int(usual.stands_on[hours].min()),
        )

    for hour in np.flatnonzero(judged).tolist():
        run.append(hour)
        if usual.values[run].sum() >= least:
            blocks.append(block(run))
            run = []
    if run:
        last = [blocks.pop()] if blocks else []
        blocks.append(_together([*last, block(run)]))
    return blocks


def _furthest(runs: list[Result], failed: list[bool]) -> int | None:
    """The run that lies furthest off, of those that fail if any does."""
    known = [
        (c.value, i)
        for i, c in enumerate(runs)
        if isinstance(c, Estimate) and failed[i] == any(failed)
    ]
    return max(known)[1] if known else None


def _total(blocks: list[_Block], whole: Result) -> str:
    if not blocks:
        return share_with_interval(whole)
    n, due = sum(b.n for b in blocks), sum(b.usual for b in blocks)
    way = "" if isinstance(whole, Undefined) else " fewer" if n < due else " more"
    return f"{n:,} where {due:,.0f} are usual, {share_with_interval(whole)}{way}"


def _furthest_block(past: History, blocks: list[_Block], runs: list[Result], at: int | None) -> str:
    if at is None or len(blocks) < 2:
        return ""
    b = blocks[at]
    start = past.window.start
    span = Window(start + b.first * HOUR, start + b.last * HOUR)
    way = "fewer" if b.n < b.usual else "more"
    return (
        f"the furthest of {len(blocks)} runs of hours, {span}: {b.n:,} where "
        f"{b.usual:,.0f} are usual, {share_with_interval(runs[at])} {way}; "
    )


def _varies(strays: Strays, blocks: list[_Block]) -> str:
    """How much such a time usually varies: what the interval allows for."""
    if not blocks:
        return ""
    whole = _together(blocks)
    found = strays.over(whole.hours, whole.weeks > 0)
    if isinstance(found, Undefined):
        return ""
    between = "weeks" if whole.weeks > 0 else "days"
    differ = percent(found.variance**0.5)
    return f" Such {found.hours} h differ by {differ} between {between}, beyond chance."


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
