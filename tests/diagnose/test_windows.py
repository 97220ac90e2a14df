"""Which window is diagnosed, and with which it is compared."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from planted import diagnosed, hours, logs

from analyzer import config, policy
from analyzer.diagnose.findings import Refusal
from analyzer.diagnose.windows import (
    Asked,
    Calendar,
    asked,
    baseline_of,
    incident_window,
)
from analyzer.diary import Event
from analyzer.errors import ConfigError
from analyzer.onset.search import Onset, Onsets
from analyzer.scan.run import scan
from analyzer.weeks import hours_of_week
from analyzer.window import HOUR, Window, parse, show

DAY, WEEK = 24, 168


def calendar(length: int, unclean: tuple[int, int] | None = None, pairs: int = 1000) -> Calendar:
    held = hours(0, length)
    clean = np.ones(length, dtype=bool)
    if unclean:
        clean[unclean[0] : unclean[1]] = False
    week = hours_of_week(held.start, HOUR, length, ZoneInfo("UTC"))
    return Calendar(held, week, clean, np.ones(length, dtype=bool), np.full(length, pairs))


def test_the_same_hours_of_the_week_come_first() -> None:
    window = hours(3 * WEEK, 3 * WEEK + 6)
    found, rule = baseline_of(window, window.start, calendar(4 * WEEK))
    assert found == hours(2 * WEEK, 2 * WEEK + 6)
    assert rule == "the same hours of the week, 1 week earlier"


def test_an_unclean_week_is_passed_over() -> None:
    window = hours(3 * WEEK, 3 * WEEK + 6)
    found, rule = baseline_of(window, window.start, calendar(4 * WEEK, (2 * WEEK, 2 * WEEK + 1)))
    assert found == hours(WEEK, WEEK + 6) and "2 weeks earlier" in rule


def test_then_the_same_hours_of_the_day_then_the_time_before() -> None:
    window = hours(3 * DAY + 5, 3 * DAY + 11)
    found, rule = baseline_of(window, window.start, calendar(4 * DAY))
    assert found == hours(2 * DAY + 5, 2 * DAY + 11) and "1 day earlier" in rule
    late = hours(20, 30)
    found, rule = baseline_of(late, late.start, calendar(30))
    assert found == hours(10, 20) and rule == "the time right before"
    nothing, why = baseline_of(hours(2, 12), hours(2, 12).start, calendar(30))
    assert nothing is None and "no clean time of 10 h" in why


def test_a_baseline_ends_before_the_onset() -> None:
    window = hours(3 * DAY, 4 * DAY)
    onset = hours(2 * DAY + 6, 0).start
    found, _ = baseline_of(window, onset, calendar(5 * DAY))
    assert found == hours(DAY, 2 * DAY)


def test_a_window_longer_than_a_week() -> None:
    window = hours(3 * WEEK, 4 * WEEK + DAY)
    found, rule = baseline_of(window, window.start, calendar(5 * WEEK))
    assert found == hours(WEEK, 2 * WEEK + DAY) and "2 weeks earlier" in rule


def test_hours_of_the_week_are_where_people_live() -> None:
    start = parse("2025-03-30T00")  # the clocks of Paris go forward at 01:00 UTC
    week = hours_of_week(start, HOUR, 4, ZoneInfo("Europe/Paris"))
    assert week.tolist() == [145, 147, 148, 149]
    minutes = hours_of_week(start, 60_000_000, 61, ZoneInfo("Europe/Paris"))
    assert minutes.tolist() == [145] * 60 + [147]


def test_a_rollback_says_where_to_look() -> None:
    held = hours(0, WEEK)
    at = hours(100.5, 101).start
    events = [
        Event(ts=show(at - 10 * 60_000_000), kind="trigger"),
        Event(ts=show(at), kind="rollback"),
    ]
    found = asked(held, events, None, False)
    assert found.found == "rollback" and found.search == hours(101 - 72, 101)
    assert (found.trigger, found.rollback) == (at - 10 * 60_000_000, at)


def test_a_given_window_takes_the_diary_along() -> None:
    events = [Event(ts=show(hours(51, 52).start), kind="rollback")]
    found = asked(hours(0, WEEK), events, hours(48, 52), False)
    assert found.window == hours(48, 52) and found.rollback == hours(51, 52).start
    assert found.trigger is None and found.search == hours(0, 52)


def test_nothing_to_diagnose() -> None:
    with pytest.raises(ConfigError, match="--incident START/END"):
        asked(hours(0, WEEK), [], None, False)


def onsets(at: Window | None) -> Onsets:
    one = Onset(
        series="flips",
        unit="share",
        located=at is not None,
        refusal="" if at else "no shift beyond chance",
        at=show(at.start) if at else None,
        low=show(at.start) if at else None,
        high=show(at.end) if at else None,
        shift=0.1 if at else None,
        shift_sd=4.0 if at else None,
        direction="up" if at else None,
        kind="step" if at else None,
        statistic=5.0,
        threshold=4.0,
        deseasoned="",
        points_before=100,
        points_searched=24,
        sentence="",
    )
    return Onsets(
        searched=("", ""),
        step="hour",
        false_alarm=0.05,
        series=[one],
        order=["flips"] if at else [],
        at=one.at,
        low=one.low,
        high=one.high,
        hours_to_trigger=None,
        hours_to_rollback=None,
        sentences=[],
    )


def auto(search: Window) -> Asked:
    return Asked("auto", None, search, None, None)


def test_from_the_onset_on_as_much_as_is_needed() -> None:
    search = hours(2 * WEEK, 4 * WEEK)
    start = hours(2 * WEEK + 7, 2 * WEEK + 9)
    few, why = incident_window(auto(search), onsets(start), calendar(4 * WEEK, pairs=10))
    assert few == hours(2 * WEEK + 7, 4 * WEEK) and "the end" in why
    many, why = incident_window(auto(search), onsets(start), calendar(4 * WEEK, pairs=10**6))
    assert many.hours == 48 and "48 h later" in why
    short = Window(search.start, start.start + 3 * HOUR)
    assert incident_window(auto(short), onsets(start), calendar(4 * WEEK))[0].hours == 3


def test_without_an_onset_the_last_day_is_taken() -> None:
    search = hours(2 * WEEK, 3 * WEEK)
    found, why = incident_window(auto(search), onsets(None), calendar(4 * WEEK))
    assert found == hours(3 * WEEK - DAY, 3 * WEEK) and "no onset was located" in why


def test_a_window_is_cut_to_what_was_profiled(tmp_path: Path) -> None:
    path = logs(tmp_path, 6, [], pairs=3_000) / "rollout.toml"
    for first, last in ((0, 48), (96, 120)):
        span = hours(first, last)
        scan(config.load(path), policy.load(), window=(span.start, span.end))

    def why(first: int, last: int) -> tuple[str, tuple[str, str]]:
        found = diagnosed(path, incident=hours(first, last)).diagnosis.incident
        return found.why, found.window

    def whole(first: int, last: int) -> tuple[str, str]:
        return show(hours(first, last).start), show(hours(first, last).end)

    for asked_for, there in ((24, 72), (24, 48)), ((100, 300), (100, 120)):
        cut = f"given; of {hours(*asked_for)} only {hours(*there)} was profiled"
        assert why(*asked_for) == (cut, whole(*there))
    assert why(24, 110) == ("given; 48 h of it were not profiled", whole(24, 110))
    with pytest.raises(ConfigError, match="scan those logs first"):
        why(60, 80)


def test_raw_logs_that_are_gone_are_said(tmp_path: Path) -> None:
    path = logs(tmp_path, 3, [], pairs=3_000) / "rollout.toml"
    scan(config.load(path), policy.load())
    assert not [r for r in _refusals(path) if r.part == "raw logs"]
    for file in (tmp_path / "challenger").rglob("*.parquet"):
        file.write_bytes(file.read_bytes()[:100])
    (said,) = [r.reason for r in _refusals(path) if r.part == "raw logs"]
    assert "now hold 0" in said and "analyzer check" in said


def _refusals(path: Path) -> list[Refusal]:
    return diagnosed(path, incident=hours(48, 72)).diagnosis.refusals
