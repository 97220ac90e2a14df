"""The effect of a treatment on a metric, from moments over units: means, ratios, CUPED, lifts.

Every effect is a function of both arms' mean vectors. Its error follows from the gradients by the
delta method, so that clusters, ratios and covariates need no formula of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .result import Undefined
from .units import UnitMoments

Floats = NDArray[np.float64]

FEWEST_EVENTS = 25
"""Events that the smaller arm must expect before a rate or a lift is read. Of other metrics, what
tells as much: n mean^2 / variance, which is the number of events where they come by chance."""


@dataclass(frozen=True)
class Ratio:
    """A metric over units: total of column `numerator` over that of `denominator`.

    Without a denominator it is the mean per unit. Columns are places in `UnitMoments.mean`.
    """

    numerator: int
    denominator: int | None = None


@dataclass(frozen=True)
class Effect:
    """Treatment minus control (or over control, minus 1): value, standard error, units, df.

    `error` 0 and `df` infinite are possible; `covariates_explain` is the share of variance that
    CUPED took away (R^2), 0 without covariates.
    """

    value: float
    error: float
    n: float
    df: float
    relative: bool
    covariates_explain: float = 0.0


@dataclass(frozen=True, eq=False)
class _Arm:
    value: float
    gradient: Floats
    covariance: Floats
    n: float

    def variance(self, gradient: Floats) -> float:
        return max(float(gradient @ self.covariance @ gradient), 0.0) / self.n


def effect(
    control: UnitMoments,
    treatment: UnitMoments,
    metric: Ratio,
    covariates: tuple[Ratio, ...] = (),
    *,
    relative: bool = False,
) -> Effect | Undefined:
    """Effect of the treatment on a metric, adjusted for covariates known before it (CUPED).

    Difference: (v_T - theta' x_T) - (v_C - theta' x_C) with theta = (sum_i V_xx,i / n_i)^-1
    (sum_i V_xv,i / n_i) over both arms, which leaves the least variance also when arms are
    unequal. Relative: that difference over the control's plain value. Errors by the delta method,
    degrees of freedom by Welch. Below 0 a lift has the error of no effect, the difference's over
    the control's value: the delta method's falls to 0 with the treatment, so that by chance few
    events would look like certain harm. Constant or collinear covariates explain nothing and are
    left out. Undefined with fewer than two units in an arm, a denominator that totals 0, or, if
    relative, a control that is not above 0 or a value too small for its scatter (`FEWEST_EVENTS`).
    Deng, Xu, Kohavi, Walker (2013), WSDM; Deng, Knoblich, Lu (2018), KDD; Fieller (1954), JRSS B
    16, for ratios whose denominator is uncertain.

    >>> from .units import moments_of
    >>> before = [[1.0, 0.9], [2.0, 2.2], [3.0, 2.9]]
    >>> after = [[2.0, 1.1], [3.0, 1.9], [4.0, 3.0]]
    >>> found = effect(moments_of(before), moments_of(after), Ratio(0), (Ratio(1),))
    >>> round(found.value, 3), round(found.error, 3), round(found.covariates_explain, 3)
    (1.0, 0.115, 0.98)
    """
    found = contrast(control, treatment, metric, covariates)
    if isinstance(found, Undefined):
        return found
    return found.lift() if relative else found.difference()


@dataclass(frozen=True, eq=False)
class Contrast:
    """Both arms of a metric, adjusted for covariates: what a difference and a lift are read from.

    value: the adjusted difference; gradients: of both arms' adjusted values; strength: n mean^2 /
    variance that the smaller arm would have of both arms' units as if they were one.
    """

    control: _Arm
    treatment: _Arm
    value: float
    gradients: tuple[Floats, Floats]
    explained: float
    strength: float

    def difference(self) -> Effect:
        """Treatment minus control."""
        return self._effect(self.value, *self.gradients, False)

    def lift(self) -> Effect | Undefined:
        """The difference over the control's plain value. Undefined as `effect`."""
        base, n = self.control.value, self.control.n + self.treatment.n
        if not base > 0:
            return Undefined("the control's value is not above 0: no relative effect", n)
        if self.strength < FEWEST_EVENTS:
            told = f"{self.strength:.3g} events, {FEWEST_EVENTS} needed"
            return Undefined(f"the smaller arm tells as much as {told}", n)
        of_control, of_treatment = (gradient / base for gradient in self.gradients)
        of_control = of_control + self.control.gradient * (max(self.value, 0.0) / base**2)
        return self._effect(self.value / base, of_control, of_treatment, True)

    def _effect(
        self, value: float, of_control: Floats, of_treatment: Floats, relative: bool
    ) -> Effect:
        parts = (self.control.variance(of_control), self.treatment.variance(of_treatment))
        n_c, n_t = self.control.n, self.treatment.n
        df = _welch(parts, n_c, n_t)
        return Effect(value, math.sqrt(sum(parts)), n_c + n_t, df, relative, self.explained)


