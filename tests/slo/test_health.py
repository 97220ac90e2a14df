"""Model health on minutes that are known: each limit, and each situation of a baseline."""

from __future__ import annotations

import doctest
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from analyzer import baseline, policy, weeks
from analyzer.baseline import NOTHING, THE_DAY, Course, usual
from analyzer.config import Features, Score
from analyzer.diary import Event
from analyzer.profile import table
from analyzer.slo.health import model_health_checks
from analyzer.verdict import Check
from analyzer.window import HOUR, Window, parse, show
from benchmarks.planted.service import DAY, UNIT, Service, daily

POLICY = policy.load()
UTC, BERLIN = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")
MONDAY = parse("2025-03-03")


def calm(days: int = 36, start: int = MONDAY, zone: ZoneInfo = UTC, busy: float = 600) -> Service:
    """A champion that serves 600 requests a minute by day, a third by night, fewer at weekends."""
    service = Service(start, days)
    service.serve("champion", daily(service, zone, busy, busy / 3, 0.4))
    return service


def checked(
    service: Service,
    window: Window,
    events: Sequence[Event] = (),
    calendar: str = "UTC",
    **described: Any,
) -> dict[str, Check]:
    material = service.material(POLICY, window, calendar, **described)
    found = model_health_checks(material, tuple(events), always_valid=False)
    return {check.id: check for check in found}


def scaled(service: Service, day: int, factor: float, first: int = 0, last: int = 1440) -> None:
    """The champion's traffic of a part of a day, times a factor."""
    arm, at = service.arms["champion"], slice(day * 1440 + first, day * 1440 + last)
    for name in ("n", "latency_n", "score_sum", "score_squares"):
        arm[name][at] = np.rint(arm[name][at] * factor)


def test_examples_of_docstrings() -> None:
    for module in (weeks, baseline):
        assert doctest.testmod(module).failed == 0


