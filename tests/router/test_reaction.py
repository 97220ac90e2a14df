"""`analyzer route watch --act`: a trigger fires, the router is rolled back, the way is told."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from decisions import MODELS
from logbook import Book
from real import Load, started

from analyzer import diary, policy
from analyzer.chain.kept import Chain
from analyzer.cli import aftermath, run
from analyzer.diary import Event
from analyzer.history import history
from analyzer.logs import SIDES
from analyzer.report.history import report as page
from analyzer.router import audit, change
from analyzer.router.adapter import Outcome, Plan
from analyzer.router.controller import Controller
from analyzer.router.decision_file import DecisionFile
from analyzer.router.reaction import Reaction, react
from analyzer.stages import Stages, legs
from analyzer.window import MINUTE, parse, show
from benchmarks.rollback_drill import routers

BAD = 12
"""Minutes before now in which the challenger's latency was tripled; ten fire the trigger."""
POLICY = "[trigger]\nmin_requests = 15\nlive_hours = 1\n[rollback]\nact = {}\n"


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, int]]:
    with routers.models() as ports:
        yield ports


def rows(side: str, end: int, minutes: int, bad: range) -> dict[str, Any]:
    """30 requests a minute up to `end`, slow in the minutes before it that `bad` names."""
    before = np.repeat(np.arange(minutes, 0, -1), 30)
    at = end - before * MINUTE + np.tile(np.arange(30) * 1_999_000, minutes)
    latency = np.random.default_rng(1).uniform(20, 60, len(at))
    slow = np.isin(before, bad) & (side == "challenger")
    return {
        "request_id": [f"r{i}" for i in range(len(at))],
        "ts": pa.array(at, pa.timestamp("us", tz="UTC")),
        "score": np.full(len(at), 0.3),
        "latency_ms": latency * np.where(slow, 3.0, 1.0),
        "error": np.zeros(len(at), dtype=bool),
    }


def service(book: Book, act: bool = True, bad: range = range(1, 1 + BAD), **router: Any) -> int:
    """Logs up to this minute of a challenger that serves 5 %; the end of the last minute."""
    end = round(time.time() * 1e6) // MINUTE * MINUTE
    for side in SIDES:
        book.write(f"{side}/log.parquet", rows(side, end, 75, bad))
    router = {"kind": "decision", "path": "decision.json", **router}
    book.describe(
        {"name": "v6", "paths": ["champion/*.parquet"]},
        {"name": "v7", "paths": ["challenger/*.parquet"]},
        policy={"path": "policy.toml"},
        router=router,
    )
    (book.root / "policy.toml").write_text(POLICY.format(str(act).lower()), encoding="utf-8")
    serves = Event(ts=show(end - 500 * MINUTE), kind="weight", challenger_weight=0.05)
    diary.append(diary.path_of(book.rollout), serves)
    return end


def file_controller(book: Book, adapter: DecisionFile | None = None) -> Controller:
    """Services that obey decision.json, with the challenger at 5 %."""
    to = Controller(
        DecisionFile(str(book.root / "decision.json")), book.root / ".router", "test", MODELS
    )
    if to.in_force() is None:
        risen = change.apply(
            to,
            "canary",
            0.05,
            reason="a test",
            verdict="v",
            expires=time.time() + 900,
            live=to.adapter.read(),
        )
        assert risen.done
    return to if adapter is None else dataclasses.replace(to, adapter=adapter)


def reacted(book: Book, to: Controller) -> Reaction:
    return react(book.rollout, policy.load(book.root / "policy.toml"), to)


def told(book: Book) -> list[Event]:
    """The diary behind its first line."""
    return list(diary.read(diary.path_of(book.rollout)))[1:]


def outcomes(to: Controller) -> list[dict[str, Any]]:
    return [
        dict(r)
        for r in audit.read(to.log).records
        if (r["kind"], r["action"]) == ("outcome", "rollback")
    ]


