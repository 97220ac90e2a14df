import numpy as np
import pytest

from analyzer.stats.prediction_powered import (
    Labelled,
    PredictionPowered,
    calibrated_proxy,
    early_warning,
    labelled,
    prediction_powered_mean,
)
from analyzer.stats.result import Estimate, Undefined

BUCKETS, RATE = 40, 0.1


def by_bucket(bucket: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return np.bincount(bucket, weight, BUCKETS)


def world(
    rng: np.random.Generator, worth: float, shares: tuple[float, float] = (0.15, 0.5)
) -> tuple[np.ndarray, np.ndarray, list[Labelled], float]:
    """Rows of two ages with their own chance of a label; a proxy worth between 0 and 1."""
    n = 3000
    logit = rng.normal(-3.2, 2, n)
    chance = 1 / (1 + np.exp(-logit))
    label = (rng.random(n) < chance).astype(float)
    proxy = np.where(rng.random(n) < worth, chance, rng.permutation(chance)) * 1.3
    bucket, age = rng.integers(0, BUCKETS, n), rng.integers(0, 2, n)
    here = rng.random(n) < np.array(shares)[age]
    groups = []
    for k in (0, 1):
        rows = here & (age == k)
        sums = (by_bucket(bucket[rows], x[rows]) for x in (np.ones(n), label, proxy))
        groups.append(labelled(*sums, shares[k]))
    return by_bucket(bucket, np.ones(n)), by_bucket(bucket, proxy), groups, float(label.mean())


@pytest.mark.parametrize("worth", [0.0, 0.9])
def test_the_interval_covers_whatever_the_proxy_is_worth(worth: float) -> None:
    rng, held, gains, errors = np.random.default_rng(1), 0, [], []
    large = 1 / (1 + np.exp(-rng.normal(-3.2, 2, 1_000_000)))
    for _ in range(300):
        rows, proxy, groups, _ = world(rng, worth)
        found = prediction_powered_mean(rows, proxy, groups, 0.9)
        assert isinstance(found, PredictionPowered)
        assert 0 <= found.weight <= 1
        held += found.mean.low <= large.mean() <= found.mean.high
        gains.append(found.gain)
        errors.append(found.mean.value - large.mean())
    assert 252 <= held <= 288
    assert abs(np.mean(errors)) < 3.5 * np.std(errors) / np.sqrt(300)
    assert np.median(gains) > 1.15 if worth else np.median(gains) >= 1


def test_a_survey_by_design() -> None:
    """A tenth of the rows is asked, whatever they are; the proxy is nearly the label."""
    rng = np.random.default_rng(2)
    n = 20_000
    label = (rng.random(n) < RATE).astype(float)
    proxy = np.where(rng.random(n) < 0.97, label, 1 - label)
    bucket, asked = rng.integers(0, BUCKETS, n), rng.random(n) < 0.1
    sums = (by_bucket(bucket[asked], x[asked]) for x in (np.ones(n), label, proxy))
    every = by_bucket(bucket, np.ones(n)), by_bucket(bucket, proxy)
    found = prediction_powered_mean(*every, [labelled(*sums, 0.1)])
    assert isinstance(found, PredictionPowered)
    assert found.mean.low <= label.mean() <= found.mean.high
    assert found.effective_n > 2 * found.labels
    fixed = prediction_powered_mean(
        *every, [labelled(*sums_of(bucket, asked, label, proxy), 0.1)], weight=0
    )
    assert isinstance(fixed, PredictionPowered)
    assert fixed.weight == 0
    assert fixed.gain == 1
    assert fixed.mean.high - fixed.mean.low > found.mean.high - found.mean.low


def sums_of(bucket: np.ndarray, which: np.ndarray, *columns: np.ndarray) -> list[np.ndarray]:
    return [by_bucket(bucket[which], x[which]) for x in (np.ones(len(bucket)), *columns)]


def test_classes_that_arrive_at_different_speeds_need_their_own_probability() -> None:
    rng = np.random.default_rng(3)
    n = 40_000
    label = (rng.random(n) < RATE).astype(float)
    proxy = np.clip(0.5 * label + rng.normal(0.1, 0.1, n), 0, 1)
    bucket = rng.integers(0, BUCKETS, n)
    here = rng.random(n) < np.where(label == 1, 0.8, 0.4)
    rows, f = by_bucket(bucket, np.ones(n)), by_bucket(bucket, proxy)
    right = prediction_powered_mean(
        rows,
        f,
        [
            labelled(*sums_of(bucket, here & (label == k), label, proxy), p)
            for k, p in ((0, 0.4), (1, 0.8))
        ],
    )
    wrong = prediction_powered_mean(
        rows, f, [labelled(*sums_of(bucket, here, label, proxy), here.mean())]
    )
    assert isinstance(right, PredictionPowered)
    assert isinstance(wrong, PredictionPowered)
    assert right.mean.low <= label.mean() <= right.mean.high
    assert not wrong.mean.low <= label.mean() <= wrong.mean.high


def test_the_probability_s_own_error_widens() -> None:
    rows, proxy, groups, _ = world(np.random.default_rng(4), 0.5)
    sure = prediction_powered_mean(rows, proxy, groups)
    vague = prediction_powered_mean(
        rows, proxy, [labelled(g.n, g.label, g.proxy, g.probability, 0.5) for g in groups]
    )
    assert isinstance(sure, PredictionPowered)
    assert isinstance(vague, PredictionPowered)
    assert vague.mean.high - vague.mean.low > sure.mean.high - sure.mean.low


def test_all_labels_here_is_the_plain_mean() -> None:
    rng = np.random.default_rng(5)
    n, y = rng.integers(50, 60, BUCKETS), rng.integers(3, 9, BUCKETS)
    found = prediction_powered_mean(n, y * 1.1, [labelled(n, y, y * 1.1, 1.0)])
    assert isinstance(found, PredictionPowered)
    assert found.mean.value == pytest.approx(y.sum() / n.sum())


def test_what_cannot_be_said() -> None:
    none = prediction_powered_mean([9, 9], [1, 1], [labelled([0, 0], [0, 0], [0, 0], 0.5)])
    assert isinstance(none, Undefined)
    one = prediction_powered_mean([9, 0], [1, 0], [labelled([3, 0], [1, 0], [1, 0], 0.5)])
    assert isinstance(one, Undefined)
    assert isinstance(early_warning(none, Estimate(0, 0, 0, 1, "x")), Undefined)
    two = prediction_powered_mean([9, 9], [1, 1], [labelled([3, 3], [1, 1], [0.5, 0.7], 0.5)])
    assert isinstance(early_warning(two, Undefined("no baseline")), Undefined)
    with pytest.raises(ValueError, match="probability"):
        labelled([1], [1], [1], 0.0)
    with pytest.raises(ValueError, match="by bucket"):
        labelled([1, 2], [1], [1], 0.5)
    assert calibrated_proxy([1], [0 + 1])[0] == 0.75
