"""What must be said beside the triggers: minutes not read, hours left out of the baseline, rows
that were logged twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import numpy as np

from analyzer import compute as pc
from analyzer.baseline import UNUSUAL, marked
from analyzer.diary import Event
from analyzer.logs import SIDES
from analyzer.profiles import Profiles
from analyzer.triggers.minutes import Minutes
from analyzer.triggers.unread import whole_minutes
from analyzer.weeks import hours_of_week
from analyzer.window import HOUR, show

SHOWN = 20
"""Files that are named; of more only their number is told."""


def remarks(minutes: Minutes) -> list[str]:
    """A line for each span of a log that could not be read: its minutes are missing, not ok."""
    found = []
    for side in SIDES:
        spans = minutes.unread[side]
        for span in spans[:SHOWN]:
            first, last = whole_minutes(span)
            found.append(
                f"{side}: {span.why}; {show(max(first, minutes.window.start))} to "
                f"{show(min(last, minutes.window.end))} counts as missing"
            )
        if len(spans) > SHOWN:
            found.append(f"{side}: {len(spans) - SHOWN:,} more files could not be read")
    return found


def left_out(minutes: Minutes, events: Sequence[Event], zone: ZoneInfo) -> list[str]:
    """A line for each holiday or incident of the diary that says nothing of what to expect: it
    lies in an earlier week, in an hour of the week that the window holds.
    """
    past, window = minutes.past, minutes.window
    hours = len(past.hours)
    key = hours_of_week(past.start, HOUR, hours, zone)
    first = (window.start - past.start) // HOUR
    asked = np.isin(key, key[first:]) & ~np.isnan(past.hours)
    asked[first:] = False
    found = []
    for event in events:
        n = int((marked([event], UNUSUAL, past.start, hours) & asked).sum())
        if n:
            end = f" to {show(event.until)}" if event.until else ""
            found.append(
                f"{n} earlier {'hour' if n == 1 else 'hours'} of this time of the week left out of "
                f"the expected volume: {event.kind} {show(event.at)}{end}"
            )
    return found


def repeated(profiles: Profiles) -> list[str]:
    """A line for each model whose rows repeat requests, as when two writers' logs overlap: the
    triggers count rows as they were logged.
    """
    coverage, found = profiles.table("coverage"), []
    for side in SIDES:
        twice, rows = (
            pc.sum(coverage[f"{side}_{what}"]).as_py() for what in ("duplicates", "rows")
        )
        if twice:
            found.append(
                f"{side}: {twice:,} of {rows:,} rows repeat a request (two writers?); each counts "
                "as logged, so volumes are that much too high. `triggers --live` counts them too, "
                "and cannot know them"
            )
    return found
