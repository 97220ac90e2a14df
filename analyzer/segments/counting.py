"""Counting by code: columns folded to what may be a candidate, dense sums, margins of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 20
"""Rows counted at a time: what a chunk needs beside the rows stays small."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Folded:
    """A column whose unsupported values are folded into one last code that is never a candidate.

    values: the original code of each folded code that may be a candidate.
    """

    codes: NDArray[Any]
    values: Ints
    width: int


def fold(codes: NDArray[Any], kept: NDArray[np.bool_]) -> Folded:
    """Fold the codes that are not kept; `kept` has an entry for every code.

    >>> fold(np.array([0, 1, 2], dtype=np.uint8), np.array([True, False, True])).codes.tolist()
    [0, 2, 1]
    """
    values = np.flatnonzero(kept)
    if len(values) == len(kept):
        return Folded(codes, values, len(values))
    table = np.full(len(kept), len(values), dtype=np.min_scalar_type(len(values)))
    table[values] = np.arange(len(values))
    return Folded(table[codes], values, len(values) + 1)


def dense_sums(code: NDArray[Any], cells: int, *weights: Floats) -> list[Floats]:
    """Rows and the sum of each weight per cell, chunk by chunk: `bincount` copies its codes.

    >>> [x.tolist() for x in dense_sums(np.array([0, 1, 1]), 2, np.array([1.0, 2.0, 3.0]))]
    [[1.0, 2.0], [1.0, 5.0]]
    """
    totals = [np.zeros(cells) for _ in range(1 + len(weights))]
    for start in range(0, len(code), CHUNK):
        keep = slice(start, start + CHUNK)
        wide = code[keep].astype(np.int64)
        totals[0] += np.bincount(wide, minlength=cells)
        for total, weight in zip(totals[1:], weights, strict=True):
            total += np.bincount(wide, weights=weight[keep], minlength=cells)
    return totals


def margins_of(dense: Floats, order: int) -> dict[tuple[int, ...], Floats]:
    """Margins of `dense` (slots, axes...) over every combination of at most `order` axes.

    Each is summed from the smallest margin that has one axis more.

    >>> sums = margins_of(np.array([[[1.0, 2.0], [3.0, 4.0]]]), 1)
    >>> {kept: margin.tolist() for kept, margin in sums.items()}
    {(0,): [[3.0, 7.0]], (1,): [[4.0, 6.0]]}
    """
    axes = dense.ndim - 1
    found = {tuple(range(axes)): dense}
    for size in range(axes - 1, 0, -1):
        for kept in combinations(range(axes), size):
            wider = [tuple(sorted((*kept, k))) for k in range(axes) if k not in kept]
            source = min(wider, key=lambda w: found[w].size)
            (dropped,) = set(source) - set(kept)
            found[kept] = _summed(found[source], 1 + source.index(dropped))
    return {kept: margin for kept, margin in found.items() if len(kept) <= order}


def _summed(dense: Floats, axis: int) -> Floats:
    """Sum over one axis as a product with ones: thrice as fast where axes are as short as these.

    Sums of whole numbers below 2**53 are exact in any order.
    """
    before, length, after = dense.shape[:axis], dense.shape[axis], dense.shape[axis + 1 :]
    flat = dense.reshape(math.prod(before), length, math.prod(after))
    ones = np.ones(length)
    product = flat[:, :, 0] @ ones if not after else ones @ flat
    summed: Floats = product.reshape(*before, *after)
    return summed
