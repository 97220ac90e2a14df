import numpy as np
import pytest

from analyzer.stats.result import Estimate, Undefined
from analyzer.stats.selective import (
    Bounds,
    alike,
    difference_bounds,
    inverse_propensity,
    mean_bounds,
)

BUCKETS = 40
LOWER_END = -0.0751
"""Mean of -outcome where only the champion accepts, over 20,000,000 rows of `world`."""


def by_bucket(bucket: np.ndarray, which: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return np.bincount(bucket[which], weight[which], BUCKETS)


def world(
    rng: np.random.Generator, n: int = 4000
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Outcome 0..1, who accepts (champion, challenger), bucket."""
    risk = rng.normal(0, 1, n)
    outcome = (rng.random(n) < 1 / (1 + np.exp(risk))).astype(float)
    champion, challenger = risk + rng.normal(0, 1, (2, n)) < 0.3
    return outcome, champion, challenger, rng.integers(0, BUCKETS, n)


def test_bounds_hold_the_truth() -> None:
    rng, held, one = np.random.default_rng(1), 0, np.ones(4000)
    for _ in range(200):
        outcome, champion, challenger, bucket = world(rng)
        known, dropped = champion, champion & ~challenger
        added, every = challenger & ~champion, np.full(4000, True)
        mean = mean_bounds(
            by_bucket(bucket, known, outcome),
            by_bucket(bucket, known, one),
            by_bucket(bucket, ~known, one),
        )
        difference = difference_bounds(
            by_bucket(bucket, dropped, outcome),
            by_bucket(bucket, dropped, one),
            by_bucket(bucket, added, one),
            by_bucket(bucket, every, one),
        )
        assert isinstance(mean, Bounds)
        assert isinstance(difference, Bounds)
        assert mean.low <= outcome.mean() <= mean.high
        assert mean.width == pytest.approx(np.mean(~known))
        truth = np.mean(outcome * challenger) - np.mean(outcome * champion)
        assert difference.low <= truth <= difference.high
        assert difference.outer_low < difference.low < difference.high < difference.outer_high
        # If what cannot be known were all 0, the truth would be the lower end.
        worst = np.mean(outcome * (challenger & champion)) - np.mean(outcome * champion)
        assert difference.low == pytest.approx(worst)
        held += difference.outer_low <= LOWER_END <= difference.outer_high
    assert held >= 179  # 95 % of 200 within 3.5 standard errors


def test_imbens_manski_ends() -> None:
    """The true value at the lower bound is held at 90 %, wide or narrow identification."""
    rng = np.random.default_rng(2)
    for missing in (0.0, 0.3):
        held = 0
        for _ in range(300):
            lack = rng.binomial(50, missing, BUCKETS)
            known = rng.binomial(50 - lack, 0.2)
            found = mean_bounds(known, 50 - lack, lack, confidence=0.9)
            assert isinstance(found, Bounds)
            low = 0.2 * (1 - missing)  # all that is missing is 0
            held += found.outer_low <= low <= found.outer_high
        assert 252 <= held <= 288


def test_exploration_slice() -> None:
    rng, held = np.random.default_rng(3), 0
    outcome, champion, _, bucket = world(rng, 20_000)
    chance = np.where(champion, 0.9, 0.05)
    for _ in range(200):
        drawn = rng.random(20_000) < chance
        weight = 1 / chance
        found = inverse_propensity(
            by_bucket(bucket, drawn, outcome * weight),
            by_bucket(bucket, drawn, weight),
            float(np.sum(weight[drawn] ** 2)),
            20.0,
            0.9,
        )
        assert isinstance(found.mean, Estimate)
        held += found.mean.low <= outcome.mean() <= found.mean.high
        assert found.effective_n < drawn.sum()
    assert held >= 168
    naive = outcome[champion].mean()
    assert abs(naive - outcome.mean()) > 0.05


def test_alike_and_what_cannot_be_said() -> None:
    found = alike(np.full(10, 2.0), np.full(10, 8))
    assert isinstance(found, Estimate)
    assert found.value == 0.25
    assert isinstance(mean_bounds([1], [2], [1]), Undefined)
    assert isinstance(mean_bounds([0, 0], [0, 0], [0, 0]), Undefined)
    assert isinstance(difference_bounds([0], [1], [1], [2]), Undefined)
    assert isinstance(inverse_propensity([1, 1], [20, 1], 401.0, 20.0).mean, Undefined)
    assert isinstance(inverse_propensity([0], [0], 0.0, 0.0).mean, Undefined)
    with pytest.raises(ValueError, match="above the most"):
        mean_bounds([1], [1], [1], 1.0, 0.0)
    with pytest.raises(ValueError, match="by one model alone"):
        difference_bounds([1], [5], [5], [6])
    flat = mean_bounds([2, 2], [4, 4], [0, 0])
    assert isinstance(flat, Bounds)
    assert flat.outer_low == flat.outer_high == 0.5
