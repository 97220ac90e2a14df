"""Run a program as a child and measure all of it: wall time, CPU seconds and memory of its tree.

A worker of a forkserver is nobody's child in the end: as a *subreaper* this process inherits
such orphans, waits for them too and so sees the CPU seconds of every process of the tree.
"""

import ctypes
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SAMPLE_SECONDS = 0.05
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Run:
    """One run of a child. answer: the JSON it printed last; memory in bytes, 0 if not watched.

    peak_pss: largest sum of proportional set sizes over the tree at one moment (sampled);
    peak_rss: sum over all processes of each one's own peak, an upper bound.
    """

    seconds: float
    cpu: float
    answer: dict[str, Any]
    peak_pss: int = 0
    peak_rss: int = 0


@dataclass
class _Watch:
    """Samples the memory of all descendants of this process but its `own` helpers."""

    own: set[int]
    stop: threading.Event = field(default_factory=threading.Event)
    pss: int = 0
    high: dict[int, int] = field(default_factory=dict)

    def run(self) -> None:
        while not self.stop.is_set():
            total = 0
            for pid in set(descendants(os.getpid())) - self.own:
                self.high[pid] = max(self.high.get(pid, 0), _kilobytes(pid, "status", "VmHWM"))
                total += _kilobytes(pid, "smaps_rollup", "Pss")
            self.pss = max(self.pss, total)
            self.stop.wait(SAMPLE_SECONDS)


def descendants(root: int) -> list[int]:
    """Process ids of the children of `root`, their children and so on."""
    children = _children()
    found, queue = [], [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def _children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    return children


def _kilobytes(pid: int, file: str, name: str) -> int:
    try:
        text = Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8")
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def run(
    command: Sequence[str], *, cores: int, memory: bool = False, accept: Sequence[int] = (0,)
) -> Run:
    """Run `command` on the first `cores` cores.

    Raises RuntimeError with its output when it exits with a code other than those to `accept`.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    allowed = str(cores)
    environment = {
        **os.environ,
        "POLARS_MAX_THREADS": allowed,
        "OMP_NUM_THREADS": allowed,
        "ARROW_IO_THREADS": allowed,
        # modules are compiled once, as those of an installed package are
        "PYTHONDONTWRITEBYTECODE": "",
    }
    own = set(_children().get(os.getpid(), []))
    watch = _Watch(own)
    watcher = threading.Thread(target=watch.run)
    if memory:
        watcher.start()
    began, cpu = time.perf_counter(), _cpu_of_children()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_pinned(cores),
    )
    output, errors = process.communicate()
    seconds = time.perf_counter() - began
    _reap_orphans(own)
    watch.stop.set()
    if memory:
        watcher.join()
    if process.returncode not in accept:
        raise RuntimeError(f"{' '.join(command)} failed:\n{errors}{output}")
    peaks = {"peak_pss": watch.pss * 1024, "peak_rss": sum(watch.high.values()) * 1024}
    return Run(seconds, _cpu_of_children() - cpu, _last_json(output), **peaks)


def _pinned(cores: int) -> Callable[[], None]:
    def pin() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, set(range(cores)))

    return pin


def _reap_orphans(own: set[int]) -> None:
    """Wait for what the child left behind, not for helpers this process started itself."""
    while left := set(_children().get(os.getpid(), [])) - own:
        for pid in left:
            os.waitpid(pid, 0)


def _cpu_of_children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _last_json(output: str) -> dict[str, Any]:
    lines = [line for line in output.splitlines() if line.startswith("{")]
    try:
        return json.loads(lines[-1]) if lines else {}
    except json.JSONDecodeError:
        return {}
