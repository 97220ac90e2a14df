"""What is summed over rows: flags that are counted, and whole-numbered weights that are added.

Most flags of a log are rare (errors) or all but universal (a latency was logged). So a flag is
kept as the positions of its rarer answer, and counting it costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.frozen import QUANTUM_BITS
from analyzer.profile import over
from analyzer.scan.narrow import OK, UNKNOWN, Shape
from analyzer.scan.rows import Rows
from analyzer.serving import ERROR, FIRST_THRESHOLD_BIT, HAS_LATENCY

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Flag:
    """A yes or no per row: the positions, ascending, of the rows that say yes, or no."""

    rows: Ints
    yes: bool


EVERY = Flag(np.zeros(0, dtype=np.int64), False)
"""The flag that all rows carry."""


@dataclass(frozen=True)
class Measures:
    """What is summed over some rows of one kind, which come sorted by `ts`.

    present: which of the rows count; the others have no flag and no weight.
    flags: by name; weights: float64 arrays of whole numbers by name.
    bounded: no weight exceeds 2**36, so that sums of 2**16 of them are exact in a float64.
    """

    ts: Ints
    present: Flag
    flags: Mapping[str, Flag]
    weights: Mapping[str, Floats]
    bounded: bool


def flag(yes: Bools) -> Flag:
    """The flag of rows that say `yes`; all others say no.

    >>> flag(np.array([True, True, False]))
    Flag(rows=array([2]), yes=False)
    """
    if np.count_nonzero(yes) * 2 <= len(yes):
        return Flag(np.flatnonzero(yes), True)
    return Flag(np.flatnonzero(~yes), False)


def exact_weights(values: Floats, scale: float) -> Floats:
    """Values as whole multiples of scale * 2**-36."""
    weights = values * (2.0**QUANTUM_BITS / scale)
    return np.rint(weights, out=weights)


def side_measures(shape: Shape, rows: Rows, keep: slice, alone: Bools) -> Measures:
    """What is summed over some rows of one model; `alone` are those without a partner."""
    bits = rows["flags"][keep]
    usable = rows["state"][keep] == OK
    flags = {
        "errors": flag((bits & ERROR) != 0),
        "nulls": flag(~usable),
        "latency_n": flag((bits & HAS_LATENCY) != 0),
    }
    for bit, threshold in enumerate(shape.thresholds, start=FIRST_THRESHOLD_BIT):
        flags[over(threshold)] = flag((bits & (1 << bit)) != 0)
    flags["unmatched"] = flag(alone)
    score = rows["score"][keep]
    if not usable.all():
        score = np.where(usable, score, 0.0)
    scale = shape.frozen.scale
    weights = {
        "score_sum": exact_weights(score, scale),
        "score_squares": exact_weights(score * score, scale * scale),
    }
    return Measures(rows["ts"][keep], EVERY, flags, weights, _bounded(shape))


def pair_measures(
    shape: Shape, champion: Rows, challenger: Rows, keep: slice, partner: Ints
) -> tuple[Measures, Floats]:
    """What is summed over the pairs of some champion rows, and the pairs' differences.

    partner: per row the challenger's row, -1 for none: such a row is not present. A pair without a
    usable score on both sides counts in `nulls`. Differences: one per row, NaN where unknown.
    """
    matched = partner >= 0
    whole = bool(matched.all())
    theirs = partner if whole else np.maximum(partner, 0)
    difference = challenger["score"][theirs] - champion["score"][keep]
    if not whole:
        difference[~matched] = np.nan
    missing = np.isnan(difference)
    d = np.where(missing, 0.0, difference) if missing.any() else difference
    one, two = champion["decision"][keep], challenger["decision"][theirs]
    decided = (one != UNKNOWN) & (two != UNKNOWN) & matched
    flags = {
        "nulls": flag(missing & matched),
        "decided": flag(decided),
        "flips": flag(decided & (one != two)),
    }
    scale = shape.frozen.scale
    units = exact_weights(d, scale)
    weights = {
        "difference_sum": units,
        "difference_squares": exact_weights(d * d, scale * scale),
        "difference_absolute": np.abs(units),
    }
    ts = champion["ts"][keep]
    return Measures(ts, flag(matched), flags, weights, _bounded(shape)), difference


def _bounded(shape: Shape) -> bool:
    return shape.rollout.score.type == "probability"
