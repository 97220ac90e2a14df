"""Selective labels: bounds for the pairs whose labels can never exist.

Where only what the champion lets through gets a label, the comparison is of pairs both let
through; for what only one of them would, all that can be said are the worst cases.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.cells import NONE, PairCells
from analyzer.labels.parts import ACCEPTED
from analyzer.stats.result import Undefined
from analyzer.stats.selective import Bounds, difference_bounds

Floats = NDArray[np.float64]
_MISSING = 0.01


@dataclass(frozen=True)
class Acceptance:
    """Pairs by who lets them through, and the bounds of challenger's minus champion's value.

    Counted over all pairs of `made`: both, only the champion, only the challenger, neither. The
    value of letting a row through lies in [0, 1] (1: its label turns out 0, as hoped).
    """

    both: float
    only_champion: float
    only_challenger: float
    neither: float
    bounds: Bounds | Undefined


def acceptance(made: PairCells, labelled: PairCells, confidence: float = 0.95) -> Acceptance:
    """Worst-case bounds of what the challenger's decisions would be worth, per pair.

    `made` holds every pair, `labelled` those with a label, of the same days, all labels come.
    A pair only the champion lets through has a label and counts against the challenger with its
    value; one only the challenger would let through never has one: [0, 1]. Undefined while more
    than 1 % of the former have no label. Manski (1990), AER 80.
    """
    if bool(np.any(labelled.label == NONE)):
        reason = Undefined("bounds need labels of two classes")
        return Acceptance(0.0, 0.0, 0.0, 0.0, reason)
    size = int(max(made.bucket.max(initial=0), labelled.bucket.max(initial=0))) + 1
    by = {
        (one, two): _count(made, one, two, size) for one in (True, False) for two in (True, False)
    }
    alone = (labelled.champion_called == ACCEPTED) & (labelled.challenger_called != ACCEPTED)
    have = float(np.sum(labelled.n * alone))
    good = np.bincount(labelled.bucket, labelled.n * (alone & (labelled.label == 0)), size)
    rows = np.sum(list(by.values()), axis=0)
    dropped, added = by[True, False], by[False, True]
    bounds = difference_bounds(good, dropped, added, rows, confidence=confidence)
    if have < (1 - _MISSING) * float(dropped.sum()):
        bounds = Undefined(f"{have:,.0f} of {dropped.sum():,.0f} such pairs have a label", have)
    return Acceptance(
        float(by[True, True].sum()),
        float(dropped.sum()),
        float(added.sum()),
        float(by[False, False].sum()),
        bounds,
    )


def _count(pairs: PairCells, champion: bool, challenger: bool, size: int) -> Floats:
    """Pairs by bucket, by whether each model lets them through."""
    chosen = (pairs.champion_called == ACCEPTED) == champion
    chosen &= (pairs.challenger_called == ACCEPTED) == challenger
    return np.bincount(pairs.bucket, pairs.n * chosen, size).astype(np.float64)
