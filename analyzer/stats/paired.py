"""Paired divergence from sums: means, segment against complement, ratios."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .dependence import jackknife, jackknife_ratio
from .laws import norm_isf, student_isf
from .proportion import clopper_pearson
from .result import Result, Undefined, estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over rows of d: how many, sum d, sum d^2, sum |d|, flips. They add and subtract.

    The complement of a segment is `whole - segment`.

    >>> Sums(2, 3.0, 5.0) + Sums(1, 1.0, 1.0)
    Sums(n=3, total=4.0, squares=6.0, absolute=0.0, flips=0.0)
    """

    n: float
    total: float
    squares: float
    absolute: float = 0.0
    flips: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.n + other.n,
            self.total + other.total,
            self.squares + other.squares,
            self.absolute + other.absolute,
            self.flips + other.flips,
        )

    def __sub__(self, other: Sums) -> Sums:
        return Sums(
            self.n - other.n,
            self.total - other.total,
            self.squares - other.squares,
            self.absolute - other.absolute,
            self.flips - other.flips,
        )


def centred(n: float, x_total: float, y_total: float, xy: float) -> float:
    """sum (x - xbar)(y - ybar) = sum xy - (sum x)(sum y) / n, in rational arithmetic.

    The sums are exact; in floating point the subtraction would cancel every digit when the mean
    is large beside the spread.

    >>> centred(2, 2e8 + 2, 2e8 + 2, 2e16 + 4e8 + 4)
    2.0
    """
    exact = Fraction(xy) - Fraction(x_total) * Fraction(y_total) / Fraction(n)
    return float(exact)


def variance(sums: Sums) -> Result:
    """Sample variance (sum d^2 - (sum d)^2 / n) / (n - 1), without an interval of its own.

    Undefined with fewer than two rows, or when the squares are too small for the total (the
    sums were rounded or belong to different rows).

    >>> variance(Sums(3, 6.0, 14.0)).value
    1.0
    """
    if sums.n < 2:
        return Undefined("fewer than two rows", sums.n)
    centred_squares = centred(sums.n, sums.total, sums.total, sums.squares)
    if centred_squares < -1e-9 * abs(sums.squares):
        return Undefined("the sum of squares is smaller than the mean requires", sums.n)
    value = max(centred_squares, 0.0) / (sums.n - 1)
    return estimate(value, 0.0, math.inf, sums.n, "sample variance, no interval")


def mean_difference(sums: Sums, confidence: float = 0.95, deff: float = 1.0) -> Result:
    """Mean of paired differences with its t interval.

    d = sum d / n, d +- t_{n'-1} sqrt(deff s^2 / n), n' = n / deff effective rows. Undefined with
    fewer than two effective rows. Student (1908), Biometrika 6; Kish (1965) for deff.

    >>> r = mean_difference(Sums(100, 50.0, 124.0))
    >>> round(r.value, 3), round(r.low, 3), round(r.high, 3)
    (0.5, 0.302, 0.698)
    """
    spread, effective_n = variance(sums), sums.n / max(deff, 1.0)
    if isinstance(spread, Undefined):
        return spread
    if effective_n < 2:
        return Undefined("fewer than two effective rows", effective_n)
    half = student_isf((1 - confidence) / 2, effective_n - 1)
    half *= math.sqrt(spread.value / effective_n)
    mean = sums.total / sums.n
    return estimate(mean, mean - half, mean + half, effective_n, f"paired t {confidence:.0%}")


