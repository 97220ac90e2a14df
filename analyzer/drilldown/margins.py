"""Sums of a drill-down by the values of each column: exact, mergeable, saved with the diagnosis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.profile import INSTANT, encode
from analyzer.window import Window

SUMS = (
    "n",
    "scored",
    "score",
    "difference",
    "absolute",
    "decided",
    "flips",
    "timed",
    "ratio",
    "error",
)
"""Pairs; pairs with both scores, and the challenger's score, the difference and its size summed
over them; pairs with two known decisions, and those that differ; pairs with two latencies, and
the logarithms of their ratio summed; failures of the challenger less those of the champion."""

MISSING = np.iinfo(np.int32).min
UNSAID = -128
Ints = NDArray[np.int64]


def margins(
    codes: Mapping[str, NDArray[Any]], arrays: Mapping[str, NDArray[Any]], values: Mapping[str, int]
) -> dict[str, Ints]:
    """Per column an array (values x SUMS) of exact sums over the pairs of a slot.

    arrays: as in `pairs.Part`; whole numbers below 2**32, so that sums over 2**21 pairs are exact
    in a float64.
    """
    weights = _weights(arrays)
    found = {}
    for name, code in codes.items():
        width = values[name]
        n = np.bincount(code, minlength=width)
        sums = np.zeros((width, len(SUMS)), dtype=np.int64)
        for place, weight in enumerate(weights):
            if isinstance(weight, bool):
                sums[:, place] = n if weight else 0
            else:
                sums[:, place] = np.bincount(code, weights=weight, minlength=width)
        found[name] = sums
    return found


def _weights(arrays: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float64] | bool]:
    """A weight per sum: True where every pair counts 1, False where none does."""
    scored = arrays["difference"] != MISSING
    decided = arrays["flip"] != UNSAID
    timed = arrays["ratio"] != MISSING
    known = arrays["error"] != UNSAID
    difference = _filled(arrays["difference"], scored)
    return [
        True,
        _flag(scored),
        _filled(arrays["score"], scored),
        difference,
        np.abs(difference) if not isinstance(difference, bool) else False,
        _flag(decided),
        _filled(arrays["flip"], decided),
        _flag(timed),
        _filled(arrays["ratio"], timed),
        _filled(arrays["error"], known),
    ]


def _flag(there: NDArray[np.bool_]) -> NDArray[np.float64] | bool:
    if there.all():
        return True
    return there.astype(np.float64) if there.any() else False


def _filled(values: NDArray[Any], there: NDArray[np.bool_]) -> NDArray[np.float64] | bool:
    found = np.where(there, values, 0).astype(np.float64)
    return found if found.any() else False


def table_of_margins(
    windows: Sequence[tuple[Window, Mapping[str, Ints]]],
    labels: Mapping[str, tuple[str | None, ...]],
) -> bytes:
    """drilldown.parquet: one row per window, column and value that has pairs, in that order."""
    columns: dict[str, list[object]] = {n: [] for n in ("start", "end", "column", "value", *SUMS)}
    for window, found in windows:
        for name, sums in found.items():
            for label, row in zip(labels[name], sums.tolist(), strict=True):
                if row[0]:
                    columns["start"].append(window.start)
                    columns["end"].append(window.end)
                    columns["column"].append(name)
                    columns["value"].append(label)
                    for key, total in zip(SUMS, row, strict=True):
                        columns[key].append(total)
    kinds = {"start": INSTANT, "end": INSTANT, "column": pa.string(), "value": pa.string()}
    arrays = [pa.array(v, kinds.get(name, pa.int64())) for name, v in columns.items()]
    return encode(pa.table(arrays, names=list(columns)))
