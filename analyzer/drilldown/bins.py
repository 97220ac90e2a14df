"""Numeric columns as dimensions: bins at quantiles of a reference, the tails apart."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.drilldown.plan import Bins
from analyzer.histogram import (
    ABOVE,
    BELOW,
    MAX_CELLS,
    MINUS_INF,
    PLUS_INF,
    RAW_BINS,
    Binning,
    bin_edges,
    codes_of,
)
from analyzer.profiles import Profiles

CUTS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Models part where values are unusual, so the outer twentieths are bins of their own."""

SAMPLE_CELLS = (*range(MAX_CELLS), BELOW, ABOVE, PLUS_INF, MINUS_INF)
"""What the codes of `cell_bins` stand for; NULL and NaN come behind."""

Ints = NDArray[np.int64]


def quantile_bins(reference: Profiles, model: str, column: str) -> Bins:
    """Bins of a feature at the 5, 25, 50, 75 and 95 % quantiles of a reference window's rows.

    From fine bins of whole slots, so an edge is known to within 1 % of its distance from the
    column's origin. Ties are collapsed; a constant or empty reference has one bin.
    """
    table = reference.whole_slots("fine")
    rows = table.filter(pc.and_(pc.equal(table["model"], model), pc.equal(table["column"], column)))
    codes, place = np.unique(rows["code"].to_numpy().astype(np.int64), return_inverse=True)
    n = np.bincount(place, weights=rows["n"].to_numpy(), minlength=len(codes)).astype(np.int64)
    binning = reference.frozen.binning(column)
    edges = _cut(codes, n)
    values, _ = bin_edges(edges, binning.kind, binning.origin)
    return Bins((*_labels(values), None), _lookup(edges, binning), binning.kind, binning.origin)


def _cut(codes: Ints, n: Ints) -> Ints:
    """First code of every bin but the lowest."""
    if not len(codes):
        return codes
    before = np.cumsum(n) - n
    first = np.searchsorted(before, np.asarray(CUTS) * n.sum())
    first = first[(first > 0) & (first < len(codes))]
    found: Ints = codes[np.unique(first)]
    return found


def _labels(edges: NDArray[np.float64]) -> list[str]:
    if not len(edges):
        return ["any"]
    texts = [f"{edge:.3g}" for edge in edges]
    for digits in range(4, 18):
        if len(set(texts)) == len(texts):
            break
        texts = [f"{edge:.{digits}g}" for edge in edges]
    between = [f"{a} to {b}" for a, b in pairwise(texts)]
    return [f"< {texts[0]}", *between, f">= {texts[-1]}"]


def _lookup(edges: Ints, binning: Binning) -> NDArray[np.uint8]:
    raw = np.arange(RAW_BINS, dtype=np.int64)
    found = np.searchsorted(edges, codes_of(raw, binning.kind), side="right")
    found[(raw & 0x7FFF) > 0x7F80] = len(edges) + 1
    return found.astype(np.uint8)


def cell_bins(binning: Binning) -> Bins:
    """The frozen reference cells of a column, as `SAMPLE_CELLS`, then NULL and NaN together."""
    place = np.full(256, len(SAMPLE_CELLS), dtype=np.uint8)
    place[list(SAMPLE_CELLS)] = np.arange(len(SAMPLE_CELLS))
    labels = (*map(str, SAMPLE_CELLS), None)
    return Bins(labels, place[binning.cell_of_raw], binning.kind, binning.origin)
