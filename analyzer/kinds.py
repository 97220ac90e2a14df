"""What a column holds, in one word, and what the columns of each log may hold."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

Kinds = Mapping[str, tuple[str, ...]]
"""Canonical name of a column and the kinds it may be of."""

OF_MODELS: Kinds = {
    "request_id": ("text", "number"),
    "ts": ("time",),
    "score": ("number",),
    "latency_ms": ("number",),
    "error": ("flag", "number", "text"),
    "feature_ts": ("time",),
}
OF_LABELS: Kinds = {
    "request_id": ("text", "number"),
    "ts": ("time",),
    "label": ("flag", "number", "text"),
    "prediction_ts": ("time",),
}
OF_UNITS: Kinds = {
    "unit_id": ("text", "number"),
    "ts": ("time",),
    "variant": ("text", "number", "flag"),
    "cluster_id": ("text", "number"),
    "event_id": ("text", "number"),
}
SCALARS = ("text", "number", "flag", "time", "date")
NOTHING = "null"
"""Kind of a column that holds nothing but NULL: it goes with every other kind."""

_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)


def kind_of(kind: pa.DataType) -> str:
    """What a column holds, in one word: text, number, flag, time or something else."""
    if pa.types.is_dictionary(kind):
        return kind_of(kind.value_type)
    if pa.types.is_boolean(kind):
        return "flag"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_timestamp(kind):
        return "time"
    if pa.types.is_date(kind):
        return "date"
    if any(is_text(kind) for is_text in _TEXT):
        return "text"
    return str(kind)
