"""Counts and sums of one slot's narrow rows: what every table but the feature tables holds.

Rows come sorted by `ts`, so an hour or a minute is a slice. Sums per segment cell are dense
`bincount`s over a combined code; whole-numbered float64 weights keep them exact (see `frozen`).

Learnt by profiling: a weighted `bincount` costs 2-3 ns a row however many cells there are, so
counts that fit are packed three to a weight (17 bits each, hence `CHUNK`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.errors import LogError
from analyzer.frozen import OTHER, QUANTUM_BITS, shown
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

    def ids_at(self, rows: Ints) -> pa.Array:
        """Request ids of a few rows; `take` on the whole chunked column would copy all of it."""
        return pa.array([self.ids[int(row)].as_py() for row in rows], self.ids.type)

    def _others(self, rows: Ints) -> list[NDArray[Any]]:
        """What else the chosen rows hold: decides which of several equal rows pairs."""
        chosen = [values[rows] for _, values in sorted(self.columns.items())]
        features = [values.take(pa.array(rows)) for _, values in sorted(self.parity.items())]
        return [*chosen, *(values.to_numpy() for values in features)]


@dataclass(frozen=True)
class Measures:
    """What is summed for one kind of row: packed counts, and whole-numbered float weights.

    counts: 0/1 arrays by name; weights: float64 arrays of whole numbers by name. All share the
    order of `codes` (one uint8 array per segment column), `bucket` and `ts`; at most CHUNK rows.
    bounded: no weight exceeds 2**36, so that sums of them are exact in a float64.
    """

    ts: Ints
    codes: list[NDArray[np.uint8]]
    bucket: NDArray[np.uint8]
    counts: dict[str, NDArray[np.uint8]]
    weights: dict[str, Floats]
    bounded: bool

    def packs(self) -> list[tuple[list[str], Floats]]:
        """Counts packed three to a weight, with the names packed in each."""
        names = list(self.counts)
        found = []
        for start in range(0, len(names), 3):
            group = names[start : start + 3]
            total = self.counts[group[0]].astype(np.float64)
            for position, name in enumerate(group[1:], start=1):
                total += self.counts[name] * float(1 << (PACK * position))
            found.append((group, total))
        return found


def exact_weights(values: Floats, scale: float) -> Floats:
    """Values as whole multiples of scale * 2**-36."""
    weights = values * (2.0**QUANTUM_BITS / scale)
    return np.rint(weights, out=weights)


def grouped_sums(
    code: Ints,
    cells: int,
    packs: Sequence[tuple[list[str], Floats]],
    weights: Mapping[str, Floats],
    bounded: bool = False,
) -> dict[str, Ints]:
    """Exact sums per cell of at most CHUNK rows: `n`, the packed counts apart, the weights."""
    sums: dict[str, Ints] = {"n": np.bincount(code, minlength=cells)}
    for group, pack in packs:
        total = np.bincount(code, weights=pack, minlength=cells).astype(np.int64)
        for position, name in enumerate(group):
            sums[name] = (total >> (PACK * position)) & ((1 << PACK) - 1)
    for name, weight in weights.items():
        sums[name] = _exact(code, cells, weight, bounded)
    return sums


def _exact(code: Ints, cells: int, weight: Floats, bounded: bool = False) -> Ints:
    """Sum of whole-numbered weights, split in two limbs where a float64 would round.

    It fits: CHUNK squares of scores or differences within `narrow.SCORE_REACH` stay below 2**62.
    """
    if bounded or float(np.max(np.abs(weight), initial=0.0)) * len(weight) < 2.0**53:
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

    def add(self, measures: Measures, hour: int) -> None:
        """Add rows of one hour of the slot."""
        packs, weights = measures.packs(), measures.weights
        for group, store in zip(self.cell_groups, self.cells, strict=True):
            code, cells = self._code(measures, group)
            sums = grouped_sums(code, cells, packs, weights, measures.bounded)
            _add(store, hour, self.hours, sums)
        weights = {k: v for k, v in weights.items() if not k.endswith("_squares")}
        for group, store in zip(self.bucket_groups, self.buckets, strict=True):
            code, cells = self._code(measures, group)
            code *= BUCKETS
            code += measures.bucket
            sums = grouped_sums(code, cells * BUCKETS, packs, weights, measures.bounded)
            _add(store, 0, 1, sums)

    def _code(self, measures: Measures, group: tuple[int, ...]) -> tuple[Ints, int]:
        cells = math.prod(self.widths[column] for column in group)
        code = np.zeros(len(measures.ts), dtype=np.uint16)  # CELL_LIMIT cells at most
        for column in group:
            code *= np.uint16(self.widths[column])
            code += measures.codes[column]
        return code.astype(np.int64), cells

    def margins(self) -> Iterator[tuple[tuple[int, ...], dict[str, Ints]]]:
        """(columns, sums of shape hours x cells of those columns) for order 0, 1 and 2."""
        done: set[tuple[int, ...]] = set()
        for group, store in zip(self.cell_groups, self.cells, strict=True):
            if not store:
                continue
            shape = (self.hours, *(self.widths[c] for c in group))
            whole = np.stack([values.reshape(shape) for values in store.values()])
            for kept, sums in _margins(whole, group).items():
                if len(kept) <= 2 and kept not in done:
                    done.add(kept)
                    yield kept, dict(zip(store, sums, strict=True))

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


def _margins(whole: Ints, group: tuple[int, ...]) -> dict[tuple[int, ...], Ints]:
    """Sums of `whole` (measure, hour, a column each) for every subset of the group's columns.

    Each is summed over one column of the smallest subset that holds one column more.
    """
    found = {group: whole}
    for order in range(len(group) - 1, -1, -1):
        for kept in combinations(group, order):
            wider = [w for w in found if len(w) == order + 1 and set(kept) < set(w)]
            source = min(wider, key=lambda w: found[w].size)
            (dropped,) = set(source) - set(kept)
            found[kept] = found[source].sum(axis=2 + source.index(dropped))
    return found


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
    alone: NDArray[np.bool_],
    codes: list[NDArray[np.uint8]],
    bucket: NDArray[np.uint8],
) -> Measures:
    """What is summed over some rows of one model; `alone` are those without a partner."""
    flags, state = rows["flags"][keep], rows["state"][keep]
    usable = state == OK
    counts = {
        "errors": flags & ERROR,
        "nulls": (~usable).view(np.uint8),
        "latency_n": (flags & HAS_LATENCY) >> 1,
    }
    for bit, threshold in enumerate(shape.thresholds, start=FIRST_THRESHOLD_BIT):
        counts[over(threshold)] = (flags >> bit) & 1
    counts["unmatched"] = alone.view(np.uint8)
    score = rows["score"][keep]
    if not usable.all():
        score = np.where(usable, score, 0.0)
    scale = shape.frozen.scale
    weights = {
        "score_sum": exact_weights(score, scale),
        "score_squares": exact_weights(score * score, scale * scale),
    }
    bounded = shape.rollout.score.type == "probability"
    return Measures(rows["ts"][keep], codes, bucket, counts, weights, bounded)


def pair_measures(
    shape: Shape, champion: Rows, challenger: Rows, ours: Ints | slice, theirs: Ints
) -> tuple[Measures, Floats]:
    """What is summed over some pairs, in order of the champion's `ts`, and their differences.

    A pair without a usable score on both sides counts in `nulls`; its difference is NaN.
    """
    difference = challenger["score"][theirs] - champion["score"][ours]
    missing = np.isnan(difference)
    d = np.where(missing, 0.0, difference) if missing.any() else difference
    one, two = champion["decision"][ours], challenger["decision"][theirs]
    decided = (one != UNKNOWN) & (two != UNKNOWN)
    counts = {
        "nulls": missing.view(np.uint8),
        "decided": decided.view(np.uint8),
        "flips": (decided & (one != two)).view(np.uint8),
    }
    scale = shape.frozen.scale
    whole = exact_weights(d, scale)
    weights = {
        "difference_sum": whole,
        "difference_squares": exact_weights(d * d, scale * scale),
        "difference_absolute": np.abs(whole),
    }
    codes = [champion[f"s{i}"][ours] for i in range(len(shape.segments))]
    bounded = shape.rollout.score.type == "probability"
    ts, bucket = champion["ts"][ours], champion["bucket"][ours]
    return Measures(ts, codes, bucket, counts, weights, bounded), difference


def over(threshold: float) -> str:
    """Column that counts requests which took at least `threshold` milliseconds."""
    return f"over_{threshold:g}ms"


class MinuteSums:
    """Sums by minute of a slot."""

    def __init__(self, minutes: int) -> None:
        self.minutes = minutes
        self.sums: dict[str, Ints] = {"n": np.zeros(minutes, dtype=np.int64)}

    def add(self, measures: Measures, start: int) -> None:
        """Add rows sorted by `ts` of the slot that begins at `start`."""
        first = int(measures.ts[0] - start) // MINUTE
        last = int(measures.ts[-1] - start) // MINUTE
        edges = start + MINUTE * np.arange(first, last + 2)
        bounds = np.searchsorted(measures.ts, edges)
        busy = np.flatnonzero(np.diff(bounds))
        at, rows = first + busy, bounds[busy]
        self.sums["n"][at] += np.diff(bounds)[busy]
        for name, flag in measures.counts.items():
            self._column(name)[at] += np.add.reduceat(flag, rows, dtype=np.int64)
        for name, weight in measures.weights.items():
            self._column(name)[at] += np.add.reduceat(weight.astype(np.int64), rows)

    def _column(self, name: str) -> Ints:
        if name not in self.sums:
            self.sums[name] = np.zeros(self.minutes, dtype=np.int64)
        return self.sums[name]

    def busy(self) -> tuple[Ints, dict[str, Ints]]:
        """Minutes with rows (0-based within the slot) and the sums of each measure in them."""
        at = np.flatnonzero(self.sums["n"])
        return at, {name: values[at] for name, values in self.sums.items()}


def segment_label(shape: Shape, column: int, code: Ints) -> pa.Array:
    """Text of segment codes: a kept value, (other), or NULL."""
    kept = shape.frozen.segments[shape.segments[column]]
    table = pa.array([*(shown(v) for v in kept), OTHER, None], pa.string())
    return table.take(pa.array(code))
