"""The rows of one search in numbers: groups with signs, and the outcome as whole numbers.

The outcome is centred per group and rounded to a power of two so fine that sums over all rows stay
whole numbers below 2**53: sums are exact, whatever the order of the rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.ids import BUCKETS
from analyzer.segments.finding import Mode
from analyzer.segments.table import Outcome, Table
from analyzer.stats.contrast import Moments

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


REACH = 10.0
"""Standard deviations of a row beyond which a value counts as that far and no farther."""


@dataclass(frozen=True)
class Groups:
    """What is compared: sign of each group's mean, the one that effects act on, the window's."""

    mode: Mode
    signs: tuple[int, ...]
    treated: int
    window: tuple[int, ...]


LEVEL = Groups("level", (1,), 0, (0,))
CHANGE = Groups("change", (-1, 1), 1, (1,))
ARMS = Groups("arms", (-1, 1), 1, (0, 1))
BOTH = Groups("change of arms", (1, -1, -1, 1), 3, (2, 3))


@dataclass(frozen=True, eq=False)
class Sums:
    """Exact sums over some rows in whole numbers; they add and subtract.

    n, total, squares: (groups,); bucket_n, bucket_total: (groups, buckets), one bucket without
    units.
    """

    rows: Rows
    n: Floats
    total: Floats
    squares: Floats
    bucket_n: Floats
    bucket_total: Floats

    def moved(self, old: Sums, new: Sums) -> Sums:
        """The sums after some of the rows took new values."""
        return replace(
            self,
            total=self.total + (new.total - old.total),
            squares=self.squares + (new.squares - old.squares),
            bucket_total=self.bucket_total + (new.bucket_total - old.bucket_total),
        )

    @property
    def moments(self) -> Moments:
        """In the outcome's own units."""
        return self.rows.moments(self.n, self.total, self.squares)


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one outcome.

    group: None when there is one. whole: the centred outcome in units of `unit`, whole numbers.
    squares(whole) are whole numbers in units of `square_unit`. beyond: how many values were drawn
    in; raw: the same rows with their values as logged, None when none was.
    """

    table: Table
    groups: Groups
    group: NDArray[np.uint8] | None
    whole: Floats
    centres: Floats
    unit: float
    square_unit: float
    raw: Rows | None = None
    beyond: int = 0

    @property
    def logged(self) -> Rows:
        """The rows with their values as logged, none drawn in."""
        return self if self.raw is None else self.raw

    def squares(self, whole: Floats) -> Floats:
        """Whole numbers that stand for the squares of values in units of `unit`."""
        scaled = whole * math.sqrt(self.square_ratio)
        scaled *= scaled
        return np.rint(scaled, out=scaled)

    @property
    def square_ratio(self) -> float:
        """A square of `unit` in units of `square_unit`: a power of two."""
        return self.unit**2 / self.square_unit

    @cached_property
    def size(self) -> Floats:
        """|outcome| of each row, not centred, in whole numbers of some power of two."""
        centres = np.rint(self.centres / self.unit)
        shift = centres[0] if self.group is None else centres[self.group]
        size = self.whole + shift
        np.abs(size, out=size)
        size /= _power(float(size.max(initial=0.0)), _room(self.table.rows))
        return np.rint(size, out=size)

    def moments(self, n: Ints | Floats, total: Floats, squares: Floats) -> Moments:
        """Moments in the outcome's own units from whole-number sums."""
        return Moments(n.astype(np.float64), total * self.unit, squares * self.square_unit)

    @cached_property
    def n(self) -> Floats:
        """Rows per group."""
        if self.group is None:
            return np.array([float(self.table.rows)])
        return np.bincount(self.group, minlength=len(self.groups.signs)).astype(np.float64)

    def sums(self, kept: Ints | None, values: Floats) -> Sums:
        """Sums over the chosen rows (None: all), whose values are given in whole numbers."""
        group = self.group if kept is None or self.group is None else self.group[kept]
        squares = self._by_group(group, self.squares(values))
        place = self._place(kept, group)
        if place is None:
            n = self._by_group(group, None, len(values))
            total = self._by_group(group, values)
            return Sums(self, n, total, squares, n[:, None], total[:, None])
        by_n, by_total = self._by_place(place, None), self._by_place(place, values)
        return Sums(self, by_n.sum(axis=1), by_total.sum(axis=1), squares, by_n, by_total)

    def by_bucket(self, kept: Ints) -> Floats:
        """The chosen rows by group and bucket, (groups, buckets), one bucket without units."""
        group = None if self.group is None else self.group[kept]
        place = self._place(kept, group)
        if place is None:
            return self._by_group(group, None, len(kept))[:, None]
        return self._by_place(place, None)

    def _place(self, kept: Ints | None, group: NDArray[np.uint8] | None) -> NDArray[Any] | None:
        """Group and bucket of the chosen rows as one number; None without units."""
        bucket = self.table.bucket
        if bucket is None:
            return None
        code = bucket if kept is None else bucket[kept]
        return code if group is None else code + group.astype(np.uint16) * np.uint16(BUCKETS)

    def _by_place(self, place: NDArray[Any], values: Floats | None) -> Floats:
        size = len(self.groups.signs)
        dense = np.bincount(place, weights=values, minlength=size * BUCKETS)
        return dense.astype(np.float64).reshape(size, BUCKETS)

    def _by_group(
        self, group: NDArray[np.uint8] | None, values: Floats | None, rows: int = 0
    ) -> Floats:
        if group is None:
            return np.array([float(rows if values is None else values.sum())])
        dense = np.bincount(group, weights=values, minlength=len(self.groups.signs))
        return dense.astype(np.float64)

    @property
    def in_window(self) -> NDArray[np.bool_] | None:
        """Which rows belong to the (incident's) window; None for all."""
        return None if self.groups.mode in ("level", "arms") else self.table.incident

    @cached_property
    def acted_on(self) -> NDArray[np.bool_] | None:
        """Which rows an effect acts on: the incident's, the challenger's; None for all."""
        return None if self.group is None else self.group == self.groups.treated


