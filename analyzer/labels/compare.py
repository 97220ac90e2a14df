"""Champion against challenger on the same rows, at the same label age, at the same as-of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.comparison import Comparison, Question
from analyzer.labels.completeness import Completeness
from analyzer.labels.evidence import Arrival, Evidence, as_negative, picked, taken_away, together
from analyzer.labels.maturity import of_pairs
from analyzer.labels.one_metric import SLOWED, compared, fine_bins
from analyzer.labels.parts import Rows, comparable, mature
from analyzer.labels.waited import waited
from analyzer.labels.weighting import Asked, Part, weighted
from analyzer.stats.result import Result, Undefined

Ints = NDArray[np.int64]


def compare(
    known: Evidence, question: Question, ladders: dict[int, Completeness] | None = None
) -> Comparison:
    """Compare two models on the labels known so far, each weighted by 1 / completeness.

    One ladder per label class and declared stratum (and weekday, where uploads follow the week).
    Days on which any of them has completeness below `floor` are left out for both models; if all
    are, the comparison is refused. Positives only: every pair counts as a negative, and an arrived
    positive moves 1 / F pairs. Errors come from a jackknife over buckets of units (of requests
    where there are no units), the ladders' own errors included. `ladders`: completeness by class,
    by default from these pairs.
    Horvitz and Thompson (1952), JASA 47; Elkan and Noto (2008), KDD; Mack (1993), ASTIN 23.
    """
    pairs, made = comparable(known, question.arrival)
    if ladders is None:
        ladders = of_pairs(known, pairs)
    rows = Rows(pairs, made, ladders, known.as_of)
    asked, days = _asked(known, question), mature_days(known, question, ladders)
    question = question.after(len(days))
    alarms = tuple(x.alarm for x in ladders.values() if x.alarm)
    refused = _refusal(question, rows, asked, days)
    parts = [] if refused else rows.parts(days)
    slowed = rows.parts(days, SLOWED) if alarms and parts else []
    here = np.isin(pairs.prediction_day, days)
    fine = fine_bins(known, rows, ladders, days)
    return Comparison(
        question.arrival,
        known.as_of,
        len(asked),
        tuple(days.tolist()),
        float(sum(known.rows.get(day, 0.0) for day in days.tolist())),
        float(pairs.n[here].sum()),
        {str(c): min((x.value(d) for d in days.tolist()), default=0.0) for c, x in ladders.items()},
        tuple(compared(parts, slowed, m, question, fine) for m in question.metrics if parts),
        waited(known, rows, asked, question),
        alarms,
        refused,
    )


def ladders_of(known: Evidence, arrival: Arrival) -> dict[int, Completeness]:
    """Completeness by class of the pairs that can be compared: the same for every question."""
    return of_pairs(known, comparable(known, arrival)[0])


def mature_days(known: Evidence, question: Question, ladders: dict[int, Completeness]) -> Ints:
    """Prediction days asked about whose labels are complete enough to be compared."""
    return mature(_asked(known, question), ladders, question.floor)


def _asked(known: Evidence, question: Question) -> Ints:
    span = range(question.first, min(question.last, known.as_of))
    return np.array([day for day in span if known.rows.get(day, 0.0) > 0], dtype=np.int64)


def _refusal(question: Question, rows: Rows, asked: Ints, days: Ints) -> Undefined | None:
    """Why nothing can be compared yet."""
    ladders = rows.ladders
    if not len(asked):
        return Undefined("no pair was predicted on these days")
    if not ladders:
        return Undefined("no label has arrived")
    if lone := rows.lone(question):
        return lone
    if rows.blind(question):
        return Undefined("all predicted pairs are needed where only positives are reported")
    if len(days):
        return None
    oldest = int(asked[0])
    for own in (own for found in ladders.values() for own in found.each):
        at = own.at(oldest)
        if isinstance(at, Undefined):
            return Undefined(f"{own.named}: {at.reason}", at.n)
        if at.value < question.floor:
            return Undefined(
                f"completeness of {own.named} is {at.value:.2f} even on the oldest "
                f"of these days, below {question.floor:g}",
                at.n,
            )
    return Undefined("on none of these days are labels of every class complete enough")


def settled(known: Evidence, question: Question, days: Ints) -> Result:
    """The first metric's difference by the labels as they are, as if no more were to come.

    On given prediction days; of labels that have all come it is the truth of these rows.
    """
    pairs, made = comparable(known, question.arrival)
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
