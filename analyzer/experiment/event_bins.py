"""How a day changes the distribution of single events, and how those of a unit go together.

A percentile of events needs, at every cut, the events up to it and their variance over units:
sums of c_i, c_i^2 and c_i n_i, where c_i of a unit's n_i events lie up to the cut. As a function
of the cut each moves only in bins that a unit touches: a table holds these moves, and a cut is a
sum of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.design import Experiment, Metric
from analyzer.experiment.state import Change
from analyzer.experiment.tables import NO_ZEROS
from analyzer.experiment.unit_events import SPAN, Counts, UnitEvents, replaced
from analyzer.profile import table

Ints = NDArray[np.int64]
SUMS = ("n", "squares", "cross")


def measure_of(metric: Metric) -> str:
    """Name of what the events of a metric are binned by."""
    return NO_ZEROS.format(metric.value) if metric.ignore_zeros else metric.value


def event_measures(design: Experiment) -> list[str]:
    """Those of all metrics, in the order of `design.event_values`."""
    wanted = [measure_of(metric) for metric in design.metrics.values() if metric.of_events]
    return list(dict.fromkeys(wanted))


def events_of(
    design: Experiment, held: UnitEvents, day: UnitEvents, changes: Sequence[Change], number: int
) -> tuple[UnitEvents, pa.Table]:
    """What units have by the end of a day (number since 1970, UTC), and event_bins of it: by day
    of first exposure, arm, measure and code by how much the sums of moves changed.

    held: what they had before; day: what the day brought. Units that count in no arm any more
    leave both.
    """
    unit = np.concatenate([change.after.unit for change in changes])
    exposed, arm, was, now = (
        np.concatenate(part)
        for part in zip(
            *((c.after.exposed, c.arm, c.was, c.now) for c in changes),
            strict=True,
        )
    )
    brought = day.find(unit)
    touched = (was != now) | (brought.times > 0)
    unit, exposed, arm, was, now = (x[touched] for x in (unit, exposed, arm, was, now))
    found = held.find(unit)
    old = held.counts(found)
    new = old + day.counts(brought.at(touched))
    new = new.at(now[new.place])
    group = exposed.astype(np.int64) * 2 + arm
    content = _table(design, number, group, old.at(was[old.place]), new)
    return replaced(held, found, unit, new), content


def _moves(counts: Counts) -> dict[str, Ints]:
    """By how much n, the sum of c^2 and that of c n move at each row's bin, c the events of its
    unit and measure up to there and n all of them.
    """
    if not len(counts.key):
        return {name: np.zeros(0, dtype=np.int64) for name in SUMS}
    own = counts.key // SPAN  # unit and measure
    starts = np.flatnonzero(np.append(True, own[1:] != own[:-1]))
    sizes = np.diff(np.append(starts, len(own)))
    whole = np.add.reduceat(counts.n, starts)
    upto = np.cumsum(counts.n) - np.repeat(np.cumsum(whole) - whole, sizes)
    return {
        "n": counts.n,
        "squares": counts.n * (2 * upto - counts.n),
        "cross": counts.n * np.repeat(whole, sizes),
    }


def _table(design: Experiment, number: int, group: Ints, old: Counts, new: Counts) -> pa.Table:
    """Moves of units as they are less those of units as they were, added up by group (day of
    exposure * 2 + arm of each unit) and bin.
    """
    names = event_measures(design)
    present = np.zeros(len(names) * SPAN, dtype=bool)
    for counts in (old, new):
        present[counts.bin] = True
    bins, dense = np.flatnonzero(present), np.cumsum(present) - 1
    first, last = (int(end(group)) if len(group) else 0 for end in (np.min, np.max))
    cells = (last - first + 1) * len(bins)
    sums = {name: np.zeros(cells, dtype=np.int64) for name in SUMS}
    for counts, sign in ((old, -1), (new, 1)):
        cell = (group[counts.place] - first) * len(bins) + dense[counts.bin]
        for name, moved in _moves(counts).items():
            np.add.at(sums[name], cell, sign * moved)
    kept = np.flatnonzero(np.logical_or.reduce([x != 0 for x in sums.values()]))
    groups, held = kept // max(len(bins), 1) + first, bins[kept % max(len(bins), 1)]
    columns = {
        "day": np.full(len(kept), number),
        "exposed": groups // 2,
        "arm": groups % 2,
        "measure": pa.array(names, pa.string()).take(pa.array(held // SPAN)),
        "code": held % SPAN - SPAN // 2,
    }
    return table("event_bins", {**columns, **{name: x[kept] for name, x in sums.items()}})
