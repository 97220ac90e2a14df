"""A metric of both arms and its effect, whatever its kind and however units are nested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from analyzer.design import Metric
from analyzer.experiment.clusters import FEWEST, clustered
from analyzer.experiment.known import Known
from analyzer.experiment.percentiles import FAR, percentiles
from analyzer.experiment.sums import measures
from analyzer.experiment.tables import VALUE_BITS
from analyzer.experiment.totals import EVERYONE, Segment
from analyzer.stats.effects import Effect, Effects, Ratio, contrast, effects_of
from analyzer.stats.quantile_effects import quantile_effect
from analyzer.stats.rate_effects import rate_effects
from analyzer.stats.result import Estimate, Undefined
from analyzer.stats.units import CellMoments

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Compared:
    """A metric of both arms in some segments: as counted (None where an arm has none), units of
    both arms, its effects.
    """

    champion: list[float | None]
    challenger: list[float | None]
    units: Floats
    difference: Effects
    lift: Effects


def compared(known: Known, metric: Metric, segments: Sequence[Segment] = (EVERYONE,)) -> Compared:
    """Compare a metric of both arms. A share without a covariate is compared by its pooled rate.

    Undefined as `stats.effects`; of a percentile also in a segment, where units are not binned.
    """
    if known.design.clustered:
        return _each(known, segments, partial(_of_clusters, known, metric))
    if metric.kind == "quantile":
        return _each(known, segments, partial(_of_percentiles, known, metric))
    one, two = known.cells(measures(known.design, metric), segments).values()
    if metric.kind == "proportion" and not metric.covariate:
        counts = (_counts(one), _counts(two))
        apart, lifted = (rate_effects(*counts, relative=relative) for relative in (False, True))
    else:
        main = Ratio(0, 1 if metric.kind == "ratio" else None)
        first = 2 if metric.kind == "ratio" else 1
        covariates = tuple(Ratio(place) for place in range(first, len(one.mean)))
        found = contrast(one, two, main, covariates)
        apart, lifted = found.difference(), found.lift()
    below = 1 if metric.kind == "ratio" else None
    values = (_values(one, below), _values(two, below))
    level = np.array([max(abs(x or 0.0) for x in pair) for pair in zip(*values, strict=True)])
    units = one.n + two.n
    return Compared(*values, units, varying(apart, level), varying(lifted, np.ones(len(level))))


def _values(moments: CellMoments, below: int | None) -> list[float | None]:
    """The metric of an arm in each cell: a mean, or a ratio of two."""
    bottom = moments.mean[below] if below is not None else np.ones(len(moments.n))
    some = (moments.n > 0) & (bottom != 0)
    values = moments.mean[0] / np.where(some, bottom, 1.0)
    return [x if known else None for x, known in zip(values.tolist(), some.tolist(), strict=True)]


def varying(found: Effects, level: Floats) -> Effects:
    """Effects whose error is above what values are rounded to: of a constant there is none, and
    what rounding leaves would look like certainty.
    """
    return found.unless(found.error <= level * 2.0**-VALUE_BITS, "the metric does not vary")


_Found = tuple[float | None, float | None, Effect | Undefined, Effect | Undefined]
"""Champion, challenger, difference, lift."""


def _each(known: Known, segments: Sequence[Segment], of: Callable[[Segment], _Found]) -> Compared:
    """What must be compared a segment at a time."""
    rows = [of(segment) for segment in segments]
    units = np.array([sum(known.units(segment).values()) for segment in segments])
    return Compared(
        [row[0] for row in rows],
        [row[1] for row in rows],
        units,
        effects_of([row[2] for row in rows], relative=False),
        effects_of([row[3] for row in rows], relative=True),
    )


def _of_clusters(known: Known, metric: Metric, segment: Segment) -> _Found:
    """The same where units come in clusters: a metric is a ratio of clusters' totals, over units
    or its denominator, whose error is that over clusters (delta method).
    """
    units = sum(known.units(segment).values())
    if segment != EVERYONE or metric.kind == "quantile":
        what = "segments are" if segment != EVERYONE else "percentiles are"
        why = Undefined(f"{what} not kept by cluster", units)
        return None, None, why, why
    names = measures(known.design, metric)
    one, two = clustered(known, names).values()
    last = len(names)
    below = 1 if metric.kind == "ratio" else last
    first = 2 if metric.kind == "ratio" else 1
    cells = (one.moments.cells(), two.moments.cells())
    values = [_values(arm, below)[0] for arm in cells]
    few = min(one.clusters, two.clusters)
    if few < FEWEST:
        why = Undefined(f"{few:,.0f} clusters in the smaller arm, {FEWEST} needed", units)
        return values[0], values[1], why, why
    covariates = tuple(Ratio(place, last) for place in range(first, last))
    found = contrast(*cells, Ratio(0, below), covariates)
    level = max((abs(value) for value in values if value is not None), default=0.0)
    effects = (varying(found.difference(), np.array([level])), varying(found.lift(), np.ones(1)))
    apart, lifted = (replace(one, n=np.array([units])).at(0) for one in effects)
    return values[0], values[1], apart, lifted


def _of_percentiles(known: Known, metric: Metric, segment: Segment) -> _Found:
    if segment != EVERYONE:
        why = Undefined("percentiles are not kept by segment")
        return None, None, why, why
    one, two = percentiles(known, metric).values()
    if min(known.units().values()) == 0:
        one = two = Undefined("no unit in an arm", sum(known.units().values()))
    values = [arm.value if isinstance(arm, Estimate) else None for arm in (one, two)]
    level = max((abs(value) for value in values if value is not None), default=0.0)
    apart = effects_of([quantile_effect(one, two, FAR)], relative=False)
    lifted = effects_of([quantile_effect(one, two, FAR, relative=True)], relative=True)
    effects = varying(apart, np.array([level])), varying(lifted, np.ones(1))
    return values[0], values[1], effects[0].at(0), effects[1].at(0)


def _counts(moments: CellMoments) -> tuple[Floats, Floats]:
    """Units with any, units."""
    return np.rint(moments.n * moments.mean[0]), moments.n
