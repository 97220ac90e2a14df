"""What is added up over labelled requests, in whole numbers, and cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.tables import BITS, FOURTH_BITS
from analyzer.scan.tallies import exact_sums

DENSE = 1 << 18
"""Possible cells up to which counting each is cheaper than finding out which there are."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SIDE_SUMS = {
    "binary": ("score", "score_squares"),
    "classes": (),
    "values": (
        "error",
        "error_absolute",
        "error_squares",
        "error_fourths",
        "error_squares_above",
    ),
}
PAIR_SUMS = {
    "binary": (
        "champion_squares",
        "challenger_squares",
        "difference_squares",
        "champion_absolute",
        "challenger_absolute",
    ),
    "classes": (),
    "values": (
        "champion_squares",
        "challenger_squares",
        "difference_squares",
        "champion_absolute",
        "challenger_absolute",
        "absolute_difference_squares",
    ),
}


def quanta(values: Floats, bits: int = BITS) -> Floats:
    """Whole multiples of 2**-bits."""
    return np.rint(values * 2.0**bits)


def losses(kind: str, ours: Floats, theirs: Floats) -> dict[str, Floats]:
    """Summands of `PAIR_SUMS` as whole numbers."""
    if kind == "classes":
        return {}
    one, two = ours * ours, theirs * theirs
    absolute, other = np.abs(ours), np.abs(theirs)
    return {
        "champion_squares": quanta(one),
        "challenger_squares": quanta(two),
        "difference_squares": quanta((two - one) ** 2, FOURTH_BITS),
        "champion_absolute": quanta(absolute),
        "challenger_absolute": quanta(other),
        "absolute_difference_squares": quanta((other - absolute) ** 2),
    }


def cells(
    keys: Mapping[str, NDArray[Any]], sums: Mapping[str, Floats], sign: Ints
) -> dict[str, Ints]:
    """Rows with equal keys added up: the keys, `n` and the sums; cells of nothing left out.

    keys: whole numbers; sums: whole numbers as float64, added exactly; sign: +1 or -1 a row.
    """
    code = np.zeros(len(sign), dtype=np.int64)
    spans, width = [], 1
    for values in keys.values():
        low, high = int(values.min()), int(values.max())
        spans.append((low, high - low + 1))
        width *= high - low + 1
        code *= high - low + 1
        code += values.astype(np.int64) - low
    if width <= max(DENSE, 4 * len(code)):
        present, place = np.arange(width), code
    else:
        present, place = np.unique(code, return_inverse=True)
    found = {"n": np.bincount(place, weights=sign, minlength=len(present)).astype(np.int64)}
    for name, weights in sums.items():
        found[name] = exact_sums(place, len(present), weights * sign)
    kept = np.logical_or.reduce([values != 0 for values in found.values()])
    found = {name: values[kept] for name, values in found.items()}
    code = present[kept]
    for name, (low, span) in reversed(list(zip(keys, spans, strict=True))):
        found[name] = code % span + low
        code = code // span
    return found
