"""Distributions as a reader looks at them: few bins with round edges, shares of rows.

For the eye only. Distances and tests are computed from the fine counts, never from these.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analyzer.binned import fine_bins
from analyzer.column_counts import Counts
from analyzer.diagnose.findings import Cell, Density
from analyzer.frozen import Frozen
from analyzer.histogram import bin_edges
from analyzer.profiles import Profiles

BINS = 24
MOST_VALUES = 15
REFERENCE_CELLS = 16
TAIL = 0.005
HALF = 0x3F00
"""Code of the bin that ends at a probability of one half."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def score_densities(profiles: Profiles) -> list[Density]:
    """Scores of both models, and challenger minus champion of their pairs."""
    sides = {side: _score_counts(profiles, side) for side in ("champion", "challenger")}
    differences = profiles.table("differences")
    pairs = (differences["code"].to_numpy().astype(np.int64), differences["n"].to_numpy())
    found = [
        density(profiles.frozen, "score", "scores", sides),
        density(profiles.frozen, "difference", "difference", {"pairs": pairs}),
    ]
    return [shape for shape in found if shape is not None]


def _score_counts(profiles: Profiles, model: str) -> tuple[Ints, Ints]:
    _, code, n = fine_bins(profiles, model, "score")
    return code, n


def density(
    frozen: Frozen, column: str, name: str, counts: Mapping[str, tuple[Ints, Ints]]
) -> Density | None:
    """Shares of each series in common bins; None where nothing was logged.

    counts: fine codes of `column` and how often, in any order. The first and the last bin also
    hold what lies beyond 0.5 % of all rows on that side.
    """
    bins = frozen.bins.get(column)
    used = {series: pair for series, pair in counts.items() if pair[1].sum()}
    if bins is None or not used:
        return None
    values = {series: _values_of(frozen, column, codes) for series, (codes, _) in used.items()}
    edges = round_edges(
        np.concatenate(list(values.values())), np.concatenate([n for _, n in used.values()])
    )
    return Density(
        name=name,
        edges=[float(x) for x in edges],
        shares={
            series: (_binned(edges, values[series], n) / n.sum()).tolist()
            for series, (_, n) in used.items()
        },
        n={series: int(n.sum()) for series, (_, n) in used.items()},
    )


def _values_of(frozen: Frozen, column: str, codes: Ints) -> Floats:
    """The value a bin stands for: its end nearest the origin, which whole numbers lie on."""
    bins = frozen.binning(column)
    low, high = bin_edges(codes, bins.kind, bins.origin)
    upper = codes > HALF if bins.kind == "probability" else codes < 0
    return np.where(upper, high, low)


def round_edges(values: Floats, n: Ints, bins: int = BINS) -> Floats:
    """Edges at multiples of 1, 2 or 5 times a power of ten, around the middle 99 % of rows.

    >>> round_edges(np.array([0.0, 10.0]), np.array([1, 1]), bins=5).tolist()
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(n[order]) / n.sum()
    low, high = (
        float(values[order][min(int(np.searchsorted(reached, q)), len(values) - 1)])
        for q in (TAIL, 1 - TAIL)
    )
    step = round_step((high - low) / bins) if high > low else round_step(abs(low) / 100 or 0.01)
    first, last = math.floor(low / step), math.floor(high / step) + 1
    # dividing by a whole number keeps 0.3 from becoming 0.30000000000000004
    return np.asarray(
        [k * step if step >= 1 else k / round(1 / step) for k in range(first, last + 1)]
    )


def round_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `least`.

    >>> round_step(0.03), round_step(7)
    (0.05, 10.0)
    """
    power = 10.0 ** math.floor(math.log10(least))
    found = next(m for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))
    return float(f"{found * power:.12g}")


def _binned(edges: Floats, values: Floats, n: Ints) -> Floats:
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return np.bincount(place, weights=n, minlength=len(edges) - 1).astype(np.float64)


def distribution(frozen: Frozen, column: str, before: Counts, after: Counts) -> list[Cell]:
    """A column in two windows as shares of all rows, NULL last; ordered by value where it has an
    order, else by how common a value was before.
    """
    if not before.rows or not after.rows:
        return []
    numeric = column in frozen.bins and not any(isinstance(x, str) for x in before.labels)
    cells = _numbers(frozen, column, before, after) if numeric else _values(before, after)
    if before.nulls or after.nulls:
        cells.append(Cell("NULL", before.nulls / before.rows, after.nulls / after.rows))
    return cells


