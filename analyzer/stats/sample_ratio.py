"""Sample-ratio mismatch: did each arm get the share of units it was meant to get?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import gammaln

from .laws import chi2_sf
from .result import Estimate, Result, Significance, Undefined, estimate, point

Floats = NDArray[np.float64]

CONCENTRATION = 100.0
"""Weight of the prior about the planned shares, in units: a split further off than about a
twentieth is found fastest. Lindon and Malek (2022), NeurIPS."""


@dataclass(frozen=True, eq=False)
class Epoch:
    """A time of constant weights: `counts` (looks, arms) are cumulative units first seen in it."""

    counts: NDArray[np.int64]
    weights: Floats


def fixed_sample_ratio(counts: ArrayLike, weights: ArrayLike) -> Significance | Undefined:
    """Pearson's test of units per arm against the planned weights, readable once.

    chi2 = sum (n_i - n w_i)^2 / (n w_i), arms - 1 degrees of freedom. An arm of weight 0 must be
    empty: p is 0 if it is not. Undefined while an arm expects fewer than 5 units. Pearson (1900).

    >>> round(fixed_sample_ratio([4900, 5100], [0.5, 0.5]).p, 4)
    0.0455
    """
    n, share = _checked(counts, weights)
    total = float(n.sum())
    if bool(np.any(n[share == 0] > 0)):
        return Significance(math.inf, 0.0, float(len(n) - 1), total, "an arm of weight 0 has units")
    n, share = n[share > 0], share[share > 0]
    due = total * share
    if len(n) < 2 or due.min() < 5:
        return Undefined("an arm expects fewer than 5 units", total)
    statistic = float(np.sum((n - due) ** 2 / due))
    df = len(n) - 1
    return Significance(statistic, chi2_sf(statistic, df), float(df), total, "chi-square")


def _checked(counts: ArrayLike, weights: ArrayLike) -> tuple[Floats, Floats]:
    n = np.asarray(counts, dtype=np.float64)
    share = np.asarray(weights, dtype=np.float64)
    if n.shape[-1] != len(share) or bool(np.any(share < 0)) or not share.sum() > 0:
        raise ValueError(f"{n.shape[-1]} arms cannot have the weights {share.tolist()}")
    return n, share / share.sum()


def log_bayes_factor(
    counts: ArrayLike, weights: ArrayLike, concentration: float = CONCENTRATION
) -> float:
    """ln of the Bayes factor of "other shares" over "the planned ones" for counts per arm.

    ln B(k w + n) - ln B(k w) - sum n_i ln w_i, B the multivariate beta function. Its expectation
    is 1 under the planned shares at any stopping time, so 1 / BF is a p-value that may be read
    at will. Infinite when an arm of weight 0 has units. Lindon and Malek (2022), NeurIPS.

    >>> round(math.exp(-log_bayes_factor([40, 129, 233], [0.1, 0.4, 0.5])), 6)
    0.048456
    """
    n, share = _checked(counts, weights)
    if bool(np.any(n[share == 0] > 0)):
        return math.inf
    n, share = n[share > 0], share[share > 0]
    prior = concentration * share
    return float(_log_beta(prior + n) - _log_beta(prior) - n @ np.log(share))


def _log_beta(a: Floats) -> float:
    return float(gammaln(a).sum() - gammaln(a.sum()))


def sequential_sample_ratio(
    epochs: Sequence[Epoch], concentration: float = CONCENTRATION
) -> Result:
    """p of "every epoch had its planned weights" that may be read after any look.

    Bayes factors multiply over epochs of constant weights, and p = min over looks of 1 / BF,
    at most 1. Undefined before the first unit. Lindon and Malek (2022); Ville (1939).

    >>> looks = np.array([[50, 50], [95, 105], [130, 270]])
    >>> round(sequential_sample_ratio([Epoch(looks, np.array([0.5, 0.5]))]).value, 10)
    5.1e-09
    """
    before, highest, units = 0.0, -math.inf, 0.0
    for epoch in epochs:
        found = 0.0
        for counts in epoch.counts:
            found = log_bayes_factor(counts, epoch.weights, concentration)
            if counts.sum() > 0:
                highest = max(highest, before + found)
        before += found
        units += float(epoch.counts[-1].sum()) if len(epoch.counts) else 0.0
    if math.isinf(highest) and highest < 0:
        return Undefined("no unit yet")
    return point(min(1.0, math.exp(-max(highest, 0.0))), units, "sequential sample ratio")


def share_sequence(
    one: float,
    other: float,
    weight: float,
    alpha: float = 0.05,
    concentration: float = CONCENTRATION,
) -> Result:
    """Share of the first of two arms with an interval that may be read at will.

    All shares t with n_1 ln t + n_2 ln (1 - t) >= ln a + ln B(k w + n) - ln B(k w); `weight` is
    the first arm's planned share. Undefined without a count. Lindon and Malek (2022).

    >>> r = share_sequence(129, 273, 0.4)
    >>> round(r.low, 4), round(r.high, 4)
    (0.2515, 0.396)
    """
    n = one + other
    if n <= 0:
        return Undefined("nothing was counted")
    w = np.array([weight, 1 - weight])
    prior = concentration * w
    floor = math.log(alpha) + _log_beta(prior + np.array([one, other])) - _log_beta(prior)
    share = one / n

    def above(t: float) -> float:
        first = one * math.log(t) if one else 0.0
        return first + (other * math.log1p(-t) if other else 0.0) - floor

    tiny = 1e-12
    low = 0.0 if one == 0 else float(brentq(above, tiny, max(share, 2 * tiny), xtol=1e-13))
    high = (
        1.0 if other == 0 else float(brentq(above, min(share, 1 - 2 * tiny), 1 - tiny, xtol=1e-13))
    )
    return estimate(share, low, high, n, f"always-valid share {1 - alpha:.0%}")


def rate_ratio_sequence(
    control: float, treatment: float, exposure: float = 0.5, alpha: float = 0.05
) -> Result:
    """Treatment's event rate over control's from counts, readable at will.

    Given which units were exposed, the next event is the treatment's with probability
    e r / (e r + 1 - e), e the treatment's share of the exposure (time x units, requests), r the
    ratio of rates; common changes of the rate over time cancel. The interval is that of
    `share_sequence`. For rare events (errors, complaints). Undefined without an event.
    Lindon and Malek (2022), NeurIPS, time-inhomogeneous Poisson processes.

    >>> r = rate_ratio_sequence(10, 40)
    >>> round(r.value, 4), round(r.low, 2), round(r.high, 1)
    (4.0, 0.99, 27.1)
    """
    if not 0 < exposure < 1:
        raise ValueError(
            f"the treatment's share of the exposure is {exposure}, not between 0 and 1"
        )
    share = share_sequence(treatment, control, exposure, alpha)
    if not isinstance(share, Estimate):
        return Undefined("no event was counted")
    if control == 0:
        return Undefined("the control has no event yet: no ratio", treatment)
    odds = exposure / (1 - exposure)

    def ratio(t: float) -> float:
        return math.inf if t >= 1 else t / (1 - t) / odds

    method = f"always-valid ratio of event rates {1 - alpha:.0%}"
    return estimate(ratio(share.value), ratio(share.low), ratio(share.high), share.n, method)
