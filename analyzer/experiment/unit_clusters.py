"""What units of a cluster add up to: clusters, not units, are independent of each other.

Kept where `[experiment.columns] cluster_id` is declared. Clusters are numbered as they first come
and counted in buckets: up to `BUCKETS` of them each has one of its own, more share them evenly,
and whole clusters in a bucket are as independent as single ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.design import Experiment
from analyzer.experiment.groups import Groups
from analyzer.experiment.state import Change, Units
from analyzer.experiment.sums import summed, weights
from analyzer.experiment.tables import CLUSTERS, Scales
from analyzer.profile import table
from analyzer.scan.tallies import exact_sums

Ints = NDArray[np.int64]

BUCKETS = 1024


def bucket_of(design: Experiment, change: Change) -> Ints:
    """The bucket of each unit's cluster; units without one share a bucket, as if one cluster."""
    place = change.after.segments[len(design.segments)].astype(np.int64)
    return (place + 1) % BUCKETS


def clusters_of(
    design: Experiment, scales: Scales, units: Units, changes: Sequence[Change], day: int
) -> pa.Table:
    """unit_clusters of a day: by day of first exposure, arm, bucket of clusters and measure how its
    total changed (in quanta; measure "": units; `CLUSTERS`: clusters first seen).

    units: all there were before.
    """
    groups = Groups(changes, None)
    size = groups.size * BUCKETS
    names = [one for one, other in summed(design) if not other]
    sums = np.zeros((len(names) + 1, size), dtype=np.int64)
    for change in changes:
        cell = groups.code(change) * BUCKETS + bucket_of(design, change)
        totals = islice(weights(design, scales, change), len(names))  # products come after them
        for row, (weight, chosen) in enumerate(totals):
            sums[row] += exact_sums(cell if chosen is None else cell[chosen], size, weight)
    fresh = _new_clusters(design, units, changes, groups)
    sums[-1] += np.bincount(fresh, minlength=size)
    parts = []
    for name, total in zip([*names, CLUSTERS], sums, strict=True):
        kept = np.flatnonzero(total)
        keys = groups.keys(kept // BUCKETS)
        columns = {
            "day": np.full(len(kept), day),
            "exposed": keys["exposed"],
            "arm": keys["arm"],
            "bucket": kept % BUCKETS,
            "measure": pa.repeat(pa.scalar(name, pa.string()), len(kept)),
            "n": total[kept],
        }
        parts.append(table("unit_clusters", columns))
    return pa.concat_tables(parts).combine_chunks()


def _new_clusters(
    design: Experiment, units: Units, changes: Sequence[Change], groups: Groups
) -> Ints:
    """Cells of the clusters that were not known before, once for each arm they are in."""
    place = len(design.segments)
    cluster = np.concatenate([c.after.segments[place][c.now] for c in changes]).astype(np.int64)
    cell = np.concatenate(
        [(groups.code(c) * BUCKETS + bucket_of(design, c))[c.now] for c in changes]
    )
    arm = np.concatenate([c.arm[c.now] for c in changes]).astype(np.int64)
    known = np.zeros(len(changes[0].after.words[place]), dtype=bool)
    before = units.segments[place][units.arm >= 0]
    known[before[before >= 0]] = True
    fresh = (cluster >= 0) & ~known[cluster]
    _, first = np.unique(cluster[fresh] * 2 + arm[fresh], return_index=True)
    found: Ints = cell[fresh][first]
    return found
