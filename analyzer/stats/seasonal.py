"""What a series usually is at this hour of the week, and how far clean history strays from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_MEDIAN_VARIANCE = (np.inf, 1.0, 0.5, 0.4487, 0.2982, 0.2868, 0.2147, 0.2104, 0.1682, 0.1661)
"""Variance of the median of n independent standard normals, n = 0..9 (order statistics)."""


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """Per point: what was usual, and the variance of that in units of one point's variance.

    values, variance: NaN and infinite where the season was never seen. left_out: history's own
    residuals, each cycle against the median of the *other* cycles, scaled to one point's variance;
    NaN elsewhere. cycles: how many cycles of history the typical season rests on.
    """

    values: Floats
    variance: Floats
    left_out: Floats
    cycles: int


def median_variance(n: ArrayLike) -> Floats:
    """Variance of the median of n independent standard normals; pi/2 / n beyond nine.

    Exact order-statistic values for n <= 9; Kenney and Keeping (1962), *Mathematics of Statistics*.

    >>> median_variance([1, 2, 3, 100]).round(4).tolist()
    [1.0, 0.5, 0.4487, 0.0157]
    """
    count = np.asarray(n, dtype=np.int64)
    table = np.asarray(_MEDIAN_VARIANCE)
    small = table[np.clip(count, 0, len(table) - 1)]
    large: Floats = np.where(count < len(table), small, np.pi / 2 / np.maximum(count, 1))
    return large


def seasonal_baseline(
    values: ArrayLike, season: ArrayLike, cycle: ArrayLike, history: ArrayLike
) -> Baseline:
    """The median over cycles of history (weeks, days) of each season (hour of week, of day).

    values: one per point; season and cycle: what hour and which week each point belongs to;
    history: points that may be used, their values finite. Several points of one season and cycle
    (the minutes of an hour) are averaged first. Seasons are whole numbers from 0.

    >>> history = [True, True, True, True, False, False]
    >>> b = seasonal_baseline([1, 5, 3, 7, 9, 9], [0, 1] * 3, [0, 0, 1, 1, 2, 2], history)
    >>> b.values[4:].tolist(), b.variance[4:].tolist(), b.left_out[:2].round(3).tolist()
    ([2.0, 6.0], [0.5, 0.5], [-1.414, -1.414])
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    s, c = (np.asarray(a, dtype=np.int64).ravel() for a in (season, cycle))
    used = np.asarray(history, dtype=np.bool_).ravel() & np.isfinite(x)
    seasons = int(s.max(initial=0)) + 1
    rows, place = np.unique(c[used], return_inverse=True)
    cell = place * seasons + s[used]
    size = len(rows) * seasons
    n = np.bincount(cell, minlength=size).reshape(len(rows), seasons)
    sums = np.bincount(cell, weights=x[used], minlength=size).reshape(n.shape)
    means = np.divide(sums, n, out=np.full(sums.shape, np.nan), where=n > 0)
    centre, error = _centre(means, n)
    left_out = np.full(len(x), np.nan)
    for row, name in enumerate(rows):
        others = np.arange(len(rows)) != row
        usual, spread = _centre(means[others], n[others])
        mine = used & (c == name)
        with np.errstate(invalid="ignore"):
            left_out[mine] = (x[mine] - usual[s[mine]]) / np.sqrt(1 + spread[s[mine]])
    left_out[~np.isfinite(left_out)] = np.nan
    seen = (n > 0).sum(axis=0)
    cycles = int(np.median(seen[seen > 0])) if bool(np.any(seen)) else 0
    return Baseline(centre[s], error[s], left_out, cycles)


def _centre(means: Floats, n: Ints) -> tuple[Floats, Floats]:
    """Median over cycles per season, NaN where there is none, and its variance."""
    cycles = (n > 0).sum(axis=0)
    centre = np.full(means.shape[1], np.nan)
    seen = cycles > 0
    if bool(np.any(seen)):
        centre[seen] = np.nanmedian(means[:, seen], axis=0)
    points = np.divide(n.sum(axis=0), cycles, out=np.ones(len(cycles)), where=seen)
    error = np.full(len(cycles), np.inf)
    error[seen] = (median_variance(cycles) / points)[seen]
    return centre, error


_SHARES = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)


def relative_variance(residuals: ArrayLike, n: ArrayLike) -> Floats:
    """How variable each point is beside a typical one, given the rows n behind it.

    v = (1 + c m / n) / (1 + c), m the median n: a part common to all points and a part that rows
    average out, c of a fixed grid by the largest Laplace likelihood of the residuals (NaN where
    there is none). Points without rows get that of one row.

    >>> r, n = [1.0, -1.0, 2.0, -2.0] * 9, [400, 400, 100, 100] * 9
    >>> relative_variance(r, n).round(2)[:4].tolist()
    [0.63, 0.63, 2.49, 2.49]
    """
    r = np.asarray(residuals, dtype=np.float64).ravel()
    rows = np.maximum(np.asarray(n, dtype=np.float64).ravel(), 1.0)
    known = np.isfinite(r)
    if known.sum() < 24 or not bool(np.any(r[known])):
        return np.ones(len(r))
    typical = float(np.median(rows[known]))
    best, chosen = np.inf, np.ones(len(r))
    for share in _SHARES:
        variance = (1 + share * typical / rows) / (1 + share)
        sd = np.sqrt(variance[known])
        misfit = float(np.mean(np.log(sd)) + np.log(np.mean(np.abs(r[known]) / sd)))
        if misfit < best - 1e-9:
            best, chosen = misfit, variance
    return chosen
