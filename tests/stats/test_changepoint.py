"""Change points and what they rest on: long-run sd, thresholds, baselines, shifted windows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from analyzer.stats.changepoint import ChangePoint, NotLocated, locate
from analyzer.stats.crossing import crossing_p, crossing_threshold
from analyzer.stats.longrun import LongRun, autoregression, block_means, long_run_sd
from analyzer.stats.psi import Psi, psi
from analyzer.stats.result import Undefined
from analyzer.stats.seasonal import median_variance, relative_variance, seasonal_baseline
from analyzer.stats.shifted import drift_scores, medians_of_others, pooled_p, window_psi
from analyzer.stats.stepscan import Residuals


def noise(seed: int, points: int, phi: float) -> NDArray[np.float64]:
    """Autoregressive noise of standard deviation 1."""
    draws = np.random.default_rng(seed).standard_normal(points + 100) * np.sqrt(1 - phi**2)
    series = np.zeros(points + 100)
    for i in range(1, len(series)):
        series[i] = phi * series[i - 1] + draws[i]
    return series[100:]


def residuals(values: NDArray[np.float64], history: NDArray[np.float64]) -> Residuals:
    points = len(values)
    one, none = np.ones(points), np.zeros(points, dtype=np.int64)
    return Residuals(values, one, none, 0 * one, history, 1.0, len(history))


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.6])
def test_long_run_sd_of_an_autoregression(phi: float) -> None:
    """sd sqrt((1 + phi) / (1 - phi)); taking hours for independent misses the root."""
    truth = np.sqrt((1 + phi) / (1 - phi))
    found = [long_run_sd([noise(seed, 500, phi)], 12) for seed in range(20)]
    sds = [run.sd for run in found if isinstance(run, LongRun)]
    assert len(sds) == 20
    assert np.mean(sds) == pytest.approx(truth, rel=0.07)
    assert np.std(sds) < 0.25 * truth


def test_long_run_sd_takes_blocks_where_they_vary_more() -> None:
    """Independent hours with a level that changes every two days: no short autoregression."""
    rng = np.random.default_rng(1)
    series = rng.standard_normal(960) + np.repeat(rng.normal(0, 0.7, 20), 48)
    found = long_run_sd([series], 12)
    assert isinstance(found, LongRun) and found.sd > 1.7


def test_long_run_sd_refuses() -> None:
    assert isinstance(long_run_sd([np.ones(5)], 12), Undefined)
    assert isinstance(long_run_sd([np.zeros(100)], 12), Undefined)
    assert isinstance(long_run_sd([np.full(100, np.nan)], 12), Undefined)


def test_gaps_do_not_join_what_they_part() -> None:
    whole = noise(2, 600, 0.5)
    gapped = whole.copy()
    gapped[::7] = np.nan
    assert autoregression(gapped)[0].sum() == pytest.approx(autoregression(whole)[0].sum(), abs=0.2)
    assert len(block_means(np.full(24, np.nan), 12)) == 0


@pytest.mark.parametrize("bound", [2.5, 3.0, 3.5])
def test_crossing_chance_against_simulation(bound: float) -> None:
    draws = np.random.default_rng(0).standard_normal((6000, 168)).cumsum(axis=1)
    reached = (np.abs(draws) / np.sqrt(np.arange(1, 169)))[:, 2:].max(axis=1) > bound
    assert crossing_p(bound, [(3, 168)]) == pytest.approx(reached.mean(), rel=0.25, abs=0.003)


def test_threshold_rises_with_searches_length_and_doubt() -> None:
    base = crossing_threshold([(3, 168)], 0.05)
    assert crossing_threshold([(3, 168)], 0.05, searches=8) > base + 0.5
    assert crossing_threshold([(3, 1440)], 0.05) > base
    assert crossing_threshold([(3, 168)], 0.05, df=20) > base + 0.2
    assert crossing_threshold([(3, 168)], 0.01) > base


def test_threshold_is_near_the_law_of_the_iterated_logarithm() -> None:
    """sqrt(2 ln T) + 0.5 is the usual rule; eight series at 5 % need about as much."""
    found = crossing_threshold([(3, 168)], 0.05, searches=8)
    assert found == pytest.approx(np.sqrt(2 * np.log(168)) + 0.5, abs=0.2)


def test_interval_covers() -> None:
    covered, located = 0, 0
    for seed in range(40):
        at = 40 + 2 * seed
        values = noise(seed, 168, 0.3) + 2.0 * (np.arange(168) >= at)
        found = locate(residuals(values, noise(900 + seed, 336, 0.3)), 12)
        if isinstance(found, ChangePoint):
            located += 1
            covered += found.low <= at <= found.high
    assert located >= 38
    assert covered >= 0.9 * located


def test_nulls() -> None:
    found = [
        locate(residuals(noise(seed, 168, 0.6), noise(5000 + seed, 336, 0.6)), 12)
        for seed in range(100)
    ]
    assert sum(isinstance(f, ChangePoint) for f in found) <= 5


def test_refusals_say_why() -> None:
    history = noise(1, 336, 0.0)
    flat = locate(residuals(np.zeros(100), history), 12)
    assert isinstance(flat, NotLocated) and flat.reason == "onset not located: nothing moved"
    empty = locate(residuals(np.full(100, np.nan), history), 12)
    assert isinstance(empty, NotLocated) and empty.reason.startswith("too few points")
    reasons = set()
    for seed in range(30):
        weak = noise(seed, 168, 0.6) + 0.8 * (np.arange(168) > 80)
        found = locate(residuals(weak, noise(100 + seed, 336, 0.6)), 12)
        reasons.add(found.reason.split("(")[0] if isinstance(found, NotLocated) else "")
    assert "onset not located: no shift beyond chance" in reasons
    assert any("wider than 25%" in reason for reason in reasons)


def test_median_variance_against_simulation() -> None:
    draws = np.random.default_rng(0).standard_normal((20000, 9))
    for n in range(1, 10):
        simulated = np.median(draws[:, :n], axis=1).var()
        assert median_variance(n) == pytest.approx(simulated, rel=0.04)
    assert median_variance(25) == pytest.approx(np.pi / 50)


def test_baseline_is_the_median_of_other_weeks() -> None:
    values = np.array([1.0, 10.0, 3.0, 20.0, 2.0, 90.0, 7.0, 7.0])
    season, cycle = np.tile([0, 1], 4), np.repeat(np.arange(4), 2)
    found = seasonal_baseline(values, season, cycle, np.arange(8) < 6)
    assert found.values.tolist() == [2.0, 20.0] * 4
    assert found.left_out[0] == pytest.approx((1.0 - 2.5) / np.sqrt(1.5))
    assert np.isnan(found.left_out[6:]).all()
    assert found.cycles == 3


def test_baseline_knows_what_it_never_saw() -> None:
    found = seasonal_baseline([1.0, 2.0, 3.0], [0, 1, 2], [0, 0, 1], [True, True, False])
    assert np.isnan(found.values[2]) and np.isinf(found.variance[2])


def test_relative_variance_follows_rows_only_where_they_matter() -> None:
    rng = np.random.default_rng(3)
    n = np.tile([25, 400], 400)
    by_rows = relative_variance(rng.standard_normal(800) / np.sqrt(n), n)
    alike = relative_variance(rng.standard_normal(800), n)
    assert by_rows[0] / by_rows[1] > 8
    assert alike[0] / alike[1] < 2
    assert relative_variance(np.full(5, np.nan), np.ones(5)).tolist() == [1.0] * 5


@pytest.mark.parametrize("seed", range(20))
def test_window_psi_is_psi_row_by_row(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, q = rng.integers(0, 50, (2, 6, 9)) * rng.integers(0, 2, (2, 6, 9))
    found = window_psi(p, q)
    for row in range(6):
        one = psi(p[row], q[row])
        if isinstance(one, Psi):
            assert found.raw[row] == pytest.approx(one.raw, abs=1e-12)
            assert found.raw[row] - found.expected[row] == pytest.approx(one.debiased, abs=1e-12)
            assert found.cells[row] == one.cells
        else:
            assert np.isnan(found.raw[row])


def test_scores_compare_between_features() -> None:
    """Whatever the cells, rows or dependence: a quiet feature's windows score alike."""
    rng = np.random.default_rng(7)
    for cells, rows, spread in ((2, 500, 0.0), (12, 500, 0.0), (8, 50000, 0.05)):
        shares = rng.dirichlet(np.full(cells, 20.0))
        tilt = np.exp(rng.normal(0, spread, (300, 1)) * np.linspace(-1, 1, cells))
        past = rng.poisson(rows * shares * tilt)
        reference = rng.poisson(np.tile(4 * rows * shares, (300, 1)))
        scores, _ = drift_scores(window_psi(reference, past), window_psi(reference, past))
        assert np.mean(scores) == pytest.approx(0, abs=0.1)
        assert np.quantile(scores, 0.95) == pytest.approx(1.65, abs=0.5)


def test_windows_that_overlap_are_no_yardstick_for_each_other() -> None:
    """Three copies of each window: leaving out only itself, a window is its own yardstick."""
    rng = np.random.default_rng(1)
    counts = np.repeat(rng.poisson(np.full((10, 4), 100.0)), 3, axis=0)
    past = window_psi(np.full((30, 4), 400), counts)
    group = np.arange(30) // 3
    naive, _ = drift_scores(past, past)
    honest, _ = drift_scores(past, past, group[:, None] == group[None, :])
    assert np.abs(honest).max() > np.abs(naive).max()


def test_medians_of_others_one_by_one() -> None:
    rng = np.random.default_rng(2)
    for n in (2, 3, 4, 9, 10):
        x = rng.integers(0, 5, n).astype(float)
        expected = [np.median(np.delete(x, i)) for i in range(n)]
        assert medians_of_others(x).tolist() == expected


def test_pooled_p_counts_ties_against_the_window() -> None:
    assert pooled_p([1.0, 2.0, 2.0, np.nan], [2.0]).tolist() == [0.75]
