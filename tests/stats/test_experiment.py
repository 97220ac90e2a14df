"""Effects, sample ratio, novelty and planning: published values, other methods, simulations."""

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analyzer.stats.effect_intervals import always_valid_interval, fixed_interval, fixed_p
from analyzer.stats.effects import Effect, Ratio, effect
from analyzer.stats.novelty import daily_lifts, novelty
from analyzer.stats.planning import (
    margin_sample_size,
    mean_power,
    mean_sample_size,
    sequence_factor,
    share_power,
    share_sample_size,
    units_for_power,
)
from analyzer.stats.quantile_effects import quantile_effect
from analyzer.stats.quantiles import quantile
from analyzer.stats.rate_effects import rate_effect
from analyzer.stats.result import Estimate, Significance, Undefined
from analyzer.stats.sample_ratio import (
    Epoch,
    fixed_sample_ratio,
    log_bayes_factor,
    rate_ratio_sequence,
    sequential_sample_ratio,
    share_sequence,
)
from analyzer.stats.units import UnitMoments, moments_from_sums, moments_of


def _arm(mean: float, sd: float, n: int) -> UnitMoments:
    return UnitMoments(n, np.array([mean]), np.array([[sd**2 * (n - 1)]]))


def _growthbook() -> tuple[UnitMoments, UnitMoments]:
    return (
        moments_from_sums(3000, [1396.87], [[52377.9767]]),
        moments_from_sums(3461, [2422.7], [[134698.29]]),
    )


def test_growthbook_welch() -> None:
    # growthbook/growthbook, packages/stats/tests/frequentist: two-sided t test
    found = effect(_arm(0.41, 3.9, 3407), _arm(0.7, 6.2, 3461), Ratio(0))
    assert isinstance(found, Effect)
    interval, p = fixed_interval(found), fixed_p(found)
    assert isinstance(interval, Estimate) and isinstance(p, Significance)
    assert interval.low == pytest.approx(0.04538, abs=1e-5)
    assert interval.high == pytest.approx(0.53462, abs=1e-5)
    assert p.p == pytest.approx(0.02016, abs=1e-5)


def test_growthbook_sequences() -> None:
    # the same, sequential tests: relative two-sided, relative greater, absolute lesser
    lift = effect(*_growthbook(), Ratio(0), relative=True)
    apart = effect(*_growthbook(), Ratio(0))
    assert isinstance(lift, Effect) and isinstance(apart, Effect)
    both = always_valid_interval(lift, 1000)
    greater = always_valid_interval(lift, 5000, side="greater")
    less = always_valid_interval(apart, 5000, side="less")
    assert isinstance(both, Estimate)
    assert isinstance(greater, Estimate) and isinstance(less, Estimate)
    assert (both.low, both.high) == pytest.approx((-0.55844, 1.56516), abs=1e-5)
    assert greater.low == pytest.approx(-0.42356454602790883, abs=1e-9)
    assert less.high == pytest.approx(0.5953217750613832, abs=1e-9)


def test_growthbook_cuped_theta_is_the_slope() -> None:
    # theta 0.01864 of the pooled arms: adjusted values move by it
    rows = np.array([[2, 0.3], [1, 0.5], [5, 0.9], [3, 22.0]])
    moved = rows + np.array([0.0, 1.0])
    found = effect(moments_of(rows), moments_of(moved), Ratio(0), (Ratio(1),))
    assert isinstance(found, Effect)
    assert -found.value == pytest.approx(0.01864, abs=1e-5)


def test_growthbook_power_in_mid_experiment() -> None:
    # scaling factors 25.45703125 (fixed) and 55.66796875 (sequential, N* 5000): more units
    # wanted, over those there are, for a lift of 5 % with 80 % power
    control = moments_from_sums(500, [500], [[1500]])
    treatment = moments_from_sums(500, [525], [[1551.25]])
    found = effect(control, treatment, Ratio(0), relative=True)
    assert isinstance(found, Effect)
    fixed = (found.error * (1.959964 + 0.841621) / 0.05) ** 2
    assert fixed - 1 == pytest.approx(25.45703125, abs=5e-3)  # theirs is a bisection
    needed = units_for_power(found.error**2 * 1000 / 4, 0.05, 5000)
    assert isinstance(needed, Estimate)
    assert needed.value / 1000 - 1 == pytest.approx(55.66796875, abs=5e-3)