def welch(a: Sums, b: Sums, confidence: float = 0.95, deff: float = 1.0) -> Result:
    """Mean of a minus mean of b: a segment against its complement (`whole - segment`).

    +- t_v sqrt(va + vb), v_i = deff s_i^2 / n_i, v by Welch-Satterthwaite on effective rows; `n`
    is the effective rows of both. Undefined with fewer than two effective rows on a side.
    Welch (1947), Biometrika 34.

    >>> r = welch(Sums(10, 10.0, 19.0), Sums(20, 0.0, 19.0))
    >>> round(r.value, 3), round(r.low, 3), round(r.high, 3)
    (1.0, 0.187, 1.813)
    """
    factor = max(deff, 1.0)
    spread_a, spread_b = variance(a), variance(b)
    if isinstance(spread_a, Undefined):
        return spread_a
    if isinstance(spread_b, Undefined):
        return spread_b
    n_a, n_b = a.n / factor, b.n / factor
    if min(n_a, n_b) < 2:
        return Undefined("fewer than two effective rows on one side", min(n_a, n_b))
    va, vb = spread_a.value / n_a, spread_b.value / n_b
    difference, total = a.total / a.n - b.total / b.n, va + vb
    half = 0.0
    if total > 0:
        share_a, share_b = va / total, vb / total
        df = 1 / (share_a**2 / (n_a - 1) + share_b**2 / (n_b - 1))
        half = student_isf((1 - confidence) / 2, df) * math.sqrt(total)
    return estimate(
        difference, difference - half, difference + half, n_a + n_b, f"Welch {confidence:.0%}"
    )


def risk_ratio(
    flips_a: float,
    n_a: float,
    flips_b: float,
    n_b: float,
    confidence: float = 0.95,
    deff: float = 1.0,
) -> Result:
    """Rate of flips in a over the rate in b.

    exp(ln RR +- z sqrt(1/ka - 1/na + 1/kb - 1/nb)) on effective counts; with no flips in a the
    upper end is the conditional exact one. Undefined when a side is empty or b has no flips (the
    ratio has no bound). Katz et al. (1978), Biometrics 34.

    >>> r = risk_ratio(30, 100, 10, 100)
    >>> round(r.value, 3), round(r.low, 3), round(r.high, 3)
    (3.0, 1.551, 5.803)
    """
    factor = max(deff, 1.0)
    k_a, m_a, k_b, m_b = flips_a / factor, n_a / factor, flips_b / factor, n_b / factor
    if m_a <= 0 or m_b <= 0:
        return Undefined("no rows on one side")
    if k_b <= 0:
        return Undefined("no flips to compare with", m_a + m_b)
    if k_a <= 0:
        return _risk_ratio_of_none(m_a, k_b, m_b, confidence)
    ratio = (k_a / m_a) / (k_b / m_b)
    error = math.sqrt(max(1 / k_a - 1 / m_a + 1 / k_b - 1 / m_b, 0.0))
    spread = math.exp(norm_isf((1 - confidence) / 2) * error)
    return estimate(ratio, ratio / spread, ratio * spread, m_a + m_b, f"Katz {confidence:.0%}")


def _risk_ratio_of_none(m_a: float, k_b: float, m_b: float, confidence: float) -> Result:
    share = clopper_pearson(0.0, k_b, confidence)
    if isinstance(share, Undefined):
        return share
    high = share.high / (1 - share.high) * m_b / m_a if share.high < 1 else math.inf
    return estimate(0.0, 0.0, high, m_a + m_b, f"conditional exact {confidence:.0%}")


def ratio_of_means(
    x_total: float,
    y_total: float,
    x_squares: float,
    y_squares: float,
    xy: float,
    n: float,
    confidence: float = 0.95,
    deff: float = 1.0,
) -> Result:
    """Mean of x over mean of y on the same n rows or units, by the delta method.

    R = sum x / sum y, var = deff (s_xx - 2 R s_xy + R^2 s_yy) / (n ybar^2), t with n/deff - 1
    degrees of freedom. Undefined with fewer than two effective rows or when the mean of y cannot
    be told from 0. Deng, Knoblich, Lu (2018), KDD.

    >>> r = ratio_of_means(110.0, 100.0, 131.0, 109.0, 117.0, 100)
    >>> round(r.value, 3), round(r.low, 3), round(r.high, 3)
    (1.1, 1.053, 1.147)
    """
    factor = max(deff, 1.0)
    below = mean_difference(Sums(n, y_total, y_squares), confidence, deff)
    if isinstance(below, Undefined):
        return below
    if below.low <= 0 <= below.high:
        return Undefined("the denominator's mean cannot be told from 0", below.n)
    ratio = x_total / y_total
    residual = (
        centred(n, x_total, x_total, x_squares)
        - 2 * ratio * centred(n, x_total, y_total, xy)
        + ratio**2 * centred(n, y_total, y_total, y_squares)
    )
    spread = max(residual, 0.0) / (n - 1)
    error = math.sqrt(factor * spread / n) / abs(y_total / n)
    half = student_isf((1 - confidence) / 2, n / factor - 1) * error
    return estimate(
        ratio, ratio - half, ratio + half, n / factor, f"delta method, t interval {confidence:.0%}"
    )


