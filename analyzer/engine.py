"""The only file that imports duckdb: connect, bind, run. It knows nothing of models or metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from analyzer.errors import LogError

Connection = duckdb.DuckDBPyConnection


@contextmanager
def connect(threads: int = 1, memory: str = "1GB") -> Iterator[duckdb.DuckDBPyConnection]:
    """A private in-memory database that reads timestamps as UTC and never fetches extensions."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": threads,
        "memory_limit": memory,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    connection = duckdb.connect(":memory:", config=settings)
    try:
        yield connection
    finally:
        connection.close()


def run(
    connection: duckdb.DuckDBPyConnection, statement: str, parameters: Mapping[str, object]
) -> pa.Table:
    """Run one statement and return an Arrow table.

    Raises LogError that carries the engine's message and the full statement.
    """
    try:
        return connection.sql(statement, params=dict(parameters)).to_arrow_table()
    except duckdb.Error as error:
        raise LogError(f"{error}\nin the statement:\n{statement}") from None


def view(connection: duckdb.DuckDBPyConnection, name: str, source: str) -> None:
    """Bind a canonical view name to a relation given as SQL.

    Raises LogError that carries the engine's message and the full statement.
    """
    statement = f"CREATE OR REPLACE VIEW {quote(name)} AS {source}"
    try:
        connection.execute(statement)
    except duckdb.Error as error:
        raise LogError(f"{error}\nin the statement:\n{statement}") from None


def quote(identifier: str) -> str:
    """An SQL identifier, safe for any name a log may carry."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string literal, safe for any text."""
    return "'" + text.replace("'", "''") + "'"
