"""Counts and sums of one slot's narrow rows: what every table but the feature tables holds.

Rows come sorted by `ts`, so an hour or a minute is a slice. Sums per segment cell are dense
`bincount`s over a combined code; whole-numbered float64 weights keep them exact (see `frozen`).

Learnt by profiling: a weighted `bincount` costs 2-3 ns a row however many cells there are, so
counts that fit are packed three to a weight (17 bits each, hence `CHUNK`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.errors import LogError
from analyzer.frozen import OTHER, QUANTUM_BITS, shown
from analyzer.histogram import HourlyCounts, raw_bins
from analyzer.ids import BUCKETS
from analyzer.narrow import (
    ERROR,
    FIRST_THRESHOLD_BIT,
    HAS_LATENCY,
    OK,
    UNKNOWN,
    Shape,
)
from analyzer.pairing import Identity
from analyzer.window import HOUR

MINUTE = 60_000_000
CHUNK = 65_536
PACK = 17
CELL_LIMIT = 1 << 15
BUCKET_LIMIT = 1 << 17

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Rows:
    """Narrow rows of one side as numpy columns, sorted by `ts`."""

    def __init__(self, table: pa.Table) -> None:
        self.columns = {
            name: table[name].to_numpy()
            for name in table.schema.names
            if name != "id" and not name.startswith("p")
        }
        self.ids = table["id"]
        self.parity = {n: table[n] for n in table.schema.names if n.startswith("p")}
        ts = self.columns["ts"]
        if not bool(np.all(ts[1:] >= ts[:-1])):
            order = np.argsort(ts, kind="stable")
            self.columns = {name: column[order] for name, column in self.columns.items()}
            self.ids = self.ids.take(pa.array(order))
            self.parity = {n: c.take(pa.array(order)) for n, c in self.parity.items()}

    def __getitem__(self, name: str) -> NDArray[Any]:
        column: NDArray[Any] = self.columns[name]
        return column

    @property
    def identity(self) -> Identity:
        """What pairing needs of these rows."""
        c = self.columns
        return Identity(
            c["key"], c["check"], c["has_id"].view(bool), c["ts"], c["score"], self._others
        )

    def _others(self, rows: Ints) -> list[NDArray[Any]]:
        """What else the chosen rows hold: decides which of several equal rows pairs."""
        chosen = [values[rows] for _, values in sorted(self.columns.items())]
        features = [values.take(pa.array(rows)) for _, values in sorted(self.parity.items())]
        return [*chosen, *(values.to_numpy() for values in features)]


@dataclass(frozen=True)
class Measures:
    """What is summed for one kind of row: packed counts, and whole-numbered float weights.

    counts: 0/1 arrays by name; weights: float64 arrays of whole numbers by name. All share the
    order of `codes` (one uint8 array per segment column), `bucket` and `ts`.
    """

    ts: Ints
    codes: list[NDArray[np.uint8]]
    bucket: NDArray[np.uint8]
    counts: dict[str, NDArray[np.uint8]]
    weights: dict[str, Floats]

    def chunk(self, low: int, high: int) -> tuple[list[Floats | None], list[list[str]]]:
        """Weights to sum for rows low:high, and the names packed in each; None counts rows."""
        names = list(self.counts)
        packs: list[Floats | None] = [None]
        packed: list[list[str]] = [["n"]]
        for start in range(0, len(names), 3):
            group = names[start : start + 3]
            total = self.counts[group[0]][low:high].astype(np.float64)
            for position, name in enumerate(group[1:], start=1):
                total += self.counts[name][low:high] * float(1 << (PACK * position))
            packs.append(total)
            packed.append(group)
        for name, weight in self.weights.items():
            packs.append(weight[low:high])
            packed.append([name])
        return packs, packed


def exact_weights(values: Floats, scale: float) -> Floats:
    """Values as whole multiples of scale * 2**-36."""
    weights = values * (2.0**QUANTUM_BITS / scale)
    return np.rint(weights, out=weights)


def grouped_sums(
    code: Ints, cells: int, weights: Sequence[Floats | None], names: Sequence[Sequence[str]]
) -> dict[str, Ints]:
    """Exact sums per cell of at most CHUNK rows, packed counts taken apart."""
    sums: dict[str, Ints] = {}
    for weight, group in zip(weights, names, strict=True):
        if weight is None:
            sums[group[0]] = np.bincount(code, minlength=cells)
        elif len(group) == 1 and group[0] not in sums and not _is_packed(group):
            sums[group[0]] = _exact(code, cells, weight)
        else:
            total = np.bincount(code, weights=weight, minlength=cells).astype(np.int64)
            for position, name in enumerate(group):
                sums[name] = (total >> (PACK * position)) & ((1 << PACK) - 1)
    return sums


def _is_packed(group: Sequence[str]) -> bool:
    return not (group[0].endswith(("_sum", "_squares", "_absolute")))


def _exact(code: Ints, cells: int, weight: Floats) -> Ints:
    """Sum of whole-numbered weights, split in two limbs where a float64 would round.

    It fits: CHUNK squares of scores or differences within `narrow.SCORE_REACH` stay below 2**62.
    """
    largest = float(np.max(np.abs(weight), initial=0.0))
    if largest * len(weight) < 2.0**53:
        return np.bincount(code, weights=weight, minlength=cells).astype(np.int64)
    high = np.floor(weight * 2.0**-26)
    low = weight - high * 2.0**26
    upper = np.bincount(code, weights=high, minlength=cells).astype(np.int64)
    return (upper << 26) + np.bincount(code, weights=low, minlength=cells).astype(np.int64)


def cover(widths: Sequence[int], order: int, limit: int) -> list[tuple[int, ...]]:
    """Groups of columns that hold every combination of `order` columns, few cells each.

    >>> cover([5, 5, 5], order=2, limit=200)
    [(0, 1, 2)]
    >>> cover([5, 5, 5], order=1, limit=30)
    [(0, 1), (2,)]
    """
    missing = set(combinations(range(len(widths)), min(order, len(widths))))
    groups = []
    while missing:
        group = list(min(missing))
        for column in range(len(widths)):
            cells = int(np.prod([widths[i] for i in group])) * widths[column]
            if column not in group and cells <= limit:
                group.append(column)
        groups.append(tuple(sorted(group)))
        missing -= set(combinations(groups[-1], min(order, len(widths))))
    return groups


class SegmentSums:
    """Sums per hour and segment cell (overall, one-way, two-way), and per bucket and value."""

    def __init__(self, shape: Shape, hours: int, rows: int) -> None:
        self.hours = hours
        self.widths = [shape.width(segment) for segment in shape.segments]
        # few rows do not pay for many dense cells: then small groups, one `bincount` each
        cells = min(CELL_LIMIT, rows // hours)
        self.cell_groups = cover(self.widths, 2, cells)
        self.bucket_groups = cover(self.widths, 1, min(BUCKET_LIMIT, rows) // BUCKETS)
        self.cells: list[dict[str, Ints]] = [{} for _ in self.cell_groups]
        self.buckets: list[dict[str, Ints]] = [{} for _ in self.bucket_groups]

    def add(self, measures: Measures, start: int) -> None:
        """Add rows sorted by `ts`, all within the slot that begins at `start`."""
        bounds = np.searchsorted(measures.ts, start + HOUR * np.arange(self.hours + 1))
        for hour in np.flatnonzero(np.diff(bounds)):
            for low in range(bounds[hour], bounds[hour + 1], CHUNK):
                high = min(low + CHUNK, int(bounds[hour + 1]))
                self._add_chunk(measures, int(hour), low, high)

    def _add_chunk(self, measures: Measures, hour: int, low: int, high: int) -> None:
        weights, names = measures.chunk(low, high)
        for group, store in zip(self.cell_groups, self.cells, strict=True):
            code, cells = self._code(measures, group, low, high)
            _add(store, hour, self.hours, grouped_sums(code, cells, weights, names))
        kept = [i for i, group in enumerate(names) if not group[0].endswith("_squares")]
        weights, names = [weights[i] for i in kept], [names[i] for i in kept]
        bucket = measures.bucket[low:high]
        for group, store in zip(self.bucket_groups, self.buckets, strict=True):
            code, cells = self._code(measures, group, low, high)
            code = code * BUCKETS + bucket
            _add(store, 0, 1, grouped_sums(code, cells * BUCKETS, weights, names))

    def _code(
        self, measures: Measures, group: tuple[int, ...], low: int, high: int
    ) -> tuple[Ints, int]:
        code = np.zeros(high - low, dtype=np.int64)
        cells = 1
        for column in group:
            code *= self.widths[column]
            code += measures.codes[column][low:high]
            cells *= self.widths[column]
        return code, cells

    def margins(self) -> Iterator[tuple[tuple[int, ...], dict[str, Ints]]]:
        """(columns, sums of shape hours x cells of those columns) for order 0, 1 and 2."""
        done: set[tuple[int, ...]] = set()
        for group, store in zip(self.cell_groups, self.cells, strict=True):
            shape = (self.hours, *(self.widths[c] for c in group))
            for order in range(3):
                for kept in combinations(group, order):
                    if kept in done or not store:
                        continue
                    done.add(kept)
                    axes = tuple(1 + i for i, c in enumerate(group) if c not in kept)
                    yield kept, {m: v.reshape(shape).sum(axis=axes) for m, v in store.items()}

    def bucket_margins(self) -> Iterator[tuple[tuple[int, ...], dict[str, Ints]]]:
        """(columns, sums of shape values x buckets) for order 0 and 1."""
        done: set[tuple[int, ...]] = set()
        for group, store in zip(self.bucket_groups, self.buckets, strict=True):
            shape = (*(self.widths[c] for c in group), BUCKETS)
            for order in range(2):
                for kept in combinations(group, order):
                    if kept in done or not store:
                        continue
                    done.add(kept)
                    axes = tuple(i for i, c in enumerate(group) if c not in kept)
                    yield kept, {m: v.reshape(shape).sum(axis=axes) for m, v in store.items()}


def _add(store: dict[str, Ints], row: int, rows: int, sums: dict[str, Ints]) -> None:
    for name, values in sums.items():
        if name not in store:
            store[name] = np.zeros((rows, len(values)), dtype=np.int64)
        total = store[name][row]
        total += values
        if name.endswith("_squares") and bool((total < 0).any()):  # squares only ever grow
            raise LogError(
                f"the sums in {name!r} grow beyond 64 bits: scores are many times larger than "
                "when the store was made; scan into a new store ([store] path)"
            )


def side_measures(
    shape: Shape,
    rows: Rows,
    keep: slice,
    matched: NDArray[np.bool_],
    codes: list[NDArray[np.uint8]],
    bucket: NDArray[np.uint8],
) -> Measures:
    """What is summed over one model's rows within the slot."""
    flags, state = rows["flags"][keep], rows["state"][keep]
    usable = state == OK
    counts = {
        "errors": flags & ERROR,
        "nulls": (~usable).view(np.uint8),
        "latency_n": (flags & HAS_LATENCY) >> 1,
    }
    for bit, threshold in enumerate(shape.thresholds, start=FIRST_THRESHOLD_BIT):
        counts[over(threshold)] = (flags >> bit) & 1
    counts["unmatched"] = (~matched).view(np.uint8)
    score = np.where(usable, rows["score"][keep], 0.0)
    scale = shape.frozen.scale
    weights = {
        "score_sum": exact_weights(score, scale),
        "score_squares": exact_weights(score * score, scale * scale),
    }
    return Measures(rows["ts"][keep], codes, bucket, counts, weights)


