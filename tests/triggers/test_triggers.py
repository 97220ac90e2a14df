"""Rollback triggers: the course over minutes, from logs, on planted weeks."""

from __future__ import annotations

import doctest
import json
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from logbook import START, Book

from analyzer import policy, weeks
from analyzer.cli import run
from analyzer.diary import Event
from analyzer.triggers import expected as module
from analyzer.triggers import states
from analyzer.triggers.expected import expected, past_of
from analyzer.triggers.grid import grid_of
from analyzer.triggers.minutes import logged, profiled
from analyzer.triggers.run import Triggers, triggers, weights
from analyzer.triggers.states import BREACH, LOW_N, MISSING, OK, follow
from analyzer.window import HOUR, MINUTE, Window, show
from benchmarks.planted.trigger_plants import PLANTS, planted
from benchmarks.planted.trigger_weeks import World
from benchmarks.planted.triggers import KINDS

LIMITS = policy.load().trigger


def course(*parts: tuple[int, int]) -> np.ndarray:
    return np.concatenate([np.full(n, state, dtype=np.int8) for state, n in parts])


@pytest.mark.parametrize(
    ("parts", "missing", "fired", "undecided"),
    [
        (((BREACH, 10),), "hold", [9], 0),
        (((BREACH, 9), (OK, 1), (BREACH, 9)), "hold", [], 0),
        (((BREACH, 9), (MISSING, 2), (BREACH, 1)), "hold", [11], 0),
        (((BREACH, 9), (LOW_N, 3), (BREACH, 1)), "hold", [], 1),
        (((BREACH, 9), (MISSING, 1), (BREACH, 1)), "reset", [], 0),
        (((BREACH, 9), (LOW_N, 1), (BREACH, 1)), "reset", [10], 0),
        (((BREACH, 9), (MISSING, 1)), "breach", [9], 0),
        (((BREACH, 25), (OK, 1), (BREACH, 10)), "hold", [9, 35], 0),
    ],
)
def test_a_course_over_minutes(
    parts: tuple, missing: Any, fired: list[int], undecided: int
) -> None:
    found = follow(course(*parts), 10, missing)
    assert [run.fired for run in found.fired] == fired
    assert int(found.undecided.sum()) == undecided


def write(
    book: Book, hours: int = 4, changes: Mapping[int, Mapping[str, Any]] | None = None
) -> None:
    """A service of 400 mirrored requests a minute; changes: minute -> of the challenger, `rows`,
    `latency`, `errors`, or `all` rows of both.
    """
    random = np.random.default_rng(3)
    columns: dict[str, dict[str, list[np.ndarray]]] = {}
    for side in ("champion", "challenger"):
        kept: dict[str, list[np.ndarray]] = {"ts": [], "at": [], "latency_ms": [], "error": []}
        for minute in range(hours * 60):
            change = (changes or {}).get(minute, {})
            n = change.get("all", 400)
            if side == "challenger":
                n = change.get("rows", n)
            kept["ts"].append(START + minute * MINUTE + np.arange(n) * 100_000)
            kept["at"].append(minute * 1000 + np.arange(n))
            slow = change.get("latency", 1.0) if side == "challenger" else 1.0
            kept["latency_ms"].append(random.uniform(20, 60, n) * slow)
            failed = change.get("errors", 0) if side == "challenger" else 0
            kept["error"].append(np.arange(n) < failed)
        columns[side] = kept
    for side, kept in columns.items():
        whole = {name: np.concatenate(parts) for name, parts in kept.items()}
        book.write(
            f"{side}.parquet",
            {
                "request_id": [f"r{at}" for at in whole["at"].tolist()],
                "ts": whole["ts"].astype("datetime64[us]"),
                "score": np.full(len(whole["ts"]), 0.3),
                "latency_ms": whole["latency_ms"],
                "error": whole["error"],
            },
        )
    book.describe(time={"zone": "UTC", "slot_hours": 4})
    book.scan()


def asked(book: Book, events: tuple[Event, ...] = (), **changed: Any) -> Triggers:
    limits = msgspec.structs.replace(LIMITS, **changed)
    return triggers(book.rollout, book.profiles, limits, events)


def one(found: Triggers, name: str) -> Any:
    return next(trigger for trigger in found.triggers if trigger.name == name)


