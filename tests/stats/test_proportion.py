import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analyzer.stats.proportion import (
    bernoulli_sequence,
    clopper_pearson,
    detectable_rate,
    effective,
    requests_needed,
)
from analyzer.stats.result import Estimate, Undefined

# gostevehoward/confseq test/uniform_boundaries_unittest.cpp (abs 2e-6)
CONFSEQ = [
    (700, 1000, 100, 0.651629, 0.745949),
    (15, 50, 50, 0.129556, 0.511896),
    (5, 50, 50, 0.013021, 0.269264),
    (1, 50, 50, 0, 0.13489),
    (1, 2, 50, 0, 1),
    (0, 1, 50, 0, 1),
    (100, 200, 1, 0.328923, 0.671076),
]


@pytest.mark.parametrize(("k", "n", "t_opt", "low", "high"), CONFSEQ)
def test_confseq(k: int, n: int, t_opt: float, low: float, high: float) -> None:
    found = bernoulli_sequence(k, n, 0.05, t_opt)
    assert isinstance(found, Estimate)
    assert found.low == pytest.approx(low, abs=2e-6)
    assert found.high == pytest.approx(high, abs=2e-6)


@pytest.mark.parametrize(("k", "n"), [(0, 1e9), (1e9, 1e9), (1, 1e9), (5e8, 1e9), (0, 1), (1, 1)])
def test_sequence_survives_extremes(k: float, n: float) -> None:
    found = bernoulli_sequence(k, n)
    assert isinstance(found, Estimate)
    assert 0 <= found.low <= k / n <= found.high <= 1


@given(st.floats(0.5, 1e7), st.floats(0, 1), st.floats(10, 1e6))
@settings(max_examples=60, deadline=None)
def test_sequence_mirrors(n: float, share: float, t_opt: float) -> None:
    here, there = (bernoulli_sequence(k, n, t_opt=t_opt) for k in (share * n, n - share * n))
    assert isinstance(here, Estimate)
    assert isinstance(there, Estimate)
    assert here.low == pytest.approx(1 - there.high, abs=1e-7)
    fixed = clopper_pearson(share * n, n)
    assert isinstance(fixed, Estimate)


@given(st.integers(1, 3000), st.data())
@settings(max_examples=60, deadline=None)
def test_clopper_pearson_is_scipys(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    found, oracle = clopper_pearson(k, n), stats.binomtest(k, n).proportion_ci()
    assert isinstance(found, Estimate)
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), abs=1e-10)


def test_sequence_is_wider_than_the_fixed_interval() -> None:
    fixed, always = clopper_pearson(10, 26_000), bernoulli_sequence(10, 26_000)
    assert isinstance(fixed, Estimate)
    assert isinstance(always, Estimate)
    assert always.low < fixed.low
    assert fixed.high < always.high


@pytest.mark.parametrize("interval", [clopper_pearson, bernoulli_sequence])
def test_no_requests_is_undefined_and_nonsense_an_error(interval) -> None:  # type: ignore[no-untyped-def]
    assert isinstance(interval(0, 0), Undefined)
    for k, n in ((5, 4), (-1, 4), (math.nan, 4)):
        with pytest.raises(ValueError, match="not a count"):
            interval(k, n)


def test_effective() -> None:
    assert effective(10, 100, 0.5) == (10, 100)
    with pytest.raises(ValueError, match="positive"):
        effective(1, 2, 0)


def value(result: object) -> float:
    assert isinstance(result, Estimate), result
    return result.value


def test_requests_needed_as_printed() -> None:
    assert round(value(requests_needed(0.0005, 0.001)), -3) == 26_000
    assert value(requests_needed(0.0008, 0.001)) == pytest.approx(185_000, rel=0.01)
    assert value(requests_needed(0.0, 0.001)) == 3688
    always = requests_needed(0.0005, 0.001, always_valid=True)
    assert round(value(always), -3) == 42_000


def test_requests_needed_has_the_power_between_its_ends() -> None:
    found = requests_needed(0.0005, 0.001)
    assert isinstance(found, Estimate)

    def power(n: int) -> float:
        k = int(stats.binom.ppf(0.025, n, 0.001))
        k = k - 1 if stats.binom.cdf(k, n, 0.001) >= 0.025 else k
        return float(stats.binom.cdf(k, n, 0.0005))

    assert max(power(n) for n in range(20_000, int(found.low), 50)) < 0.8
    assert min(power(n) for n in range(int(found.high), 40_000, 50)) > 0.8


def test_requests_needed_cannot_say() -> None:
    assert isinstance(requests_needed(0.001, 0.001), Undefined)
    assert isinstance(requests_needed(0.0009999999, 0.001), Undefined)
    with pytest.raises(ValueError, match="shares"):
        requests_needed(0.05, 10)


def test_detectable_rate_is_found_with_its_power() -> None:
    rate = value(detectable_rate(26_000, 0.001))
    fewest = next(k for k in range(26, 80) if clopper_pearson(k, 26_000).low > 0.001)  # type: ignore[union-attr]
    assert stats.binom.sf(fewest - 1, 26_000, rate) == pytest.approx(0.9)
    assert value(detectable_rate(26_000, 0.001, always_valid=True)) > rate
    assert isinstance(detectable_rate(0, 0.001), Undefined)
    assert isinstance(detectable_rate(3, 0.5), Undefined)
