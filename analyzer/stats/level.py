"""How far a level lies from what is usual: a mean from its average, a volume from its baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .laws import chi2_isf, student_isf
from .result import Result, Undefined, estimate
from .seasonal import median_variance

_MANY = 1e9
"""Degrees of freedom at which Student's t is the normal."""


@dataclass(frozen=True, slots=True)
class Average:
    """What a mean usually is, over earlier days: its level, the variance of that, and the variance
    of one day's mean about it (as many rows as came, days that differ); how many days.
    """

    mean: float
    variance: float
    of_a_day: float
    days: int


def average_of_days(totals: ArrayLike, n: ArrayLike) -> Average | Undefined:
    """The mean over days, from each day's total and rows.

    m = sum totals / sum n; with residuals e_d = totals_d - m n_d over D days a day's mean has
    variance D/(D-1) sum e^2 / sum n^2 about m, and m itself D/(D-1) sum e^2 / (sum n)^2. Days
    without rows are left out; Undefined with fewer than two. Cochran (1977), 6.

    >>> r = average_of_days([3.0, 3.3, 2.7, 0.0], [10, 10, 10, 0])
    >>> round(r.mean, 3), round(r.of_a_day**0.5, 3), round(r.variance**0.5, 4), r.days
    (0.3, 0.03, 0.0173, 3)
    """
    total, rows = (np.asarray(x, dtype=np.float64).ravel() for x in (totals, n))
    total, rows = total[rows > 0], rows[rows > 0]
    days, size = len(rows), float(rows.sum())
    if days < 2:
        return Undefined(f"{days} days with rows, 2 needed", days)
    mean = float(total.sum()) / size
    residual = total - mean * rows
    squares = days / (days - 1) * float(residual @ residual)
    return Average(mean, squares / size**2, squares / float(rows @ rows), days)


def mean_change(
    totals: ArrayLike,
    n: ArrayLike,
    usual: ArrayLike,
    average: Average,
    unit: float,
    row_variance: float,
    days: float = 1.0,
    confidence: float = 0.95,
) -> Result:
    """How far a mean lies from an average, in either direction, in multiples of `unit`.

    |sum totals / sum n - average| / unit over K blocks of rows that span so many days. Days differ
    when nothing has happened, so both ends allow for `average.of_a_day` / days, or the rows' own
    row_variance / N if that is more, and for the average's variance: Student's t with D - 1 degrees
    of freedom over the share of D earlier days in that. The upper end is the wider of this and of
    the window's own blocks, which may move as a whole: the course they usually take (`usual`:
    their usual means) is no noise, so V = K/(K-1) sum (d_k - r n_k)^2 / N^2 of the residuals d_k =
    totals_k - n_k usual_k about their mean r, with K-1 degrees of freedom. Undefined with fewer
    than two non-empty blocks or a unit that is not positive. Cochran (1977), *Sampling
    Techniques*, 6; Satterthwaite (1946), Biometrics 2.

    >>> usually = Average(0.3, 0.0, 0.0001, 8)
    >>> r = mean_change([2.2, 4.4], [10, 10], [0.2, 0.4], usually, 0.3, 0.0001)
    >>> round(r.value, 3), round(r.low, 3), round(r.high, 3)
    (0.1, 0.021, 0.524)
    """
    total, rows, course = (np.asarray(x, dtype=np.float64).ravel() for x in (totals, n, usual))
    held = rows > 0
    total, rows, course = total[held], rows[held], course[held]
    blocks, size = len(rows), float(rows.sum())
    if blocks < 2:
        return Undefined(f"{blocks} non-empty blocks, 2 needed", blocks)
    if not unit > 0:
        return Undefined("the usual level is not above 0", size)
    course = np.where(np.isnan(course), average.mean, course)
    residual = total - rows * course
    residual = residual - residual.sum() / size * rows
    moved = blocks / (blocks - 1) * float(residual @ residual) / size**2
    tail = (1 - confidence) / 2
    by_days = average.of_a_day / days + average.variance
    sure = max(row_variance / size + average.variance, by_days)
    freedom = min((average.days - 1) * (sure / by_days) ** 2, _MANY) if by_days else _MANY
    half = student_isf(tail, freedom) * math.sqrt(sure)
    within = student_isf(tail, blocks - 1) * math.sqrt(moved + average.variance)
    change = abs(float(total.sum()) / size - average.mean)
    low, high = change - half, change + max(half, within)
    method = f"rows and {average.days} earlier days, above also blocks, {confidence:.1%}"
    return estimate(change / unit, max(0.0, low) / unit, high / unit, size, method)


