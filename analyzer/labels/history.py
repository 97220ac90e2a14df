"""What was said on past nights, and what turned out to be true once the labels had come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzer.labels.compare import compare, settled
from analyzer.labels.comparison import Better, Question, better_model
from analyzer.labels.evidence import Arrival, Evidence
from analyzer.labels.pair_metrics import PairMetric
from analyzer.stats.backtest import Backtest, backtest
from analyzer.stats.result import Estimate, Result, Undefined, point

WEEK = 7
NIGHTS = (1, 3, 7, 14, 21, 28)
"""Days after a week's end on which its comparison is told again."""

SETTLED = 0.98
"""Completeness from which a week's labels count as the truth."""


@dataclass(frozen=True)
class Told:
    """One past night: what it said of one week's pairs, and what their labels said in the end.

    `as_of`, `first` and `last` (exclusive) are days since 1970, UTC; `days` of the week were
    mature enough. `said` is challenger minus champion with the interval for these very rows,
    `better` the model named, `naive` the same from the labels of that night as they were.
    """

    as_of: int
    first: int
    last: int
    days: int
    complete: float
    said: Result
    naive: Result
    better: Better
    truth: float | None
    right: Better

    @property
    def held(self) -> bool | None:
        """Whether the interval held the truth; None where nothing was said."""
        if self.truth is None or not isinstance(self.said, Estimate):
            return None
        return self.said.low <= self.truth <= self.said.high


@dataclass(frozen=True)
class History:
    """Past nights of the weeks whose labels have come, and how they fared.

    `wrong`: nights that named the model which the complete labels do not. `backtest` counts
    nights as if independent, and holds the plain count of labels so far beside it.
    """

    metric: str
    nights: tuple[Told, ...]
    backtest: Backtest | Undefined
    named: int
    wrong: int


def history(
    known: Evidence,
    arrival: Arrival,
    metric: PairMetric,
    *,
    weeks: int = 12,
    confidence: float = 0.9,
) -> History:
    """Tell the last settled weeks again, as of the nights after each, from what was known then.

    A week of prediction days is settled when 0.98 of every class of labels has arrived by the
    as-of. Exact: labels are kept by the day on which they came.
    """
    nights: list[Told] = []
    first = min(known.rows, default=known.as_of)
    end = known.as_of - WEEK
    while end - WEEK >= first and len(nights) < weeks * len(NIGHTS):
        question = Question(arrival, end - WEEK, end, (metric,), confidence)
        now = compare(known, question)
        if now.refused is None and min(now.completeness.values(), default=0.0) >= SETTLED:
            past = [end + after for after in NIGHTS if end + after <= known.as_of]
            nights += [_told(known, question, as_of) for as_of in past]
        end -= WEEK
    nights.sort(key=lambda told: (told.first, told.as_of))
    known_truths = [told for told in nights if told.truth is not None]
    found = backtest(
        [told.said for told in known_truths],
        [told.truth for told in known_truths if told.truth is not None],
        [told.naive for told in known_truths],
    )
    named = [told for told in nights if told.better != "undecided"]
    wrong = sum(told.better != told.right for told in named)
    return History(metric.name, tuple(nights), found, len(named), wrong)


def _told(known: Evidence, question: Question, as_of: int) -> Told:
    then = known.at(as_of)
    said = compare(then, question)
    days = np.array(said.days, dtype=np.int64)
    metric = question.metrics[0]
    truth = settled(known, question, days)
    final = truth.value if isinstance(truth, Estimate) else None
    right = better_model(point(final, 0, "settled"), metric.better) if final else "undecided"
    one = said.metrics[0] if said.metrics else None
    return Told(
        then.as_of,
        question.first,
        question.last,
        len(days),
        min(said.completeness.values(), default=0.0),
        one.final if one else said.refused or Undefined("nothing was compared"),
        settled(then, question, days),
        one.better if one else "undecided",
        final,
        right,
    )
