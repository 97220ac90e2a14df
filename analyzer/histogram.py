"""The histogram kernel: numeric values to mergeable counts, without edges to choose.

A value is binned by the top 16 bits of float32(value - origin): its bfloat16 truncation. The
relative width of a bin is at most 2**-7 of the distance from `origin`. Probabilities are binned
by the distance to the nearer end, min(p, 1 - p), with the side kept: both tails are then sharp.

Three numberings of the same bins:
  raw    0..65535, the 16 bits as they stand in memory; what the kernel counts
  code   an int that grows with the value; what tables hold
  cell   0..63, unions of bins frozen when the store was created, then the special cells below

Learnt by profiling: shifting into a reused int64 buffer and `bincount` per hour costs 2.1 ns a
value; counting the 16-bit view directly makes `bincount` convert and check it, 6.5 ns. The
dense path pays 65,536 counters an hour, so small hours go through a lookup table instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

RAW_BINS = 65536
MAX_CELLS = 64
SPECIAL_CELLS = ("below", "above", "null", "nan", "+inf", "-inf")
BELOW, ABOVE, NULL, NAN, PLUS_INF, MINUS_INF = range(MAX_CELLS, MAX_CELLS + 6)
CELLS = MAX_CELLS + len(SPECIAL_CELLS)
DENSE_ROWS = 8192
"""Rows an hour above which 65,536 counters an hour are cheaper than a lookup per value."""

_NULL_BITS = np.uint32(0xFFFF0000)  # a NaN that arithmetic does not produce; nulls are known apart
_LARGE = 1.5e38  # of two such numbers the difference still fits into float32
_UPPER = 0x7E00  # code of p = 1: mirrors the codes of the lower side around p = 0.5

Kind = Literal["distance", "probability"]
Ints = NDArray[np.int64]


def _magnitudes(raw: NDArray[np.int64]) -> NDArray[np.float64]:
    """Lower end of the bins with these non-negative raw numbers."""
    return (raw.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)


@dataclass(frozen=True)
class Binning:
    """How one column is binned. Frozen in the store's columns.json.

    starts: first code of each reference cell, ascending, at most 64; last: last code of the
    last cell. Values before or after are counted `below` and `above`.
    """

    kind: Kind
    origin: float
    starts: tuple[int, ...]
    last: int

    @cached_property
    def codes(self) -> Ints:
        """Code of every raw bin; meaningless for NaN and infinities."""
        raw = np.arange(RAW_BINS, dtype=np.int64)
        return codes_of(raw, self.kind)

    @cached_property
    def cell_of_raw(self) -> NDArray[np.uint8]:
        """Cell of every raw bin."""
        starts = np.asarray(self.starts, dtype=np.int64)
        cells = np.searchsorted(starts, self.codes, side="right") - 1
        cells[self.codes < starts[0]] = BELOW
        cells[self.codes > self.last] = ABOVE
        magnitude = np.arange(RAW_BINS) & 0x7FFF
        cells[magnitude > 0x7F80] = NAN
        cells[0x7F80] = PLUS_INF
        cells[0xFF80] = MINUS_INF
        return cells.astype(np.uint8)

    @cached_property
    def runs(self) -> tuple[Ints, Ints]:
        """Raw bins at which the cell changes, and the cell that begins there."""
        cells = self.cell_of_raw
        starts = np.flatnonzero(np.r_[True, cells[1:] != cells[:-1]])
        return starts, cells[starts].astype(np.int64)


def codes_of(raw: Ints, kind: Kind) -> Ints:
    """Order-preserving codes of raw bins."""
    magnitude = raw & 0x7FFF
    if kind == "probability":
        return np.where(raw < 0x8000, raw, _UPPER - magnitude)
    return np.where(raw < 0x8000, raw, -magnitude - 1)


def bin_edges(codes: Ints, kind: Kind, origin: float) -> tuple[NDArray[np.float64], ...]:
    """Lower and upper end of the bins with these codes, in the column's own unit."""
    if kind == "probability":
        upper = codes > 0x3F00
        magnitude = np.where(upper, _UPPER - codes, codes)
        near, far = _magnitudes(magnitude), _magnitudes(magnitude + 1)
        low = np.where(upper, 1.0 - far, near)
        high = np.where(upper, 1.0 - near, np.minimum(far, 0.5))
        return np.maximum(low, np.where(upper, 0.5, 0.0)), np.maximum(high, low)
    negative = codes < 0
    magnitude = np.where(negative, -codes - 1, codes)
    near, far = _magnitudes(magnitude), _magnitudes(magnitude + 1)
    return np.where(negative, -far, near) + origin, np.where(negative, -near, far) + origin


