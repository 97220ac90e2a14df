"""Pairs as evidence: the labelled ones, all that were predicted, and rows picked from either."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.cells import ALL_ROWS, BOTH, Known, PairCells, SideCells

Arrival: TypeAlias = Literal["both", "positives", "selective", "sampled"]
"""How labels arrive: every class late; only positives, no news means not yet; only where the
champion's action lets them (selective); a sample by design."""

Cells = TypeVar("Cells", PairCells, SideCells)
Chosen: TypeAlias = "NDArray[np.bool_] | NDArray[np.int64] | slice"


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of pairs by day `as_of` (days since 1970, UTC; labels of earlier days).

    `pairs` are labelled. `made` holds every predicted pair as if its label were 0 and had come
    at once, None where that was not counted. `rows`: predicted pairs by prediction day. `sides`:
    each model's labelled rows in fine bins, if known. `units`: whether buckets are of logged units.
    `strata`: codes of the declared strata, and how each is called.
    """

    as_of: int
    pairs: PairCells
    made: PairCells | None
    rows: Mapping[int, float]
    sides: SideCells | None = None
    units: bool = True
    strata: Mapping[int, str] = field(default_factory=dict)

    def at(self, as_of: int) -> Evidence:
        """What was known on an earlier day. Raises ValueError for a later one."""
        if as_of > self.as_of:
            raise ValueError(f"day {as_of} lies after {self.as_of}, up to which labels are known")
        known = picked(self.pairs, self.pairs.prediction_day + self.pairs.age < as_of)
        made = self.made
        if made is not None:
            made = picked(made, made.prediction_day + made.age < as_of)
        rows = {day: n for day, n in self.rows.items() if day < as_of}
        sides = self.sides and picked(
            self.sides, self.sides.prediction_day + self.sides.age < as_of
        )
        return Evidence(as_of, known, made, rows, sides, self.units, self.strata)


def evidence(known: Known) -> Evidence:
    """The pairs of what is known."""
    predicted = known.predicted
    both = (predicted.model == BOTH) & (predicted.segment == ALL_ROWS)
    days, n = predicted.prediction_day[both].tolist(), predicted.n[both].tolist()
    rows = {day: float(count) for day, count in zip(days, n, strict=True)}
    at = (known.as_of, known.pairs, known.made, rows)
    return Evidence(*at, known.sides, known.units, known.strata)


def picked(cells: Cells, rows: Chosen) -> Cells:
    """Some of the cells."""
    columns = {f.name: getattr(cells, f.name)[rows] for f in fields(cells) if f.name != "sums"}
    return type(cells)(**columns, sums={name: x[rows] for name, x in cells.sums.items()})


def together(first: PairCells, second: PairCells) -> PairCells:
    """The cells of both, and the sums that both have."""
    names = [f.name for f in fields(first) if f.name != "sums"]
    columns = {n: np.concatenate([getattr(first, n), getattr(second, n)]) for n in names}
    common = [name for name in first.sums if name in second.sums]
    sums = {name: np.concatenate([first.sums[name], second.sums[name]]) for name in common}
    return PairCells(**columns, sums=sums)


def as_negative(pairs: PairCells) -> PairCells:
    """Labelled positives as if their label were 0, for scores that are probabilities.

    With s the score, sum s = n - sum |1 - s| and sum s^2 = sum (1 - s)^2 - n + 2 sum s.
    """
    sums = {}
    for side in ("champion", "challenger"):
        score = pairs.n - pairs.sums[f"{side}_absolute"]
        sums[f"{side}_absolute"] = score
        sums[f"{side}_squares"] = pairs.sums[f"{side}_squares"] - pairs.n + 2 * score
    return replace(pairs, label=np.zeros_like(pairs.label), sums=sums)


def taken_away(pairs: PairCells) -> PairCells:
    """The same cells, subtracted instead of added."""
    return replace(pairs, n=-pairs.n, sums={name: -x for name, x in pairs.sums.items()})
