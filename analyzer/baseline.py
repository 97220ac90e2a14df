"""What a level usually is at an hour: the same hour of the week, else the clean day before.

The median over the last four weeks in which that hour was clean, of which two are needed; else the
same hour of the last clean day of its kind (working day or weekend); else nothing is known. Hours
of an incident, of a holiday, or that nobody profiled are left out, and how many is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from analyzer.diary import Event
from analyzer.weeks import local_hours
from analyzer.window import DAY, HOUR, Window

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

UNUSUAL = ("holiday", "incident", "rollback", "trigger")
"""Events whose hours tell nothing of what is usual."""

DAY_HOURS = 24
SATURDAY = 120
"""First hour of the week's end."""

NOTHING, THE_DAY = -1, 0
"""What a baseline stands on where that is no number of weeks."""

DAYS_BACK = 7
"""How far back a clean day is looked for."""


@dataclass(frozen=True, eq=False)
class Usual:
    """Per hour of a window what was usual, NaN where that is not known, and what it stands on:
    so many weeks, THE_DAY, or NOTHING.
    """

    values: Floats
    stands_on: Ints

    @property
    def words(self) -> str:
        """How many weeks it stands on, for people."""
        weeks = self.stands_on[self.stands_on > 0]
        parts = []
        if len(weeks):
            least, most = int(weeks.min()), int(weeks.max())
            many = f"{least}" if least == most else f"{least} to {most}"
            parts.append(f"the same hours of {many} clean weeks")
        if (self.stands_on == THE_DAY).any():
            hours = int((self.stands_on == THE_DAY).sum())
            parts.append(f"a clean day before ({hours} h: there are too few clean weeks)")
        if (self.stands_on == NOTHING).any():
            parts.append(f"nothing for {int((self.stands_on == NOTHING).sum())} h")
        return ", ".join(parts)


@dataclass(frozen=True, eq=False)
class Course:
    """A level by hour from `start` (microseconds UTC) on; usable: hours that tell what is usual."""

    start: int
    levels: Floats
    usable: Bools


def usual(course: Course, window: Window, zone: ZoneInfo, weeks: int = 4, least: int = 2) -> Usual:
    """What was usual at each hour of `window`, from the hours of `course` before it."""
    hours = (window.end - window.start) // HOUR
    before = min(max((window.start - course.start) // HOUR, 0), len(course.levels))
    keys, week = local_hours(course.start, before, zone)
    levels, usable = course.levels[:before], course.usable[:before]
    usable = usable & ~np.isnan(levels)
    wanted, _ = local_hours(window.start, hours, zone)
    values, stands_on = np.full(hours, np.nan), np.full(hours, NOTHING, dtype=np.int64)
    for at, key in enumerate(wanted.tolist()):
        same = np.flatnonzero(usable & (keys == key))
        found = np.unique(week[same])[-weeks:]
        if len(found) >= least:
            # an hour that clocks repeated counts once in its week
            of_week = [float(levels[same[week[same] == one]].mean()) for one in found]
            values[at], stands_on[at] = float(np.median(of_week)), len(found)
    _from_the_day(values, stands_on, wanted, keys, levels, usable)
    return Usual(values, stands_on)


def week_by_week(course: Course, zone: ZoneInfo, weeks: int) -> Floats:
    """Per hour of a course the median of the same hour of the week in up to `weeks` earlier weeks;
    NaN where there is none. Hours that are not usable count for no other hour.
    """
    keys, _ = local_hours(course.start, len(course.levels), zone)
    earlier: list[list[float]] = [[] for _ in range(168)]
    found = np.full(len(course.levels), np.nan)
    hours = zip(keys.tolist(), course.levels.tolist(), course.usable.tolist(), strict=True)
    for at, (key, level, usable) in enumerate(hours):
        known = earlier[key][-weeks:]
        if known:
            found[at] = float(np.median(known))
        if usable and level == level:
            earlier[key].append(level)
    return found


def _from_the_day(
    values: Floats, stands_on: Ints, wanted: Ints, keys: Ints, levels: Floats, usable: Bools
) -> None:
    """Fill hours without clean weeks from the last whole clean day that holds one like it."""
    end = len(levels)
    days = [
        slice(end - (back + 1) * DAY_HOURS, end - back * DAY_HOURS)
        for back in range(DAYS_BACK)
        if end >= (back + 1) * DAY_HOURS
    ]
    clean = [day for day in days if usable[day].all()]
    for at in np.flatnonzero(stands_on == NOTHING).tolist():
        key = wanted[at]
        for day in clean:
            like = (keys[day] % DAY_HOURS == key % DAY_HOURS) & (
                (keys[day] >= SATURDAY) == (key >= SATURDAY)
            )
            if like.any():
                values[at], stands_on[at] = float(levels[day][like].mean()), THE_DAY
                break


def marked(events: Sequence[Event], kinds: Sequence[str], start: int, hours: int) -> Bools:
    """Hours from `start` on that events of these kinds touch.

    A holiday without an end lasts a day, an incident without one lasts still, all else an hour.
    """
    found = np.zeros(hours, dtype=bool)
    for event in events:
        if event.kind in kinds:
            lasts = {"holiday": DAY, "incident": hours * HOUR + max(start - event.at, 0)}
            end = event.until or event.at + lasts.get(event.kind, HOUR)
            first, last = (event.at - start) // HOUR, -(-(end - start) // HOUR)
            found[max(first, 0) : max(last, 0)] = True
    return found
