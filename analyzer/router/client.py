"""The client for serving code: which model answers this unit, in a microsecond."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple
from weakref import WeakSet

from analyzer.router.decision import ARMS, Decision, DecisionError, decode
from analyzer.router.killswitch import VARIABLE, KillSwitch
from analyzer.router.memory import Memory
from analyzer.router.sources import source_of
from analyzer.router.units import Hash, salted, threshold

Arm = Literal["champion", "challenger"]
SKEW = 60.0
"""Seconds by which a decision may seem to be issued in the future: clocks differ."""


class Status(NamedTuple):
    """What the client obeys. source: the decision; the `last good` one, as what is there now is
    doubtful; its `fallback`, as its time is over; the `kill switch`; or `nothing`, as there never
    was a decision, and the champion serves. reason: why, where it is not simply the decision.
    """

    source: Literal["decision", "last good", "fallback", "kill switch", "nothing"]
    share: float
    epoch: int
    reason: str


class _Split(NamedTuple):
    """All that a call needs, swapped as one."""

    hash: Callable[[], Hash]
    below: bytes
    models: Mapping[str, str]


class Router:
    """Reads decision.json from a path or an http(s) address and assigns units to models.

    models: names of the champion's and the challenger's models as this service knows them; a
    decision that names others is not obeyed. They are also what `model` says before the first
    decision. poll: seconds between looks at the decision and the kill switch; no thread runs, a
    call that finds the time come does it (a file: microseconds; an address: a thread of its own).
    kill_file, kill_variable: the kill switch. alarm: called with a Status whenever what is obeyed
    changes and is not simply the decision; by default a warning of the logger `analyzer.router`.

    memory: a file of this service's own that keeps the last good decision over a restart; workers
    may share it. With it, what was replaced before the restart is refused after it, as it is
    without one: an older decision that is put back. Without a memory a new process knows none, and
    obeys such a decision until its valid_until; after that no more than its fallback.

    Never raises once made. Threads may share it; forked children may go on with it.
    """

    def __init__(
        self,
        source: str | os.PathLike[str],
        *,
        models: Mapping[str, str] | None = None,
        rollout: str = "",
        poll: float = 0.25,
        kill_file: str = "",
        kill_variable: str = VARIABLE,
        memory: str | os.PathLike[str] = "",
        alarm: Callable[[Status], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if models is not None and (set(models) != set(ARMS) or not all(models.values())):
            raise DecisionError("models must name the champion's and the challenger's model")
        self._source = source_of(source)
        self._known = dict(models) if models else None
        self._rollout = rollout
        self._poll = poll
        self._switch = KillSwitch(kill_file, kill_variable)
        self._alarm = alarm or _log
        self._clock = clock
        self._good: Decision | None = None
        self._raw: bytes | None = None
        self._memory = Memory(os.fspath(memory)) if memory else None
        self._doubt = self._killed = self._forgets = ""
        self._latest = (clock(), time.monotonic())
        self._lock = threading.Lock()
        self._due = 0.0
        self._split = _Split(salted(rollout), b"", self._known or {arm: arm for arm in ARMS})
        self._status = Status("nothing", 0.0, 0, "")
        if self._memory:
            self._forgets = self._recall(self._memory)
        _ROUTERS.add(self)
        self._look(time.monotonic())

    def arm(self, unit: str, _now: Callable[[], float] = time.monotonic) -> Arm:
        """`champion` or `challenger`: the same for the same unit while the weights are the same."""
        tick = _now()
        if tick >= self._due:
            self._look(tick)
        start, below, _ = self._split
        hashed = start()
        hashed.update(unit.encode("utf-8", "surrogatepass"))
        return "challenger" if hashed.digest() < below else "champion"

    def model(self, unit: str) -> str:
        """Name of the model that serves the unit."""
        return self._split.models[self.arm(unit)]

    def status(self) -> Status:
        """What is obeyed at this moment, and why."""
        self._look(time.monotonic())
        return self._status

    def _look(self, tick: float) -> None:
        # one thread reads; the others go on, but never past the end of a decision
        if self._lock.acquire(blocking=False):
            try:
                self._killed = self._switch.why()
                self._doubt = self._read()
                self._settle()
            finally:
                self._due = tick + self._poll
                self._lock.release()
        elif self._good is not None and self._now() >= self._good.expires:
            self._settle()

    def _read(self) -> str:
        """Take the decision that is there, or say why it is doubtful."""
        try:
            raw = self._source.read()
        except OSError as error:
            return f"the decision cannot be read ({error})"
        if raw == self._raw:
            return ""
        try:
            found = decode(raw)
        except DecisionError as error:
            return f"the decision is garbled: {error}"
        doubt = self._objection(found)
        if not doubt:
            self._good, self._raw = found, raw
            self._forgets = self._memory.keep(raw, found) if self._memory else ""
        return doubt

    def _recall(self, memory: Memory) -> str:
        """Take up the last good decision of an earlier process, or say why that cannot be."""
        try:
            known = memory.recall()
            doubt = self._objection(known[1]) if known else ""
        except (OSError, DecisionError) as error:
            known, doubt = None, str(error)
        if known and not doubt:
            self._raw, self._good = known
        return doubt and f"{memory.path}: what was obeyed before is not known ({doubt})"

    def _objection(self, found: Decision) -> str:
        good, now = self._good, self._now()
        rollout = good.rollout if good else self._rollout
        if rollout and found.rollout != rollout:
            return f"the decision is about the rollout {found.rollout!r}, not {rollout!r}"
        if self._known and found.models != self._known:
            return f"the decision names models this service does not know: {found.models}"
        if found.issued > now + SKEW:
            return f"the decision is issued in the future ({found.issued_at}), or the clock is off"
        if good is None:
            return ""
        if found.epoch < good.epoch:
            return f"the decision is older than the last: epoch {found.epoch} after {good.epoch}"
        if found.epoch == good.epoch:
            return f"two decisions claim the epoch {found.epoch}"
        if now >= found.expires and found.share > good.allows(now):
            return "the decision is over already and would raise the challenger's share"
        return ""

    def _settle(self) -> None:
        """Obey: the kill switch before the decision, the decision before its fallback."""
        good = self._good
        doubts = "; ".join(filter(None, (self._doubt, self._forgets)))
        if self._killed:
            status = Status("kill switch", 0.0, good.epoch if good else 0, self._killed)
        elif good is None:
            status = Status("nothing", 0.0, 0, doubts)
        elif self._now() >= good.expires:
            over = f"the decision ended at {good.valid_until}"
            reason = f"{over}; {doubts}" if doubts else over
            share = good.share if good.fallback == "hold" else 0.0
            status = Status("fallback", share, good.epoch, reason)
        else:
            source: Literal["last good", "decision"] = "last good" if self._doubt else "decision"
            status = Status(source, good.share, good.epoch, doubts)
        if status == self._status:
            return
        if good is not None:
            self._split = _Split(salted(good.rollout), threshold(status.share), good.models)
        else:
            self._split = self._split._replace(below=threshold(status.share))
        self._status = status
        if status.source != "decision" or status.reason:
            self._alarm(status)

    def _now(self) -> float:
        """The clock, which never goes back: a decision that was over stays over."""
        wall, tick = self._clock(), time.monotonic()
        latest, at = self._latest
        now = max(wall, latest + tick - at)
        self._latest = (now, tick)
        return now

    def _forked(self) -> None:
        self._lock = threading.Lock()  # the thread that held it stayed with the parent
        self._due = 0.0


_ROUTERS: WeakSet[Router] = WeakSet()


def _after_fork() -> None:
    for router in _ROUTERS:
        router._forked()


os.register_at_fork(after_in_child=_after_fork)


def _log(status: Status) -> None:
    import logging

    logging.getLogger("analyzer.router").warning(
        "%s, challenger %.4g: %s", status.source, status.share, status.reason
    )
