"""Classical tests of 'same distribution', on counts: shown for comparison, never as a gate.

At the sizes of production logs any of them is significant; dependence makes them worse.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from .result import Significance, Undefined


def _table(reference: ArrayLike, current: ArrayLike) -> NDArray[np.float64] | Undefined:
    table = np.array([np.asarray(x, dtype=np.float64).ravel() for x in (reference, current)])
    if not bool(np.all((table >= 0) & np.isfinite(table))):
        raise ValueError("counts must be finite and not negative")
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or bool(np.any(table.sum(axis=1) <= 0)):
        return Undefined("an empty side, or one category holds everything")
    return table


def chi2_test(reference_counts: ArrayLike, current_counts: ArrayLike) -> Significance | Undefined:
    """Chi-square test of homogeneity of the 2 x k table, no continuity correction.

    Undefined when a side is empty or one category holds everything. Pearson (1900).

    >>> r = chi2_test([16, 18, 16, 14, 12, 12], [16, 16, 16, 16, 16, 8])
    >>> round(r.statistic, 6), round(r.p, 4)
    (1.622409, 0.8985)
    """
    table = _table(reference_counts, current_counts)
    if isinstance(table, Undefined):
        return table
    found = stats.chi2_contingency(table, correction=False)
    return Significance(
        float(found.statistic),
        float(found.pvalue),
        float(found.dof),
        float(table.sum()),
        "chi-square, homogeneity",
    )


def chi2_fit(reference_counts: ArrayLike, current_counts: ArrayLike) -> Significance | Undefined:
    """Chi-square of current counts against reference shares taken as known (Evidently).

    Expected = reference scaled to the current total. Undefined as `chi2_test` and when a current
    category is absent from the reference: one unseen category would drive p to 0.

    >>> round(chi2_fit([16, 18, 16, 14, 12, 12], [16, 16, 16, 16, 16, 8]).p, 5)
    0.67309
    """
    return _fit(reference_counts, current_counts, "pearson", "chi-square, goodness of fit")


def g_test(reference_counts: ArrayLike, current_counts: ArrayLike) -> Significance | Undefined:
    """Likelihood-ratio test 2 sum O ln(O / E) of current counts against reference shares.

    E is the reference scaled to the current total. Undefined as `chi2_fit`.
    Sokal and Rohlf (1981), *Biometry*.

    >>> round(g_test([5, 5, 8], [4, 6, 8]).p, 4)
    0.8176
    """
    return _fit(reference_counts, current_counts, "log-likelihood", "G, goodness of fit")


def _fit(
    reference: ArrayLike, current: ArrayLike, power: str, method: str
) -> Significance | Undefined:
    table = _table(reference, current)
    if isinstance(table, Undefined):
        return table
    if bool(np.any(table[0] == 0)):
        return Undefined("a category of the current window is unseen in the reference")
    expected = table[0] * (table[1].sum() / table[0].sum())
    found = stats.power_divergence(table[1], expected, lambda_=power)
    return Significance(
        float(found.statistic),
        float(found.pvalue),
        table.shape[1] - 1.0,
        float(table[1].sum()),
        method,
    )


def fisher_exact(
    reference_counts: ArrayLike, current_counts: ArrayLike
) -> Significance | Undefined:
    """Fisher's exact two-sided test of a 2 x 2 table.

    The statistic is the difference of the first category's shares, reference minus current (an
    odds ratio may be infinite). Undefined unless there are exactly two categories and rows on
    both sides. Fisher (1935).

    >>> round(fisher_exact([45, 45], [30, 60]).p, 4)
    0.034
    """
    table = _table(reference_counts, current_counts)
    if isinstance(table, Undefined):
        return table
    if table.shape[1] != 2:
        return Undefined(f"{table.shape[1]} categories, Fisher's test here takes 2")
    _, p = stats.fisher_exact(np.round(table).astype(np.int64))
    shares = table[:, 0] / table.sum(axis=1)
    return Significance(
        float(shares[0] - shares[1]), float(p), 0.0, float(table.sum()), "Fisher exact, two-sided"
    )


def two_proportions(k_a: float, n_a: float, k_b: float, n_b: float) -> Significance | Undefined:
    """z = (p_a - p_b) / sqrt(p (1-p) (1/n_a + 1/n_b)) with the pooled p, two-sided.

    Undefined when a side is empty or the pooled rate is 0 or 1. Fleiss (1981), 2.

    >>> r = two_proportions(235, 2435, 157, 2435)
    >>> round(r.statistic, 6), round(r.p, 8)
    (4.108412, 3.984e-05)
    """
    if n_a <= 0 or n_b <= 0:
        return Undefined("no rows on one side")
    pooled = (k_a + k_b) / (n_a + n_b)
    if not 0 < pooled < 1:
        return Undefined("no variance: the pooled rate is 0 or 1", n_a + n_b)
    z = (k_a / n_a - k_b / n_b) / math.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b))
    return Significance(z, 2 * float(stats.norm.sf(abs(z))), 0.0, n_a + n_b, "two proportions, z")


def ks_test(reference: ArrayLike, current: ArrayLike) -> Significance | Undefined:
    """Two-sample Kolmogorov-Smirnov test on rows: D and its two-sided p (exact up to 10,000).

    Undefined when a side is empty. Hodges (1958), Ark. Mat. 3; scipy.

    >>> round(ks_test([1, 2, 3, 4], [3, 4, 5, 6]).statistic, 3)
    0.5
    """
    x = np.asarray(reference, dtype=np.float64).ravel()
    y = np.asarray(current, dtype=np.float64).ravel()
    if len(x) == 0 or len(y) == 0:
        return Undefined("no rows on one side")
    found = stats.ks_2samp(x, y)
    return Significance(
        float(found.statistic),
        float(found.pvalue),
        0.0,
        float(min(len(x), len(y))),
        "Kolmogorov-Smirnov, two-sided",
    )
