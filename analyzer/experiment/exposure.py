"""Which units were exposed, since when, in which arm: known of every unit before its outcomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Exposed:
    """Units ascending by hash, with the moment of their first exposure (microseconds UTC)."""

    unit: NDArray[np.uint64]
    first: NDArray[np.int64]

    def since(self, units: NDArray[np.uint64]) -> NDArray[np.int64]:
        """When each unit was first exposed; -1 for one that was not."""
        if not len(self.unit):
            return np.full(len(units), -1, dtype=np.int64)
        place = np.minimum(np.searchsorted(self.unit, units), len(self.unit) - 1)
        return np.where(self.unit[place] == units, self.first[place], -1)

    def with_day(self, unit: NDArray[np.uint64], first: NDArray[np.int64]) -> Exposed:
        """The same with units of another day, each with its earliest moment."""
        units = np.concatenate((self.unit, unit))
        moments = np.concatenate((self.first, first))
        order = np.lexsort((moments, units))
        units, moments = units[order], moments[order]
        kept = np.r_[True, units[1:] != units[:-1]] if len(units) else np.zeros(0, dtype=bool)
        return Exposed(units[kept], moments[kept])


NOBODY = Exposed(np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64))
