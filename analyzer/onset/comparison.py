"""Which hours are compared: right before the onset, from it on, and the quiet past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.onset.records import FeatureCounts, Hours, Label
from analyzer.onset.same_hours import SameHours, past_starts, same_hours
from analyzer.onset.search import Timeline
from analyzer.stats.psi import MINIMUM_NULL_WINDOWS
from analyzer.window import HOUR

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LEAST_HOURS = 6
MOST_HOURS = 72
SHORT_HOURS = 12
LEAST_ROWS = 20_000
SEARCH_HOURS = 168
APART = 48
"""Hours between the window before the onset and the newest past one: drift may lead by a day."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Windows as hours of the grid, [start, start + length), and their references.

    before ends at the onset's lower bound, `onset_end` is its upper one; after begins there, or
    where the last hours of the incident do; past, past_after: starts of clean windows of the past,
    as long as `before` and `after`.
    """

    before: int
    length: int
    onset_end: int
    after: int
    after_length: int
    end: int
    clean: Bools
    references: SameHours
    past: Ints
    past_after: Ints

    @property
    def onset(self) -> int:
        """First hour of the onset's interval."""
        return self.before + self.length

    def timeline(self, hours: Hours) -> Timeline:
        """The grid on which a feature's first drifting hour is searched: up to a week before."""
        first = max(self.before - SEARCH_HOURS, 0)
        return Timeline(hours.start, HOUR, hours.hour_of_week, self.clean, first, self.end)


def make_plan(hours: Hours, features: Sequence[FeatureCounts]) -> Plan | str:
    """Windows and references, or why there can be none."""
    grid = len(hours.hour_of_week)
    low = (hours.onset_low - hours.start) // HOUR
    high = -(-(hours.onset_high - hours.start) // HOUR)
    end = min(-(-(hours.end - hours.start) // HOUR), grid)
    if not features:
        return "no features to compare"
    if not 0 < low < grid:
        return "the onset lies outside the hours that were read"
    length = min(_length(features, low), low)
    high = min(max(high, low), end - 1)
    after_length = min(max(end - high, 1), MOST_HOURS)
    before = low - length
    references = same_hours(hours.hour_of_week, hours.clean, before, end)
    if references.cycles < 1:
        return "no clean week or day lies before the onset to compare with"
    after, past_after = high, _past(hours, references, high, before, after_length)
    if len(past_after) < MINIMUM_NULL_WINDOWS and after_length > SHORT_HOURS:
        # a short history holds more short windows; the last one, as drift may follow by a day
        after, after_length = high + after_length - SHORT_HOURS, SHORT_HOURS
        past_after = _past(hours, references, after, before, after_length)
    return Plan(
        before,
        length,
        high,
        after,
        after_length,
        end,
        hours.clean & (np.arange(grid) < before),
        references,
        _past(hours, references, before, before, length),
        past_after,
    )


def _length(features: Sequence[FeatureCounts], low: int) -> int:
    """Hours before the onset that hold 20,000 rows, at least 6, at most 72."""
    rows = np.max([f.counts[max(low - MOST_HOURS, 0) : low].sum(axis=1) for f in features], axis=0)
    backwards = np.cumsum(rows[::-1])
    needed = int(np.searchsorted(backwards, LEAST_ROWS)) + 1
    return min(max(needed, LEAST_HOURS), MOST_HOURS)


def _past(hours: Hours, references: SameHours, anchor: int, end: int, length: int) -> Ints:
    """Past windows well before the onset; closer ones only where too few remain."""
    apart = past_starts(hours.clean, references, anchor, end - APART, length)
    if len(apart) >= MINIMUM_NULL_WINDOWS:
        return apart
    return past_starts(hours.clean, references, anchor, end, length)


def when(plan: Plan, drifting: tuple[int, int, int] | None) -> Label:
    """Label of something whose first hour and interval [low, high) are known."""
    if drifting is None:
        return "undecided"
    point, _, high = drifting
    if high <= plan.onset:
        return "leads"
    return "coincides" if point < plan.onset_end else "follows"
