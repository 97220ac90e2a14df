"""What buckets of units did on a day: the effect by day since exposure rests on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer import ids
from analyzer.design import Experiment
from analyzer.experiment.groups import Groups
from analyzer.experiment.state import Change
from analyzer.experiment.tables import EVENTS
from analyzer.experiment.unit_clusters import bucket_of
from analyzer.profile import table
from analyzer.scan.tallies import exact_sums

Ints = NDArray[np.int64]


def buckets_of(design: Experiment, changes: Sequence[Change], day: int) -> pa.Table:
    """unit_buckets of a day: by day of first exposure, arm and bucket of units, how many were
    first exposed (`units`), and what they did on the day: events, v0 .. (in quanta).

    The effect by day since exposure needs the covariance of a unit's days; buckets of units,
    independent of each other, carry it in a table that stays small. Units of a cluster share one.
    """
    groups = Groups(changes, None)
    size = groups.size * ids.BUCKETS
    names = ["units", EVENTS, *(f"v{place}" for place in range(len(changes[0].did) - 1))]
    sums = np.zeros((len(names), size), dtype=np.int64)
    touched = np.zeros(size, dtype=np.int64)
    for change in changes:
        group = groups.code(change) * ids.BUCKETS + _bucket(design, change)
        touched += np.bincount(group[change.now], minlength=size)
        fresh = (change.now & ~change.known).astype(np.float64)
        for row, weight in enumerate((fresh, *(did * change.now for did in change.did))):
            sums[row] += exact_sums(group, size, weight.astype(np.float64))
    kept = np.flatnonzero(touched)
    keys = groups.keys(kept // ids.BUCKETS)
    named: dict[str, Ints] = {
        "day": np.full(len(kept), day),
        "exposed": keys["exposed"],
        "arm": keys["arm"],
        "bucket": kept % ids.BUCKETS,
    }
    return table("unit_buckets", {**named, **dict(zip(names, sums[:, kept], strict=True))})


def _bucket(design: Experiment, change: Change) -> NDArray[np.integer]:
    if design.clustered:
        return bucket_of(design, change) % ids.BUCKETS
    return ids.bucket_of(change.after.unit)
