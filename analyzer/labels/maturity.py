"""How complete the labels of a prediction day are by now, and when they will be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.cells import ALL_ROWS, MODELS, NONE, Known
from analyzer.labels.stability import UPLOADS, Cohorts, Stability, stability
from analyzer.stats.arrivals import batched
from analyzer.stats.maturity import (
    READY,
    Ladder,
    age_reaching,
    chain_ladder,
    completeness,
    cumulate,
)
from analyzer.stats.result import Estimate, Result, Undefined

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

WEEK = 7
_SCATTER, _EXPLAINED = 2.0, 0.5
"""A ladder per weekday where labels scatter twice as much as chance and weekdays explain half."""

_FEWEST_OF_A_WEEKDAY = 4
_RARE = 100
"""Labels below which one of several classes has no ladder of its own."""


@dataclass(frozen=True)
class Arrivals:
    """Labels of one class by prediction day (rows, without gaps) and age (columns).

    `first` is the first prediction day, `as_of` the day (exclusive) up to which labels are in;
    days are counted since 1970, UTC. `rows` are the predictions of each day.
    """

    first: int
    as_of: int
    counts: Floats
    rows: Floats

    @property
    def days(self) -> Ints:
        """Prediction days."""
        return np.arange(self.first, self.first + len(self.counts))

    @property
    def observed(self) -> Ints:
        """Whole ages each day has lived."""
        return np.maximum(self.as_of - self.days, 0)


def arrivals(
    prediction_day: NDArray[np.integer],
    age: NDArray[np.integer],
    n: NDArray[np.integer],
    rows: Mapping[int, float],
    as_of: int,
) -> Arrivals:
    """Sum labels known by `as_of` into `Arrivals`. Days without a prediction are rows of 0.

    `rows`: predictions by prediction day; they say which days there are.
    """
    days = [day for day in rows if day < as_of]
    first, last = min(days, default=as_of), max(days, default=as_of - 1) + 1
    length, width = max(last - first, 0), max(as_of - first, 1)
    known = (prediction_day >= first) & (prediction_day < last) & (prediction_day + age < as_of)
    cell = (prediction_day[known] - first) * width + np.maximum(age[known], 0)
    counts = np.bincount(cell, n[known], length * width).astype(np.float64)
    sizes = np.array([rows.get(day, 0.0) for day in range(first, last)], dtype=np.float64)
    return Arrivals(first, as_of, counts.reshape(length, width), sizes)


@dataclass(frozen=True)
class Completeness:
    """The ladder of one class of labels: one for all days, or one per weekday (Monday is 0).

    `left_out`: prediction days whose labels came in one upload; they say nothing of delays.
    `stability`: do the last cohorts arrive as the earlier ones did?
    """

    label: int
    arrivals: Arrivals
    ladders: tuple[Ladder | Undefined, ...]
    left_out: Ints
    stability: Stability = UPLOADS

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
        age = _reaching(self.ladder(day), level)
        if isinstance(age, Undefined):
            return age
        start = day + 1
        return Estimate(start + age.value, start + age.low, start + age.high, age.n, age.method)

    @property
    def ready_age(self) -> Result:
        """Age at which 0.9 of the labels have arrived; of weekdays, the latest."""
        ages = [_reaching(ladder, READY) for ladder in self.ladders]
        known = [age for age in ages if isinstance(age, Estimate)]
        if len(known) < len(ages):
            return next(age for age in ages if isinstance(age, Undefined))
        return max(known, key=lambda age: age.value)

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


def named(label: int) -> str:
    """How a class of labels is called in words."""
    return "labels" if label == NONE else f"labels of class {label}"


def weekday(day: Ints | int) -> Ints:
    """Day of the week of days since 1970-01-01, Monday 0.

    >>> weekday(0).item()  # a Thursday
    3
    """
    return (np.asarray(day) + 3) % WEEK


def fit(label: int, found: Arrivals) -> Completeness:
    """Fit completeness by age to one class of labels.

    Days whose labels came in one upload are left out. Weekdays get ladders of their own where
    the labels scatter about the common one twice as much as independent labels would and
    weekday ladders take at least half of that away (weekly uploads do that).
    Mack (1993), ASTIN Bulletin 23.
    """
    observed = found.observed
    upload = batched(found.counts, observed, found.days)
    used = ~upload & (found.rows > 0)
    triangle = cumulate(found.counts, observed)
    ladders: tuple[Ladder | Undefined, ...] = (chain_ladder(triangle[used]),)
    ladders = _of_weekdays(triangle, used, found.days, ladders[0]) or ladders
    return Completeness(label, found, ladders, found.days[upload])


def _of_weekdays(
    triangle: Floats, used: Bools, days: Ints, common: Ladder | Undefined
) -> tuple[Ladder | Undefined, ...]:
    """A ladder per weekday where they are worth it, else none."""
    if isinstance(common, Undefined) or common.scatter < _SCATTER:
        return ()
    found = weekday(days)
    chosen = [used & (found == i) for i in range(WEEK)]
    if min(int(rows.sum()) for rows in chosen) < _FEWEST_OF_A_WEEKDAY:
        return ()
    own = tuple(chain_ladder(triangle[rows]) for rows in chosen)
    scatter = [ladder.scatter for ladder in own if isinstance(ladder, Ladder)]
    if len(scatter) < WEEK or float(np.median(scatter)) > _EXPLAINED * common.scatter:
        return ()
    return own


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


def of_labels(known: Known, segment: int = ALL_ROWS) -> dict[int, Completeness]:
    """Completeness of each class of labels, from the champion's rows (of a segment).

    Classes are codes of `known.classes`; values have one, `NONE`.
    """
    sides, model = known.sides, MODELS["champion"]
    mine = (sides.model == model) & (sides.segment == segment)
    rows = predicted_by_day(known, model, segment)
    day, age = sides.prediction_day[mine], sides.age[mine]
    return by_class(day, age, sides.label[mine], sides.n[mine], rows, known.as_of)


def by_class(
    prediction_day: NDArray[np.integer],
    age: NDArray[np.integer],
    label: NDArray[np.integer],
    n: NDArray[np.integer],
    rows: Mapping[int, float],
    as_of: int,
) -> dict[int, Completeness]:
    """A fit per class of labels. Of more than two, rare ones follow the ladder of all together."""
    codes = np.unique(label).tolist()
    found = {}
    for code in codes:
        mine = label == code
        if len(codes) > 2 and int(n[mine].sum()) < _RARE:
            mine = np.ones(len(n), np.bool_)
        labels = arrivals(prediction_day[mine], age[mine], n[mine], rows, as_of)
        found[code] = fit(code, labels)
    return {code: _watched(one, found) for code, one in found.items()}


def _watched(one: Completeness, found: Mapping[int, Completeness]) -> Completeness:
    """With what its last cohorts say, all classes together where they are of the same days."""
    mine = one.cohorts
    if mine is None:
        return one
    others = [x.cohorts for code, x in found.items() if code != one.label]
    same = [x for x in others if x is not None and len(x.counts) == len(mine.counts)]
    return replace(one, stability=stability(mine, same if len(same) == len(others) else []))


def one_class(found: Mapping[int, Completeness]) -> Undefined | None:
    """Why labels say nothing yet where only one class of them has come: the other may be late."""
    (label, *others) = found or (NONE,)
    if others or label == NONE:
        return None
    return Undefined(
        f"only {named(label)} have arrived: other classes may still be on their way "
        'or never come (then declare arrival = "positives")',
        float(found[label].arrivals.counts.sum()),
    )


def predicted_by_day(known: Known, model: int, segment: int = ALL_ROWS) -> dict[int, float]:
    """Rows predicted by prediction day."""
    of = known.predicted
    mine = (of.model == model) & (of.segment == segment)
    days, n = of.prediction_day[mine].tolist(), of.n[mine].tolist()
    return {day: float(count) for day, count in zip(days, n, strict=True)}
