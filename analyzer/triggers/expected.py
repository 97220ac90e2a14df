"""How many requests a minute should bring: the same hour of earlier weeks, at today's level.

Expected = median of the same hour of the week over up to four earlier weeks (holidays and
incidents of the diary left out), drawn from hour to hour as a line, times the level: the traffic
of the last six hours over what those weeks say of them. So a quiet holiday or a clock change is
no drop once it has lasted, and a growing service is no surge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from analyzer.baseline import UNUSUAL, Course, marked, week_by_week
from analyzer.diary import Event
from analyzer.weeks import hours_of_week
from analyzer.window import HOUR, Window

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
STEP = 10
"""Times as much traffic as in the hour before or after is no slope."""

LEVEL_HOURS = 6
LEAST_LEVEL_HOURS = 2
"""Hours with an expectation that a level needs."""

LEAST_LEVEL_REQUESTS = 100
"""Requests that should have come in them: of fewer, chance alone moves a level by a tenth."""


@dataclass(frozen=True, eq=False)
class Past:
    """Requests by hour from `start` (microseconds UTC, a whole hour) on; NaN where not known."""

    start: int
    hours: Floats


def expected(
    n: Floats,
    start: int,
    step: int,
    past: Past,
    events: Sequence[Event],
    zone: ZoneInfo,
    weeks: int = 4,
) -> Floats:
    """Expected requests per bucket of a grid, NaN where earlier weeks or the level are not known.

    n: requests per bucket, shape (buckets,); start, step: of the grid, microseconds; it lies inside
    `past`, which should reach weeks further back. A holiday that the diary knows has a level of
    its own: its first two hours, and the two after it, are not known.
    """
    hours = len(past.hours)
    usable = ~marked(events, UNUSUAL, past.start, hours)
    hourly = week_by_week(Course(past.start, past.hours, usable), zone, weeks)
    middles = start + step * (np.arange(len(n), dtype=np.float64) + 0.5)
    key = hours_of_week(past.start, HOUR, hours, zone)
    base = _drawn(hourly, key, past.start, middles) * (step / HOUR)
    holiday = marked(events, ("holiday",), past.start, hours)
    return base * _level(past, hourly, holiday, n, base, start, step)


def _drawn(hourly: Floats, key: Ints, start: int, instants: Floats) -> Floats:
    """Requests an hour at some instants: a line from the middle of each hour to the next; where a
    neighbour is unknown, or beyond a step (a shop that closes at night) or a clock change, the
    hour's own. key: hours of the week.
    """
    place = (instants - start) / HOUR - 0.5
    low = np.clip(np.floor(place).astype(np.int64), 0, len(hourly) - 1)
    high = np.minimum(low + 1, len(hourly) - 1)
    own = hourly[np.clip(((instants - start) // HOUR).astype(np.int64), 0, len(hourly) - 1)]
    share = np.clip(place - low, 0.0, 1.0)
    line = hourly[low] * (1 - share) + hourly[high] * share
    less, more = np.fmin(hourly[low], hourly[high]), np.fmax(hourly[low], hourly[high])
    jump = (key[high] - key[low]) % 168 != high - low
    return np.where(np.isnan(line) | (more > STEP * less) | jump, own, line)


def _level(
    past: Past,
    hourly: Floats,
    holiday: NDArray[np.bool_],
    n: Floats,
    base: Floats,
    start: int,
    step: int,
) -> Floats:
    """Traffic of the six hours before each bucket over what was usual for them; NaN when fewer
    than two hours of them are known and as much a holiday as the bucket, or hardly any was due.
    """
    before, per_hour = int((start - past.start) // HOUR), HOUR // step
    lead = slice(max(0, before - LEVEL_HOURS), before)
    was = np.concatenate([np.repeat(past.hours[lead] / per_hour, per_hour), n])
    should = np.concatenate([np.repeat(hourly[lead] / per_hour, per_hour), base])
    instants = start + step * (np.arange(len(was)) - (len(was) - len(n)))
    kind = holiday[np.clip((instants - past.start) // HOUR, 0, len(holiday) - 1)]
    level = np.full(len(n), np.nan)
    for same in (False, True):
        found = _ratio(was, should, kind == same, LEVEL_HOURS * per_hour)[-len(n) :]
        mine = kind[-len(n) :] == same
        level[mine] = found[mine]
    return level


def _ratio(was: Floats, should: Floats, counted: NDArray[np.bool_], width: int) -> Floats:
    """Sum of `was` over sum of `should` in the `width` places before each; NaN where fewer than a
    third of them are known, or too little was due in them.
    """
    known = counted & ~np.isnan(was) & ~np.isnan(should)
    sums = [
        np.concatenate([[0.0], np.cumsum(np.where(known, x, 0.0))])
        for x in (was, should, np.ones(len(was)))
    ]
    end = np.arange(len(was))
    actual, due, count = (x[end] - x[np.maximum(end - width, 0)] for x in sums)
    enough = (count >= width * LEAST_LEVEL_HOURS / LEVEL_HOURS) & (due >= LEAST_LEVEL_REQUESTS)
    found: Floats = np.full(len(was), np.nan)
    np.divide(actual, due, out=found, where=enough)
    return found


def past_of(hourly: dict[int, float], window: Window) -> Past:
    """The hours of a window from a table of known ones (start of the hour: requests)."""
    hours = range(window.start, window.end, HOUR)
    return Past(window.start, np.array([hourly.get(hour, np.nan) for hour in hours]))
