"""What was said on past nights against what turned out to be true."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .proportion import clopper_pearson
from .result import Estimate, Result, Undefined


@dataclass(frozen=True, slots=True)
class Backtest:
    """How past estimates fared.

    `held` the share of intervals that held the truth, `bias` mean estimate minus truth, `error`
    the root mean square of it, `refused` how often there was no estimate, `naive_error` the same
    root mean square of a rival on the same nights (None without one).
    """

    held: Result
    bias: float
    error: float
    answered: int
    refused: int
    naive_error: float | None = None


def backtest(
    estimates: Sequence[Result],
    truths: Sequence[float],
    rivals: Sequence[Result] | None = None,
    confidence: float = 0.95,
) -> Backtest | Undefined:
    """Hold estimates made on past nights against the final values of the same rows.

    `held` has a Clopper-Pearson interval as if nights were independent; one row of a cohort is
    in many nights, so give one estimate per cohort and age. A rival (the proxy alone, labels so
    far) is compared on the nights both answered. Undefined when no night had an estimate.
    Gneiting, Balabdaoui, Raftery (2007), JRSS B 69: calibration of forecasts.

    >>> said = [Estimate(0.1, 0.05, 0.2, 9, "x"), Estimate(0.3, 0.2, 0.4, 9, "x")]
    >>> found = backtest(said, [0.12, 0.5])
    >>> found.held.value, round(found.bias, 2)
    (0.5, -0.11)
    """
    pairs = list(zip(estimates, truths, strict=True))
    answered = [(e, t) for e, t in pairs if isinstance(e, Estimate)]
    if not answered:
        return Undefined("no past night had an estimate", len(pairs))
    held = sum(e.low <= t <= e.high for e, t in answered)
    misses = [e.value - t for e, t in answered]
    return Backtest(
        clopper_pearson(held, len(answered), confidence),
        sum(misses) / len(misses),
        _root_mean_square(misses),
        len(answered),
        len(pairs) - len(answered),
        None if rivals is None else _rival(pairs, rivals),
    )


def _root_mean_square(misses: Sequence[float]) -> float:
    return math.sqrt(sum(x * x for x in misses) / len(misses))


def _rival(pairs: Sequence[tuple[Result, float]], rivals: Sequence[Result]) -> float | None:
    both = zip(pairs, rivals, strict=True)
    misses = [
        r.value - t for (e, t), r in both if isinstance(e, Estimate) and isinstance(r, Estimate)
    ]
    return _root_mean_square(misses) if misses else None
