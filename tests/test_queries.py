"""Every statement in queries/: a whole header, house rules, and a golden folder that it meets.

golden/NAME/ holds one CSV table per relation that the statement reads, parameters.json where it
takes any, and expected.csv with its rows in their order. A header cell is `name:type`, an empty
cell NULL.
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pyarrow as pa
import pytest

from analyzer import engine, sql
from analyzer.errors import ConfigError, LogError

GOLDEN = Path(__file__).parent / "golden"


TYPES = {
    "string": (pa.string(), str),
    "int32": (pa.int32(), int),
    "int64": (pa.int64(), int),
    "double": (pa.float64(), float),
    "bool": (pa.bool_(), lambda text: text == "true"),
}


def table(path: Path) -> pa.Table:
    """A golden table."""
    header, *lines = csv.reader(path.read_text("utf-8").splitlines())
    columns = {}
    for index, (name, kind) in enumerate(cell.split(":") for cell in header):
        arrow, convert = TYPES[kind]
        cells = [line[index] for line in lines]
        columns[name] = pa.array([convert(c) if c else None for c in cells], arrow)
    return pa.table(columns)


def statement(text: str) -> str:
    """The text without comments and string literals."""
    return re.sub(r"--[^\n]*|'[^']*'", " ", text)


@pytest.mark.parametrize("name", sql.names())
def test_house_rules(name: str) -> None:
    query = sql.load(name)
    assert query.purpose, "a first line says what it is for"
    assert set(query.header) == set(sql.HEADER) and all(query.header.values())
    text = statement(query.text)
    assert not re.search(r"SELECT\s+(\w+\.)?\*", text, re.IGNORECASE), "no SELECT *"
    assert "/" not in text.replace("//", ""), "ratios are made in stats/"
    used = set(re.findall(r"\$(\w+)", text))
    named = set(re.findall(r"\w+", query.header["parameters"])) - {"none"}
    assert used <= named, "the header names every parameter"


@pytest.mark.parametrize("name", sql.names())
def test_golden(name: str) -> None:
    folder = GOLDEN / name
    assert folder.is_dir(), f"write tests/golden/{name}/ with inputs and expected.csv"
    tables = {path.stem: table(path) for path in folder.glob("*.csv")}
    expected, given = tables.pop("expected"), folder / "parameters.json"
    parameters = json.loads(given.read_text("utf-8")) if given.exists() else {}
    with engine.connect() as connection:
        for relation, rows in tables.items():
            connection.register(relation, rows)
        found = engine.run(connection, sql.load(name).text, parameters)
    assert found.to_pylist() == expected.to_pylist()
    described = sql.load(name).header["columns"]
    assert all(column in described for column in found.column_names)


def test_no_golden_folder_is_left_over() -> None:
    assert sorted(path.name for path in GOLDEN.iterdir()) == sql.names()


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'coverge'; there are: .*rows"):
        sql.load("coverge")


def test_an_engine_error_carries_the_statement() -> None:
    with engine.connect() as connection:
        with pytest.raises(
            LogError, match=r"(?s)nowhere.*in the statement:\nSELECT 1 FROM nowhere"
        ):
            engine.run(connection, "SELECT 1 FROM nowhere", {})
        with pytest.raises(LogError, match="in the statement"):
            engine.view(connection, 'a"b', "SELECT nothing")


def test_identifiers_and_literals_are_quoted() -> None:
    name, text = 'a"; DROP TABLE x; --', "it's"
    with engine.connect() as connection:
        engine.view(connection, name, f"SELECT {engine.literal(text)} AS {engine.quote(name)}")
        found = engine.run(connection, f"FROM {engine.quote(name)}", {})
    assert found.to_pylist() == [{name: text}]
