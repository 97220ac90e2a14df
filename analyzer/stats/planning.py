"""Plan an experiment: units, power and smallest effects for means, shares, margins, sequences."""

from __future__ import annotations

import math
from typing import Literal

from scipy.optimize import brentq
from scipy.special import nctdtr, ndtr

from .laws import norm_isf, student_isf
from .result import Result, Undefined, point
from .sequential import one_sided_radius, two_sided_radius

Side = Literal["both", "greater"]
_MOST = 1e15


def mean_power(
    effect: float, n_one: float, n_other: float, alpha: float = 0.05, side: Side = "both"
) -> Result:
    """Power of Student's two-sample test at a standardised effect (difference / SD).

    Noncentral t with n_one + n_other - 2 degrees of freedom and noncentrality
    effect sqrt(n_one n_other / (n_one + n_other)). Undefined below 2 units an arm.
    Cohen (1988), *Statistical Power Analysis*, 2; Champely, R package pwr.

    >>> round(mean_power(0.6, 90, 60, side="greater").value, 7)
    0.9737262
    """
    if min(n_one, n_other) < 2:
        return Undefined("fewer than two units in an arm", n_one + n_other)
    df = n_one + n_other - 2
    apart = effect * math.sqrt(n_one * n_other / (n_one + n_other))
    if side == "both":
        t = student_isf(alpha / 2, df)
        power = 1 - _below(t, df, apart) + _below(-t, df, apart)
    else:
        power = 1 - _below(student_isf(alpha, df), df, apart)
    return point(power, n_one + n_other, f"noncentral t, {side}")


def _below(t: float, df: float, apart: float) -> float:
    """Noncentral t. Far in a tail scipy gives no number: there the normal law says 0 or 1, too."""
    found = float(nctdtr(df, apart, t))
    return found if math.isfinite(found) else float(ndtr(t - apart))


def mean_sample_size(
    effect: float, alpha: float = 0.05, power: float = 0.8, side: Side = "both"
) -> Result:
    """Units per arm, not rounded, that give `mean_power` in two equal arms.

    Undefined where no number does: an effect of 0. Cohen (1988); pwr, G*Power.

    >>> round(mean_sample_size(0.5).value, 4)
    63.7656
    """
    size = abs(effect) if side == "both" else effect
    if not size > 0:
        return Undefined("no solution: no units find an effect of 0")

    def short(n: float) -> float:
        found = mean_power(size, n, n, alpha, side)
        return -power if isinstance(found, Undefined) else found.value - power

    # the noncentral t runs out of digits in large samples, where z^2 / 4 more than the normal
    # law says is exact to 1e-6 of a unit: Guenther (1981), The American Statistician 35
    z = tail(alpha, side)
    normal = 2 * (z + norm_isf(1 - power)) ** 2 / size**2
    if normal > 1e5:
        return point(normal + z**2 / 4, 2 * normal, f"normal, {side}")
    high = max(8.0, 2 * normal + 8)
    n = 2.0 if short(2.0) >= 0 else float(brentq(short, 2.0, high, xtol=1e-9))
    return point(n, 2 * n, f"noncentral t, {side}")


def tail(alpha: float, side: Side = "both") -> float:
    """Standard errors that a single test needs: the normal quantile.

    >>> round(tail(0.05), 4)
    1.96
    """
    return norm_isf(alpha / 2 if side == "both" else alpha)


def reach(alpha: float, side: Side = "both") -> float:
    """Standard errors that a sequence needs at its planned end. Waudby-Smith et al. (2024).

    >>> round(reach(0.05), 4)
    3.0352
    """
    radius = two_sided_radius if side == "both" else one_sided_radius
    return radius(1.0, 1.0, alpha, 1.0)


def share_power(
    share: float,
    other: float,
    n_one: float,
    n_other: float,
    alpha: float = 0.05,
    side: Side = "both",
) -> Result:
    """Power to tell two shares apart by their arcsines, h = 2 asin sqrt(p2) - 2 asin sqrt(p1).

    Phi(|h| sqrt(n1 n2 / (n1 + n2)) - z), for both sides with the far tail. Cohen (1988), 6; pwr.

    >>> round(share_power(0.5, 0.6477601, 80, 245, side="greater").value, 4)
    0.7533
    """
    if min(n_one, n_other) <= 0:
        return Undefined("an arm without units", n_one + n_other)
    apart = cohens_h(share, other) * math.sqrt(n_one * n_other / (n_one + n_other))
    z = tail(alpha, side)
    found = float(ndtr(apart - z)) + (float(ndtr(-apart - z)) if side == "both" else 0.0)
    return point(found, n_one + n_other, f"arcsine, {side}")


def cohens_h(share: float, other: float) -> float:
    """2 asin sqrt(other) - 2 asin sqrt(share). Cohen (1988), 6.

    >>> round(cohens_h(0.5, 0.6477601), 4)
    0.3
    """
    if not (0 <= share <= 1 and 0 <= other <= 1):
        raise ValueError(f"{share} and {other} are no shares")
    return 2 * math.asin(math.sqrt(other)) - 2 * math.asin(math.sqrt(share))


