"""A day against the average of the days before it, in their own standard deviations."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analyzer.stats.result import Result, Undefined, point

LEAST_DAYS = 3
"""Days from which a standard deviation means something."""


def sigmas(today: float, before: ArrayLike) -> Result:
    """(today - mean) / s, s the standard deviation of the days before with n - 1 below.

    The rule of Shewhart's chart, with the mean and s of a few days in place of known ones: see
    `false_alarms` for what that costs (Montgomery 2013, *Statistical Quality Control*, 6.4).
    Undefined below 3 days, and where the days before were all the same.

    >>> sigmas(5.0, [1, 2, 3]).value
    3.0
    """
    known = np.asarray(before, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not math.isfinite(today):
        return Undefined("the day itself has no value", len(known))
    if len(known) < LEAST_DAYS:
        return Undefined(f"{len(known)} earlier days, {LEAST_DAYS} are needed", len(known))
    spread = float(known.std(ddof=1))
    if spread <= 0:
        return Undefined("the earlier days do not differ", len(known))
    value = (today - float(known.mean())) / spread
    return point(value, len(known), "standard deviations of the days before")


def false_alarms(days: int, limit: float, sides: int = 2) -> float:
    """How often a day like all others lies more than `limit` sigmas from the mean of `days`.

    z sqrt(n / (n + 1)) has Student's t distribution with n - 1 degrees of freedom where days are
    independent and normal (Montgomery 2013). sides: 2 for both directions, 1 for one.

    >>> round(false_alarms(7, 2.0), 3), round(false_alarms(7, 2.0, sides=1), 3)
    (0.111, 0.055)
    """
    return float(sides * stats.t.sf(limit / math.sqrt(1 + 1 / days), days - 1))


def point_alarms(low: float, high: float, limit: float, confidence: float = 0.95) -> float:
    """How often growth beyond `limit` is seen where nothing grew: by the width of an interval.

    low, high: ends of the interval of a ratio minus 1, symmetric on the log scale and normal there.

    >>> round(point_alarms(-0.05, 1 / 0.95 - 1, 0.05), 3)
    0.031
    """
    z = float(stats.norm.ppf((1 + confidence) / 2))
    error = (math.log1p(high) - math.log1p(low)) / (2 * z)
    return float(stats.norm.sf(math.log1p(limit) / error)) if error > 0 else 0.0
