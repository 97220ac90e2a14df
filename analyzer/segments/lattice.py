"""Every conjunction of a few columns that enough rows support, with its sums.

Counting is dense: a block of columns (`cover`) is one `bincount` over a combined code, and what its
smaller combinations hold are margins of it. Weights are whole numbers below 2**53 in sum, so
sums are exact: any order of rows and any number of threads give the same.

Learnt by profiling: `bincount` holds the interpreter's lock and costs 2-3 ns a row while its cells
stay in the processor's cache, so fewer and wider blocks beat threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from analyzer.segments import counting
from analyzer.segments.counting import Floats, Folded, Ints, margins_of
from analyzer.segments.cover import Columns, cover

BLOCK_CELLS = {1 << 18: 11.5, 1 << 19: 17.5}
"""Widest blocks that may be chosen, and nanoseconds a row of a block costs."""
WIDE_CELLS = 1 << 24
BATCH = 16

Supported = Callable[[Ints], NDArray[np.bool_]]
B = TypeVar("B")
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of a block: a column, or two columns through a table of their supported pairs."""

    columns: Columns
    width: int
    table: NDArray[Any] | None
    values: Ints  # (candidates, columns): folded codes behind each position

    def codes(self, columns: Sequence[NDArray[Any]], widths: Sequence[int]) -> NDArray[Any]:
        """Position on this axis of each row."""
        if self.table is None:
            return columns[self.columns[0]]
        first, second = (columns[c] for c in self.columns)
        place = first.astype(np.uint32) * np.uint32(widths[self.columns[1]]) + second
        codes: NDArray[Any] = self.table[place]
        return codes


@dataclass(frozen=True, eq=False)
class Slots:
    """What every block is split by besides its columns: the group of a row, or its hour.

    groups: sums of shape (..., width) made into (..., groups).
    """

    codes: NDArray[Any] | None
    width: int
    groups: Callable[[NDArray[Any]], NDArray[Any]]

    def sums(self, weight: Floats | None, rows: Ints | None = None) -> Floats:
        """Sum of the weights (None: the rows) by slot, over `rows` or over all."""
        codes = self.codes if rows is None or self.codes is None else self.codes[rows]
        if codes is None:
            assert weight is not None or rows is not None
            return np.array([float(len(rows) if weight is None else weight.sum())])  # type: ignore[arg-type]
        return np.bincount(codes, weights=weight, minlength=self.width).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Part:
    """The candidates of one combination inside a block: `at` are positions in its margin.

    kept: the block's axes that make the margin.
    """

    kept: tuple[int, ...]
    at: Ints


