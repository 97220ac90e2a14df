"""columns.json: what is decided once, when a store is created, so that its profiles add up.

Per numeric column how it is binned, per categorical column its vocabulary, per segment column
the values that are kept apart, and the quantum to which summands are rounded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from msgspec import Struct
from numpy.typing import NDArray

from analyzer.config import Rollout
from analyzer.histogram import Binning, Kind, codes_of, raw_bins, reference_cells
from analyzer.logs import SIDES, LogFile, Side, has_column
from analyzer.reader import Batch, numbers, read, text
from analyzer.window import HOUR

VOCABULARY = 1_000
SEGMENT_VALUES = 50
REFERENCE_ROWS = 100_000
QUANTUM_BITS = 36
"""Summands are whole multiples of scale * 2**-36: 2**16 of them stay exact in a float64, and
2**27 full-scale rows in the int64 that tables hold."""

LARGEST_ORIGIN = 1e38
"""Beyond, the distance from it would not fit into a float32."""

OTHER = "(other)"
SHARED = ("prediction", "decision", "version")
"""Columns whose vocabulary comes from both models."""
TRACKED = ("prediction", "version")
"""Columns whose values are counted by the hour beside the categorical features."""


class Bins(Struct, frozen=True, forbid_unknown_fields=True):
    """The binning of one numeric column, as stored."""

    kind: Kind
    origin: float
    starts: list[int]
    last: int


class Frozen(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole of columns.json."""

    schema: int
    reference_start: str
    reference_rows: int
    scale: float
    bins: dict[str, Bins]
    vocabularies: dict[str, list[str]]
    segments: dict[str, list[str]]
    classes: list[str]
    decisions: list[str]

    def binning(self, column: str) -> Binning:
        """Binning of a numeric column, ready for the kernel."""
        bins = self.bins[column]
        return Binning(bins.kind, bins.origin, tuple(bins.starts), bins.last)

    @property
    def quantum(self) -> float:
        """Unit of the integer score sums; squares are in units of scale * quantum."""
        return self.scale * 2.0**-QUANTUM_BITS


@dataclass
class _Sample:
    """Values seen in the reference rows."""

    numeric: dict[str, list[np.ndarray]] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)

    def add_numeric(self, name: str, values: pa.Array) -> None:
        array, nulls = numbers(values)
        kept = np.delete(array, nulls).astype(np.float64)
        self.numeric.setdefault(name, []).append(kept[np.isfinite(kept)])

    def add_text(self, name: str, values: pa.Array) -> None:
        counts = self.counts.setdefault(name, {})
        spelled = text(values)
        found = np.bincount(spelled.indices.drop_null().to_numpy(), minlength=1)
        for value, n in zip(spelled.dictionary.to_pylist(), found.tolist(), strict=False):
            if n:
                counts[value] = counts.get(value, 0) + n

    def values(self, name: str) -> np.ndarray:
        return np.concatenate(self.numeric.get(name) or [np.zeros(0)])

    def top(self, name: str, most: int) -> list[str]:
        counts = self.counts.get(name, {})
        kept = sorted(counts, key=lambda value: (-counts[value], value))[:most]
        return sorted(kept)


def freeze(
    rollout: Rollout, files: dict[Side, list[LogFile]], start: int, end: int, schema: int
) -> Frozen:
    """Decide columns.json from the rows of one slot, [start, end) in microseconds UTC.

    Of a large slot only some hours are read, chosen by their order in `_hours_to_read` and by
    row counts, so that neither file names nor file order nor row order matter.
    """
    sample = _Sample()
    rows = 0
    for side in SIDES:
        numeric, categorical = sampled_columns(rollout, files[side], side)
        if side == "challenger":  # the champion defines the reference of what both log
            numeric = [name for name in numeric if name not in sample.numeric]
            categorical = [n for n in categorical if n in SHARED or n not in sample.counts]
        columns = [*numeric, *categorical]
        if not columns:
            continue
        counts = rows_by_hour(rollout, files[side], side, start, end)
        for first, last in _hours_to_read(counts, start):
            for batch in read(rollout, side, files[side], columns, first, last):
                rows += len(batch) if side == "champion" else 0
                _take(sample, batch, numeric, categorical)
    names = [
        *("latency_ms", "score"),
        *rollout.features.numeric,
    ]
    bins = {name: _bins(rollout, name, sample.values(name)) for name in names}
    bins["difference"] = Bins("distance", 0.0, [0], 0)
    return Frozen(
        schema=schema,
        reference_start=str(np.datetime64(start, "us")),
        reference_rows=rows,
        scale=_scale(rollout, sample.values("score")),
        bins=bins,
        vocabularies={
            c: sample.top(c, VOCABULARY) for c in (*rollout.features.categorical, *TRACKED)
        },
        segments={c: sample.top(c, SEGMENT_VALUES) for c in rollout.segments.columns},
        classes=sample.top("prediction", SEGMENT_VALUES),
        decisions=sample.top("decision", SEGMENT_VALUES),
    )


