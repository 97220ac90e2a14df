"""A metric while labels are still arriving: each arrived label weighted by completeness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .influence import REAL, Functional, bucket_error, interval, ratio
from .maturity import REFUSED, Ladder, growth_at_the_end
from .result import Result, Undefined

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Target: TypeAlias = Literal["population", "rows"]
"""What an interval must hold: the models' metric on such traffic, or its final value on these
very rows once every label has arrived."""

_STILL_GROWING: Final = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Arrived:
    """Sums over rows that are known by now, and the ladder that says how many are still to come.

    `sums` has shape (cohorts, buckets of units, cells...); `ages` the whole days each cohort's
    labels have had. Without a ladder the sums are complete (what is known of every row at
    once). Rows of one part must arrive alike: one part per segment, weekday and label class.
    """

    sums: Floats
    ages: Ints
    ladder: Ladder | None = None
    name: str = "labels"

    def completeness(self) -> Floats:
        """F of each cohort (1 without a ladder)."""
        if self.ladder is None:
            return np.ones(len(self.sums))
        return np.array([self.ladder.at(int(age)) for age in self.ages])


def arrived(
    sums: ArrayLike, ages: ArrayLike, ladder: Ladder | None = None, name: str = "labels"
) -> Arrived:
    """Build an `Arrived`, checking shapes. Raises ValueError on one age per cohort missing.

    >>> arrived([[[1.0, 2.0]]], [3]).completeness().tolist()
    [1.0]
    """
    x, at = np.asarray(sums, dtype=np.float64), np.asarray(ages, dtype=np.int64)
    if x.ndim < 3 or at.shape != x.shape[:1]:
        raise ValueError("sums need shape (cohorts, buckets, cells...) and one age per cohort")
    return Arrived(x, at, ladder, name)


def _refusal(part: Arrived, floor: float) -> Undefined | None:
    """Why this part cannot be weighted yet."""
    if part.ladder is None or not len(part.sums):
        return None
    if growth_at_the_end(part.ladder) > _STILL_GROWING:
        return Undefined(f"{part.name} still arrive at age {part.ladder.horizon}, the oldest seen")
    complete = part.completeness()
    worst = int(np.argmin(complete))
    if complete[worst] < floor:
        return Undefined(
            f"completeness of {part.name} is {complete[worst]:.2f} at age "
            f"{int(part.ages[worst])}, below {floor:g}"
        )
    return None


def _weighted(part: Arrived) -> Floats:
    """Sums per cohort and bucket, each divided by the cohort's completeness."""
    shape = (len(part.sums),) + (1,) * (part.sums.ndim - 1)
    return part.sums / part.completeness().reshape(shape)


def _ladder_variance(part: Arrived, weighted: Floats, gradient: Floats) -> float:
    """What the ladder's own error, and arrivals' scatter beyond chance, add to the variance.

    ln F(a) is minus the sum of ln f_k from a on, and the errors of the f_k are uncorrelated: a
    step's error moves every cohort that has not reached it, together.
    """
    ladder = part.ladder
    if ladder is None:
        return 0.0
    effect = -np.tensordot(weighted.sum(axis=1), gradient, axes=gradient.ndim)
    by_age = np.bincount(np.minimum(part.ages, ladder.horizon), effect, ladder.horizon + 1)
    by_step = np.cumsum(by_age)[: ladder.horizon]
    shared = float(np.sum(by_step**2 * ladder.log_variances))
    return shared + max(ladder.scatter - 1, 0.0) * _own_scatter(part, ladder, effect)


def _own_scatter(part: Arrived, ladder: Ladder, effect: Floats) -> float:
    """Variance of the effects when a cohort's U labels arrive independently: (1/F - 1) / U each."""
    typical = max(ladder.labels / ladder.cohorts, 1.0)
    return float(np.sum(effect**2 * (1 / part.completeness() - 1))) / typical


