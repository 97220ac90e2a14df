"""`analyzer labels`: what the labels that are known by a date say of both models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.cells import NONE, Known
from analyzer.labels.compare import compare
from analyzer.labels.comparison import Comparison, Question
from analyzer.labels.completeness import Age, Completeness, curve
from analyzer.labels.evidence import Arrival, evidence, picked
from analyzer.labels.exploration import Exploration, exploration
from analyzer.labels.maturity import of_labels, predicted_by_day
from analyzer.labels.pace import Pace, pace
from analyzer.labels.pair_metrics import PROBABILITY, VALUE, PairMetric, of_classes
from analyzer.labels.proxies.answer import ProxyAnswer
from analyzer.labels.quality import AGES, By, Quality, matured_days, quality
from analyzer.labels.selective import Acceptance, acceptance
from analyzer.stats.result import Estimate, Result
from analyzer.window import date

_ALL = 0.99
USUAL_DAYS = 30
"""Prediction days that are judged where no window is asked for: the last ones."""


@dataclass(frozen=True)
class Stratum:
    """How the labels of one class arrive in one stratum (`where`, in words)."""

    where: str
    labels: float
    curve: tuple[Age, ...]
    ready_age: Result


@dataclass(frozen=True)
class Maturity:
    """How one class of labels arrives: completeness by age, and what disturbs it.

    `label`: the class in words, empty where labels are values. `labels` known so far, `days` the
    prediction days behind the ladder, `uploads` days left out because all came in one upload.
    `ready_age`: age at which 0.9 have arrived. `alarm`: completeness may be overstated. `note`:
    what changed without that: fewer labels ever come, or the base rate moved. `pace`: the segment
    whose labels arrive at another pace, in words, where no stratum is declared. `strata`: the
    declared ones that have labels enough; `ready_age` is then that of the slowest.
    """

    label: str
    labels: float
    days: int
    uploads: tuple[str, ...]
    by_weekday: bool
    curve: tuple[Age, ...]
    ready_age: Result
    alarm: str
    note: str = ""
    pace: str = ""
    strata: tuple[Stratum, ...] = ()

    @property
    def slowest(self) -> Stratum | None:
        """The stratum that is 0.9 complete last; None where none is, or it is unknown."""
        ages = [(s.ready_age, s) for s in self.strata]
        ready = [(age.value, s) for age, s in ages if isinstance(age, Estimate)]
        if not ready or len(ready) < len(self.strata):
            return None
        return max(ready, key=lambda found: found[0])[1]


@dataclass(frozen=True)
class Labels:
    """The whole answer: days are dates (UTC); `as_of` is the midnight up to which labels count.

    `acceptance`: where labels are selective, what can be said of decisions without a label;
    `exploration`: both models on all rows, where some were let through at random. `basis`:
    labelled rows of each model by how it was told what it called.
    `proxies`: what fast signals say, where they were asked.
    """

    as_of: str
    first: str
    last: str
    kind: str
    arrival: Arrival
    faults: dict[str, int]
    maturity: tuple[Maturity, ...]
    comparison: Comparison
    quality: tuple[Quality, ...]
    acceptance: Acceptance | None = None
    exploration: Exploration | None = None
    basis: dict[str, int] = field(default_factory=dict)
    proxies: tuple[ProxyAnswer, ...] = ()


def labels(
    known: Known,
    arrival: Arrival,
    *,
    first: int | None = None,
    last: int | None = None,
    by: By = "all",
    confidence: float = 0.95,
) -> Labels:
    """What is known of both models on prediction days [first, last) (since 1970, UTC).

    By default the last 30 days before the as-of. `known` should hold older days as well: their
    labels say how complete those of the window are. `by` adds groups to the overall quality.
    """
    ladders = of_labels(known)
    end = known.as_of if last is None else min(last, known.as_of)
    start = end - USUAL_DAYS if first is None else first
    rows = predicted_by_day(known, 0)
    days = np.array([day for day in sorted(rows) if start <= day < end], dtype=np.int64)
    question = Question(arrival, start, end, metrics_for(known), confidence)
    paces = pace(known, ladders)
    said: list[Quality] = []
    if len(days):
        said = quality(known, ladders, days, "all", arrival, confidence)
        said += quality(known, ladders, days, by, arrival, confidence) if by != "all" else []
    return Labels(
        date(known.as_of),
        date(start),
        date(end),
        known.kind,
        arrival,
        dict(known.faults),
        tuple(_maturity(known, code, found, paces) for code, found in ladders.items()),
        compare(evidence(known), question),
        tuple(said),
        _acceptance(known, ladders, days) if arrival == "selective" else None,
        exploration(known, question) if arrival == "selective" else None,
        dict(known.basis),
    )


def _acceptance(
    known: Known, ladders: dict[int, Completeness], days: NDArray[np.int64]
) -> Acceptance | None:
    """Bounds on the days all of whose labels have come, None without such days."""
    whole = matured_days(ladders, days.tolist(), _ALL)
    if known.made is None or known.kind != "binary" or not len(whole):
        return None
    made, labelled = (
        picked(cells, np.isin(cells.prediction_day, whole)) for cells in (known.made, known.pairs)
    )
    return acceptance(made, labelled)


def metrics_for(known: Known) -> tuple[PairMetric, ...]:
    """What two models are compared by, by the kind of label; the first decides."""
    if known.kind == "binary":
        return PROBABILITY
    return VALUE if known.kind == "values" else of_classes(len(known.classes))


def _maturity(known: Known, code: int, found: Completeness, paces: Mapping[int, Pace]) -> Maturity:
    lived = known.as_of - found.arrivals.first
    ages = [age for age in AGES if age < lived]
    return Maturity(
        "" if code == NONE else known.classes[code],
        float(found.arrivals.counts.sum()),
        int((found.arrivals.rows > 0).sum()),
        tuple(date(int(day)) for day in found.left_out),
        found.by_weekday,
        curve(found, ages),
        found.ready_age,
        found.alarm,
        found.note,
        str(paces.get(code, "")),
        tuple(
            Stratum(own.where, float(own.arrivals.counts.sum()), curve(own, ages), own.ready_age)
            for own in found.strata.values()
        ),
    )
