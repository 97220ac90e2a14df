"""How complete the labels of a day are by their age: chain ladder with Mack's standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .laws import norm_isf
from .result import Result, Undefined, estimate

Floats = NDArray[np.float64]

READY: Final = 0.9
"""Completeness from which waiting longer changes little."""
REFUSED: Final = 0.3
"""Completeness below which weighting is refused: one label stands for more than three."""
_STILL_GROWING: Final = 0.05


@dataclass(frozen=True, eq=False)
class Ladder:
    """A fitted chain ladder. Ages in days (or whatever the triangle's steps are).

    `factors` f_k, growth of arrived labels from age k to k+1; `exposure` sum of C_ik over the
    cohorts that have reached k+1; `sigma2` Mack's variance per arrived label; `cohorts` how many
    were fitted; `labels` how many labels they hold; `scatter` by how much arrivals vary more
    than independent labels would (1: no more).
    """

    factors: Floats
    exposure: Floats
    sigma2: Floats
    cohorts: int
    labels: float
    scatter: float

    @property
    def horizon(self) -> int:
        """The oldest age seen; completeness is 1 there by definition."""
        return len(self.factors)

    @cached_property
    def completeness(self) -> Floats:
        """F(a) = prod_{k >= a} 1 / f_k for a = 0 .. horizon; 0 before any label ever arrives."""
        return np.concatenate([np.cumprod(1 / self.factors[::-1])[::-1], [1.0]])

    @cached_property
    def log_variances(self) -> Floats:
        """var ln f_k = sigma_k^2 / (f_k^2 sum C_ik); 0 where no label ever arrives by age k."""
        known = np.isfinite(self.factors) & (self.exposure > 0)
        growth = np.where(known, self.factors, 1.0)
        known_exposure = np.where(known, self.exposure, 1.0)
        return np.asarray(np.where(known, self.sigma2, 0.0) / (growth**2 * known_exposure))

    def at(self, age: int) -> float:
        """F at an age; 1 beyond the horizon."""
        return float(self.completeness[min(max(age, 0), self.horizon)]) if age >= 0 else 0.0


def cumulate(arrivals: ArrayLike, observed: ArrayLike) -> Floats:
    """Cumulative triangle from labels by cohort and age at arrival, NaN where still to come.

    `arrivals` has shape (cohorts, ages); `observed` says how many whole ages each cohort has
    lived (label day before the as-of). A revision may subtract.

    >>> cumulate([[2, 1, 1], [3, 2, 0]], [3, 2]).tolist()
    [[2.0, 3.0, 4.0], [3.0, 5.0, nan]]
    """
    counts = np.asarray(arrivals, dtype=np.float64)
    lived = np.asarray(observed, dtype=np.int64)
    triangle = np.cumsum(counts, axis=1)
    triangle[np.arange(counts.shape[1]) >= lived[:, None]] = np.nan
    return triangle


def _sigma_squared(triangle: Floats, factors: Floats) -> Floats:
    """Mack's sigma_k^2, with his tail rule for steps that only one cohort has made."""
    before, after = triangle[:, :-1], triangle[:, 1:]
    used = np.isfinite(after) & (before > 0)
    single = np.divide(after, before, out=np.zeros_like(before), where=used)
    finite = np.where(np.isfinite(factors), factors, 1.0)
    squares = np.where(used, before * (single - finite) ** 2, 0.0).sum(axis=0)
    cohorts = used.sum(axis=0)
    found: Floats = np.divide(squares, cohorts - 1, out=np.zeros_like(squares), where=cohorts > 1)
    for k in np.flatnonzero((cohorts <= 1) & np.isfinite(factors)):
        two, one = (found[k - 2], found[k - 1]) if k >= 2 else (found[0], found[0])
        trend = one**2 / two if two > 0 else one
        found[k] = min(trend, one, two)
    return found


def _scatter(triangle: Floats, factors: Floats) -> float:
    """Pearson dispersion of arrivals about binomial thinning: of C_{k+1}, a share 1/f_k is C_k."""
    before, after = triangle[:, :-1], triangle[:, 1:]
    moving = np.isfinite(factors) & (factors > 1)
    used = np.isfinite(after) & (after > 0) & moving
    share = 1 / np.where(moving, factors, 2.0)
    expected = np.where(used, after * share, 0.0)
    variance = np.where(used, expected * (1 - share), 1.0)
    excess = np.where(used, (before - expected) ** 2 / variance, 0.0)
    freedom = int(used.sum()) - int(np.any(used, axis=0).sum())
    return float(excess.sum()) / freedom if freedom > 0 else 1.0


def chain_ladder(triangle: ArrayLike) -> Ladder | Undefined:
    """Fit completeness by age to cohorts' cumulative label counts (`cumulate`).

    f_k = sum_i C_{i,k+1} / sum_i C_{i,k} over the cohorts that have reached age k+1;
    sigma_k^2 = sum C_ik (C_{i,k+1} / C_ik - f_k)^2 / (cohorts - 1), and for a last step of one
    cohort min(sigma_{k-1}^4 / sigma_{k-2}^2, sigma_{k-1}^2, sigma_{k-2}^2). `triangle` has shape
    (cohorts, ages), NaN where the age is still to come. f_k is infinite where no label ever
    arrives by age k, or none of them outlives the next step's revisions (completeness 0).
    Undefined with fewer than two cohorts, one age, or no
    labels. Mack (1993), ASTIN Bulletin 23; Mack (1994), CAS Forum.

    >>> ladder = chain_ladder([[10, 15, 20], [20, 30, np.nan], [10, np.nan, np.nan]])
    >>> ladder.completeness.round(4).tolist()
    [0.5, 0.75, 1.0]
    """
    c = np.asarray(triangle, dtype=np.float64)
    if c.ndim != 2 or bool(np.any(c < 0)):
        raise ValueError("a triangle needs one row of cumulative counts per cohort, none below 0")
    c = c[:, np.any(np.isfinite(c), axis=0)]
    if len(c) < 2 or c.shape[1] < 2:
        return Undefined("fewer than two cohorts or ages", len(c))
    reached = np.isfinite(c[:, 1:])
    exposure = np.where(reached, c[:, :-1], 0.0).sum(axis=0)
    grown = np.where(reached, c[:, 1:], 0.0).sum(axis=0)
    if grown.sum() <= 0:
        return Undefined("no label has arrived", len(c))
    # No label by k+1 either: nothing is known of this step but that completeness stays 0.
    idle = np.where(np.cumsum(exposure) > 0, 1.0, np.inf)
    idle[(exposure == 0) & (grown > 0)] = np.inf
    factors = np.divide(grown, exposure, out=idle, where=exposure > 0)
    factors[factors <= 0] = np.inf  # all of it was revised away: it told of nothing that stays
    latest = float(np.nansum([row[np.isfinite(row)][-1:].sum() for row in c]))
    return Ladder(
        factors, exposure, _sigma_squared(c, factors), len(c), latest, _scatter(c, factors)
    )


def growth_at_the_end(ladder: Ladder) -> float:
    """Share of the labels seen at the horizon that arrived in its last quarter of ages.

    If it is not small, labels still arrive at the oldest age and every F is too high.

    >>> ladder = chain_ladder([[10, 15, 20, 20, 20], [20, 30, 40, 40, np.nan]])
    >>> growth_at_the_end(ladder)
    0.0
    """
    return 1 - ladder.at(ladder.horizon - max(1, ladder.horizon // 4))


def completeness(ladder: Ladder, age: int, confidence: float = 0.95) -> Result:
    """Share of a cohort's labels that have arrived by an age, with its estimation error.

    F(a) = prod_{k>=a} 1 / f_k, F exp(+- z sqrt(sum_{k>=a} sigma_k^2 / (f_k^2 sum C_ik))), cut at
    1; `n` is the labels behind the ladder. Undefined when no label ever arrived by that age, or
    when more than 5 % of the labels arrived in the last quarter of the horizon (the ladder is
    too short to say what complete is). Mack (1994); Lagakos, Barraj, De Gruttola (1988),
    Biometrika 75, for the same estimator as reversed time.

    >>> ladder = chain_ladder([[4, 8, 8, 8, 8], [6, 10, 10, 10, np.nan], [4, 9, 9, np.nan, np.nan]])
    >>> r = completeness(ladder, 0)
    >>> round(r.value, 4), round(r.low, 4), round(r.high, 4)
    (0.5185, 0.4346, 0.6187)
    """
    value = ladder.at(age)
    if value <= 0:
        return Undefined(f"no label has ever arrived by age {age}", ladder.labels)
    if growth_at_the_end(ladder) > _STILL_GROWING:
        return Undefined(
            f"labels still arrive at age {ladder.horizon}, the oldest seen", ladder.labels
        )
    factor = math.exp(norm_isf((1 - confidence) / 2) * completeness_error(ladder, age))
    return estimate(
        value,
        value / factor,
        min(value * factor, 1.0),
        ladder.labels,
        f"chain ladder, Mack {confidence:.0%}",
    )


def completeness_error(ladder: Ladder, age: int) -> float:
    """Standard error of ln F(age): what the finite history leaves open.

    >>> completeness_error(chain_ladder([[10, 20, 20], [10, 20, np.nan]]), 0)
    0.0
    """
    return math.sqrt(float(ladder.log_variances[max(age, 0) :].sum()))


def ultimate(ladder: Ladder, arrived: float, age: int, confidence: float = 0.95) -> Result:
    """Labels a cohort will have when complete, with Mack's prediction error.

    C / F(a); se^2 = U^2 sum_{k>=a} sigma_k^2 / f_k^2 (1 / C_k + 1 / sum_i C_ik), C_k the cohort's
    projected count at age k: its own scatter and the ladder's error. Log-normal interval.
    Undefined as `completeness`, and when nothing has arrived. Mack (1993), ASTIN Bulletin 23.

    >>> ladder = chain_ladder([[4, 8, 8, 8, 8], [6, 10, 10, 10, np.nan], [4, 9, 9, np.nan, np.nan]])
    >>> round(ultimate(ladder, 5, 0).value, 3)
    9.643
    """
    found = completeness(ladder, age, confidence)
    if isinstance(found, Undefined):
        return found
    if arrived <= 0:
        return Undefined("no label of this cohort has arrived", ladder.labels)
    value = arrived / found.value
    relative = ultimate_error(ladder, arrived, age) / value
    spread = math.sqrt(math.log1p(relative**2))
    factor = math.exp(norm_isf((1 - confidence) / 2) * spread)
    return estimate(value, value / factor, value * factor, arrived, f"Mack {confidence:.0%}")


def ultimate_error(ladder: Ladder, arrived: float, age: int) -> float:
    """Mack's standard error of a cohort's projected label count (see `ultimate`).

    >>> ladder = chain_ladder([[4, 8, 8, 8, 8], [6, 10, 10, 10, np.nan], [4, 9, 9, np.nan, np.nan]])
    >>> round(ultimate_error(ladder, 5, 0), 3)
    1.693
    """
    value = ladder.at(age)
    if value <= 0 or arrived <= 0:
        return math.inf
    later = slice(max(age, 0), ladder.horizon)
    own = arrived * ladder.completeness[later] / value
    relative = ladder.sigma2[later] / ladder.factors[later] ** 2
    total = np.sum(relative * (1 / own + 1 / ladder.exposure[later]))
    return arrived / value * math.sqrt(float(total))


def age_reaching(ladder: Ladder, level: float = READY, confidence: float = 0.95) -> Result:
    """The first age at which completeness reaches a level: the date to wait for.

    `low` and `high` are the ages at which the upper and lower ends of its interval do (`high`
    infinite beyond the horizon). Undefined as `completeness` at the horizon.

    >>> ladder = chain_ladder([[4, 8, 8, 8, 8], [6, 10, 10, 10, np.nan], [4, 9, 9, np.nan, np.nan]])
    >>> age_reaching(ladder).value
    1.0
    """
    end = completeness(ladder, ladder.horizon, confidence)
    if isinstance(end, Undefined):
        return end
    later = np.append(np.cumsum(ladder.log_variances[::-1])[::-1], 0.0)
    factor = np.exp(norm_isf((1 - confidence) / 2) * np.sqrt(later))
    curve = ladder.completeness
    ends = (curve * factor, curve, curve / factor)
    low, value, high = (float(min(np.flatnonzero(x >= level), default=math.inf)) for x in ends)
    return estimate(value, low, high, ladder.labels, f"first age with F >= {level:g}")


def bornhuetter_ferguson(
    arrived: float, complete: float, rows: float, prior: Result, confidence: float = 0.95
) -> Result:
    """Immature rate of a cohort: what has arrived, plus the prior rate for what has not.

    rate = (C + (1 - F) n prior) / n; its interval takes the prior's ends, and the arrived labels
    as Poisson: a blend to show beside a mark that it is immature, never to judge by. `rows` n is
    the cohort's predictions, `prior` a rate of matured cohorts. Undefined without rows or prior.
    Bornhuetter and Ferguson (1972), Proceedings of the Casualty Actuarial Society 59.

    >>> from analyzer.stats.result import Estimate
    >>> r = bornhuetter_ferguson(10, 0.2, 1000, Estimate(0.06, 0.05, 0.07, 9000, "matured"))
    >>> round(r.value, 4), round(r.low, 4), round(r.high, 4)
    (0.058, 0.0479, 0.0681)
    """
    if isinstance(prior, Undefined):
        return prior
    if rows <= 0:
        return Undefined("no rows")
    missing = 1 - complete
    value = arrived / rows + missing * prior.value
    own = norm_isf((1 - confidence) / 2) * math.sqrt(arrived) / rows
    low = value - math.hypot(own, missing * (prior.value - prior.low))
    high = value + math.hypot(own, missing * (prior.high - prior.value))
    return estimate(value, max(low, 0.0), high, rows, "Bornhuetter-Ferguson, immature")
