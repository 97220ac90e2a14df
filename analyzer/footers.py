"""The range of `ts` in each row group of a Parquet file, as its footer states it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

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
    raw = pa.chunked_array([[stats.min_raw, stats.max_raw]], pa.int64())
    first, last = to_utc(raw.cast(pa.timestamp(unit, field.type.tz)), zone).cast(pa.int64())
    return first.as_py(), last.as_py(), stats.null_count


def _measure_ts(
    parquet: pq.ParquetFile, group: int, column: str, zone: str | None
) -> tuple[int | None, int | None, int]:
    values = to_utc(parquet.read_row_group(group, columns=[column])[column], zone)
    if values.null_count == len(values):
        return None, None, values.null_count
    ends = pc.min_max(values.cast(pa.int64())).as_py()
    return ends["min"], ends["max"], values.null_count


def to_utc(values: pa.ChunkedArray, zone: str | None) -> pa.ChunkedArray:
    """Timestamps of any unit, naive ones read in `zone`, as microseconds UTC.

    Of an hour that occurs twice the earlier is taken; of one that does not exist, the later edge.
    """
    if values.type.tz is None and zone not in (None, "UTC"):
        values = pc.assume_timezone(values, zone, ambiguous="earliest", nonexistent="latest")
    return values.cast(pa.timestamp("us", tz="UTC"), safe=False)