def test_a_trigger_that_fires_empties_a_real_router(
    book: Book, tmp_path: Path, served: dict[str, int]
) -> None:
    with started(routers.haproxy(), tmp_path / "router", served) as (router, to):
        end = service(book)
        with Load(router.port) as load:
            time.sleep(0.3)
            found = reacted(book, to)
            since = time.monotonic()
            time.sleep(0.3)
            assert (load.served(since)["v7"], load.failed) == (0, [])
            assert load.served(since)["v6"] > 0
        assert (found.outcome, found.first) == ("rolled back", True), found
        assert found.report is not None and found.report.confirmed is not None
        assert found.report.confirmed[:3] == ("ok", "ok", "ok")
        assert reacted(book, to).outcome == "quiet"
    (outcome,) = outcomes(to)
    stages = msgspec.convert(outcome["stages"], Stages)
    assert parse(stages.breach) == end - BAD * MINUTE
    assert parse(stages.fired) == end - (BAD - 10) * MINUTE
    split = {(p.start, p.end): p.seconds for p in legs(stages)}
    assert split["breach", "fired"] == 600
    assert all(0 <= split[way] < 30 for way in split if way[0] in ("decided", "written"))
    whole = sum(v for (a, b), v in split.items() if b != "last_response" and (a, b) != WHOLE)
    assert abs(split[WHOLE] - whole) < 0.01 and len(split) == 6
    assert [(e.kind, e.challenger_weight) for e in told(book)] == [
        ("trigger", None),
        ("rollback", None),
        ("weight", 0.0),
    ]
    known = history(book.rollout, policy.load(), Chain(), diary.read(diary.path_of(book.rollout)))
    (rollback,) = known.rollbacks
    assert (rollback.decided, rollback.outcome) == (show(parse(stages.fired)), "pass")
    assert rollback.parts == legs(stages)
    assert b"The rollback, part by part" in page(known)


WHOLE = ("breach", "confirmed")


def test_the_switch_is_off_by_default_and_then_it_is_only_said(book: Book) -> None:
    assert policy.load().rollback.act is False
    service(book, act=False)
    to = file_controller(book)
    found = reacted(book, to)
    assert found.outcome == "fired" and "act is off" in found.said[0]
    assert (to.adapter.read().share, told(book), outcomes(to)) == (0.05, [], [])


def test_what_is_undecided_does_nothing(book: Book) -> None:
    service(book)
    for side in SIDES:
        path = book.root / side / "log.parquet"
        import pyarrow.parquet as pq

        pq.write_table(pq.read_table(path).drop_columns(["latency_ms"]), path)
    to = file_controller(book)
    found = reacted(book, to)
    assert found.outcome == "undecided"
    assert any(line.startswith("latency: undecided") for line in found.said)
    assert (to.adapter.read().share, told(book)) == (0.05, [])


@pytest.mark.parametrize("broken", ["gone", "torn", "diary"])
def test_what_cannot_be_read_does_nothing_and_says_so(book: Book, broken: str) -> None:
    service(book)
    to = file_controller(book)
    log = book.root / "challenger" / "log.parquet"
    if broken == "gone":
        log.unlink()
    elif broken == "torn":
        log.write_bytes(log.read_bytes()[:999])
    else:
        diary.path_of(book.rollout).write_text("{")
    found = reacted(book, to)
    assert found.outcome == ("undecided" if broken == "torn" else "not asked")
    says = {"gone": "matches no file", "torn": "not readable Parquet", "diary": "line 1"}[broken]
    assert any(says in line for line in found.said), found
    assert to.adapter.read().share == 0.05


def test_what_fired_before_the_challenger_came_back_has_had_its_rollback(book: Book) -> None:
    end = service(book, bad=range(10, 25))
    path = diary.path_of(book.rollout)
    back = Event(ts=show(end - 5 * MINUTE), kind="weight", challenger_weight=0.05)
    diary.append(path, Event(ts=show(end - 9 * MINUTE), kind="rollback", challenger_weight=0.0))
    diary.append(path, back)
    to = file_controller(book)
    assert reacted(book, to).outcome == "undecided"  # of the volume, without earlier weeks
    early = msgspec.structs.replace(back, ts=show(end - 12 * MINUTE))
    path.write_bytes(msgspec.json.encode(early) + b"\n")
    assert reacted(book, to).outcome == "rolled back"


class Slow(DecisionFile):
    """Takes its time to write."""

    name = "slow"

    def apply(self, plan: Plan, expect: str) -> Outcome:
        time.sleep(0.5)
        return super().apply(plan, expect)


