"""How complete the labels of a prediction day are by now, and when they will be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.arrivals import Arrivals
from analyzer.labels.cells import NONE
from analyzer.labels.evidence import Chosen
from analyzer.labels.stability import UPLOADS, Cohorts, Stability
from analyzer.stats.maturity import READY, Ladder, age_reaching, completeness
from analyzer.stats.result import Estimate, Result, Undefined

Ints = NDArray[np.int64]

WEEK = 7


@dataclass(frozen=True)
class Completeness:
    """The ladder of one class of labels: one for all days, or one per weekday (Monday is 0).

    `left_out`: prediction days whose labels came in one upload; they say nothing of delays.
    `stability`: do the last cohorts arrive as the earlier ones did? `strata`: the same of each
    stratum (code in `Known.segments`) that has enough labels, where strata are declared; what is
    said of a day is then said of its least complete stratum. `where`: the stratum in words.
    """

    label: int
    arrivals: Arrivals
    ladders: tuple[Ladder | Undefined, ...]
    left_out: Ints
    stability: Stability = UPLOADS
    strata: Mapping[int, Completeness] = field(default_factory=dict)
    where: str = ""

    @property
    def together(self) -> Completeness:
        """That of all strata together, which those follow that are too rare for a ladder."""
        return replace(self, strata={}) if self.strata else self

    @property
    def each(self) -> tuple[Completeness, ...]:
        """That of every stratum and of all together; itself where none are declared."""
        return (*self.strata.values(), self.together)

    def split(self, stratum: NDArray[np.integer]) -> Iterable[tuple[Completeness, Chosen]]:
        """Which rows follow which completeness, by the stratum of each row."""
        if not self.strata:
            return [(self, slice(None))]
        found: list[tuple[Completeness, Chosen]] = [
            (own, stratum == code) for code, own in self.strata.items()
        ]
        return [*found, (self.together, ~np.isin(stratum, list(self.strata)))]

    @property
    def by_weekday(self) -> bool:
        """Whether weekdays have ladders of their own."""
        return len(self.ladders) == WEEK

    def ladder(self, day: int) -> Ladder | Undefined:
        """The ladder that a prediction day follows."""
        return self.ladders[weekday(day)] if self.by_weekday else self.ladders[0]

    def groups(self, days: Ints) -> Iterable[tuple[Ladder | Undefined, Ints]]:
        """The days that follow each ladder."""
        if not self.by_weekday:
            return [(self.ladders[0], days)]
        found = weekday(days)
        return [(ladder, days[found == i]) for i, ladder in enumerate(self.ladders)]

    def at(self, day: int, confidence: float = 0.95) -> Result:
        """Share of a prediction day's labels that have arrived by the as-of."""
        if self.strata:
            return _least([own.at(day, confidence) for own in self.each])
        ladder = self.ladder(day)
        if isinstance(ladder, Undefined):
            return ladder
        return completeness(ladder, self.arrivals.as_of - 1 - day, confidence)

    def value(self, day: int) -> float:
        """F of a prediction day by the as-of; 0 where it is unknown."""
        found = self.at(day)
        return found.value if isinstance(found, Estimate) else 0.0

    def ready(self, day: int, level: float = READY) -> Result:
        """First as-of day by which a prediction day's completeness reaches `level`.

        The as-of is exclusive: labels of the day before it are in. Undefined as
        `analyzer.stats.maturity.age_reaching`.
        """
        if self.strata:
            return _last([own.ready(day, level) for own in self.each])
        age = _reaching(self.ladder(day), level)
        if isinstance(age, Undefined):
            return age
        start = day + 1
        return Estimate(start + age.value, start + age.low, start + age.high, age.n, age.method)

    @property
    def ready_age(self) -> Result:
        """Age at which 0.9 of the labels have arrived; of weekdays and strata, the latest."""
        return _last([_reaching(ladder, READY) for own in self.each for ladder in own.ladders])

    @property
    def named(self) -> str:
        """What arrives, in words."""
        return f"{named(self.label)} where {self.where}" if self.where else named(self.label)

    @property
    def alarm(self) -> str:
        """Why completeness may be overstated: labels are slower, or it may be so; else empty."""
        return self.stability.alarm(named(self.label))

    @property
    def note(self) -> str:
        """What else changed in the labels but leaves completeness as it is; else empty."""
        return self.stability.note(named(self.label))

    @property
    def cohorts(self) -> Cohorts | None:
        """The days whose labels say something of delays; None where days differ by weekday."""
        found, ladder = self.arrivals, self.ladders[0]
        if self.by_weekday or isinstance(ladder, Undefined):
            return None
        used = (found.rows > 0) & ~np.isin(found.days, self.left_out)
        return Cohorts(found.counts[used], found.observed[used], found.rows[used], ladder)


def _reaching(ladder: Ladder | Undefined, level: float) -> Result:
    return ladder if isinstance(ladder, Undefined) else age_reaching(ladder, level)


def _least(found: list[Result]) -> Result:
    """The least; Undefined if one is."""
    known = [x for x in found if isinstance(x, Estimate)]
    if len(known) < len(found):
        return next(x for x in found if isinstance(x, Undefined))
    return min(known, key=lambda x: x.value)


def _last(found: list[Result]) -> Result:
    """The largest; Undefined if one is."""
    known = [x for x in found if isinstance(x, Estimate)]
    if len(known) < len(found):
        return next(x for x in found if isinstance(x, Undefined))
    return max(known, key=lambda x: x.value)


def named(label: int) -> str:
    """How a class of labels is called in words."""
    return "labels" if label == NONE else f"labels of class {label}"


def weekday(day: Ints | int) -> Ints:
    """Day of the week of days since 1970-01-01, Monday 0.

    >>> weekday(0).item()  # a Thursday
    3
    """
    return (np.asarray(day) + 3) % WEEK


@dataclass(frozen=True)
class Age:
    """One age of a completeness curve."""

    age: int
    complete: Result


def curve(found: Completeness, ages: Sequence[int], confidence: float = 0.95) -> tuple[Age, ...]:
    """Completeness by age; of weekday ladders, that of Mondays."""
    ladder = found.ladders[0]
    if isinstance(ladder, Undefined):
        return tuple(Age(age, ladder) for age in ages)
    return tuple(Age(age, completeness(ladder, age, confidence)) for age in ages)
