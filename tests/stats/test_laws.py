"""The laws from scipy.special against those of scipy.stats."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analyzer.stats import laws

TAILS = [1e-8, 1e-4, 0.025, 0.3, 0.5, 0.9, 0.999]


@pytest.mark.parametrize("p", TAILS)
def test_normal(p: float) -> None:
    assert laws.norm_isf(p) == pytest.approx(stats.norm.isf(p), rel=1e-12, abs=1e-12)
    assert laws.norm_sf(laws.norm_isf(p)) == pytest.approx(p, rel=1e-9)


@pytest.mark.parametrize("p", TAILS)
@pytest.mark.parametrize("df", [1, 2.5, 10, 255, 1e6])
def test_student(p: float, df: float) -> None:
    assert laws.student_isf(p, df) == pytest.approx(stats.t.isf(p, df), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("p", TAILS)
@pytest.mark.parametrize("df", [1, 9, 49, 255])
def test_chi_square(p: float, df: float) -> None:
    assert laws.chi2_isf(p, df) == pytest.approx(stats.chi2.isf(p, df), rel=1e-9)
    assert laws.chi2_sf(df, df) == pytest.approx(stats.chi2.sf(df, df), rel=1e-12)


@pytest.mark.parametrize("n", [1, 10, 380, 10_000, 3_000_000])
@pytest.mark.parametrize("rate", [0.01, 0.5, 0.99, 0.999])
@pytest.mark.parametrize("p", [0.0125, 0.025, 0.5, 0.975])
def test_binomial_quantile(n: int, rate: float, p: float) -> None:
    assert laws.binom_ppf(p, n, rate) == stats.binom.ppf(p, n, rate)


@pytest.mark.parametrize(("n", "rate"), [(10, 0.3), (5000, 0.001), (200_000, 0.0005)])
def test_binomial_probability(n: int, rate: float) -> None:
    k = np.arange(0, min(n, 200) + 1)
    assert laws.binom_pmf(k, n, rate) == pytest.approx(stats.binom.pmf(k, n, rate), rel=1e-7)