def share_sample_size(
    share: float, other: float, alpha: float = 0.05, power: float = 0.8, side: Side = "both"
) -> Result:
    """Units per arm, not rounded, that give `share_power` in two equal arms.

    One-sided 2 (z + z_power)^2 / h^2; for both sides a little less, as the far tail counts, too.
    Undefined for equal shares, or a power that alpha alone gives. Cohen (1988), 6; pwr.

    >>> round(share_sample_size(0.5, 0.6477601).value, 4)
    174.4191
    """
    h = cohens_h(share, other)
    if h == 0:
        return Undefined("no solution: the shares are equal")
    if not alpha < power < 1:
        return Undefined(f"no solution: a power of {power:g} at alpha {alpha:g}")
    n = 2 * (tail(alpha, side) + norm_isf(1 - power)) ** 2 / h**2
    if side == "both":

        def short(n: float) -> float:
            found = share_power(share, other, n, n, alpha, side)
            return -power if isinstance(found, Undefined) else found.value - power

        if short(n) > 0:
            n = float(brentq(short, n * 1e-9, n, rtol=1e-13))
    return point(n, 2 * n, f"arcsine, {side}")


def sequence_factor(alpha: float, power: float, side: Side = "both") -> float:
    """Units that a sequence needs at its planned end, over what a single test needs there.

    ((r + z_power) / (z + z_power))^2, r the half width of the sequence at N = N* in standard
    errors; z two- or one-sided. Waudby-Smith et al. (2024), Annals of Statistics 52.

    >>> round(sequence_factor(0.05, 0.8), 4)
    1.9149
    """
    r, more = reach(alpha, side), norm_isf(1 - power)
    return ((r + more) / (tail(alpha, side) + more)) ** 2


def margin_sample_size(
    variance: float,
    margin: float,
    true_effect: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.8,
    weight: float = 0.5,
) -> Result:
    """Units of both arms that show a guard rail to be no worse than `margin`.

    n = var (z_{1-a} + z_power)^2 / ((margin - harm)^2 w (1 - w)), harm = `true_effect` in the bad
    direction. Undefined when the true harm reaches the margin, or nothing varies.
    Julious (2004), Statistics in Medicine 23.

    >>> margin_sample_size(1.0, 0.1).value
    2474.0
    """
    room = margin - true_effect
    if not (room > 0 and variance > 0 and 0 < weight < 1):
        return Undefined("no solution: the true harm reaches the margin, or nothing varies")
    needed = variance * (norm_isf(alpha) + norm_isf(1 - power)) ** 2
    n = math.ceil(needed / (room**2 * weight * (1 - weight)))
    return point(n, n, f"non-inferiority, power {power:.0%}, alpha {alpha:g}")


def units_for_power(
    variance: float,
    difference: float,
    n_star: float,
    alpha: float = 0.05,
    power: float = 0.8,
    weight: float = 0.5,
) -> Result:
    """Units of both arms at which an always-valid interval planned for N* excludes 0.

    The N with (d - radius(SE_N, N)) / SE_N >= z_power, SE_N = sqrt(var / (N w (1 - w))), not
    rounded: what an experiment planned for N* still needs. Undefined where no N does.
    Waudby-Smith et al. (2024).

    >>> round(units_for_power(2.004008, 0.05, 5000).value)
    53716
    """
    if not (difference != 0 and variance > 0 and 0 < weight < 1):
        return Undefined("no solution: the difference or the variance is 0")

    def short(n: float) -> float:
        error = math.sqrt(variance / (n * weight * (1 - weight)))
        reach = abs(difference) - two_sided_radius(error, n, alpha, n_star)
        return reach / error - norm_isf(1 - power)

    high = 2.0
    while short(high) < 0:
        high *= 2
        if high > _MOST:
            return Undefined("no solution below 1e15 units")
    n = float(brentq(short, 1.0, high, xtol=1e-6)) if short(1.0) < 0 else 1.0
    return point(n, n, f"sequence planned for {n_star:g}, power {power:.0%}")


def sequence_detectable(
    error: float, n: float, n_star: float, alpha: float, power: float
) -> Result:
    """Smallest true effect that a sequence, read at n, excludes 0 for with the given power.

    r(n) + z_power SE, r the half width of the sequence planned for N*. Undefined without a
    standard error. Waudby-Smith et al. (2024), Annals of Statistics 52.

    >>> round(sequence_detectable(1.0, 1000, 1000, 0.05, 0.8).value, 4)
    3.8768
    """
    if not (math.isfinite(error) and error > 0 and n > 0):
        return Undefined("no standard error", n)
    least = two_sided_radius(error, n, alpha, n_star) + norm_isf(1 - power) * error
    return point(least, n, f"sequence planned for {n_star:g}, power {power:.0%}")


def sequence_power(
    effect: float, error: float, n: float, n_star: float, alpha: float = 0.05
) -> Result:
    """Power of a sequence, read at n, to exclude 0 on the side of a true effect.

    Phi(|d| / SE - r(n) / SE). Undefined without a standard error. Waudby-Smith et al. (2024).

    >>> round(sequence_power(3.8768, 1.0, 1000, 1000, 0.05).value, 4)
    0.8
    """
    if not (math.isfinite(error) and error > 0 and n > 0):
        return Undefined("no standard error", n)
    reach = abs(effect) - two_sided_radius(error, n, alpha, n_star)
    return point(float(ndtr(reach / error)), n, f"sequence planned for {n_star:g}")