def dispersion(counts: ArrayLike) -> float:
    """How many times more counts vary from one to the next than Poisson counts would; at least 1.

    sum (n_{i+1} - n_i)^2 / sum (n_{i+1} + n_i): a trend over the day cancels. 1 where nothing
    was counted. von Neumann (1941), Annals of Mathematical Statistics 12.

    >>> dispersion([100, 120, 100, 120]), dispersion([])
    (1.8181818181818181, 1.0)
    """
    n = np.asarray(counts, dtype=np.float64).ravel()
    both = float((n[1:] + n[:-1]).sum())
    return max(1.0, float((np.diff(n) ** 2).sum()) / both) if both else 1.0


def volume_change(
    n: float,
    usual: float,
    weeks: int,
    phi: float = 1.0,
    confidence: float = 0.95,
    between: float = 0.0,
    df: float = math.inf,
) -> Result:
    """How far a number of requests lies from the usual one, in either direction, as a share of it.

    |n / usual - 1|; n counts with Garwood's interval for n / phi (phi: `dispersion`), the baseline
    is a median of `weeks` such counts. Counts stray besides from one week to the next: `between`
    is the variance of their logarithm beyond that, known with `df` degrees of freedom (`scatter`).
    What came has come, so the upper end allows for that of the baseline alone; it must be luck no
    more than harm, so the lower end allows for the count's own as well. Student's t with df (v /
    (between's part of v))^2 degrees of freedom, errors added in squares on the log scale.
    Undefined where nothing is usual. Garwood (1936), Biometrika 28; Satterthwaite (1946),
    Biometrics 2.

    >>> r = volume_change(700, 1000, 4)
    >>> round(r.value, 3), round(r.low, 3), round(r.high, 3)
    (0.3, 0.241, 0.356)
    >>> r = volume_change(700, 1000, 4, between=0.05**2, df=21)
    >>> round(r.low, 3), round(r.high, 3)
    (0.194, 0.366)
    >>> volume_change(0, 1000, 4).low > 0.9
    True
    """
    if not usual > 0:
        return Undefined("no traffic is usual", n)
    tail, count = (1 - confidence) / 2, n / phi
    fewest = chi2_isf(1 - tail, 2 * count) / 2 * phi if n else 0.0
    most = chi2_isf(tail, 2 * count + 2) / 2 * phi
    baseline = float(median_variance(max(weeks, 1)))

    def ends(stray: float) -> tuple[float, float]:
        chance = phi * baseline / usual
        sure = stray + chance + (phi / n if n else 0.0)
        freedom = min(df * (sure / stray) ** 2, _MANY) if stray else _MANY
        spread = student_isf(tail, freedom) * math.sqrt(stray + chance)
        up = math.hypot(math.log(most / n), spread) if n else spread
        down = math.hypot(math.log(n / fewest), spread) if fewest else math.inf
        return n / usual * math.exp(-down) - 1, (n or most) / usual * math.exp(up) - 1

    bottom, top = ends(between * (1 + baseline))
    low = 0.0 if bottom <= 0 <= top else min(abs(bottom), abs(top))
    high = max(map(abs, ends(between * baseline)))
    change = abs(n / usual - 1)
    method = f"Poisson x {phi:.3g} and {math.sqrt(between):.2%} between weeks, {confidence:.1%}"
    return estimate(change, low, high, n, method)