def test_first_breach_firing_minute_and_counts_of_real_logs(book: Book) -> None:
    changes: dict[int, dict[str, Any]] = {m: {"latency": 3.0} for m in range(30, 45)}
    changes |= {m: {"errors": 5} for m in range(60, 65)}
    changes |= {m: {"errors": 4} for m in range(70, 80)}  # exactly 1 %
    changes |= {m: {"rows": 0} for m in range(100, 107)}
    write(book, changes=changes)
    found = asked(book)
    assert found.outcome == "fired"
    (slow,) = one(found, "latency").firings
    assert (slow.first, slow.fired, slow.last) == tuple(
        show(START + m * MINUTE) for m in (30, 39, 44)
    )
    assert slow.worst == pytest.approx(180, rel=0.05) and slow.limit == pytest.approx(120, rel=0.05)
    (failed,) = one(found, "errors").firings
    assert (failed.first, failed.fired) == tuple(show(START + m * MINUTE) for m in (60, 64))
    assert failed.counts == {"errors": 25, "requests": 2000}
    (silent,) = one(found, "volume of the challenger").firings
    assert (silent.first, silent.fired) == tuple(show(START + m * MINUTE) for m in (100, 104))
    assert silent.counts == {"requests": 0, "expected": 2000}
    total = one(found, "volume")
    assert total.outcome == "undecided" and "no earlier week" in total.sentence


def test_percentiles_of_minutes_are_those_of_the_rows(book: Book) -> None:
    write(book, hours=1)
    arm = grid_of(profiled(book.profiles, 4), q=0.99).arms["challenger"]
    assert arm.n[:60].tolist() == arm.latency_n[:60].tolist() == [400] * 60
    assert np.all((arm.latency[:60] > 56) & (arm.latency[:60] < 63))


def test_a_minute_without_any_row_is_on_the_grid(book: Book) -> None:
    write(book, hours=1, changes={m: {"all": 0} for m in (7, 8, 9)})
    grid = grid_of(profiled(book.profiles, 4))
    assert grid.points == 60 * 4, "as far as the slot goes"
    assert grid_of(profiled(logged(book.profiles), 4)).points == 60, "as far as there are rows"
    assert grid.arms["champion"].n[6:11].tolist() == [400, 0, 0, 0, 400]
    held = one(asked(book), "errors")
    assert held.minutes["missing"] == 3 + 180


