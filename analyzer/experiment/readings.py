"""What an experiment says of each metric: both arms, the effect, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.design import Metric
from analyzer.experiment.comparing import binned, compared, varies
from analyzer.experiment.known import Known
from analyzer.experiment.tables import PRODUCT_BITS, VALUE_BITS
from analyzer.experiment.totals import EVERYONE, Segment
from analyzer.histogram import bin_edges
from analyzer.stats.effect_intervals import (
    always_valid_effect_p,
    always_valid_interval,
    fixed_interval,
)
from analyzer.stats.effects import Effect, Ratio, effect
from analyzer.stats.result import Estimate, Result, Undefined
from analyzer.stats.units import UnitMoments, moments_from_sums

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """How sure is sure: N* of the plan, the error of the sequence, that of the final test, and
    whether the planned end has come (a fixed-horizon interval is not read before).
    """

    n_star: float
    sequence: float
    final: float
    ended: bool


@dataclass(frozen=True)
class Reading:
    """One metric. difference, lift: challenger against champion, always-valid, lift relative to
    the champion; `final` the fixed-horizon lift, Undefined before the planned end; `naive` is that
    interval read now, which nobody may decide on: it is there to be drawn beside the other.

    harm: the lift in the bad direction with two one-sided always-valid ends (guard rails).
    p: of no effect, always-valid. explained: share of the variance that covariates took away.
    cut: the lift with outliers cut, where declared.
    """

    metric: str
    kind: str
    role: str
    better: str
    margin: float | None
    champion: float | None
    challenger: float | None
    units: float
    difference: Result
    lift: Result
    final: Result
    naive: Result
    harm: Result
    p: Result
    explained: float
    cut: Result | None


def reading(known: Known, name: str, errors: Errors, segment: Segment = EVERYONE) -> Reading:
    """Read one metric of all units exposed in the days of `known`, or of one segment's."""
    metric = known.design.metrics[name]
    found = compared(known, metric, segment)
    lifted = found.lift
    return Reading(
        name,
        metric.kind,
        metric.role,
        metric.better,
        metric.margin,
        found.champion,
        found.challenger,
        found.units,
        sequence(found.difference, errors),
        sequence(lifted, errors),
        _final(lifted, errors),
        naive(lifted, errors),
        _harm(lifted, metric, errors),
        _p(lifted, errors),
        lifted.covariates_explain if isinstance(lifted, Effect) else 0.0,
        _cut(known, metric, errors) if metric.winsorise and segment == EVERYONE else None,
    )


def sequence(found: Effect | Undefined, errors: Errors) -> Result:
    """The interval that may be read at any time."""
    if isinstance(found, Undefined):
        return found
    return always_valid_interval(found, errors.n_star, errors.sequence)


def naive(found: Effect | Undefined, errors: Errors) -> Result:
    """The interval of the final test as if this were the planned end."""
    return found if isinstance(found, Undefined) else fixed_interval(found, errors.final)


def _final(found: Effect | Undefined, errors: Errors) -> Result:
    if isinstance(found, Undefined):
        return found
    if not errors.ended:
        return Undefined("not to be read before the planned end", found.n)
    return fixed_interval(found, errors.final)


def _harm(lifted: Effect | Undefined, metric: Metric, errors: Errors) -> Result:
    """The lift as harm (positive is worse), each end one-sided."""
    if isinstance(lifted, Undefined):
        return lifted
    sign = 1.0 if metric.better == "lower" else -1.0
    if errors.ended:
        both = fixed_interval(lifted, 2 * errors.final)
        low, high = (both.low, both.high) if isinstance(both, Estimate) else (-math.inf, math.inf)
    else:
        up = always_valid_interval(lifted, errors.n_star, errors.sequence, "greater")
        down = always_valid_interval(lifted, errors.n_star, errors.sequence, "less")
        assert isinstance(up, Estimate) and isinstance(down, Estimate)
        low, high = up.low, down.high
    ends = sorted((sign * low, sign * high))
    return Estimate(sign * lifted.value + 0.0, ends[0], ends[1], lifted.n, "one-sided ends")


def _p(lifted: Effect | Undefined, errors: Errors) -> Result:
    if isinstance(lifted, Undefined):
        return lifted
    return always_valid_effect_p(lifted, errors.n_star, errors.sequence)


def _cut(known: Known, metric: Metric, errors: Errors) -> Result:
    """The lift with units' totals cut at a percentile of both arms together.

    Cut at the upper end of the bin that holds it (within 1 % of the total). Tukey (1962).
    """
    if known.design.clustered:
        return Undefined("outliers are not kept by cluster")
    bins = binned(known, metric.value)
    whole: dict[int, int] = {}
    for arm in bins.values():
        for code, n in zip(arm["code"].tolist(), arm["n"].tolist(), strict=True):
            whole[code] = whole.get(code, 0) + n
    codes = np.array(sorted(whole), dtype=np.int64)
    if not len(codes) or metric.winsorise is None:
        return Undefined("no unit")
    below = np.cumsum([whole[code] for code in codes.tolist()])
    last = codes[np.searchsorted(below, metric.winsorise * below[-1])]
    edge = float(bin_edges(np.array([last]), "distance", 0.0)[1][0])
    one, two = (_moments_up_to(arm, int(last), edge) for arm in bins.values())
    return sequence(varies(effect(one, two, Ratio(0), relative=True), 1.0), errors)


def _moments_up_to(bins: Mapping[str, NDArray[np.int64]], last: int, edge: float) -> UnitMoments:
    """Moments of totals in units of their scale, those beyond the bin `last` set to its edge."""
    inside = bins["code"] <= last
    beyond = float(bins["n"][~inside].sum())
    total = float(bins["total"][inside].sum()) * 2.0**-VALUE_BITS + beyond * edge
    squares = float(bins["squares"][inside].sum()) * 2.0**-PRODUCT_BITS + beyond * edge**2
    return moments_from_sums(float(bins["n"].sum()), [total], [[squares]])
