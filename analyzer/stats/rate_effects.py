"""The effect of a treatment on a share of units, from counts: units that did, units."""

from __future__ import annotations

import math

import numpy as np

from .cells import Floats, answered, unless
from .effects import FEWEST_EVENTS, Effect, Effects
from .result import Undefined


def rate_effect(
    control: tuple[float, float], treatment: tuple[float, float], *, relative: bool = False
) -> Effect | Undefined:
    """Effect on a share of units, each arm given as (units that did, units).

    The error is that of equal rates, p (1 - p) (1/n_C + 1/n_T) with p pooled: an arm that has
    seen no event yet is not certain of 0. Undefined while the smaller arm expects fewer than 25
    events and non-events (n p and n (1 - p)), for which a normal law is wrong. Fisher (1925).

    >>> found = rate_effect((200, 1000), (230, 1000))
    >>> round(found.value, 3), round(found.error, 5)
    (0.03, 0.01837)
    """
    one, two = ((np.array([float(k)]), np.array([float(n)])) for k, n in (control, treatment))
    return rate_effects(one, two, relative=relative).at(0)


def rate_effects(
    control: tuple[Floats, Floats], treatment: tuple[Floats, Floats], *, relative: bool = False
) -> Effects:
    """`rate_effect` of many cells: arrays of counts.

    >>> did, units = np.array([200.0, 1.0]), np.array([1000.0, 1000.0])
    >>> found = rate_effects((did, units), (np.array([230.0, 2.0]), units))
    >>> found.value.round(3).tolist(), found.at(1).reason
    ([0.03, 0.001], 'the smaller arm expects 1.5 events, 25 needed')
    """
    (k_c, n_c), (k_t, n_t) = control, treatment
    n = n_c + n_t
    pooled = (k_c + k_t) / np.maximum(n, 1)
    expected = np.minimum(n_c, n_t) * np.minimum(pooled, 1 - pooled)

    def few(cell: int) -> str:
        return f"the smaller arm expects {expected[cell]:.3g} events, {FEWEST_EVENTS} needed"

    why = unless(answered(len(n)), np.minimum(n_c, n_t) < 1, "an arm without units", n)
    why = unless(why, expected < FEWEST_EVENTS, few, n)
    rate_c, rate_t = k_c / np.maximum(n_c, 1), k_t / np.maximum(n_t, 1)
    value = rate_t - rate_c
    error = np.sqrt(pooled * (1 - pooled) * (1 / np.maximum(n_c, 1) + 1 / np.maximum(n_t, 1)))
    if relative:
        why = unless(why, k_c == 0, "the control's rate is 0: no relative effect", n)
        base = np.where(k_c == 0, 1.0, rate_c)
        value, error = value / base, error / base * np.sqrt(np.maximum(rate_t / base, 1.0))
    return Effects(value, error, n, np.full(len(n), math.inf), relative, np.zeros(len(n)), why)
