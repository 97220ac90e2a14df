"""The newest minutes, counted from the log files themselves before any scan has seen them.

Of each new file three columns are read, once (see `kept`). What to expect of an hour comes from
the profiles of earlier weeks, the level of the last hours from the row counts in footers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from analyzer.config import Rollout
from analyzer.diary import Event, weight_at
from analyzer.errors import LogError, StoreError
from analyzer.logs import SIDES, LogFile, Side, survey
from analyzer.policy import Trigger as Limits
from analyzer.profiles import Profiles, open_profiles
from analyzer.reader import selecting
from analyzer.roles import refuse_swapped
from analyzer.stats.result import Undefined
from analyzer.store import Store
from analyzer.triggers.counting import added, counted
from analyzer.triggers.expected import LEVEL_HOURS, Floats, Past, past_of
from analyzer.triggers.kept import GroupCounts, Kept, Key, key_of
from analyzer.triggers.minutes import Minutes, hours_served
from analyzer.triggers.rolled_out import rolled_out
from analyzer.triggers.run import Triggers, followed
from analyzer.triggers.unread import Unread, marked, told_twice, unread
from analyzer.window import HOUR, MINUTE, WEEK, Window

if TYPE_CHECKING:
    from analyzer.selection import Select

READERS = 2
"""Threads that read new files."""

CLOCKS = 2
"""Hours by which a clock change may move the same hour of another week, and the hour beside it."""


@dataclass(frozen=True)
class Newest:
    """What the triggers say of the newest minutes. read, known: files counted now, and before;
    unsaved: why the counts could not be kept, empty where they were.
    """

    found: Triggers
    read: int
    known: int
    unsaved: str


def newest(rollout: Rollout, limits: Limits, events: Sequence[Event], as_of: int) -> Newest:
    """Follow every trigger over the last `live_hours` of settled minutes of the log files.

    as_of: instant, microseconds UTC; minutes younger than `settle_minutes` are not judged. Raises
    LogError (a log matches no file), ConfigError (the models changed places since the scan).
    """
    refuse_swapped(rollout, Store(rollout.store_path))
    step = limits.bucket_minutes * MINUTE
    end = (as_of - limits.settle_minutes * MINUTE) // step * step
    window = Window(end - limits.live_hours * HOUR // step * step, end)
    kept = Kept(rollout)
    logs = {side: _Log(rollout, side, kept, window) for side in SIDES}
    minutes = Minutes(
        window,
        {side: log.whole for side, log in logs.items()},
        _past(rollout, logs, limits, events, window),
        {side: log.unread for side, log in logs.items()},
        "newest files",
    )
    unsaved = _save(kept, logs)
    read, known = (sum(getattr(log, n) for log in logs.values()) for n in ("read", "known"))
    full = rolled_out(events, window.start, window.end)  # else nobody asks for days before
    before = _profiles(rollout) if full else Undefined("no full rollout")
    found = followed(rollout, minutes, limits, events, before)
    return Newest(found, read, known, unsaved)


def _profiles(rollout: Rollout) -> Profiles | Undefined:
    """What was scanned, or why there is nothing."""
    try:
        return open_profiles(Store(rollout.store_path))
    except StoreError as error:
        return Undefined(str(error))


class _Log:
    """One model's files, and the counts of those that reach into a window and the hours before."""

    def __init__(self, rollout: Rollout, side: Side, kept: Kept, window: Window) -> None:
        self.rollout, self.side, self.window = rollout, side, window
        self.lead = Window(window.start // HOUR * HOUR - LEVEL_HOURS * HOUR, window.end)
        self.files = survey(rollout, side, kept.files[side])
        self.counts: dict[Key, GroupCounts] = {}
        self.read = self.known = 0
        old = kept.counts[side]
        log = rollout.log(side)
        # a filter's engine serves one thread at a time
        with ThreadPoolExecutor(1 if log.where else READERS) as pool, selecting(log) as select:
            results = list(
                pool.map(lambda f: self._counted(f, old.get(key_of(f), {}), select), self.files)
            )
        for place, (file, found) in enumerate(zip(self.files, results, strict=True)):
            if isinstance(found, str):
                self.files[place] = replace(file, problem=found)
            elif found:
                self.counts[key_of(file)] = found
                fresh = found.keys() - old.get(key_of(file), {}).keys()
                self.read += bool(fresh)
                self.known += not fresh
        self.whole = added([c for groups in self.counts.values() for c in groups.values()])
        self.unread = self._unread(window)

    def _counted(self, file: LogFile, old: GroupCounts, select: Select | None) -> GroupCounts | str:
        """Counts of the row groups that are needed, or why they cannot be read."""
        if file.problem or not file.overlaps(self.lead.start, self.lead.end):
            return {}
        needed = [
            index
            for index in range(len(file.groups))
            if _reaches(file, index, self.window)
            or (_reaches(file, index, self.lead) and not self._by_footer(file, index))
        ]
        known = {index: old[index] for index in needed if index in old}
        new = [index for index in needed if index not in old]
        try:
            found = counted(self.rollout, self.side, file, new, select)
            return known | dict(found) if new else known
        except LogError as error:
            return str(error).removeprefix(f"{file.name}: ")

    def _by_footer(self, file: LogFile, index: int) -> bool:
        """Whether the rows of a group by hour can be had without reading it."""
        group = file.groups[index]
        one_hour = (group.first or 0) // HOUR == (group.last or 0) // HOUR
        return one_hour and not file.null_ts and not self.rollout.log(self.side).where

    def _unread(self, window: Window) -> tuple[Unread, ...]:
        found = self.whole.minute
        twice = [
            span
            for span in told_twice(self.rollout.time.zone, window)
            if not ((found >= span.start) & (found < span.end)).any()
        ]
        return (*unread(self.files, window), *twice)

    def hours_before(self) -> Floats:
        """Rows in each of the hours before the window's; NaN where they could not be read."""
        start = self.lead.start
        rows = np.zeros(LEVEL_HOURS)
        for file in self.files:
            counts = self.counts.get(key_of(file), {})
            for index in range(len(file.groups)) if not file.problem else ():
                first = ((file.groups[index].first or 0) - start) // HOUR
                if index not in counts and 0 <= first < LEVEL_HOURS:
                    rows[first] += file.groups[index].rows
        place = (self.whole.minute - start) // HOUR
        inside = (place >= 0) & (place < LEVEL_HOURS)
        rows += np.bincount(place[inside], weights=self.whole.n[inside], minlength=LEVEL_HOURS)
        gone = unread(self.files, Window(start, start + LEVEL_HOURS * HOUR))
        rows[marked(gone, start, HOUR, LEVEL_HOURS)] = np.nan
        return rows


def _reaches(file: LogFile, index: int, window: Window) -> bool:
    group = file.groups[index]
    return (
        group.first is not None
        and group.last is not None
        and (group.first < window.end and group.last >= window.start)
    )


def _past(
    rollout: Rollout,
    logs: Mapping[Side, _Log],
    limits: Limits,
    events: Sequence[Event],
    window: Window,
) -> Past:
    """Requests served by hour: the same hours of earlier weeks from profiles, the hours before the
    window from the files.
    """
    start, end = window.start // HOUR * HOUR, -(-window.end // HOUR) * HOUR
    before = start - LEVEL_HOURS * HOUR
    store, slot = Store(rollout.store_path), rollout.time.slot_hours * HOUR
    wanted = {
        number * slot
        for weeks in range(1, limits.baseline_weeks + 2)
        for number in range(
            (before - CLOCKS * HOUR - weeks * WEEK) // slot,
            (end + CLOCKS * HOUR - weeks * WEEK) // slot + 1,
        )
    }
    manifests = [m for m in (store.manifest(at) for at in sorted(wanted)) if m is not None]
    known = hours_served(store, manifests)
    rows = {side: log.hours_before() for side, log in logs.items()}
    for place, hour in enumerate(range(before, start, HOUR)):
        weight = weight_at(events, hour) or 0.0
        serve = {"champion": weight < 1, "challenger": weight > 0}
        known[hour] = float(sum(rows[side][place] for side in SIDES if serve[side]))
    reach = Window(start - (limits.baseline_weeks + 1) * WEEK, end)
    return past_of(known, reach)


def _save(kept: Kept, logs: Mapping[Side, _Log]) -> str:
    """Keep what was counted, if anything changed; why it could not be, else an empty text."""
    if not kept.differs(
        {s: log.files for s, log in logs.items()}, {s: log.counts for s, log in logs.items()}
    ):
        return ""
    try:
        kept.save(
            {side: log.files for side, log in logs.items()},
            {side: log.counts for side, log in logs.items()},
        )
    except OSError as error:
        return f"{kept.path}: cannot be written ({error.strerror}); every file is read again"
    return ""
