"""What a change of a router needs, and what is told of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec

from analyzer.router import audit
from analyzer.router.adapter import Adapter, Outcome, Refused
from analyzer.router.audit import AuditError
from analyzer.router.confirm import QUIET_SECONDS, Confirmed
from analyzer.router.decision import Decision, DecisionError, decode
from analyzer.router.killswitch import KillSwitch
from analyzer.stages import Stages

CONFIRM_SECONDS, DOWN_SECONDS = 20.0, 25.0


@dataclass
class Report:
    """What came of a change. before, after: the challenger's share as the router said; timings in
    seconds since the command began; stages: instants of a way down to nothing; notes: everything
    that went wrong on the way.
    """

    action: str
    outcome: Outcome
    share: float
    before: float | None = None
    after: float | None = None
    commands: list[str] = field(default_factory=list)
    confirmed: Confirmed | None = None
    timings: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    epoch: int = 0
    dry_run: bool = False
    stages: Stages = field(default_factory=Stages)

    def told(self) -> dict[str, object]:
        """The report for programs."""
        confirmed = self.confirmed._asdict() if self.confirmed else None
        stages = msgspec.to_builtins(self.stages)
        return {**asdict(self), "confirmed": confirmed, "stages": stages, "done": self.done}

    @property
    def done(self) -> bool:
        """Whether the router is believed to be where it should be."""
        believed = self.confirmed is None or self.confirmed.ok
        return self.outcome in ("applied", "no-op") and believed


@dataclass(frozen=True)
class Controller:
    """What a change of one rollout's router needs. folder: lock, audit log, decision in force.

    models: names of the arms' models. clock: seconds since 1970.
    """

    adapter: Adapter
    folder: Path
    rollout: str
    models: dict[str, str]
    switch: KillSwitch = field(default_factory=KillSwitch)
    clock: Callable[[], float] = time.time
    confirm_seconds: float = CONFIRM_SECONDS
    down_seconds: float = DOWN_SECONDS
    quiet_seconds: float = QUIET_SECONDS

    @property
    def log(self) -> Path:
        """The audit log."""
        return self.folder / "audit.jsonl"

    def in_force(self) -> Decision | None:
        """The decision in force, None where there never was one. Raises Refused (unreadable)."""
        try:
            return decode((self.folder / "decision.json").read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, DecisionError) as error:
            raise Refused(
                f"{self.folder / 'decision.json'}: the decision in force cannot be read ({error}); "
                "`analyzer route rollback` makes a new one"
            ) from None

    def epoch(self) -> int:
        """The next epoch. Where no record can be read, one that no counter will have reached."""
        known = [0]
        try:
            decision = self.in_force()
            known.append(decision.epoch if decision else 0)
            known += [
                r["epoch"] for r in audit.read(self.log).records if isinstance(r.get("epoch"), int)
            ]
        except (Refused, AuditError):
            known.append(int(self.clock()))
        return max(known) + 1
