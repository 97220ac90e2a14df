"""One column at a time: every supported value against all other rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.ids import BUCKETS
from analyzer.segments.evidence import MANY
from analyzer.segments.finding import Value
from analyzer.segments.lattice import Folded
from analyzer.segments.rows import Floats, Rows
from analyzer.stats.contrast import Moments, clustered_variance, contrast, interval, welch_variance
from analyzer.verdict import observed


@dataclass(frozen=True, eq=False)
class Margin:
    """The supported values of one column before anything is taken off.

    variance: of each effect, over units where logged; df: its degrees of freedom. deff: over
    units to independent rows, not below 1. size: sums of |outcome|, not centred.
    """

    sums: Moments
    effect: Floats
    variance: Floats
    df: Floats
    deff: Floats
    size: Floats


def margins(rows: Rows, folded: Sequence[Folded]) -> list[Margin]:
    """The margin of every column; three passes over the rows each."""
    squares, size = rows.squares(rows.whole), rows.size()
    whole = rows.moments(*rows.count(None, rows.whole, squares))
    units = rows.by_bucket(None, rows.whole) if rows.table.bucket is not None else None
    return [_margin(rows, column, squares, size, whole, units) for column in folded]


def _margin(
    rows: Rows,
    column: Folded,
    squares: Floats,
    size: Floats,
    whole: Moments,
    units: tuple[Floats, Floats] | None,
) -> Margin:
    groups, kept = len(rows.groups.signs), len(column.values)
    shape = (column.width, groups)
    code = column.codes.astype(np.uint32)
    if rows.group is not None:
        code = code * np.uint32(groups) + rows.group

    def sums(weights: Floats | None) -> Floats:
        dense = np.bincount(code, weights=weights, minlength=column.width * groups)
        return dense.reshape(shape)[:kept].astype(np.float64)

    values = rows.moments(sums(None), sums(rows.whole), sums(squares))
    effect, _ = contrast(values, whole, rows.groups.signs)
    independent = welch_variance(values, whole)
    variance, df = independent, np.full(kept, MANY)
    if units is not None:
        variance, df = _clustered(rows, column, code, units)
    deff = np.divide(variance, independent, out=np.ones(kept), where=independent > 0)
    deff = np.where(np.isfinite(deff), np.maximum(deff, 1.0), 1.0)
    window = list(rows.groups.window)
    return Margin(values, effect, variance, df, deff, sums(size)[:, window].sum(axis=1))


def _clustered(
    rows: Rows, column: Folded, code: NDArray[np.uint32], units: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """Variance over buckets of units and degrees of freedom of each value's effect."""
    assert rows.table.bucket is not None
    groups, kept = len(rows.groups.signs), len(column.values)
    by_bucket = code * np.uint32(BUCKETS) + rows.table.bucket
    shape, cells = (column.width, groups, BUCKETS), column.width * groups * BUCKETS
    n = np.bincount(by_bucket, minlength=cells).reshape(shape)
    total = np.bincount(by_bucket, weights=rows.whole, minlength=cells).reshape(shape)
    found = [
        clustered_variance(n[v], total[v] * rows.unit, *units, rows.groups.signs)
        for v in range(kept)
    ]
    variance = np.array([v for v, _ in found])
    return variance, np.array([float(k - 1) for _, k in found])


def one_way(rows: Rows, folded: Sequence[Folded], found: Sequence[Margin]) -> tuple[Value, ...]:
    """The table of all columns' supported values, largest share of the divergence first."""
    window = list(rows.groups.window)
    everything = rows.count(None)[0]
    total = float(everything[window].sum())
    lines = []
    for dimension, column, margin in zip(rows.table.dimensions, folded, found, strict=True):
        shares = shares_of(rows, margin.sums, margin.size)
        means = (margin.sums.mean + rows.centres) @ np.asarray(rows.groups.signs)
        for at, code in enumerate(column.values.tolist()):
            n = float(margin.sums.n[at, window].sum())
            effect = interval(
                float(margin.effect[at]),
                float(margin.variance[at]),
                float(margin.df[at]),
                n,
                "jackknife over buckets" if rows.table.bucket is not None else "Welch",
            )
            share = float(shares[at])
            lines.append(
                Value(
                    column=dimension.name,
                    value=dimension.labels[code],
                    n=int(n),
                    support=n / total,
                    mean=float(means[at]),
                    effect=observed(effect),
                    share=share,
                    lift=share / (n / total) if n else 0.0,
                )
            )
    key = {d.name: position for position, d in enumerate(rows.table.dimensions)}
    return tuple(
        sorted(lines, key=lambda v: (-v.share, key[v.column], v.value is None, v.value or ""))
    )


def shares_of(rows: Rows, cells: Moments, size: Floats) -> Floats:
    """Share of the total divergence that lies in each cell (cells, groups).

    For a level the sum of |outcome|; else the rows of the window times the change in a segment,
    against the same of its complement, both without their signs.
    """
    if rows.groups.mode == "level":
        total = rows.size().sum()
        return size / total if total > 0 else np.zeros_like(size)
    signs, window = np.asarray(rows.groups.signs), list(rows.groups.window)
    whole = rows.moments(*rows.count(None, rows.whole, rows.whole))
    weights = []
    for side in (cells, whole - cells):
        moved = np.abs(np.asarray((side.mean + rows.centres) @ signs, dtype=np.float64))
        weights.append(side.n[..., window].sum(axis=-1) * moved)
    total = weights[0] + weights[1]
    shares: Floats = np.zeros_like(total)
    np.divide(weights[0], total, out=shares, where=total > 0)
    return shares
