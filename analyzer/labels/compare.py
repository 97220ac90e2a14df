"""Champion against challenger on the same rows, at the same label age, at the same as-of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.cells import PairCells, SideCells
from analyzer.labels.evidence import (
    Arrival,
    Evidence,
    as_negative,
    picked,
    taken_away,
    together,
)
from analyzer.labels.fine import by_rows, fine_values, hidden_by_ties, moved, widened
from analyzer.labels.maturity import Completeness, by_class, named, one_class
from analyzer.labels.pair_metrics import PROBABILITY, PairMetric
from analyzer.labels.weighting import Asked, Part, Whose, weighted
from analyzer.stats.influence import Functional
from analyzer.stats.maturity import READY, REFUSED, Ladder
from analyzer.stats.result import Estimate, Result, Undefined
from analyzer.stats.sequential import any_time_confidence
from analyzer.verdict import judge

Ints = NDArray[np.int64]
Better: TypeAlias = Literal["champion", "challenger", "undecided"]
Fine: TypeAlias = Callable[[Functional], "tuple[float, float] | None"]
ACCEPTED = 0
"""The decision after which a label can exist, where labels are selective: not stopped."""

SLOWED, _SLOWED_FLOOR = 2, 0.05
"""Where labels seem to have become slower, intervals also hold the case that they take twice as
long: the ladder of earlier days would then say half the age."""


@dataclass(frozen=True)
class Question:
    """Which rows are compared and how.

    Prediction days [first, last), counted since 1970 UTC; `arrival` of labels: both classes late,
    positives only (no news is "not yet"), selective (only what the champion accepted can have a
    label: compared where both accept), sampled (a survey: which rows have labels is chance).
    `decision` is the confidence at which a better model is named: it is read again every night.
    `planned`: mature days after which one expects to know. Where given, the interval at
    `confidence` is a confidence sequence over the days: it may be read every night.
    """

    arrival: Arrival
    first: int
    last: int
    metrics: tuple[PairMetric, ...] = PROBABILITY
    confidence: float = 0.9
    decision: float = 0.99
    floor: float = REFUSED
    planned: float = 0.0

    def after(self, days: int) -> Question:
        """The question with the confidence of a fixed interval that answers it after so many."""
        if not self.planned or not days:
            return self
        return replace(
            self, confidence=any_time_confidence(days, self.planned, 1 - self.confidence), planned=0
        )


@dataclass(frozen=True)
class Compared:
    """One metric of both models on the same rows; `difference` is challenger minus champion.

    Its interval is for such traffic; that of `final` for these very rows, once all labels came.
    `better` is named only where the interval at the question's `decision` confidence excludes 0.
    """

    metric: str
    champion: Result
    challenger: Result
    difference: Result
    final: Result
    better: Better


@dataclass(frozen=True)
class Waited:
    """The simple baseline: labels so far, of the days on which at least 0.9 have arrived.

    `ready`: first as-of day (exclusive) at which that is every day compared, None where the
    ladder does not say.
    """

    days: int
    ready: int | None
    metrics: tuple[Compared, ...]


@dataclass(frozen=True)
class Comparison:
    """What labels say by `as_of` about which model is better.

    `days`: prediction days that are mature enough, of the `asked` ones that had rows; `rows`
    their pairs, `labels` those with a label, `completeness` the least F by class. `refused` says
    why there is no answer. `alarms`: labels became slower or fewer, so that F may be overstated;
    intervals are then widened to hold labels that take twice as long.
    """

    arrival: Arrival
    as_of: int
    asked: int
    days: tuple[int, ...]
    rows: float
    labels: float
    completeness: dict[str, float]
    metrics: tuple[Compared, ...]
    waited: Waited
    alarms: tuple[str, ...]
    refused: Undefined | None

    @property
    def coverage(self) -> float:
        """Share of the compared pairs that have a label."""
        return self.labels / self.rows if self.rows else 0.0


def compare(
    known: Evidence, question: Question, ladders: dict[int, Completeness] | None = None
) -> Comparison:
    """Compare two models on the labels known so far, each weighted by 1 / completeness.

    One ladder per label class (and weekday, where uploads follow the week). Days on which any
    class has completeness below `floor` are left out for both models; if all are, the comparison
    is refused. Positives only: every pair counts as a negative, and an arrived positive moves
    1 / F pairs. Errors come from a jackknife over buckets of units (of requests where there are
    no units), the ladders' own errors included. `ladders`: completeness by class, by default from
    these pairs.
    Horvitz and Thompson (1952), JASA 47; Elkan and Noto (2008), KDD; Mack (1993), ASTIN 23.
    """
    pairs, made = _comparable(known, question.arrival)
    columns = (pairs.prediction_day, pairs.age, pairs.label, pairs.n)
    if ladders is None:
        ladders = by_class(*columns, known.rows, known.as_of)
    rows = _Rows(pairs, made, ladders, known.as_of)
    asked = _asked(known, question)
    days = _mature(asked, ladders, question.floor)
    question = question.after(len(days))
    alarms = tuple(x.alarm for x in ladders.values() if x.alarm)
    refused = _refusal(question, rows, asked, days)
    parts = [] if refused else rows.parts(days)
    slowed = rows.parts(days, SLOWED) if alarms and parts else []
    here = np.isin(pairs.prediction_day, days)
    fine = _fine(known.sides, rows, ladders, days)
    return Comparison(
        question.arrival,
        known.as_of,
        len(asked),
        tuple(days.tolist()),
        float(sum(known.rows.get(day, 0.0) for day in days.tolist())),
        float(pairs.n[here].sum()),
        {str(c): min((x.value(d) for d in days.tolist()), default=0.0) for c, x in ladders.items()},
        tuple(_compared(parts, slowed, m, question, fine) for m in question.metrics if parts),
        _waited(rows, asked, question, known.sides, known.units),
        alarms,
        refused,
    )


def _fine(
    sides: SideCells | None, rows: _Rows, ladders: dict[int, Completeness], days: Ints
) -> Fine:
    """The functional of both models by fine bins of the pairs of some days."""
    paired = float(rows.pairs.n[np.isin(rows.pairs.prediction_day, days)].sum())
    made = rows.made
    every = None if made is None else float(made.n[np.isin(made.prediction_day, days)].sum())
    return partial(fine_values, sides, ladders, days, paired, every)


def _comparable(known: Evidence, arrival: Arrival) -> tuple[PairCells, PairCells | None]:
    """The pairs whose labels can be compared: of selective labels, where both accept."""
    pairs, made = known.pairs, known.made
    if arrival == "selective":
        alike = (pairs.champion_called == ACCEPTED) & (pairs.challenger_called == ACCEPTED)
        return picked(pairs, alike), None
    if arrival == "positives":
        return picked(pairs, pairs.label == 1), made
    return pairs, None


def _asked(known: Evidence, question: Question) -> Ints:
    span = range(question.first, min(question.last, known.as_of))
    return np.array([day for day in span if known.rows.get(day, 0.0) > 0], dtype=np.int64)


def _mature(days: Ints, ladders: dict[int, Completeness], level: float) -> Ints:
    """Days on which every class of labels is at least as complete as `level`."""
    if not ladders:
        return days[:0]
    kept = [d for d in days.tolist() if all(x.value(d) >= level for x in ladders.values())]
    return np.array(kept, dtype=np.int64)


def _refusal(question: Question, rows: _Rows, asked: Ints, days: Ints) -> Undefined | None:
    """Why nothing can be compared yet."""
    ladders = rows.ladders
    if not len(asked):
        return Undefined("no pair was predicted on these days")
    if not ladders:
        return Undefined("no label has arrived")
    if lone := _lone(rows, question):
        return lone
    if _blind(rows, question):
        return Undefined("all predicted pairs are needed where only positives are reported")
    if len(days):
        return None
    oldest = int(asked[0])
    for label, found in ladders.items():
        at = found.at(oldest)
        if isinstance(at, Undefined):
            return Undefined(f"{named(label)}: {at.reason}", at.n)
        if at.value < question.floor:
            return Undefined(
                f"completeness of {named(label)} is {at.value:.2f} even on the oldest "
                f"of these days, below {question.floor:g}",
                at.n,
            )
    return Undefined("on none of these days are labels of every class complete enough")


@dataclass(frozen=True)
class _Rows:
    """The rows of a comparison, and the ladders of their labels by class."""

    pairs: PairCells
    made: PairCells | None
    ladders: dict[int, Completeness]
    as_of: int

    def parts(self, days: Ints, slowed: int = 1) -> list[Part]:
        """Rows of these days that arrive alike: by class and ladder. Slowed 0: nothing is late."""
        parts = []
        if self.made is not None:
            every = picked(self.made, np.isin(self.made.prediction_day, days))
            parts.append(Part(every, days, self.as_of, None, "rows"))
        here = picked(self.pairs, np.isin(self.pairs.prediction_day, days))
        for label, found in self.ladders.items():
            mine = picked(here, here.label == label)
            if self.made is not None:  # an arrived positive is no negative
                mine = together(mine, taken_away(as_negative(mine)))
            for ladder, of in found.groups(days):
                late = ladder if slowed and isinstance(ladder, Ladder) else None
                rows = picked(mine, np.isin(mine.prediction_day, of)) if found.by_weekday else mine
                if len(of):
                    parts.append(Part(rows, of, self.as_of, late, named(label), max(slowed, 1)))
        return parts


def _compared(
    parts: Sequence[Part],
    slowed: Sequence[Part],
    metric: PairMetric,
    question: Question,
    fine: Fine,
) -> Compared:
    """`slowed`: the same rows, should labels take longer than they did; empty without an alarm.
    `fine`: the metric of both models from fine bins, where it is known.
    """
    asked = (
        Asked(question.confidence, "population", question.floor),
        Asked(question.decision, "population", question.floor),
        Asked(question.confidence, "rows", question.floor),
    )
    said = weighted(parts, metric, *asked)
    if slowed:
        late = weighted(slowed, metric, *(replace(a, floor=_SLOWED_FLOOR) for a in asked))
        said = tuple(_spanning(a, b) for a, b in zip(said, late, strict=True))
    if metric.of_bins is not None:
        values = fine(metric.of_bins)
        hidden = hidden_by_ties(parts, metric) if values is None else 0.0
        said = tuple(moved(x, values) if values else widened(x, hidden) for x in said)
    found, firm, rows = said
    better = better_model(firm["difference"], metric.better)
    return Compared(
        metric.name,
        found["champion"],
        found["challenger"],
        found["difference"],
        rows["difference"],
        better,
    )


def _spanning(found: dict[Whose, Result], late: dict[Whose, Result]) -> dict[Whose, Result]:
    """Intervals that hold both cases; Undefined where either is."""
    both: dict[Whose, Result] = {}
    for whose, a in found.items():
        b = late[whose]
        if isinstance(a, Estimate) and isinstance(b, Estimate):
            low, high = min(a.low, b.low), max(a.high, b.high)
            a = Estimate(a.value, low, high, a.n, f"{a.method}, or {SLOWED} times slower labels")
        both[whose] = a if isinstance(b, Estimate) else b
    return both


def better_model(difference: Result, wanted: Literal["lower", "higher"]) -> Better:
    """The model that the whole interval of challenger minus champion speaks for.

    >>> better_model(Estimate(-0.2, -0.3, -0.1, 9, "example"), "lower")
    'challenger'
    """
    outcome = judge(difference, "<" if wanted == "lower" else ">", 0.0)
    return {"pass": "challenger", "fail": "champion"}.get(outcome, "undecided")  # type: ignore[return-value]


def _waited(
    rows: _Rows, asked: Ints, question: Question, sides: SideCells | None, units: bool
) -> Waited:
    """What waiting until labels are 0.9 complete says, and when it will say it of every day."""
    days = _mature(asked, rows.ladders, READY)
    ready = _ready(rows.ladders, asked)
    if not len(days) or _blind(rows, question) or _lone(rows, question):
        return Waited(0, ready, ())
    parts = rows.parts(days, slowed=0)
    fine = _fine(sides, rows, {}, days)
    said = [_compared(parts, [], m, question, fine) for m in question.metrics]
    if not units:
        both = zip(said, question.metrics, strict=True)
        said = [_of_rows(one, parts, metric, question, fine) for one, metric in both]
    return Waited(len(days), ready, tuple(said))


def _of_rows(
    found: Compared, parts: Sequence[Part], metric: PairMetric, question: Question, fine: Fine
) -> Compared:
    """With DeLong's interval of an AUC, where no unit makes rows depend on each other."""
    values = fine(metric.of_bins) if metric.name == "roc_auc" and metric.of_bins else None
    if values is None:
        return found
    said, firm = (
        by_rows(parts, metric, values, c) for c in (question.confidence, question.decision)
    )
    return replace(found, difference=said, better=better_model(firm, metric.better))