def sampled_columns(
    rollout: Rollout, files: list[LogFile], side: Side
) -> tuple[list[str], list[str]]:
    """Numeric and text columns that a side's log carries and that need a frozen form."""

    def there(names: Sequence[str]) -> list[str]:
        return [name for name in names if has_column(files, rollout, side, name)]

    numeric = there(["score", "latency_ms", *rollout.features.numeric])
    wanted = [*SHARED, *rollout.features.categorical, *rollout.segments.columns]
    return numeric, there(list(dict.fromkeys(wanted)))


def _take(sample: _Sample, batch: Batch, numeric: list[str], categorical: list[str]) -> None:
    for name in numeric:
        if name in batch.columns:
            sample.add_numeric(name, batch.columns[name])
    for name in categorical:
        if name in batch.columns:
            sample.add_text(name, batch.columns[name])


def rows_by_hour(
    rollout: Rollout, files: list[LogFile], side: Side, start: int, end: int
) -> NDArray[np.int64]:
    """Rows of a log in each hour of [start, end), microseconds UTC."""
    hours = (end - start) // HOUR
    counts = np.zeros(hours, dtype=np.int64)
    for batch in read(rollout, side, files, [], start, end):
        counts += np.bincount((batch.ts - start) // HOUR, minlength=hours)
    return counts


def _hours_to_read(counts: NDArray[np.int64], start: int) -> list[tuple[int, int]]:
    """Spans of hours that hold enough rows, spread over the slot."""
    hours = len(counts)
    spread = sorted(range(hours), key=lambda h: (int(f"{h:05b}"[::-1], 2), h))
    chosen, rows = [], 0
    for hour in spread:
        if rows >= REFERENCE_ROWS:
            break
        rows += int(counts[hour])
        chosen.append(hour)
    spans: list[tuple[int, int]] = []
    for hour in sorted(chosen):  # neighbours are read at once: a row group is decoded per span
        first = start + hour * HOUR
        joined = spans.pop()[0] if spans and spans[-1][1] == first else first
        spans.append((joined, first + HOUR))
    return spans


def _bins(rollout: Rollout, name: str, values: np.ndarray) -> Bins:
    probability = name == "score" and rollout.score.type == "probability"
    kind: Kind = "probability" if probability else "distance"
    origin = 0.0
    if name != "latency_ms" and not probability and len(values):
        typical = float(np.quantile(values, 0.5, method="lower"))
        origin = float(np.float32(typical)) if abs(typical) < LARGEST_ORIGIN else 0.0
    if probability:
        values = values[(values >= 0) & (values <= 1)]
    out = np.empty(len(values), dtype=np.int64)
    raw = raw_bins(values, np.zeros(0, dtype=np.int64), kind, origin, out)
    counts = np.bincount(raw, minlength=1)
    bins = np.flatnonzero(counts)
    codes = codes_of(bins, kind)
    order = np.argsort(codes)
    starts, last = reference_cells(codes[order], counts[bins][order])
    return Bins(kind, origin, starts.tolist(), last)


def _scale(rollout: Rollout, scores: np.ndarray) -> float:
    """Power of two that a typical large score does not exceed."""
    if rollout.score.type == "probability" or not len(scores):
        return 1.0
    large = float(np.quantile(np.abs(scores), 0.999, method="higher"))
    return 2.0 ** math.ceil(math.log2(large)) if large > 0 else 1.0


def shown(value: str) -> str:
    """A value as tables show it: one that looks like the fold of all others is escaped."""
    return "\\" + value if value.lstrip("\\") == OTHER else value
