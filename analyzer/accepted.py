"""The champion's last accepted days before an instant: what latency was when it served."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from analyzer import compute as pc
from analyzer.baseline import UNUSUAL, marked
from analyzer.diary import Event, weight_at
from analyzer.profiles import Profiles
from analyzer.stats.result import Undefined
from analyzer.window import DAY, HOUR, Window

LOOK_BACK = 35
"""Days before among which accepted ones are looked for."""

MOST = 0.5
"""Share of the traffic that the champion served at least: in an A/B test it still did."""


def champion_before(
    profiles: Profiles, events: Sequence[Event], began: int, days: int
) -> Profiles | Undefined:
    """Profiles of the champion's last accepted days before the one in which a phase began.

    Accepted: scanned from end to end, with champion rows that users got by the diary's weights,
    and without a holiday, an incident, a rollback or a trigger that fired.
    """
    first = began // DAY * DAY
    wider = profiles.within(Window(first - LOOK_BACK * DAY, first))
    held = {day: [m for m in wider.manifests if m.start // DAY == day] for day in _days(wider)}
    rows = _champion_rows(wider) if held else {}
    kept = [
        day
        for day in sorted(held, reverse=True)
        if sum(m.end - m.start for m in held[day]) >= DAY
        and rows.get(day, 0)
        and _served(events, day * DAY)
        and not marked(events, UNUSUAL, day * DAY, 24).any()
    ][:days]
    if not kept:
        return Undefined(
            f"no accepted day of the champion was scanned in the {LOOK_BACK} days before the phase"
        )
    manifests = [m for day in kept for m in held[day]]
    span = Window(min(kept) * DAY, (max(kept) + 1) * DAY)
    return Profiles(wider.store, wider.frozen, sorted(manifests, key=lambda m: m.start), span)


def _days(profiles: Profiles) -> list[int]:
    return sorted({m.start // DAY for m in profiles.manifests})


def _champion_rows(profiles: Profiles) -> dict[int, int]:
    table = profiles.table("coverage")
    day = table["hour"].cast("int64").to_numpy() // DAY
    n = pc.fill_null(table["champion_rows"], 0).to_numpy()
    return {int(d): int(n[day == d].sum()) for d in np.unique(day)}


def _served(events: Sequence[Event], start: int) -> bool:
    weights = [weight_at(events, start + hour * HOUR) or 0.0 for hour in range(24)]
    return max(weights) <= MOST


def same_hours(profiles: Profiles, window: Window) -> NDArray[np.bool_]:
    """The hours of some profiles that have a clock hour (UTC) of the window."""
    asked = {at // HOUR % 24 for at in range(window.start, window.end, HOUR)}
    start = profiles.window.start // HOUR
    return np.array([(start + at) % 24 in asked for at in range(int(profiles.window.hours))])


def span_of(profiles: Profiles) -> str:
    """The days as people read them."""
    first, last = (
        datetime.fromtimestamp(at // 1_000_000, UTC)
        for at in (profiles.window.start, profiles.window.end - DAY)
    )
    count = len({m.start // DAY for m in profiles.manifests})
    return f"{count} accepted days from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
