"""When a series' level shifted for good: location by likelihood, refusal where it cannot be said.

The statistic is the largest standardised sum of what came after a point, with a *long-run*
standard deviation, so that correlated hours are not taken for a shift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .crossing import crossing_threshold
from .longrun import LongRun, long_run_sd
from .result import Undefined
from .stepscan import LEAST_BEFORE, Residuals, scan, suffix_sums, weights_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LIKELIHOOD_CUT = 7.7
"""2 ln LR within which the onset lies: wider than chi-square's, as change points need."""

CLIP = 5.0
"""Points further out than so many of their own standard deviations count as that many."""

LEAST_AFTER = 3
WIDEST = 0.25
RAMPS = {1: 0.0, 6: 2.5, 12: 2.5, 24: 3.0, 48: 5.0, 96: 9.0}
"""Points over which a shift may grow, and what 2 ln LR pays for it: 1 is a step."""

EARLIER_GAIN = 3.84


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """The first shifted point, the interval [low, high] of it by likelihood, and the shift.

    Points count from the range's start. shift: in the series' unit; ramp: points over which it
    grew (1: at once). sd: long-run standard deviation of one typical point.
    """

    point: int
    low: int
    high: int
    shift: float
    kind: Literal["step", "ramp"]
    ramp: int
    statistic: float
    threshold: float
    sd: float
    method: str


@dataclass(frozen=True, slots=True)
class NotLocated:
    """No onset, why, and what was seen: the largest statistic beside its threshold."""

    reason: str
    statistic: float | None = None
    threshold: float | None = None


def _candidates(residuals: Residuals) -> NDArray[np.bool_]:
    """Points with data enough after them, and before them."""
    held = (weights_of(residuals) > 0).astype(np.float64)
    after = suffix_sums(held)
    before = residuals.before + after[0] - after
    chosen: NDArray[np.bool_] = (after >= LEAST_AFTER) & (before >= LEAST_BEFORE) & (held > 0)
    return chosen


def _noise(residuals: Residuals, values: Floats, point: int) -> Floats:
    """The range's residuals less the step fitted at `point`, each with one point's variance."""
    weights = weights_of(residuals)
    noise = np.where(weights > 0, values, np.nan)
    parts = [slice(point, None)] if residuals.level_known else [slice(0, point), slice(point, None)]
    for part in parts:
        if weights[part].sum() > 0:
            noise[part] -= float(weights[part] @ np.nan_to_num(noise[part])) / weights[part].sum()
    scale = residuals.relative_variance * (1 + np.nan_to_num(residuals.baseline_variance, posinf=0))
    standard: Floats = noise / np.sqrt(scale)
    return standard


def _spread(residuals: Residuals) -> float:
    """Robust standard deviation of single points: of clean history, else of steps in the range."""
    sample = residuals.history[np.isfinite(residuals.history)]
    if len(sample) < LEAST_BEFORE / 2:
        own = residuals.values / np.sqrt(residuals.relative_variance)
        own = own[np.isfinite(own)]
        sample = np.diff(own) / math.sqrt(2)
    if not len(sample):
        return 0.0
    robust = 1.4826 * float(np.median(np.abs(sample)))
    if robust > 0:
        return robust
    usual = math.sqrt(float(np.mean(sample**2)))
    if usual > 0:
        return usual
    moved = np.abs(residuals.values[np.isfinite(residuals.values) & (residuals.values != 0)])
    return float(np.median(moved)) / CLIP if len(moved) else 0.0  # constant until now


def _clipped(residuals: Residuals, spread: float) -> tuple[Floats, Floats]:
    """Range and history with outlying points drawn in; gaps are 0 in the range, NaN in history."""
    room = (
        CLIP
        * spread
        * np.sqrt(
            residuals.relative_variance * (1 + np.nan_to_num(residuals.baseline_variance, posinf=0))
        )
    )
    values = np.clip(np.nan_to_num(residuals.values), -room, room)
    return values, np.clip(residuals.history, -CLIP * spread, CLIP * spread)


