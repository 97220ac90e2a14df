"""Who got which arm: the weights in force, the ratio of units, units seen in both arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analyzer.diary import Event
from analyzer.experiment.known import Known, units_by_day
from analyzer.experiment.tables import ARMS, CLUSTERS, DAY
from analyzer.experiment.totals import Segment
from analyzer.stats.result import Estimate, Result, Undefined, point
from analyzer.stats.sample_ratio import Epoch, log_bayes_factor, sequential_sample_ratio


@dataclass(frozen=True)
class Days:
    """Days (since 1970, UTC) by the challenger's weight: None where it changed within the day.

    recorded: whether the diary says a weight at all; else the planned one is taken for all.
    """

    weights: Mapping[int, float | None]
    recorded: bool

    def within(self, first: int, last: int) -> Days:
        """The same of days [first, last) only."""
        return Days({d: w for d, w in self.weights.items() if first <= d < last}, self.recorded)

    def planned(self, weight: float) -> tuple[int, int] | None:
        """The longest run of days [first, last) with the planned weight; None without one."""
        best: tuple[int, int] | None = None
        start: int | None = None
        for day in [*sorted(self.weights), None]:
            same = day is not None and self.weights[day] == weight
            if same and start is None:
                start = day
            if not same and start is not None:
                end = day if day is not None else max(self.weights) + 1
                if best is None or end - start > best[1] - best[0]:
                    best = (start, end)
                start = None
        return best


def days_of(events: Sequence[Event], days: Sequence[int], planned: float) -> Days:
    """The challenger's share of the traffic on each day, by the diary."""
    known = sorted(
        (event.at, event.challenger_weight)
        for event in events
        if event.challenger_weight is not None
    )
    if not known:
        return Days(dict.fromkeys(days, planned), False)
    found: dict[int, float | None] = {}
    for day in days:
        start, end = day * DAY, (day + 1) * DAY
        before = [weight for at, weight in known if at <= start]
        within = {weight for at, weight in known if start < at < end}
        first = before[-1] if before else None
        found[day] = first if within <= {first} else None
    return Days(found, True)


def sample_ratio(known: Known, days: Days) -> Result:
    """p of "units came in the planned ratio", over epochs of constant weight, readable at will.

    Units count on the day of their first exposure, in the arm of that day: those whom a ramp moves
    later are no loss. Days on which the weight changed are left out. Undefined without a unit on
    any other day.
    """
    return sequential_sample_ratio([part.epoch for part in _parts(known, days)])


@dataclass(frozen=True)
class Held:
    """Days [first, last) on which one weight was held: units first seen then, in the arm of their
    first day, and p of that ratio alone.
    """

    first: int
    last: int
    weight: float
    units: dict[str, float]
    ratio: Result


def held_weights(known: Known, days: Days) -> tuple[Held, ...]:
    """The ratio of units while each weight was in force."""
    return tuple(
        Held(
            part.first,
            part.last,
            part.weight,
            dict(zip(ARMS, map(float, part.looks[-1]), strict=True)),
            sequential_sample_ratio([part.epoch]),
        )
        for part in _parts(known, days)
    )


@dataclass
class _Part:
    """Days of one weight, with the units of both arms by the end of each."""

    first: int
    last: int
    weight: float
    looks: list[list[int]]

    @property
    def epoch(self) -> Epoch:
        return Epoch(np.array(self.looks, dtype=np.int64), np.array([1 - self.weight, self.weight]))


def _assigned(known: Known) -> pa.Table:
    """What was assigned to the arms, and may be counted as independent: units, or clusters."""
    if not known.design.clustered:
        return known.table("arrivals")
    table = known.table("unit_clusters")
    return table.filter(pc.equal(table["measure"], CLUSTERS))


def _parts(known: Known, days: Days) -> list[_Part]:
    arrivals = _assigned(known)
    newcomers = arrivals.filter(pc.equal(arrivals["day"], arrivals["exposed"]))
    found: list[_Part] = []
    for day, counts in units_by_day(newcomers).items():
        weight = days.weights.get(day)
        if weight is None or not 0 < weight < 1:
            continue
        if not found or found[-1].weight != weight:
            found.append(_Part(day, day, weight, []))
        before = found[-1].looks[-1] if found[-1].looks else [0, 0]
        found[-1].looks.append([before[arm] + int(counts[arm]) for arm in (0, 1)])
        found[-1].last = day + 1
    return found


def segment_ratio(known: Known, segment: Segment, weight: float) -> Result:
    """The same p of one segment, from its units in the days of `known` as they are now."""
    if known.design.clustered:
        return Undefined("units of a cluster come together")
    counts = list(known.units(segment).values())
    if sum(counts) == 0:
        return Undefined("no unit")
    factor = log_bayes_factor(counts, [1 - weight, weight])
    return point(min(1.0, float(np.exp(-min(max(factor, 0.0), 700.0)))), sum(counts), "sequential")


def mixed_share(known: Known, first: int = 0) -> Result:
    """Share of the units first exposed from day `first` on that were seen in both arms; they count
    in neither. Units of days before change arms where the weight does: that is no fault.
    """
    units = known.table("arrivals")
    exposed, n = units["exposed"].to_numpy(), units["n"].to_numpy()
    before = exposed < first
    left = before & (units["day"].to_numpy() > exposed)  # the day on which a unit was taken out
    mixed = known.faults.get("unit seen in both arms", 0) + int(n[left].sum())
    whole = float(n[~before].sum()) + mixed
    if whole == 0:
        return Undefined("no unit")
    return Estimate(mixed / whole, mixed / whole, mixed / whole, whole, "counted")
