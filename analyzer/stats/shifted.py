"""Drift of many windows at once, judged by the ranks of quiet windows of the past."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

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


def drift_scores(
    past: WindowPsi, current: WindowPsi, overlap: ArrayLike | None = None
) -> tuple[Floats, Floats]:
    """Scores of past and current windows of one feature that compare between features.

    The cube root of PSI / expectation is nearly normal (Wilson and Hilferty 1931, PNAS 17). It is
    centred and scaled by the feature's own past windows, a past one by those it does not
    `overlap` (windows x windows; default: all others), so that neither cells nor dependence
    between rows matter: hours that differ as a whole widen a feature's own past. The spread is at
    least that of independent rows, 2 / (9 (B - 1)) of the squared centre. With fewer than three
    past windows independent rows are the yardstick. NaN where PSI is.

    >>> past = window_psi([[50, 50]] * 4, [[45, 55], [55, 45], [50, 50], [48, 52]])
    >>> quiet, loud = drift_scores(past, window_psi([[50, 50]], [[20, 80]]))
    >>> bool(loud[0] > quiet.max())
    True
    """
    roots, now = (np.cbrt(w.raw / w.expected) for w in (past, current))
    sound = np.isfinite(roots)
    shared = np.eye(len(roots), dtype=bool) if overlap is None else np.asarray(overlap, bool)
    apart = np.concatenate([~shared, np.ones((1, len(roots)), bool)]) & sound
    n = apart.sum(axis=1)
    if n[-1] < 3:
        share = 2 / (9 * np.maximum(current.cells - 1, 1))
        return np.full(len(roots), np.nan), (now - (1 - share)) / np.sqrt(share)
    least = 2 / (9 * max(float(np.median(past.cells[sound])) - 1, 1.0))
    values = np.where(sound, roots, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = apart @ values / n
        spread = (apart @ values**2 - n * centre**2) / (n - 1)
        scale = np.sqrt(np.maximum(spread, least * centre**2 + 1e-12))
        return (roots - centre[:-1]) / scale[:-1], (now - centre[-1]) / scale[-1]


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
