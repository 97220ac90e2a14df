"""The command line: exit codes, messages, JSON, and how fast it answers."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from report import nights

from analyzer import cli
from analyzer.cli import common, verdicts
from analyzer.errors import AnalyzerError, ConfigError, LogError, NothingThere, StoreError

ROWS = 240
START = datetime(2025, 3, 3, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: logs of one day, no rollout.toml yet."""
    monkeypatch.chdir(tmp_path)
    for side in ("champion", "challenger"):
        content = pa.table(
            {
                "request_id": [f"r{i}" for i in range(ROWS)],
                "ts": [START + timedelta(minutes=6 * i) for i in range(ROWS)],
                "score": [i / ROWS for i in range(ROWS)],
                "latency_ms": [5.0] * ROWS,
                "error": [False] * ROWS,
                "country": ["FR", "[red]DE\x1b[31m"] * (ROWS // 2),
            }
        )
        (tmp_path / "logs" / side).mkdir(parents=True)
        pq.write_table(content, tmp_path / "logs" / side / "a.parquet")
    return tmp_path


def test_from_logs_to_a_store(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["init", "logs"]) == 0
    assert cli.run(["check"]) == 0
    assert "Nothing is wrong with these logs" in capsys.readouterr().out
    assert cli.run(["event", "add", "phase", "shadow", "--at", "2025-03-03", "--weight", "0"]) == 0
    assert cli.run(["scan"]) == 0
    assert "1 slot profiled" in capsys.readouterr().out
    assert cli.run(["scan", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["scanned"], answer["kept"]) == ([], ["2025-03-03T00"])
    assert cli.run(["store", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["slots"][0]["slot"] == "2025-03-03T00"
    assert cli.run(["event", "list", "--json"]) == 0
    events = json.loads(capsys.readouterr().out)["events"]
    assert events == [
        {"challenger_weight": 0.0, "kind": "phase", "phase": "shadow", "ts": "2025-03-03T00:00Z"}
    ]


def test_a_store_elsewhere(folder: Path) -> None:
    cli.run(["init", "logs"])
    assert cli.run(["scan", "--store", "elsewhere/store"]) == 0
    assert (folder / "elsewhere/store/columns.json").exists()
    assert not (folder / ".analyzer").exists()


def test_init_never_replaces_a_file_unasked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "rollout.toml").write_text("mine")
    assert cli.run(["init", "logs"]) == 2
    assert "--force" in capsys.readouterr().err
    assert (folder / "rollout.toml").read_text() == "mine"
    assert cli.run(["init", "logs", "--force"]) == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "No such command"),
        (["scan", "--jobs", "0"], "--jobs"),
        (["scan"], "analyzer init"),
        (["sql", "nope"], "there are: "),
        (["event", "add", "party"], "'party' is not one of"),
    ],
)
def test_usage_is_2(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert cli.run(arguments) == 2
    out = capsys.readouterr()
    assert says in out.err
    assert out.out == ""


def test_logs_that_cannot_be_used_are_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["init", "logs"])
    (folder / "logs/challenger/a.parquet").write_bytes(b"")
    assert cli.run(["check"]) == 2
    assert "stops the job" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (ConfigError("key"), 2, "key"),
        (LogError("file\x1b[31m"), 2, "file\\x1b[31m"),
        (StoreError("locked"), 1, "locked"),
        (NothingThere("no slot"), 2, "no slot"),
        (AnalyzerError("other"), 1, "other"),
        (OSError(28, "No space left on device", "store/x"), 1, "store/x: No space left"),
        (MemoryError(), 1, "out of memory"),
        (KeyboardInterrupt(), 130, "nothing is lost"),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_one_place_turns_errors_into_codes(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    says: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("analyzer.sql.names", fail)
    monkeypatch.setattr(os, "dup2", lambda *_: None)
    assert cli.run(["sql"]) == code
    said = capfd.readouterr().err
    assert says in said
    assert "Traceback" not in said


def test_an_unknown_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.sql.names", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.run(["sql"])


def test_a_reader_that_stops_early_is_no_error() -> None:
    command = f'"{sys.executable}" -m analyzer.cli sql check_rows | head -n 1'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("-- ")
    assert done.stderr == ""


def test_help_loads_no_heavy_module() -> None:
    code = (
        "import sys; from analyzer import cli; cli.run(['--help']); heavy = "
        "{'numpy', 'pyarrow', 'duckdb', 'polars', 'scipy', 'rich'} & set(sys.modules); "
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_tables_fit_80_columns_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    words = "verylongname" * 20
    common.show_table(["name", "n"], [(words, 12_345), ("[b]x[/b]\x1b[31m", None)], right="n")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    text = "".join("".join(lines).split())
    assert text.count("verylongname") >= 15
    assert "12,345" in text
    assert "[b]x[/b]\\x1b[31m" in text


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((None, None, None, None), None),
        (("2025-03-03", "2025-03-04", None, None), "2025-03-03T00:00Z/2025-03-04T00:00Z"),
        ((None, "2025-03-04", "6h", None), "2025-03-03T18:00Z/2025-03-04T00:00Z"),
        ((None, None, "1d", "2025-03-04T05:59"), "2025-03-03T05:00Z/2025-03-04T05:00Z"),
        (("2025-03-03", None, None, "2025-03-04T05:59"), "2025-03-03T00:00Z/2025-03-04T05:00Z"),
    ],
)
def test_windows(options: tuple[str | None, ...], expected: str | None) -> None:
    from analyzer.window import parse

    start, end, last, as_of = options
    found = common.window_of(start, end, last, parse(as_of) if as_of else None)
    assert (str(found) if found else None) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ["--last", "3 weeks"],
        ["--last", "0h"],
        ["--last", "1d", "--from", "2025-03-03"],
        ["--from", "2025-03-03"],
        ["--from", "2025-03-03", "--to", "2025-03-03"],
        ["--from", "2025-03-03T00:30", "--to", "2025-03-04"],
        ["--from", "tomorrow", "--to", "2025-03-04"],
    ],
)
def test_windows_that_make_no_sense_are_usage(folder: Path, arguments: list[str]) -> None:
    cli.run(["init", "logs"])
    assert cli.run(["check", *arguments]) == 2


