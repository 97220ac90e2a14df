"""The audit log: what was meant, then what came of it, one JSON object a line, only appended.

Each line names the digest of the line before it, so that a change or a removal shows; each is on
disk before the next step is taken. A line that a kill cut short stays, is named, and the chain goes
on.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from analyzer.router.adapter import RouterError
from analyzer.router.decision import text

Record = Mapping[str, Any]
START = "0" * 64


class AuditError(RouterError):
    """The log cannot be written or read; nothing that needs it is done."""


class Trail(NamedTuple):
    """A log as it was read: its records, and what is wrong with it, line by line."""

    records: tuple[Record, ...]
    faults: tuple[str, ...]

    @property
    def unfinished(self) -> list[str]:
        """Changes that were meant and of which no outcome is recorded."""
        meant: dict[str, None] = {}
        for record in self.records:
            if record["kind"] == "intent":
                meant[record["id"]] = None
            else:
                meant.pop(record["id"], None)
        return list(meant)


def read(path: Path) -> Trail:
    """A log and its faults; empty where there is none. Raises AuditError (cannot be read)."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Trail((), ())
    except OSError as error:
        raise AuditError(f"{path}: cannot be read ({error})") from None
    records, faults, previous = [], [], START
    for number, line in enumerate(raw.split(b"\n")[: -1 if raw.endswith(b"\n") else None], 1):
        try:
            record = json.loads(line)
            if record["previous"] != previous:
                faults.append(f"line {number}: does not follow the line before it")
            if not isinstance(record["kind"], str) or not isinstance(record["id"], str):
                raise ValueError("no kind")
            records.append(record)
        except (ValueError, KeyError, TypeError, RecursionError):
            faults.append(f"line {number}: cut short or damaged")
        previous = hashlib.sha256(line).hexdigest()
    return Trail(tuple(records), tuple(faults))


def append(path: Path, kind: str, at: float, identity: str, **content: object) -> None:
    """Add one record; on disk when this returns. at: seconds since 1970; identity: of the change.

    Raises AuditError where that cannot be done.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            last = _last(file)
            previous = hashlib.sha256(last.rstrip(b"\n")).hexdigest() if last else START
            record = {"at": text(at), "kind": kind, "id": identity, "previous": previous, **content}
            line = json.dumps(record, sort_keys=True).encode() + b"\n"
            # a kill may have left the last line open
            file.write(line if not last or last.endswith(b"\n") else b"\n" + line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise AuditError(f"{path}: the audit log cannot be written ({error})") from None


def _last(file: Any) -> bytes:
    """The last line, with its end where it has one."""
    size = file.seek(0, os.SEEK_END)
    held = b""
    while size and b"\n" not in held[:-1]:
        size = max(0, size - 65536)
        file.seek(size)
        held = file.read()
    file.seek(0, os.SEEK_END)
    lines = held.splitlines(keepends=True)
    return bytes(lines[-1]) if lines else b""


class Busy(RouterError):
    """Another controller is at work on this rollout."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the rollout's lock. Raises Busy (another holds it), AuditError (none can be made)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise AuditError(f"{folder}: no lock can be made ({error})") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Busy(f"{folder}: another `analyzer route` is changing this rollout") from None
        yield
    finally:
        os.close(handle)
