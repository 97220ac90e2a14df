"""Drift of many windows at once, judged by the ranks of quiet windows of the past."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtri

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class WindowPsi:
    """PSI per window, its expectation without drift, cells and rows; NaN where a side is empty."""

    raw: Floats
    expected: Floats
    cells: Ints
    n_reference: Floats
    n_current: Floats


def window_psi(reference: ArrayLike, current: ArrayLike, smoothing: float = 0.5) -> WindowPsi:
    """Population stability index of each row of two tables, windows x cells.

    As `psi.psi`, row by row: shares (c + 0.5) / (n + 0.5 B), a cell empty on both sides dropped;
    expectation (B - 1)(1/N + 1/M). Yurdakul (2018).

    >>> found = window_psi([[16, 18, 16, 14, 12, 12]], [[16, 16, 16, 16, 16, 8]])
    >>> found.raw.round(6).tolist(), found.cells.tolist()
    ([0.03451], [6])
    """
    p, q = (np.atleast_2d(np.asarray(x, dtype=np.float64)) for x in (reference, current))
    held = (p > 0) | (q > 0)
    cells = held.sum(axis=1)
    n, m = p.sum(axis=1), q.sum(axis=1)
    sound = (n > 0) & (m > 0) & (cells > 1)
    room = smoothing * cells
    with np.errstate(divide="ignore", invalid="ignore"):
        a = np.where(held, (p + smoothing) / (n + room)[:, None], 1.0)
        b = np.where(held, (q + smoothing) / (m + room)[:, None], 1.0)
        raw = np.where(sound, np.sum((b - a) * np.log(b / a), axis=1), np.nan)
        expected = np.where(sound, (cells - 1) * (1 / n + 1 / m), np.nan)
    return WindowPsi(raw, expected, cells.astype(np.int64), n, m)


def drift_scores(past: WindowPsi, current: WindowPsi) -> tuple[Floats, Floats]:
    """Scores of past and current windows of one feature that compare between features.

    PSI / expectation, in units of the past windows' median (the feature's own dependence between
    rows), read as chi-square over its degrees of freedom with B - 1 of them and turned to a normal
    score by the cube root of Wilson and Hilferty (1931), so that features with 2 and with 12 cells
    share one scale. NaN where PSI is; without past windows chance alone is the yardstick.

    >>> past = window_psi([[50, 50]] * 3, [[45, 55], [55, 45], [50, 50]])
    >>> quiet, loud = drift_scores(past, window_psi([[50, 50]], [[20, 80]]))
    >>> bool(loud[0] > quiet.max())
    True
    """
    sound = np.isfinite(past.raw)
    if not bool(np.any(sound)):
        return np.full(len(past.raw), np.nan), _normal(current, 1.0)
    df = float(np.median(past.cells[sound])) - 1
    ratios = past.raw / past.expected
    typical = np.full(len(ratios), np.nan)
    typical[sound] = medians_of_others(ratios[sound])
    chance = float(chdtri(df, 0.5)) / df
    return _normal(past, typical / chance), _normal(current, np.median(ratios[sound]) / chance)


def medians_of_others(values: ArrayLike) -> Floats:
    """The median of all other values, for each; of a single value, itself.

    A window that is part of its own yardstick looks quieter than one that is not.

    >>> medians_of_others([1.0, 2.0, 9.0]).tolist()
    [5.5, 5.0, 1.5]
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    if len(x) < 2:
        return x.copy()
    order = np.argsort(x, kind="stable")
    rank = np.empty(len(x), dtype=np.int64)
    rank[order] = np.arange(len(x))
    ordered, rest = x[order], len(x) - 1
    low, high = (ordered[place + (place >= rank)] for place in ((rest - 1) // 2, rest // 2))
    middle: Floats = (low + high) / 2
    return middle


def _normal(windows: WindowPsi, unit: Floats | float) -> Floats:
    # a median of 0 (nothing ever moved) leaves chance as the yardstick
    own = np.where(np.asarray(unit) > 0, unit, 1.0)
    df = np.maximum(windows.cells - 1, 1)
    spread = 2 / (9 * df)
    ratio = windows.raw / windows.expected / own
    scores: Floats = (np.cbrt(ratio) - (1 - spread)) / np.sqrt(spread)
    return scores


def pooled_p(past: ArrayLike, scores: ArrayLike) -> Floats:
    """How often quiet windows, pooled over features, scored as much: (1 + #{past >= s}) / (1 + #).

    NaN for a score that is NaN. Phipson and Smyth (2010), Stat. Appl. Genet. Mol. Biol. 9.

    >>> pooled_p(np.arange(99.0), [97.5, np.nan]).tolist()
    [0.02, nan]
    """
    null = np.asarray(past, dtype=np.float64).ravel()
    null = np.sort(null[np.isfinite(null)])
    values = np.asarray(scores, dtype=np.float64)
    reached = len(null) - np.searchsorted(null, values, side="left")
    p: Floats = np.where(np.isfinite(values), (1 + reached) / (1 + len(null)), np.nan)
    return p