def _arrival_variance(part: Arrived, weighted: Floats, gradient: Floats) -> float:
    """What is open about these rows: which of their labels have arrived, each with chance F.

    sum over cohorts of (1 - F) sum_i x_i^2 over arrived labels, x_i a label's weighted effect;
    the sum of squares is the scatter of the effects between buckets. Poisson sampling.
    """
    effects: Floats = np.tensordot(weighted, gradient, axes=gradient.ndim)
    buckets = int(weighted.shape[1])
    spread = np.square(effects - effects.mean(axis=1, keepdims=True)).sum(axis=1)
    missing = 1 - part.completeness()
    return float(np.sum(missing * spread)) * buckets / max(buckets - 1, 1)


def weighted_metric(
    parts: Sequence[Arrived],
    functional: Functional = ratio,
    confidence: float = 0.95,
    floor: float = REFUSED,
    support: tuple[float, float] = REAL,
    target: Target = "population",
) -> Result:
    """Any functional of sums over rows, from the labels that have arrived, weighted by 1 / F.

    The cells are summed over parts, cohorts and buckets, each cohort's divided by its
    completeness F(age); the metric is the functional of these sums: a mean loss (`ratio` of the
    sum of losses and of rows), an AUC, F1, or the difference of two models on a joint grid.
    Standard error: linearised jackknife over buckets (of units, or of request ids), plus the
    errors of each ladder and its arrivals' scatter beyond chance; t with K-1 degrees of freedom.
    With `target="rows"` the first part is only what is still open about these rows (which
    labels have arrived): that interval is for the final value of the same rows, and is what a
    look back is held against; a choice between models needs the population.
    `n` is the buckets K. Undefined when any cohort of any part has F < `floor` (one label would
    speak for more than 1 / floor), when labels still arrive at a ladder's horizon, with fewer
    than two buckets, or where the functional is.
    Horvitz and Thompson (1952), JASA 47; Kalbfleisch and Lawless (1989), JASA 84; Mack (1993).

    >>> from analyzer.stats.maturity import chain_ladder
    >>> ladder = chain_ladder([[5, 10, 10, 10, 10], [5, 10, 10, 10, np.nan]])
    >>> late = arrived([[[1.0, 5.0], [2.0, 5.0]]], [0], ladder)
    >>> done = arrived([[[1.0, 10.0], [3.0, 10.0]]], [4], ladder)
    >>> round(weighted_metric([late]).value, 3), weighted_metric([late, done]).value
    (0.3, 0.25)
    """
    ladders: dict[int, list[Arrived]] = {}
    for part in parts:
        refused = _refusal(part, floor)
        if refused is not None:
            return refused
        ladders.setdefault(id(part.ladder), []).append(part)
    weighted = [_weighted(part) for part in parts]
    buckets = np.sum([x.sum(axis=0) for x in weighted], axis=0)
    found = functional(buckets.sum(axis=0))
    if isinstance(found, Undefined):
        return found
    error, held = bucket_error(buckets, found.gradient)
    if held < 2:
        return Undefined(f"{held} non-empty buckets, 2 needed", held)
    if target == "rows":
        pairs = zip(parts, weighted, strict=True)
        error = math.sqrt(sum(_arrival_variance(p, x, found.gradient) for p, x in pairs))
    waiting = sum(
        _ladder_variance(_joined(group), _weighted(_joined(group)), found.gradient)
        for group in ladders.values()
    )
    total = math.hypot(error, math.sqrt(waiting))
    method = f"weighted by completeness, jackknife over {held} buckets"
    return interval(found.value, total, held, method, confidence, held - 1, support)


def _joined(parts: Sequence[Arrived]) -> Arrived:
    """Parts that share a ladder, as one: the ladder's errors are theirs together."""
    first = parts[0]
    return Arrived(
        np.concatenate([part.sums for part in parts]),
        np.concatenate([part.ages for part in parts]),
        first.ladder,
        first.name,
    )


