"""Population stability index: the value, its null law, its interval and its dependence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import chndtr

from .laws import chi2_isf, chi2_sf
from .proportion import clopper_pearson
from .result import Estimate, Result, Undefined, estimate, point

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Psi:
    """PSI as it stands, less its expectation under no drift, and what it was computed on."""

    raw: float
    debiased: float
    cells: int
    n_reference: float
    n_current: float


def _occupied(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats]:
    """Both count vectors without the cells that are empty on both sides."""
    p = np.asarray(reference, dtype=np.float64).ravel()
    q = np.asarray(current, dtype=np.float64).ravel()
    if p.shape != q.shape or not bool(np.all((p >= 0) & (q >= 0) & np.isfinite(p + q))):
        raise ValueError("reference and current need one non-negative count per cell each")
    held = (p > 0) | (q > 0)
    return p[held], q[held]


def psi_of_shares(p: ArrayLike, q: ArrayLike, empty_share: float = 1e-4) -> float:
    """PSI of two vectors of shares, an empty share replaced and nothing renormalised.

    sum (q - p) ln(q / p). The convention of several drift tools (feature_engine, Evidently).

    >>> round(psi_of_shares([1, 0], [0, 1]), 6)
    18.418839
    """
    a, b = (np.asarray(x, dtype=np.float64) for x in (p, q))
    a, b = np.where(a == 0, empty_share, a), np.where(b == 0, empty_share, b)
    return float(np.sum((b - a) * np.log(b / a)))


def psi(
    reference_counts: ArrayLike, current_counts: ArrayLike, smoothing: float = 0.5
) -> Psi | Undefined:
    """Population stability index of two count vectors over the same cells.

    sum (q_b - p_b) ln(q_b / p_b), shares smoothed on counts: (c + s) / (n + s B); a cell empty
    on both sides is dropped. `debiased` = raw - (B-1)(1/N + 1/M): without drift
    PSI / (1/N + 1/M) is chi-square with B-1 degrees of freedom. Undefined when a side is empty,
    when one cell holds everything (a constant), or when `smoothing` is 0 and a cell is empty on
    one side. Yurdakul (2018), *Statistical Properties of Population Stability Index*.

    >>> r = psi([16, 18, 16, 14, 12, 12], [16, 16, 16, 16, 16, 8], smoothing=0)
    >>> round(r.raw, 6), round(r.debiased, 6), r.cells
    (0.037218, -0.076418, 6)
    """
    p, q = _occupied(reference_counts, current_counts)
    n, m, cells = float(p.sum()), float(q.sum()), len(p)
    if n <= 0 or m <= 0:
        return Undefined("no rows on one side", min(n, m))
    if cells < 2:
        return Undefined("a constant: all rows of both sides fall in one cell", min(n, m))
    if smoothing <= 0 and bool(np.any((p == 0) | (q == 0))):
        return Undefined("a cell is empty on one side and nothing smooths it", min(n, m))
    a, b = (p + smoothing) / (n + smoothing * cells), (q + smoothing) / (m + smoothing * cells)
    raw = float(np.sum((b - a) * np.log(b / a)))
    return Psi(raw, raw - psi_null_mean(cells, n, m), cells, n, m)


def psi_null_mean(cells: int, n_reference: float, n_current: float, deff: float = 1.0) -> float:
    """Expectation of PSI without drift: deff (B-1)(1/N + 1/M).

    >>> round(psi_null_mean(10, 1000, 1000), 6)
    0.018
    """
    return deff * (cells - 1) * (1 / n_reference + 1 / n_current)


def psi_p(
    raw: float, cells: int, n_reference: float, n_current: float, deff: float = 1.0
) -> Result:
    """Chance of a PSI at least this large without drift: P(chi2_{B-1} >= PSI/(deff (1/N+1/M))).

    Optimistic on real logs, whose hours differ: use `empirical_p` where past windows exist.
    Undefined with fewer than two cells or an empty side. Yurdakul (2018).

    >>> round(psi_p(0.1, 10, 100, 100).value, 3)
    0.834
    """
    if cells < 2 or n_reference <= 0 or n_current <= 0:
        return Undefined("PSI needs two cells and rows on both sides")
    unit = deff * (1 / n_reference + 1 / n_current)
    return point(
        chi2_sf(raw / unit, cells - 1),
        min(n_reference, n_current),
        f"chi-square with {cells - 1} degrees of freedom",
    )


def psi_critical(
    cells: int, n_reference: float, n_current: float, alpha: float = 0.05, deff: float = 1.0
) -> Result:
    """The PSI that chance alone exceeds with probability alpha. Undefined as `psi_p`.

    deff (1/N + 1/M) times the chi-square quantile with B-1 degrees of freedom. Yurdakul (2018).

    >>> round(psi_critical(10, 1000, 1000).value, 6)
    0.033838
    """
    if cells < 2 or n_reference <= 0 or n_current <= 0:
        return Undefined("PSI needs two cells and rows on both sides")
    unit = deff * (1 / n_reference + 1 / n_current)
    return point(
        unit * chi2_isf(alpha, cells - 1),
        min(n_reference, n_current),
        f"chi-square quantile {1 - alpha:.1%}",
    )


def _noncentrality(x: float, df: int, probability: float) -> float:
    """The noncentrality under which P(X <= x) = probability; 0 when none is that small."""

    def excess(root: float) -> float:
        return float(chndtr(x, df, root * root)) - probability

    if excess(0.0) <= 0:
        return 0.0
    end = math.sqrt(x) + 6.0
    return float(brentq(excess, 0.0, end, xtol=1e-10)) ** 2


def psi_interval(
    reference_counts: ArrayLike,
    current_counts: ArrayLike,
    deff: float = 1.0,
    alpha: float = 0.05,
    smoothing: float = 0.5,
) -> Result:
    """Debiased PSI with a two-sided interval, from the noncentral chi-square law.

    X = PSI / u, u = deff (1/N + 1/M), has B-1 degrees of freedom and noncentrality
    (true PSI) / u: the ends are u times the noncentralities at which P(X' <= X) is 1 - alpha/2
    and alpha/2. The value is max(PSI - (B-1) u, 0), since the true PSI is never negative; both
    ends may be 0 when X is smaller than chance makes it. A one-sided bound at level alpha is the
    end of the interval with 2 alpha. Good for the small shifts that limits concern. Undefined as
    `psi`. Yurdakul (2018); Patnaik (1949), Biometrika 36.

    >>> current = [50, 70, 80, 90, 100, 110, 120, 120, 130, 130]
    >>> r = psi_interval([100] * 10, current, alpha=0.10, smoothing=0)
    >>> round(r.value, 5), round(r.low, 5), round(r.high, 5)
    (0.05686, 0.02639, 0.10243)
    """
    found = psi(reference_counts, current_counts, smoothing)
    if isinstance(found, Undefined):
        return found
    unit = max(deff, 1.0) * (1 / found.n_reference + 1 / found.n_current)
    df, x = found.cells - 1, found.raw / unit
    low, high = (unit * _noncentrality(x, df, p) for p in (1 - alpha / 2, alpha / 2))
    value = min(max(found.raw - df * unit, 0.0, low), high)
    return estimate(
        value,
        low,
        high,
        1 / (1 / found.n_reference + 1 / found.n_current),
        f"noncentral chi-square, {found.cells} cells, deff {max(deff, 1.0):.3g}",
    )


def psi_design_effect(reference_block_counts: ArrayLike, current_block_counts: ArrayLike) -> Result:
    """How many times PSI's null exceeds that of independent rows: first-order Rao-Scott.

    K paired blocks (row k of both K x B tables: the same hours of the day in two windows).
    D_c = q_c - p_c; V_cc its variance by delete-one-block jackknife of both tables at once;
    deff = sum_c V_cc / (p_c (1/N + 1/M)) / (B - 1), p_c the pooled share, never below 1. What
    the hours share cancels in the difference. Chi-square interval with K-1 degrees of freedom;
    `n` is K. Undefined with fewer than two non-empty blocks, fewer than two cells, or when one
    block holds a whole side. Rao and Scott (1981), JASA 76.

    >>> r = psi_design_effect([[90, 10], [50, 50], [10, 90]], [[50, 50], [50, 50], [50, 50]])
    >>> round(r.value, 2), r.n
    (32.0, 3.0)
    """
    ref = np.atleast_2d(np.asarray(reference_block_counts, dtype=np.float64))
    cur = np.atleast_2d(np.asarray(current_block_counts, dtype=np.float64))
    if ref.shape != cur.shape or ref.ndim != 2:
        raise ValueError("both tables need one row per block and one column per cell")
    rows = (ref.sum(axis=1) + cur.sum(axis=1)) > 0
    columns = (ref.sum(axis=0) + cur.sum(axis=0)) > 0
    ref, cur = ref[rows][:, columns], cur[rows][:, columns]
    blocks, cells = ref.shape
    if blocks < 2 or cells < 2:
        return Undefined(f"{blocks} non-empty blocks and {cells} cells, 2 needed of each", blocks)
    ref_rest, cur_rest = ref.sum(axis=0) - ref, cur.sum(axis=0) - cur
    n_rest, m_rest = ref_rest.sum(axis=1), cur_rest.sum(axis=1)
    if not (bool(np.all(n_rest > 0)) and bool(np.all(m_rest > 0))):
        return Undefined("one block holds all rows of a side", blocks)
    differences = cur_rest / m_rest[:, None] - ref_rest / n_rest[:, None]
    spread = differences - differences.mean(axis=0)
    variances = (blocks - 1) / blocks * np.sum(spread**2, axis=0)
    n, m = float(ref.sum()), float(cur.sum())
    pooled = (ref.sum(axis=0) + cur.sum(axis=0)) / (n + m)
    found = float(np.sum(variances / pooled)) / (1 / n + 1 / m) / (cells - 1)
    df = blocks - 1
    low, high = (max(1.0, found * df / chi2_isf(tail, df)) for tail in (0.025, 0.975))
    value = max(1.0, found)
    return estimate(
        value,
        min(low, value),
        max(high, value),
        blocks,
        f"Rao-Scott over {blocks} paired blocks, {cells} cells",
    )


def decile_cells(fine_counts_reference: ArrayLike, bins: int = 10) -> NDArray[np.int64]:
    """Where to cut ordered fine bins so that the frozen reference falls into even cells.

    The indexes e_1 < e_2 < ... of the fine bins that open a new cell: for each of the bins - 1
    quantiles the cut whose cumulative count is nearest (the lower on a tie). Ends are open, ties
    collapse, and a cut with nothing of the reference on one side is left out, so a constant
    reference has no cut. The real number of cells is len(cuts) + 1.
    Siddiqi (2006), *Credit Risk Scorecards*.

    >>> decile_cells([10] * 20).tolist()
    [2, 4, 6, 8, 10, 12, 14, 16, 18]
    >>> decile_cells([70, 10, 10, 10]).tolist()
    [1, 2, 3]
    """
    counts = np.asarray(fine_counts_reference, dtype=np.float64).ravel()
    total = float(counts.sum())
    if bins < 2 or total <= 0:
        return np.zeros(0, dtype=np.int64)
    cumulative = np.concatenate(([0.0], np.cumsum(counts)))
    targets = total * np.arange(1, bins) / bins
    after = np.clip(np.searchsorted(cumulative, targets, side="left"), 1, len(counts))
    nearer = targets - cumulative[after - 1] <= cumulative[after] - targets
    cuts = np.unique(np.where(nearer, after - 1, after))
    inside = (cumulative[cuts] > 0) & (cumulative[cuts] < total)
    kept: NDArray[np.int64] = cuts[inside].astype(np.int64)
    return kept


def regroup(counts: ArrayLike, edges: ArrayLike) -> Floats:
    """Counts of fine bins added up into the cells that `decile_cells` cut (last axis).

    >>> regroup([1, 2, 3, 4], [1, 3]).tolist()
    [1.0, 5.0, 4.0]
    """
    fine = np.asarray(counts, dtype=np.float64)
    cuts = np.asarray(edges, dtype=np.int64).ravel()
    if fine.shape[-1] == 0 or (len(cuts) and (cuts[0] <= 0 or cuts[-1] >= fine.shape[-1])):
        raise ValueError("cuts must lie strictly inside the fine bins")
    if bool(np.any(np.diff(cuts) <= 0)):
        raise ValueError("cuts must increase")
    grouped: Floats = np.add.reduceat(fine, np.concatenate(([0], cuts)), axis=-1)
    return grouped


MINIMUM_NULL_WINDOWS = 28


def null_ratio(value: float, null_values: ArrayLike) -> Result:
    """A feature's PSI in units of its own quiet past: value / median(null PSI).

    Undefined without past windows or when their median is not positive.

    >>> null_ratio(0.06, [0.01, 0.02, 0.03]).value
    3.0
    """
    past = np.asarray(null_values, dtype=np.float64).ravel()
    if len(past) == 0:
        return Undefined("no past windows")
    centre = float(np.median(past))
    if not centre > 0:
        return Undefined("the past windows' median is not positive", len(past))
    return point(value / centre, len(past), f"ratio to the median of {len(past)} past windows")


def empirical_p(
    ratios_null: ArrayLike | Sequence[ArrayLike],
    ratio: float,
    windows: int | None = None,
    minimum_windows: int = MINIMUM_NULL_WINDOWS,
) -> Result:
    """How often quiet windows reached such a ratio: (1 + #{null >= ratio}) / (1 + #null).

    `ratios_null` are `null_ratio`s of past clean windows pooled over features: one flat vector,
    or a features x windows table. `windows` is the number of windows behind each feature
    (default: the table's second axis, or the vector's length). The interval is
    Clopper-Pearson's on the rank. Undefined("ranking only") with fewer than `minimum_windows`.
    Phipson and Smyth (2010), Stat. Appl. Genet. Mol. Biol. 9.

    >>> empirical_p(np.arange(99.0), 97.5).value
    0.02
    """
    null = np.asarray(ratios_null, dtype=np.float64)
    seen = windows if windows is not None else (null.shape[-1] if null.ndim else 0)
    null = null.ravel()
    if seen < minimum_windows or not bool(np.all(np.isfinite(null))):
        return Undefined("ranking only", seen)
    reached = int(np.sum(null >= ratio)) + 1
    return _rank_interval(reached, len(null) + 1)


def _rank_interval(reached: int, total: int) -> Result:
    found = clopper_pearson(reached, total)
    if isinstance(found, Undefined):
        return found
    return Estimate(found.value, found.low, found.high, total, f"rank among {total - 1} ratios")
