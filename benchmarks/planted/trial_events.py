"""Single events of a simulated A/B test, summed as the product would sum them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analyzer.histogram import codes_of, raw_bins

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def codes(values: Floats) -> Ints:
    """The fine bin of each value."""
    out, none = np.empty(len(values), dtype=np.int64), np.zeros(0, dtype=np.int64)
    return codes_of(raw_bins(values, none, "distance", 0.0, out), "distance").astype(np.int64)


def moves(arm: Ints, exposed: Ints, unit: Ints, day: Ints, code: Ints) -> tuple[Ints, ...]:
    """Rows of event_bins with days from 0: day, exposed, arm, code; n, squares and cross changed.

    arm, exposed: of each unit. unit, day, code: of each event. All events known by a day are
    counted anew, and those known by the day before taken off.
    """
    low, days = int(code.min(initial=0)), int(day.max(initial=0)) + 1
    width = int(code.max(initial=low)) - low + 1
    sums = np.zeros((days + 1, 3, days * 2 * width), dtype=np.int64)
    for last in range(days):
        known = day <= last
        cell, n = np.unique(unit[known] * width + code[known] - low, return_counts=True)
        who, bins = cell // width, cell % width
        whole = np.bincount(who, n, len(arm)).astype(np.int64)
        upto = np.cumsum(n) - (np.cumsum(whole) - whole)[who]
        at = (exposed[who] * 2 + arm[who]) * width + bins
        for place, moved in enumerate((n, upto**2 - (upto - n) ** 2, n * whole[who])):
            np.add.at(sums[last + 1, place], at, moved)
    changed = np.diff(sums, axis=0)
    found, cells = np.nonzero((changed != 0).any(axis=1))
    groups = cells // width
    return (found, groups // 2, groups % 2, cells % width + low, *changed[found, :, cells].T)