def positives_only(
    rows: ArrayLike,
    if_negative: ArrayLike,
    arrived_change: ArrayLike,
    ages: ArrayLike,
    ladder: Ladder,
    confidence: float = 0.95,
    floor: float = REFUSED,
    support: tuple[float, float] = REAL,
    target: Target = "population",
) -> Result:
    """Mean loss when only positives are ever reported: no news is "not yet", not "negative".

    Mean over all rows of (Z / F) g(1) + (1 - Z / F) g(0), Z = a positive label has arrived.
    Arrays of shape (cohorts, buckets): `rows` predictions, `if_negative` the sum of g(0) over
    all of them, `arrived_change` the sum of g(1) - g(0) over the arrived positives. For two
    models g is the difference of their losses. Interval and Undefined as `weighted_metric`.
    Elkan and Noto (2008), KDD, for the estimator; Kalbfleisch and Lawless (1989), JASA 84.

    >>> from analyzer.stats.maturity import chain_ladder
    >>> ladder = chain_ladder([[5, 10, 10, 10, 10], [5, 10, 10, 10, np.nan]])
    >>> r = positives_only([[100, 100]], [[4.0, 4.0]], [[1.0, 2.0]], [0], ladder)
    >>> round(r.value, 3)
    0.07
    """
    n, zero, change = (np.asarray(x, dtype=np.float64) for x in (rows, if_negative, arrived_change))
    every = arrived(np.stack([zero, n], axis=-1), ages, None, "rows")
    late = arrived(np.stack([change, np.zeros_like(n)], axis=-1), ages, ladder, "positive labels")
    return weighted_metric([every, late], ratio, confidence, floor, support, target)


def both_classes(
    losses: ArrayLike,
    labels: ArrayLike,
    ages: ArrayLike,
    ladders: Sequence[Ladder],
    confidence: float = 0.95,
    floor: float = REFUSED,
    support: tuple[float, float] = REAL,
    target: Target = "population",
) -> Result:
    """Mean loss when every class is reported late: weights 1 / F(age | class), a ladder per class.

    sum_c sum losses_c / F_c over sum_c labels_c / F_c. Arrays of shape (classes, cohorts,
    buckets): `losses` the sum of the loss (or of two models' difference) over the arrived labels
    of a class, `labels` how many they are. One ladder for all classes would choose the wrong
    model when they arrive at different speeds. Interval and Undefined as `weighted_metric`: any
    class below `floor` refuses. Horvitz and Thompson (1952), JASA 47.

    >>> from analyzer.stats.maturity import chain_ladder
    >>> fast = chain_ladder([[10, 10, 10, 10, 10]] * 2)
    >>> slow = chain_ladder([[5, 10, 10, 10, 10]] * 2)
    >>> r = both_classes([[[4.0, 6.0]], [[5.0, 5.0]]], [[[10, 10]], [[5, 5]]], [0], [fast, slow])
    >>> round(r.value, 3)
    0.75
    """
    loss, n = np.asarray(losses, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    parts = [
        arrived(np.stack([a, b], axis=-1), ages, ladder, f"labels of class {i}")
        for i, (a, b, ladder) in enumerate(zip(loss, n, ladders, strict=True))
    ]
    return weighted_metric(parts, ratio, confidence, floor, support, target)


def mature_cohorts(ladders: Sequence[Ladder], ages: ArrayLike, floor: float = REFUSED) -> Ints:
    """Places of the cohorts old enough to be weighted under every ladder: the fair comparison.

    Both models are then judged on these same rows. Empty if none is.

    >>> from analyzer.stats.maturity import chain_ladder
    >>> ladder = chain_ladder([[1, 10, 10, 10, 10]] * 2)
    >>> mature_cohorts([ladder], [0, 1, 2]).tolist()
    [1, 2]
    """
    at = np.asarray(ages, dtype=np.int64)
    complete = np.array([[ladder.at(int(age)) for age in at] for ladder in ladders])
    return np.flatnonzero(np.all(complete >= floor, axis=0))


def mean_completeness(ladder: Ladder, ages: ArrayLike, rows: ArrayLike) -> float:
    """Completeness of a window: F of its cohorts, weighted by their rows.

    >>> from analyzer.stats.maturity import chain_ladder
    >>> mean_completeness(chain_ladder([[5, 10, 10, 10, 10]] * 2), [0, 1], [100, 300])
    0.875
    """
    n = np.asarray(rows, dtype=np.float64)
    complete = np.array([ladder.at(int(age)) for age in np.asarray(ages, dtype=np.int64)])
    return float(complete @ n) / float(n.sum()) if n.sum() > 0 else 0.0
