"""Spans of time of which a log could not be read: nothing is known of them, not even that no
request came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from analyzer.logs import LogFile
from analyzer.window import HOUR, MINUTE, Window

EDGE = 1_000_000
"""A second: a file's last row is not its very end, so less than this of a minute is none of it."""


@dataclass(frozen=True)
class Unread:
    """A span [start, end) in microseconds UTC of which some or all rows are unknown, and why."""

    start: int
    end: int
    why: str


def unread(files: Sequence[LogFile], window: Window) -> tuple[Unread, ...]:
    """What the unreadable files of a log may hold of a window.

    Where the footer was still read, that is its range of `ts`. Else a file lies, in the order of
    names, between the last readable one before and the first one after it.
    """
    found = []
    for place, file in enumerate(files):
        if file.problem:
            start, end = _span(files, place, window)
            if start < window.end and end > window.start and start < end:
                found.append(Unread(start, end, f"{file.name} {file.problem}"))
    return tuple(found)


def _span(files: Sequence[LogFile], place: int, window: Window) -> tuple[int, int]:
    own = files[place]
    if own.first is not None and own.last is not None:
        return own.first, own.last + 1
    before = next((f for f in reversed(files[:place]) if _readable(f)), None)
    after = next((f for f in files[place + 1 :] if _readable(f)), None)
    if before is not None and after is not None and after.first is not None:
        ends = sorted((before.last or 0, after.first))
        return ends[0] + EDGE, max(ends[1] - EDGE, ends[0] + EDGE + 1)
    start = window.start if before is None else (before.last or 0) + EDGE
    end = window.end if after is None else (after.first or 0) - EDGE
    return start, end


def _readable(file: LogFile) -> bool:
    return not file.problem and file.first is not None


def told_twice(zone: str | None, window: Window) -> Iterator[Unread]:
    """The second telling of an hour that clocks of a zone tell twice: rows without a zone of their
    own are all taken for the first.
    """
    if zone in (None, "UTC"):
        return
    clock = ZoneInfo(zone)
    for hour in range(window.start // HOUR * HOUR, window.end, HOUR):
        local = [
            datetime.fromtimestamp((hour - back) // 1_000_000, UTC).astimezone(clock)
            for back in (0, HOUR)
        ]
        if local[0].replace(tzinfo=None, fold=0) == local[1].replace(tzinfo=None, fold=0):
            yield Unread(hour, hour + HOUR, f"the clocks of {zone} tell this hour twice")


def marked(spans: Sequence[Unread], start: int, step: int, points: int) -> NDArray[np.bool_]:
    """Buckets of a grid that any of the spans touches."""
    found = np.zeros(points, dtype=bool)
    for span in spans:
        first = (span.start - start) // step
        last = -(-(span.end - start) // step)
        found[max(first, 0) : max(last, 0)] = True
    return found


def whole_minutes(span: Unread) -> tuple[int, int]:
    """The minutes that a span touches, [start, end) in microseconds UTC."""
    return span.start // MINUTE * MINUTE, -(-span.end // MINUTE) * MINUTE
