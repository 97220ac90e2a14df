"""Many tests at once: false discovery rate and family-wise error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Corrected:
    """Which tests are rejected, every p adjusted for the number of comparisons, and that number.

    `p <= level` and `rejected` agree.
    """

    rejected: NDArray[np.bool_]
    p: NDArray[np.float64]
    comparisons: int


def _checked(p: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(p, dtype=np.float64).ravel()
    if not bool(np.all((values >= 0) & (values <= 1))):
        raise ValueError("p-values lie between 0 and 1; leave undefined ones out and say so")
    return values


def _step_up(p: ArrayLike, q: float, harmonic: bool) -> Corrected:
    values = _checked(p)
    m = len(values)
    ranks = np.arange(1, m + 1)
    penalty = float(np.sum(1 / ranks)) if harmonic else 1.0
    order = np.argsort(values, kind="stable")
    scaled = values[order] * penalty * m / ranks
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return Corrected(adjusted <= q, adjusted, m)


def benjamini_hochberg(p: ArrayLike, q: float = 0.1) -> Corrected:
    """False discovery rate at most q for independent or positively dependent tests.

    Adjusted p_(i) = min over j >= i of p_(j) m / j, at most 1. No tests: nothing is rejected.
    Benjamini and Hochberg (1995), J. R. Stat. Soc. B 57.

    >>> benjamini_hochberg([0.01, 0.02, 0.03, 0.5], 0.05).rejected.tolist()
    [True, True, True, False]
    """
    return _step_up(p, q, harmonic=False)


def benjamini_yekutieli(p: ArrayLike, q: float = 0.01) -> Corrected:
    """False discovery rate at most q under any dependence: overlapping segments, for one.

    As `benjamini_hochberg` with every p multiplied by sum_{i<=m} 1/i.
    Benjamini and Yekutieli (2001), Annals of Statistics 29.

    >>> benjamini_yekutieli([0.01, 0.02, 0.03, 0.5], 0.05).p.round(4).tolist()
    [0.0833, 0.0833, 0.0833, 1.0]
    """
    return _step_up(p, q, harmonic=True)


@dataclass(frozen=True, slots=True, eq=False)
class Certain:
    """Which tests are rejected, and the level at which each one's e-value was judged: 1 / e <=
    level and `rejected` agree. Shape of the tests; level has their last axes only.
    """

    rejected: NDArray[np.bool_]
    level: NDArray[np.float64]
    comparisons: int


def e_benjamini_hochberg(log_e: ArrayLike, q: float = 0.01) -> Certain:
    """False discovery rate at most q under any dependence, from e-values (first axis: tests).

    Rejects the k largest of m, k the largest with e_(k) >= m / (q k): no factor sum 1/i as for
    p-values (`benjamini_yekutieli`). log_e: logarithms; further axes are readings of e-processes.
    Where no test has an effect a rejection at any reading means that the mean of the e-processes
    has reached 1 / q, which happens with chance q at most (Ville).
    Wang and Ramdas (2022), J. R. Stat. Soc. B 84.

    >>> found = e_benjamini_hochberg(np.log([500.0, 200.0, 3.0, 0.5]), 0.01)
    >>> found.rejected.tolist(), float(found.level)
    ([True, True, False, False], 0.005)
    """
    values = np.asarray(log_e, dtype=np.float64)
    m = len(values)
    ranks = np.arange(1, m + 1).reshape(-1, *[1] * (values.ndim - 1))
    enough = -np.sort(-values, axis=0) >= np.log(m / (q * ranks))
    most = np.max(np.where(enough, ranks, 0), axis=0, initial=0)
    level = q * np.maximum(most, 1) / max(m, 1)
    return Certain(values >= -np.log(level), np.asarray(level), m)


def holm(p: ArrayLike, alpha: float = 0.05) -> Corrected:
    """Chance of any false rejection at most alpha, under any dependence.

    Adjusted p_(i) = max over j <= i of (m - j + 1) p_(j), at most 1. Holm (1979), Scand. J.
    Stat. 6.

    >>> holm([0.01, 0.04, 0.03], 0.05).p.round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    values = _checked(p)
    m = len(values)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(m)
    scaled = np.maximum.accumulate(values[order] * np.arange(m, 0, -1))
    adjusted[order] = np.minimum(scaled, 1.0)
    return Corrected(adjusted <= alpha, adjusted, m)
