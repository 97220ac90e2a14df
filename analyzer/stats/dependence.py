"""What dependence between rows costs: design effects and the jackknife over blocks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from .laws import chi2_isf, norm_isf, student_isf
from .result import Estimate, Result, Undefined, estimate

Floats = NDArray[np.float64]
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
"""Gauss and Legendre's rule on [-1, 1]."""


def _pairs(numerators: ArrayLike, denominators: ArrayLike) -> tuple[Floats, Floats]:
    """The two columns without blocks that hold nothing."""
    num = np.asarray(numerators, dtype=np.float64).ravel()
    den = np.asarray(denominators, dtype=np.float64).ravel()
    if num.shape != den.shape or not bool(np.all(np.isfinite(num) & np.isfinite(den))):
        raise ValueError("each block needs one finite numerator and one finite denominator")
    held = (num != 0) | (den != 0)
    return num[held], den[held]


def design_effect(
    numerators: ArrayLike,
    denominators: ArrayLike,
    variance_of_one: float,
    minimum_blocks: int = 2,
) -> Result:
    """How many times larger a ratio's variance is than if its rows were independent.

    R = sum num / sum den over K blocks; V = K/(K-1) sum (num_k - R den_k)^2 / (sum den)^2;
    deff = V / (variance_of_one / sum den). `variance_of_one` is one row's variance: p(1-p) for
    a proportion. Empty blocks are dropped. The interval is the chi-square one with K-1 degrees
    of freedom; `n` is K. Undefined with fewer than `minimum_blocks` (at least 2) non-empty
    blocks or no variance to compare with. Kish (1965), *Survey Sampling*; Cochran (1977), 6.

    >>> r = design_effect([10, 0, 10, 0], [100, 100, 100, 100], 0.05 * 0.95)
    >>> round(r.value, 3), r.n
    (7.018, 4.0)
    """
    num, den = _pairs(numerators, denominators)
    blocks, total = len(num), float(den.sum())
    if blocks < max(minimum_blocks, 2):
        return Undefined(f"{blocks} non-empty blocks, {max(minimum_blocks, 2)} needed", blocks)
    if not variance_of_one > 0 or total <= 0:
        return Undefined("no variance between rows to compare with", blocks)
    residuals = num - num.sum() / total * den
    variance = blocks / (blocks - 1) * float(residuals @ residuals) / total**2
    value, df = variance / (variance_of_one / total), blocks - 1
    low, high = (value * df / chi2_isf(tail, df) for tail in (0.025, 0.975))
    return estimate(
        value,
        min(low, value),
        max(high, value),
        blocks,
        f"cluster variance of a ratio, {blocks} blocks",
    )


def running_effects(
    numerators: ArrayLike, denominators: ArrayLike, variance_of_one: ArrayLike
) -> Floats:
    """`design_effect` of the first block, the first two, and so on; 1 where it is Undefined.

    variance_of_one: of a row, by number of blocks.

    >>> running_effects([10, 0, 10, 0], [100, 100, 100, 100], [0.05 * 0.95] * 4).round(3).tolist()
    [1.0, 10.526, 7.018, 7.018]
    """
    num, den, one = (
        np.asarray(x, dtype=np.float64).ravel() for x in (numerators, denominators, variance_of_one)
    )
    blocks, total = np.cumsum((num != 0) | (den != 0)), np.cumsum(den)
    share = np.divide(np.cumsum(num), total, out=np.zeros_like(total), where=total > 0)
    squares = np.cumsum(num**2) - 2 * share * np.cumsum(num * den) + share**2 * np.cumsum(den**2)
    known = (blocks >= 2) & (total > 0) & (one > 0)
    found = np.ones(len(num))
    scale = blocks / np.maximum(blocks - 1, 1) / np.where(known, total * one, 1.0)
    return np.where(known, np.maximum(squares, 0.0) * scale, found)


def carried_effect(deff: float, share: float, to: float, rows: float) -> float:
    """The design effect of another share of the same rows: those beyond a value further out or in.

    rows: of a typical unit, sum n^2 / sum n. Where units shift their rows along a normal scale,
    two rows of a unit correlate there by r and are both beyond z with p^2 + c(r, z), c = integral
    from 0 to r of exp(-z^2 / (1 + s)) / (2 pi sqrt(1 - s^2)); deff = 1 + (rows - 1) c / (p (1 - p))
    at one share gives r, and so the other's. Where they multiply the chance of a rare row deff - 1
    goes with p / (1 - p): the larger is taken. Shares strictly between 0 and 1.
    Sheppard (1899), Phil. Trans. 192; Kish (1965).

    >>> [round(carried_effect(3.0, p, 0.01, 400), 3) for p in (0.5, 0.001)]
    [1.23, 21.182]
    """
    extra = max(deff, 1.0) - 1
    if not extra or rows <= 1:
        return 1 + extra
    multiplied = extra * to / (1 - to) / (share / (1 - share))

    def excess(correlation: float, p: float) -> float:
        return (rows - 1) * _both_beyond(correlation, norm_isf(p)) / (p * (1 - p))

    most = 1 - 1e-9
    if excess(most, share) <= extra:
        return 1 + max(excess(most, to), multiplied)
    found = float(brentq(lambda r: excess(r, share) - extra, 0.0, most, xtol=1e-9))
    return 1 + max(excess(found, to), multiplied)


