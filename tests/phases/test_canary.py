"""The canary gate on small real logs: each check must be able to stop it, harm must roll back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import numpy as np
import pytest
from logbook import START, Book
from served import (
    SHADOW_HOURS,
    Change,
    Columns,
    Judging,
    blockers,
    canary,
    diary,
    limits,
    named,
    window,
)

from analyzer.diary import Event, append, path_of
from analyzer.errors import ConfigError
from analyzer.gate import gate
from analyzer.nightly import nightly
from analyzer.phases.arm_segments import SMALL, segments_of
from analyzer.verdict import encode, json_schema
from analyzer.verify import verify
from analyzer.window import HOUR, show


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Book:
    book = Book(tmp_path_factory.mktemp("canary"))
    canary(book)
    return book


judged = Judging("canary", limits, window, diary, 10)


def test_a_healthy_canary_promotes_to_the_ab_test(healthy: Book) -> None:
    verdict = judged(healthy)
    assert verdict.outcome == "promote", blockers(verdict)
    assert (verdict.next.phase, verdict.next.weight) == ("ab", 0.5)
    assert "answered by the challenger" in verdict.cost
    assert len(verdict.detectable) == 2
    assert encode(judged(healthy)) == encode(verdict)
    jsonschema.validate(msgspec.json.decode(encode(verdict)), json_schema())


def test_its_numbers_are_recounted_from_the_raw_logs(healthy: Book) -> None:
    found = verify(healthy.rollout, limits(), judged(healthy))
    assert found.agrees, [n for n in found.numbers if not n.same]
    counted = {n.check for n in found.numbers}
    assert {"process.sample", "infrastructure.errors", "data.answered_twice"} <= counted
    assert found.uncounted == ()


def edit(column: str, edited: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda columns: {**columns, column: edited(columns[column])}


def every(step: int, value: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Put a value into every so-manieth row."""
    return lambda values: np.where(np.arange(len(values)) % step == 0, value, values)


def in_luxembourg(columns: Columns) -> Columns:
    """A twentieth of the traffic fails a third of the time: 1.7 % in all."""
    there = columns["country"] == "lu"
    return {**columns, "error": columns["error"] | (there & (np.arange(len(there)) % 3 == 0))}


HARM: dict[str, tuple[str, Change]] = {
    "failing": ("infrastructure.errors", edit("error", every(20, True))),
    "slow": ("infrastructure.latency", edit("latency_ms", every(20, 250.0))),
    "three times as slow": (
        "infrastructure.latency_ratio",
        edit("latency_ms", lambda x: x * 3),
    ),
    "a segment fails": ("infrastructure.segments.errors", in_luxembourg),
    "slow everywhere is slow in segments": (
        "infrastructure.segments.latency",
        edit("latency_ms", every(4, 250.0)),
    ),
}


@pytest.mark.parametrize("what", HARM)
def test_harm_rolls_back_even_before_the_shortest_duration(book: Book, what: str) -> None:
    name, change = HARM[what]
    canary(book, change=change)
    easy = limits(latency_limit_ms=200.0)
    verdict = judged(book, policy=easy)
    check = named(verdict, name)
    assert (check.outcome, check.on_fail) == ("fail", "roll back"), check.sentence
    assert (verdict.outcome, verdict.exit_code) == ("roll back", 5)
    assert verdict.next is None and verdict.headline.startswith("Roll back")
    if "segments" not in name and name != "infrastructure.latency_ratio":
        early = judged(book, 3, limits(latency_limit_ms=200.0, min_requests=10**6))
        assert named(early, "process.duration").outcome == "undecided"
        assert early.outcome == "roll back"


def test_the_harmed_segment_is_named_with_its_counts(book: Book) -> None:
    canary(book, change=in_luxembourg)
    check = named(judged(book), "infrastructure.segments.errors")
    assert check.segment == "country = lu"
    assert "country = lu" in check.sentence and "13 segments tested" in check.sentence
    assert check.observed.low > check.limit == 0.001
    # the very same harm inside a wide margin is none
    wide = msgspec.structs.replace(limits().canary.segments, max_error_excess=0.5)
    assert named(judged(book, policy=limits(segments=wide)), check.id).outcome == "pass"


