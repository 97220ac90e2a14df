"""What a drill-down reads: the shape of a row, the columns it is coded by, the spans of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from analyzer.config import Rollout, Segments
from analyzer.frozen import Frozen
from analyzer.histogram import Kind
from analyzer.kinds import NOTHING
from analyzer.logs import SIDES, LogFile, Side, has_column
from analyzer.scan.narrow import Shape
from analyzer.scan.run import decided_by
from analyzer.scan.slot import Slot
from analyzer.window import HOUR, MINUTE, Window

Files = Mapping[Side, list[LogFile]]


@dataclass(frozen=True, eq=False)
class Bins:
    """Bins of a numeric column: `lookup` is the place in `labels` of every raw bin that
    `analyzer.histogram` gives under (kind, origin). NaN goes where NULL goes, to the last label.
    """

    labels: tuple[str | None, ...]
    lookup: NDArray[np.uint8]
    kind: Kind
    origin: float


@dataclass(frozen=True, eq=False)
class Column:
    """A column that rows are coded by, from the log of `side`.

    A text column (bins None) is coded by its values, a numeric one by its bins.
    """

    name: str
    side: Side
    bins: Bins | None = None


@dataclass(frozen=True, eq=False)
class Task:
    """A piece of the logs to be paired by itself: a slot, of which rows inside `keep` count.

    origin: instant from which hours are counted, microseconds UTC. every: of so many pairs one is
    kept, chosen by a hash of the request id; margins are of all pairs.
    """

    slot: Slot
    keep: Window
    columns: tuple[Column, ...]
    origin: int
    every: int = 1


def shape_of(rollout: Rollout, frozen: Frozen, files: Files) -> Shape:
    """What is kept of a row beside its columns: as in a scan, without segments and parity."""
    bare = msgspec.structs.replace(rollout, segments=Segments())
    kinds = {
        file.schema[rollout.log(side).source("request_id")]
        for side in SIDES
        for file in files[side]
        if not file.problem
    } - {NOTHING}
    units = any(has_column(files[side], rollout, side, "unit_id") for side in SIDES)
    return Shape(
        bare,
        frozen,
        (),
        len(kinds) > 1,
        (),
        "unit_id" if units else "request_id",
        decided_by(rollout, files),
    )


def logged_by(rollout: Rollout, files: Files, column: str) -> Side | None:
    """The log that a column is read from: the champion's where it has it; None: no log does."""
    return next((side for side in SIDES if has_column(files[side], rollout, side, column)), None)


def tasks(
    shape: Shape, files: Files, window: Window, columns: Sequence[Column], every: int = 1
) -> list[Task]:
    """The slots of a window, in order of time."""
    length = shape.rollout.time.slot_hours * HOUR
    first = window.start // length * length
    return [
        Task(
            slot_of(shape, files, start, start + length),
            Window(max(start, window.start), min(start + length, window.end)),
            tuple(columns),
            window.start,
            every,
        )
        for start in range(first, window.end, length)
    ]


def slot_of(shape: Shape, files: Files, start: int, end: int) -> Slot:
    """A span of time with the files that may hold its rows or their partners."""
    slack = slack_of(shape)
    near = {
        side: [f for f in files[side] if not f.problem and f.overlaps(start - slack, end + slack)]
        for side in SIDES
    }
    return Slot(shape, start, end, near)


def slack_of(shape: Shape) -> int:
    """How far apart two rows of a request may lie, microseconds."""
    return int(shape.rollout.time.pairing_slack_minutes * MINUTE)
