"""One column at a time: every supported value against all other rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.ids import BUCKETS
from analyzer.segments.counting import Folded, dense_sums
from analyzer.segments.evidence import Evidence, weigh
from analyzer.segments.finding import Value
from analyzer.segments.rows import Floats, Rows, Sums
from analyzer.stats.contrast import Moments
from analyzer.verdict import observed


@dataclass(frozen=True, eq=False)
class Margin:
    """The supported values of one column before anything is taken off.

    deff: over units to independent rows, not below 1. size: sums of |outcome|, not centred.
    """

    sums: Moments
    evidence: list[Evidence]
    deff: Floats
    size: Floats


def margins(rows: Rows, folded: Sequence[Folded]) -> list[Margin]:
    """The margin of every column; four passes over the rows each."""
    squares, whole = rows.squares(rows.whole), rows.sums(None, rows.whole)
    return [_margin(rows, column, squares, whole) for column in folded]


def _margin(rows: Rows, column: Folded, squares: Floats, whole: Sums) -> Margin:
    groups, kept, buckets = len(rows.groups.signs), len(column.values), whole.bucket_n.shape[1]
    code = column.codes.astype(np.uint32)
    if rows.group is not None:
        code *= np.uint32(groups)
        code += rows.group
    cells, shape = column.width * groups, (column.width, groups)
    by_squares, size = (
        x.reshape(shape)[:kept] for x in dense_sums(code, cells, squares, rows.size)[1:]
    )
    if rows.table.bucket is not None:
        code *= np.uint32(BUCKETS)
        code += rows.table.bucket
    n, total = (
        x.reshape(*shape, buckets)[:kept] for x in dense_sums(code, cells * buckets, rows.whole)
    )
    parts = [
        Sums(rows, n[v].sum(axis=1), total[v].sum(axis=1), by_squares[v], n[v], total[v])
        for v in range(kept)
    ]
    evidence = [weigh(part, whole) for part in parts]
    window = list(rows.groups.window)
    return Margin(
        rows.moments(n.sum(axis=2), total.sum(axis=2), by_squares),
        evidence,
        np.array([max(e.deff, 1.0) if math.isfinite(e.deff) else 1.0 for e in evidence]),
        size[:, window].sum(axis=1),
    )


def one_way(rows: Rows, folded: Sequence[Folded], found: Sequence[Margin]) -> tuple[Value, ...]:
    """The table of all columns' supported values, largest share of the divergence first."""
    window = list(rows.groups.window)
    total = float(rows.n[window].sum())
    lines = []
    for dimension, column, margin in zip(rows.table.dimensions, folded, found, strict=True):
        shares = shares_of(rows, margin.sums, margin.size)
        means = (margin.sums.mean + rows.centres) @ np.asarray(rows.groups.signs)
        for at, code in enumerate(column.values.tolist()):
            n = float(margin.sums.n[at, window].sum())
            share = float(shares[at])
            lines.append(
                Value(
                    column=dimension.name,
                    value=dimension.labels[code],
                    n=int(n),
                    support=n / total,
                    mean=float(means[at]),
                    effect=observed(margin.evidence[at].result()),
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
        every = float(rows.size.sum())
        return size / every if every > 0 else np.zeros_like(size)
    signs, window = np.asarray(rows.groups.signs), list(rows.groups.window)
    whole = rows.sums(None, rows.whole).moments
    weights = []
    for side in (cells, whole - cells):
        moved = np.abs(np.asarray((side.mean + rows.centres) @ signs, dtype=np.float64))
        weights.append(side.n[..., window].sum(axis=-1) * moved)
    total = np.atleast_1d(weights[0] + weights[1])
    shares: Floats = np.zeros_like(total)
    np.divide(weights[0], total, out=shares, where=total > 0)
    return shares
