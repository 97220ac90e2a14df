"""The narrow form of a prediction row: what pairing and segment sums need, a few bytes each.

Everything that must be decided on the logged value itself (is the score usable, was the request
slower than a threshold) is decided here, batch by batch, before values are rounded or dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer import ids
from analyzer.config import Rollout
from analyzer.frozen import Frozen
from analyzer.kinds import NOTHING, kind_of
from analyzer.logs import Side
from analyzer.reader import STRAY, Batch, numbers, text
from analyzer.serving import STRAYED, served

SCORE_STATES = ("ok", "null", "nan", "infinite", "out_of_range")
OK, NO_SCORE, NAN_SCORE, INFINITE, OUT_OF_RANGE = range(5)
SCORE_REACH = 16
"""A score beyond this multiple of the frozen scale is out of range: its square and the sums of
squares of an hour's rows would not fit into 64 bits."""
UNKNOWN = -1


@dataclass(frozen=True)
class Shape:
    """What one scan keeps of every row: set once, the same for both sides and all slots."""

    rollout: Rollout
    frozen: Frozen
    thresholds: tuple[float, ...]
    as_text: bool
    parity: tuple[str, ...]
    bucketed_by: str
    decided_by: str
    logged: Mapping[Side, tuple[str, ...]] = field(default_factory=dict)
    """Per side the features that some file of the log carries: they count in every slot."""
    max_age: int = 0
    """Age up to which features are fresh, microseconds."""

    @property
    def segments(self) -> list[str]:
        """Segment columns in the order of `rollout.toml`."""
        return self.rollout.segments.columns

    def width(self, segment: str) -> int:
        """Codes of a segment column: its kept values, other, null."""
        return len(self.frozen.segments[segment]) + 2

    def columns(self) -> list[str]:
        """Canonical columns to read for the narrow form."""
        base = ["request_id", "score", "prediction", "decision", "latency_ms", "error"]
        units = ["unit_id"] if self.bucketed_by == "unit_id" else []
        return list(dict.fromkeys([*base, *units, *self.segments, *self.parity]))


def narrow(shape: Shape, batch: Batch, ids_too: bool = True) -> pa.RecordBatch:
    """The narrow rows of a batch, in its order; the ids themselves only where asked for."""
    columns = batch.columns
    rows = len(batch)
    request = columns["request_id"]
    key, check = ids.pairing_keys(request, shape.as_text)
    score, state = _score(shape, columns.get("score"), rows)
    klass = _classes(shape, columns.get("prediction"), rows)
    flags, latency = served(columns.get("latency_ms"), columns.get("error"), rows, shape.thresholds)
    if STRAY in columns:
        flags |= np.asarray(columns[STRAY]) * np.uint16(STRAYED)
    fields: dict[str, pa.Array | NDArray[np.generic]] = {
        "ts": batch.ts,
        "key": key,
        "check": check,
        "has_id": np.asarray(request.is_valid()).view(np.uint8)
        if request.null_count
        else np.ones(rows, dtype=np.uint8),
        "score": score,
        "state": state,
        "latency": latency,
        "flags": flags,
        "decision": _decisions(shape, score, state, klass, columns.get("decision"), rows),
        "class": klass,
        "bucket": _buckets(shape, columns, rows),
    }
    if ids_too:
        fields["id"] = ids.plain(request)
    for position, segment in enumerate(shape.segments):
        fields[f"s{position}"] = segment_codes(shape, segment, columns.get(segment), rows)
    for position, feature in enumerate(shape.parity):
        fields[f"p{position}"] = _comparable(columns.get(feature), rows)
    arrays = [v if isinstance(v, pa.Array) else pa.array(v) for v in fields.values()]
    return pa.record_batch(arrays, names=list(fields))


