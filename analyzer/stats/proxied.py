"""A mean loss expected from a fast signal alone, where no label has come yet."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .laws import student_isf
from .result import Estimate, Result, Undefined, estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Sums over rows by bucket (K) and cell (C) of signal and score, labels not needed.

    A row's loss is `zero` + y `change`, y what its label says: of a yes or no label y is 0 or 1,
    so `zero` is the loss of a no; else `zero` is 0, `change` 1 and y the loss itself.
    n and zero: shape (K,). change: shape (K, C).
    """

    n: Floats
    zero: Floats
    change: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Matured:
    """Rows whose labels have come: also by cell how many (`cell_n`) and the sums of y (`told`),
    shape (K, C); the sum of losses by bucket; and of each day rows, losses, zero and change,
    shapes (D,) and (D, C).
    """

    rows: Rows
    cell_n: Floats
    told: Floats
    loss: Floats
    day_n: Floats
    day_loss: Floats
    day_zero: Floats
    day_change: Floats


def rates(n: ArrayLike, told: ArrayLike) -> Floats:
    """What cells of a signal have been worth: mean y of each, from matured rows.

    (sum y + p) / (n + 1), p the mean of all: a cell without rows is like any. `n` and `told`
    have one value per cell.

    >>> rates([9, 0, 90], [8, 0, 2]).round(3).tolist()
    [0.81, 0.101, 0.023]
    """
    rows, y = np.asarray(n, dtype=np.float64), np.asarray(told, dtype=np.float64)
    total = float(rows.sum())
    prior = float(y.sum()) / total if total > 0 else 0.0
    return np.asarray((y + prior) / (np.maximum(rows, 0.0) + 1))


def worth(past: Matured) -> Floats:
    """Rate of each cell on matured rows.

    >>> rows = Rows(np.ones(1), np.zeros(1), np.ones((1, 1)))
    >>> day = np.ones(1)
    >>> past = Matured(rows, np.array([[9.0]]), np.array([[3.0]]), day, day, day, day, rows.change)
    >>> worth(past).round(3).tolist()
    [0.333]
    """
    return rates(past.cell_n.sum(axis=0), past.told.sum(axis=0))


def expectations(rows: Rows, rate: ArrayLike) -> Floats:
    """Sums by bucket of the loss expected of each row: zero + rate change.

    >>> expectations(Rows(np.ones(1), np.ones(1), np.array([[2.0, 3.0]])), [0.5, 1.0]).tolist()
    [5.0]
    """
    return np.asarray(rows.zero + rows.change @ np.asarray(rate, dtype=np.float64))


@dataclass(frozen=True, slots=True)
class Expected:
    """A mean loss expected from the signal: `value` with the interval for such traffic, `final`
    with that for these very rows once every label has come.
    """

    value: Estimate
    final: Estimate


def expected_loss(past: Matured, new: Rows, confidence: float = 0.95) -> Expected | Undefined:
    """Mean loss of rows without labels, if a signal is worth what it was on matured rows.

    mean of zero + rate_c change, rate_c the mean y of cell c on matured rows. Errors, by a
    linearised jackknife over buckets (t, K-1 degrees of freedom): of the rates; for such traffic
    also which rows came; for these very rows also what their labels will scatter about the
    expectation, as the matured did, scaled to their number. The matured days' scatter beyond
    that of their buckets inflates both (as Mack's dispersion does). Blind to a signal that is
    worth something else now: that is what a backtest and `worth_moved` look for.
    Undefined with fewer than two buckets, or without rows. Deville (1999), *Survey Methodology*
    25, for the linearisation.

    >>> k = np.ones(4)
    >>> rows = Rows(10 * k, 0 * k, np.c_[5 * k, 5 * k])
    >>> told = np.array([[4.0, 1.0], [5.0, 0.0], [4.0, 0.0], [5.0, 1.0]])
    >>> days = np.full(2, 20.0), np.array([9.0, 11.0]), np.zeros(2), np.full((2, 2), 10.0)
    >>> past = Matured(rows, np.c_[5 * k, 5 * k], told, told.sum(axis=1), *days)
    >>> found = expected_loss(past, Rows(10 * k, 0 * k, np.c_[8 * k, 2 * k]))
    >>> round(found.value.value, 3), round(found.final.low, 3), round(found.final.high, 3)
    (0.729, 0.491, 0.966)
    """
    total, held = float(new.n.sum()), int((past.rows.n > 0).sum())
    if held < 2:
        return Undefined(f"{held} non-empty buckets of matured rows, 2 needed", held)
    if total <= 0:
        return Undefined("no row has a settled signal")
    rate = worth(past)
    expected = expectations(new, rate)
    mean = float(expected.sum()) / total
    of_rates = _of_rates(past, rate, new.change.sum(axis=0) / total)
    of_rows = (expected - mean * new.n) / total
    residual = past.loss - expectations(past.rows, rate)
    inflation = _inflation(past, rate, _variance(residual))
    pending = _variance(residual) / float(past.rows.n.sum()) / total
    errors = (
        math.sqrt(_variance(of_rates + of_rows) + (inflation - 1) * _variance(of_rates)),
        math.sqrt(inflation * (_variance(of_rates) + pending)),
    )
    quantile = student_isf((1 - confidence) / 2, held - 1)
    method = f"proxy only, jackknife over {held} buckets, t interval {confidence:.0%}"
    value, final = (
        estimate(mean, mean - quantile * e, mean + quantile * e, total, method) for e in errors
    )
    return Expected(value, final)


