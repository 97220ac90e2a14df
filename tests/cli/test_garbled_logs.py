"""The command line over logs that hold nothing usable: a verdict, never a traceback or a pass."""

import json
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from logbook import Book, plain

from analyzer import cli

WINDOW = ("--from", "2025-03-03", "--to", "2025-03-04")
ROWS = 600


def without_rows(log: pa.Table) -> pa.Table:
    return log.slice(0, 0)


def without_ids(log: pa.Table) -> pa.Table:
    return log.set_column(0, "request_id", pa.nulls(len(log), pa.string()))


def without_latency(log: pa.Table) -> pa.Table:
    return log.drop_columns(["latency_ms"])


@pytest.mark.parametrize("spoil", [without_rows, without_ids, without_latency])
def test_a_challenger_without_pairs_or_latency(
    book: Book,
    spoil: Callable[[pa.Table], pa.Table],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    country = np.where(np.arange(ROWS) % 2 == 0, "de", "fr")
    ours, theirs = plain(ROWS, hours=24, country=country)
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", spoil(theirs))
    book.describe(score={"threshold": 0.5}, segments={"columns": ["country"]})
    monkeypatch.chdir(book.root)
    assert cli.run(["scan"]) == 0
    assert cli.run(["gate", "shadow", *WINDOW]) in (3, 4)
    assert cli.run(["nightly", *WINDOW, "--out", "reports"]) in (3, 4)
    assert cli.run(["latency", *WINDOW]) == 0
    capsys.readouterr()
    assert cli.run(["diff", *WINDOW, "--json"]) == 0
    pairs = json.loads(capsys.readouterr().out)["pairs"]
    assert pairs == (ROWS if spoil is without_latency else 0)
