"""How many events units have in each fine bin of a value: a unit costs the bins that it touches.

Kept where a metric is a quantile of single events: squares of a unit's counts do not add over
days, so what each unit has in which bin must be known for the next day's change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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

    def find(self, units: Keys) -> Found:
        """Where some units, ascending, have their rows."""
        starts = np.flatnonzero(np.append(True, self.unit[1:] != self.unit[:-1])[: len(self)])
        held = self.unit[starts]
        at = np.searchsorted(held, units)
        ends = np.append(starts, len(self))
        times = np.zeros(len(units), dtype=np.int64)
        known = np.flatnonzero(at < len(held))
        known = known[held[at[known]] == units[known]]
        times[known] = ends[at[known] + 1] - ends[at[known]]
        return Found(ends[at], times)

    def counts(self, found: Found) -> Counts:
        """What the units found have."""
        rows, place = found.rows(), np.repeat(np.arange(len(found.times)), found.times)
        return Counts((place << 32) + self.bin[rows], self.n[rows])

    def table(self) -> pa.Table:
        """As it is kept."""
        columns = {"unit": self.unit, "bin": self.bin.astype(np.int32), "n": self.n}
        return pa.table({name: pa.array(column) for name, column in columns.items()})


@dataclass(frozen=True, eq=False)
class Found:
    """Units among rows: where the rows of each begin (of one without any: where they would), and
    how many they are.
    """

    first: Ints
    times: Ints

    def at(self, units: Flags) -> Found:
        """Of some of the units."""
        return Found(self.first[units], self.times[units])

    def rows(self) -> Ints:
        """All rows of the units."""
        return np.repeat(self.first - self._before(), self.times) + np.arange(int(self.times.sum()))

    def free(self) -> Ints:
        """Where rows of each unit belong once all that were found are taken out."""
        return self.first - self._before()

    def _before(self) -> Ints:
        before: Ints = np.cumsum(self.times) - self.times
        return before


@dataclass(frozen=True, eq=False)
class Counts:
    """Events n of units by bin, of units told by their place among others: key, ascending, is
    place * 2**32 + bin.
    """

    key: Ints
    n: Ints

    @property
    def place(self) -> Ints:
        """Place of each row's unit."""
        return self.key >> 32

    @property
    def bin(self) -> Ints:
        """Bin of each row."""
        return self.key & 0xFFFFFFFF

    def at(self, rows: Flags) -> Counts:
        """Some of the rows."""
        return Counts(self.key[rows], self.n[rows])

    def __add__(self, other: Counts) -> Counts:
        """Of the same units. Two ascending runs are merged in one pass by a stable sort."""
        keys = np.concatenate([self.key, other.key])
        order = np.argsort(keys, kind="stable")
        keys, n = keys[order], np.concatenate([self.n, other.n])[order]
        starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
        return Counts(keys[starts], np.add.reduceat(n, starts) if len(keys) else n)


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
    """Parts as one.

    >>> one = counted(np.array([7, 3, 7], dtype=np.uint64), [np.array([5, 5, 5])])
    >>> both = added([one, counted(np.array([7], dtype=np.uint64), [np.array([4])])])
    >>> both.unit.tolist(), both.bin.tolist(), both.n.tolist()
    ([3, 7, 7], [5, 4, 5], [1, 1, 2])
    """
    units = np.unique(np.concatenate([NONE.unit, *(part.unit for part in parts)]))
    whole = Counts(NONE.n, NONE.n)
    for part in parts:
        whole += part.counts(part.find(units))
    return UnitEvents(units[whole.place], whole.bin, whole.n)


def replaced(held: UnitEvents, found: Found, units: Keys, new: Counts) -> UnitEvents:
    """`held` with other rows for the units that were found in it."""
    stays = np.ones(len(held), dtype=bool)
    stays[found.rows()] = False
    fresh = np.zeros(int(np.count_nonzero(stays)) + len(new.key), dtype=bool)
    fresh[found.free()[new.place] + np.arange(len(new.key))] = True

    def whole(old: NDArray[Any], put: NDArray[Any]) -> NDArray[Any]:
        column = np.empty(len(fresh), dtype=old.dtype)
        column[~fresh], column[fresh] = old[stays], put
        return column

    return UnitEvents(
        whole(held.unit, units[new.place]), whole(held.bin, new.bin), whole(held.n, new.n)
    )
