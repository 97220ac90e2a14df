"""Columns that say nothing, say too much, or are nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from analyzer.check.finding import Finding
from analyzer.check.stream import Logs, ask, numbers_of
from analyzer.logs import SIDES, Side
from analyzer.reader import Batch, text

SEGMENT_VALUES = 50


VOCABULARY = 1_000


def _described(logs: Logs, side: Side) -> tuple[list[str], list[str]]:
    """Numeric and text columns that a log carries."""
    rollout = logs.rollout
    texts = [*rollout.features.categorical, *rollout.segments.columns]
    return (
        [c for c in rollout.features.numeric if logs.carries(side, c)],
        [c for c in dict.fromkeys(texts) if logs.carries(side, c)],
    )


def columns(logs: Logs, side: Side) -> Iterator[Finding]:
    """Features and segments that never vary, are never there or have too many values."""
    numeric, texts = _described(logs, side)
    numbers = pa.schema({"position": pa.int32(), "value": pa.float64()})
    counted = pa.schema({"position": pa.int32(), "value": pa.string(), "n": pa.int64()})

    def of_numbers() -> Iterator[pa.RecordBatch]:
        for _, batch in logs.batches(side, numeric):
            for position, column in enumerate(numeric):
                at = pa.repeat(pa.scalar(position, pa.int32()), len(batch))
                yield pa.record_batch([at, numbers_of(batch, column)], schema=numbers)

    def of_texts() -> Iterator[pa.RecordBatch]:
        for _, batch in logs.batches(side, texts):
            for position, column in enumerate(texts):
                yield _value_counts(batch, column, position, counted)

    if numeric:
        for row in ask("check_numbers", {"logged": (numbers, of_numbers())}, {}):
            yield from _number_findings(logs, side, numeric[row["position"]], row)
    if texts:
        for row in ask("check_texts", {"logged": (counted, of_texts())}, {}):
            yield from _text_findings(logs, side, texts[row["position"]], row)


def _value_counts(batch: Batch, column: str, position: int, schema: pa.Schema) -> pa.RecordBatch:
    if column in batch.columns:
        found = pc.value_counts(text(batch.columns[column]))
        values, n = found.field("values").cast(pa.string()), found.field("counts")
    else:
        values, n = pa.nulls(1, pa.string()), pa.array([len(batch)], pa.int64())
    at = pa.repeat(pa.scalar(position, pa.int32()), len(values))
    return pa.record_batch([at, values, n], schema=schema)


def _number_findings(
    logs: Logs, side: Side, feature: str, row: Mapping[str, int]
) -> Iterator[Finding]:
    column = logs.rollout.log(side).source(feature)
    yield from _varies(logs, side, feature, row)
    if row["not_finite"]:
        yield Finding(
            "counted",
            side,
            "",
            column,
            row["not_finite"],
            "values that are NaN or infinite",
            "they are counted apart from numbers; log NULL for what is missing",
        )


def _varies(logs: Logs, side: Side, feature: str, row: Mapping[str, int]) -> Iterator[Finding]:
    column = logs.rollout.log(side).source(feature)
    if row["nulls"] == row["rows"]:
        critical = feature in logs.rollout.features.critical
        yield Finding(
            "counted",
            side,
            "",
            column,
            row["rows"],
            "every value is NULL" + (", and the feature is critical" if critical else ""),
            "no gate passes without it; log it" if critical else "log it or take it out",
        )
    elif row["smallest"] is not None and row["smallest"] == row["largest"]:
        yield Finding(
            "note",
            side,
            "",
            column,
            row["rows"] - row["nulls"],
            f"holds one value only ({str(row['smallest'])[:40]})",
            "nothing to compare; is it still being computed?",
        )


def _text_findings(
    logs: Logs, side: Side, feature: str, row: Mapping[str, int]
) -> Iterator[Finding]:
    rollout = logs.rollout
    column = rollout.log(side).source(feature)
    about = row["about_distinct"]
    yield from _varies(logs, side, feature, row)
    if feature in rollout.segments.columns and about > SEGMENT_VALUES:
        yield Finding(
            "note",
            side,
            "",
            column,
            row["rows"],
            f"about {about:,} values; the {SEGMENT_VALUES} largest are kept apart as segments",
            "group the values, or take the column out of [segments]",
        )
    if feature in rollout.features.categorical and about > VOCABULARY:
        yield Finding(
            "note",
            side,
            "",
            column,
            row["rows"],
            f"about {about:,} values; {VOCABULARY:,} are kept apart, the rest is `other`",
            "is it an id? then take it out of [features] categorical",
        )


def versions(logs: Logs, side: Side) -> Iterator[Finding]:
    """More than one version under one role."""
    if not logs.carries(side, "version"):
        return
    counts: dict[str, int] = {}
    for _, batch in logs.batches(side, ["version"]):
        if "version" not in batch.columns or len(counts) > VOCABULARY:
            continue
        for item in pc.value_counts(text(batch.columns["version"])).to_pylist():
            name = str(item["values"])
            counts[name] = counts.get(name, 0) + item["counts"]
    if len(counts) > 1:
        usual = max(counts, key=lambda name: (counts[name], name))
        yield Finding(
            "counted",
            side,
            "",
            logs.rollout.log(side).source("version"),
            sum(counts.values()) - counts[usual],
            f"{len(counts)} versions under one role (mostly {usual[:40]})",
            "a window that mixes versions is not judged; choose a window of one version",
        )


def undated_features(logs: Logs, side: Side) -> Iterator[Finding]:
    """`feature_ts` that is no instant: neither its files nor `[time] zone` say in which zone."""
    if logs.rollout.time.zone or not logs.carries(side, "feature_ts"):
        return
    undated = []
    for file in logs.files[side]:
        one = replace(logs, files={side: [file]})
        _, batch = next(one.batches(side, ["feature_ts"]), (file, None))
        values = batch.columns.get("feature_ts") if batch else None
        if values is not None and pa.types.is_timestamp(values.type) and not values.type.tz:
            undated.append(file)
    if undated:
        yield Finding(
            "counted",
            side,
            undated[0].name if len(undated) == 1 else f"{len(undated)} files",
            logs.rollout.log(side).source("feature_ts"),
            sum(file.rows for file in undated),
            "column (feature_ts) has no time zone: how old features were is not known",
            "log UTC, or declare `zone` under [time]",
        )


def features_nowhere(logs: Logs) -> Iterator[Finding]:
    """Columns that rollout.toml names and no file has; limits that cannot be judged."""
    rollout = logs.rollout
    listed = [
        *rollout.features.numeric,
        *rollout.features.categorical,
        *rollout.segments.columns,
    ]
    for column in dict.fromkeys(listed):
        if not any(logs.carries(side, column) for side in SIDES):
            critical = column in rollout.features.critical
            yield Finding(
                "counted",
                "both",
                "",
                column,
                None,
                "is in no file of either log" + (", and is critical" if critical else ""),
                "map it under [champion.columns], or take it out of rollout.toml",
            )
    for canonical in ("latency_ms", "error"):
        for side in SIDES:
            if not logs.carries(side, canonical):
                yield Finding(
                    "note" if side == "champion" else "counted",
                    side,
                    "",
                    canonical,
                    None,
                    "is in no file of this log",
                    "its limits stay undecided; log it, or map it under [" + side + ".columns]",
                )
