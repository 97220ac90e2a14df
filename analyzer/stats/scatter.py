"""How much a count at the same hour differs from one week to the next, beyond what chance makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from .result import Undefined
from .seasonal import seasonal_baseline

Floats = NDArray[np.float64]

LEAST_DF = 3.0
"""Degrees of freedom below which a scatter is not known."""

DAY, WEEK = 24, 168
_MEDIAN = 0.454936
"""Median of chi-square with one degree of freedom."""

_FAR = 4.0
"""Standard deviations beyond which a residual is an accident and no scatter (1 in 16,000)."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """variance: of the logarithm of a run of `hours` hours between cycles, beyond Poisson; df: its
    degrees of freedom.
    """

    variance: float
    df: float
    hours: int

    def mean(self, hours: int) -> float:
        """The variance over so many hours: runs longer than those known are independent ones."""
        return self.variance * min(self.hours / max(hours, 1), 1.0)


def scatter(
    counts: ArrayLike,
    season: ArrayLike,
    cycle: ArrayLike,
    usable: ArrayLike,
    hours: int,
    phi: float = 1.0,
) -> Scatter | Undefined:
    """The scatter of runs of so many hours about what is usual at their place in the cycle.

    counts: by hour up to the time that is judged; season, cycle: which hour of the week (of the
    day) and which week (day) each is; usable: hours that may tell. Runs lie end to end, as the
    time judged does, or overlap by little. A run's residual is its logarithm less the median of
    the other cycles' (`seasonal_baseline`). The variance v beyond Poisson's phi / n solves
    mean r^2 / (phi / n + v) = 1 (Paule and Mandel 1982, J. Res. NBS 87) over the residuals within
    4 standard deviations, the first guess by their median, so that an incident which nobody noted
    is no scatter. Hours of a day may move as one, so degrees of freedom count days: those with a
    usable hour less one per day of the cycle, shared by the days of a longer run. Where a week's
    runs have fewer than 3, days are taken as independent. Undefined below 3.

    >>> week = np.tile([1000.0, 500.0], 84)
    >>> counts = np.concatenate([week * level for level in (0.9, 1.0, 1.1, 1.0)])
    >>> hours = np.arange(len(counts))
    >>> r = scatter(counts, hours % 168, hours // 168, counts > 0, 24)
    >>> round(r.variance**0.5, 2), r.df
    (0.06, 21.0)
    """
    n = np.asarray(counts, dtype=np.float64).ravel()
    s, c = (np.asarray(x, dtype=np.int64).ravel() for x in (season, cycle))
    run = max(1, min(hours, WEEK, len(n)))
    day_df = float(_day_df(s, c, np.asarray(usable, dtype=np.bool_).ravel() & (n > 0)))
    if run > DAY and day_df * DAY / run < LEAST_DF:
        run = DAY
    df = day_df * min(DAY / run, 1.0)
    if df < LEAST_DF:
        return Undefined("too few clean weeks or days to tell how much volumes vary", df)
    first = np.arange(len(n) % _step(run), len(n) - run + 1, _step(run))
    sums, whole = (_runs(x, first, run) for x in (n, np.asarray(usable).ravel()))
    known = (whole == run) & (sums > 0)
    base = seasonal_baseline(np.log(np.where(known, sums, 1.0)), s[first], c[first], known)
    held = np.isfinite(base.left_out)
    if not held.any():
        return Undefined("no run of hours was whole in two weeks or days", 0.0)
    squares, noise = base.left_out[held] ** 2, phi / sums[held]
    guess = _solved(squares, noise, np.median, _MEDIAN)
    near = squares <= _FAR**2 * (noise + guess)
    return Scatter(_solved(squares[near], noise[near], np.mean, 1.0), df, run)


def _step(run: int) -> int:
    """Hours from one run to the next: days have beginnings, and a run that holds two halves of
    them varies less than one.
    """
    return max(step for step in (1, 2, 3, 4, 6, 8, 12, 24) if step <= run)


def _runs(values: ArrayLike, first: NDArray[np.int64], run: int) -> Floats:
    """Sums of runs of values from these places on."""
    total = np.concatenate(([0.0], np.cumsum(np.asarray(values, dtype=np.float64))))
    found: Floats = total[first + run] - total[first]
    return found


def _day_df(season: NDArray[np.int64], cycle: NDArray[np.int64], usable: NDArray[np.bool_]) -> int:
    """Days that can be compared with another cycle's, less one per day of the cycle."""
    days = np.unique(np.stack([season[usable] // DAY, cycle[usable]]), axis=1)
    return int(days.shape[1]) - len(np.unique(days[0]))


def _solved(
    squares: Floats, noise: Floats, middle: Callable[[Floats], Any], wanted: float
) -> float:
    """The variance beside `noise` at which the middle of squares / variance is as wanted."""

    def beyond(variance: float) -> float:
        return float(middle(squares / (noise + variance))) - wanted

    if not len(squares) or beyond(0.0) <= 0:
        return 0.0
    return float(brentq(beyond, 0.0, float(squares.max()) / wanted + 1e-12, xtol=1e-12))
