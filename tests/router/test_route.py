"""`analyzer route`: what a verdict permits, what it does not, and rollbacks when all is broken."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from decisions import decided
from report import nights

from analyzer import verdict as verdicts
from analyzer.chain import kept
from analyzer.cli import run
from analyzer.config import load
from analyzer.policy import load as load_policy
from analyzer.router.decision import encode
from analyzer.verdict import Step, Verdict
from analyzer.window import HOUR, show

TOML = """
name = "flights"
[champion]
name = "v6"
paths = ["champion/*.parquet"]
[challenger]
name = "v7"
paths = ["challenger/*.parquet"]
[router]
kind = "decision"
path = "decision.json"
"""
HOURS = 3600


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A rollout whose services obey decision.json, in the current folder."""
    (tmp_path / "rollout.toml").write_text(TOML)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(phase: str = "shadow", outcome: str = "promote", ago: float = 0.0, **more: Any) -> Verdict:
    """A verdict that was given `ago` hours ago, to the minute, and is valid for a day."""
    at = round((time.time() - ago * HOURS) * 1e6) // 60_000_000 * 60_000_000
    limits = {"shadow": Step("canary", 0.01)}
    standard = {
        "rollout": "flights",
        "phase": phase,
        "outcome": outcome,
        "headline": "a test",
        "as_of": show(at),
        "valid_until": show(at + 24 * HOUR),
        "models": {"champion": "v6", "challenger": "v7"},
        "next": limits.get(phase) if outcome == "promote" else None,
    }
    base = nights.verdict(["name"] * 4, (show(at - 24 * HOUR), show(at)))
    return msgspec.structs.replace(base, **{**standard, **more})


def route(*words: str, verdict: Verdict | None = None) -> int:
    """Exit code of `analyzer route ...`."""
    if verdict is not None:
        Path("verdict.json").write_bytes(verdicts.encode(verdict))
    return run(["route", *words])


def share() -> float:
    """What decision.json gives the challenger."""
    path = Path("decision.json")
    return float(json.loads(path.read_bytes())["weights"]["challenger"]) if path.exists() else 0.0


def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(".router/audit.jsonl").read_bytes().splitlines()]


def test_a_promote_moves_one_step_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verdict = made()
    assert route("apply", "--dry-run", verdict=verdict) == 0
    assert "dry run" in capsys.readouterr().out
    assert not Path(".router").exists()
    assert route("apply") == 0
    assert share() == 0.01
    assert route("apply", "--json") == 0
    capsys.readouterr()
    assert route("apply", "--json") == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "no-op"
    decision = json.loads(Path("decision.json").read_bytes())
    assert decision["verdict"] == verdicts.digest(verdict)
    assert decision["phase"] == "canary"
    assert [line["kind"] for line in lines()] == ["intent", "outcome"]
    assert "analyzer route" in (folder / "events.jsonl").read_text()
    assert route("show") == 0
    assert "the challenger gets 1.00%" in capsys.readouterr().out
    assert route("rollback", "--reason", "a test") == 0
    assert share() == 0
    assert route("apply") == 1
    assert "used already" in capsys.readouterr().err
    assert share() == 0


def decision() -> dict[str, Any]:
    """What the services read."""
    found: dict[str, Any] = json.loads(Path("decision.json").read_bytes())
    return found


def in_canary(ends_in: float = 600) -> None:
    """The challenger at 1 %, by a decision of an hour ago that soon ends."""
    now = time.time()
    shared = decided(0.01, 3, issued=now - HOURS, expires=now + ends_in)
    Path(".router").mkdir(exist_ok=True)
    for path in ("decision.json", ".router/decision.json"):
        Path(path).write_bytes(encode(shared))


def test_an_undecided_verdict_renews_the_weights_in_force(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_canary()
    before = decision()
    verdict = made("canary", "undecided")
    assert route("apply", "--weight", "0.02", verdict=verdict) == 1
    assert "more than the 1.00% that may be renewed" in capsys.readouterr().err
    assert route("apply", "--dry-run") == 0
    assert decision() == before
    assert route("apply") == 0
    after = decision()
    assert (after["weights"], after["phase"]) == (before["weights"], "canary")
    assert after["valid_until"] > before["valid_until"] and after["epoch"] > before["epoch"]
    assert after["verdict"] == verdicts.digest(verdict)
    assert not Path("events.jsonl").exists(), "the phase did not begin again"
    assert route("apply", "--json") == 0
    capsys.readouterr()
    assert decision() == after
    assert route("apply", "--weight", "0.004") == 1
    assert "used already" in capsys.readouterr().err
    later = made("canary", "undecided", ago=-1 / 60)
    assert route("apply", "--weight", "0.004", verdict=later) == 0
    assert (share(), decision()["verdict"]) == (0.004, verdicts.digest(later))
    assert '"weight"' in Path("events.jsonl").read_text()


@pytest.mark.parametrize(
    ("verdict", "says"),
    [
        ({"phase": "ab"}, "about the ab phase, and the rollout is in canary"),
        ({"ago": 25}, "expired at"),
        ({"ago": 2}, "before the last change of traffic"),
        ({"outcome": "hold"}, "is HOLD"),
        ({"rollout": "hotels"}, "about 'hotels'"),
    ],
)
def test_what_renews_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], verdict: dict[str, Any], says: str
) -> None:
    in_canary()
    before = decision()
    assert route("apply", verdict=made(**{"phase": "canary", "outcome": "undecided", **verdict}))
    assert says in capsys.readouterr().err
    assert decision() == before


