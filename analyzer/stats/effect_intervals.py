"""How sure an effect is: once at the planned end, or at any time."""

from __future__ import annotations

import math
from typing import Literal

from .effects import Effect
from .laws import norm_isf, norm_sf, student_isf, student_sf
from .result import Result, Significance, Undefined, estimate
from .sequential import always_valid_p, one_sided_radius, two_sided_radius

Side = Literal["both", "greater", "less"]

FEW_DEGREES = 100
"""Degrees of freedom below which the normal law of a confidence sequence is not taken on trust."""


def fixed_interval(found: Effect, alpha: float = 0.05) -> Result:
    """The interval that may be read once, at the planned end: value +- t_{1-a/2, df} SE.

    Student (1908); Welch (1947).

    >>> r = fixed_interval(Effect(0.29, 0.1248, 6868, 5831.0, False))
    >>> round(r.low, 4), round(r.high, 4)
    (0.0453, 0.5347)
    """
    tail = alpha / 2
    quantile = norm_isf(tail) if math.isinf(found.df) else student_isf(tail, found.df)
    half = quantile * found.error
    method = f"fixed horizon {1 - alpha:.4g}"
    return estimate(found.value, found.value - half, found.value + half, found.n, method)


def fixed_p(
    found: Effect, hypothesis: float = 0.0, side: Side = "both"
) -> Significance | Undefined:
    """p of "the effect is `hypothesis`" (not more, or not less, where `side` is one-sided), once.

    Undefined without an error.

    >>> round(fixed_p(Effect(0.29, 0.1248, 6868, 5831.0, False)).p, 4)
    0.0202
    """
    if found.error == 0:
        return Undefined("the metric does not vary", found.n)
    z = (found.value - hypothesis) / found.error
    reach = {"both": abs(z), "greater": z, "less": -z}[side]
    tail = norm_sf(reach) if math.isinf(found.df) else student_sf(reach, found.df)
    df = 0.0 if math.isinf(found.df) else found.df
    p = min(1.0, 2 * tail) if side == "both" else tail
    return Significance(z, p, df, found.n, f"Welch, {side}")


def always_valid_interval(
    found: Effect, n_star: float, alpha: float = 0.05, side: Side = "both"
) -> Result:
    """The interval that may be read as often as one likes; `side` as in `always_valid_lift`.

    `n_star`: the planned units of both arms, fixed before the start. Few clusters have heavier
    tails than the normal law of the sequence: below 100 degrees of freedom the half width is
    scaled by Student's over the normal quantile. Waudby-Smith et al. (2024), Annals of
    Statistics 52.

    >>> r = always_valid_interval(Effect(0.50336, 0.33341, 6461, 6316.7, True), 1000)
    >>> round(r.low, 4), round(r.high, 4)
    (-0.5584, 1.5652)
    """
    radius = two_sided_radius if side == "both" else one_sided_radius
    half = radius(found.error, found.n, alpha, n_star) * _heavier(found.df, alpha)
    low = -math.inf if side == "less" else found.value - half
    high = math.inf if side == "greater" else found.value + half
    method = f"always valid {1 - alpha:.4g}, N* {n_star:g}, {side}"
    return estimate(found.value, low, high, found.n, method)


def _heavier(df: float, alpha: float) -> float:
    if df >= FEW_DEGREES:
        return 1.0
    return student_isf(alpha / 2, df) / norm_isf(alpha / 2)


def always_valid_effect_p(found: Effect, n_star: float, alpha: float = 0.05) -> Result:
    """p of "no effect" that may be read at any time, see `sequential.always_valid_p`.

    >>> always_valid_effect_p(Effect(0.5, 0.1, 6461, float("inf"), False), 5000).value < 0.001
    True
    """
    error = found.error * _heavier(found.df, alpha)
    return always_valid_p(found.value, error, found.n, n_star, alpha)