def locate(
    residuals: Residuals, block: int, *, searches: int = 1, false_alarm: float = 0.03
) -> ChangePoint | NotLocated:
    """Where the level shifted for good, or why that cannot be said.

    Z_k = S_k / (sd sqrt(V_k)): S_k the weighted residuals from k to the range's end, V_k their
    variance for a unit sd with the baseline's own error in it, sd long-run (`long_run_sd` with
    blocks of `block` points) of clean history and of the range less the fitted step. Found when
    max |Z| exceeds `crossing_threshold` for so many `searches`. The interval holds all k with
    Z_max^2 - Z_k^2 <= 7.7 (Siegmund 1988, Int. Stat. Rev. 56), the point is the median of the
    likelihood exp(Z_k^2 / 2) (Ibragimov and Khasminskii 1981). Points are drawn in to 5 standard
    deviations, and the shift must stand without its largest point: one spike is no onset. The
    shift may grow over up to 96 points (`RAMPS`); the interval allows for it. Refused: fewer than
    48 points before; an interval wider than a quarter of the range and as many points before; a
    shift that the range's first point explains as well (it was there already).

    >>> noise = np.tile([1.0, -1.0, -1.0, 1.0, 1.0, -1.0], 40)
    >>> one, zero = np.ones(96), np.zeros(96, dtype=np.int64)
    >>> r = Residuals(noise[:96] + 4 * (np.arange(96) >= 60), one, zero, 0 * one, noise, 1.0, 240)
    >>> found = locate(r, 12)
    >>> found.point, found.kind, round(found.shift, 1)
    (60, 'step', 4.0)
    """
    allowed = _candidates(residuals)
    if not bool(np.any(allowed)):
        held = int(np.sum(weights_of(residuals) > 0)) + residuals.before
        return NotLocated(
            f"too few points: {held} with data, {LEAST_BEFORE} needed before an onset "
            f"and {LEAST_AFTER} after it"
        )
    values, history = _clipped(residuals, _spread(residuals))
    step = np.where(allowed, scan(residuals, values).z, 0.0)
    rough = int(np.argmax(np.abs(step)))
    run = long_run_sd([history, _noise(residuals, values, rough)], block, residuals.duplicates)
    if isinstance(run, Undefined):
        run = LongRun(max(_spread(residuals), 1e-300), 3.0, f"single points ({run.reason})")
    if step[rough] == 0:
        return NotLocated("onset not located: nothing moved", 0.0)
    threshold = crossing_threshold(_spans(residuals, allowed), false_alarm, searches, run.df)
    statistic = float(np.abs(step[rough])) / run.sd
    if statistic <= threshold:
        return NotLocated("onset not located: no shift beyond chance", statistic, threshold)
    if not _stands_without_peak(residuals, values, allowed, rough, threshold * run.sd):
        return NotLocated("onset not located: one spike is no onset", statistic, threshold)
    return _located(residuals, values, allowed, run, statistic, threshold)


def _spans(residuals: Residuals, allowed: NDArray[np.bool_]) -> list[tuple[float, float]]:
    points = float(np.sum(weights_of(residuals) > 0))
    if residuals.level_known:
        return [(LEAST_AFTER, max(float(allowed.sum()), LEAST_AFTER + 1))]
    return [(LEAST_AFTER, points - LEAST_AFTER), (LEAST_BEFORE, points - LEAST_BEFORE)]


def _stands_without_peak(
    residuals: Residuals, values: Floats, allowed: NDArray[np.bool_], point: int, bound: float
) -> bool:
    """Whether the shift is still beyond chance without the point that speaks for it most."""
    after = np.sign(scan(residuals, values).sums[point]) * weights_of(residuals) * values
    peak = point + int(np.argmax(after[point:]))
    gap = residuals.values.copy()
    gap[peak] = np.nan
    rest = replace(residuals, values=gap)
    again = np.where(
        allowed & _candidates(rest), scan(rest, np.where(np.isnan(gap), 0, values)).z, 0
    )
    return bool(np.max(np.abs(again)) > bound)


def _middle(twice: Floats, allowed: NDArray[np.bool_]) -> int:
    """Median of the normalised likelihood: nearer to the truth than its peak, for a weak shift."""
    weights = np.where(allowed, np.exp((twice - np.max(twice)) / 2), 0.0)
    below = np.cumsum(weights)
    return int(np.searchsorted(below, below[-1] / 2))


def _located(
    residuals: Residuals,
    values: Floats,
    allowed: NDArray[np.bool_],
    run: LongRun,
    statistic: float,
    threshold: float,
) -> ChangePoint | NotLocated:
    """Point, interval, kind and size of a shift that is there."""
    ramps = [r for r in RAMPS if r < len(values) and (r == 1 or residuals.level_known)]
    scans = {ramp: scan(residuals, values, ramp) for ramp in ramps}
    z = {r: np.where(allowed, (s.z / run.sd) ** 2, 0.0) - RAMPS[r] for r, s in scans.items()}
    best = max(ramps, key=lambda ramp: (float(np.max(z[ramp])), -ramp))
    likelihood = np.max([z[ramp] for ramp in ramps], axis=0)
    point = _middle(z[best], allowed)
    inside = np.flatnonzero(allowed & (likelihood.max() - likelihood <= LIKELIHOOD_CUT))
    low, high = int(inside[0]), int(inside[-1])
    point = min(max(point, low), high)
    width = len(values) + min(residuals.before, len(values))
    if high - low > WIDEST * width:
        return NotLocated(
            f"onset not located: its interval is wider than {WIDEST:.0%} of the {width} points "
            f"looked at ({high - low + 1} points)",
            statistic,
            threshold,
        )
    first = int(np.flatnonzero(allowed)[0])
    if residuals.level_known and np.max(z[best]) - z[1][first] < EARLIER_GAIN:
        return NotLocated(
            "onset not located: the shift was there when the range searched begins",
            statistic,
            threshold,
        )
    raw = scan(residuals, np.nan_to_num(residuals.values), best)
    shift = float(raw.sums[point] / raw.information[point])
    kind: Literal["step", "ramp"] = "step" if best == 1 else "ramp"
    return ChangePoint(
        point, low, high, shift, kind, best, statistic, threshold, run.sd, run.method
    )