def _score(
    shape: Shape, values: pa.Array | None, rows: int
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Scores as float64, NaN where unusable, and why."""
    if values is None:
        return np.full(rows, np.nan), np.full(rows, NO_SCORE, dtype=np.uint8)
    raw, nulls = numbers(values)
    score = raw.astype(np.float64)
    if shape.rollout.score.type == "probability":
        bad = ~((score >= 0.0) & (score <= 1.0))
    else:
        bad = ~(np.abs(score) <= shape.frozen.scale * SCORE_REACH)
    state = np.zeros(rows, dtype=np.uint8)
    bad[nulls] = True
    if bad.any():
        odd = np.flatnonzero(bad)
        wrong = score[odd]
        state[odd] = np.where(
            np.isnan(wrong), NAN_SCORE, np.where(np.isinf(wrong), INFINITE, OUT_OF_RANGE)
        )
        state[nulls] = NO_SCORE
        score[odd] = np.nan
    return score, state


def _classes(shape: Shape, values: pa.Array | None, rows: int) -> NDArray[np.int16]:
    """Code of the predicted class in the frozen list; its length means any other, -1 none."""
    if values is None:
        return np.full(rows, UNKNOWN, dtype=np.int16)
    return coded(values, shape.frozen.classes, UNKNOWN).astype(np.int16)


def _decisions(
    shape: Shape,
    score: NDArray[np.float64],
    state: NDArray[np.uint8],
    klass: NDArray[np.int16],
    logged: pa.Array | None,
    rows: int,
) -> NDArray[np.int16]:
    """What was decided, as both logs can tell it (`Shape.decided_by`)."""
    if shape.decided_by == "decision" and logged is not None:
        return coded(logged, shape.frozen.decisions, UNKNOWN).astype(np.int16)
    if shape.decided_by == "prediction":
        return klass
    threshold = shape.rollout.threshold
    if shape.decided_by == "threshold" and threshold is not None:
        return np.where(state == OK, score >= threshold, UNKNOWN).astype(np.int16)
    return np.full(rows, UNKNOWN, dtype=np.int16)


def _buckets(shape: Shape, columns: dict[str, pa.Array], rows: int) -> NDArray[np.uint8]:
    units = columns.get(shape.bucketed_by)
    if units is None:
        return np.zeros(rows, dtype=np.uint8)
    return ids.buckets(units).astype(np.uint8)


def segment_codes(
    shape: Shape, segment: str, values: pa.Array | None, rows: int
) -> NDArray[np.uint8]:
    """Code of each row's segment value: its place among the kept ones, then other, then null."""
    kept = shape.frozen.segments[segment]
    if values is None:
        return np.full(rows, len(kept) + 1, dtype=np.uint8)
    return coded(values, kept, len(kept) + 1).astype(np.uint8)


def coded(values: pa.Array, vocabulary: Sequence[str], null: int) -> NDArray[np.int64]:
    """Place of each value in `vocabulary`; its length for any other value, `null` for NULL."""
    spelled = text(values)
    table = places(spelled, vocabulary)
    lookup = np.append(table, null)
    indices = spelled.indices
    if spelled.null_count:  # widened first: int8 indices need not hold one more
        indices = indices.cast(pa.int32()).fill_null(len(table))
    codes: NDArray[np.int64] = lookup[indices.to_numpy()]
    return codes


def places(spelled: pa.DictionaryArray, vocabulary: Sequence[str]) -> NDArray[np.int64]:
    """Place in `vocabulary` of each value of a column's dictionary; its length for any other."""
    found = pc.index_in(spelled.dictionary, value_set=pa.array(vocabulary, pa.string()))
    table: NDArray[np.int64] = (
        found.cast(pa.int64()).fill_null(len(vocabulary)).to_numpy(zero_copy_only=False)
    )
    return table


def _comparable(values: pa.Array | None, rows: int) -> pa.Array:
    """A feature's values for comparing two logs: float64, or a hash of their text."""
    if values is None:
        return pa.nulls(rows, pa.float64())
    if kind_of(values.type) in ("number", "flag", NOTHING):
        return values.cast(pa.float64(), safe=False)
    spelled = text(values)
    # 52 bits of two hashes of each distinct value: exact in float64
    low, high = ids.pairing_keys(spelled.dictionary, as_text=True)
    hashed = ((low >> np.uint64(38)) << np.uint64(26)) | (high >> np.uint64(38))
    table = pa.array(hashed.astype(np.float64))
    return table.take(spelled.indices) if len(table) else pa.nulls(rows, pa.float64())


class Spool:
    """Narrow rows of one side, kept in memory, or split by id hash into files when too many.

    A request's rows share a part, so parts can be paired one by one and their counts add up.
    """

    def __init__(self, parts: int, folder: Path, side: Side) -> None:
        self.parts = parts
        self._kept: list[pa.RecordBatch] = []
        self._writers: list[pa.ipc.RecordBatchStreamWriter] = []
        self._paths = [folder / f"{side}-{part}.arrow" for part in range(parts)]
        self._stack = ExitStack()

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in narrow rows."""
        if self.parts == 1:
            self._kept.append(batch)
            return
        if not self._writers:
            self._writers = [
                self._stack.enter_context(pa.ipc.new_stream(str(path), batch.schema))
                for path in self._paths
            ]
        part = (batch["key"].to_numpy() % np.uint64(self.parts)).astype(np.uint16)
        batch = batch.take(pa.array(np.argsort(part, kind="stable")))  # once, not once a part
        bounds = np.concatenate(([0], np.cumsum(np.bincount(part, minlength=self.parts))))
        for number, writer in enumerate(self._writers):
            low = int(bounds[number])
            writer.write_batch(batch.slice(low, int(bounds[number + 1]) - low))

    def _taken(self) -> pa.Table | None:
        kept, self._kept = self._kept, []
        return pa.Table.from_batches(kept) if kept else None

    def tables(self) -> Iterator[pa.Table | None]:
        """One table per part, None where it has no row; each is released by the next."""
        self._stack.close()
        if self.parts == 1:
            yield self._taken()
            return
        for path in self._paths:
            if not path.exists():
                yield None
                continue
            with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
                yield stream.read_all()  # mapped: only the columns that are copied take memory
            path.unlink()
