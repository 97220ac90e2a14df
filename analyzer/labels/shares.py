"""Which share of each group of labels is here: by class, stratum and prediction day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.cells import ALL_ROWS, SideCells
from analyzer.labels.completeness import Completeness
from analyzer.labels.counting import SEGMENT_BINS
from analyzer.labels.ladder_error import Shift
from analyzer.stats.maturity import Ladder, completeness
from analyzer.stats.result import Estimate, Undefined

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Shares:
    """Completeness by (class, stratum), an array of days from `first` on each.

    Stratum ALL_ROWS is that of all together: what strata too rare for a ladder follow.
    """

    first: int
    by_day: Mapping[tuple[int, int], Floats]

    def least(self, days: Ints) -> Floats:
        """Least completeness over classes and strata, by day."""
        if not self.by_day:
            return np.zeros(len(days))
        return np.asarray(np.min([x[days - self.first] for x in self.by_day.values()], axis=0))

    def moved(self, error: Shift) -> Shares:
        """Completeness if a ladder's error were one standard error."""
        key = error.label, error.stratum
        there = self.by_day[key].copy()
        there[error.days - self.first] *= np.exp(-error.size)
        return replace(self, by_day={**self.by_day, key: there})

    def weights(self, rows: SideCells, cut: SideCells) -> Floats:
        """What each of a model's labelled rows stands for: 1 / completeness.

        `cut`: the same rows counted by stratum, in coarser bins of the score. A row whose class
        has strata weighs what the rows of its class, day, call and coarse bin weigh on average,
        so that sums over these are those over strata.
        """
        weight = self._of(rows.label, np.full(len(rows.n), ALL_ROWS), rows.prediction_day)
        cut_weight = self._of(cut.label, cut.segment, cut.prediction_day)
        if not len(cut.n):
            return weight
        keys, place = np.unique(_key(cut, cut.bin), return_inverse=True)
        n, total = (np.bincount(place, x, len(keys)) for x in (cut.n, cut.n * cut_weight))
        mean = np.divide(total, n, out=np.full(len(keys), np.nan), where=n > 0)
        key = _key(rows, rows.bin // SEGMENT_BINS)
        at = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        found = np.where(keys[at] == key, mean[at], np.nan)
        return np.where(np.isfinite(found), found, weight)

    def _of(
        self, label: NDArray[np.integer], stratum: NDArray[np.integer], day: NDArray[np.integer]
    ) -> Floats:
        weight = np.ones(len(label))
        for together in (True, False):  # strata too rare for a ladder keep that of all together
            for (code, place), by_day in self.by_day.items():
                if together == (place == ALL_ROWS):
                    mine = (label == code) & (together | (stratum == place))
                    weight[mine] = 1 / np.maximum(by_day[day[mine] - self.first], 1e-9)
        return weight


def _key(rows: SideCells, bins: NDArray[np.integer]) -> Ints:
    """One number for class, day, call and coarse bin."""
    key = rows.prediction_day.astype(np.int64)
    for part in (rows.label, rows.called):
        key = key * (1 << 12) + part + 1
    return key * (1 << 16) + bins


def shares(
    ladders: Mapping[int, Completeness], first: int, last: int, age_of: Callable[[Ints], Ints]
) -> Shares:
    """Completeness on prediction days [first, last) at the age that each has; 0 where unknown."""
    days = np.arange(first, last)
    at = list(zip(days.tolist(), age_of(days).tolist(), strict=True))
    found = {}
    for label, fitted in ladders.items():
        for stratum, own in [*fitted.strata.items(), (ALL_ROWS, fitted.together)]:
            values = [_at(own.ladder(day), age) for day, age in at]
            found[label, stratum] = np.array(values)
    return Shares(first, found)


def _at(ladder: Ladder | Undefined, age: int) -> float:
    """F at an age; 0 where it is unknown, also as labels still arrive at the oldest age seen."""
    found = completeness(ladder, age) if isinstance(ladder, Ladder) else ladder
    return found.value if isinstance(found, Estimate) else 0.0
