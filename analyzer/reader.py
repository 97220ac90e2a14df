"""Streams a log's rows: Parquet row groups to sorted batches of canonical columns.

SQL decides which rows (a model's `where`), Arrow carries the columns. Memory is bounded by
`BATCH_ROWS`, whatever the size of files, row groups or slots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analyzer.config import Log, Rollout
from analyzer.errors import LogError
from analyzer.footers import microseconds
from analyzer.logs import EARLIEST, LATEST, LogFile, Source

if TYPE_CHECKING:
    from analyzer.selection import Select

BATCH_ROWS = 131_072
GROUP_VALUES = 8_000_000
"""Values of a row group that are decoded at once: 32 to 64 MB."""

PARTITION_DAYS = ("date", "dt", "day")
"""Hive partitions that name the day of their rows."""

STRAY = "(outside its partition)"
"""Column of a batch, present where some row lies outside the day of its partition."""


@dataclass(frozen=True)
class Batch:
    """Rows of one log in order of `ts` (microseconds UTC), columns under canonical names."""

    ts: NDArray[np.int64]
    columns: dict[str, pa.Array]

    def __len__(self) -> int:
        return len(self.ts)

    def pieces(self, rows: int) -> Iterator[Batch]:
        """The batch cut into batches of at most so many rows; nothing is copied."""
        for low in range(0, len(self), rows):
            columns = {name: values.slice(low, rows) for name, values in self.columns.items()}
            yield Batch(self.ts[low : low + rows], columns)


def read(
    rollout: Rollout,
    side: Source,
    files: Sequence[LogFile],
    columns: Sequence[str],
    start: int,
    end: int,
) -> Iterator[Batch]:
    """Rows of a log with `ts` in [start, end), microseconds UTC, batch by batch.

    columns: canonical names besides `ts`; one that a file lacks is absent from its batches.
    Rows with a NULL `ts` belong to no slot and are left out here (`null_times` counts them).
    Raises LogError naming the file when it cannot be read after all.
    """
    for file in files:
        if file.problem or not file.overlaps(start, end):
            continue
        with _named(file), _open(file) as source:
            yield from _read_file(rollout, side, file, source, columns, start, end)


def read_groups(
    rollout: Rollout,
    side: Source,
    file: LogFile,
    columns: Sequence[str],
    chosen: Sequence[int],
    select: Select | None = None,
) -> Iterator[tuple[int, Batch]]:
    """All rows of some row groups of one file, each batch with the number of its group.

    select: what chooses the model's rows (`selecting`), None where the log has no `where`.
    Otherwise as `read`.
    """
    names = {c: rollout.log(side).source(c) for c in ["ts", *columns]}
    names = {c: source for c, source in names.items() if source in file.schema}
    with _named(file), _open(file) as source:
        for index, raw in _chosen(rollout.log(side), file, source, names, chosen, select):
            yield index, _window(names, raw, rollout.time.zone, EARLIEST, LATEST)


@contextmanager
def _named(file: LogFile) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        why = str(error)[:200].rstrip(".")
        raise LogError(
            f"{file.name}: cannot be read ({why}); write the file again or take it out of `paths`"
        ) from None


def null_times(rollout: Rollout, side: Source, file: LogFile) -> int:
    """Rows of a model in a file whose `ts` is NULL."""
    log = rollout.log(side)
    if not (file.null_ts and log.where):
        return file.null_ts
    found = 0
    with _open(file) as source:
        every = range(len(file.groups))
        for _, raw in _raw_batches(log, file, source, {"ts": log.source("ts")}, every):
            found += raw[log.source("ts")].null_count
    return found


def _open(file: LogFile) -> pa.NativeFile:
    if "://" in file.name:
        system, path = pafs.FileSystem.from_uri(file.name)
        return system.open_input_file(path)
    return pa.OSFile(file.path, "rb")


def _read_file(
    rollout: Rollout,
    side: Source,
    file: LogFile,
    source: pa.NativeFile,
    columns: Sequence[str],
    start: int,
    end: int,
) -> Iterator[Batch]:
    log = rollout.log(side)
    names = {c: log.source(c) for c in ["ts", *columns] if log.source(c) in file.schema}
    groups = [
        index
        for index, group in enumerate(file.groups)
        if group.first is not None
        and group.last is not None
        and (group.first < end and group.last >= start)
    ]
    day = _partition_day(rollout, file)
    for _, raw in _raw_batches(log, file, source, names, groups):
        batch = _window(names, raw, rollout.time.zone, start, end)
        if len(batch):
            yield _with_strays(batch, day) if day else batch


def _raw_batches(
    log: Log,
    file: LogFile,
    source: pa.NativeFile,
    names: dict[str, str],
    chosen: Sequence[int],
) -> Iterator[tuple[int, dict[str, pa.Array]]]:
    """The model's rows of some row groups, each batch with the number of its group: columns under
    the names they have in the log.
    """
    with selecting(log) as select:
        yield from _chosen(log, file, source, names, chosen, select)


def _chosen(
    log: Log,
    file: LogFile,
    source: pa.NativeFile,
    names: dict[str, str],
    chosen: Sequence[int],
    select: Select | None,
) -> Iterator[tuple[int, dict[str, pa.Array]]]:
    filters = [c for c in file.schema if _mentions(log.where, c)]
    wanted = list(dict.fromkeys([*names.values(), *filters]))
    constants = {c: v for c, v in (file.partitions or {}).items() if c in wanted}
    ids = (log.source("request_id"), log.source("unit_id"))
    footer = pq.ParquetFile(source)
    stored = [c for c in wanted if c in footer.schema_arrow.names]
    texts = [c for c in stored if file.schema[c] == "text" and c not in ids]
    parquet = pq.ParquetFile(source, read_dictionary=texts, metadata=footer.metadata)
    for index, batch in ((i, batch) for i in chosen for batch in _group(parquet, i, stored)):
        full = {c: pa.repeat(value, len(batch)) for c, value in constants.items()}
        full.update({c: batch.column(c) for c in stored})
        if select is not None:
            full = select(file.name, {c: full[c] for c in filters}, full)
        yield index, full


def _group(parquet: pq.ParquetFile, index: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """One row group in batches. Decoding it at once is up to a quarter faster than a stream of
    batches, and not done where it would take much memory.
    """
    if parquet.metadata.row_group(index).num_rows * len(columns) > GROUP_VALUES:
        yield from parquet.iter_batches(
            BATCH_ROWS, row_groups=[index], columns=columns, use_threads=False
        )
    else:
        group = parquet.read_row_group(index, columns=columns, use_threads=False)
        yield from group.to_batches(max_chunksize=BATCH_ROWS)


def selecting(log: Log) -> AbstractContextManager[Select | None]:
    """What keeps a model's rows, None where all rows are its own. For one thread at a time."""
    if not log.where:
        return nullcontext()
    from analyzer.selection import selector  # the engine is slow to import, few logs need it

    return selector(log)


