"""Exact counts and sums by hour and segment cell, by unit bucket, and by minute.

Rows come sorted by `ts`, so an hour or a minute is a slice. Sums per segment cell are dense
`bincount`s over a combined code; whole-numbered float64 weights keep them exact (see `frozen`).

Learnt by profiling: a weighted `bincount` costs 2-3 ns a row as long as its cells stay in the
second-level cache, several times that beyond; hence the limits on cells. What is counted over
the same rows (a champion's row and its pair) shares one code and one count of rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.errors import LogError
from analyzer.frozen import OTHER, shown
from analyzer.ids import BUCKETS
from analyzer.scan.measures import Flag, Floats, Ints, Measures
from analyzer.scan.narrow import Shape
from analyzer.window import MINUTE

CHUNK = 65_536
"""Rows taken at a time: all temporary arrays stay in the cache, and bounded sums exact."""

CELL_LIMIT = 1 << 15
SPARSE = 8
"""One such part of the cells, and it is cheaper to touch only those that change."""


@dataclass(frozen=True)
class Place:
    """Where some rows are counted: a code below `cells` for each row, and rows per code."""

    code: Ints
    n: Ints


@dataclass(frozen=True)
class Places:
    """The same rows in every group of segment columns: by cell, and by value and bucket."""

    cells: list[Place]
    buckets: list[Place]


class Grouping:
    """Groups of segment columns whose margins hold every cell: few groups, few cells each."""

    def __init__(self, shape: Shape, hours: int, rows: int) -> None:
        self.widths = [shape.width(segment) for segment in shape.segments]
        # few rows do not pay for many dense cells: then small groups, one `bincount` each
        self.cells = cover(self.widths, 2, min(CELL_LIMIT, rows // hours))
        self.buckets = cover(self.widths, 1, min(CELL_LIMIT, rows) // BUCKETS)

    def places(self, segments: Sequence[NDArray[np.uint8]], bucket: NDArray[np.uint8]) -> Places:
        """Places of rows with these segment codes (one array a column) and unit buckets."""
        rows = len(bucket)
        cells = [
            _place(self._code(segments, group, rows), self.size(group)) for group in self.cells
        ]
        buckets = []
        for group in self.buckets:
            code = self._code(segments, group, rows)
            code *= BUCKETS
            code += bucket
            buckets.append(_place(code, self.size(group) * BUCKETS))
        return Places(cells, buckets)

    def size(self, group: tuple[int, ...]) -> int:
        """Cells of a group of columns."""
        return math.prod(self.widths[column] for column in group)

    def _code(
        self, segments: Sequence[NDArray[np.uint8]], group: tuple[int, ...], rows: int
    ) -> Ints:
        code = np.zeros(rows, dtype=np.uint16)  # CELL_LIMIT cells at most
        for column in group:
            code *= np.uint16(self.widths[column])
            code += segments[column]
        return code.astype(np.int64)


def _place(code: Ints, cells: int) -> Place:
    return Place(code, np.bincount(code, minlength=cells))


def cover(widths: Sequence[int], order: int, limit: int) -> list[tuple[int, ...]]:
    """Groups of columns that hold every combination of `order` columns, few cells each.

    >>> cover([5, 5, 5], order=2, limit=200)
    [(0, 1, 2)]
    >>> cover([5, 5, 5], order=1, limit=30)
    [(0, 1), (2,)]
    """
    order = min(order, len(widths))
    missing = set(combinations(range(len(widths)), order))
    groups = []
    while missing:
        group = min(missing)
        for column in range(len(widths)):
            wider = tuple(sorted({*group, column}))
            gain = missing & set(combinations(wider, order)) - set(combinations(group, order))
            if gain and math.prod(widths[i] for i in wider) <= limit:
                group = wider
        groups.append(group)
        missing -= set(combinations(group, order))
    return groups


class SegmentSums:
    """Sums per hour and segment cell (overall, one-way, two-way), and per bucket and value."""

    def __init__(self, grouping: Grouping, hours: int) -> None:
        self.grouping, self.hours = grouping, hours
        self.cells: list[dict[str, Ints]] = [{} for _ in grouping.cells]
        self.buckets: list[dict[str, Ints]] = [{} for _ in grouping.buckets]

    def add(self, places: Places, measures: Measures, hour: int) -> None:
        """Add at most CHUNK rows of one hour of the slot."""
        for place, store in zip(places.cells, self.cells, strict=True):
            _add(store, self.hours, hour, place, measures, measures.weights)
        sums = {k: v for k, v in measures.weights.items() if not k.endswith("_squares")}
        for place, store in zip(places.buckets, self.buckets, strict=True):
            _add(store, 1, 0, place, measures, sums)

    def margins(self) -> Iterator[tuple[tuple[int, ...], dict[str, Ints]]]:
        """(columns, sums of shape hours x cells of those columns) for order 0, 1 and 2."""
        done: set[tuple[int, ...]] = set()
        for group, store in zip(self.grouping.cells, self.cells, strict=True):
            if not store:
                continue
            shape = (self.hours, *(self.grouping.widths[c] for c in group))
            whole = np.stack([values.reshape(shape) for values in store.values()])
            for kept, sums in _margins(whole, group).items():
                if len(kept) <= 2 and kept not in done:
                    done.add(kept)
                    yield kept, dict(zip(store, sums, strict=True))

    def bucket_margins(self) -> Iterator[tuple[tuple[int, ...], dict[str, Ints]]]:
        """(columns, sums of shape values x buckets) for order 0 and 1."""
        done: set[tuple[int, ...]] = set()
        for group, store in zip(self.grouping.buckets, self.buckets, strict=True):
            shape = (*(self.grouping.widths[c] for c in group), BUCKETS)
            for order in range(2):
                for kept in combinations(group, order):
                    if kept in done or not store:
                        continue
                    done.add(kept)
                    axes = tuple(i for i, c in enumerate(group) if c not in kept)
                    yield kept, {m: v.reshape(shape).sum(axis=axes) for m, v in store.items()}


def _add(
    store: dict[str, Ints],
    rows: int,
    row: int,
    place: Place,
    measures: Measures,
    weights: Mapping[str, Floats],
) -> None:
    """Add the measures of some rows to one row of every array in `store`."""
    cells = len(place.n)

    def total(name: str) -> Ints:
        if name not in store:
            store[name] = np.zeros((rows, cells), dtype=np.int64)
        line: Ints = store[name][row]
        return line

    _count(total("n"), place, measures.present)
    for name, flag in measures.flags.items():
        _count(total(name), place, flag)
    for name, weight in weights.items():
        line = total(name)
        line += exact_sums(place.code, cells, weight, measures.bounded)
        if name.endswith("_squares") and bool((line < 0).any()):  # squares only ever grow
            raise LogError(
                f"the sums in {name!r} grow beyond 64 bits: scores are many times larger than "
                "when the store was made; scan into a new store ([store] path)"
            )


def _count(line: Ints, place: Place, flag: Flag) -> None:
    """Add the rows that say yes to a line of cells."""
    if not flag.yes:
        line += place.n
    sign = 1 if flag.yes else -1
    code = place.code[flag.rows]
    if len(code) * SPARSE < len(line):
        np.add.at(line, code, sign)
    else:
        line += sign * np.bincount(code, minlength=len(line))


def exact_sums(code: Ints, cells: int, weight: Floats, bounded: bool = False) -> Ints:
    """Sum of whole-numbered weights, split in two limbs where a float64 would round.

    It fits: CHUNK squares of scores or differences within `narrow.SCORE_REACH` stay below 2**62.
    """
    if bounded or float(np.max(np.abs(weight), initial=0.0)) * len(weight) < 2.0**53:
        return np.bincount(code, weights=weight, minlength=cells).astype(np.int64)
    high = np.floor(weight * 2.0**-26)
    low = weight - high * 2.0**26
    upper = np.bincount(code, weights=high, minlength=cells).astype(np.int64)
    return (upper << 26) + np.bincount(code, weights=low, minlength=cells).astype(np.int64)


def _margins(whole: Ints, group: tuple[int, ...]) -> dict[tuple[int, ...], Ints]:
    """Sums of `whole` (measure, hour, a column each) for every subset of the group's columns.

    Each is summed over one column of the smallest subset that holds one column more.
    """
    found = {group: whole}
    for order in range(len(group) - 1, -1, -1):
        for kept in combinations(group, order):
            wider = [w for w in found if len(w) == order + 1 and set(kept) < set(w)]
            source = min(wider, key=lambda w: found[w].size)
            (dropped,) = set(source) - set(kept)
            found[kept] = found[source].sum(axis=2 + source.index(dropped))
    return found


class MinuteSums:
    """Sums by minute of a slot."""

    def __init__(self, minutes: int) -> None:
        self.minutes = minutes
        self.sums: dict[str, Ints] = {"n": np.zeros(minutes, dtype=np.int64)}

    def add(self, measures: Measures, start: int) -> None:
        """Add rows of the slot that begins at `start`."""
        first = int(measures.ts[0] - start) // MINUTE
        last = int(measures.ts[-1] - start) // MINUTE
        edges = start + MINUTE * np.arange(first, last + 2)
        bounds = np.searchsorted(measures.ts, edges)
        every = np.diff(bounds)
        at = slice(first, last + 1)
        for name, flag in {"n": measures.present, **measures.flags}.items():
            rows = np.diff(np.searchsorted(flag.rows, bounds))
            self._column(name)[at] += rows if flag.yes else every - rows
        busy = np.flatnonzero(every)
        for name, weight in measures.weights.items():
            sums = np.add.reduceat(weight.astype(np.int64), bounds[busy])
            self._column(name)[first + busy] += sums

    def _column(self, name: str) -> Ints:
        if name not in self.sums:
            self.sums[name] = np.zeros(self.minutes, dtype=np.int64)
        return self.sums[name]

    def busy(self) -> tuple[Ints, dict[str, Ints]]:
        """Minutes with rows (0-based within the slot) and the sums of each measure in them."""
        at = np.flatnonzero(self.sums["n"])
        return at, {name: values[at] for name, values in self.sums.items()}


def segment_label(shape: Shape, column: int, code: Ints) -> pa.Array:
    """Text of segment codes: a kept value, (other), or NULL."""
    kept = shape.frozen.segments[shape.segments[column]]
    table = pa.array([*(shown(v) for v in kept), OTHER, None], pa.string())
    return table.take(pa.array(code))
