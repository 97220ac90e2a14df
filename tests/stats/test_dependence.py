import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.stats.dependence import (
    combined_design_effect,
    design_effect,
    jackknife,
    jackknife_difference_of_ratios,
    jackknife_ratio,
)
from analyzer.stats.result import Estimate, Undefined


def test_independent_rows_have_no_design_effect_and_repeated_rows_do() -> None:
    rng = np.random.default_rng(2)
    num = rng.binomial(1000, 0.05, 400)
    once = design_effect(num, np.full(400, 1000), 0.05 * 0.95)
    assert isinstance(once, Estimate)
    assert once.low < 1 < once.high
    tenfold = design_effect(10 * num, np.full(400, 10_000), 0.05 * 0.95)
    assert isinstance(tenfold, Estimate)
    assert tenfold.value == pytest.approx(10 * once.value)


def test_jackknife_of_a_mean_is_the_t_interval() -> None:
    x = np.array([1.0, 4.0, 2.0, 8.0])
    found = jackknife_ratio(x, np.ones(4))
    assert isinstance(found, Estimate)
    half = 3.182446305284263 * x.std(ddof=1) / 2  # t with 3 degrees of freedom
    assert (found.low, found.high) == pytest.approx((3.75 - half, 3.75 + half))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(51, 100)), min_size=3, max_size=30))
@settings(max_examples=50, deadline=None)
def test_empty_blocks_and_order_change_nothing(blocks: list[tuple[int, int]]) -> None:
    num, den = np.array(blocks).T
    here = jackknife_ratio(num, den)
    there = jackknife_ratio([0, *num[::-1]], [0, *den[::-1]])
    assert isinstance(here, Estimate)
    assert isinstance(there, Estimate)
    assert there.n == here.n == len(blocks)
    assert (there.low, there.high) == pytest.approx((here.low, here.high), abs=1e-9)
    none = jackknife_difference_of_ratios(num, den, num, den)
    assert isinstance(none, Estimate)
    assert (none.low, none.value, none.high) == (0, 0, 0)


def test_cannot_say() -> None:
    assert isinstance(design_effect([1, 0], [9, 0], 0.1), Undefined)
    assert isinstance(design_effect([0, 0], [9, 9], 0.0), Undefined)
    assert isinstance(design_effect([1, 2, 3], [9, 9, 9], 0.1, minimum_blocks=12), Undefined)
    assert isinstance(jackknife_ratio([], []), Undefined)
    assert isinstance(jackknife_ratio([1], [2]), Undefined)
    assert isinstance(jackknife_ratio([1, 2], [1, -1]), Undefined)
    assert isinstance(jackknife_ratio([1, 1], [3, 0]), Undefined)
    assert isinstance(jackknife([1.0, np.nan], 1.0), Undefined)
    assert isinstance(jackknife_difference_of_ratios([1], [1], [1], [0]), Undefined)
    with pytest.raises(ValueError, match="block"):
        design_effect([1, 2], [1], 0.1)


def test_the_larger_known_design_effect_counts() -> None:
    hours, units = Estimate(3, 2, 5, 12, "hours"), Estimate(2, 1, 3, 256, "units")
    assert combined_design_effect(hours, units) == 3
    assert combined_design_effect(Estimate(3, 2, 5, 11, "hours"), units) == 2
    assert combined_design_effect(Estimate(0.5, 0.2, 1, 99, "hours")) == 1
    assert combined_design_effect(Undefined("no units")) == 1
