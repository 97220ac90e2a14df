"""How `check` reads logs: batch by batch, into the statements of `queries/`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from analyzer import engine, sql
from analyzer.config import Rollout
from analyzer.errors import LogError
from analyzer.ids import plain
from analyzer.logs import LogFile, Side, has_column
from analyzer.reader import Batch, read

Files = Mapping[Side, list[LogFile]]


@dataclass(frozen=True)
class Logs:
    """The logs under check: usable files of both sides and the span [start, end) to look at."""

    rollout: Rollout
    files: Files
    start: int
    end: int

    def batches(
        self, side: Side, columns: Sequence[str], span: tuple[int, int] | None = None
    ) -> Iterator[tuple[LogFile, Batch]]:
        """Batches of a log and the file each comes from."""
        start, end = span or (self.start, self.end)
        for file in self.files[side]:
            for batch in read(self.rollout, side, [file], columns, start, end):
                yield file, batch

    def carries(self, side: Side, column: str) -> bool:
        """Whether any file of a log has a column."""
        return has_column(list(self.files[side]), self.rollout, side, column)


def ask(
    statement: str,
    sources: Mapping[str, tuple[pa.Schema, Iterable[pa.RecordBatch]]],
    parameters: Mapping[str, object],
) -> list[dict[str, int]]:
    """Rows that a statement of `queries/` gives over streams of batches.

    Raises LogError as reading a log raised it, without the engine's words around it.
    """
    raised: list[LogError] = []
    with engine.connect() as connection:
        for name, (schema, batches) in sources.items():
            guarded = _remembering(batches, raised)
            connection.register(name, pa.RecordBatchReader.from_batches(schema, guarded))
        try:
            answer = engine.run(connection, sql.load(statement).text, parameters)
        except LogError as error:
            raise (raised[0] if raised else error) from None
    found: list[dict[str, int]] = answer.to_pylist()
    return found


def _remembering(
    batches: Iterable[pa.RecordBatch], raised: list[LogError]
) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except LogError as error:
        raised.append(error)
        raise


def ids_of(batch: Batch) -> pa.Array:
    """Request ids as text, however they were logged."""
    return plain(batch.columns["request_id"]).cast(pa.string())


def numbers_of(batch: Batch, column: str) -> pa.Array:
    """A column as doubles; NULLs where the file lacks it."""
    if column not in batch.columns:
        return pa.nulls(len(batch), pa.float64())
    return batch.columns[column].cast(pa.float64(), safe=False)