OTHER: dict[str, tuple[str, str, Change]] = {
    "other scores": (
        "model.score_psi",
        "fail",
        edit("score", lambda s: np.clip(s * 0.4 + 0.5, 0, 1)),
    ),
    "half of the requests lost": (
        "data.sample_ratio",
        "invalid",
        lambda columns: {k: v[::2] for k, v in columns.items()},
    ),
    "still mirrored": (
        "data.answered_twice",
        "fail",
        edit("request_id", lambda ids: np.array([f"champion{i}" for i in range(len(ids))])),
    ),
    "NaN scores": ("data.rejected.challenger", "fail", edit("score", every(50, np.nan))),
}


@pytest.mark.parametrize("what", OTHER)
def test_what_is_no_harm_holds(book: Book, what: str) -> None:
    name, outcome, change = OTHER[what]
    canary(book, change=change)
    verdict = judged(book)
    assert named(verdict, name).outcome == outcome, named(verdict, name).sentence
    assert (verdict.outcome, verdict.exit_code) == ("hold", 3)


def test_before_its_time_or_its_sample_it_is_undecided(healthy: Book) -> None:
    early = judged(healthy, 3)
    assert (early.outcome, early.exit_code) == ("undecided", 4)
    assert "process.duration" in early.blocking
    few = judged(healthy, policy=limits(min_requests=26_000))
    assert few.outcome == "undecided" and few.blocking == ["process.sample"]
    (line,) = few.enough_data
    assert line.needs == 26_000 and "process.sample: has 2,752, needs about 26,000" in line.sentence
    late = judged(healthy, policy=limits(min_requests=26_000, max_hours=10))
    assert (late.outcome, late.exit_code) == ("hold", 3)
    assert [w.has for w in late.enough_data] == [2752]


def test_what_the_diary_does_not_say_is_undecided_with_a_remedy(healthy: Book) -> None:
    no_weight = judged(healthy, events=diary(weight=None))
    check = named(no_weight, "process.weight")
    assert check.outcome == "fail"  # the shadow's weight of 0 is still in force
    nothing = judged(healthy, events=[])
    for name in ("process.weight", "data.sample_ratio", "model.score_psi"):
        check = named(nothing, name)
        assert check.outcome == "undecided" and "analyzer event add" in check.sentence
    assert named(nothing, "process.chain.shadow").outcome == "fail"
    unscanned = [
        Event(ts=show(START - 50 * HOUR), kind="phase", phase="shadow"),
        Event(ts=show(START - 20 * HOUR), kind="phase", phase="pause"),
        *diary(shadow=False),
    ]
    check = named(judged(healthy, events=unscanned), "model.score_psi")
    assert "has no profiles" in check.sentence and check.outcome == "undecided"


def test_a_weight_outside_the_phase_holds(healthy: Book) -> None:
    verdict = judged(healthy, events=diary(weight=0.2))
    assert named(verdict, "process.weight").outcome == "fail"
    assert named(verdict, "data.sample_ratio").outcome == "invalid"


def test_a_ramp_inside_the_phase_is_no_sample_ratio_mismatch(healthy: Book) -> None:
    """The log holds 4.6 % throughout: a diary of 4 % and 5 % agrees, one of 1 % does not."""
    middle = show(START + (SHADOW_HOURS + 5) * HOUR)
    ramp = [*diary(weight=0.04), Event(ts=middle, kind="weight", challenger_weight=0.05)]
    check = named(judged(healthy, events=ramp), "data.sample_ratio")
    assert check.outcome == "pass" and "4.5 %" in check.sentence
    assert named(judged(healthy, events=diary(weight=0.01)), check.id).outcome == "invalid"


