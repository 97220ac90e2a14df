"""Which time is the incident, with which it is compared, and what the diary says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.diagnose.findings import FoundBy
from analyzer.diary import Event, incidents
from analyzer.errors import ConfigError
from analyzer.onset.search import Onsets
from analyzer.profiles import Profiles
from analyzer.store import Manifest
from analyzer.weeks import hours_of_week
from analyzer.window import DAY, HOUR, WEEK, Window, parse, show

TRIGGER_HOURS = 24
"""A trigger belongs to a rollback when it fired within so many hours before it."""

SEARCH_HOURS = 72
"""How long before a rollback or a given window an onset is looked for."""

HISTORY_WEEKS = 4
SHORTEST_BASELINE = 6
"""Hours; and a quarter of the incident's window."""

LEAST_PAIRED = 0.5
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Asked:
    """What is known of an incident before anything is measured.

    window: to be diagnosed, None until the onset is found. search: where the onset may lie. found:
    given, auto or rollback. cut: in words, what of the time asked for was not profiled.
    """

    found: FoundBy
    window: Window | None
    search: Window
    trigger: int | None
    rollback: int | None
    cut: str = ""


def asked(
    held: Window, events: Sequence[Event], incident: Window | None, auto: Window | bool
) -> Asked:
    """Resolve what the user asked for within `held`, the time that was profiled.

    incident: a window given. auto: look for the onset everywhere (True) or within a window.
    Neither: the diary's latest rollback. What lies outside `held` is cut off. Raises ConfigError
    when there is none, or when nothing of the time asked for was profiled.
    """
    if incident is not None:
        window, cut = cut_to(incident, held)
        trigger, rollback = _moments(events, window.start - TRIGGER_HOURS * HOUR, incident.end)
        first = max(window.start - SEARCH_HOURS * HOUR, held.start)
        return Asked("given", window, Window(first, window.end), trigger, rollback, cut)
    if auto:
        span, cut = (_all_but_history(held), "") if auto is True else cut_to(auto, held)
        return Asked("auto", None, span, *_moments(events, span.start, span.end), cut)
    rollbacks = [e.at for e in events if e.kind == "rollback" and held.start < e.at]
    if not rollbacks:
        raise ConfigError(
            "the diary names no rollback in the time that was profiled; say --incident START/END, "
            "or --auto, or write it down with `analyzer event add rollback --at TIME`"
        )
    rollback = rollbacks[-1]
    end = -(-rollback // HOUR) * HOUR
    search, cut = cut_to(Window(max(end - SEARCH_HOURS * HOUR, held.start), end), held)
    trigger, _ = _moments(events, search.start, rollback)
    return Asked("rollback", None, search, trigger, rollback, cut)


def _all_but_history(held: Window) -> Window:
    """Everything but what tells what is usual: two weeks where there are three or more, else a
    third, two days at least.
    """
    hours = (held.end - held.start) // HOUR
    history = 2 * 168 if hours >= 3 * 168 else max(48, hours // 3)
    return Window(held.start + min(history, hours // 2) * HOUR, held.end)


def cut_to(window: Window, held: Window) -> tuple[Window, str]:
    """The part of a window that was profiled, and in words what was not."""
    found = Window(max(window.start, held.start), min(window.end, held.end))
    if found.end <= found.start:
        raise ConfigError(
            f"nothing of {window} was profiled (there is {held}); "
            "scan those logs or name another window"
        )
    if found == window:
        return found, ""
    return found, f"of {window} only {found} was profiled"


def _moments(events: Sequence[Event], start: int, end: int) -> tuple[int | None, int | None]:
    """First trigger and first rollback behind it in [start, end + a day]."""
    rollback = next(
        (e.at for e in events if e.kind == "rollback" and start < e.at <= end + DAY), None
    )
    until = end if rollback is None else rollback
    trigger = next((e.at for e in events if e.kind == "trigger" and start <= e.at <= until), None)
    return trigger, rollback


def profiled(manifests: Sequence[Manifest]) -> Window:
    """The time from the first slot's start to the last one's end."""
    return Window(min(m.start for m in manifests), max(m.end for m in manifests))


def known_by(held: Window, as_of: int | None) -> Window:
    """What was profiled up to an instant. Raises ConfigError where that is nothing."""
    if as_of is None or as_of >= held.end:
        return held
    if as_of < held.start + HOUR:
        raise ConfigError(f"nothing before --as-of {show(as_of)} was profiled (there is {held})")
    return Window(held.start, as_of // HOUR * HOUR)


@dataclass(frozen=True, eq=False)
class Calendar:
    """The hours that were profiled: where in the week they lie, which hold pairs, which are clean.

    clean: profiled, and without an incident in the diary. paired: half of the champion's requests
    or more have a partner, or the champion was idle. One element an hour of `held`.
    """

    held: Window
    hour_of_week: NDArray[np.int64]
    clean: Bools
    paired: Bools
    pairs: NDArray[np.int64]

    @classmethod
    def of(cls, profiles: Profiles, events: Sequence[Event], zone: ZoneInfo) -> Calendar:
        """The calendar of every slot that `profiles` touch."""
        held = profiled(profiles.manifests)
        hours = (held.end - held.start) // HOUR
        known: Bools = np.zeros(hours, dtype=bool)
        for m in profiles.manifests:
            known[(m.start - held.start) // HOUR : (m.end - held.start) // HOUR] = True
        clean = known.copy()
        for start, end in incidents(events):
            first, last = start, held.end if end is None else end
            span = [max(0, (x - held.start) // HOUR) for x in (first, last + HOUR - 1)]
            clean[span[0] : max(span)] = False
        coverage = profiles.whole_slots("coverage")
        at = (coverage["hour"].cast(pa.int64()).to_numpy() - held.start) // HOUR
        champion, pairs = (
            np.bincount(at, weights=coverage[name].to_numpy(), minlength=hours).astype(np.int64)
            for name in ("champion_rows", "matched")
        )
        paired = known & (pairs >= champion * LEAST_PAIRED)
        return cls(held, hours_of_week(held.start, HOUR, hours, zone), clean, paired, pairs)

    @property
    def usual(self) -> Bools:
        """The hours that tell what is usual: clean, and the shadow was there."""
        return self.clean & self.paired

    def place(self, instant: int) -> int:
        """Hour in which an instant lies; 0 for all that is earlier."""
        return max(0, (instant - self.held.start) // HOUR)

    def usable(self, window: Window) -> bool:
        """Whether a window was profiled from end to end, is clean and holds pairs."""
        if not self.held.holds(window.start, window.end):
            return False
        span = slice(self.place(window.start), self.place(window.end))
        return bool(self.usual[span].all()) and bool(self.pairs[span].any())


def baseline_of(window: Window, before: int, calendar: Calendar) -> tuple[Window | None, str]:
    """A clean window of the same length that ends by `before`, and how it was chosen.

    The same hours of the week, up to four weeks back; else the same hours of the day; else the
    time right before, of which a quarter of the length is enough.
    """
    length = window.end - window.start
    for step, limit, rule in (
        (WEEK, HISTORY_WEEKS, "the same hours of the week, {n} earlier"),
        (DAY, 6, "the same hours of the day, {n} earlier"),
    ):
        first = max(1, -(-(window.end - before) // step))
        for back in range(first, first + limit):
            found = Window(window.start - back * step, window.end - back * step)
            if found.end <= before and calendar.usable(found):
                n = f"{back} {'week' if step == WEEK else 'day'}{'s' * (back > 1)}"
                return found, rule.format(n=n)
    right_before = Window(before - length, before)
    if calendar.usable(right_before):
        return right_before, "the time right before"
    for hours in range(length // HOUR, max(SHORTEST_BASELINE, length // HOUR // 4) - 1, -1):
        shorter = Window(before - hours * HOUR, before)
        if calendar.usable(shorter):
            return shorter, f"the {hours} h right before: no more were profiled and clean"
    return None, (
        f"no clean time of {length // HOUR:,} h was profiled before {show(before)}: "
        "the store begins at " + show(calendar.held.start)
    )


def same_hours(window: Window, baseline: Window) -> bool:
    """Whether the hours of both, counted from their starts, are the same hours of the day."""
    return (window.start - baseline.start) % DAY == 0


INPUTS = ("null features",)
"""Series of what the models see, not of what they do: they may lead, they are no incident."""


@dataclass(frozen=True)
class FirstOnset:
    """The series that moved first, when, and within which interval (text, UTC)."""

    series: str
    at: str
    low: str
    high: str


def first_onset(onsets: Onsets) -> FirstOnset | None:
    """The earliest onset of what the models do; of what they see where that alone moved."""
    by_name = {o.series: o for o in onsets.series}
    outcomes = [name for name in onsets.order if name not in INPUTS]
    for name in (*outcomes, *onsets.order):
        found = by_name[name]
        if found.at and found.low and found.high:
            return FirstOnset(name, found.at, found.low, found.high)
    return None


LEAST_PAIRS, FEW_PAIRS = 1_000_000, 10_000
SHORTEST, LONGEST = 2 * DAY, 14 * DAY


def incident_window(question: Asked, onsets: Onsets, calendar: Calendar) -> tuple[Window, str]:
    """The window to diagnose, whole hours, and why it is that one.

    A given one as it is. Else from the onset to where the search ended (the rollback), at most
    two days of it or as many as hold a million pairs, never more than 14; without an onset the
    last 24 hours searched, or as many days, up to 7, as hold ten thousand pairs.
    """
    window, why = _chosen(question, onsets, calendar)
    return window, f"{why}; {question.cut}" if question.cut else why


def _chosen(question: Asked, onsets: Onsets, calendar: Calendar) -> tuple[Window, str]:
    if question.window is not None:
        return question.window, "given"
    end = question.search.end
    onset = first_onset(onsets)
    if onset is None:
        start = end - DAY
        while end - start < WEEK and _pairs(calendar, start, end) < FEW_PAIRS:
            start -= DAY
        start = max(question.search.start, start)
        return Window(start, end), f"no onset was located: the last {(end - start) // HOUR} h"
    start = parse(onset.at) // HOUR * HOUR
    last = min(end, start + SHORTEST)
    while last < min(end, start + LONGEST):
        if _pairs(calendar, start, last) >= LEAST_PAIRS:
            break
        last = min(end, last + DAY)
    known = question.found == "rollback" and not question.cut
    to = "the rollback" if known else "the end of what was searched"
    if last < end:
        to = f"{(last - start) // HOUR} h later, which is enough to read"
    return Window(start, last), f"from the onset to {to}"


def _pairs(calendar: Calendar, start: int, end: int) -> int:
    return int(calendar.pairs[calendar.place(start) : calendar.place(end)].sum())
