import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.stats.maturity import (
    Ladder,
    age_reaching,
    bornhuetter_ferguson,
    chain_ladder,
    completeness,
    completeness_error,
    cumulate,
    growth_at_the_end,
    ultimate,
    ultimate_error,
)
from analyzer.stats.result import Estimate, Undefined

# Reinsurance Association of America, automatic facultative general liability, as in Mack (1994),
# "Which stochastic model is underlying the chain ladder method?", CAS Forum.
RAA = [
    [5012, 8269, 10907, 11805, 13539, 16181, 18009, 18608, 18662, 18834],
    [106, 4285, 5396, 10666, 13782, 15599, 15496, 16169, 16704],
    [3410, 8992, 13873, 16141, 18735, 22214, 22863, 23466],
    [5655, 11555, 15766, 21266, 23425, 26083, 27067],
    [1092, 9565, 15836, 22169, 25955, 26180],
    [1513, 6445, 11702, 12935, 15852],
    [557, 4020, 10946, 12314],
    [1351, 6947, 13112],
    [3133, 5395],
    [2063],
]
TRIANGLE = np.array([row + [math.nan] * (10 - len(row)) for row in RAA])


def fitted(triangle: object) -> Ladder:
    found = chain_ladder(triangle)  # type: ignore[arg-type]
    assert isinstance(found, Ladder)
    return found


def test_mack_1994() -> None:
    ladder = fitted(TRIANGLE)
    # Mack (1994), and chainladder-python's test_mack.py
    factors = [2.9994, 1.6235, 1.2709, 1.1717, 1.1134, 1.0419, 1.0333, 1.0169, 1.0092]
    assert ladder.factors.round(4).tolist() == factors
    assert ladder.sigma2 == pytest.approx(
        [27883.48, 1108.53, 691.44, 61.23, 119.44, 40.82, 1.3434, 7.8832, 1.3434], rel=1e-4
    )
    errors = [206.22, 623.38, 747.18, 1469.46, 2001.86, 2209.24, 5357.87, 6333.17, 24566.29]
    reserves = [153.95, 617.37, 1636.14, 2746.74, 3649.10, 5435.30, 10907.19, 10649.98, 16339.44]
    for place, (error, reserve) in enumerate(zip(errors, reserves, strict=True), start=1):
        arrived, age = RAA[place][-1], 9 - place
        found = ultimate(ladder, arrived, age)
        assert isinstance(found, Estimate)
        assert found.value - arrived == pytest.approx(reserve, abs=0.01)
        assert ultimate_error(ladder, arrived, age) == pytest.approx(error, abs=0.01)
    by_age = [0.1121, 0.3362, 0.5459, 0.6938, 0.8129, 0.9050, 0.9430, 0.9744, 0.9909, 1.0]
    assert ladder.completeness.round(4).tolist() == by_age


def world(
    rng: np.random.Generator, cohorts: int, ages: int, mean: float, delay: float
) -> np.ndarray:
    """Labels by cohort and age: Poisson cohorts, geometric whole-day delays."""
    share = np.diff(1 - np.exp(-np.arange(ages + 1) / delay))
    return rng.poisson(mean * share, (cohorts, ages))


def test_the_interval_of_completeness_covers() -> None:
    rng, held = np.random.default_rng(5), 0
    truth = 1 - math.exp(-4 / 5)
    for _ in range(300):
        arrivals = world(rng, 45, 40, 60, 5)
        ladder = fitted(cumulate(arrivals, np.arange(45, 0, -1)))
        found = completeness(ladder, 3, 0.9)
        assert isinstance(found, Estimate)
        held += found.low <= truth <= found.high
    assert 252 <= held <= 288  # 90 % of 300 within 3.5 standard errors


@given(st.integers(0, 10_000), st.integers(4, 12), st.integers(2, 8))
@settings(max_examples=40, deadline=None)
def test_completeness_rises_to_one(seed: int, cohorts: int, ages: int) -> None:
    rng = np.random.default_rng(seed)
    arrivals = rng.poisson(3, (cohorts, ages))
    ladder = chain_ladder(cumulate(arrivals, rng.integers(1, ages + 1, cohorts)))
    if isinstance(ladder, Undefined):
        return
    curve = ladder.completeness
    assert curve[-1] == 1
    assert np.all(np.diff(curve) >= 0)
    assert np.all(curve >= 0)
    assert ladder.at(10_000) == 1


@given(st.integers(0, 1000), st.integers(2, 50))
@settings(max_examples=20, deadline=None)
def test_doubled_cohorts_have_the_same_ladder(seed: int, times: int) -> None:
    arrivals = np.random.default_rng(seed).poisson(4, (8, 6)) + 1
    once = fitted(cumulate(arrivals, [6] * 8))
    many = fitted(cumulate(np.repeat(arrivals, times, axis=0), [6] * 8 * times))
    assert many.factors == pytest.approx(once.factors)
    assert completeness_error(many, 0) < completeness_error(once, 0)


def test_where_no_label_can_have_arrived() -> None:
    weekly = np.zeros((8, 21))
    weekly[:, [6, 13, 20]] = [50, 30, 1]
    ladder = fitted(cumulate(weekly, [21] * 8))
    assert [ladder.at(a) for a in (0, 5)] == [0, 0]
    assert ladder.at(6) == pytest.approx(50 / 81)
    assert isinstance(completeness(ladder, 5), Undefined)
    assert isinstance(ultimate(ladder, 0, 6), Undefined)
    assert ultimate_error(ladder, 0, 6) == math.inf
    reached = age_reaching(ladder)
    assert isinstance(reached, Estimate)
    assert reached.value == 13


def test_an_old_cohort_without_labels_says_nothing() -> None:
    arrivals = np.array([[0, 0, 0, 0], [6, 3, 1, 0], [12, 6, 2, 0]])
    triangle = cumulate(arrivals, [4, 3, 3])
    assert fitted(triangle).at(0) == pytest.approx(0.6)


def test_a_ladder_too_short_is_refused() -> None:
    arrivals = np.full((30, 10), 10)
    ladder = fitted(cumulate(arrivals, [10] * 30))
    assert growth_at_the_end(ladder) == pytest.approx(0.2)
    assert isinstance(completeness(ladder, 3), Undefined)
    assert isinstance(age_reaching(ladder), Undefined)


def test_what_cannot_be_said() -> None:
    assert isinstance(chain_ladder([[1, 2]]), Undefined)
    assert isinstance(chain_ladder(np.zeros((3, 3))), Undefined)
    with pytest.raises(ValueError, match="none below 0"):
        chain_ladder([[1, -2], [1, 2]])
    none = Undefined("no matured rate")
    assert bornhuetter_ferguson(3, 0.1, 100, none) is none
    prior = Estimate(0.1, 0.1, 0.1, 10, "x")
    assert isinstance(bornhuetter_ferguson(3, 0.1, 0, prior), Undefined)
    complete = bornhuetter_ferguson(3, 1.0, 100, prior)
    assert isinstance(complete, Estimate)
    assert complete.value == 0.03


def test_labels_all_revised_away_leave_nothing_known() -> None:
    """Every label of the class moved to another one: what was here told of nothing that stays."""
    ladder = fitted([[8, 9, 0, 0], [9, 9, 0, math.nan], [7, 7, math.nan, math.nan]])
    assert ladder.completeness.tolist() == [0.0, 0.0, 1.0, 1.0]
    assert isinstance(completeness(ladder, 0), Undefined)