def pair_measures(
    shape: Shape, champion: Rows, challenger: Rows, at: Ints, other: Ints
) -> tuple[Measures, Floats, NDArray[np.bool_]]:
    """What is summed over pairs, in order of the champion's `ts`; the differences; which count.

    A pair without a usable score on both sides counts in `nulls` and has no difference.
    """
    difference = challenger["score"][other] - champion["score"][at]
    usable = ~np.isnan(difference)
    d = np.where(usable, difference, 0.0)
    ours, theirs = champion["decision"][at], challenger["decision"][other]
    decided = (ours != UNKNOWN) & (theirs != UNKNOWN)
    counts = {
        "nulls": (~usable).view(np.uint8),
        "decided": decided.view(np.uint8),
        "flips": (decided & (ours != theirs)).view(np.uint8),
    }
    scale = shape.frozen.scale
    whole = exact_weights(d, scale)
    weights = {
        "difference_sum": whole,
        "difference_squares": exact_weights(d * d, scale * scale),
        "difference_absolute": np.abs(whole),
    }
    codes = [champion[f"s{i}"][at] for i in range(len(shape.segments))]
    measures = Measures(champion["ts"][at], codes, champion["bucket"][at], counts, weights)
    return measures, difference, usable


def over(threshold: float) -> str:
    """Column that counts requests which took at least `threshold` milliseconds."""
    return f"over_{threshold:g}ms"