def test_a_renewal_never_raises(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_canary(ends_in=-60)
    assert route("apply", verdict=made("canary", "undecided")) == 1
    assert "there is nothing to renew" in capsys.readouterr().err
    in_canary()
    monkeypatch.setenv("ANALYZER_KILL_SWITCH", "1")
    assert route("apply") == 1
    assert "the kill switch is on" in capsys.readouterr().err
    monkeypatch.delenv("ANALYZER_KILL_SWITCH")
    lowered = decided(0.004, 9, issued=time.time() - 60, expires=time.time() + 600)
    Path("decision.json").write_bytes(encode(lowered))
    assert route("apply") == 0, "what somebody lowered is renewed as it is"
    assert share() == 0.004
    Path("decision.json").write_bytes(encode(decided(0.5, 19, expires=time.time() + 600)))
    assert route("apply", verdict=made("canary", "undecided", ago=-1 / 60)) == 1
    assert "somebody else moved it" in capsys.readouterr().err


REFUSED: dict[str, tuple[Callable[[], Verdict], str]] = {
    "hold": (lambda: made(outcome="hold"), "is HOLD"),
    "undecided": (lambda: made(outcome="undecided"), "is UNDECIDED"),
    "expired": (lambda: made(ago=25), "expired at"),
    "future": (lambda: made(ago=-2), "in the future"),
    "rollout": (lambda: made(rollout="hotels"), "about 'hotels'"),
    "challenger": (
        lambda: made(models={"champion": "v6", "challenger": "v8"}),
        "judged the challenger 'v8'",
    ),
    "swapped": (
        lambda: made(models={"champion": "v7", "challenger": "v6"}),
        "judged the champion 'v7'",
    ),
    "jump": (lambda: made(next=Step("ab", 0.5)), "the policy's next step after shadow is canary"),
    "weight": (lambda: made(next=Step("canary", 0.05)), "leads to canary at 5.00%"),
    "phase": (lambda: made(phase="wonder", next=Step("ab", 0.5)), "no step after the phase"),
    "no step": (lambda: made(next=None), "names no next step"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_no_fresh_promote_moves_nothing_up(
    folder: Path, capsys: pytest.CaptureFixture[str], why: str
) -> None:
    make, says = REFUSED[why]
    assert route("apply", verdict=make()) == 1
    assert says in capsys.readouterr().err
    assert not Path("decision.json").exists()
    assert not Path(".router").exists()


def test_more_than_the_next_step_is_refused_and_less_is_allowed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert route("apply", "--weight", "0.02", verdict=made()) == 1
    assert "beyond the verdict's next step" in capsys.readouterr().err
    assert route("apply", "--weight", "0.005") == 0
    assert share() == 0.005
    assert route("apply", "--weight", "0.002") == 0
    assert share() == 0.002


def test_a_superseded_verdict_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rollout = load("rollout.toml")
    kept.keep(rollout.store_path, made(outcome="hold"), load_policy())
    assert route("apply", verdict=made(ago=3)) == 1
    assert "superseded: the shadow gate said hold" in capsys.readouterr().err


def test_after_a_rollback_an_older_verdict_moves_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("decision.json").write_text("{")
    assert route("rollback") == 0
    assert route("apply", verdict=made(ago=1)) == 1
    assert "before the last change of traffic" in capsys.readouterr().err


def test_a_share_that_somebody_else_set_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("decision.json").write_bytes(encode(decided(0.005, 3)))
    assert route("apply", verdict=made()) == 1
    assert "somebody else moved it" in capsys.readouterr().err
    assert share() == 0.005


def test_a_verdict_to_roll_back_rolls_back(folder: Path) -> None:
    assert route("apply", verdict=made()) == 0
    assert route("apply", verdict=made("canary", "roll back", ago=-1 / 60)) == 0
    assert share() == 0


def test_a_verdict_that_was_edited_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("verdict.json").write_bytes(verdicts.encode(made()).replace(b"promote", b"promote "))
    assert route("apply") == 2
    verdict = made()
    kept.keep(load("rollout.toml").store_path, verdict, load_policy())
    Path("verdict.json").write_bytes(verdicts.encode(verdict).replace(b"a test", b"better"))
    assert route("apply") == 1
    assert "it was changed afterwards" in capsys.readouterr().err


def test_the_kill_switch_stops_rises_and_lets_rollbacks_through(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANALYZER_KILL_SWITCH", "1")
    assert route("apply", verdict=made()) == 1
    assert "the kill switch is on" in capsys.readouterr().err
    monkeypatch.delenv("ANALYZER_KILL_SWITCH")
    assert route("apply") == 0
    Path(".router/kill").touch()
    assert route("watch", "--once") == 0
    assert share() == 0
    assert route("rollback") == 0


def test_a_rollback_works_when_everything_else_is_broken(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No logs, no store, a policy and a diary that cannot be read, no audit log, no decision."""
    assert route("apply", verdict=made()) == 0
    broken = TOML.replace('name = "v7"', "name = 7") + '\n[policy]\npath = "gone.toml"\n'
    Path("rollout.toml").write_text(broken)
    for name in ("audit.jsonl", "lock"):
        path = Path(".router") / name
        path.unlink(missing_ok=True)
        path.mkdir()
    monkeypatch.setenv("ANALYZER_KILL_SWITCH", "1")
    assert route("rollback") == 0
    found = json.loads(Path("decision.json").read_bytes())
    assert (share(), found["epoch"] > 1, found["models"]["challenger"]) == (0, True, "v7")
    Path(".router/decision.json").unlink()
    Path(".router/decision.json").mkdir()
    Path("decision.json").write_bytes(encode(decided(0.5, 9, expires=time.time() + 60)))
    capsys.readouterr()
    assert route("rollback", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (share(), told["done"], told["confirmed"]["configuration"]) == (0, True, "ok")
    assert json.loads(Path("decision.json").read_bytes())["models"]["challenger"] == "v7"


@pytest.mark.parametrize(
    ("router", "says"),
    [
        ('kind = "nginx"', "Invalid enum value 'nginx'"),
        ('kind = "haproxy"', "needs `address`"),
        ('kind = "decision"\npath = "d.json"\nbackend = "x"', "`backend` means nothing"),
        ('kind = "decision"\npath = "d.json"\nspeed = 1', "unknown field `speed`"),
        ('kind = "file"\npath = "d.json"', "is no JSON pointer"),
        ('kind = "decision"\npath = ".router/decision.json"', "keeps its own copy"),
        ('kind = "envoy"\npath = "r.json"\naddress = "9901"', "must be a URL"),
        ('kind = "decision"\npath = "d"\nchampion = "a"\nchallenger = "a"', "are both 'a'"),
        ('kind = "decision"\npath = "d"\nserves = {v6 = "a"}', "serves names 'v6'"),
    ],
)
def test_a_wrong_router_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], router: str, says: str
) -> None:
    start = TOML.partition("[router]")[0]
    Path("rollout.toml").write_text(f"{start}[router]\n{router}\n")
    assert route("rollback") == 2
    assert says in capsys.readouterr().err
    assert run(["scan"]) == 2
    assert says in capsys.readouterr().err


def test_without_a_router_the_command_says_what_is_missing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("rollout.toml").write_text(TOML.partition("[router]")[0])
    assert route("show") == 2
    assert "there is no [router]" in capsys.readouterr().err


def test_weights_at_json_pointers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = TOML.partition("[router]")[0]
    router = 'kind = "file"\npath = "flag.json"\nchampion = "/split/0/1"\nchallenger = "/split/1/1"'
    Path("rollout.toml").write_text(f"{start}[router]\n{router}\n")
    content = {"split": [["on", 100], ["off", 0]], "other": "kept é"}
    Path("flag.json").write_text(json.dumps(content))
    assert route("apply", verdict=made()) == 0
    assert json.loads(Path("flag.json").read_text(encoding="utf-8")) == {
        "split": [["on", 99], ["off", 1]],
        "other": "kept é",
    }
    assert route("rollback") == 0
    assert json.loads(Path("flag.json").read_text(encoding="utf-8"))["split"][1][1] == 0
    for garbled, says in (
        ('{"split": [["on", 100]]}', "nothing at /split/1/1"),
        ('{"split": [["on", 100], ["off", -1]]}', "reads ['-1']"),
        ('{"split": [["on", 100], ["off", "x"]]}', "reads ['x']"),
        ("split: [1, 2]", "not JSON"),
    ):
        Path("flag.json").write_text(garbled)
        capsys.readouterr()
        assert route("show") == 1
        assert says in capsys.readouterr().err
