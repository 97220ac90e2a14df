import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analyzer.stats.paired import (
    Sums,
    centred,
    cohens_d,
    mean_difference,
    ratio_of_means,
    ratio_of_means_blocks,
    risk_ratio,
    sampling_error,
    variance,
    welch,
)
from analyzer.stats.result import Estimate, Undefined


def sums(x: object) -> Sums:
    d = np.asarray(x, dtype=float)
    return Sums(len(d), float(d.sum()), float((d * d).sum()), float(np.abs(d).sum()))


values = st.lists(st.integers(-1000, 1000), min_size=3, max_size=40).filter(lambda x: len({*x}) > 1)


@given(values, values)
@settings(max_examples=60, deadline=None)
def test_scipy_agrees(a: list[int], b: list[int]) -> None:
    one, oracle = mean_difference(sums(a)), stats.ttest_1samp(a, 0).confidence_interval()
    assert isinstance(one, Estimate)
    assert (one.low, one.high) == pytest.approx((oracle.low, oracle.high), rel=1e-9, abs=1e-9)
    two = welch(sums(a), sums(b))
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert isinstance(two, Estimate)
    assert (two.low, two.high) == pytest.approx((interval.low, interval.high), rel=1e-9, abs=1e-9)
    assert (sums(a) + sums(b)) - sums(b) == sums(a)


def test_a_large_mean_does_not_cancel_the_spread() -> None:
    x = 2.0**40 + np.array([0.0, 1.0, 2.0, 3.0])
    exact = sum(int(v) ** 2 for v in x)
    assert float(exact) - float(x.sum()) ** 2 / 4 != 5
    assert centred(4, float(x.sum()), float(x.sum()), exact) == 5


def test_design_effect_widens() -> None:
    a = sums(np.random.default_rng(1).normal(size=400))
    plain, wide = mean_difference(a), mean_difference(a, deff=4)
    assert isinstance(plain, Estimate)
    assert isinstance(wide, Estimate)
    assert wide.n == 100
    assert (wide.high - wide.low) / (plain.high - plain.low) == pytest.approx(2, rel=0.02)


def test_delta_method_agrees_with_the_jackknife() -> None:
    rng = np.random.default_rng(3)
    y = rng.gamma(5, size=3000)
    x = 1.1 * y + rng.normal(size=3000)
    found = ratio_of_means(x.sum(), y.sum(), x @ x, y @ y, x @ y, 3000)
    blocks = ratio_of_means_blocks(x, y, np.ones(3000))
    split = ratio_of_means_blocks(x, y, np.ones(3000), np.ones(3000))
    assert isinstance(found, Estimate)
    assert isinstance(blocks, Estimate)
    assert isinstance(split, Estimate)
    assert (found.low, found.high) == pytest.approx((blocks.low, blocks.high), rel=1e-4)
    assert (split.low, split.high) == pytest.approx((blocks.low, blocks.high), rel=1e-9)


def test_published_effect_sizes() -> None:
    # spinnaker/kayenta StatisticSuite (abs 1e-4)
    found = cohens_d(sums([5, 5, 5, 10, 10, 10]), sums([1, 1, 1, 2, 2, 2]))
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(3.03821, abs=1e-4)
    # NannyML tests/sampling_error/test_regression_sampling_error.py
    legacy = np.random.RandomState(1)
    legacy.random_sample(50)
    error = legacy.random_sample(10_000) - legacy.random_sample(10_000)
    for loss, expected in ((np.abs(error), 0.03336555108243021), (error**2, 0.028034313605867764)):
        result = sampling_error(sums(loss), 50)
        assert isinstance(result, Estimate)
        assert result.value == pytest.approx(expected, abs=1e-12)


def test_risk_ratio() -> None:
    none = risk_ratio(0, 100, 10, 100)
    assert isinstance(none, Estimate)
    assert none.value == none.low == 0
    assert none.high == pytest.approx(0.3085 / 0.6915, abs=1e-3)
    assert isinstance(risk_ratio(5, 100, 0, 100), Undefined)
    assert isinstance(risk_ratio(0, 0, 5, 100), Undefined)


def test_cannot_say() -> None:
    one = Sums(1, 2.0, 4.0)
    for result in (
        variance(one),
        variance(Sums(3, 30.0, 1.0)),
        mean_difference(one),
        mean_difference(sums([1, 2, 3]), deff=2),
        welch(one, one),
        cohens_d(one, one),
        welch(sums([1, 2, 3]), sums([1, 2, 3]), deff=2),
        cohens_d(sums([1, 1]), sums([2, 2])),
        ratio_of_means(1, 0.1, 5, 5, 0, 10),
        ratio_of_means(1, 1, 1, 1, 1, 1),
        ratio_of_means_blocks([1], [1], [1]),
        sampling_error(sums([1, 2]), 0),
    ):
        assert isinstance(result, Undefined), result