def raw_bins(
    values: NDArray[np.floating], nulls: Ints, kind: Kind, origin: float, out: Ints
) -> Ints:
    """Raw bins of `values` (float32 or float64), written into `out` and returned as its head.

    nulls: positions whose value is not there; they get a NaN bin and are counted apart.
    """
    try:
        with np.errstate(over="raise"):
            folded = _folded(values, kind, origin)
    except FloatingPointError:  # finite, yet beyond float32: no infinity, but the last bin
        finite = np.isfinite(values)
        folded = np.where(finite, np.clip(values, -_LARGE, _LARGE), values)
        folded = _folded(folded, kind, origin)
    bits = folded.view(np.uint32)
    bits[nulls] = _NULL_BITS
    head = out[: len(values)]
    np.right_shift(bits, 16, out=head, casting="unsafe")
    return head


def _folded(values: NDArray[np.floating], kind: Kind, origin: float) -> NDArray[np.float32]:
    if kind == "probability":
        # the sign carries the side; -(1 - p) keeps p = 1 at -0.0, apart from p = 0
        folded = np.where(values > 0.5, -(1.0 - values), values + 0.0)
    else:
        # adding turns -0.0 into 0.0, unless what is added is -0.0 as well
        folded = np.add(values, values.dtype.type(0.0 - origin))
    return folded.astype(np.float32, copy=False)


class HourlyCounts:
    """Counts of one numeric column over a slot: cells per hour, fine bins per slot or per hour."""

    def __init__(self, binning: Binning, hours: int, fine_by_hour: bool) -> None:
        self.binning = binning
        self.hours = hours
        self.fine = np.zeros((hours if fine_by_hour else 1, RAW_BINS), dtype=np.int64)
        self.cells = np.zeros((hours, CELLS), dtype=np.int64)

    def add(self, raw: Ints, bounds: Ints, nulls: Ints) -> None:
        """Count rows sorted by hour; hour h is rows bounds[h]:bounds[h + 1]."""
        rows = int(bounds[-1] - bounds[0])
        busy = int(np.count_nonzero(np.diff(bounds)))
        if not rows:
            return
        if rows >= DENSE_ROWS * busy:
            self._add_dense(raw, bounds)
        else:
            self._add_sparse(raw, bounds)
        missing = np.diff(np.searchsorted(nulls, bounds))
        self.cells[:, NULL] += missing
        self.cells[:, NAN] -= missing

    def _add_dense(self, raw: Ints, bounds: Ints) -> None:
        starts, cells = self.binning.runs
        for hour in np.flatnonzero(np.diff(bounds)):
            counts = np.bincount(raw[bounds[hour] : bounds[hour + 1]], minlength=RAW_BINS)
            self.fine[hour if len(self.fine) > 1 else 0] += counts
            sums = np.add.reduceat(counts, starts)
            np.add.at(self.cells[hour], cells, sums)

    def _add_sparse(self, raw: Ints, bounds: Ints) -> None:
        hour = np.repeat(np.arange(self.hours), np.diff(bounds))
        raw = raw[bounds[0] : bounds[-1]]
        cell = hour * CELLS + self.binning.cell_of_raw[raw]
        self.cells += np.bincount(cell, minlength=self.hours * CELLS).reshape(self.cells.shape)
        key = raw if len(self.fine) == 1 else hour * RAW_BINS + raw
        bins, counts = np.unique(key, return_counts=True)
        self.fine.reshape(-1)[bins] += counts

    def fine_table(self) -> tuple[Ints, Ints, Ints]:
        """Non-empty finite bins as (hour, code, n), sorted by hour and code."""
        flat = np.flatnonzero(self.fine)
        flat = flat[(flat & 0x7FFF) < 0x7F80]
        hour, raw = flat // RAW_BINS, flat % RAW_BINS
        n = self.fine.reshape(-1)[flat]
        code = self.binning.codes[raw]
        order = np.lexsort((code, hour))
        return hour[order], code[order], n[order]


def reference_cells(codes: Ints, counts: Ints, cells: int = MAX_CELLS) -> tuple[Ints, int]:
    """Cut ordered fine bins into at most `cells` cells of nearly equal weight.

    codes, counts: non-empty bins in ascending order. Returns the first code of each cell and the
    last code of all. Ties make fewer cells; a constant column has one.

    >>> starts, last = reference_cells(np.array([1, 2, 3, 4]), np.array([5, 5, 5, 5]), cells=2)
    >>> starts.tolist(), last
    ([1, 3], 4)
    """
    if not len(codes):
        return np.zeros(1, dtype=np.int64), 0
    before = np.concatenate(([0], np.cumsum(counts)[:-1]))
    wanted = before * cells // max(int(counts.sum()), 1)
    first = np.concatenate(([True], wanted[1:] != wanted[:-1]))
    return codes[first], int(codes[-1])
