"""The client: reload, doubt, fallback, kill switch, threads, forks."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from decisions import MODELS, NOW, decided, written

from analyzer.router import Router, Status
from analyzer.router.decision import encode
from analyzer.router.memory import Memory


class Clock:
    """A wall clock that the test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(tmp_path: Path, clock: Clock) -> Callable[..., Router]:
    """Makes a client of tmp_path/decision.json that looks at every call."""

    def make(**options: object) -> Router:
        known: dict[str, object] = {"poll": 0.0, "clock": clock, "alarm": lambda status: None}
        return Router(tmp_path / "decision.json", **{**known, **options})  # type: ignore[arg-type]

    return make


def share(router: Router, units: int = 300) -> float:
    """Share of units that the challenger serves."""
    return sum(router.arm(f"u{n}") == "challenger" for n in range(units)) / units


def test_a_new_decision_is_obeyed_and_units_stay(
    tmp_path: Path, client: Callable[..., Router]
) -> None:
    written(tmp_path, 0.05, 1)
    router = client()
    small = {n for n in range(4000) if router.arm(f"u{n}") == "challenger"}
    assert abs(len(small) / 4000 - 0.05) < 0.02
    written(tmp_path, 0.1, 2)
    large = {n for n in range(4000) if router.arm(f"u{n}") == "challenger"}
    assert small < large
    assert router.model(f"u{min(small)}") == "v7"
    assert router.status() == Status("decision", 0.1, 2, "")


def test_without_any_decision_the_champion_serves(client: Callable[..., Router]) -> None:
    router = client(models=MODELS)
    assert share(router) == 0
    assert router.model("u1") == "v6"
    assert router.status().source == "nothing"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda p: p.unlink(), "cannot be read"),
        (lambda p: p.write_bytes(p.read_bytes()[:100]), "garbled"),
        (lambda p: p.write_bytes(b""), "garbled"),
        (lambda p: p.write_bytes(encode(decided(1.0, 3))), "older than the last: epoch 3 after 5"),
        (lambda p: p.write_bytes(encode(decided(1.0, 5))), "two decisions claim the epoch 5"),
        (
            lambda p: p.write_bytes(encode(decided(1.0, 6, models={**MODELS, "challenger": "v8"}))),
            "does not know",
        ),
        (lambda p: p.write_bytes(encode(decided(1.0, 6, rollout="hotels"))), "rollout 'hotels'"),
        (
            lambda p: p.write_bytes(encode(decided(1.0, 6, issued=NOW + 7200, expires=NOW + 9000))),
            "in the future",
        ),
        (lambda p: (p.unlink(), p.mkdir()), "cannot be read"),
    ],
)
def test_any_doubt_keeps_the_last_good_decision_while_it_is_valid(
    tmp_path: Path,
    client: Callable[..., Router],
    clock: Clock,
    spoil: Callable[[Path], object],
    says: str,
) -> None:
    path = written(tmp_path, 0.5, 5)
    seen: list[Status] = []
    router = client(models=MODELS, alarm=seen.append)
    before = share(router)
    spoil(path)
    assert share(router) == before > 0.4
    assert router.status().source == "last good"
    assert says in router.status().reason
    assert seen == [router.status()]
    clock.now += 3601
    assert share(router) == 0
    assert router.status().source == "fallback"
    assert says in router.status().reason


@pytest.mark.parametrize(("phase", "left"), [("canary", 0.0), ("ab", 0.5), ("full", 0.5)])
def test_after_its_time_a_canary_ends_and_an_experiment_holds_with_an_alarm(
    tmp_path: Path, client: Callable[..., Router], clock: Clock, phase: str, left: float
) -> None:
    written(tmp_path, 0.5, 5, phase)
    seen: list[Status] = []
    router = client(alarm=seen.append)
    clock.now += 3600
    assert (share(router) > 0) == (left > 0)
    assert router.status().share == left
    assert [status.source for status in seen] == ["fallback"]


def test_a_restarted_client_with_a_memory_obeys_no_older_decision(
    tmp_path: Path, client: Callable[..., Router]
) -> None:
    memory = tmp_path / "own" / "seen.json"
    path = written(tmp_path, 0.5, 4)
    assert client(memory=memory).status().share == 0.5
    stale = path.read_bytes()
    written(tmp_path, 0.0, 5)
    assert client(memory=memory).status() == Status("decision", 0.0, 5, "")
    path.write_bytes(stale)
    again = client(memory=memory)
    assert again.status().share == 0
    assert again.status().source == "last good"
    assert "older than the last: epoch 4 after 5" in again.status().reason
    assert client().status().share == 0.5, "without a memory, until its valid_until"
    path.unlink()
    assert client(memory=memory).status()[:3] == ("last good", 0.0, 5)
    assert client(memory=memory, rollout="hotels").status().source == "nothing"
    written(tmp_path, 0.1, 6)
    assert again.status() == Status("decision", 0.1, 6, "")


