"""Does the challenger's score distribution hold still? The phase's second half against its first.

The hours of a day have scores of their own. From 48 h on both halves hold every hour of the day
and equal hours are compared. A shorter phase has no such pairs, or few: there the champion, which
scored the same requests, tells what the change of hours alone does to scores.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from analyzer.config import calendar
from analyzer.measure import BLOCK_HOURS, class_cells, score_cells
from analyzer.phases.gate import Material
from analyzer.stats.dependence import combined_design_effect
from analyzer.stats.psi import psi_design_effect, psi_interval
from analyzer.stats.result import Result, Undefined, estimate
from analyzer.stats.sequential import hourly_look, spend
from analyzer.window import HOUR

DAY_HOURS, WEEK_HOURS = 24, 168
MIN_BLOCKS = 4
"""Pairs of 2-hour blocks below which their spread says nothing about dependence."""

SMOOTHING = 0.5
Floats = NDArray[np.float64]


def half_psi(material: Material, more: float = 1.0) -> Result:
    """Debiased PSI of the challenger's scores or classes between the window's halves.

    more: how many times as much of the same traffic to suppose; 1 is what was logged.

    Halves of a day or more: the same hours of each (of the week when both hold a week). Shorter:
    all hours, the first half re-weighted by how the champion's scores moved. The interval spends
    its error over hourly readings, most at the shortest allowed duration, and some over those
    before it, which can only stop a phase.
    """
    limits = material.policy.shadow
    look = hourly_look(int(material.window.hours), limits.min_hours)
    alpha = spend(1 - limits.confidence, look)
    cells = class_cells if material.rollout.score.type == "class" else score_cells
    counts = cells(material.profiles, "challenger")
    half = len(counts) // 2
    if half < DAY_HOURS:
        return _standardised(counts, cells(material.profiles, "champion"), alpha, more)
    pairs = matched_hours(material, len(counts))
    first = _in_blocks(counts[[a for a, _ in pairs]])
    second = _in_blocks(counts[[b for _, b in pairs]])
    effect = psi_design_effect(first, second)
    if isinstance(effect, Undefined):
        return effect
    if effect.n < MIN_BLOCKS:
        return Undefined(
            f"{effect.n:g} pairs of {BLOCK_HOURS}-hour blocks with scores, {MIN_BLOCKS} needed"
        )
    deff = combined_design_effect(effect, minimum_blocks=MIN_BLOCKS)
    p, q = first.sum(axis=0) * more, second.sum(axis=0) * more
    return psi_interval(p, q, deff=deff, alpha=alpha)


def _in_blocks(hours: Floats) -> Floats:
    """Sums of 2-hour blocks; the last may be one hour."""
    summed: Floats = np.add.reduceat(hours, np.arange(0, len(hours), BLOCK_HOURS), axis=0)
    return summed


def _standardised(challenger: Floats, champion: Floats, alpha: float, more: float) -> Result:
    """PSI of the second half against what the first half and the champion lead to expect."""
    half = len(challenger) // 2
    if not half:
        return Undefined("a window of one hour has no halves")
    first, second = _in_blocks(challenger[:half]), _in_blocks(challenger[-half:])
    early, late = _in_blocks(champion[:half]), _in_blocks(champion[-half:])
    busy = (first.sum(axis=1) > 0) & (second.sum(axis=1) > 0)
    if np.count_nonzero(busy) < MIN_BLOCKS:
        return Undefined(
            f"{np.count_nonzero(busy)} blocks of {BLOCK_HOURS} h with scores in both halves, "
            f"{MIN_BLOCKS} needed"
        )
    blocks = [table[busy] for table in (first, second, early, late)]
    deff = _design_effect(*blocks)
    p, q, a, b = (table.sum(axis=0) for table in blocks)
    found = psi_interval(_expected(p, a, b) * more, q * more, deff=deff, alpha=alpha)
    if isinstance(found, Undefined):
        return found
    method = f"{found.method}, first half standardised by the champion"
    return estimate(found.value, found.low, found.high, found.n, method)


def _expected(first: Floats, early: Floats, late: Floats) -> Floats:
    """The first half's counts, each cell moved as the champion's share of it moved."""
    tilt = (late + SMOOTHING) / (early + SMOOTHING)
    moved = first * tilt
    total = moved.sum(axis=-1, keepdims=True)
    scaled: Floats = moved * first.sum(axis=-1, keepdims=True) / np.maximum(total, 1e-300)
    return scaled


def _design_effect(first: Floats, second: Floats, early: Floats, late: Floats) -> float:
    """First-order Rao-Scott (`psi_design_effect`) of the standardised comparison.

    Delete-one-pair jackknife of all four tables at once: it also holds what the champion's
    sampling adds and what scoring the same requests takes away.
    """
    p, q, a, b = (table.sum(axis=0) - table for table in (first, second, early, late))
    expected = _expected(p, a, b)
    shares = [
        table / np.maximum(table.sum(axis=1, keepdims=True), 1e-300) for table in (expected, q)
    ]
    differences = shares[1] - shares[0]
    spread = differences - differences.mean(axis=0)
    blocks = len(first)
    variances = (blocks - 1) / blocks * np.sum(spread**2, axis=0)
    n, m = float(first.sum()), float(second.sum())
    pooled = (first.sum(axis=0) + second.sum(axis=0)) / (n + m)
    held = pooled > 0
    unit = (1 / n + 1 / m) * max(int(held.sum()) - 1, 1)
    return max(1.0, float(np.sum(variances[held] / pooled[held])) / unit)


def matched_hours(material: Material, hours: int) -> list[tuple[int, int]]:
    """(hour of the first half, hour of the second half) with the same local hour, in order."""
    zone = calendar(material.rollout)
    half = hours // 2
    weekly = half >= WEEK_HOURS

    def local(hour: int) -> int:
        instant = (material.window.start + hour * HOUR) // 1_000_000
        moment = datetime.fromtimestamp(instant, UTC).astimezone(zone)
        return moment.hour + (DAY_HOURS * moment.weekday() if weekly else 0)

    early: dict[int, list[int]] = {}
    late: dict[int, list[int]] = {}
    for hour in range(half):
        early.setdefault(local(hour), []).append(hour)
    for hour in range(hours - 1, hours - half - 1, -1):
        late.setdefault(local(hour), []).append(hour)
    pairs = [
        pair
        for key in early
        if key in late
        for pair in zip(early[key], reversed(late[key][: len(early[key])]), strict=False)
    ]
    return sorted(pairs)
