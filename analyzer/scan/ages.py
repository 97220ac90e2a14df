"""How old a model's features were when it was asked: by hour, exactly at the policy's limit."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.histogram import codes_of, raw_bins
from analyzer.logs import Side, to_utc
from analyzer.profile import UNDATED, empty, fresh, repeat, table
from analyzer.reader import Batch
from analyzer.scan.slot import Slot
from analyzer.window import HOUR

Ints = NDArray[np.int64]
COLUMN = "feature_ts"
COARSE = 3
"""Bits dropped from fine bins: 16 bins an octave of seconds are left."""

_CODES = 1 << (16 - COARSE)
_HALF = _CODES // 2


class FeatureAges:
    """Seconds from `feature_ts` to `ts`, counted sparsely by hour; what lies ahead is negative."""

    def __init__(self, slot: Slot, side: Side) -> None:
        self.slot, self.side = slot, side
        self.limit = slot.shape.max_age
        self.n = np.zeros(slot.hours * _CODES, dtype=np.int64)
        self.fresh = np.zeros_like(self.n)

    def add(self, batch: Batch, bounds: Ints) -> None:
        """Count rows sorted by hour; hour h is rows bounds[h]:bounds[h + 1]."""
        rows = len(batch)
        moments = self._moments(batch)
        nulls = np.flatnonzero(np.asarray(moments.is_null()))
        age = batch.ts - moments.fill_null(0).to_numpy()
        raw = raw_bins(age / 1e6, nulls, "distance", 0.0, np.empty(rows, dtype=np.int64))
        code = (codes_of(raw, "distance") >> COARSE) + _HALF
        place = np.repeat(np.arange(self.slot.hours), np.diff(bounds)) * _CODES + code
        kept = (age >= 0) & (age <= self.limit)
        kept[nulls] = False
        self.n += np.bincount(place, minlength=len(self.n))
        self.fresh += np.bincount(place[kept], minlength=len(self.n))

    def _moments(self, batch: Batch) -> pa.Array:
        """When features were updated, microseconds UTC; NULL where the file lacks the column, or
        where neither it nor `[time] zone` says in which zone.
        """
        values, zone = batch.columns.get(COLUMN), self.slot.shape.rollout.time.zone
        if values is not None and pa.types.is_timestamp(values.type) and (values.type.tz or zone):
            return to_utc(values, zone).cast(pa.int64())
        return pa.nulls(len(batch), pa.int64())

    def table(self) -> pa.Table:
        """Table `freshness`."""
        at = np.flatnonzero(self.n)
        hour, code = np.divmod(at, _CODES)
        columns = {
            "hour": self.slot.start + hour * HOUR,
            "model": repeat(self.side, len(at)),
            "code": (code - _HALF) << COARSE,
            "n": self.n[at],
            fresh(self.limit): self.fresh[at],
        }
        return table("freshness", columns) if len(at) else empty("freshness", ["n"])


assert UNDATED == -_HALF << COARSE  # the bin of a NULL: the last one of all
