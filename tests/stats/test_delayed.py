import math
from dataclasses import dataclass

import numpy as np
import pytest

from analyzer.stats.delayed import (
    Arrived,
    arrived,
    both_classes,
    mature_cohorts,
    mean_completeness,
    positives_only,
    weighted_metric,
)
from analyzer.stats.influence import SHARE, over_buckets, ratio
from analyzer.stats.maturity import Ladder, chain_ladder, cumulate
from analyzer.stats.ranking import margin, paired, roc_auc_functional
from analyzer.stats.result import Estimate, Undefined

HISTORY, WINDOW, BUCKETS, AGES = 70, 8, 48, 100


@dataclass(frozen=True)
class World:
    """Rows: their day, class, age at label arrival, bucket, and loss difference by class."""

    day: np.ndarray
    label: np.ndarray
    age: np.ndarray
    bucket: np.ndarray
    if_negative: np.ndarray
    if_positive: np.ndarray

    @property
    def difference(self) -> np.ndarray:
        return np.where(self.label, self.if_positive, self.if_negative)

    @property
    def judged(self) -> np.ndarray:
        return self.day >= HISTORY

    def triangle(self, which: np.ndarray, as_of: int) -> np.ndarray:
        days = np.arange(HISTORY + WINDOW)
        known = which & (self.age < AGES)
        cells = np.bincount(self.day[known] * AGES + self.age[known], minlength=len(days) * AGES)
        observed = np.clip(as_of - days, 1, AGES)
        return cumulate(cells.reshape(-1, AGES)[:, :as_of], observed)

    def sums(self, which: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Of the window's cohorts, by bucket."""
        cell = self.day * BUCKETS + self.bucket
        total = np.bincount(cell[which], weight[which], (HISTORY + WINDOW) * BUCKETS)
        return total.reshape(-1, BUCKETS)[HISTORY:]


def world(seed: int, factor: float, delays: tuple[float, float], daily: int = 600) -> World:
    """The challenger's scores are the champion's times a factor: under- or over-prediction."""
    rng = np.random.default_rng(seed)
    n = daily * (HISTORY + WINDOW)
    logit = rng.normal(-2.2, 1, n)
    label = rng.random(n) < 1 / (1 + np.exp(-logit))
    champion = 1 / (1 + np.exp(-logit - rng.normal(0, 0.3, n)))
    challenger = np.clip(champion * factor, 0.0, 1.0)
    delay = rng.exponential(np.where(label, *delays))
    day = np.repeat(np.arange(HISTORY + WINDOW), daily)
    age = np.floor(rng.random(n) + delay).astype(int)
    return World(
        day,
        label,
        age,
        rng.integers(0, BUCKETS, n),
        challenger**2 - champion**2,
        (1 - challenger) ** 2 - (1 - champion) ** 2,
    )


def fitted(triangle: np.ndarray) -> Ladder:
    found = chain_ladder(triangle)
    assert isinstance(found, Ladder)
    return found


def ages(as_of: int) -> np.ndarray:
    return as_of - 1 - np.arange(HISTORY, HISTORY + WINDOW)


def of_positives(w: World, as_of: int, **options: object) -> Estimate | Undefined:
    known = w.label & (w.day + w.age < as_of)
    one = np.ones(len(w.day))
    everything = np.full(len(w.day), True)
    return positives_only(
        w.sums(everything, one),
        w.sums(everything, w.if_negative),
        w.sums(known, w.if_positive - w.if_negative),
        ages(as_of),
        fitted(w.triangle(w.label, as_of)),
        confidence=0.9,
        **options,  # type: ignore[arg-type]
    )


def of_both(w: World, as_of: int, **options: object) -> Estimate | Undefined:
    losses, labels, ladders = [], [], []
    for label in (False, True):
        known = (w.label == label) & (w.day + w.age < as_of)
        losses.append(w.sums(known, w.difference))
        labels.append(w.sums(known, np.ones(len(w.day))))
        ladders.append(fitted(w.triangle(w.label == label, as_of)))
    return both_classes(losses, labels, ages(as_of), ladders, confidence=0.9, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("factor", [0.4, 1.8])
def test_the_better_model_is_chosen_before_the_labels_are_complete(factor: float) -> None:
    """Challenger truly worse; 30 worlds of each kind; every interval at F between .3 and .9."""
    population, rows, decided = [], [], []
    for seed in range(30):
        for delays, estimate in (((5, 5), of_positives), ((5, 15), of_both)):
            w = world(seed + 500 * (delays != (5, 5)), factor, delays, 400)
            as_of = HISTORY + WINDOW + (4 if delays == (5, 5) else 9)
            found = estimate(w, as_of)
            again = estimate(w, as_of, target="rows")
            assert isinstance(found, Estimate)
            assert isinstance(again, Estimate)
            final = float(w.difference[w.judged].mean())
            rows.append(again.low <= final <= again.high)
            truth = float(w.difference.mean())  # the same law on all 78 days
            population.append(found.low <= truth <= found.high)
            assert not found.high < 0  # never the wrong winner
            decided.append(found.low > 0)
    assert sum(decided) >= 0.8 * len(decided)
    assert sum(rows) >= 46  # 90 % of 60 within 3.5 standard errors
    assert sum(population) >= 46


def test_naive_estimates_choose_the_wrong_model() -> None:
    under = world(1, 0.4, (5, 5), 3000)
    as_of = HISTORY + WINDOW
    known = under.label & (under.day + under.age < as_of)
    no_news_is_good = np.where(known, under.if_positive, under.if_negative)[under.judged].mean()
    right = of_positives(under, as_of + 3)
    assert no_news_is_good < 0 < under.difference[under.judged].mean()
    assert isinstance(right, Estimate)
    assert right.low > 0
    over = world(1, 1.4, (5, 15), 3000)
    as_of += 6
    arrived_only = over.judged & (over.day + over.age < as_of)
    right = of_both(over, as_of)
    assert over.difference[arrived_only].mean() < 0 < over.difference[over.judged].mean()
    assert isinstance(right, Estimate)
    assert right.low > 0


def test_one_ladder_for_classes_of_different_speed_is_wrong() -> None:
    w = world(2, 1.4, (5, 15), 3000)
    as_of = HISTORY + WINDOW + 6
    known = w.day + w.age < as_of
    pooled = fitted(w.triangle(np.full(len(w.day), True), as_of))
    sums = np.stack([w.sums(known, w.difference), w.sums(known, np.ones(len(w.day)))], axis=-1)
    wrong = weighted_metric([arrived(sums, ages(as_of), pooled)])
    assert isinstance(wrong, Estimate)
    assert wrong.high < 0 < w.difference[w.judged].mean()


def test_complete_labels_are_counted_plainly() -> None:
    rng = np.random.default_rng(5)
    sums = np.stack([rng.poisson(4, (6, 20)), rng.poisson(9, (6, 20))], axis=-1).astype(float)
    ladder = fitted(np.full((6, 8), 7.0))
    plain = over_buckets(sums.sum(axis=0), ratio)
    for part in (arrived(sums, [0] * 6), arrived(sums, range(6), ladder)):
        found = weighted_metric([part])
        assert isinstance(found, Estimate)
        assert isinstance(plain, Estimate)
        assert (found.value, found.low, found.high) == pytest.approx(
            (plain.value, plain.low, plain.high)
        )
    again = weighted_metric([arrived(sums, range(6), ladder)], target="rows")
    assert isinstance(again, Estimate)
    assert again.low == again.high == again.value  # nothing is open about these rows


def test_the_interval_holds_the_ladder_s_own_error() -> None:
    sums = np.random.default_rng(6).poisson(30, (4, 30, 2)).astype(float)
    sums[..., 1] *= 3
    few = np.random.default_rng(7).poisson(4, (30, 12)) * np.array([4] * 3 + [1] * 3 + [0] * 6)
    short, long = (fitted(cumulate(np.tile(few, (k, 1)), [12] * 30 * k)) for k in (1, 200))
    every = arrived(np.stack([0 * sums[..., 0], sums[..., 1]], axis=-1), [0] * 4)
    of = np.stack([sums[..., 0], 0 * sums[..., 1]], axis=-1)
    wide, narrow = (weighted_metric([every, arrived(of, [1] * 4, x)]) for x in (short, long))
    assert isinstance(wide, Estimate)
    assert isinstance(narrow, Estimate)
    assert wide.value == pytest.approx(narrow.value)
    assert wide.high - wide.low > 1.05 * (narrow.high - narrow.low)


def test_an_auc_of_weighted_counts() -> None:
    """Positives at F = 1/2 count twice: neither the AUC nor a difference of two moves."""
    rng = np.random.default_rng(8)
    grid = rng.poisson(3, (1, 40, 2, 4, 4)).astype(float)
    half = fitted(np.tile([5.0, 10, 10, 10, 10], (4, 1)))
    negatives, positives = grid.copy(), grid.copy()
    negatives[:, :, 1], positives[:, :, 0] = 0, 0
    parts = [arrived(negatives, [0]), arrived(positives, [0], half, "positives")]
    found = weighted_metric(parts, margin(roc_auc_functional, 1), support=SHARE)
    plain = roc_auc_functional(grid.sum(axis=(0, 1, 4)))
    assert isinstance(found, Estimate)
    assert not isinstance(plain, Undefined)
    assert found.value == pytest.approx(plain.value)
    symmetric = [Arrived(p.sums + p.sums.swapaxes(-1, -2), p.ages, p.ladder) for p in parts]
    difference = weighted_metric(symmetric, paired(roc_auc_functional))
    assert isinstance(difference, Estimate)
    assert difference.value == pytest.approx(0, abs=1e-12)


def test_refusals() -> None:
    ladder = fitted(np.tile([2.0, 10, 10, 10, 10], (4, 1)))
    sums = np.ones((2, 3, 2))
    young = weighted_metric([arrived(sums, [1, 0], ladder, "fraud labels")])
    assert young == Undefined("completeness of fraud labels is 0.20 at age 0, below 0.3")
    assert isinstance(weighted_metric([arrived(sums, [1, 1], ladder)]), Estimate)
    growing = fitted(np.tile([2.0, 4, 6, 8, 10], (4, 1)))
    assert isinstance(weighted_metric([arrived(sums, [4, 4], growing)]), Undefined)
    assert isinstance(weighted_metric([arrived(sums[:, :1], [1, 1], ladder)]), Undefined)
    assert isinstance(weighted_metric([arrived(sums * [1, 0], [1, 1], ladder)]), Undefined)
    with pytest.raises(ValueError, match="one age per cohort"):
        arrived(sums, [1], ladder)
    slow = fitted(np.tile([1.0, 2, 10, 10, 10], (4, 1)))
    assert mature_cohorts([ladder, slow], [0, 1, 2, 3]).tolist() == [2, 3]
    assert mean_completeness(ladder, [0], [0]) == 0
    assert math.isclose(mean_completeness(ladder, [0, 4], [1, 1]), 0.6)
