import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analyzer.stats.paired import Sums
from analyzer.stats.regression import (
    bias,
    compare_losses,
    compare_rmse,
    error_sums,
    mean_absolute_error,
    quantile_loss,
    rmse_functional,
    root_mean_squared_error,
)
from analyzer.stats.result import Estimate, Undefined

errors = st.lists(st.integers(-50, 50), min_size=3, max_size=40).filter(
    lambda x: len({abs(v) for v in x}) > 1
)


@given(errors, st.sampled_from([0.1, 0.5, 0.9]))
@settings(max_examples=60, deadline=None)
def test_means_are_those_of_the_rows(values: list[int], q: float) -> None:
    e = np.array(values, dtype=float)
    sums = error_sums(e[:2]) + error_sums(e[2:])
    pinball = np.maximum(q * e, (q - 1) * e)
    for found, rows in (
        (bias(sums), e),
        (mean_absolute_error(sums), np.abs(e)),
        (quantile_loss(sums, q), pinball),
    ):
        oracle = stats.ttest_1samp(rows, 0).confidence_interval()
        assert isinstance(found, Estimate)
        assert found.value == pytest.approx(rows.mean())
        expected = (oracle.low, oracle.high)
        assert (found.low, found.high) == pytest.approx(expected, rel=1e-7, abs=1e-7)
    root = root_mean_squared_error(sums)
    assert isinstance(root, Estimate)
    assert root.value == pytest.approx(np.sqrt(np.mean(e**2)))


def test_published_sampling_errors() -> None:
    # NannyML 0.13.1, tests/sampling_error/test_regression_sampling_error.py (MAE .0334, MSE
    # .028): the standard error of a chunk of 50 rows
    legacy = np.random.RandomState(1)
    legacy.random_sample(50)
    e = legacy.random_sample(10_000) - legacy.random_sample(10_000)
    sums = error_sums(e)
    absolute, root = mean_absolute_error(sums), root_mean_squared_error(sums)
    assert isinstance(absolute, Estimate)
    assert isinstance(root, Estimate)
    z = stats.t.isf(0.025, 9999)
    of_fifty = np.sqrt(10_000 / 50)
    assert (absolute.high - absolute.value) / z * of_fifty == pytest.approx(0.0334, abs=5e-5)
    log_error = np.log(root.high / root.value) / z
    assert log_error * 2 * root.value**2 * of_fifty == pytest.approx(0.028, abs=5e-5)


def test_rmse_covers() -> None:
    rng, held = np.random.default_rng(2), 0
    for _ in range(300):
        found = root_mean_squared_error(error_sums(rng.normal(0, 3, 200)), 0.9)
        held += isinstance(found, Estimate) and found.low <= 3 <= found.high
    assert 252 <= held <= 288


def test_paired() -> None:
    rng = np.random.default_rng(3)
    shared = rng.normal(0, 2, (64, 50))
    champion, challenger = shared + rng.normal(0, 0.2, (2, 64, 50)) * [[[1]], [[2]]]
    squares = (champion**2, challenger**2)
    n = np.full(64, 50)
    found = compare_rmse(*(x.sum(axis=1) for x in squares), n)
    exact = np.sqrt(squares[1].mean()) - np.sqrt(squares[0].mean())
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(exact)
    without = [
        np.sqrt(np.delete(squares[1], k, 0).mean()) - np.sqrt(np.delete(squares[0], k, 0).mean())
        for k in range(64)
    ]
    half = stats.t.isf(0.025, 63) * np.sqrt(63) * np.std(without)
    assert found.high - found.value == pytest.approx(half, rel=0.03)
    d = (np.abs(challenger) - np.abs(champion)).ravel()
    loss = compare_losses(Sums(len(d), float(d.sum()), float(d @ d)))
    assert isinstance(loss, Estimate)
    assert loss.value == pytest.approx(d.mean())


def test_what_cannot_be_said() -> None:
    assert isinstance(bias(error_sums([1.0])), Undefined)
    assert isinstance(root_mean_squared_error(error_sums([1.0])), Undefined)
    assert isinstance(root_mean_squared_error(error_sums([0.0, 0.0])), Undefined)
    assert isinstance(rmse_functional([0.0, 3.0]), Undefined)
    assert isinstance(rmse_functional([0.0, 0.0]), Undefined)
    assert isinstance(compare_rmse([0, 0], [1, 1], [1, 1]), Undefined)
    assert isinstance(compare_rmse([1, 1], [0, 0], [1, 1]), Undefined)
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile_loss(error_sums([1.0, 2.0]), 1.0)