class Lattice:
    """The candidates of one table.

    columns, values: (candidates, order) folded columns and codes of each, -1 beyond its order;
    n: (candidates, groups) rows, by_slot: (candidates, slots); orders: how many conditions each
    has; skipped: combinations of columns with too many values to count together; initial: what
    `sums(*weights)` gives, for the weights it was built with.
    """

    def __init__(
        self,
        folded: Sequence[Folded],
        slots: Slots,
        order: int,
        supported: Supported,
        threads: int = 1,
        weights: Sequence[Floats] = (),
    ) -> None:
        self.folded, self.slots, self.order, self.threads = folded, slots, order, threads
        self.widths = [column.width for column in folded]
        self.arrays = [column.codes for column in folded]
        self.rows = len(self.arrays[0]) if self.arrays else 0
        self._weights = weights
        self.blocks: list[tuple[Axis, ...]] = []
        self.parts: list[list[Part]] = []  # of each block
        self.skipped: list[Columns] = []
        self._done: set[Columns] = set()
        self._found: list[tuple[Ints, Ints, Ints]] = []
        self._initial: list[list[Floats]] = []
        single = [self._column(i) for i in range(len(folded))]
        self._take([tuple(single[i] for i in block) for block in self._cover()], supported)
        for size in range(1, order + 1):
            self._take(self._wide(single, size), supported)
        self.columns, self.values, self.by_slot = self._stacked()
        self.initial = self._joined(self._initial, len(weights))
        self.n = slots.groups(self.by_slot)
        self.orders = np.count_nonzero(self.columns >= 0, axis=1)

    def _cover(self) -> list[Columns]:
        """The blocks that cost least: few wide ones, unless they outgrow the cache."""
        most = max(self.rows // 4, 4096)
        covers = [
            (cost, cover(self.widths, self.order, max(1, min(cells, most) // self.slots.width)))
            for cells, cost in BLOCK_CELLS.items()
        ]
        return min(covers, key=lambda pair: pair[0] * len(pair[1]))[1]

    def _column(self, i: int) -> Axis:
        values = np.arange(len(self.folded[i].values), dtype=np.int64)[:, None]
        return Axis((i,), self.folded[i].width, None, values)

    def _wide(self, single: Sequence[Axis], size: int) -> list[tuple[Axis, ...]]:
        """Blocks for combinations of `size` columns that no block of the cover could hold."""
        found: list[tuple[Axis, ...]] = []
        for columns in combinations(range(len(single)), size):
            if columns in self._done:
                continue
            axes = tuple(single[i] for i in columns)
            if size == 3:
                axes = min(
                    ((self._pair(pair), single[last]) for pair, last in _splits(columns)),
                    key=lambda axes: math.prod(axis.width for axis in axes),
                )
            if math.prod(axis.width for axis in axes) * self.slots.width <= WIDE_CELLS:
                found.append(axes)
            else:
                self.skipped.append(columns)
        return found

    def _pair(self, pair: Columns) -> Axis:
        """The supported pairs of two columns as one axis; all other pairs share its last place."""
        values = np.concatenate(
            [v for c, v, _ in self._found if tuple(c[0]) == (*pair, *[-1] * (self.order - 2))]
            or [np.empty((0, self.order), dtype=np.int64)]
        )[:, :2]
        table = np.full(self.widths[pair[0]] * self.widths[pair[1]], len(values))
        table[values[:, 0] * self.widths[pair[1]] + values[:, 1]] = np.arange(len(values))
        small = table.astype(np.min_scalar_type(len(values)))
        return Axis(pair, len(values) + 1, small, values)

    def _take(self, blocks: list[tuple[Axis, ...]], supported: Supported) -> None:
        """Count new blocks and keep the candidates of every combination not seen before."""
        for start in range(0, len(blocks), BATCH):
            batch = blocks[start : start + BATCH]
            sums = self._each(
                lambda axes: self._sum(axes, self.arrays, self.slots.codes, (None, *self._weights)),
                batch,
            )
            for axes, (count, *weighted) in zip(batch, sums, strict=True):
                self.blocks.append(axes)
                self.parts.append([])
                for kept, margin in self._margins(axes, count).items():
                    by_slot = np.moveaxis(margin, 0, -1).astype(np.int64)
                    self._candidates(axes, by_slot, kept, supported)
                self._initial.append([self._of_parts(len(self.blocks) - 1, w) for w in weighted])

    def _candidates(
        self, axes: tuple[Axis, ...], margin: Ints, kept: tuple[int, ...], supported: Supported
    ) -> None:
        columns = tuple(c for k in kept for c in axes[k].columns)
        key = tuple(sorted(columns))
        if len(columns) > self.order or key in self._done:
            return
        self._done.add(key)
        n = self.slots.groups(margin)
        inside = tuple(slice(len(axes[k].values)) for k in kept)
        candidate = np.zeros(n.shape[:-1], dtype=bool)
        candidate[inside] = supported(n)[inside]
        at = np.flatnonzero(candidate)
        if not len(at):
            return
        places = np.unravel_index(at, candidate.shape)
        values = np.hstack([axes[k].values[p] for k, p in zip(kept, places, strict=True)])
        sort = np.argsort(columns)
        filler = np.full((len(at), self.order - len(key)), -1, dtype=np.int64)
        names = np.tile(np.array(key, dtype=np.int64), (len(at), 1))
        self._found.append(
            (
                np.hstack([names, filler]),
                np.hstack([values[:, sort], filler]),
                margin.reshape(-1, margin.shape[-1])[at],
            )
        )
        self.parts[-1].append(Part(kept, at))

    def _stacked(self) -> tuple[Ints, Ints, Ints]:
        if not self._found:
            empty = np.empty((0, self.order), dtype=np.int64)
            return empty, empty, np.empty((0, self.slots.width), dtype=np.int64)
        columns, values, n = (np.concatenate(parts) for parts in zip(*self._found, strict=True))
        return columns, values, n

    def sums(self, *weights: Floats | None, rows: Ints | None = None) -> list[Floats]:
        """Sum of each weight (None: of the rows) per candidate and slot, (candidates, slots).

        rows: the rows that the weights belong to, all if None.
        """
        arrays = self.arrays if rows is None else [a[rows] for a in self.arrays]
        slots = self.slots.codes
        if rows is not None and slots is not None:
            slots = slots[rows]

        def of_block(block: int) -> list[Floats]:
            dense = self._sum(self.blocks[block], arrays, slots, weights)
            return [self._of_parts(block, one) for one in dense]

        return self._joined(self._each(of_block, range(len(self.blocks))), len(weights))

    def _margins(self, axes: tuple[Axis, ...], dense: Floats) -> dict[tuple[int, ...], Floats]:
        """Margins of a block's sums, (slots, axes...)."""
        return margins_of(dense.reshape(self.slots.width, *(a.width for a in axes)), self.order)

    def _of_parts(self, block: int, dense: Floats) -> Floats:
        """Sums of a block made into sums of its candidates."""
        width, parts = self.slots.width, self.parts[block]
        margins = self._margins(self.blocks[block], dense) if parts else {}
        found = [margins[part.kept].reshape(width, -1)[:, part.at].T for part in parts]
        return np.concatenate([np.empty((0, width)), *found])

    def _joined(self, blocks: Sequence[Sequence[Floats]], weights: int) -> list[Floats]:
        empty = np.empty((0, self.slots.width))
        return [np.concatenate([empty, *(one[w] for one in blocks)]) for w in range(weights)]

    def _sum(
        self,
        axes: tuple[Axis, ...],
        arrays: Sequence[NDArray[Any]],
        slots: NDArray[Any] | None,
        weights: Sequence[Floats | None],
    ) -> list[Floats]:
        """Sums of each weight (None: of the rows) in one block, flat."""
        cells = math.prod(axis.width for axis in axes) * self.slots.width
        totals = [np.zeros(cells) for _ in weights]
        for start in range(0, len(arrays[0]), counting.CHUNK):
            keep = slice(start, start + counting.CHUNK)
            chunk = [array[keep] for array in arrays]
            code = self._code(axes, chunk, None if slots is None else slots[keep])
            for total, weight in zip(totals, weights, strict=True):
                total += np.bincount(
                    code, weights=None if weight is None else weight[keep], minlength=cells
                )
        return totals

    def _code(
        self, axes: tuple[Axis, ...], arrays: Sequence[NDArray[Any]], slots: NDArray[Any] | None
    ) -> Ints:
        code = axes[0].codes(arrays, self.widths).astype(np.uint32)
        if slots is not None:
            code += slots * np.uint32(axes[0].width)
        for axis in axes[1:]:
            code *= np.uint32(axis.width)
            code += axis.codes(arrays, self.widths)
        return code.astype(np.int64)

    def _each(self, count: Callable[[B], T], blocks: Sequence[B]) -> list[T]:
        if self.threads <= 1 or self.rows < counting.CHUNK:
            return [count(block) for block in blocks]
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(count, blocks))


def _splits(columns: Columns) -> list[tuple[Columns, int]]:
    """A triple as a pair and the column left, three ways."""
    return [(tuple(c for c in columns if c != last), last) for last in columns]
