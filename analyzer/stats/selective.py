"""Labels that exist only where the champion acted: what can be compared, bounds for the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from .dependence import jackknife_ratio
from .influence import bucket_error
from .laws import norm_isf, norm_sf
from .result import Result, Undefined

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bounds:
    """All that is known of a quantity: it lies in [low, high]; with sampling error in
    [outer_low, outer_high]. There is no value in between that is better than another."""

    low: float
    high: float
    outer_low: float
    outer_high: float
    n: float
    method: str

    @property
    def width(self) -> float:
        """What labels that cannot exist leave open."""
        return self.high - self.low


def alike(losses: ArrayLike, rows: ArrayLike, confidence: float = 0.95) -> Result:
    """Challenger's minus champion's mean loss on the rows both would have acted on alike.

    Where both accept, labels exist whoever decided; there the models' scores are compared. Sums
    of the loss difference and rows by bucket of units; jackknife t interval. It says nothing of
    rows only one of them would accept (`difference_bounds`). Undefined with fewer than two
    non-empty buckets. Lakkaraju et al. (2017), KDD: selective labels.

    >>> alike([1.0, 2.0, 3.0], [10, 10, 10]).value
    0.2
    """
    return jackknife_ratio(losses, rows, confidence)


def _imbens_manski(width: float, error: float, confidence: float) -> float:
    """Critical value c: Phi(c + width / error) - Phi(-c) = confidence; z one-sided if wide."""
    if error <= 0:
        return 0.0
    gap = min(width / error, 40.0)

    def excess(c: float) -> float:
        return norm_sf(-c - gap) - norm_sf(c) - confidence

    return float(brentq(excess, 0.0, norm_isf((1 - confidence) / 2) + 1e-9))


def mean_bounds(
    known: ArrayLike,
    labelled: ArrayLike,
    unlabelled: ArrayLike,
    least: float = 0.0,
    most: float = 1.0,
    confidence: float = 0.95,
) -> Bounds | Undefined:
    """Worst-case bounds of a mean when some rows can have no label.

    [(S + m least) / n, (S + m most) / n], S the sum over labelled rows, m rows without a label,
    n all rows, a value of a row being in [least, most]. Sums by bucket of units. The outer ends
    hold the true value with the given confidence: each end moved out by c of its own standard
    error (jackknife over buckets), Phi(c + width / larger se) - Phi(-c) = confidence. Undefined
    with fewer than two non-empty buckets. Manski (1990), AER 80; Imbens and Manski (2004),
    Econometrica 72.

    >>> b = mean_bounds([4, 6, 5, 5], [40, 40, 40, 40], [10, 10, 10, 10])
    >>> round(b.low, 3), round(b.high, 3), round(b.outer_low, 3), round(b.outer_high, 3)
    (0.1, 0.3, 0.087, 0.313)
    """
    s, have, lack = (np.asarray(x, dtype=np.float64) for x in (known, labelled, unlabelled))
    found = _worst_case(s, have + lack, lack, least, most, confidence)
    if isinstance(found, Undefined):
        return found
    outer_low, outer_high = max(found.outer_low, least), min(found.outer_high, most)
    return replace(found, outer_low=outer_low, outer_high=outer_high)


def _worst_case(
    known: Floats, rows: Floats, lack: Floats, least: float, most: float, confidence: float
) -> Bounds | Undefined:
    """Mean of known sums and of unknown values in [least, most], by bucket."""
    if not least <= most:
        raise ValueError(f"the least value {least} is above the most {most}")
    n = float(rows.sum())
    if n <= 0:
        return Undefined("no rows")
    ends, errors = [], []
    for extreme in (least, most):
        total = known + lack * extreme
        end = float(total.sum()) / n
        error, buckets = bucket_error(np.stack([total, rows], axis=-1), [1 / n, -end / n])
        if buckets < 2:
            return Undefined(f"{buckets} non-empty buckets, 2 needed", buckets)
        ends.append(end)
        errors.append(error)
    low, high = ends
    c = _imbens_manski(high - low, max(errors), confidence)
    method = f"worst case, Imbens-Manski {confidence:.0%}"
    return Bounds(low, high, low - c * errors[0], high + c * errors[1], n, method)


def difference_bounds(
    only_champion: ArrayLike,
    only_champion_rows: ArrayLike,
    only_challenger_rows: ArrayLike,
    rows: ArrayLike,
    least: float = 0.0,
    most: float = 1.0,
    confidence: float = 0.95,
) -> Bounds | Undefined:
    """Worst-case bounds of challenger's minus champion's value of acting, per row.

    A row acted on is worth its outcome in [least, most] (a repaid loan, an avoided loss), a row
    not acted on 0. Where both act or neither does, the difference is 0. Rows only the champion
    acts on have outcomes (`only_champion` sums them, it counts against the challenger); rows
    only the challenger would act on never do: [least, most] each. By bucket of units; see
    `mean_bounds`, Undefined alike. Manski (1990), AER 80; Kleinberg et al. (2018), QJE 133.

    >>> b = difference_bounds([2.0, 3.0], [5, 5], [4, 4], [100, 100])
    >>> round(b.low, 3), round(b.high, 3)
    (-0.025, 0.015)
    """
    lost, dropped, added, n = (
        np.asarray(x, dtype=np.float64)
        for x in (only_champion, only_champion_rows, only_challenger_rows, rows)
    )
    if bool(np.any(dropped + added > n)):
        raise ValueError("more rows acted on by one model alone than rows")
    return _worst_case(-lost, n, added, least, most, confidence)


@dataclass(frozen=True, slots=True)
class Exploration:
    """The mean from an exploration slice and how many equal rows its weights are worth."""

    mean: Result
    effective_n: float
    largest_weight: float


def inverse_propensity(
    weighted: ArrayLike,
    weights: ArrayLike,
    squares: float,
    largest: float,
    confidence: float = 0.95,
) -> Exploration:
    """Mean over all rows from those whose action was drawn with a known probability e.

    Self-normalised sum y/e over sum 1/e, over the rows whose drawn action made the label exist.
    `weighted` and `weights` are these two sums by bucket of units; `squares` is sum 1/e^2 and
    `largest` the largest 1/e. effective n = (sum 1/e)^2 / sum 1/e^2 (Kish); jackknife t
    interval, Undefined with fewer than two non-empty buckets, or when one row carries more than
    a tenth of the weight. Hájek (1971); Swaminathan and Joachims (2015), NeurIPS.

    >>> found = inverse_propensity([20, 30, 25], [100, 100, 100], 6000.0, 20.0)
    >>> found.mean.value, found.effective_n
    (0.25, 15.0)
    """
    total = float(np.sum(np.asarray(weights, dtype=np.float64)))
    if total <= 0 or squares <= 0:
        return Exploration(Undefined("no row of the slice has a label"), 0.0, largest)
    size = total**2 / squares
    if largest > total / 10:
        reason = "one row carries more than a tenth of the weight"
        return Exploration(Undefined(reason, size), size, largest)
    return Exploration(jackknife_ratio(weighted, weights, confidence), size, largest)
