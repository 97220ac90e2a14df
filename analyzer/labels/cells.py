"""Sums over labelled requests as numpy columns: what all that is said about labels is made of.

They hold one row per cell and label day, so that a revision shows as a negative `n` at a later
age: summed over ages up to any age they say exactly what was known then, and such a sum is
never negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Codes = NDArray[np.int16]
Kind = Literal["binary", "classes", "values"]

CHAMPION, CHALLENGER, BOTH = 0, 1, 2
"""Codes of `model`; BOTH are requests that both models answered (in `Predicted` only)."""
MODELS = {"champion": CHAMPION, "challenger": CHALLENGER, "pair": BOTH}
ALONE = {CHAMPION: 3, CHALLENGER: 4}
"""Codes of a model's labelled rows that are no pair: without them its fine bins are the pairs'."""
MADE = {CHAMPION: 5, CHALLENGER: 6}
"""Codes of all pairs made, labelled or not, where only positives are reported; their label is 0."""
CODES = {
    **MODELS,
    **{f"{side} alone": ALONE[MODELS[side]] for side in ("champion", "challenger")},
    **{f"{side} made": MADE[MODELS[side]] for side in ("champion", "challenger")},
}
ALL_ROWS = 0
"""Code of `segment` that means every row."""
NONE = -1
"""Code of `label` where labels are values, and of `called` where nothing was called."""


@dataclass(frozen=True, eq=False)
class SideCells:
    """Labelled requests of each model by itself: one row a cell, all arrays of one length.

    model: CHAMPION or CHALLENGER, or one of `ALONE` and `MADE`. prediction_day: days since 1970,
    UTC. age: label day minus
    prediction day, >= 0. segment: place in `Known.segments` (every request counts once under
    ALL_ROWS and once under each segment column). bin: of the score, any whole numbers that grow
    with it: under ALL_ROWS bins narrower than 1 % of min(p, 1 - p) (AUC exact to 1e-4), in a
    segment 16 of those in one; 0 where labels are not binary. called: binary: 1 where the logged
    decision was positive (the score reached the threshold where none is logged), else 0, NONE
    where unknown; classes: predicted class, a place in
    `Known.classes`; values: NONE. label: 0 or 1, a place in `Known.classes`, or NONE.
    n: rows, negative where labels were revised away. sums: float64 in natural units;
    binary: "score", "score_squares"; values, of e = label - score: "error", "error_absolute",
    "error_squares", "error_fourths", "error_squares_above" (e^2 where e > 0), as
    `stats.regression.ErrorSums` wants them.
    """

    model: Codes
    prediction_day: NDArray[np.int32]
    age: Codes
    segment: NDArray[np.int32]
    bin: NDArray[np.int32]
    called: Codes
    label: Codes
    n: Ints
    sums: Mapping[str, Floats]


@dataclass(frozen=True, eq=False)
class PairCells:
    """Labelled requests that both models answered with a usable score or class.

    bucket: 0 .. PAIR_BUCKETS - 1, of the unit (of the request where units are not logged).
    champion_bin, challenger_bin: 0 .. 31, cells of nearly equal weight of the champion's frozen
    reference scores, the same edges for both (0 where labels are not binary). stratum: place in
    `Known.segments` of the declared stratum, ALL_ROWS where there is none. The rest as in
    `SideCells`. sums: "champion_squares", "challenger_squares" (squared errors; for binary labels
    the Brier loss), "difference_squares" (of challenger's minus champion's squared error),
    "champion_absolute", "challenger_absolute"; values also "absolute_difference_squares"; none
    for classes.
    """

    prediction_day: NDArray[np.int32]
    age: Codes
    bucket: Codes
    champion_bin: Codes
    challenger_bin: Codes
    champion_called: Codes
    challenger_called: Codes
    label: Codes
    stratum: NDArray[np.int32]
    n: Ints
    sums: Mapping[str, Floats]


@dataclass(frozen=True, eq=False)
class Explored:
    """Labelled pairs that the champion let through at random, each with chance `chance` (0, 1]."""

    pairs: PairCells
    chance: Floats


@dataclass(frozen=True, eq=False)
class Predicted:
    """Requests predicted, labelled or not: one row per day, model and segment with any.

    Rows as logged (a duplicate counts), but for ALL_ROWS, where each request counts once.
    """

    model: Codes
    prediction_day: NDArray[np.int32]
    segment: NDArray[np.int32]
    n: Ints


@dataclass(frozen=True, eq=False)
class Known:
    """What was known when day `as_of` (days since 1970, UTC) began: labels of earlier days.

    classes: text of `label` and `called` codes ("0", "1" for binary labels). segments: (column,
    value) of `segment` codes; the first is ("", "") for all rows, a value None is NULL.
    faults: what was left out by reason. label_days: days with a fragment, ascending. made: where
    only positives are reported, all pairs predicted by then as if their label were 0. explored:
    pairs let through at random, if the log has them. basis: labelled rows of each model by how it
    was told what it called. units: whether buckets are of logged units, not of requests. stratum:
    column of `segments` in whose values labels arrive at different speeds, empty where none is
    declared. quantiles: orders of the quantile losses of values.
    """

    kind: Kind
    as_of: int
    classes: tuple[str, ...]
    segments: tuple[tuple[str, str | None], ...]
    sides: SideCells
    pairs: PairCells
    predicted: Predicted
    faults: Mapping[str, int]
    label_days: tuple[int, ...]
    made: PairCells | None = None
    explored: Explored | None = None
    basis: Mapping[str, int] = field(default_factory=dict)
    units: bool = True
    stratum: str = ""
    quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)

    @property
    def strata(self) -> dict[int, str]:
        """Codes of the declared strata, and how each is called in words."""
        by = self.stratum
        named = {code: (c, v) for code, (c, v) in enumerate(self.segments) if by and c == by}
        return {code: f"{c} = {'NULL' if v is None else v}" for code, (c, v) in named.items()}
