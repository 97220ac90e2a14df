"""Named conventions of other tools, on raw samples: to reproduce their numbers on our logs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .psi import psi_of_shares
from .result import Result, Undefined, describe

Floats = NDArray[np.float64]


def _clean(values: ArrayLike) -> Floats:
    x = np.asarray(values, dtype=np.float64).ravel()
    return x[~np.isnan(x)]


def tally(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Two samples as sorted distinct points and how often each occurs on either side.

    >>> [x.tolist() for x in tally([1, 1, 2], [2, 3])]
    [[1.0, 2.0, 3.0], [2.0, 1.0, 0.0], [0.0, 1.0, 1.0]]
    """
    x, y = _clean(reference), _clean(current)
    points = np.unique(np.concatenate((x, y)))
    counts = [np.bincount(np.searchsorted(points, s), minlength=len(points)) for s in (x, y)]
    return points, counts[0].astype(np.float64), counts[1].astype(np.float64)


def psi_quantile(
    reference: ArrayLike, current: ArrayLike, bins: int = 10, empty_share: float = 1e-4
) -> Result:
    """PSI by `quantile-1e-4`: right-closed reference quantiles, ends open, empty share 1e-4.

    Ties collapse, shares are not renormalised, missing values are dropped. Undefined when a side
    is empty or the reference is constant. feature-engine/feature_engine, DropHighPSIFeatures.

    >>> round(psi_quantile(range(100), range(50, 150), bins=5).value, 6)
    3.734537
    """
    x, y = _clean(reference), _clean(current)
    if len(x) == 0 or len(y) == 0:
        return Undefined("no rows on one side")
    edges = np.unique(np.quantile(x, np.linspace(0, 1, bins + 1)))
    if len(edges) < 2:
        return Undefined("the reference is constant", len(x))
    inner = edges[1:-1]
    p, q = (
        np.bincount(np.searchsorted(inner, s, side="left"), minlength=len(inner) + 1) / len(s)
        for s in (x, y)
    )
    return describe(
        psi_of_shares(p, q, empty_share),
        0,
        np.inf,
        min(len(x), len(y)),
        f"PSI quantile-{empty_share:g}, {len(p)} cells",
    )


def psi_pooled_sturges(
    reference: ArrayLike, current: ArrayLike, empty_share: float = 1e-4
) -> Result:
    """PSI by `pooled-sturges`: Sturges' edges on both samples pooled, empty share 1e-4.

    With at most 20 distinct reference values, a cell per value. The edges move with every
    window: a compatibility mode, not a method. Where a side's smallest non-empty share is at
    most 1e-4 upstream fills with a millionth of that share instead, and so does this.
    Undefined when a side is empty. evidentlyai/evidently, stattests get_binned_data.

    >>> round(psi_pooled_sturges(range(100), range(50, 150)).value, 6)
    7.414533
    """
    x, y = _clean(reference), _clean(current)
    if len(x) == 0 or len(y) == 0:
        return Undefined("no rows on one side")
    if len(np.unique(x)) > 20:
        edges = np.histogram_bin_edges(np.concatenate((x, y)), bins="sturges")
        p, q = (np.histogram(s, edges)[0] / len(s) for s in (x, y))
    else:
        _, a, b = tally(x, y)
        p, q = a / len(x), b / len(y)
    filled = [np.where(s == 0, _fill(s, empty_share), s) for s in (p, q)]
    return describe(
        psi_of_shares(filled[0], filled[1]),
        0,
        np.inf,
        min(len(x), len(y)),
        f"PSI pooled-sturges, {len(p)} cells",
    )


def _fill(shares: Floats, empty_share: float) -> float:
    smallest = float(shares[shares > 0].min())
    return smallest / 1e6 if smallest <= empty_share else empty_share


def doane_cells(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats]:
    """Counts by NannyML's cells: Doane's edges on the reference, one overflow cell for the rest.

    A reference of at most 50 distinct values, none rarer than one in ten rows, has a cell per
    value; what the reference never held is pooled in the last cell (reference count 0).
    NannyML/nannyml, univariate methods.

    >>> [x.tolist() for x in doane_cells([1, 1, 2, 2] * 10, [1, 3])]
    [[20.0, 20.0, 0.0], [1.0, 0.0, 1.0]]
    """
    x, y = _clean(reference), _clean(current)
    values, counts = np.unique(x, return_counts=True)
    if len(values) > 50 or len(values) > 0.1 * len(x):
        edges = np.histogram_bin_edges(x, bins="doane")
        p, q = np.histogram(x, edges)[0], np.histogram(y, edges)[0]
    else:
        p, q = counts, np.array([np.sum(y == v) for v in values])
    overflow = len(y) - q.sum()
    return np.append(p, 0.0).astype(np.float64), np.append(q, overflow).astype(np.float64)