def _numbers(frozen: Frozen, column: str, before: Counts, after: Counts) -> list[Cell]:
    counts = {
        name: (np.asarray(side.labels, dtype=np.int64), np.asarray(side.cells))
        for name, side in (("before", before), ("after", after))
    }
    known = np.union1d(counts["before"][0], counts["after"][0])
    if len(known) <= BINS:
        return _each(frozen, column, known, before, after)
    shape = density(frozen, column, column, counts)
    if shape is None:
        return []
    none = [0.0] * (len(shape.edges) - 1)
    # shares of all rows, NULLs included, so that a column that turns NULL is seen to shrink
    old, new = (
        [share * (shape.n.get(name, 0) / side.rows) for share in shape.shares.get(name, none)]
        for name, side in (("before", before), ("after", after))
    )
    return [Cell(f"{edge:g}", b, a) for edge, b, a in zip(shape.edges, old, new, strict=False)]


def reference_distribution(frozen: Frozen, column: str, before: Ints, after: Ints) -> list[Cell]:
    """A numeric column of which only its frozen reference cells are known, as of single hours.

    before, after: counts of the reference cells in order, then of `SPECIAL_CELLS`. Neighbouring
    cells are joined until at most 16 are left; what lay beyond the reference is apart.
    """
    rows = [max(int(side.sum()), 1) for side in (before, after)]
    starts = np.asarray(frozen.bins[column].starts, dtype=np.int64)
    joined = np.arange(0, len(starts), -(-len(starts) // REFERENCE_CELLS))
    values = [f"{x:.6g}" for x in _values_of(frozen, column, starts[joined]).tolist()]
    end = np.asarray([frozen.bins[column].last], dtype=np.int64)
    last = f"{_values_of(frozen, column, end)[0]:.6g}"
    inner = [np.add.reduceat(side[: len(starts)], joined).tolist() for side in (before, after)]
    below, above, null, nan, plus, minus = (
        list(pair)
        for pair in zip(*(x[len(starts) :].tolist() for x in (before, after)), strict=True)
    )
    labelled = [
        (f"< {values[0]}", below),
        *zip(values, map(list, zip(*inner, strict=True)), strict=True),
        (f"> {last}", above),
        ("infinite", [a + b for a, b in zip(plus, minus, strict=True)]),
        ("NULL", [a + b for a, b in zip(null, nan, strict=True)]),
    ]
    outside = {labelled[0][0], labelled[-3][0], "infinite", "NULL"}
    return [
        Cell(label, n[0] / rows[0], n[1] / rows[1])
        for label, n in labelled
        if label not in outside or any(n)
    ]


def _each(frozen: Frozen, column: str, known: Ints, before: Counts, after: Counts) -> list[Cell]:
    """So few values that each has its own cell."""
    old, new = (dict(zip(c.labels, c.cells.tolist(), strict=True)) for c in (before, after))
    named = zip(known.tolist(), _values_of(frozen, column, known).tolist(), strict=True)
    return [
        Cell(f"{value:.6g}", old.get(code, 0) / before.rows, new.get(code, 0) / after.rows)
        for code, value in named
    ]


def _values(before: Counts, after: Counts) -> list[Cell]:
    old = dict(zip(map(str, before.labels), before.cells.tolist(), strict=True))
    new = dict(zip(map(str, after.labels), after.cells.tolist(), strict=True))
    ranked = sorted({*old, *new}, key=lambda v: (-old.get(v, 0), -new.get(v, 0), v))
    kept, rest = ranked[:MOST_VALUES], ranked[MOST_VALUES:]
    cells = [Cell(v, old.get(v, 0) / before.rows, new.get(v, 0) / after.rows) for v in kept]
    if rest:
        sums = (sum(side.get(v, 0) for v in rest) for side in (old, new))
        shares = [n / rows for n, rows in zip(sums, (before.rows, after.rows), strict=True)]
        cells.append(Cell(f"{len(rest)} more values", *shares))
    return cells