def _ready(ladders: dict[int, Completeness], asked: Ints) -> int | None:
    """First as-of day at which every asked day is 0.9 complete: the newest of each ladder."""
    newest = [(x, of.max()) for x in ladders.values() for _, of in x.groups(asked) if len(of)]
    dates = [x.ready(int(day)) for x, day in newest]
    known = [date.value for date in dates if isinstance(date, Estimate)]
    return int(max(known)) if known and len(known) == len(dates) else None


def _lone(rows: _Rows, question: Question) -> Undefined | None:
    """One class of labels alone: it would speak for the model that leans to its side."""
    return None if question.arrival == "positives" else one_class(rows.ladders)


def _blind(rows: _Rows, question: Question) -> bool:
    """Positives only, and nothing says how many rows there were."""
    return question.arrival == "positives" and rows.made is None


def settled(known: Evidence, question: Question, days: Ints) -> Result:
    """The first metric's difference by the labels as they are, as if no more were to come.

    On given prediction days; of labels that have all come it is the truth of these rows.
    """
    pairs, made = _comparable(known, question.arrival)
    codes = np.unique(pairs.label).tolist()
    if not len(days) or not codes:
        return Undefined("no label has arrived")
    here = picked(pairs, np.isin(pairs.prediction_day, days))
    rows = together(here, taken_away(as_negative(here))) if made is not None else here
    parts = [Part(rows, days, known.as_of, None, "labels")]
    if made is not None:
        every = picked(made, np.isin(made.prediction_day, days))
        parts.append(Part(every, days, known.as_of, None, "rows"))
    (found,) = weighted(parts, question.metrics[0], Asked(question.confidence))
    return found["difference"]