def test_an_ordinary_day_passes() -> None:
    found = checked(calm(), Window(MONDAY + 35 * DAY, MONDAY + 36 * DAY))
    assert found["model.volume"].outcome == "pass"
    assert found["model.mean_score.champion"].outcome == "pass"
    assert "4 clean weeks" in found["model.volume"].sentence
    assert "model.volume.challenger" not in found  # there is none
    shadowed = calm()
    shadowed.serve("challenger", shadowed.arms["champion"]["n"] // 2)
    found = checked(shadowed, shadowed.window(35))
    assert found["model.volume.challenger"].severity == "warn"
    assert found["model.volume.challenger"].outcome == "fail"


@pytest.mark.parametrize(
    ("factor", "outcome"),
    [(0.78, "fail"), (0.8, "undecided"), (0.83, "pass"), (1.16, "pass"), (1.2, "undecided")],
)
def test_volume_around_its_limit(factor: float, outcome: str) -> None:
    service = calm()
    scaled(service, 35, factor)
    check = checked(service, service.window(35))["model.volume"]
    assert check.outcome == outcome
    assert check.observed.value == pytest.approx(abs(factor - 1), abs=0.005)


def test_a_few_hours_are_enough_and_are_named() -> None:
    service = calm()
    scaled(service, 35, 0.7, 600, 720)
    check = checked(service, service.window(35))["model.volume"]
    assert check.outcome == "fail"
    assert show(service.at(35, 600)) in check.sentence or show(service.at(35, 660)) in (
        check.sentence
    )


def test_a_silent_day_is_a_drop_not_a_gap() -> None:
    service = calm()
    scaled(service, 35, 0.0)
    check = checked(service, service.window(35))["model.volume"]
    assert check.outcome == "fail" and check.observed.value == 1.0


def test_a_young_log_stands_on_the_clean_day_before_then_on_nothing() -> None:
    service = calm(7)
    fifth = checked(service, service.window(4))["model.volume"]
    assert fifth.outcome == "pass" and "a clean day before (24 h" in fifth.sentence
    second = checked(service, service.window(1))["model.volume"]  # how much do days differ?
    assert second.outcome == "undecided" and "how much volumes vary" in second.observed.undefined
    assert "576,000 where 576,000 are usual" in second.sentence
    silent = calm(7)
    scaled(silent, 1, 0.0)
    assert checked(silent, silent.window(1))["model.volume"].outcome == "fail"
    first = checked(service, service.window(0))
    assert first["model.volume"].outcome == "undecided"
    assert "neither clean weeks nor a clean day" in first["model.volume"].observed.undefined
    score = first["model.mean_score.champion"]
    assert score.outcome == "undecided" and "0 ordinary days" in score.sentence


def test_monday_is_not_held_against_sunday() -> None:
    service = calm(8)
    monday = checked(service, service.window(7))["model.volume"]
    assert monday.outcome == "pass"  # Friday is the last clean working day
    saturday = checked(calm(6), service.window(5))["model.volume"]
    assert saturday.outcome == "undecided"


def test_two_weeks_are_enough_and_one_is_not() -> None:
    for days, words in ((15, "2 clean weeks"), (8, "a clean day before")):
        service = calm(days)
        check = checked(service, service.window(days - 1))["model.volume"]
        assert check.outcome == "pass" and words in check.sentence


def test_an_incident_in_the_baseline_is_left_out_and_said() -> None:
    service = calm()
    for day in (7, 14, 21, 28):  # every Monday was broken
        scaled(service, day, 0.1)
    window = service.window(35)
    assert checked(service, window)["model.volume"].outcome == "fail"
    events = [
        Event(ts=show(service.at(d)), kind="incident", end=show(service.at(d + 1)))
        for d in (14, 21, 28)
    ]
    found = checked(service, window, events)["model.volume"]
    assert "72 h of incidents in the diary left out" in found.sentence
    two = checked(service, window, events[:2])["model.volume"]
    assert two.outcome == "fail" and "3 clean weeks" in two.sentence  # the broken ones left
    every = Event(ts=show(service.at(7)), kind="incident", end=show(service.at(8)))
    fixed = checked(service, window, [*events, every])["model.volume"]
    assert fixed.outcome == "pass" and "a clean day before" in fixed.sentence


def test_an_incident_that_lasts_still_leaves_out_all_behind_it() -> None:
    service = calm()
    open_end = Event(ts=show(service.at(14)), kind="incident")
    check = checked(service, service.window(35), [open_end])["model.volume"]
    assert "2 clean weeks" in check.sentence and "504 h of incidents" in check.sentence


def test_holidays_are_neither_judged_nor_averaged_in() -> None:
    service = calm()
    scaled(service, 28, 0.3)
    scaled(service, 35, 0.3)
    holidays = [Event(ts=show(service.at(day)), kind="holiday") for day in (28, 35)]
    today = checked(service, service.window(35), holidays)["model.volume"]
    assert today.outcome == "undecided" and "holiday" in today.observed.undefined
    half = Event(ts=show(service.at(35)), kind="holiday", end=show(service.at(35, 720)))
    partly = checked(service, service.window(35), [half])["model.volume"]
    assert partly.outcome == "fail" and "12 h of the window are a holiday" in partly.sentence
    service = calm()
    scaled(service, 28, 0.3)
    ordinary = checked(service, service.window(35), holidays[:1])["model.volume"]
    assert ordinary.outcome == "pass" and "4 clean weeks" in ordinary.sentence
    assert "24 h of holidays in the diary left out" in ordinary.sentence


def test_days_without_logs_are_missing_not_zero() -> None:
    for silent in (False, True):
        service = calm()
        for day in (7, 14, 21):
            if silent:
                scaled(service, day, 0.0)
            else:
                service.gone.add(day)
        check = checked(service, service.window(35))["model.volume"]
        assert check.outcome == "pass" and "2 clean weeks" in check.sentence
        assert "72 h not profiled or without any row left out" in check.sentence


@pytest.mark.parametrize("month", ["2025-03-03", "2025-09-29"])
def test_people_live_by_their_own_clock(month: str) -> None:
    start = parse(month)  # clocks change on day 27
    service = calm(36, start, BERLIN)
    for day in (27, 28, 29, 35):
        window = Window(start + day * DAY, start + (day + 1) * DAY)
        assert checked(service, window, calendar="Europe/Berlin")["model.volume"].outcome == "pass"
    blind = checked(service, service.window(28), calendar="UTC")["model.volume"]
    assert blind.outcome == "fail"


def test_an_hour_that_clocks_repeat_counts_once() -> None:
    start = parse("2025-10-20")
    levels = np.zeros(14 * 24 + 24)
    course = Course(start, levels, np.ones(len(levels), dtype=bool))
    at = parse("2025-10-26T00:00")  # 2 o'clock in Berlin, for the first time
    levels[(at - start) // HOUR : (at - start) // HOUR + 2] = [10.0, 30.0]
    found = usual(course, Window(at + 169 * HOUR, at + 170 * HOUR), BERLIN, least=1)
    assert found.values.tolist() == [20.0] and found.stands_on.tolist() == [1]


def test_stands_on_of_a_mixed_window() -> None:
    usable = np.ones(14 * 24, dtype=bool)
    usable[24:48] = False  # the first Tuesday
    course = Course(MONDAY, np.full(14 * 24, 5.0), usable)
    found = usual(course, Window(MONDAY + 14 * DAY, MONDAY + 16 * DAY), UTC)
    assert found.stands_on.tolist() == [2] * 24 + [THE_DAY] * 24
    assert NOTHING not in found.stands_on
    assert found.words == (
        "the same hours of 2 clean weeks, a clean day before (24 h: there are too few clean weeks)"
    )


@pytest.mark.parametrize(
    ("score", "outcome"),
    [(0.343, "pass"), (0.345, "undecided"), (0.347, "fail"), (0.253, "fail"), (0.257, "pass")],
)
def test_mean_score_around_its_limit(score: float, outcome: str) -> None:
    service = calm()
    level = np.full(service.minutes, 0.3)
    level[35 * 1440 :] = score
    service.serve("champion", service.arms["champion"]["n"], level)
    check = checked(service, service.window(35))["model.mean_score.champion"]
    assert check.outcome == outcome, check.sentence
    assert check.observed.value == pytest.approx(abs(score / 0.3 - 1), abs=1e-6)


def test_scores_that_can_be_negative_are_held_against_their_spread() -> None:
    service = calm()
    level = np.zeros(service.minutes)
    level[35 * 1440 :] = 0.02
    service.serve("champion", service.arms["champion"]["n"], level)
    found = checked(service, service.window(35), score=Score(type="regression"))
    check = found["model.mean_score.champion"]
    assert check.observed.value == pytest.approx(0.2, rel=1e-3) and check.outcome == "fail"
    assert "of the scores' SD" in check.sentence
    assert not any(
        "mean_score" in key
        for key in checked(service, service.window(35), score=Score(type="class"))
    )


def test_an_average_of_few_days_says_so_and_leaves_incidents_out() -> None:
    service = calm(11)
    service.arms["champion"]["score_sum"][2 * 1440 : 3 * 1440] *= 3
    check = checked(service, service.window(10))["model.mean_score.champion"]
    assert "stands on 10 of 30 days" in check.sentence and check.outcome == "undecided"
    event = Event(ts=show(service.at(2)), kind="incident", end=show(service.at(3)))
    clean = checked(service, service.window(10), [event])["model.mean_score.champion"]
    assert "stands on 9 of 30 days" in clean.sentence and clean.outcome == "pass"


def test_a_part_of_a_day_is_held_against_the_same_hours() -> None:
    service = calm()
    night = 0.1 + 0.4 * (np.arange(service.minutes) % 1440 < 480)
    service.serve("champion", service.arms["champion"]["n"], night)
    window = Window(service.at(35), service.at(35, 360))
    assert checked(service, window)["model.mean_score.champion"].outcome == "pass"


def test_no_usable_score_is_no_pass() -> None:
    service = calm()
    arm = service.arms["champion"]
    arm["nulls"][35 * 1440 :] = arm["n"][35 * 1440 :]
    check = checked(service, service.window(35))["model.mean_score.champion"]
    assert check.outcome == "undecided" and "no usable score" in check.sentence


def nulls_of(service: Service, day: int, share: float, model: str = "champion") -> None:
    hours = [service.at(day, 60 * hour) for hour in range(24)]
    n, missing = 20_000, round(20_000 * share)
    service.tables["histograms"] = table(
        "histograms",
        {
            "hour": np.repeat(hours, 2),
            "model": [model] * 48,
            "column": ["age"] * 48,
            "cell": [0, 66] * 24,
            "n": [n - missing, missing] * 24,
        },
    )


@pytest.mark.parametrize(
    ("share", "outcome"), [(0.049, "pass"), (0.05, "undecided"), (0.051, "fail")]
)
def test_nulls_of_a_critical_feature(share: float, outcome: str) -> None:
    service = calm()
    nulls_of(service, 35, share)
    features = Features(numeric=["age"], critical=["age"])
    check = checked(service, service.window(35), features=features)["model.null_share.age.champion"]
    assert check.outcome == outcome and check.severity == "block"


def test_a_critical_feature_that_nobody_logs_is_no_pass() -> None:
    features = Features(numeric=["age"], critical=["age"])
    service = calm()
    check = checked(service, service.window(35), features=features)["model.null_share.age.champion"]
    assert check.outcome == "undecided" and "no model logs it" in check.sentence


def test_who_serves_decides_and_a_ramp_is_no_drop() -> None:
    service = calm()
    n = service.arms["champion"]["n"]
    ours, theirs = n.copy(), n.copy()
    ours[35 * 1440 :] = np.rint(n[35 * 1440 :] * 0.8)
    theirs[35 * 1440 :] = np.rint(n[35 * 1440 :] * 0.2)
    service.serve("champion", ours)
    service.serve("challenger", theirs)
    ramp = [Event(ts=show(service.at(35)), kind="weight", challenger_weight=0.2)]
    found = checked(service, service.window(35), ramp)
    for key in ("model.volume", "model.volume.champion", "model.volume.challenger"):
        assert (found[key].outcome, found[key].severity) == ("pass", "block"), found[key].sentence
    assert found["model.mean_score.challenger"].severity == "block"
    service.arms["challenger"]["n"][35 * 1440 :] //= 2  # of a tenth nobody knows
    found = checked(service, service.window(35), ramp)
    assert found["model.volume.challenger"].outcome == "fail"
    full = [Event(ts=show(service.at(30)), kind="weight", challenger_weight=1.0)]
    found = checked(service, service.window(35), full)
    assert found["model.mean_score.champion"].severity == "warn"
    assert "champion (a shadow)" in found["model.mean_score.champion"].sentence


def test_another_policy_is_another_limit() -> None:
    service = calm()
    scaled(service, 35, 0.6)
    loose = msgspec.structs.replace(
        POLICY, slo=msgspec.structs.replace(POLICY.slo, max_volume_change=0.5)
    )
    material = service.material(loose, service.window(35))
    found = {c.id: c for c in model_health_checks(material, ())}
    assert found["model.volume"].outcome == "pass"
    assert UNIT == 2.0**36


def varying(service: Service, by_hour: float, seed: int = 3) -> None:
    """The champion's hours differ from week to week."""
    draw, arm = np.random.default_rng(seed), service.arms["champion"]
    level = np.repeat(np.exp(draw.normal(0, by_hour, service.days * 24)), 60)
    for name in ("n", "latency_n", "score_sum", "score_squares"):
        arm[name] = np.rint(arm[name] * level).astype(np.int64)


@pytest.mark.parametrize("by_hour", [0.05, 0.08])
def test_hours_that_always_vary_do_not_block_a_night(by_hour: float) -> None:
    service = calm(42)
    varying(service, by_hour)
    for day in range(35, 42):
        check = checked(service, service.window(day))["model.volume"]
        assert check.outcome == "pass", check.sentence
        assert "differ by" in check.sentence
    scaled(service, 36, 0.5, 600, 780)  # and three hours of a real drop are found
    check = checked(service, service.window(36))["model.volume"]
    assert check.outcome == "fail" and "furthest of 24 runs" in check.sentence


def test_scores_whose_days_always_differ_fail_no_night() -> None:
    service = calm(42)
    day = np.exp(np.random.default_rng(4).normal(0, 0.06, 42))
    day[35] = 1.2
    service.serve("champion", service.arms["champion"]["n"], np.repeat(0.3 * day, 1440))
    check = checked(service, service.window(35))["model.mean_score.champion"]
    assert check.outcome == "undecided" and "Its days differ by" in check.sentence
    for other in range(36, 42):
        check = checked(service, service.window(other))["model.mean_score.champion"]
        assert check.outcome != "fail", check.sentence
