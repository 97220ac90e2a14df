"""How sure an effect is: once at the planned end, or at any time."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from .cells import Estimates, Floats, unless
from .effects import Effect, Effects, effects_of
from .laws import norm_isf, norm_sf, student_isf, student_sf
from .result import Result, Significance, Undefined
from .sequential import mixture_p, one_sided_radius, two_sided_radius

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
    return fixed_intervals(_alone(found), alpha).results()[0]


def fixed_intervals(found: Effects, alpha: float = 0.05) -> Estimates:
    """`fixed_interval` of many cells.

    >>> effect = Effect(0.29, 0.1, 200.0, math.inf, False)
    >>> found = fixed_intervals(effects_of([effect, Undefined("no unit")], False))
    >>> [str(r.reason) if isinstance(r, Undefined) else round(r.low, 3) for r in found.results()]
    [0.094, 'no unit']
    """
    method = f"fixed horizon {1 - alpha:.4g}"
    half = _student(found.df, alpha / 2) * found.error
    return Estimates(
        found.value, found.value - half, found.value + half, found.n, method, found.why
    )


def _alone(found: Effect) -> Effects:
    return effects_of([found], found.relative)


def _student(df: Floats, tail: float) -> Floats:
    """The value that Student's t exceeds with a chance of `tail`; of infinite df the normal law."""
    finite = np.isfinite(df) & (df > 0)
    return np.where(finite, student_isf(tail, np.where(finite, df, 1.0)), norm_isf(tail))


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
    return always_valid_intervals(_alone(found), n_star, alpha, side).results()[0]


def always_valid_intervals(
    found: Effects, n_star: float, alpha: float = 0.05, side: Side = "both"
) -> Estimates:
    """`always_valid_interval` of many cells.

    >>> effects = effects_of([Effect(0.29, 0.1, 200.0, math.inf, False)], False)
    >>> [round(x, 3) for x in always_valid_intervals(effects, 1000.0).low.tolist()]
    [-0.046]
    """
    radius = two_sided_radius if side == "both" else one_sided_radius
    n = np.maximum(found.n, 1.0)  # of no unit there is no effect
    half = radius(found.error, n, alpha, n_star) * _heavier(found.df, alpha)
    end = np.full(len(half), math.inf)
    low = -end if side == "less" else found.value - half
    high = end if side == "greater" else found.value + half
    method = f"always valid {1 - alpha:.4g}, N* {n_star:g}, {side}"
    return Estimates(found.value, low, high, found.n, method, found.why)


def _heavier(df: Floats, alpha: float) -> Floats:
    tail = alpha / 2
    return np.where(df >= FEW_DEGREES, 1.0, _student(df, tail) / norm_isf(tail))


def always_valid_ps(found: Effects, n_star: float, alpha: float = 0.05) -> Estimates:
    """p of "no effect" of many cells that may be read at any time, see `sequential.mixture_p`.

    Undefined without an error.

    >>> sure = effects_of([Effect(0.5, 0.1, 6461, float("inf"), False)], relative=False)
    >>> always_valid_ps(sure, 5000).value.tolist()[0] < 0.001
    True
    """
    error = found.error * _heavier(found.df, alpha)
    some = (error > 0) & (found.n > 0)
    z = found.value / np.where(some, error, 1.0)
    p = mixture_p(z, np.where(some, found.n, 1.0), n_star, alpha)
    why = unless(found.why, ~some, "no standard error", found.n)
    return Estimates(p, p, p, found.n, "mixture sequential test", why)
