"""When did it begin? Change points of several hourly (or minutely) series, searched together.

Input are plain arrays, one value and one count per point on a dense grid, so nothing here knows
of the store. Output are frozen records that cross files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Timeline:
    """The grid that all series share. Point i covers [start + i step, start + (i + 1) step).

    start: microseconds UTC; step: microseconds, an hour or a minute. hour_of_week: 0 (Monday
    00 h) to 167 in the declared time zone, per point. clean: points of clean history, which give
    the baseline; only those before `first` are used. [first, last): the points searched; the last
    one should lie where the incident ended (rollback), as the shift is taken to last until then.
    trigger, rollback: known instants, microseconds UTC.
    """

    start: int
    step: int
    hour_of_week: Ints
    clean: Bools
    first: int
    last: int
    trigger: int | None = None
    rollback: int | None = None

    def instant(self, point: int) -> int:
        """Start of a point, microseconds UTC."""
        return self.start + point * self.step


@dataclass(frozen=True, eq=False)
class Series:
    """One measured series: the mean (or rate) per point and the rows behind it.

    A value counts only where n > 0 and the value is finite.
    """

    name: str
    unit: str
    values: Floats
    n: Floats


class Onset(Struct, frozen=True, kw_only=True):
    """When one series shifted, or why that cannot be said.

    at, low, high: instants (UTC text); the onset lies in [low, high] by likelihood. shift: after
    minus before, in the series' unit; shift_sd: the same in long-run standard deviations of one
    point. statistic and threshold: largest standardised shift, and what chance alone exceeds in
    5 % of searches over all series. deseasoned: what was taken out, in words.
    """

    series: str
    unit: str
    located: bool
    refusal: str
    at: str | None
    low: str | None
    high: str | None
    shift: float | None
    shift_sd: float | None
    direction: Literal["up", "down"] | None
    kind: Literal["step", "ramp"] | None
    statistic: float | None
    threshold: float | None
    deseasoned: str
    points_before: int
    points_searched: int
    sentence: str


class Onsets(Struct, frozen=True, kw_only=True):
    """All series searched, and the order in which those that shifted did so.

    order: names of located series, earliest first (by `at`, then `low`, then name). low, high:
    interval of the earliest onset. hours_to_trigger, hours_to_rollback: from the earliest `at`.
    """

    searched: tuple[str, str]
    step: Literal["hour", "minute"]
    false_alarm: float
    series: list[Onset]
    order: list[str]
    at: str | None
    low: str | None
    high: str | None
    hours_to_trigger: float | None
    hours_to_rollback: float | None
    sentences: list[str]


def find_onsets(
    timeline: Timeline, series: Sequence[Series], *, false_alarm: float = 0.05
) -> Onsets:
    """Search every series for the point at which its level shifted for good."""
    raise NotImplementedError