def test_weights_of_the_diary(book: Book) -> None:
    write(book, hours=1)
    grid = grid_of(profiled(book.profiles, 4))
    at = [START + 10 * MINUTE, START + 20 * MINUTE + MINUTE // 2]
    events = [
        Event(ts=show(at[0]), kind="weight", challenger_weight=0.1),
        Event(ts=f"{show(at[1])[:-1]}", kind="weight", challenger_weight=0.5),
    ]
    weight = weights(events, grid)
    assert weight[[9, 10, 19, 20, 21]].tolist() == pytest.approx([0, 0.1, 0.1, 0.3, 0.5])
    assert not weight[:10].any() and weight[10:].all()


def test_expected_follows_the_week_and_the_level() -> None:
    zone = ZoneInfo("UTC")
    window = Window(START // HOUR * HOUR - 5 * 168 * HOUR, START // HOUR * HOUR + 168 * HOUR)
    hours = (window.end - window.start) // HOUR
    cycle = 6000 + 3000 * np.sin(np.arange(hours) / 24 * 2 * np.pi)
    known = {window.start + i * HOUR: float(cycle[i]) for i in range(hours)}
    past = past_of(known, window)
    start = window.end - 168 * HOUR
    n = np.repeat(cycle[-168:] / 60, 60) * 0.6  # the same week at 60 %
    due = expected(n, start, MINUTE, past, (), zone)
    assert np.isfinite(due).all()
    assert due[12 * 60 :] == pytest.approx(n[12 * 60 :], rel=0.15)
    young = past_of({h: v for h, v in known.items() if h >= start}, window)
    assert np.isnan(expected(n, start, MINUTE, young, (), zone)).all()
    day = Event(ts=show(start + 24 * HOUR), kind="holiday", end=show(start + 48 * HOUR))
    due = expected(n, start, MINUTE, past, (day,), zone)
    unknown = np.flatnonzero(np.isnan(due)) // 60
    assert set(unknown.tolist()) <= {24, 25, 48, 49} and 24 in unknown


@pytest.mark.parametrize("what", list(PLANTS))
def test_planted_breaches_fire_at_their_minute(what: str) -> None:
    right, others = planted(5, what)
    assert right and (not others or "challenger silent" in what)


@pytest.mark.parametrize("kind", [{}, *KINDS.values()], ids=["as they come", *KINDS])
def test_clean_weeks_fire_nothing(kind: dict[str, Any]) -> None:
    for seed in range(50, 54):
        assert [name for name, c in World(seed, **kind).followed().items() if c.fired] == []


def test_what_is_expected_beyond_a_step_is_the_hours_own() -> None:
    window = Window(START // HOUR * HOUR - 5 * 168 * HOUR, START // HOUR * HOUR + 24 * HOUR)
    hours = range(window.start, window.end, HOUR)
    known = {hour: 0.0 if hour // HOUR % 24 < 4 else 6000.0 for hour in hours}
    start = window.end - 24 * HOUR
    n = np.repeat([known[hour] / 60 for hour in range(start, window.end, HOUR)], 60)
    due = expected(n, start, MINUTE, past_of(known, window), (), ZoneInfo("UTC"))
    told = ~np.isnan(due)
    assert due[told] == pytest.approx(n[told]) and told.sum() > 23 * 60


def test_a_night_with_hardly_a_request_gives_no_level() -> None:
    """Six requests where two are usual are no reason to expect three times the morning."""
    window = Window(START // HOUR * HOUR - 5 * 168 * HOUR, START // HOUR * HOUR + 24 * HOUR)
    hours = range(window.start, window.end, HOUR)
    known = {hour: 2.0 if hour // HOUR % 24 < 9 else 600.0 for hour in hours}
    start = window.end - 24 * HOUR
    known |= {start + hour * HOUR: 6.0 for hour in range(9)}
    n = np.array([known[start + hour * HOUR] for hour in range(24)])
    due = expected(n, start, HOUR, past_of(known, window), (), ZoneInfo("UTC"))
    assert np.isnan(due[6:10]).all(), "six hours before them nobody asked"
    assert due[11:] == pytest.approx(n[11:], rel=0.05)


def test_two_writers_overlapping_logs_count_as_logged_and_are_said(book: Book) -> None:
    write(book, hours=1)
    assert asked(book).notes == []
    first = pq.read_table(book.root / "challenger.parquet").slice(0, 1200)
    book.write("more/challenger.parquet", first)
    both = {"paths": ["challenger.parquet", "more/*.parquet"]}
    book.describe(challenger=both, time={"zone": "UTC", "slot_hours": 4})
    book.scan()
    (note,) = asked(book).notes
    assert note.startswith("challenger: 1,200 of 25,200 rows repeat a request")
    grid = grid_of(profiled(book.profiles, 4))
    assert grid.arms["challenger"].n[:5].tolist() == [800, 800, 800, 400, 400]
    window = Window(START + 2 * HOUR, START + 3 * HOUR)
    assert triggers(book.rollout, book.profiles.within(window), LIMITS, ()).notes == []


def test_without_earlier_weeks_a_count_is_held_whatever_missing_minutes_do(book: Book) -> None:
    write(book, hours=1)
    total = one(asked(book, missing="breach"), "volume")
    assert total.outcome == "undecided" and not total.firings


def test_the_command(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    write(book, changes={m: {"latency": 3.0} for m in range(30, 45)})
    config = ["--config", str(book.root / "rollout.toml")]
    assert run(["triggers", *config, "--replay"]) == 5
    assert "fired" in capsys.readouterr().out
    assert (
        run(["triggers", *config, "--replay", "--json", "--exit-zero", "--missing", "reset"]) == 0
    )
    answer = json.loads(capsys.readouterr().out)
    assert answer["outcome"] == "fired" and answer["missing"] == "reset"
    assert answer["triggers"][0]["outcome"] == "fired"


def test_doctests() -> None:
    for room in (states, module, weeks):
        assert doctest.testmod(room).failed == 0