def _both_beyond(correlation: float, z: float) -> float:
    """P(both of two normals > z) less what it is without correlation; s = sin(angle) within."""
    end = math.asin(correlation)
    sines = np.sin((_NODES + 1) / 2 * end)
    return float(_WEIGHTS @ np.exp(-(z**2) / (1 + sines))) * end / 2 / (2 * math.pi)


def jackknife(values_without_each: ArrayLike, value: float, confidence: float = 0.95) -> Result:
    """Interval of any statistic from its values with each block left out in turn.

    var = (K-1)/K sum (v_(-k) - mean)^2, value +- t_{K-1} sqrt(var). Undefined with fewer than
    two blocks or when the statistic does not exist without some block.
    Tukey (1958); Efron and Tibshirani (1993), *An Introduction to the Bootstrap*, 11.

    >>> r = jackknife([2.5, 2.0, 1.5], 2.0)
    >>> round(r.low, 3), round(r.high, 3)
    (-0.484, 4.484)
    """
    without = np.asarray(values_without_each, dtype=np.float64).ravel()
    blocks = len(without)
    if blocks < 2:
        return Undefined(f"{blocks} non-empty blocks, 2 needed", blocks)
    if not math.isfinite(value) or not bool(np.all(np.isfinite(without))):
        return Undefined("the statistic does not exist without one of the blocks", blocks)
    spread = without - without.mean()
    error = math.sqrt((blocks - 1) / blocks * float(spread @ spread))
    half = student_isf((1 - confidence) / 2, blocks - 1) * error
    return estimate(
        value,
        value - half,
        value + half,
        blocks,
        f"jackknife over {blocks} blocks, t interval {confidence:.0%}",
    )


def _ratio_without_each(num: Floats, den: Floats) -> Floats:
    rest = den.sum() - den
    ratios: Floats = np.full_like(rest, np.nan)
    np.divide(num.sum() - num, rest, out=ratios, where=rest != 0)
    return ratios


def jackknife_ratio(
    numerators: ArrayLike, denominators: ArrayLike, confidence: float = 0.95
) -> Result:
    """A ratio of sums over blocks with a delete-one-block t interval.

    R = sum num / sum den; see `jackknife`; degrees of freedom = non-empty blocks - 1.
    Undefined with fewer than two non-empty blocks or a zero denominator.
    Quenouille (1956), Biometrika 43.

    >>> r = jackknife_ratio([1, 2, 3], [10, 10, 10])
    >>> round(r.value, 3), round(r.low, 3)
    (0.2, -0.048)
    """
    num, den = _pairs(numerators, denominators)
    total = float(den.sum())
    if total == 0:
        return Undefined("the denominators sum to 0", len(num))
    return jackknife(_ratio_without_each(num, den), float(num.sum()) / total, confidence)


def jackknife_difference_of_ratios(
    numerators_a: ArrayLike,
    denominators_a: ArrayLike,
    numerators_b: ArrayLike,
    denominators_b: ArrayLike,
    confidence: float = 0.95,
) -> Result:
    """R_a - R_b over the same blocks, each block left out of both at once.

    So what the two ratios share block by block cancels. Blocks empty on both sides are
    dropped. Undefined as `jackknife_ratio`. Quenouille (1956), Biometrika 43.

    >>> r = jackknife_difference_of_ratios([2, 3, 4], [9, 9, 9], [1, 2, 3], [9, 9, 9])
    >>> round(r.value, 6), round(r.high - r.low, 6)
    (0.111111, 0.0)
    """
    arrays = (numerators_a, denominators_a, numerators_b, denominators_b)
    na, da, nb, db = (np.asarray(x, dtype=np.float64).ravel() for x in arrays)
    held = (na != 0) | (da != 0) | (nb != 0) | (db != 0)
    na, da, nb, db = na[held], da[held], nb[held], db[held]
    if da.sum() == 0 or db.sum() == 0:
        return Undefined("the denominators sum to 0", int(held.sum()))
    value = float(na.sum() / da.sum() - nb.sum() / db.sum())
    return jackknife(_ratio_without_each(na, da) - _ratio_without_each(nb, db), value, confidence)


def combined_design_effect(*results: Result, floor: float = 1.0, minimum_blocks: int = 12) -> float:
    """The design effect to divide by: the largest known one, never below `floor`.

    An estimate from fewer than `minimum_blocks` blocks (its `n`) is noise and is not used; nor
    is one that is Undefined. For few but large units pass `minimum_blocks=2` and mind the
    degrees of freedom.

    >>> combined_design_effect(Estimate(3.0, 2, 4, 24, "blocks"), Undefined("no units"))
    3.0
    """
    known = [r.value for r in results if isinstance(r, Estimate) and r.n >= minimum_blocks]
    return max([floor, *known])
