"""A percentile of events whose units come again: events of a unit are not independent."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .cells import Floats, Number, plain
from .laws import norm_isf
from .quantiles import requests_for_quantile
from .result import Result, Undefined, estimate


def clustered_share_variance(
    c: Number, n: float, squares: Number, cross: Number, n_squares: float, clusters: float
) -> Number:
    """Variance of a share of events, C / N, whose events come in clusters (delta method).

    K / (K - 1) sum (c_i - F n_i)^2 / N^2 with F = C / N, from sums over K clusters: C of c_i
    (events that count), N of n_i (events), of c_i^2, c_i n_i and n_i^2. Deng, Knoblich, Lu (2018),
    KDD, 3.

    >>> clustered_share_variance(10.0, 4.0, 52.0, 22.0, 10.0, 2)
    0.5625
    """
    share = c / n
    apart = squares - 2 * share * cross + share**2 * n_squares
    found: Number = plain(np.maximum(apart, 0.0) * (clusters / (clusters - 1)) / n**2)
    return found


def event_quantile(
    edges_low: ArrayLike,
    edges_high: ArrayLike,
    sums: tuple[ArrayLike, ArrayLike, ArrayLike],
    units: float,
    q: float,
    confidence: float = 0.95,
) -> Result:
    """A quantile of events from ordered bins, with an interval that allows for units' repetition.

    sums: by bin, as they grow at it from one cut to the next, of c_i, c_i^2 and c_i n_i, where c_i
    of the n_i events of unit i lie up to the cut. The value interpolates linearly in the bin that
    holds rank q N. The interval is where the share F of events up to x is not certainly other than
    q, |F(x) - q| <= z s(x) with s by `clustered_share_variance`, to the outer edges of its bins, as
    nobody knows where in a bin events are. `n` of the result is `units`. Edges are in the value's
    unit. Undefined without events, with fewer than two units, or where the share tells as little
    as too few independent events would (`requests_for_quantile` of q (1 - q) / s^2).
    Woodruff (1952), JASA 47; Francisco, Fuller (1991), Annals of Statistics 19; Deng, Knoblich, Lu
    (2018), KDD, 4.

    >>> low, once = np.arange(1000.0), np.ones(1000)  # 1,000 units, one event each
    >>> r = event_quantile(low, low + 1, (once, once, once), 1000, 0.9)
    >>> r.value, r.low, r.high
    (900.0, 879.0, 918.0)
    """
    low, high = (np.asarray(x, dtype=np.float64) for x in (edges_low, edges_high))
    c, squares, cross = (np.cumsum(np.asarray(x, dtype=np.float64)) for x in sums)
    n = float(c[-1]) if len(c) else 0.0
    if n <= 0:
        return Undefined("no event")
    if units < 2:
        return Undefined("fewer than two units", units)
    share = c / n
    error = np.sqrt(clustered_share_variance(c, n, squares, cross, float(squares[-1]), units))
    at = _reached(share, q)
    worst = float(error[max(at - 1, 0) : at + 1].max())
    told = q * (1 - q) / worst**2 if worst > 0 else n
    needed = requests_for_quantile(q, confidence)
    if told < needed:
        return Undefined(
            f"events tell as much as {told:,.0f} of units of their own, {needed:,} needed", units
        )
    z = norm_isf((1 - confidence) / 2)
    first = _reached(np.maximum.accumulate(share + z * error), q)
    last = _reached(np.minimum.accumulate((share - z * error)[::-1])[::-1], q)
    before = float(share[at - 1]) if at else 0.0
    inside = (q - before) / (float(share[at]) - before)
    value = float(low[at] + (high[at] - low[at]) * inside)
    method = f"clustered by unit {confidence:.0%}"
    return estimate(value, float(low[first]), float(high[last]), units, method)


def _reached(curve: Floats, q: float) -> int:
    """The first bin at whose end a curve that does not fall is at q; the last where none is."""
    return min(int(np.searchsorted(curve, q)), len(curve) - 1)
