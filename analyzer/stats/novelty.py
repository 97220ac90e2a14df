"""Does an effect wear off? The effect by day since a unit was first exposed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .laws import norm_isf
from .result import Result, Undefined, estimate
from .units import UnitMoments

Floats = NDArray[np.float64]
FEWEST_DAYS = 7


@dataclass(frozen=True)
class Novelty:
    """Slope of the effect per unit of ln(1 + day), its mean in the first and last third of the
    days, and last minus first; all about the same units, each followed for all days.
    """

    slope: Result
    early: Result
    late: Result
    contrast: Result


def novelty(control: UnitMoments, treatment: UnitMoments, confidence: float = 0.95) -> Novelty:
    """How the effect moves with the days k = 0 .. D-1 since first exposure.

    Column k of the moments is the metric of a unit on its k-th day: only units with all D days
    behind them. The effects d = mean_T - mean_C have covariance S = S_C / n_C + S_T / n_T, days
    of a unit dependent as they are. Each result is w' d with variance w' S w: the slope of a
    least-squares line on ln(1 + k), and means of thirds (D // 3 days each). Undefined below 7
    days or 2 units in an arm. Chatterjee and Simonoff (2013) for linear contrasts; Hohnhold,
    O'Brien, Tang (2015), KDD, for learning effects.

    >>> from .units import moments_of
    >>> rng = np.random.default_rng(1)
    >>> day = np.arange(9)
    >>> faded = moments_of(rng.normal(2 - 0.8 * np.log1p(day), 1, (400, 9)))
    >>> found = novelty(moments_of(rng.normal(0, 1, (400, 9))), faded)
    >>> round(found.slope.value, 2), round(found.late.value, 2)
    (-0.81, 0.36)
    """
    n, days = control.n + treatment.n, len(control.mean)
    spread = [moments.covariance for moments in (control, treatment)]
    if days < FEWEST_DAYS or any(isinstance(x, Undefined) for x in spread):
        reason = Undefined(f"needs {FEWEST_DAYS} days and two units an arm, has {days} days", n)
        return Novelty(reason, reason, reason, reason)
    effects = treatment.mean - control.mean
    covariance = np.asarray(spread[0]) / control.n + np.asarray(spread[1]) / treatment.n
    third = days // 3
    x = np.log1p(np.arange(days))
    centred = x - x.mean()
    early = np.where(np.arange(days) < third, 1 / third, 0.0)
    late = early[::-1]

    def linear(weights: ArrayLike, what: str) -> Result:
        w = np.asarray(weights, dtype=np.float64)
        value, error = float(w @ effects), math.sqrt(max(float(w @ covariance @ w), 0.0))
        half = norm_isf((1 - confidence) / 2) * error
        return estimate(value, value - half, value + half, n, f"{what}, {confidence:.0%}")

    return Novelty(
        linear(centred / float(centred @ centred), "slope on ln(1 + day)"),
        linear(early, f"first {third} days"),
        linear(late, f"last {third} days"),
        linear(late - early, "last third minus first"),
    )


def daily_effects(
    control: UnitMoments, treatment: UnitMoments, confidence: float = 0.95
) -> tuple[Result, ...]:
    """The effect on each day k = 0 .. D-1 since first exposure: columns as `novelty` has them.

    mean_T,k - mean_C,k with variance S_C,kk / n_C + S_T,kk / n_T; days are not independent of each
    other. Each Undefined with fewer than two units in an arm.

    >>> from .units import moments_of
    >>> found = daily_effects(moments_of([[1.0], [3.0]]), moments_of([[4.0], [6.0]]))
    >>> round(found[0].value, 2), round(found[0].low, 2)
    (3.0, 0.23)
    """
    n = control.n + treatment.n
    spread = [moments.covariance for moments in (control, treatment)]
    if any(isinstance(x, Undefined) for x in spread):
        return (Undefined("needs two units an arm", n),) * len(control.mean)
    variance = sum(
        np.diag(np.asarray(x)) / m.n for x, m in zip(spread, (control, treatment), strict=True)
    )
    half = norm_isf((1 - confidence) / 2) * np.sqrt(np.maximum(variance, 0.0))
    effects = treatment.mean - control.mean
    return tuple(
        estimate(float(d), float(d - h), float(d + h), n, f"day {k}, {confidence:.0%}")
        for k, (d, h) in enumerate(zip(effects, half, strict=True))
    )
