"""The full rollout: when the challenger answers everyone, and how long the champion took before.

The champion then serves nobody, and what its mirror takes is no measure: it carries a twentieth of
the traffic. The challenger's latency is held against the champion's last accepted days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from analyzer.accepted import champion_before, span_of
from analyzer.binned import fine_bins
from analyzer.diary import Event
from analyzer.policy import Trigger as Limits
from analyzer.profiles import Profiles
from analyzer.stats.result import Undefined
from analyzer.triggers.grid import Floats, Grid, percentiles
from analyzer.weeks import hours_of_week, local_hours

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Before:
    """The champion's latency percentile (milliseconds) on its accepted days, per bucket of a grid
    at the same hour of the day, NaN where not known, and the n requests behind it.

    full: buckets of the full rollout, in which it counts. days: which they are; note: why there
    are none.
    """

    full: Bools
    latency: Floats
    n: Ints
    days: str
    note: str = ""

    @property
    def whose(self) -> str:
        """What the challenger is held against, for people."""
        then = f"champion's at the same hours of {self.days}"
        return then if self.full.all() else f"champion's (in the full rollout the {then})"


def rolled_out(events: Sequence[Event], start: int, end: int) -> list[tuple[int, int]]:
    """Spans [from, to) of the window in which the full rollout is in force by the diary: the
    phase `full`, until another one begins or a rollback takes the weight away, or all of the
    traffic. The first may begin before the window.
    """
    found: list[tuple[int, int]] = []
    phase, weight, began = "", None, None
    for event in sorted(events, key=lambda event: event.at):
        if event.at >= end:
            break
        phase = event.phase if event.kind == "phase" else phase
        weight = weight if event.challenger_weight is None else event.challenger_weight
        full = weight == 1 or (phase == "full" and weight != 0)
        if full and began is None:
            began = event.at
        elif not full and began is not None:
            found.append((began, event.at))
            began = None
    if began is not None:
        found.append((began, end))
    return [span for span in found if span[1] > start]


def before(
    profiles: Profiles | Undefined,
    events: Sequence[Event],
    limits: Limits,
    zone: ZoneInfo,
    grid: Grid,
) -> Before | None:
    """What the champion took on its last accepted days before the rollout that the grid shows;
    None where it shows none.

    zone: whose hours of the day are compared. Of several rollouts the first one's days count.
    """
    spans = rolled_out(events, grid.start, grid.end)
    at = grid.start + grid.step * np.arange(grid.points)
    full = np.zeros(grid.points, dtype=bool)
    for first, end in spans:
        full |= (at >= first) & (at < end)
    if not full.any():
        return None
    days = (
        profiles
        if isinstance(profiles, Undefined)
        else champion_before(profiles, events, spans[0][0], limits.baseline_days)
    )
    if isinstance(days, Undefined):
        nothing = np.zeros(grid.points, dtype=np.int64)
        words = f"its last {limits.baseline_days} accepted days"
        return Before(full, np.full(grid.points, np.nan), nothing, words, days.reason)
    latency, n = _by_clock(days, limits.latency_quantile, zone)
    clock = hours_of_week(grid.start, grid.step, grid.points, zone) % 24
    return Before(full, latency[clock], n[clock], span_of(days))


def _by_clock(days: Profiles, q: float, zone: ZoneInfo) -> tuple[Floats, Ints]:
    """The champion's percentile and its requests by hour of the day."""
    clock = local_hours(days.window.start, int(days.window.hours), zone)[0] % 24
    hour, code, count = fine_bins(days, "champion", "latency_ms")
    n = np.bincount(clock[hour], weights=count, minlength=24).astype(np.int64)
    return percentiles(clock[hour], code, count, 24, q), n
