"""Believing a write: read back, ask the engine, watch the challenger's counter stand still."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from analyzer.router.adapter import Adapter, Counts, Plan, RouterError, Seen, holds

EVERY = 0.05
"""Seconds between looks."""
ENOUGH = 20
"""Requests of all arms after which a challenger's counter that stood still is believed."""
RECENT_SECONDS = 1.0
"""A challenger that served within this time is not still."""
QUIET_SECONDS = 2.0
"""Without any traffic for so long, there is nothing to wait for."""
STUCK_SECONDS = 1.5
"""After so long with the weights at zero and the counter moving, the ladder's next step."""


class Confirmed(NamedTuple):
    """Three levels, told apart. configuration: read back; engine: its own status; traffic: the
    challenger's counter stood still while others grew (judged at 0 % only; without traffic `not
    seen`, never `ok`). still_at: when the counter was first seen where it stayed, seconds.
    detail: why a level could not be asked at last.
    """

    configuration: Seen
    engine: Seen
    traffic: Seen
    still_at: float | None
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing contradicts the plan and the configuration confirms it."""
        levels = (self.engine, self.traffic)
        return self.configuration == "ok" and "no" not in levels and not self.detail


def confirm(
    adapter: Adapter,
    plan: Plan,
    seconds: float,
    *,
    quiet: float = QUIET_SECONDS,
    clock: Callable[[], float] = time.time,
    on_stuck: Callable[[], bool] = lambda: False,
) -> Confirmed:
    """Look until all three levels are settled or `seconds` are over.

    quiet: seconds after which an arm without any traffic is given up as `not seen`. on_stuck is
    called when the weights are in force and the challenger still serves; it climbs the ladder.
    """
    started = time.monotonic()
    watched = Watched(adapter, clock) if plan.share == 0 else None
    configuration: Seen = "not seen"
    engine: Seen = "not seen"
    detail, stuck_since = "", started
    while True:
        configuration, engine, detail = "not seen", "not seen", ""
        try:
            live = adapter.read()
            configuration = "ok" if holds(live, plan) else "no"
            engine = adapter.engine(plan)
        except RouterError as error:
            detail = str(error)
        traffic: Seen = watched.look() if watched else "not seen"
        taken = time.monotonic() - started
        set_down = configuration == "ok" and engine != "no" and not detail
        if set_down and (traffic == "ok" or watched is None or watched.silent(taken, quiet)):
            break
        if taken >= seconds:
            break
        if set_down and traffic == "no" and time.monotonic() - stuck_since > STUCK_SECONDS:
            stuck_since = time.monotonic() if on_stuck() else float("inf")
        time.sleep(EVERY)
    still = watched.still_at if watched and traffic == "ok" else None
    return Confirmed(configuration, engine, traffic, still, detail)


class Watched:
    """The counters of the arms since the change."""

    def __init__(self, adapter: Adapter, clock: Callable[[], float]) -> None:
        self.adapter, self.clock = adapter, clock
        self.first: Counts | None = None
        self.last: Counts | None = None
        self.base = 0  # what the champion had served when the challenger last served
        self.still_at: float | None = None
        self.moved = float("-inf")

    def look(self) -> Seen:
        """`ok` once the champion served ENOUGH while the challenger's counter stood still."""
        try:
            counts = self.adapter.served()
        except RouterError:
            return "not seen"
        if counts is None:
            return "not seen"
        last, self.last = self.last, counts
        if last is None or any(now < then for now, then in zip(counts[:2], last[:2], strict=True)):
            # the first look, or a restart that set the counters back
            self.first, self.base, self.still_at = counts, counts.champion, self.clock()
        elif counts.challenger != last.challenger:
            self.base, self.still_at = counts.champion, self.clock()
            self.moved = time.monotonic()
        if counts.open_challenger:
            self.moved = time.monotonic()
        enough = bool(counts.open_champion) or counts.champion - self.base >= ENOUGH
        if enough and not counts.open_challenger and last is not None:
            return "ok"
        return "no" if time.monotonic() - self.moved < RECENT_SECONDS else "not seen"

    def silent(self, taken: float, quiet: float) -> bool:
        """Whether there is nothing to wait for: no counters, or nothing served at all."""
        last = self.last
        return last is None or (taken >= quiet and last == self.first and not last.open_challenger)
