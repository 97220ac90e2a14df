"""Counts of the newest files, kept beside the store so that no file is read twice.

One file, replaced at once; it may be deleted, and one that cannot be read counts as absent. A log
file is known again by its name, size and time of change.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from analyzer import __version__
from analyzer.config import Rollout
from analyzer.footers import RowGroup
from analyzer.logs import SIDES, LogFile, Side
from analyzer.store import Store
from analyzer.triggers.minutes import Counts

NAME = "newest.bin"
_FIELDS = tuple(Counts.__dataclass_fields__)

GroupCounts = dict[int, Counts]
Key = tuple[str, int, int]
"""(name, size, time of change) of a file."""


class _File(Struct, array_like=True, frozen=True):
    name: str
    size: int
    changed: int
    schema: int
    groups: list[tuple[int, int | None, int | None]]
    null_ts: int
    partitions: dict[str, str] | None
    counts: dict[int, list[bytes]]


class _Log(Struct, array_like=True, frozen=True):
    depends: str
    schemas: list[dict[str, str]]
    files: list[_File]


class Kept:
    """What is known of the files of both logs, and the counts of their row groups."""

    def __init__(self, rollout: Rollout) -> None:
        self.path = rollout.store_path / NAME
        self.depends = {side: _depends(rollout, side) for side in SIDES}
        self.files: dict[Side, dict[Key, LogFile]] = {side: {} for side in SIDES}
        self.counts: dict[Side, dict[Key, GroupCounts]] = {side: {} for side in SIDES}
        self.found = self._load()
        if not self.found:  # the scan has read footers, too
            footers = Store(rollout.store_path).footers()
            for side in SIDES:
                known = footers.get(f"{side} {rollout.digest}", [])
                self.files[side] = {key_of(f): f for f in known if not f.problem}

    def differs(
        self,
        files: Mapping[Side, Sequence[LogFile]],
        counts: Mapping[Side, Mapping[Key, GroupCounts]],
    ) -> bool:
        """Whether anything is known now that was not, or the other way round."""
        usable = {side: {key_of(f) for f in files[side] if not f.problem} for side in SIDES}
        return not self.found or any(
            usable[side] != self.files[side].keys()
            or {k: set(v) for k, v in counts[side].items()}
            != {k: set(v) for k, v in self.counts[side].items() if v}
            for side in SIDES
        )

    def save(
        self,
        files: Mapping[Side, Sequence[LogFile]],
        counts: Mapping[Side, Mapping[Key, GroupCounts]],
    ) -> None:
        """Keep this and nothing else. Raises OSError when it cannot be written."""
        content = {side: _packed(self.depends[side], files[side], counts[side]) for side in SIDES}
        body = msgspec.msgpack.encode(content)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=f"{NAME}.", suffix=".part", dir=self.path.parent)
        try:
            with open(handle, "wb") as file:
                file.write(zlib.crc32(body).to_bytes(4, "big") + body)
            os.replace(part, self.path)
        except OSError:
            with suppress(OSError):
                Path(part).unlink()
            raise

    def _load(self) -> bool:
        try:
            content = self.path.read_bytes()
            if zlib.crc32(content[4:]) != int.from_bytes(content[:4], "big"):
                return False
            logs = msgspec.msgpack.decode(content[4:], type=dict[str, _Log])
        except (OSError, msgspec.DecodeError):
            return False
        for side in SIDES:
            log = logs.get(side)
            if log is not None and log.depends == self.depends[side]:
                for packed in log.files:
                    file = _unpacked(packed, log.schemas)
                    self.files[side][key_of(file)] = file
                    counts = {g: _counts(columns) for g, columns in packed.counts.items()}
                    self.counts[side][key_of(file)] = counts
        return True


def key_of(file: LogFile) -> Key:
    """What a file is known again by."""
    return file.name, file.size, file.changed


def _depends(rollout: Rollout, side: Side) -> str:
    """All but the file itself that its counts depend on."""
    log = rollout.log(side)
    parts = (__version__, log.where, sorted(log.columns.items()), rollout.time.zone)
    return repr((*parts, rollout.digest))


def _packed(depends: str, files: Sequence[LogFile], counts: Mapping[Key, GroupCounts]) -> _Log:
    schemas: list[dict[str, str]] = []
    places: dict[tuple[tuple[str, str], ...], int] = {}
    packed = []
    for file in files:
        if file.problem:
            continue
        schema = tuple(file.schema.items())
        if schema not in places:
            places[schema] = len(schemas)
            schemas.append(dict(schema))
        kept = counts.get(key_of(file), {})
        packed.append(
            _File(
                *key_of(file),
                places[schema],
                [(g.rows, g.first, g.last) for g in file.groups],
                file.null_ts,
                dict(file.partitions) if file.partitions is not None else None,
                {g: [getattr(c, name).tobytes() for name in _FIELDS] for g, c in kept.items()},
            )
        )
    return _Log(depends, schemas, packed)


def _unpacked(file: _File, schemas: Sequence[Mapping[str, str]]) -> LogFile:
    groups = tuple(RowGroup(*group) for group in file.groups)
    bare = LogFile(file.name, "", file.size, file.changed, schemas[file.schema], groups)
    return replace(bare, null_ts=file.null_ts, partitions=file.partitions)


def _counts(columns: Sequence[bytes]) -> Counts:
    return Counts(*(np.frombuffer(column, dtype=np.int64) for column in columns))
