"""How old a model's features were when it was asked: by hour, exactly at the policy's limit."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.footers import microseconds
from analyzer.histogram import codes_of
from analyzer.logs import Side
from analyzer.profile import UNDATED, empty, fresh, repeat, table
from analyzer.reader import Batch, null_positions
from analyzer.scan.slot import Slot
from analyzer.window import HOUR

Ints = NDArray[np.int64]
COLUMN = "feature_ts"
COARSE = 3
"""Bits dropped from fine bins: 16 bins an octave of seconds are left."""

PIECE = 32_768
"""Rows counted at a time: their temporary arrays stay in the cache."""

_BINS = 1 << (16 - COARSE)
_NOT_KNOWN = _BINS - 1
"""A bin of NaN, which no age falls into."""


class FeatureAges:
    """Seconds from `feature_ts` to `ts`, counted sparsely by hour; what lies ahead is negative.

    The bin of an age from 0 on grows with it. So all of a bin are fresh or none, but for the bin
    of the limit itself, of which the fresh ones are counted apart.
    """

    def __init__(self, slot: Slot, side: Side) -> None:
        self.slot, self.side = slot, side
        self.limit = slot.shape.max_age
        self.last = int(_bins(np.array([self.limit]))[0])
        self.n = np.zeros((slot.hours, _BINS), dtype=np.int64)
        self.fresh = np.zeros(slot.hours, dtype=np.int64)

    def add(self, batch: Batch, bounds: Ints) -> None:
        """Count rows sorted by hour; hour h is rows bounds[h]:bounds[h + 1]."""
        moments = self._moments(batch)
        nulls = null_positions(moments)
        known = moments.fill_null(0).to_numpy()
        for hour in np.flatnonzero(np.diff(bounds)).tolist():
            for low in range(int(bounds[hour]), int(bounds[hour + 1]), PIECE):
                rows = slice(low, min(low + PIECE, int(bounds[hour + 1])))
                age = batch.ts[rows] - known[rows]
                bins = _bins(age)
                first, last = np.searchsorted(nulls, [rows.start, rows.stop])
                bins[nulls[first:last] - rows.start] = _NOT_KNOWN
                self.n[hour] += np.bincount(bins, minlength=_BINS)
                edge = age[bins == self.last]
                self.fresh[hour] += np.count_nonzero(edge <= self.limit)

    def _moments(self, batch: Batch) -> pa.Array:
        """When features were updated, microseconds UTC; NULL where the file lacks the column, or
        where neither it nor `[time] zone` says in which zone.
        """
        values, zone = batch.columns.get(COLUMN), self.slot.shape.rollout.time.zone
        if values is not None and pa.types.is_timestamp(values.type) and (values.type.tz or zone):
            return microseconds(values, zone)
        return pa.nulls(len(batch), pa.int64())

    def table(self) -> pa.Table:
        """Table `freshness`."""
        hour, bins = np.nonzero(self.n)
        n = self.n[hour, bins]
        fine = np.where(bins < self.last, n, 0)
        at_limit = bins == self.last
        fine[at_limit] = self.fresh[hour[at_limit]]
        columns = {
            "hour": self.slot.start + hour * HOUR,
            "model": repeat(self.side, len(n)),
            "code": codes_of(bins << COARSE, "distance") >> COARSE << COARSE,
            "n": n,
            fresh(self.limit): fine,
        }
        return table("freshness", columns) if len(n) else empty("freshness", ["n"])


def _bins(age: Ints) -> Ints:
    """Bin of each age (microseconds): the top bits of its seconds as a float32."""
    seconds = age.astype(np.float32)
    seconds *= np.float32(1e-6)
    return (seconds.view(np.uint32) >> np.uint32(16 + COARSE)).astype(np.int64)


assert codes_of(np.array([_NOT_KNOWN << COARSE]), "distance") >> COARSE << COARSE == UNDATED
