"""A shift of a mean split exactly into mix (who came) and within (how they were served)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .result import Undefined

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Decomposition:
    """shift = sum(mix) + sum(within), to rounding.

    mix, within: one value per group. shares_before, shares_after: w0 and w1. `shift` is the mean
    after minus the mean before.
    """

    shift: float
    mix: Floats
    within: Floats
    shares_before: Floats
    shares_after: Floats


def _filled(n: Floats, sums: Floats, other_n: Floats, other_sums: Floats) -> Floats:
    """Mean per group; a group empty in this window takes the other window's mean."""
    source_n = np.where(n > 0, n, other_n)
    source = np.where(n > 0, sums, other_sums)
    return np.divide(source, source_n, out=np.zeros_like(source), where=source_n > 0)


def decompose(
    n_before: ArrayLike, sum_before: ArrayLike, n_after: ArrayLike, sum_after: ArrayLike
) -> Decomposition | Undefined:
    """Exact split of a mean's shift over groups (segments, or the cells of one feature).

    With shares w and means m of the groups before (0) and after (1):
    shift = sum_k (w1 - w0)(mbar_k - M) + sum_k wbar_k (m1 - m0), bars the averages of the two
    windows, M the average of both overall means. The first term is mix, the second within. A group
    that is empty in one window takes the other window's mean, so all of it is mix. Undefined when
    a window is empty. Kitagawa (1955), JASA 50.

    >>> d = decompose([50, 50], [5, 10], [25, 75], [2.5, 15])
    >>> [round(float(x), 6) for x in (d.shift, d.mix.sum(), d.within.sum())]
    [0.025, 0.025, 0.0]
    """
    n0, s0, n1, s1 = (
        np.asarray(x, dtype=np.float64).ravel() for x in (n_before, sum_before, n_after, sum_after)
    )
    if not n0.shape == s0.shape == n1.shape == s1.shape:
        raise ValueError("each group needs a count and a sum in both windows")
    if not bool(np.all((n0 >= 0) & (n1 >= 0) & np.isfinite(n0 + n1 + s0 + s1))):
        raise ValueError("counts must be non-negative, sums finite")
    if n0.sum() <= 0 or n1.sum() <= 0:
        return Undefined("no rows in one window", float(min(n0.sum(), n1.sum())))
    w0, w1 = n0 / n0.sum(), n1 / n1.sum()
    m0, m1 = _filled(n0, s0, n1, s1), _filled(n1, s1, n0, s0)
    overall_0, overall_1 = float(w0 @ m0), float(w1 @ m1)
    mix = (w1 - w0) * ((m0 + m1) / 2 - (overall_0 + overall_1) / 2)
    within = (w0 + w1) / 2 * (m1 - m0)
    return Decomposition(overall_1 - overall_0, mix, within, w0, w1)


def carried(n_before: ArrayLike, mean_before: ArrayLike, n_after: ArrayLike) -> float | Undefined:
    """How far a mean moves when only the distribution over cells does.

    sum_b (p1_b - p0_b) mean_b: means stay what they were before. A cell whose mean is NaN counts
    as the mean of the others. Undefined when a window is empty or no mean is known. Oaxaca (1973),
    Int. Econ. Rev. 14 (the composition term).

    >>> round(carried([50, 50], [0.0, 1.0], [25, 75]), 6)
    0.25
    """
    n0, m0, n1 = (np.asarray(x, dtype=np.float64).ravel() for x in (n_before, mean_before, n_after))
    known = np.isfinite(m0)
    if n0[known].sum() <= 0 or n1.sum() <= 0:
        return Undefined("no rows in one window", float(min(n0.sum(), n1.sum())))
    overall = float(n0[known] @ m0[known]) / float(n0[known].sum())
    mean = np.where(known, m0, overall)
    return float((n1 / n1.sum() - n0 / n0.sum()) @ (mean - overall))


def carried_beyond(
    n_before: ArrayLike, mean_before: ArrayLike, n_after: ArrayLike
) -> float | Undefined:
    """What a feature carries beyond others: tables of groups (joint cells of those) x its cells.

    sum_g w1_g carried within g: the change of the feature's distribution *inside* each group,
    weighted by the groups' shares after. A feature that only moves along with the others carries
    nothing. Groups empty in a window are left out. Undefined when no group holds rows of both.

    >>> n0, n1 = [[40, 10], [10, 40]], [[8, 2], [18, 72]]
    >>> abs(round(carried_beyond(n0, [[0.0, 1.0], [0.0, 1.0]], n1), 9))
    0.0
    """
    n0, m0, n1 = (np.atleast_2d(np.asarray(x, float)) for x in (n_before, mean_before, n_after))
    share = n1.sum(axis=1) / max(float(n1.sum()), 1e-300)
    parts = [carried(a, m, b) for a, m, b in zip(n0, m0, n1, strict=True)]
    known = [(w, part) for w, part in zip(share, parts, strict=True) if isinstance(part, float)]
    if not known:
        return Undefined("no group holds rows of both windows")
    return float(sum(w * part for w, part in known))
