"""What could have been read on each past day, and what it would have cost to stop on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from analyzer.design import Metric
from analyzer.experiment.comparing import compared
from analyzer.experiment.known import Known
from analyzer.experiment.planned_error import errors as errors_at
from analyzer.experiment.planned_error import variance_at, with_its_error
from analyzer.experiment.readings import Errors, naive, sequence
from analyzer.experiment.registration import Registration
from analyzer.stats.effects import Effect
from analyzer.stats.planning import sequence_detectable, sequence_power
from analyzer.stats.result import Estimate, Result, Undefined, point
from analyzer.stats.sequential import two_sided_radius
from analyzer.verdict import judge
from analyzer.window import date

Way = Literal["always valid", "naive"]


@dataclass(frozen=True)
class Look:
    """What could be read of the primary metric on one past day (ISO date, exclusive).

    lift: always-valid; naive: the fixed-horizon interval read that day, which nobody may decide
    on. detectable: the smallest lift that would have been found with the planned power; power: to
    find the lift that was planned for.
    """

    day: str
    units: float
    lift: Result
    naive: Result
    detectable: Result
    power: Result


@dataclass(frozen=True)
class Stop:
    """The first day on which an interval excluded 0, had one stopped at that.

    way: which interval. day: None where it never did. units: by then; lift: as read then; back:
    later days on which the same interval included 0 again.
    """

    way: Way
    day: str | None
    units: float
    lift: Result
    back: int


def looks(known: Known, registration: Registration, errors: Errors) -> tuple[Look, ...]:
    """The primary metric day by day, of the units that count."""
    found = []
    for day in range(known.first + 1, known.as_of + 1):
        then = known.at(day)
        if sum(then.units().values()):
            found.append(_look(then, registration, errors))
    return tuple(found)


def _look(known: Known, registration: Registration, errors: Errors) -> Look:
    metric = known.design.metrics[known.design.primary]
    day, units = date(known.as_of), sum(known.units().values())
    found = compared(known, metric)
    lifted, level = found.lift.at(0), found.champion[0]
    if isinstance(lifted, Undefined) or not level:
        why = lifted if isinstance(lifted, Undefined) else Undefined("no value of the champion")
        return Look(day, units, why, why, why, why)
    return Look(
        day,
        units,
        sequence(found.lift, errors).results()[0],
        naive(found.lift, errors).results()[0],
        *_reached(metric, lifted, level, units, registration),
    )


def _reached(
    metric: Metric, lifted: Effect, level: float, units: float, promised: Registration
) -> tuple[Result, Result]:
    """The smallest lift that would be found, and the power for the one planned for, each with the
    error that such a lift would have: the one seen, freed of what the lift seen adds to it.
    """
    taken, _ = errors_at(metric, lifted.value, lifted.value, level, promised.weight)
    error, alpha, n_star = lifted.error / taken, promised.sequence_alpha, float(promised.n_star)
    z = two_sided_radius(1.0, units, alpha, n_star)
    power = promised.power
    least = sequence_detectable(error, units, n_star, alpha, power)
    if isinstance(least, Estimate):
        lift = with_its_error(metric, least.value, level, promised.weight, z, power)
        short = Undefined("no lift would be found yet", units)
        least = short if lift is None else point(lift, units, least.method)
    grown = variance_at(metric, promised.min_effect, level, promised.weight, z, power)
    error *= math.sqrt(grown)
    return least, sequence_power(promised.min_effect, error, units, n_star, alpha)


def stops(found: Sequence[Look]) -> tuple[Stop, ...]:
    """When each interval would first have said that there is an effect, and whether it held."""
    return (
        _stop("always valid", [(look, look.lift) for look in found]),
        _stop("naive", [(look, look.naive) for look in found]),
    )


def _stop(way: Way, read: Sequence[tuple[Look, Result]]) -> Stop:
    sure = [_excludes_none(result) for _, result in read]
    if True not in sure:
        return Stop(way, None, 0.0, Undefined("it never excluded 0"), 0)
    first = sure.index(True)
    look, result = read[first]
    return Stop(way, look.day, look.units, result, sure[first:].count(False))


def _excludes_none(result: Result) -> bool:
    """Whether an interval lies on one side of 0."""
    if not isinstance(result, Estimate):
        return False
    return "pass" in (judge(result, ">", 0.0), judge(result, "<", 0.0))
