"""Percentiles of each arm: of the units' totals, or of single events whose units come again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.design import Metric
from analyzer.experiment.event_bins import SUMS, measure_of
from analyzer.experiment.known import Known
from analyzer.experiment.tables import ARMS, VALUE_BITS
from analyzer.histogram import bin_edges
from analyzer.stats.event_quantiles import event_quantile
from analyzer.stats.quantiles import quantile
from analyzer.stats.result import Result

Ints = NDArray[np.int64]

FAR = 0.99
"""Confidence of a percentile's interval that its error is read from: one of 0.95 says too little of
how far it may jump where values are whole numbers."""


def binned(known: Known, measure: str) -> dict[str, dict[str, Ints]]:
    """Units of each arm by fine bin of their total: code ascending, n, total, squares."""
    return _added(known, "unit_bins", measure, ("n", "total", "squares"))


def percentiles(known: Known, metric: Metric) -> dict[str, Result]:
    """A percentile of each arm with its interval of confidence `FAR`."""
    return _of_events(known, metric) if metric.of_events else _of_units(known, metric)


def _of_units(known: Known, metric: Metric) -> dict[str, Result]:
    found: dict[str, Result] = {}
    scale = known.scales.columns[metric.value]
    for arm, bins in binned(known, metric.value).items():
        kept = bins["code"] != 0 if metric.ignore_zeros else slice(None)
        edges = bin_edges(bins["code"][kept], "distance", 0.0)
        # totals are whole multiples of a quantum: less than one is 0
        low, high = (np.where(np.abs(x) < 2.0**-VALUE_BITS, 0.0, x) for x in edges)
        found[arm] = quantile(low * scale, high * scale, bins["n"][kept], metric.quantile, FAR)
    return found


def _of_events(known: Known, metric: Metric) -> dict[str, Result]:
    found: dict[str, Result] = {}
    units = known.units()
    for arm, bins in _added(known, "event_bins", measure_of(metric), SUMS).items():
        low, high = bin_edges(bins["code"], "distance", 0.0)
        sums = (bins["n"], bins["squares"], bins["cross"])
        found[arm] = event_quantile(low, high, sums, units[arm], metric.quantile, FAR)
    return found


def _added(
    known: Known, name: str, measure: str, sums: Sequence[str]
) -> dict[str, dict[str, Ints]]:
    """Sums of a table of bins by arm, bins that hold something ascending by code."""
    table = known.table(name)
    table = table.filter(pc.equal(table["measure"], measure))
    found = {}
    for place, arm in enumerate(ARMS):
        part = table.filter(pc.equal(table["arm"], place))
        codes, at = np.unique(part["code"].to_numpy().astype(np.int64), return_inverse=True)
        added = {column: np.zeros(len(codes), dtype=np.int64) for column in sums}
        for column, values in added.items():
            np.add.at(values, at, part[column].to_numpy())
        kept = added["n"] > 0
        found[arm] = {"code": codes[kept], **{column: x[kept] for column, x in added.items()}}
    return found
