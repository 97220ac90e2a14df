"""How many events units have in each fine bin of a value: a unit costs the bins that it touches.

Kept where a metric is a quantile of single events: squares of a unit's counts do not add over
days, so what each unit has in which bin must be known for the next day's change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer import ids
from analyzer.histogram import codes_of, raw_bins

Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
Flags = NDArray[np.bool_]

SPAN = 1 << 16
"""Bins of one measure: a bin is measure * SPAN + code + SPAN / 2, so that one number says both."""

NO_BIN = -1
"""Bin of an event that does not count."""


@dataclass(frozen=True, eq=False)
class UnitEvents:
    """Rows ascending by unit (hash) and bin, each pair once: n events."""

    unit: Keys
    bin: Ints
    n: Ints

    def __len__(self) -> int:
        return len(self.unit)

    def at(self, rows: slice | Ints | Flags) -> UnitEvents:
        """Some of the rows."""
        return UnitEvents(self.unit[rows], self.bin[rows], self.n[rows])

    def of(self, units: Keys) -> Ints:
        """The rows of some units, which are ascending."""
        first = np.searchsorted(self.unit, units, side="left")
        times = np.searchsorted(self.unit, units, side="right") - first
        before = np.cumsum(times) - times
        return np.repeat(first - before, times) + np.arange(int(times.sum()))

    def table(self) -> pa.Table:
        """As it is kept."""
        columns = {"unit": self.unit, "bin": self.bin.astype(np.int32), "n": self.n}
        return pa.table({name: pa.array(column) for name, column in columns.items()})


NONE = UnitEvents(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.int64))


def from_table(table: pa.Table) -> UnitEvents:
    """What `UnitEvents.table` keeps."""
    unit, bins, n = (table[name].to_numpy() for name in ("unit", "bin", "n"))
    return UnitEvents(unit, bins.astype(np.int64), n)


def bins_of(values: NDArray[np.floating], nulls: Ints, measure: int, *, zeros: bool) -> Ints:
    """The bin of each value as measure `measure`; `NO_BIN` for NULL, NaN, infinity and, unless
    `zeros` count, 0.

    >>> none = np.zeros(0, dtype=np.int64)
    >>> bins_of(np.array([0.0, 1.0, np.inf]), none, 1, zeros=False).tolist()
    [-1, 114560, -1]
    """
    raw = raw_bins(values, nulls, "distance", 0.0, np.empty(len(values), dtype=np.int64))
    found = codes_of(raw, "distance") + (measure * SPAN + SPAN // 2)
    left_out = (raw & 0x7FFF) >= 0x7F80  # infinities and what is no number
    if not zeros:
        left_out |= values == 0
    found[left_out] = NO_BIN
    return found


def counted(unit: Keys, bins: Sequence[Ints]) -> UnitEvents:
    """Events of the units of some rows, each row an event of every measure: one array of bins
    for each of them.
    """
    order, keys = ids.ascending(unit)
    fresh = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
    units, place = keys[fresh], np.cumsum(fresh) - 1
    packed = np.concatenate([(place << 32) + column[order] for column in bins])
    packed = packed[np.concatenate([column[order] for column in bins]) != NO_BIN]
    packed.sort()
    starts = np.flatnonzero(np.append(True, packed[1:] != packed[:-1])[: len(packed)])
    found = packed[starts]
    n = np.diff(np.append(starts, len(packed)))
    return UnitEvents(units[found >> 32], found & 0xFFFFFFFF, n)


def added(parts: Sequence[UnitEvents]) -> UnitEvents:
    """Parts of the same units as one.

    >>> one = counted(np.array([7, 3, 7], dtype=np.uint64), [np.array([5, 5, 5])])
    >>> both = added([one, counted(np.array([7], dtype=np.uint64), [np.array([4])])])
    >>> both.unit.tolist(), both.bin.tolist(), both.n.tolist()
    ([3, 7, 7], [5, 4, 5], [1, 1, 2])
    """
    held = [part for part in parts if len(part)]
    if len(held) < 2:
        return held[0] if held else NONE
    order, keys = ids.ascending(np.concatenate([part.unit for part in held]))
    place = np.cumsum(np.append(False, keys[1:] != keys[:-1]))
    packed = (place << 32) + np.concatenate([part.bin for part in held])[order]
    n = np.concatenate([part.n for part in held])[order]
    again = np.argsort(packed, kind="stable")
    packed, keys = packed[again], keys[again]
    starts = np.flatnonzero(np.append(True, packed[1:] != packed[:-1]))
    return UnitEvents(keys[starts], packed[starts] & 0xFFFFFFFF, np.add.reduceat(n[again], starts))


def replaced(held: UnitEvents, rows: Ints, new: UnitEvents) -> UnitEvents:
    """`held` without some of its rows, with others in their places."""
    stays = np.ones(len(held), dtype=bool)
    stays[rows] = False
    at = np.searchsorted(held.unit[stays], new.unit) + np.arange(len(new))
    fresh = np.zeros(int(np.count_nonzero(stays)) + len(new), dtype=bool)
    fresh[at] = True
    columns = []
    for name in ("unit", "bin", "n"):
        old, put = getattr(held, name), getattr(new, name)
        column = np.empty(len(fresh), dtype=old.dtype)
        column[~fresh], column[fresh] = old[stays], put
        columns.append(column)
    return UnitEvents(*columns)
