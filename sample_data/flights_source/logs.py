"""Write the logs, month by month, as a serving system would."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from .serving import Served

SEGMENTS = ("origin", "carrier", "dest", "time_of_day")
TIMESTAMP = pa.timestamp("us", tz="UTC")


def model_log(
    rows: pd.DataFrame, served: Served, threshold: float, features: tuple[str, ...]
) -> pa.Table:
    """Return one model's log: a row per request, in order of time."""
    failed = served.error
    columns: dict[str, pa.Array] = {
        "request_id": pa.array(rows.request_id, type=pa.string()),
        "ts": pa.array(rows.ts, type=TIMESTAMP),
        "unit_id": pa.array(rows.tailnum, type=pa.string(), from_pandas=True),
        "score": pa.array(served.score.astype(np.float32), mask=failed),
        "prediction": pa.array((served.score >= threshold).astype(np.int8), mask=failed),
        "latency_ms": pa.array(served.latency_ms.round(3).astype(np.float32)),
        "error": pa.array(failed),
        "feature_ts": pa.array(rows.feature_ts, type=TIMESTAMP, from_pandas=True),
    }
    for name in SEGMENTS:
        columns[name] = pa.array(rows[name], type=pa.string())
    for name in features:
        if name not in columns:
            columns[name] = pa.array(rows[name], type=pa.float32(), from_pandas=True)
    return pa.table(columns)


def label_log(rows: pd.DataFrame) -> pa.Table:
    """Return the labels in the order in which they became known."""
    known = rows[rows.label.notna()].sort_values(["landed", "request_id"], kind="stable")
    return pa.table(
        {
            "request_id": pa.array(known.request_id, type=pa.string()),
            "label": pa.array(known.label.astype("int8")),
            "label_ts": pa.array(known.landed, type=TIMESTAMP),
        }
    )


def write_months(table: pa.Table, time_column: str, folder: Path) -> None:
    """Write `folder/YYYY-MM.parquet` by UTC month of a time column."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.parquet"):
        stale.unlink()
    month = np.array(table[time_column].to_numpy(), dtype="datetime64[M]")
    for one in np.unique(month):
        rows = table.filter(pa.array(month == one))
        _write(rows, folder / f"{one}.parquet", {"request_id": "DELTA_BYTE_ARRAY"})


def _write(table: pa.Table, path: Path, encoding: Mapping[str, str]) -> None:
    plain = {*encoding, "ts", "label_ts", "score", "latency_ms"} & set(table.schema.names)
    times = {name: "DELTA_BINARY_PACKED" for name in ("ts", "label_ts") if name in plain}
    floats = {name: "BYTE_STREAM_SPLIT" for name in ("score", "latency_ms") if name in plain}
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=19,
        use_dictionary=[name for name in table.schema.names if name not in plain],
        column_encoding={**encoding, **times, **floats},
        store_schema=False,
    )
