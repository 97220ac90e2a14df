"""How many labels have come, by prediction day and age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Arrivals:
    """Labels of one class by prediction day (rows, without gaps) and age (columns).

    `first` is the first prediction day, `as_of` the day (exclusive) up to which labels are in;
    days are counted since 1970, UTC. `rows` are the predictions of each day.
    """

    first: int
    as_of: int
    counts: Floats
    rows: Floats

    @property
    def days(self) -> Ints:
        """Prediction days."""
        return np.arange(self.first, self.first + len(self.counts))

    @property
    def observed(self) -> Ints:
        """Whole ages each day has lived."""
        return np.maximum(self.as_of - self.days, 0)


def arrivals(
    prediction_day: NDArray[np.integer],
    age: NDArray[np.integer],
    n: NDArray[np.integer],
    rows: Mapping[int, float],
    as_of: int,
) -> Arrivals:
    """Sum labels known by `as_of` into `Arrivals`. Days without a prediction are rows of 0.

    `rows`: predictions by prediction day; they say which days there are.
    """
    days = [day for day in rows if day < as_of]
    first, last = min(days, default=as_of), max(days, default=as_of - 1) + 1
    length, width = max(last - first, 0), max(as_of - first, 1)
    known = (prediction_day >= first) & (prediction_day < last) & (prediction_day + age < as_of)
    cell = (prediction_day[known] - first) * width + np.maximum(age[known], 0)
    counts = np.bincount(cell, n[known], length * width).astype(np.float64)
    sizes = np.array([rows.get(day, 0.0) for day in range(first, last)], dtype=np.float64)
    return Arrivals(first, as_of, counts.reshape(length, width), sizes)