def contrast(
    control: UnitMoments,
    treatment: UnitMoments,
    metric: Ratio,
    covariates: tuple[Ratio, ...] = (),
) -> Contrast | Undefined:
    """What `effect` reads a difference and a lift from; see there.

    >>> from .units import moments_of
    >>> found = contrast(moments_of([[1.0], [2.0]]), moments_of([[2.0], [5.0]]), Ratio(0))
    >>> found.value, round(found.difference().error, 4)
    (2.0, 1.5811)
    """
    arms = []
    for moments in (control, treatment):
        arm = _arm(moments, metric)
        if isinstance(arm, Undefined):
            return arm
        arms.append(arm)
    one, two = arms
    gradients, value, explained = (one.gradient, two.gradient), two.value - one.value, 0.0
    if covariates:
        xs = [_covariates(m, covariates) for m in (control, treatment)]
        theta = _theta(arms, [x[1] for x in xs])
        value -= float(theta @ (xs[1][0] - xs[0][0]))
        plain = one.variance(one.gradient) + two.variance(two.gradient)
        gradients = (one.gradient - theta @ xs[0][1], two.gradient - theta @ xs[1][1])
        left = one.variance(gradients[0]) + two.variance(gradients[1])
        explained = 1 - left / plain if plain > 0 else 0.0
    strength = _strength(control + treatment, metric) * min(one.n, two.n) / (one.n + two.n)
    return Contrast(one, two, value, gradients, explained, strength)


def _strength(both: UnitMoments, metric: Ratio) -> float:
    """n mean^2 / variance of both arms' units as if they were one."""
    arm = _arm(both, metric)
    if isinstance(arm, Undefined):
        return 0.0
    variance = arm.variance(arm.gradient)
    return arm.value**2 / variance if variance > 0 else math.inf


def _arm(moments: UnitMoments, metric: Ratio) -> _Arm | Undefined:
    covariance = moments.covariance
    if isinstance(covariance, Undefined):
        return covariance
    found = _ratio(moments, metric)
    if isinstance(found, Undefined):
        return found
    return _Arm(*found, covariance, moments.n)


def _ratio(moments: UnitMoments, metric: Ratio) -> tuple[float, Floats] | Undefined:
    """Value and gradient of a ratio of means."""
    gradient = np.zeros(len(moments.mean))
    top = float(moments.mean[metric.numerator])
    if metric.denominator is None:
        gradient[metric.numerator] = 1.0
        return top, gradient
    bottom = float(moments.mean[metric.denominator])
    if bottom == 0:
        return Undefined("the denominator totals 0", moments.n)
    gradient[metric.numerator] += 1 / bottom
    gradient[metric.denominator] -= top / bottom**2
    return top / bottom, gradient


def _covariates(moments: UnitMoments, covariates: tuple[Ratio, ...]) -> tuple[Floats, Floats]:
    """Values (q,) and gradients (q, p); a covariate without a value explains nothing."""
    values, gradients = np.zeros(len(covariates)), np.zeros((len(covariates), len(moments.mean)))
    for place, covariate in enumerate(covariates):
        found = _ratio(moments, covariate)
        if not isinstance(found, Undefined):
            values[place], gradients[place] = found
    return values, gradients


def _theta(arms: list[_Arm], gradients: list[Floats]) -> Floats:
    """The coefficients that leave the difference the least variance, (q,)."""
    pairs = list(zip(arms, gradients, strict=True))
    xx = np.sum([k @ arm.covariance @ k.T / arm.n for arm, k in pairs], axis=0)
    xv = np.sum([k @ arm.covariance @ arm.gradient / arm.n for arm, k in pairs], axis=0)
    scale = np.sqrt(np.diag(xx))
    scale[scale == 0] = 1.0  # a constant covariate: the least solution gives it no weight
    solved, *_ = np.linalg.lstsq(xx / np.outer(scale, scale), xv / scale, rcond=1e-10)
    return np.asarray(solved / scale)


def _welch(parts: tuple[float, float], n_c: float, n_t: float) -> float:
    """Welch (1947), Biometrika 34."""
    whole = sum(parts)
    if whole == 0:
        return math.inf
    return whole**2 / (parts[0] ** 2 / (n_c - 1) + parts[1] ** 2 / (n_t - 1))


def rate_effect(
    control: tuple[float, float], treatment: tuple[float, float], *, relative: bool = False
) -> Effect | Undefined:
    """Effect on a share of units, each arm given as (units that did, units).

    The error is that of equal rates, p (1 - p) (1/n_C + 1/n_T) with p pooled: an arm that has
    seen no event yet is not certain of 0. Undefined while the smaller arm expects fewer than 25
    events and non-events (n p and n (1 - p)), for which a normal law is wrong. Fisher (1925).

    >>> found = rate_effect((200, 1000), (230, 1000))
    >>> round(found.value, 3), round(found.error, 5)
    (0.03, 0.01837)
    """
    (k_c, n_c), (k_t, n_t) = control, treatment
    n = n_c + n_t
    if min(n_c, n_t) < 1:
        return Undefined("an arm without units", n)
    pooled = (k_c + k_t) / n
    expected = min(n_c, n_t) * min(pooled, 1 - pooled)
    if expected < FEWEST_EVENTS:
        return Undefined(
            f"the smaller arm expects {expected:.3g} events, {FEWEST_EVENTS} needed", n
        )
    value = k_t / n_t - k_c / n_c
    error = math.sqrt(pooled * (1 - pooled) * (1 / n_c + 1 / n_t))
    if relative:
        if k_c == 0:
            return Undefined("the control's rate is 0: no relative effect", n)
        base = k_c / n_c
        value, error = value / base, error / base * math.sqrt(max(k_t / n_t / base, 1.0))
    return Effect(value, error, n, math.inf, relative)
