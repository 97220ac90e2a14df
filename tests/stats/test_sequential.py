import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.stats.laws import norm_isf
from analyzer.stats.paired import Sums
from analyzer.stats.result import Estimate, Undefined
from analyzer.stats.sequential import (
    always_valid_lift,
    always_valid_p,
    any_time_confidence,
    gamma_exponential_log_mixture,
    gamma_exponential_mixture_bound,
    gamma_poisson_log_mixture,
    gamma_poisson_mixture_bound,
    hourly_look,
    lift,
    normal_log_mixture,
    normal_mixture_bound,
    spend,
    two_sided_radius,
    two_sided_rho,
)

CONTROL, TREATMENT = Sums(3000, 1396.87, 52377.9767), Sums(3461, 2422.7, 134698.29)


def test_growthbook() -> None:  # growthbook packages/stats/tests/frequentist/test_tests.py
    both = always_valid_lift(CONTROL, TREATMENT, 1000)
    assert isinstance(both, Estimate)
    ends = (both.value, both.low, both.high)
    assert ends == pytest.approx((0.50336, -0.55844, 1.56516), abs=1e-5)
    plain = lift(CONTROL, TREATMENT)
    assert isinstance(plain, Estimate)
    assert plain.value == pytest.approx(0.5033610858562358, abs=1e-9)
    assert plain.high - plain.value == pytest.approx(0.3334122146400735, abs=1e-9)
    p = always_valid_p(plain.value, plain.high - plain.value, plain.n, 1000)
    assert isinstance(p, Estimate)
    assert p.value == 1.0
    greater = always_valid_lift(CONTROL, TREATMENT, 5000, side="greater")
    assert isinstance(greater, Estimate)
    assert greater.low == pytest.approx(-0.42356454602790883, abs=1e-9)
    assert greater.high == math.inf
    less = always_valid_lift(CONTROL, TREATMENT, 5000, relative=False, side="less")
    assert isinstance(less, Estimate)
    assert less.high == pytest.approx(0.5953217750613832, abs=1e-9)


def test_confseq_boundaries() -> None:  # confseq test/uniform_boundaries_unittest.cpp
    assert two_sided_rho(100) == pytest.approx(12.60056, abs=1e-5)
    both = normal_log_mixture(10, 100, 100, one_sided=False)
    assert both == pytest.approx(-0.6510052, abs=1e-5)
    bound = normal_mixture_bound(100, 0.05, 100, one_sided=False)
    assert bound == pytest.approx(30.35209, abs=1e-5)
    assert gamma_poisson_log_mixture(10, 100, 100, 2) == pytest.approx(-0.06991219, abs=1e-5)
    assert gamma_poisson_mixture_bound(100, 0.05, 100, 2) == pytest.approx(30.1949, abs=1e-5)
    assert normal_log_mixture(10, 100, 100) == pytest.approx(-0.06502391, abs=1e-5)
    assert normal_mixture_bound(100, 0.05, 100) == pytest.approx(27.66071, abs=1e-5)
    assert gamma_exponential_log_mixture(10, 100, 100, 2) == pytest.approx(-0.2490165, abs=1e-5)
    assert gamma_exponential_mixture_bound(100, 0.05, 100, 2) == pytest.approx(33.02017, abs=1e-5)


def test_boundaries_are_ordered_and_closed_forms_hold() -> None:
    rho = two_sided_rho(100)
    closed = math.sqrt((100 + rho) * (math.log(1 + 100 / rho) + 2 * math.log(20)))
    assert normal_mixture_bound(100, 0.05, 100, one_sided=False) == pytest.approx(closed)
    normal = normal_mixture_bound(100, 0.05, 100)
    poisson = gamma_poisson_mixture_bound(100, 0.05, 100, 2)
    assert normal < poisson < gamma_exponential_mixture_bound(100, 0.05, 100, 2)


@given(st.floats(10, 1e6), st.floats(10, 1e6), st.floats(0.1, 20))
@settings(max_examples=60, deadline=None)
def test_p_and_interval_agree(n: float, n_star: float, z: float) -> None:
    p = always_valid_p(z, 1.0, n, n_star)
    assert isinstance(p, Estimate)
    radius = two_sided_radius(1.0, n, 0.05, n_star)
    if abs(z - radius) > 1e-6:
        assert (p.value <= 0.05) == (z > radius)


def test_spending_never_exceeds_alpha() -> None:
    assert sum(spend(0.05, look) for look in range(1, 100_000)) == pytest.approx(0.05, abs=1e-6)
    with pytest.raises(ValueError, match="numbered"):
        spend(0.05, 0)


def test_cannot_say() -> None:
    assert isinstance(always_valid_lift(Sums(1, 1, 1), TREATMENT, 100), Undefined)
    assert isinstance(always_valid_lift(Sums(3, 0, 2), TREATMENT, 100), Undefined)
    assert isinstance(always_valid_lift(Sums(3, 0, 2), TREATMENT, 100, relative=False), Estimate)
    assert isinstance(always_valid_p(1, 0, 10, 10), Undefined)
    with pytest.raises(ValueError, match="side"):
        always_valid_lift(CONTROL, TREATMENT, 100, side="up")
    with pytest.raises(ValueError, match="plan"):
        always_valid_lift(CONTROL, TREATMENT, 0)


def test_a_fixed_interval_at_the_any_time_confidence_may_be_read_every_night() -> None:
    random = np.random.default_rng(3)
    nights = np.arange(7, 29)
    sums = random.normal(0, 1, (20_000, 28)).cumsum(axis=1)[:, 6:]
    far = np.abs(sums) / np.sqrt(nights)
    widths = [norm_isf((1 - any_time_confidence(n, 14)) / 2) for n in nights]
    assert widths == pytest.approx([two_sided_radius(1.0, n, 0.05, 14) for n in nights])
    assert (far > widths).any(axis=1).mean() < 0.05
    assert (far > norm_isf(0.025)).any(axis=1).mean() > 0.1  # a fixed interval does not bear it


def test_hourly_looks_before_and_after_the_shortest_duration_share_one_alpha() -> None:
    for shortest in (4, 24):
        looks = [hourly_look(hours, shortest) for hours in range(1, 2000)]
        assert len(set(looks)) == len(looks) and looks[shortest - 1] == 1
        assert sum(spend(0.05, look) for look in looks) < 0.05
