"""The range of `ts` in each row group of a Parquet file, as its footer states it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from analyzer import compute as pc

_UNITS = {"ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


@dataclass(frozen=True)
class RowGroup:
    """Rows of a Parquet row group and the range of `ts` in it, microseconds UTC, inclusive."""

    rows: int
    first: int | None
    last: int | None


def row_groups(
    parquet: pq.ParquetFile, field: pa.Field, zone: str | None
) -> tuple[tuple[RowGroup, ...], int]:
    """Row groups by the column `field` that holds `ts`, and how many of it are NULL.

    Read from the footer, from the rows only where it does not say. zone: of naive timestamps.
    """
    meta = parquet.metadata
    leaf = [meta.schema.column(i).path for i in range(meta.num_columns)].index(field.name)
    groups, nulls = [], 0
    for index in range(meta.num_row_groups):
        group = meta.row_group(index)
        ends = _stated_ends(group.column(leaf).statistics, field, zone)
        first, last, missing = ends or _measure_ts(parquet, index, field.name, zone)
        groups.append(RowGroup(group.num_rows, first, last))
        nulls += missing
    return tuple(groups), nulls


def _stated_ends(
    stats: pq.Statistics | None, field: pa.Field, zone: str | None
) -> tuple[int, int, int] | None:
    """Earliest and latest `ts` and NULLs that a footer states; None where it does not."""
    if stats is None or not (stats.has_min_max and stats.has_null_count):
        return None
    unit = next((u for u in _UNITS if f"timeUnit={_UNITS[u]}" in str(stats.logical_type)), None)
    if unit is None:
        return None
    # the stored integers, since Python's datetime neither holds nanoseconds nor the year 10,000
    raw = pa.array([stats.min_raw, stats.max_raw], pa.int64())
    first, last = microseconds(raw.view(pa.timestamp(unit, field.type.tz)), zone).to_pylist()
    return first, last, stats.null_count


def _measure_ts(
    parquet: pq.ParquetFile, group: int, column: str, zone: str | None
) -> tuple[int | None, int | None, int]:
    values = parquet.read_row_group(group, columns=[column])[column].combine_chunks()
    if values.null_count == len(values):
        return None, None, values.null_count
    ends = pc.min_max(microseconds(values, zone)).as_py()
    return ends["min"], ends["max"], values.null_count


def microseconds(values: pa.Array, zone: str | None) -> pa.Array:
    """Timestamps of any unit, naive ones read in `zone`, as int64 microseconds UTC.

    Of an hour that occurs twice the earlier is taken; of one that does not exist, the later edge.
    """
    if values.type.tz is None and zone not in (None, "UTC"):
        values = pc.assume_timezone(values, zone, ambiguous="earliest", nonexistent="latest")
    if values.type.unit != "us":
        values = values.cast(pa.timestamp("us", values.type.tz), safe=False)
    return values.view(pa.int64())
