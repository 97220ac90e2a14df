"""`analyzer diagnose` on the command line: files, JSON, exit codes, tables of 80 columns."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import analyzer.diagnose.diagnosis as module
from analyzer.cli import run
from analyzer.diagnose.diagnosis import decode, json_schema
from analyzer.errors import ConfigError


def test_it_prints_tables_and_writes_files(
    week: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["diagnose", "--config", str(week / "rollout.toml")]
    arguments += ["--incident", "2025-03-07/2025-03-08", "--out", str(tmp_path / "out")]
    assert run(arguments) == 0
    shown = capsys.readouterr()
    assert max(map(len, shown.out.splitlines())) <= 80
    for words in ("What happened", "Who was hit", "Coverage", "channel = organic", "Series"):
        assert words in shown.out
    assert "wrote" in shown.err and "wrote" not in shown.out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"diagnosis.json", "drilldown.parquet"} <= names
    assert not [name for name in names if name.endswith(".part")]
    found = decode((tmp_path / "out" / "diagnosis.json").read_bytes())
    sums = pq.read_table(tmp_path / "out" / "drilldown.parquet")
    rows = [r for r in sums.to_pylist() if r["column"] == "device"]
    first = min(r["start"] for r in rows if r["start"].isoformat().startswith("2025-03-07"))
    assert sum(r["n"] for r in rows if r["start"] == first) == found.coverage.incident.pairs


def test_json_is_the_file(week: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["diagnose", "--config", str(week / "rollout.toml"), "--json"]
    arguments += ["--from", "2025-03-07T12", "--to", "2025-03-07T18", "--out", str(tmp_path)]
    assert run(arguments) == 0
    printed = capsys.readouterr().out
    assert printed == (tmp_path / "diagnosis.json").read_text(encoding="utf-8")
    assert json.loads(printed)["incident"]["found"] == "given"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "names no rollback"),
        (["--incident", "2025-03-14"], 2, "START/END"),
        (["--incident", "2025-03-14/2025-03-15", "--auto"], 2, "give --incident"),
        (["--incident", "2025-03-15/2025-03-14"], 2, "is empty"),
        (["--incident", "2031-03-14/2031-03-15"], 2, "was profiled"),
        (["--incident", "2025-03-14T00:30/2025-03-15"], 2, "whole hours"),
    ],
)
def test_what_is_refused(
    arguments: list[str],
    code: int,
    words: str,
    week: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["diagnose", "--config", str(week / "rollout.toml"), *arguments]) == code
    assert words in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(
    week: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    arguments = ["diagnose", "--config", str(week / "rollout.toml"), "--out"]
    arguments += [str(tmp_path / "file" / "out"), "--incident", "2025-03-07T12/2025-03-07T14"]
    assert run(arguments) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_the_schema_is_published() -> None:
    published = Path(module.__file__).with_name("diagnosis.schema.json")
    assert json.loads(published.read_text(encoding="utf-8")) == json_schema(), (
        "write diagnosis.schema.json again from diagnosis.json_schema()"
    )


@pytest.mark.parametrize("content", [b"", b"{}", b'{"schema": 99}', b"null"])
def test_what_is_no_diagnosis_is_refused(content: bytes) -> None:
    with pytest.raises(ConfigError, match=r"diagnosis\.json"):
        decode(content)
