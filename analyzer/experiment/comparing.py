"""A metric of both arms and its effect, whatever its kind and however units are nested."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.design import Metric
from analyzer.experiment.clusters import FEWEST, clustered
from analyzer.experiment.known import Known
from analyzer.experiment.sums import measures
from analyzer.experiment.tables import ARMS, VALUE_BITS
from analyzer.experiment.totals import EVERYONE, Segment
from analyzer.histogram import bin_edges
from analyzer.stats.effects import Effect, Ratio, contrast, rate_effect
from analyzer.stats.quantile_effects import quantile_effect
from analyzer.stats.quantiles import quantile
from analyzer.stats.result import Estimate, Result, Undefined
from analyzer.stats.units import UnitMoments

FAR = 0.99
"""Confidence of a percentile's interval that its error is read from: one of 0.95 says too little of
how far it may jump where totals are whole numbers."""


@dataclass(frozen=True)
class Compared:
    """A metric of both arms as counted (None where an arm has none), units of both, its effect."""

    champion: float | None
    challenger: float | None
    units: float
    difference: Effect | Undefined
    lift: Effect | Undefined


def compared(known: Known, metric: Metric, segment: Segment = EVERYONE) -> Compared:
    """Compare a metric of both arms. A share without a covariate is compared by its pooled rate.

    Undefined as `stats.effects`; of a percentile also in a segment, where units are not binned.
    """
    if known.design.clustered:
        return _of_clusters(known, metric, segment)
    if metric.kind == "quantile":
        return _of_percentiles(known, metric, segment)
    one, two = known.moments(metric, segment).values()
    apart: Effect | Undefined
    if metric.kind == "proportion" and not metric.covariate:
        counts = (_counts(one), _counts(two))
        apart, lifted = (rate_effect(*counts, relative=relative) for relative in (False, True))
    else:
        main = Ratio(0, 1 if metric.kind == "ratio" else None)
        first = 2 if metric.kind == "ratio" else 1
        covariates = tuple(Ratio(place) for place in range(first, len(one.mean)))
        found = contrast(one, two, main, covariates)
        apart = found if isinstance(found, Undefined) else found.difference()
        lifted = found if isinstance(found, Undefined) else found.lift()
    values = (_value(one, metric), _value(two, metric))
    level = max((abs(value) for value in values if value is not None), default=0.0)
    return Compared(*values, one.n + two.n, varies(apart, level), varies(lifted, 1.0))


def _of_clusters(known: Known, metric: Metric, segment: Segment) -> Compared:
    """The same where units come in clusters: a metric is a ratio of clusters' totals, over units
    or its denominator, whose error is that over clusters (delta method).
    """
    units = sum(known.units(segment).values())
    if segment != EVERYONE or metric.kind == "quantile":
        what = "segments are" if segment != EVERYONE else "percentiles are"
        why = Undefined(f"{what} not kept by cluster", units)
        return Compared(None, None, units, why, why)
    names = measures(known.design, metric)
    one, two = clustered(known, names).values()
    last = len(names)
    below = 1 if metric.kind == "ratio" else last
    first = 2 if metric.kind == "ratio" else 1
    values = (_over(one.moments, below), _over(two.moments, below))
    few = min(one.clusters, two.clusters)
    apart: Effect | Undefined = Undefined(
        f"{few:,.0f} clusters in the smaller arm, {FEWEST} needed", units
    )
    lifted = apart
    covariates = tuple(Ratio(place, last) for place in range(first, last))
    if few >= FEWEST:
        found = contrast(one.moments, two.moments, Ratio(0, below), covariates)
        apart = found if isinstance(found, Undefined) else replace(found.difference(), n=units)
        lifted = found if isinstance(found, Undefined) else found.lift()
        lifted = lifted if isinstance(lifted, Undefined) else replace(lifted, n=units)
    level = max((abs(value) for value in values if value is not None), default=0.0)
    return Compared(*values, units, varies(apart, level), varies(lifted, 1.0))


def _over(moments: UnitMoments, below: int) -> float | None:
    known = moments.n > 0 and moments.mean[below] != 0
    return float(moments.mean[0] / moments.mean[below]) if known else None


def varies(found: Effect | Undefined, level: float) -> Effect | Undefined:
    """An effect whose error is above what values are rounded to: of a constant there is none, and
    what rounding leaves would look like certainty.
    """
    if isinstance(found, Undefined) or found.error > level * 2.0**-VALUE_BITS:
        return found
    return Undefined("the metric does not vary", found.n)


def _value(moments: UnitMoments, metric: Metric) -> float | None:
    below = moments.mean[1] if metric.kind == "ratio" else 1.0
    return float(moments.mean[0] / below) if moments.n > 0 and below != 0 else None


def _of_percentiles(known: Known, metric: Metric, segment: Segment) -> Compared:
    one, two = _percentiles(known, metric).values()
    if min(known.units().values()) == 0:
        one = two = Undefined("no unit in an arm", sum(known.units().values()))
    values = [arm.value if isinstance(arm, Estimate) else None for arm in (one, two)]
    apart: Effect | Undefined = Undefined("percentiles are not kept by segment")
    lifted = apart
    if segment == EVERYONE:
        apart = quantile_effect(one, two, FAR)
        lifted = quantile_effect(one, two, FAR, relative=True)
    else:
        values = [None, None]
    return Compared(values[0], values[1], sum(known.units(segment).values()), apart, lifted)


def _counts(moments: UnitMoments) -> tuple[float, float]:
    """Units with any, units."""
    return float(np.rint(moments.n * moments.mean[0])), moments.n


def binned(known: Known, measure: str) -> dict[str, dict[str, NDArray[np.int64]]]:
    """Units of each arm by fine bin of their total: code ascending, n, total, squares."""
    table = known.table("unit_bins")
    table = table.filter(pc.equal(table["measure"], measure))
    found = {}
    for place, arm in enumerate(ARMS):
        part = table.filter(pc.equal(table["arm"], place))
        codes, at = np.unique(part["code"].to_numpy(), return_inverse=True)
        sums = {name: _added(at, part[name], len(codes)) for name in ("n", "total", "squares")}
        kept = sums["n"] > 0
        found[arm] = {"code": codes[kept], **{name: x[kept] for name, x in sums.items()}}
    return found


def _added(at: NDArray[np.int64], values: pa.ChunkedArray, size: int) -> NDArray[np.int64]:
    """Whole numbers added by place, exactly."""
    found = np.zeros(size, dtype=np.int64)
    np.add.at(found, at, values.to_numpy())
    return found


def _percentiles(known: Known, metric: Metric) -> dict[str, Result]:
    found: dict[str, Result] = {}
    scale = known.scales.columns[metric.value]
    for arm, bins in binned(known, metric.value).items():
        edges = bin_edges(bins["code"].astype(np.int64), "distance", 0.0)
        # totals are whole multiples of a quantum: less than one is 0
        low, high = (np.where(np.abs(x) < 2.0**-VALUE_BITS, 0.0, x) for x in edges)
        found[arm] = quantile(low * scale, high * scale, bins["n"], metric.quantile, FAR)
    return found
