"""The labels that became available on one day: which request, which label, when."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer import ids
from analyzer.footers import microseconds
from analyzer.kinds import NOTHING, kind_of
from analyzer.labels.order import by_key
from analyzer.labels.tables import DAY
from analyzer.logs import LogFile
from analyzer.reader import Batch, numbers, read, text
from analyzer.scan.narrow import SCORE_REACH, Shape, coded

NO_ID = "no request id"
NULL = "label is NULL or NaN"
UNREADABLE = "label is neither yes nor no"
OUT_OF_RANGE = "label is infinite or out of range"
DUPLICATE = "the same label again"

YES, NO = {"1", "true", "1.0"}, {"0", "false", "0.0"}
MISSING = -1
"""Code of a label that cannot be used; which fault it is, is counted."""

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Events:
    """Labels of one day, ascending by key, check, ts and label; each once.

    rows: key, check (hashes of the id), ts (when it became available, microseconds UTC), label
    (0 or 1, code of a class, or a value), predicted (day of the prediction since 1970 where the
    log tells, else -1). faults: rows left out by reason.
    """

    rows: Arrays
    faults: dict[str, int]

    def table(self) -> pa.Table:
        """The labels as an Arrow table; faults are in the metadata of its schema."""
        columns = {name: pa.array(values) for name, values in self.rows.items()}
        told = json.dumps(self.faults, sort_keys=True)
        return pa.table(columns).replace_schema_metadata({"faults": told})

    @classmethod
    def of(cls, content: pa.Table) -> Events:
        """The labels that `table` gave."""
        rows = {name: content[name].to_numpy() for name in content.schema.names}
        return cls(rows, json.loads(content.schema.metadata[b"faults"]))


def events_of(shape: Shape, files: Sequence[LogFile], day: int) -> Events:
    """The labels with `label_ts` on a day (since 1970, UTC). Raises LogError as reading does."""
    faults: dict[str, int] = {}
    rows: Arrays
    columns = ["request_id", "label", "prediction_ts"]
    batches = read(shape.rollout, "labels", files, columns, day * DAY, (day + 1) * DAY)
    parts = [_blank(shape), *(_usable(shape, batch, faults) for batch in batches)]
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = by_key(*(rows[name] for name in ("key", "check", "ts", "label", "predicted")))
    rows = {name: values[order] for name, values in rows.items()}
    again = np.zeros(len(order), dtype=bool)
    if len(order) > 1:
        again[1:] = np.logical_and.reduce(
            [rows[name][1:] == rows[name][:-1] for name in ("key", "check", "ts", "label")]
        )
    _count(faults, DUPLICATE, again)
    return Events({name: values[~again] for name, values in rows.items()}, faults)


def _count(faults: dict[str, int], reason: str, rows: NDArray[np.bool_]) -> None:
    n = int(np.count_nonzero(rows))
    if n:
        faults[reason] = faults.get(reason, 0) + n


def _blank(shape: Shape) -> Arrays:
    label = np.float64 if shape.rollout.label_kind == "values" else np.int16
    kinds: dict[str, Any] = {
        "key": "u8",
        "check": "u4",
        "ts": "i8",
        "label": label,
        "predicted": "i4",
    }
    return {name: np.zeros(0, dtype=kind) for name, kind in kinds.items()}


def _usable(shape: Shape, batch: Batch, faults: dict[str, int]) -> Arrays:
    """The rows of a batch that say something about a request; the others are counted."""
    request, values = batch.columns["request_id"], batch.columns["label"]
    known = np.asarray(request.is_valid())
    _count(faults, NO_ID, ~known)
    label, odd = _labels(shape, values)
    for reason, rows in odd.items():
        _count(faults, reason, rows & known)
        known &= ~rows
    key, check = ids.pairing_keys(request, shape.as_text)
    predicted = _predicted(shape, batch)
    found: Arrays = {
        "key": key,
        "check": (check >> np.uint64(32)).astype(np.uint32),
        "ts": batch.ts,
        "label": label,
        "predicted": predicted,
    }
    return {name: values[known] for name, values in found.items()}


def _predicted(shape: Shape, batch: Batch) -> NDArray[np.int32]:
    values = batch.columns.get("prediction_ts")
    if values is None or not pa.types.is_timestamp(values.type):
        return np.full(len(batch), -1, dtype=np.int32)
    if values.type.tz is None and shape.rollout.time.zone is None:
        return np.full(len(batch), -1, dtype=np.int32)
    moments = microseconds(values, shape.rollout.time.zone)
    day = pc.floor(pc.divide(moments.cast(pa.float64()), float(DAY)))
    return np.asarray(day.fill_null(-1)).astype(np.int32)


def _labels(shape: Shape, values: pa.Array) -> tuple[NDArray[Any], dict[str, NDArray[np.bool_]]]:
    """Labels of rows, and which rows have none that can be used, by reason."""
    kind = shape.rollout.label_kind
    if kind == "values":
        return _values(shape, values)
    if kind == "classes":
        label = coded(values, shape.frozen.classes, MISSING).astype(np.int16)
        return label, {NULL: label == MISSING}
    label = answers(shape.rollout.labels.positive, values)
    null = np.array(values.is_null())  # a column of nothing but NULL has no bitmap
    if kind_of(values.type) == "number":
        null |= np.asarray(pc.is_nan(values.cast(pa.float64(), safe=False)).fill_null(False))
    return label, {NULL: null, UNREADABLE: (label == MISSING) & ~null}


def answers(positive: str | float | None, values: pa.Array) -> NDArray[np.int16]:
    """1 for yes, 0 for no, MISSING for what is neither; `positive` is what means yes, None: 1, true
    and how they are spelled.

    >>> answers(None, pa.array(["True", "0", "maybe", None])).tolist()
    [1, 0, -1, -1]
    >>> answers("fraud", pa.array(["fraud", "fine"])).tolist()
    [1, 0]
    """
    kind = kind_of(values.type)
    if kind == NOTHING:
        return np.full(len(values), MISSING, dtype=np.int16)
    if kind in ("number", "flag"):
        plain, nulls = numbers(values)
        wanted = _number(positive)
        if wanted is None:
            label = np.select([plain == 1, plain == 0], [1, 0], MISSING).astype(np.int16)
        else:
            label = (plain == wanted).astype(np.int16)
        label[nulls] = MISSING
        return label
    spelled = text(values)
    words = spelled.dictionary.to_pylist()
    table = np.asarray(
        [*(spelled_answer(word, positive) for word in words), MISSING], dtype=np.int16
    )
    places = spelled.indices.cast(pa.int32()).fill_null(len(words)).to_numpy()
    found: NDArray[np.int16] = table[places]
    return found


def _number(positive: str | float | None) -> float | None:
    """The positive label as a number; NaN, which equals nothing, where it is none."""
    if positive is None:
        return None
    try:
        return float(positive)
    except ValueError:
        return math.nan


def spelled_answer(word: str | None, positive: str | float | None) -> int:
    """1, 0 or MISSING for one word."""
    if word is None:
        return MISSING
    if positive is not None:
        return int(word == str(positive))
    folded = word.strip().lower()
    return 1 if folded in YES else 0 if folded in NO else MISSING


def _values(shape: Shape, values: pa.Array) -> tuple[NDArray[Any], dict[str, NDArray[np.bool_]]]:
    if kind_of(values.type) == "text":
        values = pc.utf8_trim_whitespace(text(values).dictionary_decode())
        plain = np.asarray([_float(word) for word in values.to_pylist()])
        nulls = np.zeros(0, dtype=np.int64)
    elif kind_of(values.type) == NOTHING:
        plain, nulls = np.full(len(values), np.nan), np.zeros(0, dtype=np.int64)
    else:
        raw, nulls = numbers(values)
        plain = raw.astype(np.float64)
    plain[nulls] = np.nan
    null = np.isnan(plain)
    with np.errstate(invalid="ignore"):
        far = np.abs(plain) > shape.frozen.scale * SCORE_REACH
    return plain + 0.0, {NULL: null, OUT_OF_RANGE: far}


def _float(word: str | None) -> float:
    try:
        return math.nan if word is None else float(word)
    except ValueError:
        return math.nan
