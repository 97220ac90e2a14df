"""The effect of a treatment on a metric, from moments over units: means, ratios, CUPED, lifts.

Every effect is a function of both arms' mean vectors. Its error follows from the gradients by the
delta method, so that clusters, ratios and covariates need no formula of their own. Formulas are
of many cells (segments, say) at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .cells import Flags, Floats, Why, answered, has_answer, unless
from .result import Undefined
from .units import CellMoments, UnitMoments

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


@dataclass(frozen=True, eq=False)
class Effects:
    """An `Effect` of each cell, or why there is none: arrays of one length."""

    value: Floats
    error: Floats
    n: Floats
    df: Floats
    relative: bool
    covariates_explain: Floats
    why: Why

    def unless(self, fault: Flags, reason: str | Callable[[int], str]) -> Effects:
        """The same, with a reason in the cells of `fault` that have none yet."""
        return replace(self, why=unless(self.why, fault, reason, self.n))

    def at(self, cell: int) -> Effect | Undefined:
        """That of one cell."""
        gap: Undefined | None = self.why[cell]
        columns = self.value, self.error, self.n, self.df, self.covariates_explain
        value, error, n, df, explained = (float(column[cell]) for column in columns)
        return Effect(value, error, n, df, self.relative, explained) if gap is None else gap


def effects_of(found: Sequence[Effect | Undefined], relative: bool) -> Effects:
    """Effects of cells that were found one by one.

    >>> effect = Effect(0.29, 0.1, 200.0, math.inf, False)
    >>> found = effects_of([effect, Undefined("no unit")], False)
    >>> found.value.tolist(), found.at(1)
    ([0.29, 0.0], Undefined(reason='no unit', n=0))
    """
    nothing = Effect(0.0, 0.0, 0.0, math.inf, relative)
    held = [replace(nothing, n=one.n) if isinstance(one, Undefined) else one for one in found]
    rows = np.array([(e.value, e.error, e.n, e.df, e.covariates_explain) for e in held])
    value, error, n, df, explained = rows.reshape(len(held), 5).T
    why = answered(len(held))
    why[:] = [one if isinstance(one, Undefined) else None for one in found]
    return Effects(value, error, n, df, relative, explained, why)


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
    found = contrast(control.cells(), treatment.cells(), metric, covariates)
    return (found.lift() if relative else found.difference()).at(0)


Weights = Sequence[Floats | float]


@dataclass(frozen=True, eq=False)
class _Arm:
    """values: of the metric and of each covariate; covariance (1 + q, 1 + q) of those values;
    n units; each an array of cells. why: cells without them, meaningless there."""

    values: list[Floats]
    covariance: list[list[Floats]]
    n: Floats
    why: Why

    def variance(self, weights: Weights) -> Floats:
        """Variance of a weighted sum of the values."""
        found = np.zeros(len(self.n))
        for x, row in zip(weights, self.covariance, strict=True):
            for y, z in zip(row, weights, strict=True):
                found = found + x * y * z
        return np.maximum(found, 0.0)


@dataclass(frozen=True, eq=False)
class Contrast:
    """Both arms of a metric, adjusted for covariates: what differences and lifts are read from.

    value: the adjusted difference; theta: the covariates' coefficients; strength: n mean^2 /
    variance that the smaller arm would have of both arms' units as if they were one.
    """

    control: _Arm
    treatment: _Arm
    value: Floats
    theta: list[Floats]
    explained: Floats
    strength: Floats

    def difference(self) -> Effects:
        """Treatment minus control."""
        weights: Weights = [1.0, *(-x for x in self.theta)]
        return self._effects(self.value, weights, weights, False)

    def lift(self) -> Effects:
        """The difference over the control's plain value. Undefined as `effect`."""
        base = self.control.values[0]
        safe = np.where(base > 0, base, 1.0)
        found = self.value / safe
        covariates = [-x / safe for x in self.theta]
        of_control = [(1 + np.maximum(found, 0.0)) / safe, *covariates]
        lifts = self._effects(found, of_control, [1 / safe, *covariates], True)
        lifts = lifts.unless(~(base > 0), "the control's value is not above 0: no relative effect")
        return lifts.unless(self.strength < FEWEST_EVENTS, self._weak)

    def _weak(self, cell: int) -> str:
        told = f"{self.strength[cell]:.3g} events, {FEWEST_EVENTS} needed"
        return f"the smaller arm tells as much as {told}"

    def _effects(
        self,
        value: Floats,
        of_control: Weights,
        of_treatment: Weights,
        relative: bool,
    ) -> Effects:
        one, two = self.control, self.treatment
        parts = one.variance(of_control), two.variance(of_treatment)
        why = np.where(has_answer(one.why), two.why, one.why)
        error, df = np.sqrt(parts[0] + parts[1]), _welch(parts, one.n, two.n)
        return Effects(value, error, one.n + two.n, df, relative, self.explained, why)