def test_without_a_memory_a_replayed_canary_ends_with_its_time(
    tmp_path: Path, client: Callable[..., Router], clock: Clock
) -> None:
    path = written(tmp_path, 0.5, 4)
    stale = path.read_bytes()
    written(tmp_path, 0.0, 5)
    path.write_bytes(stale)
    assert client().status().share == 0.5
    clock.now += 3600
    assert client().status()[:2] == ("fallback", 0.0)


def test_a_memory_that_cannot_be_used_is_said_and_stops_nothing(
    tmp_path: Path, client: Callable[..., Router]
) -> None:
    written(tmp_path, 0.5, 4)
    seen: list[Status] = []
    (tmp_path / "file").touch()
    router = client(memory=tmp_path / "file" / "seen.json", alarm=seen.append)
    assert router.status()[:3] == ("decision", 0.5, 4)
    assert "a restarted process will not know this decision" in router.status().reason
    assert seen == [router.status()]
    memory = tmp_path / "seen.json"
    memory.write_text("{")
    assert client(memory=memory).status() == Status("decision", 0.5, 4, "")
    assert client(memory=memory).status() == Status("decision", 0.5, 4, "")
    memory.write_text("{")
    (tmp_path / "decision.json").unlink()
    garbled = client(memory=memory, alarm=seen.append)
    assert garbled.status().source == "nothing"
    assert "what was obeyed before is not known" in garbled.status().reason


def test_a_slow_worker_puts_no_older_decision_into_the_memory(tmp_path: Path) -> None:
    memory = Memory(str(tmp_path / "seen.json"))
    for epoch in (5, 4):
        decision = decided(0.1, epoch)
        assert memory.keep(encode(decision), decision) == ""
    known = memory.recall()
    assert known is not None
    assert known[1].epoch == 5
    other = decided(0.1, 1, rollout="hotels")
    memory.keep(encode(other), other)
    known = memory.recall()
    assert known is not None
    assert known[1].rollout == "hotels"


def test_a_clock_that_jumps_back_does_not_revive_a_decision(
    tmp_path: Path, client: Callable[..., Router], clock: Clock
) -> None:
    written(tmp_path, 0.5)
    router = client()
    clock.now += 3600
    assert share(router) == 0
    clock.now -= 3599
    assert share(router) == 0
    assert router.status().source == "fallback"


def test_an_expired_decision_never_raises_the_share(
    tmp_path: Path, client: Callable[..., Router]
) -> None:
    written(tmp_path, 0.1, 1, "ab", expires=NOW + 9000)
    router = client()
    written(tmp_path, 0.5, 2, "ab", issued=NOW - 9000, expires=NOW - 1)
    assert router.status().share == 0.1
    assert "is over already" in router.status().reason
    written(tmp_path, 0.0, 3, "ab", issued=NOW - 9000, expires=NOW - 1)
    assert router.status().share == 0.0


def test_the_kill_switch_sends_all_to_the_champion_at_once(
    tmp_path: Path, client: Callable[..., Router], monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, 0.5)
    switch = tmp_path / "kill"
    router = client(kill_file=str(switch), kill_variable="KILL_TEST")
    assert share(router) > 0.4
    switch.touch()
    assert share(router) == 0
    assert router.status().source == "kill switch"
    switch.unlink()
    assert share(router) > 0.4
    monkeypatch.setenv("KILL_TEST", "1")
    assert share(router) == 0
    for off in ("", "0", "false", "No", "off "):
        monkeypatch.setenv("KILL_TEST", off)
        assert share(router) > 0.4


def test_a_kill_switch_that_cannot_be_read_is_on(
    tmp_path: Path, client: Callable[..., Router]
) -> None:
    written(tmp_path, 0.5)
    (tmp_path / "file").touch()
    for unreadable in (tmp_path / "file" / "kill", tmp_path / ("x" * 300)):
        router = client(kill_file=str(unreadable))
        assert share(router) == 0
        assert "counts as on" in router.status().reason


