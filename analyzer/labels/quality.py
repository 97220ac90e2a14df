"""How good each model was by the labels so far: overall, by day, week, segment and label age."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.cells import ALL_ROWS, MODELS, Known, SideCells
from analyzer.labels.completeness import Completeness, weekday
from analyzer.labels.evidence import Arrival, picked
from analyzer.labels.ladder_error import Shift, shifts, widened
from analyzer.labels.maturity import by_stratum, one_class
from analyzer.labels.shares import Shares, shares
from analyzer.labels.side_metrics import Rows, metrics_of
from analyzer.stats.calibration import CurvePoint
from analyzer.stats.dependence import combined_design_effect, design_effect
from analyzer.stats.maturity import REFUSED
from analyzer.stats.result import Result, Undefined

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
By: TypeAlias = Literal["all", "day", "week", "segment", "age"]
AGES = (0, 1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 90, 120, 180)
"""Label ages of the curve by age, in days."""

SIDES = ("champion", "challenger")


@dataclass(frozen=True)
class Quality:
    """One model on one group of predictions.

    `n` labelled rows of the `predicted` ones; `complete` is the least completeness over classes
    of labels, the mean over the group's rows. Each label counts 1 / completeness of its class
    and day, so classes that arrive at different speeds stand in their true shares. Days with
    completeness below 0.3 are `left_out` (rows of them).
    """

    model: str
    by: By
    value: str
    n: float
    predicted: float
    left_out: float
    complete: float
    metrics: dict[str, Result]
    curve: tuple[CurvePoint, ...] = field(default=(), repr=False)

    @property
    def coverage(self) -> float:
        """Share of the predictions that have a label."""
        return self.n / self.predicted if self.predicted else 0.0


@dataclass(frozen=True)
class _Group:
    """Some predictions: their segment, days, and the age up to which labels count (or all)."""

    value: str
    segment: int
    days: Ints
    age: int | None = None


def quality(
    known: Known,
    ladders: Mapping[int, Completeness],
    days: Ints,
    by: By = "all",
    arrival: Arrival = "both",
    confidence: float = 0.95,
) -> list[Quality]:
    """Quality of both models on the predictions of `days` (since 1970, UTC), by group.

    `ladders`: completeness by class of labels (`maturity.of_labels`). Intervals count effective
    rows: Kish's effect of the weights times the design effect of units; the ladders' own errors
    are added (`ladder_error`). Metrics are Undefined with the reason where nothing is
    mature, and all but recall where only positives are reported. Kish (1965), *Survey Sampling*;
    Horvitz and Thompson (1952), JASA 47.
    """
    found = []
    days = np.sort(np.asarray(days, dtype=np.int64))
    models = [_model(known, side, days, by) for side in SIDES]
    of_segments = _segments(known, ladders) if by == "segment" else {}
    for group in _groups(known, days, by):
        own, age_of = _of_group(ladders, of_segments, group), partial(_ages, group, known.as_of)
        complete = shares(own, int(group.days[0]), int(group.days[-1]) + 1, age_of)
        errors = shifts(own, group.days[complete.least(group.days) >= REFUSED], age_of)
        for model in models:
            one = _quality(known, model, group, complete, errors, by, confidence)
            if arrival == "positives":
                one = _of_positives(one)
            elif lone := one_class(ladders):
                one = replace(one, metrics=dict.fromkeys(one.metrics, lone), curve=())
            found.append(one)
    return found


@dataclass(frozen=True, eq=False)
class _Model:
    """One model's labelled cells and the design effect of units on it."""

    side: str
    cells: SideCells
    cut: SideCells
    effect: float


def _model(known: Known, side: str, days: Ints, by: By) -> _Model:
    sides = known.sides
    mine = (sides.model == MODELS[side]) & np.isin(sides.prediction_day, days)
    asked = (sides.segment == ALL_ROWS) != (by == "segment")
    strata = [] if by == "segment" else list(known.strata)
    cut = picked(sides, mine & np.isin(sides.segment, strata))
    return _Model(side, picked(sides, mine & asked), cut, unit_effect(known, side))


def _groups(known: Known, days: Ints, by: By) -> Iterator[_Group]:
    if by == "all":
        yield _Group("all", ALL_ROWS, days)
    elif by == "day":
        yield from (_Group(_date(day), ALL_ROWS, days[days == day]) for day in days.tolist())
    elif by == "week":
        monday = days - weekday(days)
        for first in np.unique(monday).tolist():
            yield _Group(f"week of {_date(first)}", ALL_ROWS, days[monday == first])
    elif by == "segment":
        for code, (column, value) in enumerate(known.segments):
            if code != ALL_ROWS:
                yield _Group(f"{column} = {'NULL' if value is None else value}", code, days)
    else:
        for age in AGES:
            old = days[known.as_of - 1 - days >= age]
            if len(old):
                yield _Group(f"{age} d", ALL_ROWS, old, age)


def _date(day: int) -> str:
    return str(np.datetime64(day, "D"))


def _ages(group: _Group, as_of: int, days: Ints) -> Ints:
    """Age up to which labels of each prediction day count."""
    return as_of - 1 - days if group.age is None else np.full(len(days), group.age)


