"""Units by day of first exposure, arm and value of a segment, as dense numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analyzer.experiment.state import Change

Ints = NDArray[np.int64]


class Groups:
    """Dense numbers of units' days of exposure, arms and values of a segment (None: of none).
    Learnt by profiling: `numpy.unique` sorts, which cost a fifth of a day.
    """

    def __init__(self, changes: Sequence[Change], place: int | None) -> None:
        self.place, self.changes = place, changes
        days = [
            int(end(c.after.exposed)) for c in changes if len(c.now) for end in (np.min, np.max)
        ]
        self.first = min(days, default=0)
        self.days = max(days, default=-1) - self.first + 1
        self.words = () if place is None else changes[0].after.words[place]
        self.width = 1 if place is None else len(self.words) + 1

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return self.days * 2 * self.width

    def whole(self) -> Groups:
        """The same without a segment."""
        return Groups(self.changes, None)

    def code(self, change: Change) -> Ints:
        """The number of each unit; any where it does not count (its weights are 0)."""
        code = change.after.exposed.astype(np.int64)
        code -= self.first
        code *= 2
        code += np.maximum(change.arm, 0)
        if self.place is not None:
            code *= self.width
            code += change.after.segments[self.place]
            code += 1
        return code

    def keys(self, code: Ints) -> dict[str, Ints]:
        """What numbers stand for; value: place among the words, -1 for NULL."""
        pair = code // self.width
        return {
            "exposed": pair // 2 + self.first,
            "arm": pair % 2,
            "value": code % self.width - 1,
        }
