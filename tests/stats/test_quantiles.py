import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.stats.quantiles import quantile, requests_for_quantile, sequence_radii
from analyzer.stats.result import Estimate, Undefined


def unit_bins(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    low = np.arange(float(len(counts)))
    return low, low + 1, counts


def test_p99_needs_380_requests() -> None:
    assert requests_for_quantile(0.99) == 380
    assert requests_for_quantile(0.01) == 380
    assert isinstance(quantile(*unit_bins(np.ones(379)), 0.99), Undefined)
    assert isinstance(quantile(*unit_bins(np.ones(380)), 0.99), Estimate)
    assert isinstance(quantile(*unit_bins(np.ones(759)), 0.99, deff=2.0), Undefined)
    assert isinstance(quantile(*unit_bins(np.ones(760)), 0.99, deff=2.0), Estimate)


def test_sequence_radii() -> None:  # Howard and Ramdas (2022), beta-binomial, fixed quantile
    assert sequence_radii(0.99, 1000) == pytest.approx((0.0137, 0.0100), abs=5e-5)
    assert sequence_radii(0.99, 10_000) == pytest.approx((0.0032, 0.0028), abs=5e-5)
    assert isinstance(quantile(*unit_bins(np.ones(1000)), 0.99, always_valid=True), Undefined)


def test_always_valid_is_wider() -> None:
    fixed, always = (
        quantile(*unit_bins(np.ones(10_000)), 0.99, always_valid=a) for a in (False, True)
    )
    assert isinstance(fixed, Estimate)
    assert isinstance(always, Estimate)
    assert always.low < fixed.low < fixed.value < fixed.high < always.high
    assert (always.low, always.high) == pytest.approx((9868, 9929), abs=2)


@pytest.mark.parametrize("q", [0.5, 0.99])
def test_coverage(q: float) -> None:
    rng, truth, hits = np.random.default_rng(5), -math.log(1 - q), 0
    edges = np.linspace(0, 20, 4001)
    for _ in range(300):
        counts = np.histogram(rng.exponential(size=600), edges)[0]
        found = quantile(edges[:-1], edges[1:], counts, q)
        assert isinstance(found, Estimate)
        hits += found.low <= truth <= found.high
    assert hits / 300 >= 0.92


@given(st.lists(st.integers(0, 50), min_size=20, max_size=60), st.floats(0.05, 0.95))
@settings(max_examples=60, deadline=None)
def test_empty_bins_and_units_change_nothing(counts: list[int], q: float) -> None:
    c = np.array(counts)
    low, high, _ = unit_bins(c)
    here = quantile(low, high, c, q)
    if isinstance(here, Undefined):
        assert c.sum() < requests_for_quantile(q)
        return
    padded = quantile([*low, 1e3], [*high, 2e3], [*c, 0], q)
    assert padded == here
    scaled = quantile(8 * low, 8 * high, c, q)
    assert isinstance(scaled, Estimate)
    assert (scaled.low, scaled.value, scaled.high) == (8 * here.low, 8 * here.value, 8 * here.high)


def test_cannot_say() -> None:
    assert isinstance(quantile([], [], [], 0.5), Undefined)
    assert isinstance(quantile([0, 1], [1, math.inf], [10, 990], 0.5), Undefined)
    open_end = quantile([0, 1], [1, math.inf], [995, 5], 0.99)
    assert isinstance(open_end, Estimate)
    assert open_end.high == math.inf
    with pytest.raises(ValueError, match="order"):
        requests_for_quantile(1.0)
    with pytest.raises(ValueError, match="edge"):
        quantile([0], [1], [1, 2], 0.5)
