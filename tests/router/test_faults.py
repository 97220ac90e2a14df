"""Faults in the middle of a change: never more challenger traffic than the last valid decision
allows, and each fault stands in the audit log.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from decisions import MODELS, decided
from real import controller, started

from analyzer.router import Router, audit, change, files, haproxy
from analyzer.router.adapter import Outcome, Plan, Refused
from analyzer.router.audit import AuditError, Busy
from analyzer.router.controller import Controller
from analyzer.router.decision import encode
from analyzer.router.decision_file import DecisionFile
from analyzer.router.watch import watch
from benchmarks.rollback_drill import routers
from benchmarks.rollback_drill.routers import Running


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, int]]:
    with routers.models() as ports:
        yield ports


@pytest.fixture
def real(tmp_path: Path, served: dict[str, int]) -> Iterator[tuple[Running, Controller]]:
    """A real HAProxy with the challenger at 5 %."""
    with started(routers.haproxy(), tmp_path, served, idle=True) as found:
        yield found


@pytest.fixture
def file(tmp_path: Path) -> Controller:
    """A controller of services that obey decision.json."""
    adapter = DecisionFile(str(tmp_path / "decision.json"))
    return Controller(adapter, tmp_path / "own", "flights", MODELS)


def up(to: Controller, share: float, seconds: float = 600) -> change.Report:
    return change.apply(
        to,
        "canary",
        share,
        reason="a test",
        verdict=f"v{share}",
        expires=to.clock() + seconds,
        live=to.adapter.read(),
    )


def told(to: Controller) -> str:
    """Everything that the audit log says."""
    return to.log.read_text(encoding="utf-8")


def test_a_restart_that_brings_weights_back_is_seen_and_lowered(
    tmp_path: Path, served: dict[str, int]
) -> None:
    with started(routers.haproxy(), tmp_path, served, state_file="", idle=True) as (router, to):
        assert change.rollback(to, "a test").done
        router.stop()
        router.start()
        assert abs(to.adapter.read().share - 0.05) < 1e-9
        seen = watch(to)
        assert seen.report is not None
        assert seen.report.done
        assert to.adapter.read().share == 0
        assert "the challenger has 5.00% and may have 0.00%" in told(to)
        assert watch(to).report is None


def test_a_socket_that_is_gone_for_a_while_is_asked_again(
    real: tuple[Running, Controller],
) -> None:
    router, to = real
    path = Path(str(router.settings["address"]))
    path.rename(path.with_suffix(".away"))
    back = threading.Timer(0.6, lambda: path.with_suffix(".away").rename(path))
    back.start()
    report = change.rollback(to, "a test")
    back.join()
    assert report.done
    assert report.timings["written"] > 0.5
    assert to.adapter.read().share == 0
    assert "No such file or directory" in told(to)


class Slow(threading.Thread):
    """Stands before HAProxy's socket; passes changes on and answers too late."""

    def __init__(self, path: Path, real: str, delay: float) -> None:
        super().__init__(daemon=True)
        self.real, self.delay = real, delay
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.start()

    def run(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client, socket.socket(socket.AF_UNIX) as inner:
                line = client.recv(65536)
                inner.connect(self.real)
                inner.sendall(line)
                answer = b""
                while part := inner.recv(65536):
                    answer += part
                if line.startswith(b"set "):
                    time.sleep(self.delay)
                with contextlib.suppress(OSError):
                    client.sendall(answer)


def test_an_answer_that_comes_too_late_is_read_again_not_assumed(
    real: tuple[Running, Controller], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    router, _ = real
    slow = Slow(tmp_path / "slow.sock", str(router.settings["address"]), 0.5)
    monkeypatch.setattr(haproxy, "WRITE_SECONDS", 0.25)
    to = controller(router, address=str(tmp_path / "slow.sock"), idle=True)
    rise = up(to, 0.5)
    assert (rise.outcome, rise.done) == ("applied", True)
    assert rise.confirmed is not None
    assert "no answer to `set server" in told(to)
    fall = change.rollback(to, "a test")
    slow.listener.close()
    assert fall.done
    assert controller(router).adapter.read().share == 0


def test_a_decision_that_is_half_written_stops_rises_and_not_rollbacks(file: Controller) -> None:
    assert up(file, 0.01).done
    path = file.folder / "decision.json"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(Refused, match="cannot be read"):
        up(file, 0.5)
    assert file.adapter.read().share == 0.01
    seen = watch(file)
    assert (seen.allowed, seen.report) == (0.01, None)
    assert any("garbled" in a or "cannot be read" in a for a in seen.alarms)
    assert change.rollback(file, "a test").done
    assert file.adapter.read().share == 0


def test_a_full_disk_stops_rises_and_not_rollbacks(
    real: tuple[Running, Controller], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, to = real

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(files.os, "replace", full)
        with pytest.raises(AuditError, match="No space left"):
            up(to, 0.5)
        assert abs(to.adapter.read().share - 0.05) < 1e-9
        broken.setattr(audit.os, "fsync", full)
        with pytest.raises(AuditError, match="No space left"):
            up(to, 0.5)
        report = change.rollback(to, "a test")
        assert to.adapter.read().share == 0
        assert any("audit log cannot be written" in note for note in report.notes)
        assert any("reload of HAProxy" in note for note in report.notes)
    assert change.rollback(to, "a test").done
    assert "decision.json: cannot be written ([Errno 28]" in told(to)
    assert "has no recorded outcome" in told(to)


def test_a_clock_that_jumps_back_revives_nothing(file: Controller) -> None:
    now = time.time()
    assert up(file, 0.01, seconds=60).done
    later = dataclasses.replace(file, clock=lambda: now + 120)
    seen = watch(later)
    assert seen.report is not None
    assert seen.report.done
    assert "ended at" in told(file)
    assert file.adapter.read().share == 0
    back = dataclasses.replace(file, clock=lambda: now - 3600)
    assert watch(back).report is None
    assert file.adapter.read().share == 0


KILLED = """
import os, signal, sys, time
from pathlib import Path
from analyzer.router import change
from analyzer.router.controller import Controller
from analyzer.router.decision_file import DecisionFile
class Killed(DecisionFile):
    def apply(self, plan, expect):
        if sys.argv[2] == "after":
            super().apply(plan, expect)
        os.kill(os.getpid(), signal.SIGKILL)
to = Controller(Killed(sys.argv[1] + "/decision.json"), Path(sys.argv[1]) / "own", "flights",
                {"champion": "v6", "challenger": "v7"})
change.apply(to, "canary", 0.5, reason="", verdict="x", expires=time.time() + 600,
             live=to.adapter.read())
"""


@pytest.mark.parametrize(("when", "left"), [("before", 0.01), ("after", 0.5)])
def test_a_kill_between_set_and_confirm_leaves_no_more_than_is_allowed(
    file: Controller, tmp_path: Path, when: str, left: float
) -> None:
    assert up(file, 0.01).done
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), when], timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL
    live, allowed = file.adapter.read().share, file.in_force()
    assert allowed is not None
    assert live == left <= allowed.share
    assert len(audit.read(file.log).unfinished) == 1
    with open(file.log, "ab") as log:
        log.write(b'{"kind": "int')  # and the next line was cut short as well
    report = change.rollback(file, "a test")
    assert report.done
    assert any("has no recorded outcome" in note for note in report.notes)
    trail = audit.read(file.log)
    assert trail.records[-1]["outcome"] == "applied"
    assert trail.faults == ("line 4: cut short or damaged",)


def test_two_controllers_at_once_one_wins_and_the_other_says_so(
    real: tuple[Running, Controller],
) -> None:
    router, _ = real
    results: list[str] = []
    start = threading.Barrier(2)

    def go(share: float) -> None:
        to = controller(router, idle=True)
        live = to.adapter.read()
        start.wait()
        try:
            report = change.apply(
                to, "canary", share, reason="", verdict="", expires=time.time() + 60, live=live
            )
            results.append(report.outcome)
        except Busy:
            results.append("busy")

    threads = [threading.Thread(target=go, args=(share,)) for share in (0.1, 0.2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) in (["applied", "busy"], ["applied", "conflict"])
    live, decision = controller(router).adapter.read().share, controller(router).in_force()
    assert decision is not None
    assert abs(live - decision.share) < 1e-9


class Hesitant(DecisionFile):
    """Waits between comparing and writing until somebody rolled back."""

    name = "hesitant"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.reached, self.go_on = threading.Event(), threading.Event()

    def apply(self, plan: Plan, expect: str) -> Outcome:
        if plan.share > 0.1 and not self.reached.is_set():
            self.reached.set()
            self.go_on.wait(10)
            return super().apply(plan, self.read().version)  # the worst: it writes regardless
        return super().apply(plan, expect)


def test_a_rollback_in_the_middle_of_a_rise_wins(file: Controller) -> None:
    assert up(file, 0.01).done
    slow = Hesitant(str(file.adapter.path))  # type: ignore[attr-defined]
    rising = dataclasses.replace(file, adapter=slow)
    reports: list[change.Report] = []
    thread = threading.Thread(target=lambda: reports.append(up(rising, 0.5)))
    thread.start()
    assert slow.reached.wait(10)
    fall = change.rollback(file, "a test")
    assert fall.done
    assert any("without the lock" in note for note in fall.notes)
    slow.go_on.set()
    thread.join()
    assert reports[0].outcome == "conflict"
    assert any("another decision was made meanwhile" in note for note in reports[0].notes)
    assert file.adapter.read().share == 0
    in_force = file.in_force()
    assert in_force is not None
    assert in_force.share == 0
    assert "another decision was made meanwhile" in told(file)


def test_a_stale_decision_that_is_replayed_changes_nothing(
    file: Controller, tmp_path: Path
) -> None:
    path = tmp_path / "decision.json"
    assert up(file, 0.5).done
    stale = path.read_bytes()
    assert change.rollback(file, "a test").done
    client = Router(path, models=MODELS, poll=0.0, alarm=lambda status: None)
    files.replace(path, stale)
    assert client.status().share == 0
    assert "older than the last" in client.status().reason
    seen = watch(file)
    assert seen.report is not None
    assert seen.report.done
    assert client.status().share == 0
    assert client.status().source == "decision"
    assert "may have 0.00%" in told(file)


def test_a_changed_line_of_the_audit_log_shows(file: Controller) -> None:
    assert up(file, 0.01).done
    assert change.rollback(file, "a test").done
    assert audit.read(file.log).faults == ()
    content = file.log.read_bytes().replace(b'"share": 0.01', b'"share": 0.02', 1)
    file.log.write_bytes(content)
    assert audit.read(file.log).faults == ("line 2: does not follow the line before it",)
    lines = content.splitlines(keepends=True)
    file.log.write_bytes(lines[0] + b"".join(lines[2:]))
    assert len(audit.read(file.log).faults) == 1


def test_a_decision_of_someone_else_in_force_is_never_raised_by_watch(file: Controller) -> None:
    assert up(file, 0.5).done
    path = Path(str(file.adapter.path))  # type: ignore[attr-defined]
    files.replace(path, encode(decided(0.1, 99, issued=time.time(), expires=time.time() + 60)))
    seen = watch(file)
    assert seen.report is None
    assert any("somebody lowered it" in alarm for alarm in seen.alarms)
    assert file.adapter.read().share == 0.1
    assert os.path.exists(file.log)