def test_of_two_watchers_one_acts_and_the_other_says_so(book: Book) -> None:
    service(book)
    file_controller(book)
    found: list[Reaction] = []
    ready = threading.Barrier(2)

    def watcher() -> None:
        to = file_controller(book, Slow(str(book.root / "decision.json")))
        ready.wait()
        found.append(reacted(book, to))

    threads = [threading.Thread(target=watcher) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(r.outcome for r in found) == ["elsewhere", "rolled back"], found
    other = next(r for r in found if r.outcome == "elsewhere")
    assert "another `analyzer route watch` rolled back" in other.said
    assert [e.kind for e in told(book)] == ["trigger", "rollback", "weight"]
    assert len(outcomes(file_controller(book))) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from analyzer import config, policy
from analyzer.router.controller import Controller
from analyzer.router.decision_file import DecisionFile
from analyzer.router.reaction import react
class Killed(DecisionFile):
    def apply(self, plan, expect):
        super().apply(plan, expect)
        os.kill(os.getpid(), signal.SIGKILL)
root = Path(sys.argv[1])
to = Controller(Killed(str(root / "decision.json")), root / ".router", "test",
                {"champion": "v6", "challenger": "v7"})
react(config.load(root / "rollout.toml"), policy.load(root / "policy.toml"), to)
"""


def test_a_kill_between_write_and_confirm_is_finished_by_the_next_look(book: Book) -> None:
    service(book)
    to = file_controller(book)
    done = subprocess.run([sys.executable, "-c", KILLED, str(book.root)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (to.adapter.read().share, told(book)) == (0, [])
    meant = audit.read(to.log).records[-1]
    assert meant["kind"] == "intent"
    found = reacted(book, to)
    assert (found.outcome, found.first) == ("rolled back", True)
    (outcome,) = outcomes(to)
    assert outcome["stages"]["decided"] == meant["stages"]["decided"]
    assert [e.kind for e in told(book)] == ["trigger", "rollback", "weight"]
    assert reacted(book, to).outcome == "quiet"


def test_nothing_that_stands_beside_it_stops_the_rollback(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither diary, audit log nor lock can be written; once they can, the diary is told."""
    service(book)
    to = file_controller(book)
    (to.folder / "watch").write_text("")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(diary.os, "write", full)
        to.log.rename(to.folder / "kept")
        to.log.mkdir()
        found = reacted(book, to)
        assert (found.outcome, found.first) == ("rolled back", False), found
        assert to.adapter.read().share == 0
    assert found.report is not None
    assert any("audit.jsonl: cannot be read" in note for note in found.report.notes)
    assert any("the diary does not know" in line for line in found.said)
    assert any("no lock can be made" in line for line in found.said)
    to.log.rmdir()
    (to.folder / "kept").rename(to.log)
    again = reacted(book, to)
    assert (again.outcome, again.first) == ("rolled back", True)
    assert [e.kind for e in told(book)] == ["trigger", "rollback", "weight"]


def test_the_command(
    book: Book, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(book.root)
    monkeypatch.setattr(aftermath.sys, "executable", "/bin/echo")
    service(book, act=False)
    to = file_controller(book)
    assert run(["route", "watch", "--once"]) == 0
    assert "trigger" not in capsys.readouterr().out
    assert run(["route", "watch", "--once", "--act"]) == 5
    assert "act is off in the policy" in " ".join(capsys.readouterr().out.split())
    (book.root / "policy.toml").write_text("[rollback]\nact = 1\n")
    assert run(["route", "watch", "--once", "--act"]) == 1
    assert "so nothing is done" in capsys.readouterr().out
    assert to.adapter.read().share == 0.05
    (book.root / "policy.toml").write_text(POLICY.format("true"))
    assert run(["route", "watch", "--once", "--act", "--json"]) == 5
    out, err = capsys.readouterr()
    assert json.loads(out)["triggers"]["outcome"] == "rolled back"
    assert "a diagnosis was started" in err
    assert aftermath.started[-1].wait(10) == 0
    assert "analyzer.cli.aftermath rollout.toml" in (to.folder / "diagnosis.log").read_text()
    assert run(["route", "watch", "--once", "--act"]) == 0
    assert to.adapter.read().share == 0
    assert run(["history"]) == 0
    assert "First breach to fired 600 s" in " ".join(capsys.readouterr().out.split())


def test_a_rollback_by_hand_has_its_stages_too(
    book: Book, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(book.root)
    service(book)
    to = file_controller(book)
    assert run(["route", "rollback"]) == 0
    assert "decided to written" in capsys.readouterr().out
    first, last = told(book)
    assert (first.kind, last.kind, last.challenger_weight) == ("rollback", "weight", 0.0)
    assert last.stages is not None and last.stages.decided and not last.stages.fired
    assert run(["route", "rollback"]) == 0
    assert len(told(book)) == 2 and to.adapter.read().share == 0
    line = json.loads(diary.path_of(book.rollout).read_text().splitlines()[-1])
    line["stages"]["decided"] = "yesterday"
    with open(diary.path_of(book.rollout), "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    assert run(["history"]) == 2
    assert "'yesterday' is no instant" in capsys.readouterr().err