def contrast(
    control: CellMoments,
    treatment: CellMoments,
    metric: Ratio,
    covariates: tuple[Ratio, ...] = (),
) -> Contrast:
    """What `effect` reads a difference and a lift from, of many cells; see there.

    >>> from .units import moments_of
    >>> one, two = moments_of([[1.0], [2.0]]).cells(), moments_of([[2.0], [5.0]]).cells()
    >>> found = contrast(one, two, Ratio(0))
    >>> found.value.tolist(), found.difference().error.round(4).tolist()
    ([2.0], [1.5811])
    """
    one, two = _arm(control, metric, covariates), _arm(treatment, metric, covariates)
    (plain, *before), (other, *after) = one.values, two.values
    value, explained = other - plain, np.zeros(len(plain))
    theta = _theta(one, two)
    if covariates:
        value = value - sum(t * (x - y) for t, x, y in zip(theta, after, before, strict=True))
        weights: Weights = [1.0, *(-x for x in theta)]
        whole = one.covariance[0][0] + two.covariance[0][0]
        left = one.variance(weights) + two.variance(weights)
        explained = np.where(whole > 0, 1 - left / np.where(whole > 0, whole, 1.0), 0.0)
    strength = _strength(control + treatment, metric)
    strength *= np.minimum(one.n, two.n) / np.maximum(one.n + two.n, 1.0)
    return Contrast(one, two, value, theta, explained, strength)


def _strength(both: CellMoments, metric: Ratio) -> Floats:
    """n mean^2 / variance of both arms' units as if they were one."""
    arm = _arm(both, metric, ())
    variance = arm.variance([1.0])
    found = arm.values[0] ** 2 / np.where(variance > 0, variance, 1.0)
    found = np.where(variance > 0, found, math.inf)
    return np.where(has_answer(arm.why), found, 0.0)


def _arm(moments: CellMoments, metric: Ratio, covariates: tuple[Ratio, ...]) -> _Arm:
    n = moments.n
    parts = [_ratio(moments, one) for one in (metric, *covariates)]
    size = np.where(n > 1, n * (n - 1), 1.0)
    nothing = np.zeros(len(n))
    covariance = [
        [
            sum((u * v * moments.scatter[i, j] for i, u in one for j, v in two), nothing) / size
            for _, two in parts
        ]
        for _, one in parts
    ]
    why = unless(answered(len(n)), n < 2, "fewer than two units", n)
    if metric.denominator is not None:
        none = moments.mean[metric.denominator] == 0
        why = unless(why, none, "the denominator totals 0", n)
    return _Arm([value for value, _ in parts], covariance, n, why)


_Part = tuple[Floats, list[tuple[int, Floats]]]


def _ratio(moments: CellMoments, metric: Ratio) -> _Part:
    """Value and gradient of a ratio of means: places and slopes there, 0 elsewhere. Where the
    denominator totals 0 all are 0: a covariate without a value explains nothing.
    """
    top = moments.mean[metric.numerator]
    if metric.denominator is None:
        return top, [(metric.numerator, np.ones(len(top)))]
    bottom = moments.mean[metric.denominator]
    some = bottom != 0
    bottom = np.where(some, bottom, 1.0)
    value, slope, fall = (
        np.where(some, x, 0.0) for x in (top / bottom, 1 / bottom, -top / bottom**2)
    )
    return value, [(metric.numerator, slope), (metric.denominator, fall)]


def _theta(one: _Arm, two: _Arm) -> list[Floats]:
    """The coefficients that leave the difference the least variance: (sum V_xx)^-1 sum V_xv.

    Gauss's elimination; of collinear covariates the later ones get 0.
    """
    pairs = zip(one.covariance[1:], two.covariance[1:], strict=True)
    whole = [[x + y for x, y in zip(*rows, strict=True)] for rows in pairs]
    rows = [[*row[1:], row[0]] for row in whole]
    used = []
    for k in range(len(rows)):
        used.append(rows[k][k] > COLLINEAR * whole[k][k + 1])
        pivot = np.where(used[k], rows[k][k], 1.0)
        for i in range(len(rows)):
            if i != k:
                factor = np.where(used[k], rows[i][k] / pivot, 0.0)
                rows[i] = [x - factor * y for x, y in zip(rows[i], rows[k], strict=True)]
    return [
        np.where(used[k], row[-1] / np.where(used[k], row[k], 1.0), 0.0)
        for k, row in enumerate(rows)
    ]


def _welch(parts: tuple[Floats, Floats], n_c: Floats, n_t: Floats) -> Floats:
    """Welch (1947), Biometrika 34: 1 / (s_C^2 / (n_C - 1) + s_T^2 / (n_T - 1)), s an arm's share of
    the variance; infinite without one.
    """
    whole = parts[0] + parts[1]
    some = whole > 0
    shares = [part / np.where(some, whole, 1.0) for part in parts]
    spread = sum(s**2 / np.maximum(n - 1, 1.0) for s, n in zip(shares, (n_c, n_t), strict=True))
    return np.where(some, 1 / np.where(some, spread, 1.0), math.inf)
