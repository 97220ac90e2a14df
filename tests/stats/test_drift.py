"""Published values: each row names its upstream test; the rest are definitions and invariances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from analyzer.stats import drift
from analyzer.stats.result import Estimate, Significance, Undefined

SIX = ([16, 18, 16, 14, 12, 12], [16, 16, 16, 16, 16, 8])
RAMP = (np.arange(100), np.arange(50, 150))
EIGHT = [38.7, 41.5, 43.8, 44.5, 45.5, 46.0, 47.7, 58.0]
OTHER = [39.2, 39.3, 39.7, 41.4, 41.8, 42.9, 43.3, 45.8]
TENTHS = [50, 70, 80, 90, 100, 110, 120, 120, 130, 130]


def value(result: object) -> float:
    assert isinstance(result, Estimate), result
    return result.value


def significance(result: object) -> Significance:
    assert isinstance(result, Significance), result
    return result


def index(result: object) -> drift.Psi:
    assert isinstance(result, drift.Psi), result
    return result


def test_evidently_stattests() -> None:  # evidentlyai/evidently tests/stattests/test_stattests.py
    assert significance(drift.g_test([5, 5, 8], [4, 6, 8])).p == pytest.approx(0.8176, abs=1e-3)
    assert significance(drift.chi2_fit(*SIX)).p == pytest.approx(0.67309, abs=1e-5)
    fisher = [([45, 45], [30, 60], 0.033), ([2, 4], [2, 4], 1.0), ([6, 0], [0, 6], 0.0021)]
    for reference, current, p in fisher:
        assert significance(drift.fisher_exact(reference, current)).p == pytest.approx(p, abs=1e-3)
    shifted = np.array(EIGHT) + 5
    assert value(drift.energy_distance(*drift.tally(EIGHT, EIGHT))) == pytest.approx(0, abs=1e-5)
    energy = value(drift.energy_distance(*drift.tally(EIGHT, shifted)))
    assert energy == pytest.approx(1.9332614929181204, abs=1e-12)
    for current, tvd in (
        ([16, 16, 16, 16, 16, 8], 0.06818181818181819),
        ([10, 10, 24, 24, 10, 10], 0.20454545454545453),
        ([0, 0, 0, 0, 0, 88], 0.8636363636363635),
    ):
        assert value(drift.total_variation(SIX[0], current)) == pytest.approx(tvd, abs=1e-12)


def test_nannyml_univariate() -> None:  # NannyML tests/drift/test_univariate_drift_methods.py
    assert round(value(drift.l_infinity([2, 2, 2], [0, 5, 0])), 2) == 0.67
    legacy = np.random.RandomState(1)
    cells = drift.doane_cells(legacy.normal(0, 1, 10000), legacy.normal(0, 1, 1000))
    assert value(drift.js_distance(*cells)) == pytest.approx(0.04723640867484648, abs=1e-12)
    shares = ([0.2456, 0.2485, 0.255, 0.2509, 0.0], [0.213, 0.287, 0.247, 0.0, 0.253])
    assert value(drift.js_distance(*shares)) == pytest.approx(0.5038171420802398, abs=1e-12)
    for mean, expected in ((7, 0.9995255457975796), (-2, 0.6250207295384178)):
        legacy = np.random.RandomState(1)
        cells = drift.doane_cells(legacy.normal(0, 1, 10000), legacy.normal(mean, 1, 10000))
        assert value(drift.hellinger(*cells)) == pytest.approx(expected, abs=1e-12)
    legacy = np.random.RandomState(1)
    quasi = legacy.choice(np.linspace(0, 2, 6), 10000), legacy.choice(np.linspace(0, 2, 3), 1000)
    found = value(drift.hellinger(*drift.doane_cells(*quasi)))
    assert found == pytest.approx(0.719157109887117, abs=1e-12)
    legacy = np.random.RandomState(1)
    far = drift.tally(legacy.normal(0, 1, 100_000), legacy.normal(-4, 1, 1000))
    assert value(drift.wasserstein(*far)) == pytest.approx(3.986647116753284, abs=1e-12)
    legacy = np.random.RandomState(1)
    sides = drift.tally(legacy.normal(0, 1, 10000), legacy.normal(1, 1, 1000))
    assert value(drift.wasserstein(*sides)) == pytest.approx(1.0114449430265402, abs=1e-12)


def test_nannyml_ks_per_chunk() -> None:  # NannyML tests/drift/test_drift.py
    f1 = np.random.RandomState(167).randn(20160)
    f1[15120:] += 0.6
    found = [drift.ks_statistic(*drift.tally(f1[:10080], c)[1:]) for c in f1.reshape(5, -1)]
    exact = [
        0.008829365079365048,
        0.007886904761904734,
        0.015178571428571375,
        0.06502976190476184,
        0.2535218253968254,
    ]
    assert [value(f) for f in found] == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize(
    ("history", "centre", "below", "above", "band"),
    [
        ([-1, 1, 1, 1], "min", 2, None, (-2.732050807568877, None)),
        (range(30), "median", 1.4, 2, (2.382381972241136, 31.81088289679838)),
        ([-1, -0.5, 0, 0.5, 1], "mean", 0, 0, (0, 0)),
    ],
)  # NannyML tests/test_thresholds.py
def test_std_band(history, centre, below, above, band) -> None:  # type: ignore[no-untyped-def]
    assert drift.std_band(list(history), centre, below, above) == pytest.approx(band, abs=1e-12)
    assert isinstance(drift.std_band([1.0]), Undefined)
    with pytest.raises(ValueError, match="centre"):
        drift.std_band([1, 2], "mode")


def test_cramers_v() -> None:  # deepchecks tests/utils/drift_test.py
    table = [
        ([200, 800], [400, 600], 0.2160257918350864),
        ([1000, 0], [0, 1000], 0.9989994992488733),
        ([200, 800, 100], [400, 600, 0], 0.30240811588221844),
        (*SIX, 0.0),
    ]
    for reference, current, expected in table:
        assert value(drift.cramers_v(reference, current)) == pytest.approx(expected, abs=1e-12)
    assert isinstance(drift.cramers_v([5], [6]), Undefined)


def test_psi_conventions() -> None:  # feature_engine test_drop_high_psi_features.py, and derived
    assert drift.psi_of_shares([1, 0], [0, 1]) == pytest.approx(18.41883867587797, abs=1e-12)
    assert drift.psi_of_shares([0.5, 0.5], [0.5, 0.5]) == 0
    assert value(drift.psi_pooled_sturges(*RAMP)) == pytest.approx(7.414532745869386, abs=1e-12)
    assert value(drift.psi_quantile(*RAMP, bins=5)) == pytest.approx(3.734537005628603, abs=1e-12)
    assert isinstance(drift.psi_quantile([1, 1, 1], [1, 2]), Undefined)
    assert isinstance(drift.psi_pooled_sturges([], [1, 2]), Undefined)


def test_six_categories_and_ramp() -> None:  # derived from the definitions
    assert index(drift.psi(*SIX, smoothing=0)).raw == pytest.approx(0.037218381577290835, abs=1e-12)
    assert value(drift.js_distance(*SIX)) == pytest.approx(0.08173421330573756, abs=1e-12)
    assert value(drift.l_infinity(*SIX)) == pytest.approx(0.04545454545454547, abs=1e-12)
    chi2 = significance(drift.chi2_test(*SIX)).statistic
    assert chi2 == pytest.approx(1.6224089635854342, abs=1e-12)
    sides = drift.tally(*RAMP)
    normalised = value(drift.wasserstein_normalised(*sides, by="std"))
    assert normalised == pytest.approx(1.7321374166049877, abs=1e-12)
    assert value(drift.ks_statistic(*sides[1:])) == pytest.approx(0.5, abs=1e-12)
    assert value(drift.wasserstein(*drift.tally(EIGHT, OTHER))) == pytest.approx(4.1625, abs=1e-12)
    ks = significance(drift.ks_test(EIGHT, OTHER))
    assert (ks.statistic, ks.p) == pytest.approx((0.625, 0.08702408702408701), abs=1e-12)


def test_two_proportions() -> None:  # Bertrand and Mullainathan (2004), call-backs
    found = significance(drift.two_proportions(235, 2435, 157, 2435))
    assert found.statistic == pytest.approx(4.108412152434, abs=1e-9)
    assert found.p == pytest.approx(3.983886837585e-05, abs=1e-9)
    assert isinstance(drift.two_proportions(0, 5, 0, 5), Undefined)


def test_psi_null_law() -> None:  # Yurdakul (2018)
    found = index(drift.psi([100] * 10, TENTHS, smoothing=0))
    assert found.raw == pytest.approx(0.07486190346687259, abs=1e-12)
    assert found.debiased == pytest.approx(0.05686190346687259, abs=1e-12)
    assert value(drift.psi_p(found.raw, 10, 1000, 1000)) == pytest.approx(2.2043e-05, abs=1e-9)
    assert value(drift.psi_p(found.raw, 10, 100, 100)) == pytest.approx(0.927493, abs=1e-6)
    assert value(drift.psi_p(0.1, 30, 500, 500)) == pytest.approx(0.678, abs=1e-3)
    one_sided = drift.psi_interval([100] * 10, TENTHS, alpha=0.10, smoothing=0)
    assert isinstance(one_sided, Estimate)
    assert one_sided.low == pytest.approx(0.0263879, abs=1e-6)
    table = [(10, 500, 0.067676), (10, 10_000, 0.003384), (10, 10**6, 3.4e-05), (20, 500, 0.120574)]
    for cells, n, critical in table:
        assert value(drift.psi_critical(cells, n, n)) == pytest.approx(critical, abs=1e-6)
    assert isinstance(drift.psi_critical(1, 10, 10), Undefined)


def test_psi_interval_covers() -> None:
    rng = np.random.default_rng(7)
    p, q = np.full(10, 0.1), np.array(TENTHS) / 1000
    truth, hits = drift.psi_of_shares(p, q), 0
    for _ in range(300):
        found = drift.psi_interval(rng.multinomial(5000, p), rng.multinomial(5000, q))
        assert isinstance(found, Estimate)
        hits += found.low <= truth <= found.high
    assert 0.91 <= hits / 300 <= 0.99


def test_psi_interval_widens_with_dependence_and_touches_zero() -> None:
    narrow, wide = (drift.psi_interval([100] * 10, TENTHS, deff=d) for d in (1, 4))
    assert isinstance(narrow, Estimate)
    assert isinstance(wide, Estimate)
    assert wide.value < narrow.value
    assert wide.low < narrow.low
    same = drift.psi_interval([100] * 10, [100] * 10)
    assert isinstance(same, Estimate)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert isinstance(drift.psi_interval([5], [5]), Undefined)


def test_psi_cannot_say() -> None:
    assert isinstance(drift.psi([], []), Undefined)
    assert isinstance(drift.psi([0, 0], [1, 2]), Undefined)
    assert isinstance(drift.psi([9, 0], [7, 0]), Undefined)
    assert isinstance(drift.psi([9, 0], [7, 1], smoothing=0), Undefined)
    with pytest.raises(ValueError, match="count per cell"):
        drift.psi([1, 2], [1, 2, 3])


counts = st.lists(st.integers(1, 500), min_size=3, max_size=12)


@given(counts, st.data())
@settings(max_examples=60, deadline=None)
def test_order_and_scale_change_nothing(reference: list[int], data: st.DataObject) -> None:
    size = len(reference)
    current = data.draw(st.lists(st.integers(1, 500), min_size=size, max_size=size))
    shuffle = data.draw(st.permutations(range(size)))
    a, b = np.array(reference), np.array(current)
    for distance in (drift.js_distance, drift.hellinger, drift.l_infinity, drift.total_variation):
        here = value(distance(a, b))
        assert value(distance(b, a)) == pytest.approx(here, abs=1e-7)
        assert value(distance(3 * a[shuffle], b[shuffle])) == pytest.approx(here, abs=1e-7)
        assert value(distance(a, a)) == pytest.approx(0, abs=1e-7)
    assert index(drift.psi([*a, 0], [*b, 0])) == index(drift.psi(a, b))
    oracle = float(jensenshannon(a, b, 2))
    assert value(drift.js_distance(a, b)) == pytest.approx(oracle, abs=1e-7)


@pytest.mark.parametrize(
    "distance",
    [
        drift.js_distance,
        drift.kl_divergence,
        drift.hellinger,
        drift.l_infinity,
        drift.total_variation,
        drift.ks_statistic,
        drift.cramers_v,
        drift.chi2_test,
        drift.chi2_fit,
        drift.g_test,
        drift.fisher_exact,
    ],
)
def test_an_empty_side_is_undefined(distance) -> None:  # type: ignore[no-untyped-def]
    assert isinstance(distance([0, 0], [1, 2]), Undefined)
    assert isinstance(distance([1, 2], [0, 0]), Undefined)


def test_what_else_cannot_be_said() -> None:
    assert isinstance(drift.kl_divergence([1, 1], [2, 0]), Undefined)
    assert isinstance(drift.chi2_fit([4, 0], [3, 1]), Undefined)
    assert isinstance(drift.fisher_exact([1, 2, 3], [3, 2, 1]), Undefined)
    assert isinstance(drift.wasserstein([1], [0], [1]), Undefined)
    assert isinstance(drift.energy_distance([1], [1], [0]), Undefined)
    assert isinstance(drift.ks_test([], [1.0]), Undefined)
    for by in ("iqr", "std"):
        constant = drift.wasserstein_normalised([5, 6], [9, 0], [0, 9], by=by)
        assert isinstance(constant, Undefined)
    assert isinstance(drift.wasserstein_normalised([5, 6], [9, 1], [0, 9]), Undefined)
    assert value(drift.hellinger([1], [1])) == 0  # whylogs test_hellinger_single_value


def test_psi_design_effect_finds_dependence_and_no_more() -> None:
    rng = np.random.default_rng(3)
    shares = rng.dirichlet(np.full(5, 30.0), size=24)
    same = np.array([[rng.multinomial(1000, row) for row in shares] for _ in range(2)])
    assert value(drift.psi_design_effect(*same)) < 1.8
    other = np.array([rng.multinomial(1000, row) for row in rng.dirichlet(np.full(5, 30.0), 24)])
    assert value(drift.psi_design_effect(same[0], other)) > 4
    assert isinstance(drift.psi_design_effect([[1, 2]], [[2, 1]]), Undefined)
    assert isinstance(drift.psi_design_effect([[1, 2], [0, 0]], [[2, 1], [1, 1]]), Undefined)


def test_decile_cells_and_regroup() -> None:
    fine = np.random.default_rng(1).integers(0, 20, 500)
    cuts = drift.decile_cells(fine)
    cells = drift.regroup(fine, cuts)
    assert len(cells) == 10
    assert cells.sum() == fine.sum()
    assert cells.max() - cells.min() < 40
    assert drift.decile_cells([0, 50, 0]).tolist() == []
    assert drift.regroup([[1, 2, 3]], [1]).tolist() == [[1, 5]]
    with pytest.raises(ValueError, match="inside"):
        drift.regroup([1, 2], [2])


def test_empirical_p() -> None:
    null = np.linspace(0.5, 1.5, 280).reshape(10, 28)
    assert value(drift.empirical_p(null, 9.0)) == pytest.approx(1 / 281)
    assert value(drift.empirical_p(null, 0.0)) == 1
    assert drift.empirical_p(null[:, :27], 9.0) == Undefined("ranking only", 27)
    assert isinstance(drift.null_ratio(0.1, []), Undefined)
    assert isinstance(drift.null_ratio(0.1, [0.0, 0.0]), Undefined)
