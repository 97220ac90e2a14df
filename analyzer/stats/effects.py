"""The effect of a treatment on a metric, from moments over units: means, ratios, CUPED, lifts.

Every effect is a function of both arms' mean vectors. Its error follows from the gradients by the
delta method, so that clusters, ratios and covariates need no formula of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .result import Undefined
from .units import UnitMoments

FEWEST_EVENTS = 25
"""Events that the smaller arm must expect before a rate or a lift is read. Of other metrics, what
tells as much: n mean^2 / variance, which is the number of events where they come by chance."""


COLLINEAR = 1e-10
"""Share of a covariate's variance that others must leave for it to be used."""


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


@dataclass(frozen=True)
class _Arm:
    """values: of the metric and of each covariate; covariance (1 + q, 1 + q) of those values;
    n units."""

    values: list[float]
    covariance: list[list[float]]
    n: float

    def variance(self, weights: list[float]) -> float:
        """Variance of a weighted sum of the values."""
        return max(_form(weights, self.covariance, weights), 0.0)


def _form(left: list[float], matrix: list[list[float]], right: list[float]) -> float:
    # a handful of numbers: an array costs more to make than to add up
    return sum(
        x * y * z
        for x, row in zip(left, matrix, strict=True)
        for y, z in zip(row, right, strict=True)
    )


@dataclass(frozen=True)
class Contrast:
    """Both arms of a metric, adjusted for covariates: what a difference and a lift are read from.

    value: the adjusted difference; theta: the covariates' coefficients; strength: n mean^2 /
    variance that the smaller arm would have of both arms' units as if they were one.
    """

    control: _Arm
    treatment: _Arm
    value: float
    theta: list[float]
    explained: float
    strength: float

    def difference(self) -> Effect:
        """Treatment minus control."""
        weights = [1.0, *(-x for x in self.theta)]
        return self._effect(self.value, weights, weights, False)

    def lift(self) -> Effect | Undefined:
        """The difference over the control's plain value. Undefined as `effect`."""
        base, n = self.control.values[0], self.control.n + self.treatment.n
        if not base > 0:
            return Undefined("the control's value is not above 0: no relative effect", n)
        if self.strength < FEWEST_EVENTS:
            told = f"{self.strength:.3g} events, {FEWEST_EVENTS} needed"
            return Undefined(f"the smaller arm tells as much as {told}", n)
        found = self.value / base
        covariates = [-x / base for x in self.theta]
        return self._effect(
            found, [(1 + max(found, 0.0)) / base, *covariates], [1 / base, *covariates], True
        )

    def _effect(
        self, value: float, of_control: list[float], of_treatment: list[float], relative: bool
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
    one, two = _arm(control, metric, covariates), _arm(treatment, metric, covariates)
    if isinstance(one, Undefined):
        return one
    if isinstance(two, Undefined):
        return two
    (plain, *before), (other, *after) = one.values, two.values
    value, explained = other - plain, 0.0
    theta = _theta(one, two) if covariates else []
    if covariates:
        value -= sum(t * (x - y) for t, x, y in zip(theta, after, before, strict=True))
        weights = [1.0, *(-x for x in theta)]
        whole = one.covariance[0][0] + two.covariance[0][0]
        left = one.variance(weights) + two.variance(weights)
        explained = 1 - left / whole if whole > 0 else 0.0
    strength = _strength(control + treatment, metric) * min(one.n, two.n) / (one.n + two.n)
    return Contrast(one, two, value, theta, explained, strength)


def _strength(both: UnitMoments, metric: Ratio) -> float:
    """n mean^2 / variance of both arms' units as if they were one."""
    arm = _arm(both, metric, ())
    if isinstance(arm, Undefined):
        return 0.0
    variance = arm.variance([1.0])
    return arm.values[0] ** 2 / variance if variance > 0 else math.inf


def _arm(moments: UnitMoments, metric: Ratio, covariates: tuple[Ratio, ...]) -> _Arm | Undefined:
    if moments.n < 2:
        return Undefined("fewer than two units", moments.n)
    main = _ratio(moments, metric)
    if isinstance(main, Undefined):
        return main
    parts = [main]
    for covariate in covariates:
        found = _ratio(moments, covariate)
        parts.append(_NOTHING if isinstance(found, Undefined) else found)
    scatter, size = moments.scatter.tolist(), moments.n * (moments.n - 1)
    covariance = [
        [sum(u * v * scatter[i][j] for i, u in one for j, v in two) / size for _, two in parts]
        for _, one in parts
    ]
    return _Arm([value for value, _ in parts], covariance, moments.n)


_Part = tuple[float, list[tuple[int, float]]]
_NOTHING: _Part = (0.0, [])
"""A covariate without a value explains nothing."""


def _ratio(moments: UnitMoments, metric: Ratio) -> _Part | Undefined:
    """Value and gradient of a ratio of means: places and slopes there, 0 elsewhere."""
    top = float(moments.mean[metric.numerator])
    if metric.denominator is None:
        return top, [(metric.numerator, 1.0)]
    bottom = float(moments.mean[metric.denominator])
    if bottom == 0:
        return Undefined("the denominator totals 0", moments.n)
    return top / bottom, [(metric.numerator, 1 / bottom), (metric.denominator, -top / bottom**2)]


def _theta(one: _Arm, two: _Arm) -> list[float]:
    """The coefficients that leave the difference the least variance: (sum V_xx)^-1 sum V_xv.

    Gauss's elimination; of collinear covariates the later ones get 0.
    """
    pairs = zip(one.covariance[1:], two.covariance[1:], strict=True)
    whole = [[x + y for x, y in zip(*rows, strict=True)] for rows in pairs]
    rows = [[*row[1:], row[0]] for row in whole]
    used = []
    for k in range(len(rows)):
        if rows[k][k] > COLLINEAR * whole[k][k + 1]:
            used.append(k)
            for i in range(len(rows)):
                if i != k:
                    factor = rows[i][k] / rows[k][k]
                    rows[i] = [x - factor * y for x, y in zip(rows[i], rows[k], strict=True)]
    return [row[-1] / row[k] if k in used else 0.0 for k, row in enumerate(rows)]


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
