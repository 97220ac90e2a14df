"""Power, multiplicity and the result types."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analyzer.stats.multiplicity import benjamini_hochberg, benjamini_yekutieli, holm
from analyzer.stats.power import sample_size, smallest_detectable_difference
from analyzer.stats.result import Estimate, Undefined, estimate


def test_sample_size_finds_what_it_promises() -> None:
    found = sample_size(4.0, 0.2, weight=0.2, r_squared=0.3, cluster_size=5, icc=0.1)
    assert isinstance(found, Estimate)
    error = math.sqrt(4.0 * 0.7 * 1.4 / (found.value * 0.2 * 0.8))
    smallest = smallest_detectable_difference(error, power=0.8)
    assert isinstance(smallest, Estimate)
    assert smallest.value == pytest.approx(0.2, rel=1e-3)
    # Fleiss (1981): two-sided 5 %, power 80 %: 7.849 var / d^2 for each of two equal arms, twice
    assert sample_size(1.0, 1.0).value == 32  # type: ignore[union-attr]


def test_power_cannot_say() -> None:
    for result in (
        sample_size(1, 0),
        sample_size(0, 1),
        sample_size(1, 1, weight=0),
        sample_size(1, 1, r_squared=1),
        smallest_detectable_difference(0),
        smallest_detectable_difference(math.inf),
    ):
        assert isinstance(result, Undefined)
    with pytest.raises(ValueError, match="shares"):
        sample_size(1, 1, alpha=5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_scipys_false_discovery_control_agrees(p: list[float]) -> None:
    for ours, method in ((benjamini_hochberg, "bh"), (benjamini_yekutieli, "by")):
        found = ours(p, 0.1)
        assert found.p == pytest.approx(stats.false_discovery_control(p, method=method))
        assert found.comparisons == len(p)
    assert np.all(holm(p).p >= benjamini_hochberg(p).p - 1e-12)


def test_holm_stops_at_the_first_failure() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005], 0.05).rejected.tolist() == [True, False, False, True]
    assert holm([], 0.05).rejected.tolist() == []
    assert benjamini_hochberg([]).comparisons == 0
    with pytest.raises(ValueError, match="p-values"):
        holm([math.nan])


def test_an_estimate_is_finite_and_inside_its_interval() -> None:
    for bad in ((math.nan, 0, 1), (math.inf, 0, math.inf), (2, 0, 1), (0, math.nan, 1)):
        with pytest.raises(ValueError, match=r"finite|outside|numbers"):
            Estimate(*bad, 1, "")
    assert Estimate(0, -math.inf, math.inf, 1, "").high == math.inf
    assert estimate(1.0, 1 + 1e-12, 2, 1, "").low == 1
    assert estimate(1.0, 0, 1 - 1e-12, 1, "").high == 1
    with pytest.raises(ValueError, match="outside"):
        estimate(1.0, 1.1, 2, 1, "")
