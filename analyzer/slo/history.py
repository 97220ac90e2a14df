"""Both models' minutes, from the weeks that say what is usual to the window's end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.baseline import Course, Usual, marked, usual
from analyzer.config import Rollout, calendar
from analyzer.diary import Event
from analyzer.logs import SIDES, Side
from analyzer.policy import Slo
from analyzer.profile import ERROR_UNKNOWN
from analyzer.profiles import Profiles
from analyzer.window import DAY, HOUR, MINUTE, WEEK, Window, show

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BROKEN = ("incident", "rollback", "trigger")
EMPTY_HOURS = 24
"""A day without a row in any log: its logs are missing, there was no such day without traffic."""


@dataclass(frozen=True, eq=False)
class History:
    """Minutes from `start` (a whole hour, microseconds UTC) to the end of `window`.

    sums: by model (champion, challenger, pair) and measure, one element a minute, 0 without rows.
    weight: the challenger's share of the served traffic, per minute. known: hours that were
    profiled and belong to no day without a row. broken, holiday: hours of the diary. unknown: by
    model and hour the requests of which nobody logged whether they failed.
    """

    window: Window
    start: int
    sums: dict[str, dict[str, Ints]]
    weight: Floats
    known: Bools
    broken: Bools
    holiday: Bools
    unknown: dict[str, Ints]
    zone: ZoneInfo

    @property
    def hours(self) -> int:
        """Hours of history and window together."""
        return len(self.known)

    @property
    def inside(self) -> slice:
        """The window's hours."""
        return slice((self.window.start - self.start) // HOUR, self.hours)

    def minutes(self, model: str, measure: str) -> Ints | None:
        """A measure of a model by minute; None where no slot holds it."""
        return self.sums[model].get(measure)

    def serves(self, side: Side) -> Bools:
        """Minutes in which a model answers users: its share of the traffic is not 0."""
        return self.weight < 1 if side == "champion" else self.weight > 0

    def logs(self, side: Side) -> bool:
        """Whether a model is there at all: it answers users, or logged a row in all this time."""
        return side in self.serving() or bool(self.sums[side]["n"].any())

    def serving_hours(self, side: Side) -> Bools:
        """Hours in which a model answers users, if only for a minute."""
        return np.asarray(self.serves(side).reshape(-1, 60).any(axis=1), dtype=np.bool_)

    def serving(self, span: slice | None = None) -> list[Side]:
        """The models that answer users in the window's hours (or other ones)."""
        hours = span or self.inside
        minutes = slice(hours.start * 60, hours.stop * 60)
        return [side for side in SIDES if bool(self.serves(side)[minutes].any())]

    def served(self, measure: str) -> Ints | None:
        """A measure of the requests that users were answered, by minute."""
        parts = [(self.minutes(side, measure), self.serves(side)) for side in SIDES]
        if all(values is None for values, _ in parts):
            return None
        found = np.zeros(len(self.weight), dtype=np.int64)
        for values, serves in parts:
            if values is not None:
                found += np.where(serves, values, 0)
        return found

    @property
    def unknown_errors(self) -> Ints:
        """Answered requests by hour of which nobody logged whether they failed."""
        found = np.zeros(self.hours, dtype=np.int64)
        for side in SIDES:
            found += np.where(self.serving_hours(side), self.unknown[side], 0)
        return found

    @cached_property
    def requests(self) -> Ints:
        """Requests answered to users by minute. One that both models answered while both serve
        was mirrored, and counts once.
        """
        both = self.serves("champion") & self.serves("challenger")
        found = self.served("n")
        assert found is not None
        return found - np.where(both, self.sums["pair"]["n"], 0)

    @property
    def ordinary(self) -> Bools:
        """Hours that may tell what is usual: known, no incident, no holiday."""
        return self.known & ~self.broken & ~self.holiday

    @property
    def left_out(self) -> str:
        """What of the weeks before the window tells nothing, in words; empty where all does."""
        before = slice(0, self.inside.start)
        parts = []
        first = int(np.argmax(self.known)) if self.known.any() else 0
        if first:
            parts.append(f"nothing was profiled before {show(self.start + first * HOUR)}")
        for hours, what in (
            (~self.known[first : before.stop], "not profiled or without any row"),
            (self.broken[before], "of incidents in the diary"),
            (self.holiday[before], "of holidays in the diary"),
        ):
            if hours.any():
                parts.append(f"{int(hours.sum())} h {what} left out")
        return "; ".join(parts)

    def usual(self, minutes: Ints, weeks: int, least: int) -> Usual:
        """What is usual of some counts at each hour of the window."""
        course = Course(self.start, by_hour(minutes).astype(np.float64), self.ordinary)
        return usual(course, self.window, self.zone, weeks, least)


def by_hour(minutes: Ints) -> Ints:
    """Sums by hour of a grid of whole hours."""
    found: Ints = minutes.reshape(-1, 60).sum(axis=1)
    return found


def history(rollout: Rollout, profiles: Profiles, limits: Slo, events: Sequence[Event]) -> History:
    """The minutes that service levels of the profiles' window rest on; read once."""
    key = ("slo history", limits.baseline_weeks, limits.budget_days, tuple(events))
    return profiles.remember(key, lambda: _history(rollout, profiles, limits, events))


def _history(rollout: Rollout, profiles: Profiles, limits: Slo, events: Sequence[Event]) -> History:
    window = profiles.window
    back = max(2 * limits.baseline_weeks * WEEK, (limits.budget_days + 1) * DAY)
    start = window.start - max(back, (limits.score_days + 1) * DAY)
    wider = profiles.within(Window(start, window.end))
    hours = (window.end - start) // HOUR
    sums = _sums(wider.table("minutes"), start, hours * 60)
    return History(
        window,
        start,
        sums,
        _weights(events, start, hours * 60),
        _known(wider, window, start, sums),
        marked(events, BROKEN, start, hours),
        marked(events, ("holiday",), start, hours),
        _unknown(wider.table("rejects"), start, hours),
        calendar(rollout),
    )


def _sums(table: pa.Table, start: int, minutes: int) -> dict[str, dict[str, Ints]]:
    found: dict[str, dict[str, Ints]] = {}
    for model in (*SIDES, "pair"):
        rows = table.filter(pc.equal(table["model"], model))
        place = (rows["minute"].cast(pa.int64()).to_numpy() - start) // MINUTE
        sums = {"n": np.zeros(minutes, dtype=np.int64)}
        for name in rows.schema.names:
            if name not in ("minute", "model"):
                sums[name] = np.zeros(minutes, dtype=np.int64)
                np.add.at(sums[name], place, rows[name].fill_null(0).to_numpy())
        found[model] = sums
    return found


def _unknown(table: pa.Table, start: int, hours: int) -> dict[str, Ints]:
    table = table.filter(pc.equal(table["reason"], ERROR_UNKNOWN))
    found: dict[str, Ints] = {}
    for side in SIDES:
        rows = table.filter(pc.equal(table["model"], side))
        at = (rows["hour"].cast(pa.int64()).to_numpy() - start) // HOUR
        found[side] = np.zeros(hours, dtype=np.int64)
        np.add.at(found[side], at, rows["n"].to_numpy())
    return found


def _weights(events: Sequence[Event], start: int, minutes: int) -> Floats:
    """The challenger's share of the traffic per minute; 0 before the diary names one."""
    weight = np.zeros(minutes)
    for event in sorted(events, key=lambda event: event.at):
        if event.challenger_weight is not None:
            weight[max(0, -(-(event.at - start) // MINUTE)) :] = event.challenger_weight
    return weight


def _known(
    profiles: Profiles, window: Window, start: int, sums: dict[str, dict[str, Ints]]
) -> Bools:
    """Hours that were profiled, but for those of a day or more in which no log has a row.

    Inside the window such a day is what is judged: nothing is missing up to the last slot there.
    """
    hours = (window.end - start) // HOUR
    known = np.zeros(hours, dtype=bool)
    for m in profiles.manifests:
        known[max((m.start - start) // HOUR, 0) : max((m.end - start) // HOUR, 0)] = True
    last = hours - int(np.argmax(known[::-1])) if known.any() else 0
    rows = by_hour(sums["champion"]["n"] + sums["challenger"]["n"])
    edges = np.flatnonzero(np.diff(np.concatenate(([0], rows == 0, [0]))))
    for first, end in edges.reshape(-1, 2).tolist():
        if end - first >= EMPTY_HOURS:
            known[first:end] = False
    known[(window.start - start) // HOUR : last] = True
    return known
