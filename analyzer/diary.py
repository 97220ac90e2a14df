"""events.jsonl: the rollout's diary. What happened when, one JSON object a line, only appended."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from analyzer.config import Rollout
from analyzer.errors import ConfigError
from analyzer.phase_limits import LADDER
from analyzer.stages import Stages
from analyzer.window import parse

Kind = Literal[
    "phase",
    "weight",
    "trigger",
    "rollback",
    "holiday",
    "incident",
    "override",
    "note",
]
What = Literal["", "skip", "shorten", "policy", "restart", "split", "harm"]
"""What an override sets aside: see `verdict.Override`."""


class Event(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One line of the diary. `ts` and `end` are ISO 8601, UTC unless they say otherwise.

    phase: a phase's name, where the event starts one. challenger_weight: share of the traffic
    that the challenger serves from then on. end: of an incident or a holiday, where it is over.
    An override says what rule it sets aside in which phase, for which challenger ("" any), and
    `note` why; where the policy changed in mid-phase, `policy` is the digest of the new one.
    stages: how a rollback came about, on the line that confirms it.
    """

    ts: str
    kind: Kind
    phase: str = ""
    challenger_weight: Annotated[float, Meta(ge=0, le=1)] | None = None
    end: str = ""
    source: str = ""
    note: str = ""
    what: What = ""
    policy: str = ""
    challenger: str = ""
    stages: Stages | None = None

    @property
    def at(self) -> int:
        """When it happened, microseconds UTC."""
        return parse(self.ts)

    @property
    def until(self) -> int | None:
        """When it was over, microseconds UTC, None while it lasts or for an instant."""
        return parse(self.end) if self.end else None


def path_of(rollout: Rollout) -> Path:
    """Where a rollout keeps its diary."""
    return Path(rollout.root) / rollout.store.events


def read(path: Path) -> tuple[Event, ...]:
    """All events in order of time; none where the file does not exist.

    Raises ConfigError naming file and line for a line that is no event.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    events = [_event(path, n, line) for n, line in enumerate(lines, 1) if line.strip()]
    return tuple(sorted(events, key=lambda event: event.at))


def _event(path: Path, number: int, line: bytes) -> Event:
    try:
        event = msgspec.json.decode(line, type=Event)
        _check(event)
    except (msgspec.DecodeError, ConfigError) as error:
        raise ConfigError(f"{path}, line {number}: {error}; correct or delete the line") from None
    return event


def _check(event: Event) -> None:
    """Raises ConfigError for what the types cannot say."""
    start = event.at
    if event.until is not None and event.until <= start:
        raise ConfigError(f"end {event.end} does not lie after ts {event.ts}")
    if event.kind == "phase" and not event.phase:
        raise ConfigError("a phase event needs the phase's name")
    if event.kind in ("phase", "override") and event.phase not in LADDER:
        raise ConfigError(f"there is no phase {event.phase!r}; there is: {', '.join(LADDER)}")
    if event.kind == "override":
        _check_override(event)
    if event.stages is not None:
        event.stages.check()
    if event.kind == "weight" and event.challenger_weight is None:
        raise ConfigError("a weight event needs challenger_weight, a share from 0 to 1")


def _check_override(event: Event) -> None:
    if not event.what:
        raise ConfigError("an override says what it sets aside: skip, shorten, policy, ...")
    if not event.note.strip():
        raise ConfigError("an override needs its reason: every later verdict will name it")
    if event.what == "policy" and not event.policy:
        raise ConfigError("an override of the policy needs the digest of the new policy")


def append(path: Path, event: Event) -> None:
    """Write one event behind the last, in one piece: two writers never mix their lines.

    Raises ConfigError when the event contradicts itself or the file cannot be written.
    """
    _check(event)
    line = msgspec.json.encode(event) + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        line = _line_break(path) + line
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, line)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error})") from None


def _line_break(path: Path) -> bytes:
    """What must precede a new line: an editor may have left the last one open."""
    if not path.exists() or path.stat().st_size == 0:
        return b""
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return b"" if file.read(1) == b"\n" else b"\n"


def phase_start(events: Sequence[Event], phase: str) -> int | None:
    """When a phase began last, microseconds UTC; None where the diary does not say."""
    starts = [event.at for event in events if event.kind == "phase" and event.phase == phase]
    return max(starts, default=None)


def running_phase(events: Sequence[Event]) -> str:
    """The phase that the diary says is running; shadow where it says nothing."""
    phases = [event.phase for event in events if event.kind == "phase" and event.phase]
    return phases[-1] if phases else "shadow"


def incidents(events: Sequence[Event]) -> list[tuple[int, int | None]]:
    """Incidents as (start, end), microseconds UTC, by start; end None while one lasts."""
    return sorted(
        ((event.at, event.until) for event in events if event.kind == "incident"),
        key=lambda span: span[0],
    )


def weight_at(events: Sequence[Event], instant: int) -> float | None:
    """The challenger's share of the traffic at an instant (microseconds UTC), None if unrecorded.

    Any event that carries a weight counts: a phase, a ramp step, a rollback.
    """
    known = [e for e in events if e.challenger_weight is not None and e.at <= instant]
    return max(known, key=lambda event: event.at).challenger_weight if known else None
