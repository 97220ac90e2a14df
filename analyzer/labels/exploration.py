"""Selective labels, where the champion let some rows through at random: an estimate for all rows.

What was let through by chance stands for all that is stopped: each such row counts 1 / chance,
each row that is let through anyway counts once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.cells import Known, PairCells
from analyzer.labels.compare import compare
from analyzer.labels.comparison import Comparison, Question
from analyzer.labels.evidence import evidence, picked, together
from analyzer.labels.maturity import of_pairs
from analyzer.labels.parts import ACCEPTED
from analyzer.stats.result import Undefined

Floats = NDArray[np.float64]
FEWEST = 100
"""Effective labels of explored rows below which nothing is said of what is stopped."""


@dataclass(frozen=True)
class Exploration:
    """Both models on all pairs, those that are stopped included.

    `explored` labelled pairs were let through at random; they stand for `stands_for` of the
    `stopped` pairs that were made: far apart, the declared chance is not the true one, or labels
    are missing. `effective`: independent rows that the explored ones are worth, Kish's
    (sum w)^2 / sum w^2. `refused` says why there is no answer.
    """

    explored: float
    effective: float
    stands_for: float
    stopped: float
    comparison: Comparison | None
    refused: Undefined | None


def exploration(known: Known, question: Question) -> Exploration | None:
    """Champion against challenger over all pairs of the question's days; None without `explore`.

    Inverse probability weights: sum of loss / chance over labelled pairs, over the sum of
    1 / chance; labels on their way are allowed for as in `compare`. Undefined below 100 effective
    explored labels. Horvitz and Thompson (1952), JASA 47; Hajek (1971); Kish (1965), *Survey
    Sampling*, for the effective number.
    """
    if known.explored is None:
        return None
    pairs, chance = known.explored.pairs, known.explored.chance
    asked = (pairs.prediction_day >= question.first) & (pairs.prediction_day < question.last)
    n, weight = pairs.n[asked].astype(np.float64), 1 / chance[asked]
    squares = float(n @ weight**2)
    effective = float(n @ weight) ** 2 / squares if squares > 0 else 0.0
    counted = float(n.sum()), effective, float(n @ weight), _stopped(known, question)
    if effective < FEWEST:
        reason = f"{effective:,.0f} effective labels of explored rows, {FEWEST} needed"
        return Exploration(*counted, None, Undefined(reason, effective))
    found = evidence(known)
    let = picked(known.pairs, known.pairs.champion_called == ACCEPTED)
    rows = together(let, _weighted(pairs, 1 / chance))
    ladders = of_pairs(found, known.pairs)
    whole = replace(found, pairs=rows, made=None, sides=None)
    said = compare(whole, replace(question, arrival="sampled"), ladders)
    return Exploration(*counted, said, said.refused)


def _stopped(known: Known, question: Question) -> float:
    """Pairs made that the champion would have stopped."""
    if known.made is None:
        return 0.0
    made = known.made
    asked = (made.prediction_day >= question.first) & (made.prediction_day < question.last)
    return float(made.n[asked & (made.champion_called != ACCEPTED)].sum())


def _weighted(pairs: PairCells, weight: Floats) -> PairCells:
    sums = {name: values * weight for name, values in pairs.sums.items()}
    return replace(pairs, n=pairs.n * weight, sums=sums)  # type: ignore[arg-type]
