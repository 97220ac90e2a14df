"""A percentile and its interval from the counts of ordered bins."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from .laws import binom_ppf, norm_isf
from .proportion import T_OPT, log_bayes_factor, mixture_weight
from .result import Result, Undefined, estimate

Floats = NDArray[np.float64]
_ROUNDING: Final = 1e-9


def requests_for_quantile(q: float, confidence: float = 0.95) -> int:
    """Fewest requests at which a quantile's order-statistic interval has both ends.

    The larger of floor(z^2 max(q/(1-q), (1-q)/q)), where the interval n q +- z sqrt(n q (1-q))
    stays inside the sample, and the exact ceil(ln(a/2) / ln max(q, 1-q)); a = 1 - confidence,
    z the normal quantile of 1 - a/2. David and Nagaraja (2003), *Order Statistics*, 7.1.

    >>> requests_for_quantile(0.99), requests_for_quantile(0.5)
    (380, 6)
    """
    if not 0 < q < 1:
        raise ValueError(f"a quantile's order must lie between 0 and 1, not {q}")
    tail, outer = (1 - confidence) / 2, max(q, 1 - q)
    z = norm_isf(tail)
    exact = math.ceil(math.log(tail) / math.log(outer))
    return max(math.floor(z * z * outer / (1 - outer) + _ROUNDING), exact)


def sequence_radii(
    q: float, n: float, alpha: float = 0.05, t_opt: float = T_OPT
) -> tuple[float, float]:
    """How far below and above q the always-valid interval of a quantile reaches, as shares.

    Counts k of n at or below the quantile whose beta-binomial Bayes factor against q stays
    below 1/alpha; a radius that reaches the end of the sample is q or 1 - q.
    Howard and Ramdas (2022), Bernoulli 28: sequential quantile estimation.

    >>> [round(r, 4) for r in sequence_radii(0.99, 10_000)]
    [0.0032, 0.0028]
    """
    c, threshold = mixture_weight(t_opt, alpha), -math.log(alpha)

    def excess(k: float) -> float:
        return log_bayes_factor(k, n, q, c) - threshold

    down = (n * q - brentq(excess, 0.0, n * q)) / n if excess(0.0) > 0 else q
    up = (brentq(excess, n * q, n) - n * q) / n if excess(n) > 0 else 1 - q
    return float(down), float(up)


def _interval_shares(
    q: float, n: float, confidence: float, always_valid: bool, t_opt: float
) -> tuple[float, float] | None:
    """Shares of the sample at the two order statistics, or None when one does not exist."""
    if always_valid:
        down, up = sequence_radii(q, n, 1 - confidence, t_opt)
        reached = q - down <= 0 or q + up >= 1
        # One order statistic further out: the count at the quantile may equal the upper bound.
        return None if reached else (q - down, min(q + up + 1 / n, 1.0))
    whole = math.floor(n + _ROUNDING)
    if whole < requests_for_quantile(q, confidence):
        return None
    tail = (1 - confidence) / 2
    first = binom_ppf(tail, whole, q)
    last = binom_ppf(1 - tail, whole, q) + 1
    return first / whole, last / whole


def _interpolate(low: Floats, high: Floats, counts: Floats, rank: float) -> float:
    below = np.concatenate(([0.0], np.cumsum(counts)))
    b = min(int(np.searchsorted(below, rank, side="left")), len(counts))
    b = max(b - 1, 0)
    inside = (rank - below[b]) / counts[b]
    return float(low[b] + (high[b] - low[b]) * inside)


def quantile(
    edges_low: ArrayLike,
    edges_high: ArrayLike,
    counts: ArrayLike,
    q: float,
    confidence: float = 0.95,
    always_valid: bool = False,
    deff: float = 1.0,
    t_opt: float = T_OPT,
) -> Result:
    """A quantile from ordered bins, with an order-statistic interval widened to bin edges.

    The value interpolates linearly inside the bin that holds rank q n. The interval is
    [X_(r), X_(s)], r = Bin^-1(a/2; n', q), s = Bin^-1(1-a/2; n', q) + 1 on n' = n / deff
    effective requests, each rank taken to the outer edge of its bin; always-valid: the ranks of
    `sequence_radii`. Bins must be ordered; edges are in the value's unit, an outer edge may be
    infinite. Undefined without requests, when an order statistic does not exist
    (`requests_for_quantile`: P99 below 380 effective requests) or when the value lies in an
    open bin. David and Nagaraja (2003), *Order Statistics*; Howard and Ramdas (2022).

    >>> low = np.arange(1000.0)
    >>> r = quantile(low, low + 1, np.ones(1000), 0.99)
    >>> r.value, r.low, r.high
    (990.0, 982.0, 997.0)
    """
    low, high, c = (np.asarray(x, dtype=np.float64) for x in (edges_low, edges_high, counts))
    if not low.shape == high.shape == c.shape or c.ndim != 1 or bool(np.any(c < 0)):
        raise ValueError("bins need one low edge, one high edge and one count each")
    held = c > 0
    low, high, c = low[held], high[held], c[held]
    n = float(c.sum())
    if n <= 0:
        return Undefined("no requests")
    n_effective = n / max(deff, 1.0)
    shares = _interval_shares(q, n_effective, confidence, always_valid, t_opt)
    if shares is None:
        return Undefined(f"too few requests for the interval of the {q:g} quantile", n_effective)
    value = _interpolate(low, high, c, q * n)
    if not math.isfinite(value):
        return Undefined("the quantile lies in an open bin", n_effective)
    cumulative = np.cumsum(c)
    first = int(np.searchsorted(cumulative, math.floor(shares[0] * n + _ROUNDING), side="left"))
    rank = min(math.ceil(shares[1] * n - _ROUNDING), n)
    last = min(int(np.searchsorted(cumulative, rank, side="left")), len(c) - 1)
    kind = "confidence sequence" if always_valid else "order statistics"
    return estimate(
        value, float(low[first]), float(high[last]), n_effective, f"{kind} {confidence:.0%}"
    )