def prepare(table: Table, outcome: Outcome) -> Rows:
    """The measured rows of a table: rows without a finite outcome are left out."""
    measured = np.isfinite(outcome.values)
    values = outcome.values
    if not measured.all():
        table, values = table.keep(measured), values[measured]
    groups, group = _groups(table)
    room = _room(table.rows)
    unit = _power(float(np.max(np.abs(values), initial=0.0)), room)
    whole = np.rint(values / unit)
    size = len(groups.signs)
    code = np.zeros(table.rows, dtype=np.uint8) if group is None else group
    n = np.maximum(np.bincount(code, minlength=size), 1)
    centres = np.bincount(code, weights=whole, minlength=size) / n * unit
    centred = values - centres[0] if group is None else values - centres[group]
    del whole
    return _drawn_in(_whole(table, groups, group, centred, centres))


def _whole(
    table: Table,
    groups: Groups,
    group: NDArray[np.uint8] | None,
    centred: Floats,
    centres: Floats,
) -> Rows:
    """Rows whose outcome is `centred`, which is overwritten."""
    room = _room(table.rows)
    unit = _power(float(np.max(np.abs(centred), initial=0.0)), room)
    centred /= unit
    np.rint(centred, out=centred)
    return Rows(table, groups, group, centred, centres, unit, unit * unit * 2.0**room)


def _drawn_in(rows: Rows) -> Rows:
    """The rows with values beyond REACH standard deviations drawn in to that (Winsor).

    A mean of a thousand rows with heavy tails follows its largest row; means of values drawn in
    lose nothing that could be told from it. Tukey and McLaughlin (1963), *Sankhya* A 25.
    """
    squares = float(rows.squares(rows.whole).sum()) * rows.square_unit
    limit = REACH * math.sqrt(squares / max(rows.table.rows, 1))
    centred = rows.whole * rows.unit
    beyond = int(np.count_nonzero(np.abs(centred) > limit))
    if not beyond:
        return rows
    np.clip(centred, -limit, limit, out=centred)
    drawn = _whole(rows.table, rows.groups, rows.group, centred, rows.centres)
    return replace(drawn, raw=rows, beyond=beyond)


def _room(rows: int) -> int:
    """Bits of a whole number of which so many add up below 2**51: effects may double it."""
    return 51 - max(rows, 1).bit_length()


def _power(largest: float, bits: int) -> float:
    """A power of two of which `largest` is fewer than 2**bits multiples."""
    return math.ldexp(1.0, math.frexp(largest)[1] - bits) if largest > 0 else 1.0


def _groups(table: Table) -> tuple[Groups, NDArray[np.uint8] | None]:
    if table.incident is None:
        challenger = table.challenger
        return (LEVEL, None) if challenger is None else (ARMS, challenger.astype(np.uint8))
    if table.challenger is None:
        return CHANGE, table.incident.astype(np.uint8)
    both = table.incident.astype(np.uint8) * np.uint8(2) + table.challenger.astype(np.uint8)
    return BOTH, both
