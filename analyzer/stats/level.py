"""How far a level lies from what is usual: a mean from its average, a volume from its baseline."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .laws import chi2_isf, norm_isf, student_isf
from .result import Result, Undefined, estimate
from .seasonal import median_variance


def mean_change(
    totals: ArrayLike,
    n: ArrayLike,
    usual: ArrayLike,
    average: float,
    average_error: float,
    unit: float,
    row_variance: float,
    confidence: float = 0.95,
) -> Result:
    """How far a mean lies from an average, in either direction, in multiples of `unit`.

    |sum totals / sum n - average| / unit over K blocks of rows. The lower end allows for the rows
    alone (standard error sqrt(row_variance / N)): so far off were those that came. The upper end
    allows for blocks that move as a whole and for the average's own error: the course that blocks
    usually take (`usual`: their usual means) is no noise, so V = K/(K-1) sum (d_k - r n_k)^2 / N^2
    of the residuals d_k = totals_k - n_k usual_k about their mean r, at least that of the rows,
    plus average_error^2; Student's t with K-1 degrees of freedom. Undefined with fewer than two
    non-empty blocks or a unit that is not positive. Cochran (1977), *Sampling Techniques*, 6.

    >>> r = mean_change([2.2, 4.4], [10, 10], [0.2, 0.4], 0.3, 0.0, 0.3, 0.0001)
    >>> round(r.value, 3), round(r.low, 3), round(r.high, 3)
    (0.1, 0.085, 0.524)
    """
    total, rows, course = (np.asarray(x, dtype=np.float64).ravel() for x in (totals, n, usual))
    held = rows > 0
    total, rows, course = total[held], rows[held], course[held]
    blocks, size = len(rows), float(rows.sum())
    if blocks < 2:
        return Undefined(f"{blocks} non-empty blocks, 2 needed", blocks)
    if not unit > 0:
        return Undefined("the usual level is not above 0", size)
    course = np.where(np.isnan(course), average, course)
    residual = total - rows * course
    residual = residual - residual.sum() / size * rows
    variance = blocks / (blocks - 1) * float(residual @ residual) / size**2
    error = math.sqrt(max(variance, row_variance / size) + average_error**2)
    change = abs(float(total.sum()) / size - average) / unit
    tail = (1 - confidence) / 2
    low = change - norm_isf(tail) * math.sqrt(row_variance / size) / unit
    high = change + student_isf(tail, blocks - 1) * error / unit
    method = f"rows below, blocks about their usual course above, {confidence:.1%}"
    return estimate(change, max(0.0, low), high, size, method)


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
    n: float, usual: float, weeks: int, phi: float = 1.0, confidence: float = 0.95
) -> Result:
    """How far a number of requests lies from the usual one, in either direction, as a share of it.

    |n / usual - 1|; n counts with Garwood's interval for n / phi, the baseline is a median of
    `weeks` such counts. Errors are added in squares on the log scale. phi: `dispersion`.
    Undefined where nothing is usual. Garwood (1936), Biometrika 28.

    >>> r = volume_change(700, 1000, 4)
    >>> round(r.value, 3), round(r.low, 3), round(r.high, 3)
    (0.3, 0.241, 0.356)
    >>> volume_change(0, 1000, 4).low > 0.9
    True
    """
    if not usual > 0:
        return Undefined("no traffic is usual", n)
    tail, count = (1 - confidence) / 2, n / phi
    low = chi2_isf(1 - tail, 2 * count) / 2 * phi if n else 0.0
    high = chi2_isf(tail, 2 * count + 2) / 2 * phi
    spread = norm_isf(tail) * math.sqrt(phi * float(median_variance(max(weeks, 1))) / usual)
    up = math.hypot(math.log(high / n), spread) if n else spread
    down = math.hypot(math.log(n / low), spread) if low else math.inf
    top = (n or high) / usual * math.exp(up) - 1
    bottom = n / usual * math.exp(-down) - 1
    change = n / usual - 1
    nearest = 0.0 if bottom <= 0 <= top else min(abs(bottom), abs(top))
    furthest = max(abs(bottom), abs(top))
    return estimate(abs(change), nearest, furthest, n, f"Poisson x {phi:.3g}, {confidence:.1%}")