def _of_rates(past: Matured, rate: Floats, reach: Floats) -> Floats:
    """Influence of the matured rows of each bucket on a mean that moves by `reach` with rates."""
    size = past.cell_n.sum(axis=0) + 1
    return np.asarray((past.told - rate * past.cell_n) @ (reach / size))


def _variance(influences: Floats) -> float:
    """Variance of the sum of influences, by their scatter between buckets."""
    k = len(influences)
    centred = influences - influences.mean()
    return k / max(k - 1, 1) * float(centred @ centred)


def _inflation(past: Matured, rate: Floats, variance: float) -> float:
    """How much more matured days scatter about their expectation than their buckets do."""
    days, total = len(past.day_n), float(past.day_n.sum())
    if days < 2 or variance <= 0 or total <= 0:
        return 1.0
    residual = past.day_loss - past.day_zero - past.day_change @ rate
    residual = residual - residual.sum() * past.day_n / total
    share = np.maximum(past.day_n, 1e-9) / total
    return max(1.0, float(np.sum(residual**2 / share)) / variance / (days - 1))


def worth_moved(past: Matured, now: Matured, confidence: float = 0.99) -> Result:
    """By how much labels that have come since lie above what the signal led to expect.

    mean loss minus mean expectation of newer labelled rows, the rates from matured ones; errors
    as `expected_loss`. If the interval excludes 0, the signal is worth something else by now.
    Undefined with fewer than two buckets or without newer labels.

    >>> k = np.ones(4)
    >>> rows = Rows(10 * k, 0 * k, np.c_[5 * k, 5 * k])
    >>> told = np.array([[4.0, 1.0], [5.0, 0.0], [4.0, 0.0], [5.0, 1.0]])
    >>> days = np.full(2, 20.0), np.array([9.0, 11.0]), np.zeros(2), np.full((2, 2), 10.0)
    >>> past = Matured(rows, np.c_[5 * k, 5 * k], told, told.sum(axis=1), *days)
    >>> abs(round(worth_moved(past, past).value, 3))
    0.0
    """
    total, held = float(now.rows.n.sum()), int((past.rows.n > 0).sum())
    if held < 2 or int((now.rows.n > 0).sum()) < 2:
        return Undefined("too few buckets of labelled rows", held)
    rate = worth(past)
    residual = now.loss - expectations(now.rows, rate)
    mean = float(residual.sum()) / total
    own = (residual - mean * now.rows.n) / total
    of_rates = _of_rates(past, rate, now.rows.change.sum(axis=0) / total)
    old = past.loss - expectations(past.rows, rate)
    error = math.sqrt(_inflation(past, rate, _variance(old)) * _variance(own - of_rates))
    half = student_isf((1 - confidence) / 2, held - 1) * error
    method = f"labels minus expectation, {held} buckets, t interval {confidence:.0%}"
    return estimate(mean, mean - half, mean + half, total, method)
