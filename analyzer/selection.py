"""Which rows of a log belong to a model: its own `where`, evaluated by the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc

from analyzer import engine, sql
from analyzer.config import Log
from analyzer.errors import LogError

Columns = dict[str, pa.Array]
Select = Callable[[str, Columns, Columns], Columns]
"""(file name, columns that the filter names, all columns) to the columns of the rows chosen."""


@contextmanager
def selector(log: Log) -> Iterator[Select]:
    """A function that keeps the rows for which the model's `where` holds."""
    text = sql.load("rows").text
    with engine.connect() as connection:

        def select(file: str, tested: Columns, full: Columns) -> Columns:
            if not tested:
                raise LogError(f"{file}: `where` ({log.where}) names none of its columns")
            connection.register("batch", pa.table(tested))
            engine.view(connection, "selected", f"SELECT ({log.where}) AS wanted FROM batch")
            mask = engine.run(connection, text, {})["wanted"].combine_chunks()
            if pc.all(mask).as_py():
                return full
            return {name: column.filter(mask) for name, column in full.items()}

        yield select
