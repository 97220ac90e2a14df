"""Quantiles and tails of the usual laws, from `scipy.special` alone.

`scipy.stats` offers the same, but takes most of a second to import: longer than a whole night's
verdict. The tests hold these against it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from .cells import Number, plain


def norm_isf(p: float) -> float:
    """The standard normal value that is exceeded with probability p.

    >>> round(norm_isf(0.025), 6)
    1.959964
    """
    return -float(special.ndtri(p))


def norm_sf(x: float) -> float:
    """Probability that a standard normal exceeds x.

    >>> round(norm_sf(1.959964), 6)
    0.025
    """
    return float(special.ndtr(-x))


def student_isf(p: float, df: Number) -> Number:
    """The value that Student's t with df degrees of freedom (finite) exceeds with probability p.

    >>> round(student_isf(0.025, 10), 6)
    2.228139
    """
    found: Number = plain(-special.stdtrit(df, p))
    return found


def student_sf(x: float, df: float) -> float:
    """Probability that Student's t with df degrees of freedom exceeds x.

    >>> round(student_sf(2.228139, 10), 6)
    0.025
    """
    return float(special.stdtr(df, -x))


def chi2_isf(p: float, df: float) -> float:
    """The value that a chi-square with df degrees of freedom exceeds with probability p.

    >>> round(chi2_isf(0.05, 9), 6)
    16.918978
    """
    return float(special.chdtri(df, p))


def chi2_sf(x: float, df: float) -> float:
    """Probability that a chi-square with df degrees of freedom exceeds x.

    >>> round(chi2_sf(16.918978, 9), 6)
    0.05
    """
    return float(special.chdtrc(df, x))


def binom_ppf(p: float, n: int, rate: float) -> float:
    """The smallest k for which P(X <= k) >= p, X binomial of n trials at `rate`.

    >>> binom_ppf(0.975, 1000, 0.99)
    996.0
    """
    k = np.ceil(special.bdtrik(p, n, rate))
    below = max(float(k) - 1, 0.0)
    return below if float(special.bdtr(below, n, rate)) >= p else float(k)


def binom_pmf(k: NDArray[np.int64], n: int, rate: float) -> NDArray[np.float64]:
    """P(X = k) for each k, X binomial of n trials at `rate`.

    >>> binom_pmf(np.array([0, 1, 2]), 2, 0.5).round(6).tolist()
    [0.25, 0.5, 0.25]
    """
    chosen = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    logs = chosen + special.xlogy(k, rate) + special.xlog1py(n - k, -rate)
    return np.asarray(np.exp(logs), dtype=np.float64)