def test_triggers_that_cannot_be_judged_wait_or_warn(healthy: Book) -> None:
    few, other = "infrastructure.trigger.errors", "infrastructure.trigger.volume"
    for key, blocks in (("low_traffic_triggers", few), ("undecided_triggers", other)):
        verdict = judged(healthy, policy=limits(**{key: "wait"}))
        assert verdict.outcome == "undecided"
        assert blocks in verdict.blocking and {few, other} - {blocks} - set(verdict.blocking)
        assert verdict.headline.startswith(f"Undecided: {verdict.blocking[0]}")
        assert "(undecided)" not in verdict.headline
        assert f"`{key}`" in named(verdict, blocks).sentence
        said = named(verdict, other).sentence
        assert "raise the weight or `trigger.bucket_minutes`" in said and "scan one" in said


def test_a_fired_trigger_rolls_back(book: Book) -> None:
    def outage(columns: Columns) -> Columns:
        seconds = columns["seconds"] - SHADOW_HOURS * 3600
        return {**columns, "error": columns["error"] | (seconds < 900)}

    canary(book, change=outage)
    shipped = limits(max_error_rate=0.5, undecided_triggers="wait")
    often = msgspec.structs.replace(shipped.trigger, min_requests=1)
    verdict = judged(book, policy=msgspec.structs.replace(shipped, trigger=often))
    check = named(verdict, "infrastructure.trigger.errors")
    assert check.outcome == "fail" and "fired at" in check.sentence
    assert verdict.outcome == "roll back"


def test_small_segments_are_pooled(healthy: Book) -> None:
    profiles = healthy.profiles.within(window())
    kept = segments_of(profiles, [], 600)
    assert ("country", SMALL, None, None) not in kept.keys  # too small even together
    assert ("country", "lu", None, None) not in kept.keys
    pooled = segments_of(profiles, [], 120)
    named = [key for key in pooled.keys if key[0] == "country" and key[2] == "plan"]
    assert ("country", SMALL, "plan", SMALL) in named
    whole = pooled.sums["n"][[k[0] == "plan" and k[2] is None for k in pooled.keys]].sum()
    assert whole == 60_000


def test_without_segment_columns_it_says_so(book: Book) -> None:
    canary(book, segments={"columns": []})
    check = named(judged(book), "infrastructure.segments.errors")
    assert (check.outcome, check.severity) == ("undecided", "warn")
    assert "no segment columns are described" in check.sentence


def test_segments_without_latency_do_not_pass(book: Book) -> None:
    canary(book, change=edit("latency_ms", lambda values: np.full(len(values), np.nan)))
    verdict = judged(book)
    assert named(verdict, "infrastructure.segments.errors").outcome == "pass"
    check = named(verdict, "infrastructure.segments.latency")
    assert check.outcome == "undecided" and check.observed.undefined


def test_a_silent_challenger_never_promotes(book: Book) -> None:
    canary(book, change=lambda columns: {k: v[:0] for k, v in columns.items()})
    verdict = judged(book)
    assert verdict.outcome == "hold" and "data.sample_ratio" in verdict.blocking
    assert verdict.unwatched_minutes == 600


def test_phases_without_a_gate_are_named(healthy: Book) -> None:
    with pytest.raises(ConfigError, match="nothing is left to judge"):
        gate(healthy.rollout, limits(), "decommission")
    with pytest.raises(ConfigError, match="there are gates for: shadow, canary"):
        gate(healthy.rollout, limits(), "canari")


def test_the_night_judges_the_running_phase_and_its_page_needs_no_pairs(book: Book) -> None:
    canary(book, change=in_luxembourg)
    for event in diary():
        append(path_of(book.rollout), event)
    found = nightly(book.rollout, limits())
    assert (found.verdict.phase, found.verdict.outcome) == ("canary", "roll back")
    assert found.verdict.headline.startswith("Roll back: infrastructure.segments.errors")
    (page,) = [path for path in found.files if path.endswith("report.html")]
    text = Path(page).read_text(encoding="utf-8")
    assert "No request was answered by both" in text
    assert "Mean absolute difference" not in text and "0 pairs" not in text
