"""Counts of what was planted, restricted to rows that reached the files."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Tally:
    """Sums over blocks: rows per log, and per plant what it touched."""

    rows: Counter[str] = field(default_factory=Counter)
    plants: Counter[tuple[int, str]] = field(default_factory=Counter)
    shifts: dict[int, float] = field(default_factory=dict)

    def add_shift(self, plant: int, shift: np.ndarray) -> None:
        """Add score shifts; float64 sums in block order are the same in every run."""
        self.shifts[plant] = self.shifts.get(plant, 0.0) + float(shift.sum(dtype=np.float64))

    def add(self, other: "Tally") -> None:
        """Add the tally of a later slot."""
        self.rows.update(other.rows)
        self.plants.update(other.plants)
        for plant, shift in other.shifts.items():
            self.shifts[plant] = self.shifts.get(plant, 0.0) + shift

    def of_plant(self, plant: int) -> dict[str, int | float]:
        """Return one plant's counts, and the mean score shift where it moved scores."""
        counts: dict[str, int | float] = {
            what: rows for (number, what), rows in sorted(self.plants.items()) if number == plant
        }
        rows = counts.get("challenger_rows", 0)
        if plant in self.shifts and rows:
            counts["mean_score_shift"] = self.shifts[plant] / rows
        return counts