def test_the_last_complete_day_is_the_default(folder: Path) -> None:
    from analyzer.window import parse_window

    cli.run(["init", "logs"])
    cli.run(["scan"])
    day = parse_window("2025-03-03", "2025-03-04")
    assert common.job("rollout.toml").window() == day
    assert common.job("rollout.toml", as_of="2025-03-04T00:00").window() == day
    # at the as-of that day was still running: nothing of it was known
    with pytest.raises(NothingThere, match="is over by 2025-03-03T23:00Z; name a window"):
        common.job("rollout.toml", as_of="2025-03-03T23:59").window()
    assert cli.run(["slo", "--as-of", "2025-03-03T12:00"]) == 2


def test_an_empty_window_is_a_matter_of_usage(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.run(["init", "logs"])
    assert cli.run(["gate", "shadow"]) == 2
    assert "run `analyzer scan` first" in capsys.readouterr().err
    cli.run(["scan"])
    empty = ["--from", "2031-01-01", "--to", "2031-01-02"]
    for command in (["gate", "shadow"], ["slo"], ["diff"], ["latency"], ["triggers"]):
        assert cli.run([*command, *empty]) == 2, command
        assert "nothing of 2031-01-01T00:00Z" in capsys.readouterr().err


def test_a_verdict_that_is_over_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["init", "logs"])
    cli.run(["scan"])
    capsys.readouterr()
    code = cli.run(["gate", "shadow", "--json"])
    told = capsys.readouterr()
    assert code == json.loads(told.out)["exit_code"]
    assert "as of 2025-03-04T00:00Z, where the window ends (no --as-of was given)" in told.err
    assert "expired at 2025-03-05T00:00Z" in told.err
    assert "`analyzer route apply` refuses it" in told.err
    cli.run(["gate", "shadow", "--as-of", "2025-03-04T00:00"])
    told = capsys.readouterr()
    assert "expired at" in told.err and "no --as-of" not in told.err
    cli.run(["gate", "shadow", "--as-of", datetime.now(UTC).isoformat(timespec="minutes")])
    assert "expired at" not in capsys.readouterr().err


def test_events_after_the_as_of_do_not_count(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.run(["init", "logs"])
    cli.run(["event", "add", "phase", "shadow", "--at", "2025-03-03", "--weight", "0"])
    cli.run(["event", "add", "phase", "canary", "--at", "2025-03-03T20:00", "--weight", "0.01"])
    capsys.readouterr()
    cli.run(["nightly", "--as-of", "2025-03-03T18:00", "--json"])
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["phase"], verdict["started"]) == ("shadow", "2025-03-03T00:00Z")
    assert [e.phase for e in common.job("rollout.toml", as_of="2025-03-03T18:00").events()] == [
        "shadow"
    ]


def test_checks_that_pass_alike_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    verdict = nights.verdict(["name"] * 4, ("2025-03-03", "2025-03-04"))
    names = [*(f"model.parity.f{n}" for n in range(12)), "model.parity.odd", "data.files"]
    checks = [
        msgspec.structs.replace(
            verdict.checks[0], id=name, outcome="fail" if "odd" in name else "pass"
        )
        for name in names
    ]
    verdicts.show(msgspec.structs.replace(verdict, checks=checks))
    shown = capsys.readouterr().out
    assert "model.parity.*" in shown and "12 checks pass" in shown
    assert "model.parity.odd" in shown and "data.files" in shown
    assert "model.parity.f3" not in shown


def test_the_diary_keeps_times_whole_at_80_columns(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.run(["init", "logs"])
    note = "a long remark " * 8
    cli.run(["event", "add", "phase", "shadow", "--at", "2025-03-03", "--source", "somebody else"])
    span = ["--at", "2025-03-04", "--end", "2025-03-05T06:30", "--source", "somebody"]
    cli.run(["event", "add", "incident", note, *span])
    cli.run(["event", "add", "override", note, "--phase", "shadow", "--what", "shorten"])
    capsys.readouterr()
    assert cli.run(["event", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("2025-03-04T00:00Z" in line and "2025-03-05T06:30Z" in line for line in lines)
    assert max(map(len, lines)) <= 80
    assert "weight" not in lines[0]


def test_help_shows_what_an_option_needs_in_rollout_toml(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a help shows can be pasted into rollout.toml; the refusal names that help."""
    cli.run(["init", "logs"])
    plain = Path("rollout.toml").read_text()
    refused = (["labels"], ["experiment", "plan"])
    for command in refused:
        capsys.readouterr()
        assert cli.run(command) == 2
        assert f"`analyzer {command[0]} --help`" in capsys.readouterr().err
        cli.run([command[0], "--help"])
        shown = capsys.readouterr().out.split("\n  [", 1)[1]
        Path("rollout.toml").write_text(f"{plain}\n[{shown}")
        common.load_rollout("rollout.toml")
        Path("rollout.toml").write_text(plain)


def test_the_demo_says_where_the_sample_is_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("analyzer.cli.demo.SAMPLE", Path("no/such/rollout.toml"))
    assert cli.run(["demo"]) == 2
    assert "analyzer init" in capsys.readouterr().err
