"""The chain through the command line: kept, not kept, overridden, read-only."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from logbook import Book, times

from analyzer import cli


@pytest.fixture
def day(book: Book, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scanned day of small logs in the current folder, and a policy without rehearsal."""
    at = np.arange(0, 26 * 3600, 60.0)
    for side in ("champion", "challenger"):
        columns = {
            "request_id": [f"r{i}" for i in range(len(at))],
            "ts": times(at),
            "score": np.linspace(0, 1, len(at)),
            "latency_ms": [9.0] * len(at),
            "error": [False] * len(at),
        }
        book.write(f"{side}.parquet", columns)
    (book.root / "policy.toml").write_text("[record]\nsplits = 0\n")
    book.describe(policy={"path": "policy.toml"})
    book.scan()
    monkeypatch.chdir(book.root)
    return book.root


def kept(root: Path) -> list[str]:
    return sorted(f.parent.name for f in (root / ".analyzer" / "verdicts").rglob("*.json"))


def test_a_gate_keeps_its_verdict_and_the_same_one_once(
    day: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["gate", "shadow", "--last", "24h", "--to", "2025-03-04", "--json"]
    assert cli.run([*arguments, "--dry-run"]) == 3
    first = capsys.readouterr().out
    assert kept(day) == []
    for _ in range(2):
        assert cli.run(arguments) == 3
        assert capsys.readouterr().out == first
    assert kept(day) == ["shadow"]
    file = next((day / ".analyzer/verdicts").rglob("*.json"))
    assert file.read_text() == first


def test_a_store_that_cannot_be_written_costs_no_verdict(
    day: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (day / ".analyzer" / "verdicts").write_text("in the way")
    assert cli.run(["gate", "shadow", "--last", "24h", "--to", "2025-03-04", "--json"]) == 3
    out = capsys.readouterr()
    assert json.loads(out.out)["outcome"] == "hold"
    assert "not kept as evidence" in out.err and "could not be kept" in out.err
    assert cli.run(["nightly", "--from", "2025-03-03", "--to", "2025-03-04", "--out", "n"]) == 3
    assert "skipped: the chain of evidence" in capsys.readouterr().err
    assert (day / "n" / "report.html").exists()


def test_a_step_of_a_night_that_fails_loses_no_other(
    day: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("diff.json", "slo.json", "triggers.json"):
        (day / "n" / name).mkdir(parents=True)
    assert cli.run(["nightly", "--from", "2025-03-03", "--to", "2025-03-04", "--out", "n"]) == 3
    said = capsys.readouterr().err
    for name in ("diff.json", "slo.json", "triggers.json"):
        assert f"skipped: {name}: n/{name}: cannot be written" in said
    written = {path.name for path in (day / "n").iterdir() if path.is_file()}
    assert written == {"verdict.json", "latency.json", "report.html"}  # drift has no reference
    assert kept(day) == ["shadow"]


def test_an_override_is_recorded_and_named_from_then_on(
    day: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = ["gate", "shadow", "--from", "2025-03-03", "--to", "2025-03-03T12", "--json"]
    cli.run(["event", "add", "phase", "shadow", "--at", "2025-03-03"])
    assert cli.run(gate) == 4
    assert "process.duration" in json.loads(capsys.readouterr().out.partition("\n")[2])["blocking"]
    reason = "the fraud wave cannot wait"
    add = ["event", "add", "override", reason, "--phase", "shadow", "--what", "shorten"]
    assert cli.run([*add, "--at", "2025-03-03T11", "--source", "ana"]) == 0
    capsys.readouterr()
    cli.run(gate)
    found = json.loads(capsys.readouterr().out)
    assert "process.duration" not in found["blocking"]
    assert found["overrides"] == [
        {
            "at": "2025-03-03T11:00Z",
            "by": "ana",
            "phase": "shadow",
            "policy": "",
            "reason": reason,
            "what": "shorten",
        }
    ]
    assert cli.run(["gate", "shadow", "--last", "12h", "--to", "2025-03-03T12"]) == 4
    assert reason in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["override", "", "--phase", "shadow", "--what", "skip"], "needs its reason"),
        (["override", "why", "--phase", "shadow"], "says what it sets aside"),
        (["override", "why", "--what", "skip"], "there is no phase ''"),
        (["override", "why", "--phase", "canari", "--what", "skip"], "no phase 'canari'"),
        (["note", "why", "--phase", "canary"], "belong to an override"),
        (["phase", "shadwo"], "there is no phase 'shadwo'; there is: shadow, canary"),
    ],
)
def test_an_override_that_says_too_little(
    day: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert cli.run(["event", "add", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert not (day / "events.jsonl").exists()


def test_a_policy_that_names_no_phase_of_ours(
    day: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for named in ("canari", "shadow"):
        (day / "policy.toml").write_text(f'[shadow]\nnext_phase = "{named}"\n')
        assert cli.run(["gate", "shadow"]) == 2
        assert f"`shadow.next_phase` is '{named}'" in capsys.readouterr().err


def test_a_policy_changed_in_mid_phase_is_named(
    day: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = ["gate", "shadow", "--last", "24h", "--to", "2025-03-04", "--json"]
    cli.run(gate)
    assert "process.policy" not in json.loads(capsys.readouterr().out)["blocking"]
    (day / "policy.toml").write_text("[record]\nsplits = 0\n[shadow]\nmax_error_rate = 0.5\n")
    capsys.readouterr()
    assert cli.run(gate) == 3
    found = json.loads(capsys.readouterr().out)
    assert "process.policy" in found["blocking"]
    reason = ["event", "add", "override", "a new law", "--phase", "shadow", "--what", "policy"]
    assert cli.run(reason) == 0
    capsys.readouterr()
    cli.run(gate)
    assert "process.policy" not in json.loads(capsys.readouterr().out)["blocking"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[canari]\nmin_hours = 4", "canari"),
        ("[shadow]\nmax_calibration = 0.1", "shadow.max_calibration"),
        ("[canary.segments.country]\nmax_error_excess = 0.1", "canary.segments.country"),
        ("[shadow.features.amount]\nmax_null_share = 0.1", "shadow.features"),
    ],
)
def test_a_policy_that_names_what_there_is_not_is_no_pass(
    day: Path, capsys: pytest.CaptureFixture[str], text: str, key: str
) -> None:
    (day / "policy.toml").write_text(f"{text}\n")
    assert cli.run(["gate", "shadow", "--last", "24h", "--to", "2025-03-04"]) == 2
    out = capsys.readouterr()
    assert f"unknown key `{key}`" in out.err and out.out == ""
    assert kept(day) == []


def test_a_garbled_diary_is_an_error_and_no_pass(
    day: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (day / "events.jsonl").write_text('{"ts": "2025-03-03", "kind": "phase", "phase": "sha')
    for command in (["gate", "shadow"], ["history"], ["nightly"]):
        assert cli.run(command) == 2
        assert "events.jsonl, line 1" in capsys.readouterr().err
    assert kept(day) == []
