"""What an experiment says of each metric: both arms, the effect, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.design import Metric
from analyzer.experiment.comparing import compared, varying
from analyzer.experiment.known import Known
from analyzer.experiment.percentiles import binned
from analyzer.experiment.tables import PRODUCT_BITS, VALUE_BITS
from analyzer.experiment.totals import EVERYONE, Segment
from analyzer.histogram import bin_edges
from analyzer.stats.cells import Estimates, has_answer
from analyzer.stats.effect_intervals import (
    always_valid_intervals,
    always_valid_ps,
    fixed_intervals,
)
from analyzer.stats.effects import Effects, Ratio, contrast
from analyzer.stats.result import Result, Undefined
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
    """One metric; `what` says it in words. difference, lift: challenger against champion,
    always-valid, lift relative to the champion; `final` the fixed-horizon lift, Undefined before
    the planned end; `naive` is that interval read now, which nobody may decide on: it is there to
    be drawn beside the other.

    harm: the lift in the bad direction with two one-sided always-valid ends (guard rails).
    p: of no effect, always-valid. explained: share of the variance that covariates took away.
    cut: the lift with outliers cut, where declared.
    """

    metric: str
    what: str
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
    return readings(known, name, errors, [segment])[0]


def readings(known: Known, name: str, errors: Errors, segments: Sequence[Segment]) -> list[Reading]:
    """Read one metric in many segments."""
    metric = known.design.metrics[name]
    found = compared(known, metric, segments)
    lifted = found.lift
    explained = np.where(has_answer(lifted.why), lifted.covariates_explain, 0.0)
    columns = (
        found.champion,
        found.challenger,
        found.units.tolist(),
        sequence(found.difference, errors).results(),
        sequence(lifted, errors).results(),
        _final(lifted, errors).results(),
        naive(lifted, errors).results(),
        _harm(lifted, metric, errors).results(),
        always_valid_ps(lifted, errors.n_star, errors.sequence).results(),
        explained.tolist(),
        [
            _cut(known, metric, errors) if metric.winsorise and segment == EVERYONE else None
            for segment in segments
        ],
    )
    what = (name, metric.words, metric.kind, metric.role, metric.better, metric.margin)
    return [Reading(*what, *row) for row in zip(*columns, strict=True)]


def sequence(found: Effects, errors: Errors) -> Estimates:
    """The intervals that may be read at any time."""
    return always_valid_intervals(found, errors.n_star, errors.sequence)


def naive(found: Effects, errors: Errors) -> Estimates:
    """The intervals of the final test as if this were the planned end."""
    return fixed_intervals(found, errors.final)


def _final(found: Effects, errors: Errors) -> Estimates:
    early = np.full(len(found.n), not errors.ended)
    return naive(found.unless(early, "not to be read before the planned end"), errors)


def _harm(lifted: Effects, metric: Metric, errors: Errors) -> Estimates:
    """The lift as harm (positive is worse), each end one-sided."""
    if errors.ended:
        both = fixed_intervals(lifted, 2 * errors.final)
        low, high = both.low, both.high
    else:
        low = always_valid_intervals(lifted, errors.n_star, errors.sequence, "greater").low
        high = always_valid_intervals(lifted, errors.n_star, errors.sequence, "less").high
    value = lifted.value
    if metric.better == "higher":
        value, low, high = -value + 0.0, -high, -low
    return Estimates(value, low, high, lifted.n, "one-sided ends", lifted.why)


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
    lifted = contrast(one.cells(), two.cells(), Ratio(0)).lift()
    return sequence(varying(lifted, np.ones(1)), errors).results()[0]


def _moments_up_to(bins: Mapping[str, NDArray[np.int64]], last: int, edge: float) -> UnitMoments:
    """Moments of totals in units of their scale, those beyond the bin `last` set to its edge."""
    inside = bins["code"] <= last
    beyond = float(bins["n"][~inside].sum())
    total = float(bins["total"][inside].sum()) * 2.0**-VALUE_BITS + beyond * edge
    squares = float(bins["squares"][inside].sum()) * 2.0**-PRODUCT_BITS + beyond * edge**2
    return moments_from_sums(float(bins["n"].sum()), [total], [[squares]])