def _of_group(
    ladders: Mapping[int, Completeness], segments: Mapping[int, Completeness], group: _Group
) -> Mapping[int, Completeness]:
    """A segment's own ladders; of classes too rare in it, those of all rows."""
    if group.segment == ALL_ROWS:
        return ladders
    own = {code: x.strata.get(group.segment) for code, x in segments.items()}
    return {code: own[code] or whole.together for code, whole in ladders.items()}


def _segments(known: Known, ladders: Mapping[int, Completeness]) -> dict[int, Completeness]:
    """Ladders of all segments, as if they were strata."""
    names = {code: str(value) for code, (_, value) in enumerate(known.segments) if code != ALL_ROWS}
    cut = picked(known.sides, known.sides.model == MODELS["champion"])
    return by_stratum(ladders, cut, cut.segment, names, smallest=0)


def _quality(
    known: Known,
    model: _Model,
    group: _Group,
    complete: Shares,
    errors: list[Shift],
    by: By,
    confidence: float,
) -> Quality:
    predicted = _predicted(known, MODELS[model.side], group)
    mature = complete.least(group.days) >= REFUSED
    here, cut = _chosen(model.cells, group), _chosen(model.cut, group, known.strata)
    total = float(predicted.sum())
    least = float(complete.least(group.days) @ predicted) / total if total else 0.0
    rows = _rows(here, cut, group.days[mature], complete)
    metrics, curve = metrics_of(known, rows, model.effect, confidence)

    def moved(error: Shift) -> Mapping[str, Result]:
        there = _rows(here, cut, group.days[mature], complete.moved(error))
        return metrics_of(known, there, model.effect, confidence)[0]

    metrics = widened(metrics, moved, errors, confidence)
    if not bool(mature.any()):
        reason = Undefined(f"labels are {least:.0%} complete, below {REFUSED:g}")
        metrics = dict.fromkeys(metrics, reason)
    return Quality(
        model.side,
        by,
        group.value,
        float(here.n.sum()),
        total,
        float(predicted[~mature].sum()),
        least,
        metrics,
        curve,
    )


def _of_positives(found: Quality) -> Quality:
    """What positives alone can say."""
    nothing = Undefined("only positives are reported: see the comparison", found.n)
    metrics = {k: v if k == "recall" else nothing for k, v in found.metrics.items()}
    return replace(found, metrics=metrics, curve=())


def _predicted(known: Known, model: int, group: _Group) -> Floats:
    """Predictions by day of the group."""
    of = known.predicted
    mine = (of.model == model) & (of.segment == group.segment)
    mine &= np.isin(of.prediction_day, group.days)
    place = np.searchsorted(group.days, of.prediction_day[mine])
    return np.bincount(place, of.n[mine], len(group.days)).astype(np.float64)


def _chosen(cells: SideCells, group: _Group, strata: Collection[int] = ()) -> SideCells:
    chosen = np.isin(cells.segment, list(strata) or [group.segment])
    if group.age is not None:
        chosen &= cells.age <= group.age
    return picked(cells, chosen & np.isin(cells.prediction_day, group.days))


def _rows(cells: SideCells, cut: SideCells, days: Ints, complete: Shares) -> Rows:
    """The labelled rows of some days, each weighted by 1 / completeness, scaled to their number."""
    here, by_strata = (picked(x, np.isin(x.prediction_day, days)) for x in (cells, cut))
    weight, n = complete.weights(here, by_strata), here.n
    count, weighted = float(n.sum()), float(n @ weight)
    scale = count / weighted if weighted > 0 else 1.0
    kish = count * float(n @ weight**2) / weighted**2 if weighted > 0 else 1.0
    return Rows(
        here.bin.astype(np.int64),
        here.called.astype(np.int64),
        here.label.astype(np.int64),
        n * weight * scale,
        {name: values * weight * scale for name, values in here.sums.items()},
        kish,
    )


def unit_effect(known: Known, side: str) -> float:
    """Design effect of units on a model's mean loss, from the buckets of labelled pairs; >= 1."""
    pairs = known.pairs
    n = np.bincount(pairs.bucket, pairs.n).astype(np.float64)
    if n.sum() <= 0:
        return 1.0
    if known.kind == "values":
        loss = np.bincount(pairs.bucket, pairs.sums[f"{side}_absolute"])
        squares = float(pairs.sums[f"{side}_squares"].sum())
        one = squares / n.sum() - (loss.sum() / n.sum()) ** 2
    else:
        right = getattr(pairs, f"{side}_called") == pairs.label
        loss = np.bincount(pairs.bucket, pairs.n * right, len(n))
        share = loss.sum() / n.sum()
        one = share * (1 - share)
    return combined_design_effect(design_effect(loss, n, float(one)))


def matured_days(ladders: Mapping[int, Completeness], days: Sequence[int], level: float) -> Ints:
    """Days on which every class of labels is at least as complete as `level`."""
    kept = [d for d in days if ladders and all(x.value(d) >= level for x in ladders.values())]
    return np.array(kept, dtype=np.int64)
