"""Units that come in clusters, as they were known on a date: counts, and moments over clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.experiment.known import Known
from analyzer.experiment.tables import ARMS, CLUSTERS, VALUE_BITS
from analyzer.experiment.unit_clusters import BUCKETS
from analyzer.stats.units import UnitMoments, moments_of

FEWEST = 10
"""Clusters an arm below which no error can be told from them."""

FEW = 40
"""Clusters an arm below which an error told from them is often too small.
Cameron, Gelbach, Miller (2008), Review of Economics and Statistics 90.
"""


@dataclass(frozen=True, eq=False)
class Clustered:
    """One arm: its clusters, its units, and moments of the clusters' totals, units last."""

    clusters: float
    units: float
    moments: UnitMoments


def clustered(known: Known, names: Sequence[str]) -> dict[str, Clustered]:
    """Each arm's clusters by some measures, columns in the order asked for, then units."""
    whole = known.table("unit_clusters")
    found = {}
    for place, arm in enumerate(ARMS):
        table = whole.filter(pc.equal(whole["arm"], place))
        units = _by_bucket(table, "")
        held = units != 0
        columns = [
            _by_bucket(table, name)[held] * (known.scales.columns.get(name, 1.0) * 2.0**-VALUE_BITS)
            for name in names
        ]
        rows = np.column_stack([*columns, units[held].astype(np.float64)])
        n = max(int(_by_bucket(table, CLUSTERS).sum()), int(np.count_nonzero(held)))
        found[arm] = Clustered(float(n), float(units.sum()), moments_of(rows))
    return found


def counts(known: Known) -> dict[str, float] | None:
    """Clusters of each arm; None where units are not clustered."""
    if not known.design.clustered:
        return None
    return {arm: found.clusters for arm, found in clustered(known, ()).items()}


def _by_bucket(table: pa.Table, measure: str) -> NDArray[np.int64]:
    """Totals of a measure by bucket."""
    part = table.filter(pc.equal(table["measure"], measure))
    found = np.zeros(BUCKETS, dtype=np.int64)
    np.add.at(found, part["bucket"].to_numpy(), part["n"].to_numpy())
    return found
