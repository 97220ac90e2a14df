"""The rows of a drill-down as a segment search wants them: small integer codes, one row a request.

A row is a pair of predictions (paired logs) or one prediction (arms of a canary or an A/B test).
All arrays of a table have the same length and order; nothing depends on that order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.errors import LogError
from analyzer.ids import BUCKETS

Codes = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Dimension:
    """A column to search over: `labels[codes[row]]` is a row's value, None stands for NULL.

    codes: uint8, uint16 or uint32, the smallest that fits. Raises LogError when a code has no
    label or two codes share one.
    """

    name: str
    labels: tuple[str | None, ...]
    codes: Codes

    def __post_init__(self) -> None:
        if len(set(self.labels)) != len(self.labels):
            raise LogError(f"segment column {self.name!r}: two codes stand for the same value")
        if len(self.codes) and int(self.codes.max()) >= len(self.labels):
            raise LogError(f"segment column {self.name!r}: a code has no value")
        if self.codes.dtype.kind != "u":
            raise LogError(f"segment column {self.name!r}: codes must be unsigned integers")


@dataclass(frozen=True, eq=False)
class Table:
    """Coded rows: the dimensions, and what else a row may carry.

    bucket: 0..255, `analyzer.ids.buckets` of the row's unit id; None when no unit is logged.
    incident: True for rows of the incident's window, False for its baseline's; None: one window.
    challenger: True for rows the challenger served, False for the champion's; None: pairs.
    hour: whole hours from the window's start, at least 0; of baseline rows from the baseline's,
    so that the same number should mean the same time of the day.
    """

    dimensions: tuple[Dimension, ...]
    rows: int
    bucket: NDArray[np.uint8] | None = None
    incident: NDArray[np.bool_] | None = None
    challenger: NDArray[np.bool_] | None = None
    hour: NDArray[np.uint16] | None = None

    def __post_init__(self) -> None:
        names = [dimension.name for dimension in self.dimensions]
        if len(set(names)) != len(names):
            raise LogError(f"two segment columns have the same name: {', '.join(names)}")
        arrays = {d.name: d.codes for d in self.dimensions}
        arrays |= {name: array for name, array in self.extras().items() if array is not None}
        for name, array in arrays.items():
            if len(array) != self.rows:
                raise LogError(
                    f"{name!r} has {len(array):,} rows where the table has {self.rows:,}"
                )

    def extras(self) -> dict[str, Codes | None]:
        """What a row carries beside its dimensions, by name."""
        names = ("bucket", "incident", "challenger", "hour")
        return {name: getattr(self, name) for name in names}

    def keep(self, mask: NDArray[np.bool_]) -> Table:
        """The rows for which mask holds."""
        dimensions = tuple(replace(d, codes=d.codes[mask]) for d in self.dimensions)
        extras = {k: v if v is None else v[mask] for k, v in self.extras().items()}
        return Table(dimensions, int(np.count_nonzero(mask)), **extras)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What is compared between segments: a number per row, NaN where it was not measured.

    values: float64 (rows,): a paired difference, a flip as 0 or 1, a latency difference; for
    arms the served value itself. flips: whether the two decisions of the row differ, if known;
    decided: rows for which that is known, None for all.
    """

    name: str
    values: Floats
    flips: NDArray[np.bool_] | None = None
    decided: NDArray[np.bool_] | None = None


def smallest(codes: Codes, values: int) -> Codes:
    """Codes below `values` in the smallest unsigned type that fits.

    >>> smallest(np.array([0, 299]), 300).dtype
    dtype('uint16')
    """
    return codes.astype(np.min_scalar_type(max(values - 1, 0)), copy=False)


def coded(name: str, values: NDArray[Any]) -> Dimension:
    """A dimension of text values (object array; None, NaN for NULL); labels sorted, NULL last.

    >>> coded("device", np.array(["web", None, "app"], dtype=object)).labels
    ('app', 'web', None)
    """
    null = np.array([v is None or v != v for v in values], dtype=bool)
    known, inverse = np.unique(values[~null].astype(str), return_inverse=True)
    codes = np.full(len(values), len(known), dtype=np.int64)
    codes[~null] = inverse
    labels = (*(str(v) for v in known), *([None] if null.any() else []))
    return Dimension(name, labels, smallest(codes, len(labels)))


def binned(name: str, values: NDArray[Any], bins: int = 8) -> Dimension:
    """A numeric feature cut at its quantiles, each bin `[low, high)`; NULL and NaN are one value.

    Quantiles of all rows (linear, ties collapsed); infinite values go to the outer bins, which
    are open. A constant column has one bin.

    >>> binned("age", np.array([1.0, 2.0, 3.0, 4.0, np.nan]), bins=2).labels
    ('< 2.5', '>= 2.5', None)
    """
    x = np.asarray(values, dtype=np.float64)
    null = np.isnan(x)
    finite = x[np.isfinite(x)]
    inner = np.quantile(finite, np.linspace(0, 1, bins + 1)[1:-1]) if len(finite) else np.empty(0)
    edges = np.unique(np.array([float(f"{edge:.6g}") for edge in inner]))
    if len(finite):
        edges = edges[edges > finite.min()]
    texts = [f"{edge:g}" for edge in edges]
    between = [f"[{a}, {b})" for a, b in pairwise(texts)]
    labels = [f"< {texts[0]}", *between, f">= {texts[-1]}"] if texts else ["any"]
    codes = np.searchsorted(edges, x, side="right")
    codes[null] = len(labels)
    return Dimension(
        name, (*labels, *([None] if null.any() else [])), smallest(codes, len(labels) + 1)
    )


__all__ = ["BUCKETS", "Codes", "Dimension", "Floats", "Outcome", "Table", "binned", "coded"]
