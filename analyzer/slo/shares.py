"""A share of requests that went wrong, as a service level asks for it.

A level is about what users got in the window. So it fails on the window's own counts (binomial,
users allowed for), and passes only if the hours' dependence and all that is unknown are allowed
for as well: the interval's lower end is that of the counts, its upper end that of 2-hour blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from analyzer.measure import BLOCK_HOURS, rate_of
from analyzer.stats.result import Estimate, Result, Undefined, estimate

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Share:
    """bad of n; unknown: requests of which nobody knows, in n too. result: its interval."""

    bad: int
    n: int
    unknown: int
    result: Result


def share(
    bad: Ints,
    n: Ints,
    unknown: Ints | None = None,
    units: tuple[Ints, Ints] | None = None,
    *,
    confidence: float = 0.95,
    always_valid: bool = False,
) -> Share:
    """The share of bad requests, from counts by hour.

    unknown: requests (in n) of which it is not known: fine in the lower end, bad in the upper.
    units: bad and all requests by unit bucket. always_valid: for a window that grows while read.
    """
    dark = np.zeros_like(n) if unknown is None else unknown
    counts = int(bad.sum()), int(n.sum()), int(dark.sum())
    if not counts[1]:
        return Share(*counts, Undefined("no requests"))
    if counts[2] == counts[1]:
        return Share(*counts, Undefined("of no request it is known", counts[1]))
    rate = partial(rate_of, confidence=confidence, always_valid=always_valid)
    k_units, n_units = units or (None, None)
    whole = np.array([n.sum()]), np.array([bad.sum()])
    own = rate(whole[1], whole[0], k_units, n_units).result
    worst = rate(_blocks(bad + dark), _blocks(n), k_units, n_units).result
    assert isinstance(own, Estimate) and isinstance(worst, Estimate)
    method = f"{own.method}; above, 2-hour blocks"
    method += ", unknown either way" if counts[2] else ""
    value = counts[0] / (counts[1] - counts[2])
    low, high = min(own.low, value), max(own.high, worst.high)
    return Share(*counts, estimate(value, low, high, counts[1], method))


def kept(found: Result) -> Result:
    """The share that was fine, from the share that was not."""
    if isinstance(found, Undefined):
        return found
    value, low, high = 1 - found.value, 1 - found.high, 1 - found.low
    return estimate(value, low, high, found.n, found.method)


def _blocks(hours: Ints) -> Ints:
    found: Ints = np.add.reduceat(hours, np.arange(0, len(hours), BLOCK_HOURS))
    return found
