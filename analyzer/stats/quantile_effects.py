"""The effect of a treatment on a percentile."""

from __future__ import annotations

import math

from .effects import Effect
from .laws import norm_isf
from .result import Estimate, Result, Undefined


def quantile_effect(
    control: Result, treatment: Result, confidence: float = 0.95, *, relative: bool = False
) -> Effect | Undefined:
    """Treatment's percentile minus the control's (over it, if relative), from their intervals.

    Each arm's percentile comes with an interval of `confidence` (two-sided; over independent units,
    or events clustered by unit). Its standard error is (a^2 + b^2) / (a + b) / z of the sides a =
    value - low and b = high - value, each weighed by its length: of equal sides their length; but
    counts have percentiles that jump, where one end may lie at the value itself, and then that of
    the other. Below 0 a relative effect has the error of no effect, as in `effects.effect`.
    Undefined where an arm's is, where an end is open (too few units for the percentile), or, if
    relative, at a control that is not above 0.
    Woodruff (1952), JASA 47; Deng, Knoblich, Lu (2018), KDD, 4.

    >>> one = Estimate(7.0, 6.9, 7.1, 5000, "example")
    >>> found = quantile_effect(one, Estimate(7.4, 7.3, 7.5, 5000, "example"))
    >>> round(found.value, 2), round(found.error, 4)
    (0.4, 0.0722)
    """
    for arm in (control, treatment):
        if isinstance(arm, Undefined):
            return arm
        if math.isinf(arm.low) or math.isinf(arm.high):
            return Undefined("too few units for an interval of this percentile", arm.n)
    assert isinstance(control, Estimate) and isinstance(treatment, Estimate)
    z = norm_isf((1 - confidence) / 2)
    errors = [_side(arm.value - arm.low, arm.high - arm.value) / z for arm in (control, treatment)]
    n, value = control.n + treatment.n, treatment.value - control.value
    if not relative:
        return Effect(value, math.hypot(*errors), n, math.inf, False)
    if not control.value > 0:
        return Undefined("the control's percentile is not above 0: no relative effect", n)
    ratio = treatment.value / control.value
    error = math.hypot(errors[1], max(ratio, 1.0) * errors[0]) / control.value
    return Effect(value / control.value, error, n, math.inf, True)


def _side(one: float, other: float) -> float:
    both = one + other
    return (one**2 + other**2) / both if both > 0 else 0.0
