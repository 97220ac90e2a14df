"""Single events of a simulated A/B test, summed as the product would sum them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analyzer.histogram import codes_of, raw_bins

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


def codes(values: Floats) -> Ints:
    """The fine bin of each value."""
    out, none = np.empty(len(values), dtype=np.int64), np.zeros(0, dtype=np.int64)
    return codes_of(raw_bins(values, none, "distance", 0.0, out), "distance").astype(np.int64)


def moves(arm: Ints, exposed: Ints, unit: Ints, day: Ints, code: Ints) -> tuple[Ints, ...]:
    """Rows of event_bins with days from 0: day, exposed, arm, code; n, squares and cross changed.

    arm, exposed: of each unit. unit, day, code: of each event. Units that have an event on a day
    are counted anew with it, and what they had before is taken off.
    """
    low = int(code.min(initial=0))
    width = int(code.max(initial=low)) - low + 1
    parts = []
    for last in np.unique(day).tolist():
        mine = np.isin(unit, unit[day == last]) & (day <= last)
        events = (unit[mine], code[mine] - low, day[mine] == last)
        cells, changed = _changed(exposed * 2 + arm, *events, width)
        group = cells // width
        keys = (np.full(len(cells), last), group // 2, group % 2, cells % width + low)
        parts.append((*keys, *changed))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _changed(group: Ints, unit: Ints, code: Ints, fresh: Flags, width: int) -> tuple[Ints, Ints]:
    """Cells (group of the unit, code) that a day changed, and by how much (3, cells); `fresh` are
    the day's own events.
    """
    found = [_counted(group, unit, code, width)]
    found.append(_counted(group, unit[~fresh], code[~fresh], width))
    cells, place = np.unique(np.concatenate([at for at, _ in found]), return_inverse=True)
    sums = np.zeros((3, len(cells)), dtype=np.int64)
    every = np.concatenate([found[0][1], -found[1][1]], axis=1)
    for row, values in zip(sums, every, strict=True):
        np.add.at(row, place, values)
    kept = (sums != 0).any(axis=0)
    return cells[kept], sums[:, kept]


def _counted(group: Ints, unit: Ints, code: Ints, width: int) -> tuple[Ints, Ints]:
    """By unit and code: the cell, and what its events move: n, squares, cross."""
    pair, n = np.unique(unit * width + code, return_counts=True)
    who = pair // width
    whole = np.bincount(who, n, len(group)).astype(np.int64)
    upto = np.cumsum(n) - (np.cumsum(whole) - whole)[who]
    moved = np.stack([n, upto**2 - (upto - n) ** 2, n * whole[who]])
    return group[who] * width + pair % width, moved
