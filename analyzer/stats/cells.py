"""Statistics of many cells at once (segments, say): arrays in, arrays out, results at the edge.

A formula is written once, for numbers and for arrays of them: `Number` is either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .result import Estimate, Result, Undefined

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Number = TypeVar("Number", float, NDArray[np.float64])

Why = NDArray[np.object_]
"""Per cell None, or the `Undefined` that says why the cell has no answer."""


def plain(found: Any) -> Any:
    """What a formula found: arrays as they are, a single number as a float of Python's.

    >>> plain(np.sqrt(4.0)), plain(np.sqrt([4.0]))
    (2.0, array([2.]))
    """
    return found if np.ndim(found) else float(found)


def answered(cells: int) -> Why:
    """As many cells, none of them without an answer.

    >>> answered(2).tolist()
    [None, None]
    """
    return np.full(cells, None, dtype=object)


def unless(why: Why, fault: Flags, reason: str | Callable[[int], str], n: Floats) -> Why:
    """The same, with a reason in the cells of `fault` that have none yet; n: their sample sizes.

    >>> why = unless(answered(2), np.array([False, True]), "no unit", np.array([5.0, 0.0]))
    >>> why.tolist()
    [None, Undefined(reason='no unit', n=0.0)]
    """
    fresh = [at for at in np.flatnonzero(fault).tolist() if why[at] is None]
    if not fresh:
        return why
    found = why.copy()
    for at in fresh:
        found[at] = Undefined(reason if isinstance(reason, str) else reason(at), float(n[at]))
    return found


def has_answer(why: Why) -> Flags:
    """Which cells have an answer.

    >>> has_answer(unless(answered(2), np.array([False, True]), "no unit", np.zeros(2))).tolist()
    [True, False]
    """
    return np.array([gap is None for gap in why.tolist()], dtype=bool)


@dataclass(frozen=True, eq=False)
class Estimates:
    """An `Estimate` of each cell, or why there is none: arrays of one length."""

    value: Floats
    low: Floats
    high: Floats
    n: Floats
    method: str
    why: Why

    def results(self) -> list[Result]:
        """Cell by cell."""
        columns = (x.tolist() for x in (self.why, self.value, self.low, self.high, self.n))
        return [
            Estimate(value, low, high, n, self.method) if gap is None else gap
            for gap, value, low, high, n in zip(*columns, strict=True)
        ]