def test_pwr_and_gpower() -> None:
    # Champely, R package pwr, manual; G*Power 3.1 manual for 64 an arm
    assert mean_sample_size(0.5).value == pytest.approx(63.76561, abs=1e-5)  # type: ignore[union-attr]
    assert mean_power(0.5, 64, 64).value == pytest.approx(0.8014596, abs=1e-6)  # type: ignore[union-attr]
    greater = mean_power(0.6, 90, 60, side="greater")
    assert greater.value == pytest.approx(0.9737262, abs=1e-7)  # type: ignore[union-attr]
    other = math.sin(math.asin(math.sqrt(0.5)) + 0.15) ** 2  # h = 0.3
    found = share_power(0.5, other, 80, 80, side="greater")
    assert found.value == pytest.approx(0.5996777, abs=1e-7)  # type: ignore[union-attr]
    found = share_power(0.5, other, 80, 245, side="greater")
    assert found.value == pytest.approx(0.7532924, abs=1e-7)  # type: ignore[union-attr]
    n = share_sample_size(0.5, other)
    assert isinstance(n, Estimate)
    again = share_power(0.5, other, n.value, n.value)
    assert again.value == pytest.approx(0.8, abs=1e-6)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("effect", "alpha", "power", "side", "units"),
    [  # statsmodels 0.15.0, TTestIndPower.solve_power
        (0.2, 0.001, 0.9, "both", 1047.9033710199924),
        (1.5, 0.01, 0.8, "greater", 10.38724338014655),
        (0.05, 0.05, 0.8, "both", 6280.048916291407),
        (0.02, 0.01, 0.99, "both", 120158.36414128054),
        (0.01, 0.01, 0.5, "greater", 108239.24160196536),
    ],
)
def test_units_of_means_are_statsmodels(
    effect: float, alpha: float, power: float, side: Literal["both", "greater"], units: float
) -> None:
    found = mean_sample_size(effect, alpha, power, side)
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(units, rel=2e-8)


@pytest.mark.parametrize(
    ("share", "other", "alpha", "power", "side", "units"),
    [  # statsmodels 0.15.0, NormalIndPower.solve_power with proportion_effectsize
        (0.001, 0.0012, 0.05, 0.8, "both", 430320.341665584),
        (0.9, 0.95, 0.05, 0.8, "both", 423.7318628483554),
        (0.5, 0.65, 0.01, 0.95, "both", 383.7704088872189),
        (0.01, 0.5, 0.01, 0.8, "greater", 10.687058859799286),
    ],
)
def test_units_of_shares_are_statsmodels(
    share: float,
    other: float,
    alpha: float,
    power: float,
    side: Literal["both", "greater"],
    units: float,
) -> None:
    found = share_sample_size(share, other, alpha, power, side)
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(units, rel=2e-8)
    assert isinstance(share_sample_size(share, other, 0.05, 0.05), Undefined)


def test_any_plan_of_means_has_a_number() -> None:
    # far in its tails scipy's noncentral t is no number: a search for units must pass through them
    for effect_size in (0.05, 0.1, 0.5, 1.5, 3.0):
        for alpha in (1e-4, 0.001, 0.05):
            for power in (0.5, 0.8, 0.99):
                n = mean_sample_size(effect_size, alpha, power)
                assert isinstance(n, Estimate)
                again = mean_power(effect_size, n.value, n.value, alpha)
                assert isinstance(again, Estimate)
                if n.value > 2:
                    assert again.value == pytest.approx(power, abs=1e-5)
    assert mean_power(-2.0, 400, 400).value == 1.0  # type: ignore[union-attr]


def test_savvi() -> None:
    # assuncaolfi/savvi, examples Multinomial and InhomogeneousPoissonProcess, seed 1 of numpy's
    # legacy generator: stops at n = 402 and n = 210
    state = np.random.RandomState(1)
    counts = state.multinomial(1, [0.1, 0.3, 0.6], size=1000).cumsum(axis=0)
    planned = np.array([0.1, 0.4, 0.5])
    p = [math.exp(-log_bayes_factor(row, planned)) for row in counts[:402]]
    assert next(i + 1 for i, x in enumerate(p) if x <= 0.05) == 402
    assert p[-1] == pytest.approx(0.04845591105969517, abs=1e-9)
    running = sequential_sample_ratio([Epoch(counts[:402], planned)])
    assert running.value == pytest.approx(min(p), abs=1e-12)  # type: ignore[union-attr]
    rates = np.array([0.8 * math.exp(1.5), 0.2 * math.exp(2)])
    state = np.random.RandomState(1)
    events = state.multinomial(1, rates / rates.sum(), size=1500).cumsum(axis=0)
    p = [math.exp(-log_bayes_factor(row, [0.8, 0.2])) for row in events[:210]]
    assert next(i + 1 for i, x in enumerate(p) if x <= 0.05) == 210
    assert p[-1] == pytest.approx(0.045579631759249686, abs=1e-9)
    ratios = [rate_ratio_sequence(a, b, 0.2) for a, b in events[:210].tolist()]
    known = [r for r in ratios if isinstance(r, Estimate)]
    assert math.log(max(r.low for r in known)) == pytest.approx(0.00464625, abs=1e-7)
    assert math.log(min(r.high for r in known)) == pytest.approx(0.75493987, abs=1e-7)


