"""Differences of estimates that come from different rows."""

from __future__ import annotations

import math

from .result import Result, Undefined, estimate


def moved(after: Result, before: Result) -> Result:
    """One estimate minus another of independent rows, from their intervals alone (MOVER).

    d = a - b; low = d - sqrt((a - a_low)^2 + (b_high - b)^2), high likewise with the other ends:
    intervals need not be symmetric. In the estimates' unit, at their confidence. Rows that
    depend on each other positively (units that return) make it too wide. Undefined where either
    is. Zou and Donner (2008), Statistics in Medicine 27.

    >>> from analyzer.stats.result import Estimate
    >>> d = moved(Estimate(0.30, 0.27, 0.34, 100, "x"), Estimate(0.20, 0.16, 0.23, 100, "x"))
    >>> round(d.value, 3), round(d.low, 4), round(d.high, 4)
    (0.1, 0.0576, 0.1566)
    """
    if isinstance(after, Undefined):
        return after
    if isinstance(before, Undefined):
        return Undefined(f"before: {before.reason}", before.n)
    value = after.value - before.value
    down = math.hypot(after.value - after.low, before.high - before.value)
    up = math.hypot(after.high - after.value, before.value - before.low)
    return estimate(value, value - down, value + up, after.n, f"difference of {after.method}")
