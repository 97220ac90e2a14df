"""How a day changes the distribution of units' totals, for percentiles and cut outliers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.design import Experiment
from analyzer.experiment.state import Change
from analyzer.experiment.tables import PRODUCT_BITS, VALUE_BITS
from analyzer.histogram import codes_of, raw_bins
from analyzer.profile import table
from analyzer.scan.tallies import exact_sums

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def bins_of(design: Experiment, changes: Sequence[Change], day: int) -> pa.Table:
    """unit_bins of a day: by day of first exposure, arm and measure the change in how many units
    have a total in each fine bin (`code`, of the distance from 0), with their totals and squares.
    """
    wanted = [m for m in design.metrics.values() if m.kind == "quantile" or m.winsorise]
    parts = [_no_bins()]
    for name in sorted({m.value for m in wanted if not m.of_events}):
        moved = [_moved(change, 1 + design.values.index(name)) for change in changes]
        exposed, arm, values, sign = (np.concatenate(each) for each in zip(*moved, strict=True))
        parts.append(_bins(day, name, exposed.astype(np.int64), arm, values, sign))
    return pa.concat_tables(parts).combine_chunks()


def _moved(
    change: Change, place: int
) -> tuple[NDArray[np.int32], NDArray[np.int8], Floats, Floats]:
    """Units whose total changed, as they were (-1) and as they are (+1): day of first exposure,
    arm, total in scale units, sign.
    """
    old, new = change.before[place], change.after.totals[place]
    moved = (change.was != change.now) | (change.now & (old != new))
    was, now = np.flatnonzero(moved & change.was), np.flatnonzero(moved & change.now)
    rows = np.concatenate((was, now))
    values = np.concatenate((old[was], new[now])).astype(np.float64) * 2.0**-VALUE_BITS
    sign = np.repeat([-1.0, 1.0], [len(was), len(now)])
    return change.after.exposed[rows], change.arm[rows], values, sign


def _bins(day: int, name: str, exposed: Ints, arm: Ints, values: Floats, sign: Floats) -> pa.Table:
    """Rows of unit_bins of one measure."""
    none = np.zeros(0, dtype=np.int64)
    raw = raw_bins(values, none, "distance", 0.0, np.empty(len(values), dtype=np.int64))
    code = codes_of(raw, "distance")
    low, first = (int(x.min()) if len(x) else 0 for x in (code, exposed))
    spread = int(code.max(initial=low)) - low + 1
    group = ((exposed - first) * 2 + arm) * spread + (code - low)
    size = (int(exposed.max(initial=first)) - first + 1) * 2 * spread
    sums = {
        "n": exact_sums(group, size, sign),
        "total": exact_sums(group, size, np.rint(values * 2.0**VALUE_BITS) * sign),
        "squares": exact_sums(group, size, np.rint(values**2 * 2.0**PRODUCT_BITS) * sign),
    }
    kept = np.flatnonzero(np.logical_or.reduce([x != 0 for x in sums.values()]))
    named = {
        "day": np.full(len(kept), day),
        "exposed": kept // (2 * spread) + first,
        "arm": kept // spread % 2,
        "measure": pa.repeat(pa.scalar(name, pa.string()), len(kept)),
        "code": kept % spread + low,
    }
    return table("unit_bins", {**named, **{k: x[kept] for k, x in sums.items()}})


def _no_bins() -> pa.Table:
    none = np.zeros(0, dtype=np.int64)
    names = pa.array([], pa.string())
    keys = {"day": none, "exposed": none, "arm": none, "measure": names, "code": none}
    return table("unit_bins", {**keys, "n": none, "total": none, "squares": none})