def minute_sums(measures: Measures, start: int, minutes: int) -> tuple[Ints, dict[str, Ints]]:
    """Minutes with rows (0-based within the slot) and the sums of each measure in them."""
    bounds = np.searchsorted(measures.ts, start + MINUTE * np.arange(minutes + 1))
    busy = np.flatnonzero(np.diff(bounds))
    if not len(busy):
        return busy, {}
    first = bounds[busy]
    sums = {"n": np.diff(bounds)[busy]}
    for name, flag in measures.counts.items():
        sums[name] = np.add.reduceat(flag, first, dtype=np.int64)
    for name, weight in measures.weights.items():
        sums[name] = np.add.reduceat(weight.astype(np.int64), first)
    return busy, sums


def segment_label(shape: Shape, column: int, code: Ints) -> pa.Array:
    """Text of segment codes: a kept value, (other), or NULL."""
    kept = shape.frozen.segments[shape.segments[column]]
    table = pa.array([*(shown(v) for v in kept), OTHER, None], pa.string())
    return table.take(pa.array(code))


def sorted_hist(
    shape: Shape, column: str, values: NDArray[np.floating], ts: Ints, start: int, hours: int
) -> HourlyCounts:
    """Hourly fine bins of one column of sorted rows; NaN marks a value that is not there."""
    binning = shape.frozen.binning(column)
    counts = HourlyCounts(binning, hours, fine_by_hour=True)
    bounds = np.searchsorted(ts, start + HOUR * np.arange(hours + 1))
    buffer = np.empty(len(values), dtype=np.int64)
    nulls = np.flatnonzero(np.isnan(values))
    raw = raw_bins(values, nulls, binning.kind, binning.origin, buffer)
    counts.add(raw, bounds, nulls)
    return counts