def test_real_resumes() -> None:
    # Bertrand and Mullainathan (2004), AER 94: callbacks by name, 2,435 resumes an arm
    found = rate_effect((157, 2435), (235, 2435))
    assert isinstance(found, Effect)
    assert found.value == pytest.approx(0.032032854209, abs=1e-12)
    p = fixed_p(found)
    assert isinstance(p, Significance)
    assert p.statistic == pytest.approx(4.108412152434, abs=1e-9)
    assert p.p == pytest.approx(3.983886837585e-05, abs=1e-12)


def test_welch_is_scipys() -> None:
    rng = np.random.default_rng(3)
    one, two = rng.normal(1, 2, (40, 1)), rng.normal(1.5, 5, (25, 1))
    found = effect(moments_of(one), moments_of(two), Ratio(0))
    assert isinstance(found, Effect)
    oracle = stats.ttest_ind(two[:, 0], one[:, 0], equal_var=False)
    p = fixed_p(found)
    assert isinstance(p, Significance)
    assert (p.statistic, p.p, p.df) == pytest.approx((oracle.statistic, oracle.pvalue, oracle.df))


def test_cuped_is_regression_on_the_covariates() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(0, 1, (3000, 2))
    arm = rng.random(3000) < 0.5
    y = 0.3 * arm + x @ [1.0, -2.0] + rng.normal(0, 1, 3000)
    rows = np.column_stack((y, x))
    found = effect(moments_of(rows[~arm]), moments_of(rows[arm]), Ratio(0), (Ratio(1), Ratio(2)))
    assert isinstance(found, Effect)
    design = np.column_stack((np.ones(3000), arm, x))
    coefficients, *_ = np.linalg.lstsq(design, y, rcond=None)
    assert found.value == pytest.approx(coefficients[1], abs=2e-3)
    assert found.covariates_explain == pytest.approx(5 / 6, abs=0.02)


def test_constant_and_twin_covariates_change_nothing() -> None:
    rng = np.random.default_rng(5)
    y, x = rng.normal(size=(2, 400))
    rows = np.column_stack((y, x, 2 * x, np.ones(400)))
    one, two = moments_of(rows[:200]), moments_of(rows[200:])
    alone = effect(one, two, Ratio(0), (Ratio(1),))
    more = effect(one, two, Ratio(0), (Ratio(1), Ratio(2), Ratio(3)))
    assert isinstance(alone, Effect) and isinstance(more, Effect)
    assert (more.value, more.error) == pytest.approx((alone.value, alone.error), rel=1e-9)


def test_ratio_of_clusters_covers() -> None:
    """Rows of a unit alike: the ratio's interval holds 95 % where one over rows would not."""
    rng = np.random.default_rng(6)
    held = naive = 0
    for _ in range(400):
        rows = 1 + rng.poisson(5, 600)
        level = rng.normal(0, 1, 600)
        total = rows * level + np.sqrt(rows) * rng.normal(0, 1, 600)
        values = np.column_stack((total, rows)).astype(float)
        found = effect(moments_of(values[:300]), moments_of(values[300:]), Ratio(0, 1))
        assert isinstance(found, Effect)
        interval = fixed_interval(found)
        assert isinstance(interval, Estimate)
        held += interval.low <= 0 <= interval.high
        naive += abs(found.value) < 1.96 * math.sqrt(4 * 2 / rows.sum())
    assert 0.92 <= held / 400 <= 0.98
    assert naive / 400 < 0.8


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-5, 5)), min_size=2, max_size=30))
def test_moments_add_up(rows: list[tuple[float, float]]) -> None:
    whole = moments_of(rows)
    half = len(rows) // 2
    summed = moments_of(np.array(rows[:half]).reshape(-1, 2)) + moments_of(rows[half:])
    assert summed.n == whole.n
    assert summed.mean == pytest.approx(whole.mean, rel=1e-9, abs=1e-6)
    scale = float(np.abs(whole.scatter).max()) + 1
    assert np.abs(summed.scatter - whole.scatter).max() <= 1e-9 * scale + 1e-4


