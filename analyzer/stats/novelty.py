"""Does an effect wear off? The lift by day since a unit was first exposed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .laws import norm_isf
from .result import Result, Undefined, estimate
from .units import UnitMoments

Floats = NDArray[np.float64]
FEWEST_DAYS = 7

WEAKEST = 5.0
"""Standard errors that the control's value must lie above 0 for a lift: of rare events, 25."""


@dataclass(frozen=True)
class Novelty:
    """Slope of the lift per unit of ln(1 + day), the lift in the first and the last third of the
    days, and last minus first; all about the same units, each followed for all days.
    """

    slope: Result
    early: Result
    late: Result
    contrast: Result


@dataclass(frozen=True, eq=False)
class _Lift:
    """A lift and its gradient by both arms' means of days."""

    value: float
    by_control: Floats
    by_treatment: Floats


class _Days:
    """Both arms by day since exposure."""

    def __init__(self, control: UnitMoments, treatment: UnitMoments) -> None:
        self.control, self.treatment = control.mean, treatment.mean
        self.n = control.n + treatment.n
        spread = [np.asarray(m.covariance) / m.n for m in (control, treatment)]
        self.spread_c, self.spread_t = spread

    def lift(self, weights: Floats) -> _Lift | Undefined:
        """w' mean_T / w' mean_C - 1. Undefined where the control's is not clearly above 0."""
        below, above = float(weights @ self.control), float(weights @ self.treatment)
        error = math.sqrt(max(float(weights @ self.spread_c @ weights), 0.0))
        if not below > WEAKEST * error or not below > 0:
            return Undefined("the control's value is too close to 0 for a lift", self.n)
        return _Lift(above / below - 1, -weights * (above / below**2), weights / below)

    def result(self, found: _Lift | Undefined, what: str, confidence: float) -> Result:
        """With its interval."""
        if isinstance(found, Undefined):
            return found
        c, t = found.by_control, found.by_treatment
        variance = float(c @ self.spread_c @ c + t @ self.spread_t @ t)
        half = norm_isf((1 - confidence) / 2) * math.sqrt(max(variance, 0.0))
        ends = (found.value - half, found.value + half)
        return estimate(found.value, *ends, self.n, f"{what}, {confidence:.0%}")


def novelty(control: UnitMoments, treatment: UnitMoments, confidence: float = 0.95) -> Novelty:
    """How the lift moves with the days k = 0 .. D-1 since first exposure.

    Column k of the moments is the metric of a unit on its k-th day: only units with all D days
    behind them. The lift of a third (D // 3 days) is that of its sum; a difference would shrink
    with what units do at all, which falls after the day that brought them. Slope: of a
    least-squares line of the days' lifts on ln(1 + k). Errors by the delta method, days of a unit
    dependent as they are. Undefined below 7 days or 2 units in an arm, or where the control's
    value is not 5 standard errors above 0. Chatterjee and Simonoff (2013) for linear contrasts;
    Hohnhold, O'Brien, Tang (2015), KDD, for learning effects.

    >>> from .units import moments_of
    >>> rng = np.random.default_rng(1)
    >>> day = np.arange(9)
    >>> faded = moments_of(rng.normal(12 - 4 * np.log1p(day) / 2.3, 1, (400, 9)))
    >>> found = novelty(moments_of(rng.normal(8, 1, (400, 9))), faded)
    >>> round(found.slope.value, 2), round(found.early.value, 2), round(found.late.value, 2)
    (-0.22, 0.37, 0.05)
    """
    n, days = control.n + treatment.n, len(control.mean)
    if days < FEWEST_DAYS or min(control.n, treatment.n) < 2:
        reason = Undefined(f"needs {FEWEST_DAYS} days and two units an arm, has {days} days", n)
        return Novelty(reason, reason, reason, reason)
    both, third = _Days(control, treatment), days // 3
    first = (np.arange(days) < third).astype(np.float64)
    early, late = both.lift(first), both.lift(first[::-1])
    x = np.log1p(np.arange(days))
    centred = x - x.mean()
    slope = _weighted([both.lift(day) for day in np.eye(days)], centred / (centred @ centred))
    contrast = _weighted([early, late], np.array([-1.0, 1.0]))
    return Novelty(
        both.result(slope, "slope on ln(1 + day)", confidence),
        both.result(early, f"first {third} days", confidence),
        both.result(late, f"last {third} days", confidence),
        both.result(contrast, "last third minus first", confidence),
    )


def _weighted(lifts: list[_Lift | Undefined], weights: Floats) -> _Lift | Undefined:
    known: list[_Lift] = []
    for lift in lifts:
        if isinstance(lift, Undefined):
            return lift
        known.append(lift)
    return _Lift(
        float(sum(w * x.value for w, x in zip(weights, known, strict=True))),
        np.sum([w * x.by_control for w, x in zip(weights, known, strict=True)], axis=0),
        np.sum([w * x.by_treatment for w, x in zip(weights, known, strict=True)], axis=0),
    )


def daily_lifts(
    control: UnitMoments, treatment: UnitMoments, confidence: float = 0.95
) -> tuple[Result, ...]:
    """The lift on each day k = 0 .. D-1 since first exposure: columns as `novelty` has them.

    Days are not independent of each other. Each Undefined with fewer than two units in an arm, or
    where the control's value is not 5 standard errors above 0. Deng, Knoblich, Lu (2018), KDD.

    >>> from .units import moments_of
    >>> found = daily_lifts(moments_of([[4.0], [4.2]]), moments_of([[4.4], [4.6]]))
    >>> round(found[0].value, 3), round(found[0].low, 3)
    (0.098, 0.027)
    """
    days = len(control.mean)
    if min(control.n, treatment.n) < 2:
        return (Undefined("needs two units an arm", control.n + treatment.n),) * days
    both = _Days(control, treatment)
    return tuple(
        both.result(both.lift(day), f"day {k}", confidence) for k, day in enumerate(np.eye(days))
    )
