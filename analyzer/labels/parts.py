"""The rows of a comparison, cut into parts whose labels arrive alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.cells import PairCells
from analyzer.labels.comparison import Question
from analyzer.labels.completeness import Completeness
from analyzer.labels.evidence import Arrival, Evidence, as_negative, picked, taken_away, together
from analyzer.labels.maturity import one_class
from analyzer.labels.weighting import Part
from analyzer.stats.maturity import Ladder
from analyzer.stats.result import Undefined

Ints = NDArray[np.int64]

ACCEPTED = 0
"""The decision after which a label can exist, where labels are selective: not stopped."""


def comparable(known: Evidence, arrival: Arrival) -> tuple[PairCells, PairCells | None]:
    """The pairs whose labels can be compared: of selective labels, where both accept."""
    pairs, made = known.pairs, known.made
    if arrival == "selective":
        alike = (pairs.champion_called == ACCEPTED) & (pairs.challenger_called == ACCEPTED)
        return picked(pairs, alike), None
    if arrival == "positives":
        return picked(pairs, pairs.label == 1), made
    return pairs, None


def mature(days: Ints, ladders: dict[int, Completeness], level: float) -> Ints:
    """Days on which every class of labels is at least as complete as `level`."""
    if not ladders:
        return days[:0]
    kept = [d for d in days.tolist() if all(x.value(d) >= level for x in ladders.values())]
    return np.array(kept, dtype=np.int64)


@dataclass(frozen=True)
class Rows:
    """The rows of a comparison, and the ladders of their labels by class."""

    pairs: PairCells
    made: PairCells | None
    ladders: dict[int, Completeness]
    as_of: int

    def parts(self, days: Ints, slowed: int = 1) -> list[Part]:
        """Rows of these days that arrive alike: by class, stratum and ladder.

        slowed: labels take so many times as long as their ladder says; 0: nothing is late.
        """
        parts = []
        if self.made is not None:
            every = picked(self.made, np.isin(self.made.prediction_day, days))
            parts.append(Part(every, days, self.as_of, None, "rows"))
        here = picked(self.pairs, np.isin(self.pairs.prediction_day, days))
        for label, found in self.ladders.items():
            mine = picked(here, here.label == label)
            if self.made is not None:  # an arrived positive is no negative
                mine = together(mine, taken_away(as_negative(mine)))
            for own, chosen in found.split(mine.stratum):
                parts += self._late(picked(mine, chosen), own, days, slowed)
        return parts

    def _late(self, rows: PairCells, own: Completeness, days: Ints, slowed: int) -> Iterator[Part]:
        for ladder, of in own.groups(days):
            late = ladder if slowed and isinstance(ladder, Ladder) else None
            here = picked(rows, np.isin(rows.prediction_day, of)) if own.by_weekday else rows
            if len(here.n):
                yield Part(here, of, self.as_of, late, own.named, max(slowed, 1))

    def lone(self, question: Question) -> Undefined | None:
        """One class of labels alone: it would speak for the model that leans to its side."""
        return None if question.arrival == "positives" else one_class(self.ladders)

    def blind(self, question: Question) -> bool:
        """Positives only, and nothing says how many rows there were."""
        return question.arrival == "positives" and self.made is None