def test_sums_far_from_zero_lose_nothing() -> None:
    values = 1e9 + np.array([0.0, 1.0, 2.0])
    found = moments_from_sums(3, [values.sum()], [[float(sum(int(v) ** 2 for v in values))]])
    assert found.scatter[0, 0] == pytest.approx(2.0, abs=400)  # the double sum itself is rounded
    shifted = values - 1e9
    exact = moments_from_sums(3, [shifted.sum()], [[shifted @ shifted]])
    assert exact.scatter[0, 0] == 2.0


def test_ramps_multiply_and_do_not_alarm() -> None:
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(300):
        epochs = []
        for weight in (0.05, 0.2, 0.5):
            days = rng.multinomial(2000, [1 - weight, weight], size=5).cumsum(axis=0)
            epochs.append(Epoch(days, np.array([1 - weight, weight])))
        p = sequential_sample_ratio(epochs)
        assert isinstance(p, Estimate)
        alarms += p.value <= 0.001
    assert alarms / 300 <= 0.01
    pooled = sum(e.counts[-1] for e in epochs)
    assert fixed_sample_ratio(pooled, [0.5, 0.5]).p < 1e-9  # type: ignore[union-attr]


@pytest.mark.parametrize(("lost", "units"), [(0.1, 10_000), (0.03, 150_000), (0.01, 1_500_000)])
def test_half_of_the_losses_are_found_by_then(lost: float, units: int) -> None:
    rng = np.random.default_rng(8)
    share = (1 - lost) / (2 - lost)
    found = 0
    for _ in range(40):
        looks = rng.multinomial(units // 20, [1 - share, share], size=20).cumsum(axis=0)
        p = sequential_sample_ratio([Epoch(looks, np.array([0.5, 0.5]))])
        found += isinstance(p, Estimate) and p.value <= 0.001
    assert found >= 20


def test_rates_below_25_events_are_not_read() -> None:
    assert isinstance(rate_effect((1, 100), (0, 9900)), Undefined)
    assert isinstance(rate_effect((25, 1000), (25, 1000)), Effect)
    assert isinstance(rate_effect((24, 1000), (25, 1000)), Undefined)
    assert isinstance(rate_effect((999, 1000), (998, 1000)), Undefined)
    assert isinstance(rate_effect((0, 0), (5, 10)), Undefined)


@pytest.mark.parametrize(("weight", "rate"), [(0.5, 0.01), (0.1, 0.05)])
def test_rare_events_are_no_certain_harm(weight: float, rate: float) -> None:
    # no effect, 400 new users a day for 14 days, read every day: the delta method alone called
    # the challenger certainly worse in 20 % of such experiments
    rng = np.random.default_rng(3)
    n = 400 * np.array([1 - weight, weight]) * np.arange(1, 15)[:, None]
    harmed = read = 0
    for _ in range(200):
        events = rng.poisson(rate * n[0], (14, 2)).cumsum(axis=0)
        certain = False
        for k, units in zip(events, n, strict=True):
            arms = [
                UnitMoments(float(u), np.array([x / u]), np.array([[x - x * x / u]]))
                for x, u in zip(k, units, strict=True)
            ]
            found = effect(*arms, Ratio(0), relative=True)
            if isinstance(found, Effect):
                read += 1
                interval = always_valid_interval(found, 5600, 0.01)
                assert isinstance(interval, Estimate)
                certain |= interval.high < 0
        harmed += certain
    assert harmed <= 4
    assert read > 200


def test_a_lift_needs_a_control_above_zero() -> None:
    # a loss that shrinks from 2 to 1 is no lift of -50 %
    rng = np.random.default_rng(4)
    losing, better = (moments_of(rng.normal(mean, 1, (400, 1))) for mean in (-2.0, -1.0))
    assert isinstance(effect(losing, better, Ratio(0), relative=True), Undefined)
    apart = effect(losing, better, Ratio(0))
    assert isinstance(apart, Effect) and apart.value > 0.8
    low, high = Estimate(-7.0, -7.1, -6.9, 900, ""), Estimate(-6.0, -6.1, -5.9, 900, "")
    assert isinstance(quantile_effect(low, high, relative=True), Undefined)


def test_percentiles_of_counts_are_no_certain_harm() -> None:
    # P90 of whole numbers jumps between 5 and 6: read every day for 14 days, no effect; its
    # error by half an interval of 0.95 called 4 % of challengers certainly worse
    rng = np.random.default_rng(4)
    harmed = 0
    for _ in range(150):
        totals = rng.poisson(3, (2, 2800)) + 1.0
        certain = False
        for n in range(200, 2801, 200):
            arms = []
            for x in totals:
                value, count = np.unique(x[:n], return_counts=True)
                arms.append(quantile(value * 0.995, value * 1.005, count, 0.9, 0.99))
            found = quantile_effect(*arms, 0.99, relative=True)
            assert isinstance(found, Effect)
            certain |= always_valid_interval(found, 5600, 0.01).high < 0  # type: ignore[union-attr]
        harmed += certain
    assert harmed <= 1


def test_a_real_fall_is_still_certain() -> None:
    # 100 events where 400 were due: harm, whatever the error of no effect
    arms = [
        UnitMoments(4e4, np.array([k / 4e4]), np.array([[k - k * k / 4e4]])) for k in (400, 100)
    ]
    found = effect(*arms, Ratio(0), relative=True)
    assert isinstance(found, Effect)
    assert found.error == pytest.approx(math.sqrt(400 + 100) / 400, rel=0.01)
    assert always_valid_interval(found, 80000, 0.01).high < -0.5  # type: ignore[union-attr]


def test_nothing_is_said_of_nothing() -> None:
    empty, one = moments_of(np.zeros((0, 2))), moments_of([[1.0, 0.0]])
    some = moments_of([[1.0, 0.0], [2.0, 0.0]])
    assert isinstance(effect(empty, some, Ratio(0)), Undefined)
    assert isinstance(effect(one, some, Ratio(0)), Undefined)
    assert isinstance(effect(some, some, Ratio(0, 1)), Undefined)
    zero = moments_of([[0.0, 1.0], [0.0, 1.0]])
    assert isinstance(effect(zero, some, Ratio(0), relative=True), Undefined)
    same = effect(zero, zero, Ratio(0))
    assert isinstance(same, Effect) and isinstance(fixed_p(same), Undefined)
    assert isinstance(sequential_sample_ratio([]), Undefined)
    assert isinstance(share_sequence(0, 0, 0.5), Undefined)
    assert isinstance(rate_ratio_sequence(0, 7), Undefined)
    assert isinstance(mean_sample_size(0.0), Undefined)
    assert isinstance(share_sample_size(0.1, 0.1), Undefined)
    assert isinstance(margin_sample_size(1.0, 0.1, 0.1), Undefined)
    assert isinstance(units_for_power(1.0, 0.0, 1000), Undefined)
    assert isinstance(novelty(some, some).slope, Undefined)
    whole = Estimate(1.0, 0.0, math.inf, 9, "")
    assert isinstance(quantile_effect(whole, whole), Undefined)


def test_sequence_needs_more_than_a_single_look() -> None:
    assert 1.5 < sequence_factor(0.05, 0.8) < 2.5
    needed = units_for_power(1.0, 0.1, 3140 * sequence_factor(0.05, 0.8))
    assert isinstance(needed, Estimate)
    assert needed.value == pytest.approx(3140 * sequence_factor(0.05, 0.8), rel=1e-3)


def test_an_arm_of_weight_zero_must_be_empty() -> None:
    assert math.isinf(log_bayes_factor([5, 5], [1.0, 0.0]))
    assert fixed_sample_ratio([50, 1], [1.0, 0.0]).p == 0.0  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="arms cannot have the weights"):
        log_bayes_factor([5, 5], [1.0])


def test_a_lift_that_lasts_does_not_wear_off() -> None:
    """Units do less after the day that brought them: the difference shrinks, the lift does not."""
    rng = np.random.default_rng(9)
    usual = 10 / (1 + np.arange(10))
    control = rng.gamma(4, usual / 4, (3000, 10))
    treatment = 1.3 * rng.gamma(4, usual / 4, (3000, 10))
    found = novelty(moments_of(control), moments_of(treatment))
    assert isinstance(found.contrast, Estimate) and isinstance(found.late, Estimate)
    assert found.contrast.low < 0 < found.contrast.high
    assert found.late.value == pytest.approx(0.3, abs=0.05)
    days = daily_lifts(moments_of(control), moments_of(treatment))
    late = (treatment[:, 9].mean() / control[:, 9].mean()) - 1
    assert isinstance(days[9], Estimate) and days[9].value == pytest.approx(late)
    noise = moments_of(rng.normal(0.01, 1, (300, 10)))
    assert all(isinstance(day, Undefined) for day in daily_lifts(noise, noise))
    assert isinstance(novelty(noise, noise).contrast, Undefined)
