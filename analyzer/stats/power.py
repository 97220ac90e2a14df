"""What a comparison can find: the smallest difference for an n, the n for a difference."""

from __future__ import annotations

import math

from .laws import norm_isf
from .result import Result, Undefined, point


def _multiplier(alpha: float, power: float) -> float:
    if not 0 < alpha < 1 or not 0 < power < 1:
        raise ValueError(f"alpha = {alpha} and power = {power} must be shares")
    return norm_isf(alpha / 2) - norm_isf(power)


def smallest_detectable_difference(error: float, alpha: float = 0.05, power: float = 0.9) -> Result:
    """Smallest true difference that a two-sided test with this standard error would have found.

    (z_{1-a/2} + z_power) SE, in the unit of the error. Undefined without a positive finite
    standard error. Bloom (1995), Evaluation Review 19.

    >>> round(smallest_detectable_difference(1.0).value, 4)
    3.2415
    """
    if not (math.isfinite(error) and error > 0):
        return Undefined("no standard error")
    return point(_multiplier(alpha, power) * error, 0, f"power {power:.0%}, alpha {alpha:g}")


def sample_size(
    variance: float,
    difference: float,
    alpha: float = 0.05,
    power: float = 0.8,
    weight: float = 0.5,
    r_squared: float = 0.0,
    cluster_size: float = 1.0,
    icc: float = 0.0,
) -> Result:
    """Units of both arms that find a difference with the given power, two-sided, normal.

    n = var (1 - R^2) (1 + (m-1) ICC) (z_{1-a/2} + z_power)^2 / (d^2 w (1-w)); `weight` is the
    challenger's share of traffic, `r_squared` CUPED's, m the rows per cluster. Rounded up.
    Undefined when no n would do: no difference, no variance or an arm without traffic.
    Bloom (1995), Evaluation Review 19; Deng et al. (2013), WSDM.

    >>> sample_size(1.0, 0.1).value
    3140.0
    """
    if not 0 < weight < 1:
        return Undefined("an arm without traffic")
    if difference == 0 or not variance > 0 or not 0 <= r_squared < 1:
        return Undefined("no solution: the difference or the variance is 0")
    inflated = variance * (1 - r_squared) * (1 + (cluster_size - 1) * icc)
    n = inflated * _multiplier(alpha, power) ** 2 / (difference**2 * weight * (1 - weight))
    return point(math.ceil(n), math.ceil(n), f"power {power:.0%}, alpha {alpha:g}, two-sided")
