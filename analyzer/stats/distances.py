"""Distances between two distributions, from counts over the same cells or ordered points.

A distance is not 0 without drift and most have no simple law, so all but Kolmogorov-Smirnov
come without an interval: their ends are the statistic's whole range.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .result import Result, Undefined, describe, estimate

Floats = NDArray[np.float64]


def _counts(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats]:
    p = np.asarray(reference, dtype=np.float64).ravel()
    q = np.asarray(current, dtype=np.float64).ravel()
    if p.shape != q.shape or not bool(np.all((p >= 0) & (q >= 0) & np.isfinite(p + q))):
        raise ValueError("reference and current need one non-negative count per cell each")
    return p, q


def _shares(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats, float] | Undefined:
    p, q = _counts(reference, current)
    n, m = float(p.sum()), float(q.sum())
    if n <= 0 or m <= 0:
        return Undefined("no rows on one side", min(n, m))
    return p / n, q / m, min(n, m)


def js_distance(p_counts: ArrayLike, q_counts: ArrayLike) -> Result:
    """Jensen-Shannon distance, base 2: sqrt((KL(p|m) + KL(q|m)) / 2), m = (p + q) / 2; 0 to 1.

    Undefined when a side is empty. Endres and Schindelin (2003), IEEE Trans. Inf. Theory 49.

    >>> round(js_distance([16, 18, 16, 14, 12, 12], [16, 16, 16, 16, 16, 8]).value, 6)
    0.081734
    """
    shares = _shares(p_counts, q_counts)
    if isinstance(shares, Undefined):
        return shares
    p, q, n = shares
    middle = (p + q) / 2
    divergence = 0.0
    for side in (p, q):
        held = side > 0
        divergence += float(np.sum(side[held] * np.log2(side[held] / middle[held]))) / 2
    return describe(math.sqrt(min(max(divergence, 0.0), 1.0)), 0, 1, n, "Jensen-Shannon, base 2")


def kl_divergence(p_counts: ArrayLike, q_counts: ArrayLike) -> Result:
    """Kullback-Leibler divergence sum p ln(p / q) in nats, from reference p to current q.

    Undefined when a side is empty, or q is empty in a cell where p is not.
    Kullback and Leibler (1951), Ann. Math. Stat. 22.

    >>> round(kl_divergence([50, 50], [25, 75]).value, 6)
    0.143841
    """
    shares = _shares(p_counts, q_counts)
    if isinstance(shares, Undefined):
        return shares
    p, q, n = shares
    held = p > 0
    if bool(np.any(q[held] == 0)):
        return Undefined("a cell of the reference is empty in the current window", n)
    value = max(float(np.sum(p[held] * np.log(p[held] / q[held]))), 0.0)
    return describe(value, 0, math.inf, n, "Kullback-Leibler, nats")


def hellinger(p_counts: ArrayLike, q_counts: ArrayLike) -> Result:
    """Hellinger distance sqrt(sum (sqrt p - sqrt q)^2) / sqrt 2; 0 to 1.

    Undefined when a side is empty. Hellinger (1909), J. reine angew. Math. 136.

    >>> round(hellinger([1, 0], [1, 1]).value, 6)
    0.541196
    """
    shares = _shares(p_counts, q_counts)
    if isinstance(shares, Undefined):
        return shares
    p, q, n = shares
    value = float(np.linalg.norm(np.sqrt(p) - np.sqrt(q))) / math.sqrt(2)
    return describe(min(value, 1.0), 0, 1, n, "Hellinger")


def l_infinity(p_counts: ArrayLike, q_counts: ArrayLike) -> Result:
    """Largest change of any cell's share: max |p - q|; 0 to 1. Undefined when a side is empty.

    >>> round(l_infinity([2, 2, 2], [0, 5, 0]).value, 2)
    0.67
    """
    shares = _shares(p_counts, q_counts)
    if isinstance(shares, Undefined):
        return shares
    p, q, n = shares
    return describe(float(np.max(np.abs(p - q))), 0, 1, n, "L-infinity")


def total_variation(p_counts: ArrayLike, q_counts: ArrayLike) -> Result:
    """Share of rows that changed cells: sum |p - q| / 2; 0 to 1. Undefined when a side is empty.

    Levin, Peres, Wilmer (2009), *Markov Chains and Mixing Times*, 4.1.

    >>> round(total_variation([16, 18, 16, 14, 12, 12], [16, 16, 16, 16, 16, 8]).value, 6)
    0.068182
    """
    shares = _shares(p_counts, q_counts)
    if isinstance(shares, Undefined):
        return shares
    p, q, n = shares
    return describe(min(float(np.sum(np.abs(p - q))) / 2, 1.0), 0, 1, n, "total variation")


def ks_statistic(
    reference_counts: ArrayLike,
    current_counts: ArrayLike,
    confidence: float = 0.95,
    deff: float = 1.0,
) -> Result:
    """Largest gap between two cumulative distributions, from counts of *ordered* bins.

    D = max |F - G|; exact when each bin is one value, else a lower bound of the distance between
    the rows. The interval is D +- (e_N + e_M), e_n = sqrt(deff ln(4/a) / (2n)), a = 1 -
    confidence: Dvoretzky-Kiefer-Wolfowitz with half of a for each side. Undefined when a side is
    empty. Massart (1990), Ann. Probab. 18.

    >>> r = ks_statistic([50, 50, 0], [0, 50, 50])
    >>> r.value, round(r.low, 3), round(r.high, 3)
    (0.5, 0.204, 0.796)
    """
    p, q = _counts(reference_counts, current_counts)
    n, m = float(p.sum()), float(q.sum())
    if n <= 0 or m <= 0:
        return Undefined("no rows on one side", min(n, m))
    value = float(np.max(np.abs(np.cumsum(p) / n - np.cumsum(q) / m)))
    nats = max(deff, 1.0) * math.log(4 / (1 - confidence)) / 2
    half = math.sqrt(nats / n) + math.sqrt(nats / m)
    low, high = max(value - half, 0.0), min(value + half, 1.0)
    method = f"Kolmogorov-Smirnov, DKW {confidence:.0%}"
    return estimate(min(value, 1.0), low, high, min(n, m), method)


def _gap(x: Floats, p: Floats, q: Floats) -> tuple[Floats, Floats]:
    """F - G between neighbouring points, and how far apart those are."""
    order = np.argsort(x, kind="stable")
    differences = np.cumsum(p[order]) / p.sum() - np.cumsum(q[order]) / q.sum()
    return differences[:-1], np.diff(x[order])


def wasserstein(
    points: ArrayLike, reference_counts: ArrayLike, current_counts: ArrayLike
) -> Result:
    """Earth mover's distance W1 = integral |F - G| dx, in the unit of `points`.

    `points` are the values (or bin centres) the counts stand at. Undefined when a side is empty.
    Vallender (1974), Theory Probab. Appl. 18.

    >>> wasserstein([0, 1, 2], [1, 1, 0], [0, 1, 1]).value
    1.0
    """
    p, q = _counts(reference_counts, current_counts)
    if p.sum() <= 0 or q.sum() <= 0:
        return Undefined("no rows on one side", min(float(p.sum()), float(q.sum())))
    x = np.asarray(points, dtype=np.float64).ravel()
    gap, width = _gap(x, p, q)
    value = float(np.abs(gap) @ width)
    return describe(value, 0, math.inf, min(float(p.sum()), float(q.sum())), "Wasserstein 1")


def _weighted_iqr(x: Floats, counts: Floats) -> float:
    order = np.argsort(x)
    cumulative = np.cumsum(counts[order])
    ranks = np.searchsorted(cumulative, np.array([0.25, 0.75]) * cumulative[-1], side="left")
    low, high = x[order][ranks]
    return float(high - low)


def wasserstein_normalised(
    points: ArrayLike,
    reference_counts: ArrayLike,
    current_counts: ArrayLike,
    by: str = "iqr",
) -> Result:
    """W1 divided by the reference's spread, so that features can be compared.

    `by="iqr"`: the reference's interquartile range (inverted distribution function);
    `by="std"`: its population standard deviation, not below 0.001 (Evidently's convention).
    Undefined as `wasserstein` and for a reference without spread: a constant would multiply the
    distance by any number one likes. evidentlyai/evidently, wasserstein_distance_norm.

    >>> round(wasserstein_normalised(range(4), [1, 1, 1, 1], [0, 0, 2, 2], by="std").value, 6)
    0.894427
    """
    raw = wasserstein(points, reference_counts, current_counts)
    if isinstance(raw, Undefined):
        return raw
    if by not in ("iqr", "std"):
        raise ValueError(f"the reference's spread is 'iqr' or 'std', not {by!r}")
    x = np.asarray(points, dtype=np.float64).ravel()
    p = np.asarray(reference_counts, dtype=np.float64).ravel()
    mean = float(x @ p) / float(p.sum())
    deviation = math.sqrt(float((x - mean) ** 2 @ p) / float(p.sum()))
    spread = _weighted_iqr(x, p) if by == "iqr" else deviation
    if len(np.unique(x[p > 0])) < 2 or spread <= 0:
        return Undefined(f"the reference has no spread ({by} is 0)", raw.n)
    scale = max(spread, 0.001) if by == "std" else spread
    return describe(raw.value / scale, 0, math.inf, raw.n, f"Wasserstein 1 / reference {by}")


def energy_distance(
    points: ArrayLike, reference_counts: ArrayLike, current_counts: ArrayLike
) -> Result:
    """Energy distance sqrt(2 integral (F - G)^2 dx). Undefined when a side is empty.

    Szekely and Rizzo (2013), J. Stat. Plan. Inference 143.

    >>> round(energy_distance([0, 1], [1, 0], [0, 1]).value, 6)
    1.414214
    """
    p, q = _counts(reference_counts, current_counts)
    if p.sum() <= 0 or q.sum() <= 0:
        return Undefined("no rows on one side", min(float(p.sum()), float(q.sum())))
    x = np.asarray(points, dtype=np.float64).ravel()
    gap, width = _gap(x, p, q)
    value = math.sqrt(2 * float(gap**2 @ width))
    return describe(value, 0, math.inf, min(float(p.sum()), float(q.sum())), "energy distance")


def cramers_v(reference_counts: ArrayLike, current_counts: ArrayLike) -> Result:
    """Bias-corrected Cramer V of window against category; 0 to 1.

    The larger sample is scaled down to the smaller and rounded, empty columns dropped;
    phi2 = max(0, chi2/n - (k-1)(r-1)/(n-1)), V = sqrt(phi2 / min(r'-1, k'-1)),
    r' = r - (r-1)^2/(n-1); chi2 with Yates' correction for 2 x 2. Undefined when a side is empty
    or one category holds everything. Bergsma (2013), J. Korean Stat. Soc. 42; deepchecks.

    >>> round(cramers_v([200, 800], [400, 600]).value, 4)
    0.216
    """
    from scipy.stats import chi2_contingency  # slow to import, and only this needs it

    p, q = _counts(reference_counts, current_counts)
    n, m = float(p.sum()), float(q.sum())
    if n <= 0 or m <= 0:
        return Undefined("no rows on one side", min(n, m))
    smaller = min(n, m)
    table = np.round(np.vstack((p * smaller / n, q * smaller / m)))
    table = table[:, table.sum(axis=0) > 0]
    rows, columns, total = 2, table.shape[1], float(table.sum())
    if columns < 2 or total < 3:
        return Undefined("one category holds everything", smaller)
    phi2 = float(chi2_contingency(table).statistic) / total
    phi2 = max(0.0, phi2 - (columns - 1) * (rows - 1) / (total - 1))
    least = min(k - (k - 1) ** 2 / (total - 1) for k in (rows, columns)) - 1
    value = min(math.sqrt(phi2 / least), 1.0) if least > 0 else 0.0
    return describe(value, 0, 1, smaller, "Cramer V, bias-corrected")


def std_band(
    history: ArrayLike,
    centre: str = "mean",
    below: float | None = 2.0,
    above: float | None = 2.0,
) -> tuple[float | None, float | None] | Undefined:
    """The band centre -/+ k standard deviations (population, NaN left out) of a history.

    `centre` is mean, median, min or max; a `None` multiplier gives no limit on that side.
    Undefined with fewer than two values. NannyML, StandardDeviationThreshold.

    >>> std_band([-1, 1, 1, 1], centre="min", above=None)
    (-2.732050807568877, None)
    """
    values = np.asarray(history, dtype=np.float64).ravel()
    values = values[~np.isnan(values)]
    if len(values) < 2:
        return Undefined("fewer than two values", len(values))
    centres = {
        "mean": float(np.mean(values)),
        "median": float(np.median(values)),
        "min": float(np.min(values)),
        "max": float(np.max(values)),
    }
    if centre not in centres:
        raise ValueError(f"the centre is one of {', '.join(centres)}, not {centre!r}")
    middle, spread = centres[centre], float(np.std(values))
    low = None if below is None else middle - below * spread
    return low, None if above is None else middle + above * spread
