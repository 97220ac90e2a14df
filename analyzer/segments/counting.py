"""Counting by code: columns folded to what may be a candidate, dense sums, margins of them."""

from __future__ import annotations

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


def margins_of(dense: NDArray[Any], axes: int, order: int) -> dict[tuple[int, ...], NDArray[Any]]:
    """Margins of `dense` (axes..., slots) over every combination of at most `order` axes.

    Each is summed from the smallest margin that has one axis more.

    >>> {k: v.tolist() for k, v in margins_of(np.array([[[1], [2]], [[3], [4]]]), 2, 1).items()}
    {(0,): [[3], [7]], (1,): [[4], [6]]}
    """
    found = {tuple(range(axes)): dense}
    for size in range(axes - 1, 0, -1):
        for kept in combinations(range(axes), size):
            wider = [tuple(sorted((*kept, k))) for k in range(axes) if k not in kept]
            source = min(wider, key=lambda w: found[w].size)
            (dropped,) = set(source) - set(kept)
            found[kept] = found[source].sum(axis=source.index(dropped))
    return {kept: margin for kept, margin in found.items() if len(kept) <= order}
