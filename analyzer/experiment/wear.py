"""Does the effect wear off? The primary metric by day since each unit was first exposed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from analyzer import ids
from analyzer.experiment.known import Known
from analyzer.experiment.tables import ARMS, EVENTS, VALUE_BITS
from analyzer.stats.novelty import FEWEST_DAYS, Novelty, daily_lifts, novelty
from analyzer.stats.result import Result, Undefined
from analyzer.stats.units import UnitMoments, moments_of

MOST_DAYS = 28


@dataclass(frozen=True)
class Wear:
    """Whether the effect moves, and the lift on each day since exposure (0, 1, ..)."""

    novelty: Novelty
    days: tuple[Result, ...]


def worn(known: Known, confidence: float = 0.95) -> Wear:
    """The lift of the primary metric by day since exposure, of units followed for all days.

    days: as many as half of the exposed units have behind them, at most 28. A bucket of units is
    one row: sums by day over the mean number of units of a bucket, so that a unit's days are as
    dependent as they are. A ratio is followed by its numerator,
    a percentile by the totals. Undefined as `stats.novelty`.
    """
    followed = _followed(known)
    if followed < FEWEST_DAYS:
        reason = Undefined(f"half of the units were followed for {followed} days, 7 needed")
        return Wear(Novelty(reason, reason, reason, reason), ())
    control, treatment = (_by_bucket(known, arm, followed) for arm in range(len(ARMS)))
    return Wear(
        novelty(control, treatment, confidence), daily_lifts(control, treatment, confidence)
    )


def _followed(known: Known) -> int:
    """Whole days that at least half of the units have behind them."""
    units = {day: sum(counts) for day, counts in known.units_by_day().items()}
    whole, behind = sum(units.values()), 0.0
    for day in sorted(units):
        behind += units[day]
        if whole and behind >= whole / 2:
            return min(known.as_of - day, MOST_DAYS)
    return 0


def _by_bucket(known: Known, arm: int, days: int) -> UnitMoments:
    """Buckets of units as rows, the metric by day since exposure as columns."""
    metric = known.design.metrics[known.design.primary]
    name = EVENTS
    if metric.kind != "count":
        name = f"v{known.design.values.index(metric.value)}"
    table = known.table("unit_buckets")
    table = table.filter(
        pc.and_(pc.equal(table["arm"], arm), pc.less_equal(table["exposed"], known.as_of - days))
    )
    bucket = table["bucket"].to_numpy().astype(np.int64)
    units = np.bincount(bucket, table["units"].to_numpy(), ids.BUCKETS)
    since = (table["day"].to_numpy() - table["exposed"].to_numpy()).astype(np.int64)
    kept = since < days
    values = table[name].to_numpy()[kept].astype(np.float64)
    if name != EVENTS:
        values *= known.scales.columns[metric.value] * 2.0**-VALUE_BITS
    sums = np.bincount(bucket[kept] * days + since[kept], values, ids.BUCKETS * days)
    sums = sums.reshape(ids.BUCKETS, days)
    held = units > 0
    if not held.any():
        return moments_of(np.zeros((0, days)))
    typical = units[held].mean()
    mean = sums[held].sum(axis=0) / units[held].sum()
    # a ratio of sums over buckets, linearised: a bucket with more units is no larger effect
    return moments_of(mean + (sums[held] - np.outer(units[held], mean)) / typical)