def _mentions(where: str, column: str) -> bool:
    """Whether a filter may name a column; SQL ignores case and doubles quotes inside a name."""
    return column.replace('"', '""').lower() in where.lower()


def _partition_day(rollout: Rollout, file: LogFile) -> tuple[int, int] | None:
    """[start, end) in microseconds UTC of the day that the file's folder names, if it does.

    The folder may mean the day in UTC or where people live: rows of either are at home.
    """
    parts = file.partitions or {}
    for key in PARTITION_DAYS:
        try:
            day = date.fromisoformat(parts.get(key, ""))
        except ValueError:
            continue
        midnights = [
            datetime.combine(day + timedelta(days=n), time(), zone)
            for zone in (UTC, ZoneInfo(rollout.time.calendar))
            for n in (0, 1)
        ]
        seconds = [round(midnight.timestamp()) for midnight in midnights]
        return min(seconds) * 1_000_000, max(seconds) * 1_000_000
    return None


def _with_strays(batch: Batch, day: tuple[int, int]) -> Batch:
    """The batch, rows outside the day of their partition marked in the column STRAY."""
    if batch.ts[0] >= day[0] and batch.ts[-1] < day[1]:
        return batch
    stray = pa.array((batch.ts < day[0]) | (batch.ts >= day[1]))
    return Batch(batch.ts, {**batch.columns, STRAY: stray})


def _window(
    names: dict[str, str], full: dict[str, pa.Array], zone: str | None, start: int, end: int
) -> Batch:
    moments = microseconds(full[names["ts"]], zone)
    columns = {c: full[source] for c, source in names.items() if c != "ts"}
    if moments.null_count:
        present = moments.is_valid()
        moments = moments.filter(present)
        columns = {c: values.filter(present) for c, values in columns.items()}
    ts = moments.to_numpy()
    if len(ts) and not bool(np.all(ts[1:] >= ts[:-1])):
        order = np.argsort(ts, kind="stable")
        ts = ts[order]
        columns = {c: values.take(pa.array(order)) for c, values in columns.items()}
    head, tail = np.searchsorted(ts, [start, end])
    if head or tail < len(ts):
        columns = {c: values.slice(head, tail - head) for c, values in columns.items()}
    return Batch(ts[head:tail], columns)


def numbers(values: pa.Array) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    """A numeric or boolean column as float32 or float64, and the positions of its NULLs.

    What stands at a NULL's position is arbitrary.
    """
    if not (pa.types.is_float32(values.type) or pa.types.is_float64(values.type)):
        if pa.types.is_boolean(values.type) or pa.types.is_float16(values.type):
            values = values.cast(pa.float32())
        else:
            values = values.cast(pa.float64(), safe=False)
    return _buffer(values), null_positions(values)


def _buffer(values: pa.Array) -> NDArray[np.floating]:
    dtype = np.dtype(np.float32 if pa.types.is_float32(values.type) else np.float64)
    data = values.buffers()[1]
    if data is None:
        return np.zeros(len(values), dtype=dtype)
    return np.frombuffer(data, dtype, count=len(values), offset=values.offset * dtype.itemsize)


def null_positions(values: pa.Array) -> NDArray[np.int64]:
    """Positions of the NULLs of a column, ascending."""
    if not values.null_count:
        return np.zeros(0, dtype=np.int64)
    bits = np.frombuffer(values.buffers()[0], dtype=np.uint8)
    valid = np.unpackbits(bits, bitorder="little")[values.offset : values.offset + len(values)]
    return np.flatnonzero(valid == 0)


def text(values: pa.Array) -> pa.DictionaryArray:
    """A scalar column as dictionary-encoded strings; NULLs stay NULL."""
    if not pa.types.is_dictionary(values.type):
        if not pa.types.is_string(values.type):
            values = values.cast(pa.string(), safe=False)
        return values.dictionary_encode()
    if not pa.types.is_string(values.type.value_type):
        values = pa.DictionaryArray.from_arrays(
            values.indices, values.dictionary.cast(pa.string(), safe=False)
        )
    return values
