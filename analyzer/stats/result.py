"""What a statistic hands back: an estimate with its interval, or the reason there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval.

    `low` and `high` may be infinite, `value` may not; `low <= value <= high`. `n` is the
    sample size behind it (rows, effective rows or blocks; `method` says which).

    >>> Estimate(0.2, 0.1, 0.4, 50, "example").high
    0.4
    """

    value: float
    low: float
    high: float
    n: float
    method: str

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"an estimate must be finite, not {self.value}")
        if math.isnan(self.low) or math.isnan(self.high):
            raise ValueError("an interval's ends must be numbers")
        if not self.low <= self.value <= self.high:
            raise ValueError(f"{self.value} lies outside [{self.low}, {self.high}]")


@dataclass(frozen=True, slots=True)
class Undefined:
    """There is no answer, and why.

    >>> Undefined("no rows").n
    0
    """

    reason: str
    n: float = 0


Result: TypeAlias = Estimate | Undefined


@dataclass(frozen=True, slots=True)
class Significance:
    """A test's statistic, its p-value and degrees of freedom (NaN-free; `df` 0 if exact)."""

    statistic: float
    p: float
    df: float
    n: float
    method: str


def estimate(value: float, low: float, high: float, n: float, method: str) -> Estimate:
    """Build an Estimate, absorbing rounding that leaves an end on the wrong side of the value.

    Slack is 1e-9 of the value's size; more than that is a fault and raises ValueError.

    >>> estimate(0.3, 0.1 + 0.2, 0.4, 10, "rounding").low
    0.3
    """
    slack = 1e-9 * max(1e-300, abs(value))
    if value < low <= value + slack:
        low = value
    if value - slack <= high < value:
        high = value
    return Estimate(float(value), float(low), float(high), float(n), method)


def point(value: float, n: float, method: str) -> Estimate:
    """An exactly known number (a planning figure, a p-value): its interval is itself.

    >>> point(0.5, 4, "exact").low
    0.5
    """
    return Estimate(float(value), float(value), float(value), float(n), method)


def describe(value: float, low: float, high: float, n: float, method: str) -> Estimate:
    """A descriptive number without an interval: its ends are the statistic's whole range.

    A zero-width interval would let a judge call an uncertain number certain.

    >>> describe(0.2, 0, 1, 10, "distance").high
    1.0
    """
    return estimate(value, low, high, n, f"{method}, no interval")
