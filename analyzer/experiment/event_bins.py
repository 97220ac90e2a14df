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
from analyzer.experiment.unit_events import SPAN, UnitEvents, added, replaced
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
    brought = day.at(day.of(unit))
    touched = was != now
    touched[np.searchsorted(unit, brought.unit)] = True
    unit, exposed, arm, was, now = (x[touched] for x in (unit, exposed, arm, was, now))
    rows = held.of(unit)
    old = held.at(rows)
    new = added([old, brought])
    new = new.at(now[np.searchsorted(unit, new.unit)])
    parts = []
    for events, sign in ((old, -1), (new, 1)):
        place = np.searchsorted(unit, events.unit)
        kept = was[place] if sign < 0 else now[place]
        place = place[kept]
        group = exposed[place].astype(np.int64) * 2 + arm[place]
        moves = {name: sign * x for name, x in _moves(events.at(kept)).items()}
        parts.append(((group << 32) + events.bin[kept], moves))
    return replaced(held, rows, new), _table(design, number, parts)


def _moves(events: UnitEvents) -> dict[str, Ints]:
    """By how much n, the sum of c^2 and that of c n move at each row's bin, c the events of its
    unit and measure up to there and n all of them.
    """
    if not len(events):
        return {name: np.zeros(0, dtype=np.int64) for name in SUMS}
    measure = events.bin // SPAN
    first = (events.unit[1:] != events.unit[:-1]) | (measure[1:] != measure[:-1])
    starts = np.flatnonzero(np.append(True, first))
    sizes = np.diff(np.append(starts, len(events)))
    whole = np.add.reduceat(events.n, starts)
    upto = np.cumsum(events.n) - np.repeat(np.cumsum(whole) - whole, sizes)
    return {
        "n": events.n,
        "squares": events.n * (2 * upto - events.n),
        "cross": events.n * np.repeat(whole, sizes),
    }


def _table(
    design: Experiment, number: int, parts: Sequence[tuple[Ints, dict[str, Ints]]]
) -> pa.Table:
    """Moves added up by day of exposure, arm and bin."""
    keys, place = np.unique(np.concatenate([key for key, _ in parts]), return_inverse=True)
    sums = {}
    for name in SUMS:
        sums[name] = np.zeros(len(keys), dtype=np.int64)
        np.add.at(sums[name], place, np.concatenate([moves[name] for _, moves in parts]))
    kept = np.flatnonzero(np.logical_or.reduce([x != 0 for x in sums.values()]))
    group, bins = keys[kept] >> 32, keys[kept] & 0xFFFFFFFF
    names = pa.array(event_measures(design), pa.string())
    columns = {
        "day": np.full(len(kept), number),
        "exposed": group // 2,
        "arm": group % 2,
        "measure": names.take(pa.array(bins // SPAN)),
        "code": bins % SPAN - SPAN // 2,
    }
    return table("event_bins", {**columns, **{name: x[kept] for name, x in sums.items()}})
