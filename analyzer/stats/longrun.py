"""Long-run standard deviation: how far sums of a dependent series stray, per root of a point."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .laws import chi2_isf
from .result import Undefined

Floats = NDArray[np.float64]
MOST_ORDERS = 6
MINIMUM_BLOCKS = 8


@dataclass(frozen=True, slots=True)
class LongRun:
    """`sd` per root of a point, the degrees of freedom behind it, and how it was estimated."""

    sd: float
    df: float
    method: str


def autoregression(series: ArrayLike, most: int = MOST_ORDERS) -> tuple[Floats, float]:
    """Coefficients and innovation variance of an autoregression whose order has the least BIC.

    Yule-Walker equations by Levinson's recursion on autocovariances about 0; NaN is a gap.
    Durbin (1960), Rev. Int. Stat. Inst. 28; Schwarz (1978), Annals of Statistics 6.

    >>> coefficients, variance = autoregression([1.0, 0.5, 0.25, 0.125] + [0.0] * 96)
    >>> coefficients.round(2).tolist()
    [0.49]
    """
    x = np.asarray(series, dtype=np.float64).ravel()
    held = np.isfinite(x)
    filled = np.where(held, x, 0.0)
    n = int(held.sum())
    lags = range(min(most, max(n - 1, 0)) + 1)
    pairs = [max(int(np.sum(held[: len(x) - j] & held[j:])), 1) for j in lags]
    products = [float(filled[: len(x) - j] @ filled[j:]) for j in lags]
    # divided by what a full series would have, so that the matrix stays positive definite
    covariance = [
        p * n / c * (n - j) / n / n for j, (p, c) in enumerate(zip(products, pairs, strict=True))
    ]
    coefficients, variance = np.zeros(0), covariance[0]
    best, chosen = n * math.log(max(variance, 1e-300)), (coefficients, variance)
    for order in range(1, len(covariance)):
        if variance <= 1e-12 * covariance[0]:
            break
        reflection = (
            covariance[order] - float(coefficients @ np.asarray(covariance[order - 1 : 0 : -1]))
        ) / variance
        reflection = min(max(reflection, -0.99), 0.99)
        coefficients = np.append(coefficients - reflection * coefficients[::-1], reflection)
        variance *= 1 - reflection**2
        score = n * math.log(max(variance, 1e-300)) + order * math.log(max(n, 2))
        if score < best:
            best, chosen = score, (coefficients, variance)
    return chosen


def block_means(series: ArrayLike, block: int) -> Floats:
    """Sums over non-overlapping blocks divided by the root of the points they hold.

    Blocks at least half of whose points are there count; of independent points each has their
    standard deviation. NaN is a gap.

    >>> block_means([1, 1, 1, 1, 2, 2, 2, 2], 4).tolist()
    [2.0, 4.0]
    """
    x = np.asarray(series, dtype=np.float64).ravel()
    whole = x[: len(x) // block * block].reshape(-1, block)
    n = np.isfinite(whole).sum(axis=1)
    means: Floats = (np.nansum(whole, axis=1) / np.sqrt(np.maximum(n, 1)))[2 * n >= block]
    return means


def long_run_sd(parts: list[Floats], block: int, duplicates: float = 1.0) -> LongRun | Undefined:
    """Long-run standard deviation of a stationary series around 0, given in one or more parts.

    Spectral density at frequency 0 of a BIC autoregression: sd = s / (1 - sum phi), s the
    innovations' (Berk 1974, Annals of Statistics 2); where the means of blocks of `block` points
    vary more than it explains (chi-square at 5 %), theirs is taken. NaN is a gap. `duplicates`:
    how many points stand for one independent one (residuals of two weeks about their own mean: 2).
    Undefined with fewer than 24 points or no variation.

    >>> found = long_run_sd([np.tile([1.0, -1.0, 1.0, 1.0, -1.0, -1.0], 40)], 12)
    >>> found.sd < 1
    True
    """
    gap = np.full(MOST_ORDERS + 1, np.nan)
    joined = np.concatenate([piece for part in parts for piece in (part, gap)])
    n = int(np.isfinite(joined).sum())
    if n < 24:
        return Undefined(f"{n} points, 24 needed", n)
    if not bool(np.nanmax(np.abs(joined)) > 0):
        return Undefined("a constant series", n)
    coefficients, variance = autoregression(joined)
    persistence = min(float(coefficients.sum()), 0.98)
    sd = math.sqrt(variance) / (1 - persistence)
    free = n / duplicates
    # variance of ln sd by the delta method, of an AR(1) with the same persistence
    phi = max(persistence, 0.0)
    df = 1 / (1 / free + 2 * (1 + phi) / (1 - phi) / free * bool(len(coefficients)))
    blocks = np.concatenate([block_means(part, block) for part in parts])
    freely = len(blocks) / duplicates
    if freely >= MINIMUM_BLOCKS:
        mean_square = float(np.mean(blocks**2))
        if mean_square * freely > sd**2 * chi2_isf(0.05, freely):
            return LongRun(math.sqrt(mean_square), freely, f"means of blocks of {block} points")
    return LongRun(sd, max(df, 3.0), f"autoregression of order {len(coefficients)}")