def test_odd_units_are_served(tmp_path: Path, client: Callable[..., Router]) -> None:
    written(tmp_path, 0.5)
    router = client()
    for unit in ("", "\0", "\ud800", "é" * 10_000):
        assert router.arm(unit) == router.arm(unit)


def test_looks_are_bounded(tmp_path: Path, client: Callable[..., Router]) -> None:
    written(tmp_path, 0.5)
    router = client(poll=0.2)
    looks = 0
    read = router._read

    def counted() -> str:
        nonlocal looks
        looks += 1
        return read()

    router._read = counted  # type: ignore[method-assign]
    started = time.monotonic()
    while time.monotonic() < started + 0.5:
        router.arm("u1")
    assert 1 <= looks <= 4


def test_threads_share_a_client_while_decisions_change(
    tmp_path: Path, client: Callable[..., Router]
) -> None:
    written(tmp_path, 0.0, 1)
    router = client(models=MODELS, poll=0.001)
    wrong: list[str] = []
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            if router.model("u1") not in ("v6", "v7"):
                wrong.append("model")

    threads = [threading.Thread(target=serve) for _ in range(2)]
    for thread in threads:
        thread.start()
    for epoch in range(2, 20):
        written(tmp_path, float(epoch % 2), epoch)
        expected = "v7" if epoch % 2 else "v6"
        until = time.monotonic() + 5
        while router.model("u1") != expected and time.monotonic() < until:
            time.sleep(0.001)
        if router.model("u1") != expected:
            wrong.append(f"epoch {epoch}")
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


FORKS = """
import os, sys, threading, time
from analyzer.router import Router
router = Router(sys.argv[1], poll=0.01, alarm=lambda status: None)
router._lock.acquire()  # as if another thread were reading at the moment of the fork
child = os.fork()
if child == 0:
    until = time.monotonic() + 10
    while router.status().epoch != 2 and time.monotonic() < until:
        time.sleep(0.01)
    os._exit(0 if router.status().epoch == 2 else 9)
from pathlib import Path
import shutil
os.replace(sys.argv[2], sys.argv[1])
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_child_goes_on_reading(tmp_path: Path) -> None:
    now = time.time()
    later = tmp_path / "later"
    later.mkdir()
    path = written(tmp_path, 0.5, 1, issued=now, expires=now + 600)
    newer = written(later, 0.5, 2, issued=now, expires=now + 600)
    done = subprocess.run(
        [sys.executable, "-c", FORKS, str(path), str(newer)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "0", done.stderr


def test_an_address_is_polled_without_waiting_for_it(tmp_path: Path, clock: Clock) -> None:
    answers = [encode(decided(0.5, 1))]
    asked, released = threading.Event(), threading.Event()
    in_time: list[bool] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if answers[-1] == b"slow":
                asked.set()
                in_time.append(released.wait(20))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answers[-1])

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/decision.json"
        router = Router(url, poll=0.01, clock=clock, alarm=lambda status: None)
        assert router.status().share == 0.5
        answers.append(encode(decided(0.1, 2)))
        until = time.monotonic() + 10
        while router.status().epoch != 2 and time.monotonic() < until:
            time.sleep(0.01)
        assert router.status() == Status("decision", 0.1, 2, "")
        answers.append(b"slow")
        until = time.monotonic() + 10
        while not asked.is_set() and time.monotonic() < until:
            router.status()
        for _ in range(100):
            router.status()
    finally:
        released.set()
        server.shutdown()
        thread.join()
        server.server_close()
    assert in_time  # the slow answer was asked for,
    assert all(in_time)  # and no call waited for it
    until = time.monotonic() + 10
    while router.status().source == "decision" and time.monotonic() < until:
        time.sleep(0.01)
    assert router.status().source == "last good"
    assert router.status().share == 0.1


# What makes a standard library import slow; the milliseconds are benchmarks/router_client.py's.
SLOW = {"_hashlib", "asyncio", "email", "http", "inspect", "logging", "socket", "ssl", "subprocess"}
SLOW |= {"dataclasses", "decimal", "pathlib", "tempfile", "urllib", "uuid"}


def test_it_loads_little_and_nothing_but_the_standard_library() -> None:
    code = "import sys; import analyzer.router; print(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {ROOT!r}); {code}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert loaded - sys.stdlib_module_names == {"analyzer"} | ({"__main__"} & loaded)
    assert not loaded & SLOW


ROOT = os.fspath(Path(__file__).parents[2])
