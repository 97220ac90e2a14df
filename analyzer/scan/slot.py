"""One slot of a scan: which time, which files, what is kept of a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analyzer.logs import LogFile, Side
from analyzer.scan.narrow import Shape
from analyzer.window import HOUR


@dataclass(frozen=True)
class Slot:
    """[start, end) in microseconds UTC and the files that may hold it, per side."""

    shape: Shape
    start: int
    end: int
    files: Mapping[Side, Sequence[LogFile]]

    @property
    def hours(self) -> int:
        """Hours in the slot."""
        return (self.end - self.start) // HOUR

    def rows(self, side: Side) -> int:
        """Rows of a side that the slot may hold at most, by row groups."""
        return sum(
            group.rows
            for file in self.files[side]
            for group in file.groups
            if group.first is not None
            and group.last is not None
            and (group.first < self.end and group.last >= self.start)
        )

    def weight(self, side: Side) -> int:
        """Rows of a side in the slot, about: of a row group that reaches beyond, its share by time.

        Exact where no row group does.
        """
        rows = 0.0
        for file in self.files[side]:
            for group in file.groups:
                if group.first is not None and group.last is not None:
                    inside = min(self.end - 1, group.last) - max(self.start, group.first) + 1
                    rows += group.rows * max(inside, 0) / (group.last - group.first + 1)
        return round(rows)
