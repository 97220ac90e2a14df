"""What is asked of two models by their labels, and the answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from analyzer.labels.evidence import Arrival
from analyzer.labels.pair_metrics import PROBABILITY, PairMetric
from analyzer.stats.maturity import REFUSED
from analyzer.stats.result import Result, Undefined
from analyzer.stats.sequential import any_time_confidence
from analyzer.verdict import judge

Better: TypeAlias = Literal["champion", "challenger", "undecided"]


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


def better_model(difference: Result, wanted: Literal["lower", "higher"]) -> Better:
    """The model that the whole interval of challenger minus champion speaks for.

    >>> from analyzer.stats.result import Estimate
    >>> better_model(Estimate(-0.2, -0.3, -0.1, 9, "example"), "lower")
    'challenger'
    """
    outcome = judge(difference, "<" if wanted == "lower" else ">", 0.0)
    return {"pass": "challenger", "fail": "champion"}.get(outcome, "undecided")  # type: ignore[return-value]
