"""How large chance alone makes the largest of many standardised sums of one series."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from .laws import norm_sf, student_isf

Floats = NDArray[np.float64]


def _overshoot(x: Floats) -> Floats:
    """Siegmund's nu(x), the price of discrete time; the approximation of Siegmund and Yakir."""
    half = x / 2
    density = np.exp(-(half**2) / 2) / math.sqrt(2 * math.pi)
    above = ndtr(half) - 0.5
    ratio: Floats = (2 / x) * above / (half * (above + 0.5) + density)
    return ratio


def crossing_p(bound: float, spans: list[tuple[float, float]]) -> float:
    """Chance that max |S_m| / sqrt(m) of standard normal sums exceeds `bound` somewhere.

    2 (1 - Phi(b)) + 2 b phi(b) sum over spans [m0, m1] of the integral of nu(x)/x from
    b/sqrt(m1) to b/sqrt(m0). One span where the level before is known, two (points before, points
    after) where it is not. Siegmund (1985), *Sequential Analysis*, 4; James, James and
    Siegmund (1987), Biometrika 74.

    >>> round(crossing_p(3.0, [(3, 168)]), 3)
    0.038
    """
    density = math.exp(-(bound**2) / 2) / math.sqrt(2 * math.pi)
    total = 0.0
    for least, most in spans:
        if most > least:
            logs = np.linspace(
                math.log(bound / math.sqrt(most)), math.log(bound / math.sqrt(least)), 64
            )
            total += float(np.trapezoid(_overshoot(np.exp(logs)), logs))
    return min(1.0, 2 * norm_sf(bound) + 2 * bound * density * total)


def crossing_threshold(
    spans: list[tuple[float, float]], false_alarm: float = 0.05, searches: int = 1, df: float = 1e9
) -> float:
    """What the largest statistic exceeds by chance in `false_alarm` of all searches together.

    Each of `searches` series gets 1 - (1 - false_alarm)^(1/searches) (Sidak 1967), `crossing_p` is
    solved for it, and the bound is carried over to Student's t with the degrees of freedom behind
    the long-run sd.

    >>> one, eight = (crossing_threshold([(3, 168)], 0.05, n) for n in (1, 8))
    >>> round(one, 1), round(eight, 1)
    (2.9, 3.6)
    """
    wanted = 1 - (1 - false_alarm) ** (1 / max(searches, 1))
    return student_isf(norm_sf(_bound(tuple(spans), wanted)), df)


@lru_cache(maxsize=1024)
def _bound(spans: tuple[tuple[float, float], ...], wanted: float) -> float:
    low, high = 1.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if crossing_p(middle, list(spans)) > wanted else (low, middle)
    return high
