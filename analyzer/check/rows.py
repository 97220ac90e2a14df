"""Rows that hold what cannot be, and request ids that occur again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from analyzer.check.finding import Finding
from analyzer.check.stream import Logs, ask, ids_of, numbers_of
from analyzer.logs import Side
from analyzer.policy import Policy
from analyzer.reader import STRAY
from analyzer.window import HOUR, show

HELD_ROWS = 1_500_000
"""Rows whose request ids are held at a time; a slot is never divided."""


def row_counts(logs: Logs, side: Side, policy: Policy) -> list[dict[str, int]]:
    """Rows by file and UTC day, and how many hold what cannot be (`check_rows.sql`)."""
    kind = logs.rollout.score.type
    schema = pa.schema(
        {
            "file": pa.string(),
            "ts": pa.int64(),
            "request_id": pa.string(),
            "score": pa.float64(),
            "latency_ms": pa.float64(),
            "stray": pa.bool_(),
        }
    )

    def batches() -> Iterator[pa.RecordBatch]:
        columns = ["request_id", "latency_ms", *(["score"] if kind != "class" else [])]
        for file, batch in logs.batches(side, columns):
            stray = batch.columns.get(STRAY, pa.nulls(len(batch), pa.bool_()))
            arrays = [
                pa.repeat(file.name, len(batch)),
                pa.array(batch.ts),
                ids_of(batch),
                numbers_of(batch, "score"),
                numbers_of(batch, "latency_ms"),
                stray,
            ]
            yield pa.record_batch(arrays, schema=schema)

    low, high = (0.0, 1.0) if kind == "probability" else (float("-inf"), float("inf"))
    limits = {"low": low, "high": high, "slow": policy.shadow.latency_limit_ms}
    return ask("check_rows", {"logged": (schema, batches())}, limits)


_ROW_PROBLEMS = (
    ("null_ids", "request_id", "rows without a request id", "they cannot be paired; log the id"),
    ("nan_scores", "score", "scores that are NaN", "they count as rejected; log NULL and an error"),
    ("infinite_scores", "score", "scores that are infinite", "they count as rejected"),
    (
        "stray_scores",
        "score",
        "scores outside [0, 1]",
        'they count as rejected; is it no probability? then [score] type = "regression"',
    ),
    (
        "bad_latencies",
        "latency_ms",
        "latencies that are negative or not finite",
        "they count as rejected; measure with a monotonic clock",
    ),
    (
        "stray",
        "ts",
        "rows outside the day of their partition",
        "they are judged by `ts`; write rows into the partition of their own day",
    ),
)


def row_findings(logs: Logs, side: Side, rows: Sequence[Mapping[str, int]]) -> Iterator[Finding]:
    """A log without rows in the span, and rows whose values cannot be used, by file."""
    if not sum(row["rows"] for row in rows):
        yield Finding(
            "stops the job",
            side,
            "",
            "ts",
            0,
            f"no row of this log lies in {show(logs.start)} to {show(logs.end)}",
            "choose another window, or check `where` and the column mapped to ts",
        )
    for key, canonical, problem, remedy in _ROW_PROBLEMS:
        by_file: dict[str, int] = {}
        for row in rows:
            if row[key]:
                name = str(row["file"])
                by_file[name] = by_file.get(name, 0) + row[key]
        column = logs.rollout.log(side).source(canonical)
        for name, count in by_file.items():
            yield Finding("counted", side, name, column, count, problem, remedy)


def _stretches(logs: Logs, side: Side) -> Iterator[tuple[int, int]]:
    """The span in stretches of whole slots, each of about `HELD_ROWS` rows or one slot."""
    length = logs.rollout.time.slot_hours * HOUR
    begin, held = logs.start, 0
    for start in range(logs.start // length * length, logs.end, length):
        held += sum(
            group.rows
            for file in logs.files[side]
            for group in file.groups
            if group.first is not None
            and group.last is not None
            and (group.first < start + length and group.last >= start)
        )
        if held >= HELD_ROWS:
            yield begin, min(start + length, logs.end)
            begin, held = start + length, 0
    if held:
        yield begin, logs.end


def duplicates(logs: Logs, side: Side) -> Iterator[Finding]:
    """Request ids logged twice. Settled inside a slot, as the scan does."""
    schema = pa.schema({"file": pa.string(), "ts": pa.int64(), "request_id": pa.string()})

    def batches(span: tuple[int, int]) -> Iterator[pa.RecordBatch]:
        for file, batch in logs.batches(side, ["request_id"], span):
            arrays = [pa.repeat(file.name, len(batch)), pa.array(batch.ts), ids_of(batch)]
            yield pa.record_batch(arrays, schema=schema)

    slot = {"slot": logs.rollout.time.slot_hours * HOUR}
    found: dict[tuple[str, str], int] = {}
    for span in _stretches(logs, side):
        for row in ask("check_duplicates", {"logged": (schema, batches(span))}, slot):
            pair = str(row["first_file"]), str(row["last_file"])
            found[pair] = found.get(pair, 0) + row["extra_rows"]
    column = logs.rollout.log(side).source("request_id")
    for (first, last), rows in found.items():
        where = "in this file" if first == last else f"in this file and {last}"
        yield Finding(
            "counted",
            side,
            first,
            column,
            rows,
            f"request ids that occur again {where}",
            "the earliest row pairs, the others are counted; log each request once",
        )