def ratio_of_means_blocks(
    challenger_sums: ArrayLike,
    champion_sums: ArrayLike,
    challenger_counts: ArrayLike,
    champion_counts: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Result:
    """Challenger's mean over champion's mean, each time block left out in turn.

    Sums and counts per block; without `champion_counts` the rows are paired and the counts
    cancel. Blocks without rows are dropped. Undefined as `dependence.jackknife_ratio`.
    Quenouille (1956), Biometrika 43.

    >>> r = ratio_of_means_blocks([5.5, 6.6, 4.4], [5.0, 6.0, 4.0], [10, 12, 8])
    >>> round(r.value, 6)
    1.1
    """
    x, y = np.asarray(challenger_sums, dtype=float), np.asarray(champion_sums, dtype=float)
    n = np.asarray(challenger_counts, dtype=float)
    m = n if champion_counts is None else np.asarray(champion_counts, dtype=float)
    held = (n > 0) | (m > 0)
    x, y, n, m = x[held], y[held], n[held], m[held]
    if champion_counts is None:
        return jackknife_ratio(x, y, confidence)
    value, without = _ratio_of_means_without_each(x, y, n, m)
    return jackknife(without, value, confidence)


def _ratio_of_means_without_each(
    x: Floats, y: Floats, n: Floats, m: Floats
) -> tuple[float, Floats]:
    above, below = x.sum() * m.sum(), y.sum() * n.sum()
    value = float(above / below) if below != 0 else math.nan
    others, below_others = (x.sum() - x) * (m.sum() - m), (y.sum() - y) * (n.sum() - n)
    without = np.divide(others, below_others, out=np.full_like(x, np.nan), where=below_others != 0)
    return value, without


def cohens_d(a: Sums, b: Sums) -> Result:
    """Standardised difference (mean_a - mean_b) / pooled standard deviation.

    Normal interval with var = (na+nb)/(na nb) + d^2 / (2 (na+nb)), 95 %. Undefined with fewer
    than two rows on a side or no spread. Cohen (1988); Hedges and Olkin (1985).

    >>> round(cohens_d(Sums(6, 45.0, 375.0), Sums(6, 9.0, 15.0)).value, 5)
    3.03822
    """
    spread_a, spread_b = variance(a), variance(b)
    if isinstance(spread_a, Undefined):
        return spread_a
    if isinstance(spread_b, Undefined):
        return spread_b
    pooled = ((a.n - 1) * spread_a.value + (b.n - 1) * spread_b.value) / (a.n + b.n - 2)
    if pooled <= 0:
        return Undefined("no spread", a.n + b.n)
    value = (a.total / a.n - b.total / b.n) / math.sqrt(pooled)
    half = 1.959963984540054 * math.sqrt(1 / a.n + 1 / b.n + value**2 / (2 * (a.n + b.n)))
    return estimate(value, value - half, value + half, a.n + b.n, "Cohen's d 95%")


def sampling_error(sums: Sums, chunk: float) -> Result:
    """Standard error of a chunk's mean from a reference's spread: sigma / sqrt(chunk).

    sigma is the population standard deviation of the reference. Undefined with fewer than two
    reference rows or an empty chunk. NannyML, sampling error.

    >>> round(sampling_error(Sums(4, 2.0, 2.0), 25).value, 3)
    0.1
    """
    spread = variance(sums)
    if isinstance(spread, Undefined):
        return spread
    if chunk <= 0:
        return Undefined("an empty chunk")
    value = math.sqrt(spread.value * (sums.n - 1) / sums.n / chunk)
    return estimate(value, 0.0, math.inf, sums.n, "sampling error, no interval")
