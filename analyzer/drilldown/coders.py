"""Columns as small codes, batch by batch: words numbered as they come, numbers by their bins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.drilldown.plan import Bins, Column
from analyzer.histogram import raw_bins
from analyzer.reader import Batch, numbers, text

Codes = NDArray[Any]


class Coder:
    """Codes of one column, batch by batch."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self.labels: tuple[str | None, ...] = ()

    def add(self, batch: Batch) -> Codes:
        """Codes of a batch's rows, for now."""
        raise NotImplementedError

    def close(self) -> Codes | None:
        """Final code of each code that `add` gave, where they differ."""
        return None


class Numbers(Coder):
    """A numeric column through the lookup of its bins."""

    def __init__(self, column: Column, bins: Bins) -> None:
        super().__init__(column)
        self.bins, self.labels = bins, bins.labels

    def add(self, batch: Batch) -> Codes:
        values = batch.columns.get(self.column.name)
        if values is None:
            return np.full(len(batch), len(self.labels) - 1, dtype=np.uint8)
        plain, nulls = numbers(values)
        out = np.empty(len(batch), dtype=np.int64)
        return self.bins.lookup[raw_bins(plain, nulls, self.bins.kind, self.bins.origin, out)]


class Words(Coder):
    """A text column: values numbered as they come, renumbered in their own order at the end."""

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        self.known = pa.array([], pa.string())

    def add(self, batch: Batch) -> Codes:
        """0 is NULL, then the values."""
        values = batch.columns.get(self.column.name)
        if values is None:
            return np.zeros(len(batch), dtype=np.uint32)
        spelled = text(values)
        words = spelled.dictionary
        places = pc.index_in(words, value_set=self.known)
        if places.null_count:
            fresh = pc.drop_null(pc.unique(words.filter(pc.is_null(places))))
            self.known = pa.concat_arrays([self.known, fresh])
            places = pc.index_in(words, value_set=self.known)
        table = np.zeros(len(words) + 1, dtype=np.uint32)
        table[:-1] = places.fill_null(0).to_numpy(zero_copy_only=False) + 1
        if words.null_count:
            table[:-1][np.asarray(words.is_null())] = 0
        indices = spelled.indices
        if indices.null_count:
            indices = indices.cast(pa.int32()).fill_null(len(words))
        codes: Codes = table[indices.to_numpy()]
        return codes

    def close(self) -> Codes:
        order = pc.array_sort_indices(self.known).to_numpy()
        self.labels = (*self.known.take(pa.array(order)).to_pylist(), None)
        final = np.empty(len(order) + 1, dtype=np.min_scalar_type(len(order)))
        final[0] = len(order)
        final[order + 1] = np.arange(len(order))
        return final


def coder_of(column: Column) -> Coder:
    """The coder that fits a column."""
    return Words(column) if column.bins is None else Numbers(column, column.bins)
