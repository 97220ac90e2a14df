"""What the ladders' own errors add to a model's quality while labels are still arriving."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.cells import ALL_ROWS
from analyzer.labels.completeness import Completeness
from analyzer.stats.laws import norm_isf
from analyzer.stats.maturity import Ladder
from analyzer.stats.result import Estimate, Result, estimate

Ints = NDArray[np.int64]
_NEGLIGIBLE = 1e-8
"""Variance of ln F below which a step changes nothing that is shown."""


@dataclass(frozen=True, eq=False)
class Shift:
    """One independent error: ln F of a class and stratum of labels moves on some days, by `size`
    (one standard error), together. Stratum ALL_ROWS is that of all together."""

    label: int
    stratum: int
    days: Ints
    size: float


def shifts(
    ladders: Mapping[int, Completeness], days: Ints, age_of: Callable[[Ints], Ints]
) -> list[Shift]:
    """The independent errors of completeness on some prediction days.

    ln F(a) is minus the sum of ln f_k from a on, and the errors of the f_k are uncorrelated: a
    step's error moves every day that has not reached it, together; steps between two of the ages
    are one. Arrivals that scatter more than chance move each day by itself, by
    (scatter - 1) (1 / F - 1) / labels. Mack (1993), ASTIN Bulletin 23.
    """
    found = []
    for label, fitted in ladders.items():
        for stratum, own in [*fitted.strata.items(), (ALL_ROWS, fitted.together)]:
            for ladder, of in own.groups(days):
                if isinstance(ladder, Ladder) and len(of):
                    found += list(_of_ladder((label, stratum), ladder, of, age_of(of)))
    return found


def _of_ladder(whose: tuple[int, int], ladder: Ladder, days: Ints, ages: Ints) -> Iterator[Shift]:
    by_step = ladder.log_variances
    reached = np.unique(np.clip(ages, 0, ladder.horizon))
    for first, last in zip(reached, [*reached[1:], ladder.horizon], strict=True):
        variance = float(by_step[first:last].sum())
        if variance > _NEGLIGIBLE:
            yield Shift(*whose, days[ages <= first], math.sqrt(variance))
    typical = max(ladder.labels / ladder.cohorts, 1.0)
    for day, age in zip(days.tolist(), ages.tolist(), strict=True):
        complete = ladder.at(age)
        own = (ladder.scatter - 1) * (1 / complete - 1) / typical if complete > 0 else 0.0
        if own > _NEGLIGIBLE:
            yield Shift(*whose, np.array([day]), math.sqrt(own))


def widened(
    metrics: Mapping[str, Result],
    moved: Callable[[Shift], Mapping[str, Result]],
    errors: list[Shift],
    confidence: float,
) -> dict[str, Result]:
    """Metrics whose intervals hold the ladders' errors: `moved` gives them under one shift.

    Each end moves out to the hypotenuse of its distance and of z times the root of the summed
    squares of what the shifts do to the value; ends stay where the metric can lie.
    """
    variance = dict.fromkeys(metrics, 0.0)
    for error in errors:
        for name, there in moved(error).items():
            here = metrics[name]
            if isinstance(here, Estimate) and isinstance(there, Estimate):
                variance[name] += (there.value - here.value) ** 2
    z = norm_isf((1 - confidence) / 2)
    return {name: _wider(name, x, z * math.sqrt(variance[name])) for name, x in metrics.items()}


def _wider(name: str, found: Result, by: float) -> Result:
    if not isinstance(found, Estimate) or by == 0:
        return found
    least = -math.inf if name == "bias" else 0.0
    open_end = name in UNBOUNDED or name.startswith("quantile loss")
    most = math.inf if open_end else 1.0
    low = max(found.value - math.hypot(found.value - found.low, by), min(least, found.low))
    high = min(found.value + math.hypot(found.high - found.value, by), most)
    return estimate(found.value, low, high, found.n, f"{found.method}, ladders' errors added")


UNBOUNDED = ("log loss", "MAE", "RMSE", "bias")
"""Metrics that may be more than 1; quantile losses, too, which are told by their names."""
