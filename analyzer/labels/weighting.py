"""A metric of rows whose labels are still arriving, each weighted by 1 / completeness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.cells import PairCells
from analyzer.labels.pair_metrics import PairMetric
from analyzer.stats.delayed import Arrived, Target, arrived, weighted_metric
from analyzer.stats.influence import Functional, Linearised
from analyzer.stats.maturity import REFUSED, Ladder
from analyzer.stats.result import Result, Undefined

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Whose: TypeAlias = Literal["champion", "challenger", "difference"]


@dataclass(frozen=True)
class Part:
    """Rows of some prediction days that arrive alike, by day and bucket of units.

    `days` are sorted and hold every prediction day of `pairs`; `as_of` is the day (exclusive) up
    to which labels are in. Without a ladder all is known of every row at once.
    """

    pairs: PairCells
    days: Ints
    as_of: int
    ladder: Ladder | None
    name: str
    slowed: int = 1

    @property
    def ages(self) -> Ints:
        """Last complete label age of each day, in the ladder's time."""
        return (self.as_of - 1 - self.days) // self.slowed

    @property
    def completeness(self) -> Floats:
        """F of each day."""
        if self.ladder is None:
            return np.ones(len(self.days))
        return np.array([self.ladder.at(int(age)) for age in self.ages])

    @property
    def place(self) -> Ints:
        """Where each row's day stands in `days`."""
        return np.searchsorted(self.days, self.pairs.prediction_day)


@dataclass(frozen=True)
class Asked:
    """How an interval is made: its confidence, what it is to hold, the least completeness."""

    confidence: float
    target: Target = "population"
    floor: float = REFUSED


def weighted(
    parts: Sequence[Part], metric: PairMetric, *asked: Asked
) -> tuple[dict[Whose, Result], ...]:
    """The metric of each model and the challenger's minus the champion's, with intervals.

    One answer per way of asking. The cells are kept sparse: the functional is taken of the
    weighted totals, and each row then counts with its influence on it (the functionals do not
    change when every sum is doubled, so these influences add up to 0 and carry the whole
    linearised interval). Undefined as `analyzer.stats.delayed.weighted_metric`.
    """
    cells = [list(metric.cells(part.pairs)) for part in parts]
    total = weighted_cells(parts, metric)
    buckets = max((int(p.pairs.bucket.max(initial=0)) + 1 for p in parts), default=1)

    def of(functional: Functional, support: tuple[float, float]) -> list[Result]:
        found = functional(total)
        if isinstance(found, Undefined):
            return [found] * len(asked)
        gradient, known = found.gradient.ravel(), _known(found.value)
        sums = [
            _influences(part, columns, gradient, buckets)
            for part, columns in zip(parts, cells, strict=True)
        ]
        return [
            weighted_metric(sums, known, a.confidence, a.floor, support, a.target) for a in asked
        ]

    champion = of(metric.champion, metric.support)
    challenger = of(metric.challenger, metric.support)
    difference = of(metric.difference, metric.spread)
    return tuple(
        {"champion": a, "challenger": b, "difference": c}
        for a, b, c in zip(champion, challenger, difference, strict=True)
    )


def weighted_cells(parts: Sequence[Part], metric: PairMetric) -> Floats:
    """The metric's cells summed over parts and days, each day's divided by its completeness."""
    total = np.zeros(metric.shape).ravel()
    for part in parts:
        weight = 1 / np.maximum(part.completeness, 1e-9)[part.place]
        for cell, amount in metric.cells(part.pairs):
            total += np.bincount(cell, amount * weight, len(total))
    return total.reshape(metric.shape)


def _influences(
    part: Part, columns: Sequence[tuple[Ints, Floats]], gradient: Floats, buckets: int
) -> Arrived:
    """What the part's rows add to the metric, by day and bucket."""
    place = part.place * buckets + part.pairs.bucket
    size = len(part.days) * buckets
    sums = np.zeros(size)
    for cell, amount in columns:
        sums += np.bincount(place, amount * gradient[cell], size)
    shaped = sums.reshape(len(part.days), buckets, 1)
    return arrived(shaped, part.ages, part.ladder, part.name)


def _known(value: float) -> Callable[[Floats], Linearised | Undefined]:
    """The functional of influences: its value is known, its derivative is 1."""
    return lambda cells: Linearised(value, np.ones(1))
