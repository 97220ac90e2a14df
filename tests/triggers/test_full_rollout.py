"""The triggers in the full rollout: the champion's last accepted days are what latency was, and
what is only shown to the old model is no traffic.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from logbook import START, Book
from served import BEGAN, Columns, full, full_diary

from analyzer import policy
from analyzer.diary import Event
from analyzer.profiles import Profiles, open_profiles
from analyzer.triggers.newest import newest
from analyzer.triggers.rolled_out import rolled_out
from analyzer.triggers.run import Triggers, triggers
from analyzer.window import DAY, HOUR, MINUTE, Window, show

LIMITS = msgspec.structs.replace(
    policy.load().trigger,
    bucket_minutes=60,
    min_requests=50,
    min_expected=50.0,
    latency_minutes=120,
    error_minutes=120,
    volume_minutes=120,
    live_hours=4,
)
SLOW = 6
"""Hours of the rollout after which everything takes three times as long."""


def slower(columns: Columns) -> Columns:
    late = columns["seconds"] >= (BEGAN - START) / 1e6 + SLOW * 3600
    return {**columns, "latency_ms": columns["latency_ms"] * np.where(late, 3.0, 1.0)}


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """Both models are slow in the rollout: against the concurrent champion nothing is."""
    book = Book(tmp_path_factory.mktemp("full"))
    full(book, days=1, mirror=0.5, change=slower, mirrored=slower)
    return book


def followed(
    book: Book, window: Window, events: list[Event] | None = None, **changed: Any
) -> dict[str, Any]:
    profiles = open_profiles(book.store, window)
    limits = msgspec.structs.replace(LIMITS, **changed)
    found: Triggers = triggers(
        book.rollout, profiles, limits, full_diary() if events is None else events
    )
    return {trigger.name: trigger for trigger in found.triggers}


ROLLED_OUT = Window(BEGAN, BEGAN + DAY)


def test_latency_is_held_against_the_champions_accepted_days(slow: Book) -> None:
    found = followed(slow, ROLLED_OUT)
    latency = found["latency"]
    assert "same hours of 7 accepted days from 2025-03-04 to 2025-03-10" in latency.rule
    (firing,) = latency.firings
    assert (firing.first, firing.fired) == (
        show(BEGAN + SLOW * HOUR),
        show(BEGAN + (SLOW + 1) * HOUR),
    )
    assert list(firing.counts) == ["challenger"]
    three = followed(slow, ROLLED_OUT, baseline_days=3)["latency"]
    assert "3 accepted days from 2025-03-08" in three.rule
    assert "volume of the champion" not in found, "it serves nobody"
    halves = [Event(ts=show(START), kind="phase", phase="ab", challenger_weight=0.5)]
    together = followed(slow, ROLLED_OUT, halves)["latency"]
    assert not together.firings and "champion's for 120 minutes" in together.rule


def test_without_an_accepted_day_nothing_is_said(slow: Book) -> None:
    none = Event(ts=show(START), kind="incident", end=show(BEGAN))
    found = followed(slow, ROLLED_OUT, [*full_diary(), none])["latency"]
    assert found.outcome == "undecided" and found.minutes["missing"] == 24
    assert found.sentence.startswith("undecided: no accepted day of the champion was scanned")
    open_end = Event(ts=show(START), kind="incident")
    found = followed(slow, ROLLED_OUT, [*full_diary(), open_end])["latency"]
    assert found.outcome == "undecided", "an incident without an end lasts still"


def test_a_window_over_the_start_of_the_rollout(slow: Book) -> None:
    found = followed(slow, Window(BEGAN - 12 * HOUR, BEGAN + DAY))["latency"]
    assert "champion's (in the full rollout the champion's at the same hours of 7" in found.rule
    (firing,) = found.firings
    assert firing.first == show(BEGAN + SLOW * HOUR)


def test_what_is_shown_to_the_old_model_is_no_traffic(slow: Book) -> None:
    window = Window(BEGAN + 4 * HOUR, BEGAN + 8 * HOUR)
    ours = followed(slow, window, baseline_weeks=1)["volume"]
    counts = slow.profiles.within(window).table("coverage")
    assert ours.minutes["ok"] == 4, "against the week before"
    rows = sum(counts["challenger_rows"].to_pylist())
    silent = followed(slow, window, max_volume_drop=1e-9, min_expected=1.0)
    assert silent["volume of the challenger"].outcome == "ok", "all of the traffic is its"
    assert rows > 1.5 * sum(counts["champion_rows"].to_pylist()) > 0


def test_the_newest_files_say_the_same(slow: Book) -> None:
    as_of = BEGAN + 8 * HOUR + LIMITS.settle_minutes * MINUTE
    live = newest(slow.rollout, LIMITS, full_diary(), as_of).found
    window = Window(BEGAN + 4 * HOUR, BEGAN + 8 * HOUR)
    manifests = list(slow.store.manifests().values())
    profiles = Profiles(slow.store, slow.profiles.frozen, manifests, window)
    scanned = triggers(slow.rollout, profiles, LIMITS, full_diary())
    assert live.triggers == scanned.triggers
    assert {t.name: t.outcome for t in live.triggers} == {
        "latency": "fired",
        "errors": "ok",
        "volume": "ok",
        "volume of the challenger": "ok",
    }


def test_when_a_rollout_is_full() -> None:
    def event(at: int, kind: Any, weight: float | None = None, phase: str = "") -> Event:
        return Event(ts=show(at * HOUR), kind=kind, challenger_weight=weight, phase=phase)

    def hours(*events: Event, start: int = 0) -> list[tuple[int, int]]:
        found = rolled_out(events, start * HOUR, 100 * HOUR)
        return [(first // HOUR, end // HOUR) for first, end in found]

    began = event(10, "phase", 1.0, "full")
    assert hours() == hours(event(10, "phase", 0.5, "ab")) == []
    assert hours(began) == hours(event(10, "phase", None, "full")) == [(10, 100)]
    assert hours(began, event(20, "rollback", 0.0)) == [(10, 20)]
    assert hours(began, event(20, "rollback", 0.0), start=20) == []
    again = event(30, "weight", 1.0)
    assert hours(began, event(20, "rollback", 0.0), again) == [(10, 20), (30, 100)]
    assert hours(event(5, "weight", 0.5), event(10, "weight", 1.0)) == [(10, 100)]
    assert hours(began, event(20, "phase", 0.5, "ab")) == [(10, 20)]
    assert hours(began, event(101, "rollback", 0.0)) == [(10, 100)]
