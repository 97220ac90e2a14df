"""Totals over units by segment, arm and day: words are read once, then a date is a place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.errors import StoreError
from analyzer.experiment.tables import ARMS

Ints = NDArray[np.int64]
Segment = tuple[str, str | None]
EVERYONE: Segment = ("", "")
Summand = tuple[str, str]
UNITS: Summand = ("", "")
"""What counts units, among the measures and products that are summed."""


@dataclass(frozen=True, eq=False)
class Totals:
    """Sums (days, segments, arms, summands) of the units known at the end of each day from
    `first` (since 1970, UTC) on; places of segments and of summands (measure, or two for their
    product; `UNITS` counts units).
    """

    first: int
    segments: Mapping[Segment, int]
    summands: Mapping[Summand, int]
    sums: Ints

    def at(self, as_of: int) -> Ints:
        """Sums (segments, arms, summands) known when day `as_of` began."""
        days = min(as_of - self.first, len(self.sums))
        if days <= 0:
            return np.zeros(self.sums.shape[1:], dtype=np.int64)
        found: Ints = self.sums[days - 1]
        return found

    def pooled(self) -> Totals:
        """The same with every unit in both arms."""
        both = self.sums.sum(axis=2, keepdims=True)
        return replace(self, sums=np.broadcast_to(both, self.sums.shape))


@dataclass(frozen=True, eq=False)
class Changes:
    """Rows of the table unit_sums, one entry of each array a row: day, day of first exposure,
    cell (segment, arm, summand counted through) and by how much the sum changed.
    """

    day: Ints
    exposed: Ints
    cell: Ints
    n: Ints
    segments: Mapping[Segment, int]
    summands: Mapping[Summand, int]

    def totals(self, first: int, last: int) -> Totals:
        """Totals of units first exposed on days [first, last).

        Raises StoreError where a sum does not fit into 64 bits.
        """
        kept = np.flatnonzero((self.exposed >= first) & (self.exposed < last))
        day, n = self.day[kept], self.n[kept]
        begin = int(day.min()) if len(day) else 0
        days = int(day.max()) + 1 - begin if len(day) else 0
        shape = (days, len(self.segments), len(ARMS), len(self.summands))
        cells = int(np.prod(shape[1:]))
        cell = (day - begin) * cells + self.cell[kept]
        rough = np.bincount(self.cell[kept], np.abs(n.astype(np.float64)), cells)
        if float(rough.max(initial=0.0)) >= 2.0**62:
            raise StoreError("sums over the units of the experiment grow beyond 64 bits")
        sums = np.zeros(days * cells, dtype=np.int64)
        np.add.at(sums, cell, n)
        found = np.cumsum(sums.reshape(days, cells), axis=0).reshape(shape)
        return Totals(begin, self.segments, self.summands, found)


def changes_of(sums: pa.Table) -> Changes:
    """The table unit_sums of any days, in the form that is added up fastest."""
    column, value = _coded(sums["column"]), _coded(sums["value"])
    one, other = _coded(sums["one"]), _coded(sums["other"])
    segment, segments = _pairs(column, value)
    summand, summands = _pairs(one, other)
    named = sorted(segments, key=lambda s: (s != EVERYONE, s[0], s[1] is None, s[1] or ""))
    place = {name: at for at, name in enumerate(named)}
    at = np.array([place[name] for name in segments], dtype=np.int64)
    arm = _numbers(sums["arm"])
    return Changes(
        _numbers(sums["day"]),
        _numbers(sums["exposed"]),
        (at[segment] * len(ARMS) + arm) * len(summands) + summand,
        _numbers(sums["n"]),
        place,
        {(a, b or ""): at for at, (a, b) in enumerate(summands)},
    )


def _numbers(column: pa.ChunkedArray) -> Ints:
    found: Ints = column.to_numpy().astype(np.int64)
    return found


def _coded(column: pa.ChunkedArray) -> tuple[Ints, list[str | None]]:
    """A place for each row and what the places say, NULL last."""
    spelled = column.combine_chunks().dictionary_encode()
    words = spelled.dictionary.to_pylist()
    places = spelled.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
    return places.astype(np.int64), [*words, None]


def _pairs(
    first: tuple[Ints, list[str | None]], second: tuple[Ints, list[str | None]]
) -> tuple[Ints, list[Segment]]:
    """A place for each row's pair of words, and the pairs there are."""
    (one, words), (other, more) = first, second
    code = one * len(more) + other
    present = np.flatnonzero(np.bincount(code, minlength=len(words) * len(more)))
    place = np.zeros(len(words) * len(more), dtype=np.int64)
    place[present] = np.arange(len(present))
    pairs = [(words[x // len(more)] or "", more[x % len(more)]) for x in present.tolist()]
    return place[code], pairs
