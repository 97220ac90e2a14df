"""Signals for a human: raised or not, how often by chance, and never an exit code."""

from __future__ import annotations

import doctest
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from logbook import START, Book
from scipy import stats

from analyzer import policy
from analyzer.cli import run
from analyzer.diary import Event
from analyzer.labels.update import update
from analyzer.profiles import open_profiles
from analyzer.stats import rolling
from analyzer.stats.rolling import false_alarms
from analyzer.triggers.run import Triggers
from analyzer.triggers.signals import Signal, _psis, signals
from analyzer.triggers.watched import Watched
from analyzer.window import DAY, HOUR, MINUTE, Window, show
from benchmarks.planted.signals import DAYS, LIMIT, distribution, guard_rail, measured


def days(book: Book, means: list[float]) -> None:
    """Eight hours of eight days, each with a mean score of its own."""
    at = np.concatenate([START + d * DAY + np.arange(0, 8 * HOUR, HOUR // 20) for d in range(8)])
    score = np.repeat(means, len(at) // 8)
    for side in ("champion", "challenger"):
        book.write(
            f"{side}.parquet",
            {
                "request_id": [f"r{i}" for i in range(len(at))],
                "ts": pa.array(at, pa.timestamp("us", tz="UTC")),
                "score": score if side == "challenger" else np.full(len(at), 0.4),
            },
        )
    book.describe(time={"slot_hours": 24})
    book.scan()


def said(book: Book, hours: int = 24) -> dict[str, Signal]:
    end = START + 8 * DAY
    window = Window(START + 7 * DAY, START + 7 * DAY + hours * HOUR)
    found = signals(book.rollout, open_profiles(book.store, window), policy.load(), (), end)
    return {signal.name: signal for signal in found}


BEFORE = [0.30, 0.31, 0.29, 0.30, 0.32, 0.28, 0.30]


@pytest.mark.parametrize(("today", "raised"), [(0.34, True), (0.32, False), (0.26, True)])
def test_the_mean_prediction_against_seven_days(book: Book, today: float, raised: bool) -> None:
    days(book, [*BEFORE, today])
    for hours in (24, 8):
        found = said(book, hours)["distribution of the challenger"]
        assert found.raised is raised
        assert found.value == pytest.approx(
            (today - np.mean(BEFORE)) / np.std(BEFORE, ddof=1), rel=1e-6
        )
        assert found.by_chance == pytest.approx(0.111, abs=5e-4) and "11.1%" in found.sentence


def test_what_cannot_be_said_is_not_raised(book: Book) -> None:
    days(book, [*BEFORE, 0.34])
    found = said(book)
    assert found["distribution of the champion"].raised is None, "its days do not differ"
    assert found["business"].sentence.startswith("not declared")
    assert found["guard rail"].sentence.startswith("not declared")
    first = Window(START + DAY, START + 2 * DAY)
    young = signals(book.rollout, open_profiles(book.store, first), policy.load(), (), first.end)
    assert young[0].raised is None and "1 earlier days" in young[0].sentence


@pytest.mark.parametrize(("today", "raised"), [(0.12, True), (0.1, False)])
def test_the_psi_sees_what_moves_no_mean(book: Book, today: float, raised: bool) -> None:
    random = np.random.default_rng(2)
    spread = np.repeat([*[0.1] * 7, today], 8 * 60)
    at = np.concatenate([START + d * DAY + np.arange(0, 8 * HOUR, MINUTE) for d in range(8)])
    noise = random.normal(0, 1, len(at)).reshape(8, -1)
    means = np.repeat([*(0.5 + np.array(BEFORE) / 10), 0.53], 8 * 60)
    score = means + (noise - noise.mean(axis=1, keepdims=True)).ravel() * spread
    for side in ("champion", "challenger"):
        columns = {
            "request_id": [f"r{i}" for i in range(len(at))],
            "ts": pa.array(at, pa.timestamp("us", tz="UTC")),
            "score": score,
        }
        book.write(f"{side}.parquet", columns)
    book.describe(time={"slot_hours": 24})
    book.scan()
    for hours in (24, 8):
        found = said(book, hours)
        assert found["PSI of the challenger"].raised is raised, found
        assert found["distribution of the challenger"].value == pytest.approx(0, abs=1e-6)
    assert said(book, 24)["PSI of the champion"].by_chance == pytest.approx(0.111, abs=5e-4)


def test_what_the_rate_of_seven_points_is_for_a_psi() -> None:
    """Without drift a PSI is chi-square, and skewed: two sigma are crossed about as often."""
    random = np.random.default_rng(7)
    cells = random.multinomial(2000, [0.1] * 10, size=(1500, 8)).astype(float)
    psis = np.array([_psis(days) for days in cells])
    away = psis[:, -1] - psis[:, :-1].mean(axis=1)
    raised = np.mean(np.abs(away) > 2 * psis[:, :-1].std(axis=1, ddof=1))
    assert 0.08 < raised < 0.15


def test_guard_rails_rest_on_each_models_own_requests(book: Book) -> None:
    """A canary: no request is in both logs. On the last settled day a tenth of the challenger's
    complain, of the champion's as few as ever.
    """
    days_, complaints, kept = 10, [], {}
    for side, n in (("champion", 200), ("challenger", 100)):
        at = START + DAY * np.arange(days_)[:, None] + np.arange(n) * (DAY // n)
        ids = np.array([[f"{side}-{d}-{i}" for i in range(n)] for d in range(days_)])
        for day in range(days_):
            many = 10 if side == "challenger" and day == days_ - 2 else 2 + day % 2
            complaints += [(str(ids[day, i]), int(at[day, i]) + MINUTE) for i in range(many)]
        kept[side] = ids.ravel()
        book.write(
            f"{side}.parquet",
            {
                "request_id": ids.ravel(),
                "ts": pa.array(at.ravel(), pa.timestamp("us", tz="UTC")),
                "score": np.linspace(0.1, 0.9, at.size),
            },
        )
    book.write(
        "signals.parquet",
        {
            "request_id": [request for request, _ in complaints],
            "label": np.ones(len(complaints), dtype=np.int64),
            "label_ts": pa.array([at for _, at in complaints], pa.timestamp("us", tz="UTC")),
        },
    )
    book.write(
        "labels.parquet",
        {
            "request_id": kept["champion"][:50],
            "label": np.arange(50) % 2,
            "label_ts": pa.array([START + 2 * DAY] * 50, pa.timestamp("us", tz="UTC")),
        },
    )
    book.describe(
        time={"slot_hours": 24},
        labels={"paths": ["labels.parquet"]},
        **{"proxies.complaint": {"paths": ["signals.parquet"], "open_hours": 2}},
    )
    book.scan()
    update(book.rollout)
    end = START + days_ * DAY
    profiles = open_profiles(book.store, Window(end - DAY, end))

    def found(weight: float) -> dict[str, Signal]:
        events = [Event(ts=show(START), kind="weight", challenger_weight=weight)]
        every = signals(book.rollout, profiles, policy.load(), events, end)
        return {s.name.split(", ")[1]: s for s in every if s.name.startswith("guard rail")}

    canary = found(0.3)
    assert (canary["champion"].raised, canary["challenger"].raised) == (False, True)
    before = np.array([2 + day % 2 for day in range(1, 8)]) / 100
    sigma = (0.1 - before.mean()) / before.std(ddof=1)
    assert canary["challenger"].value == pytest.approx(sigma)
    assert list(found(0.0)) == ["champion"] and list(found(1.0)) == ["challenger"]


def test_a_signal_is_no_exit_code(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    days(book, [*BEFORE, 0.34])
    command = ["triggers", "--config", str(book.root / "rollout.toml"), "--json"]
    code = run(command)
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert any(signal["raised"] for signal in answer["signals"])
    assert code == {"ok": 0, "undecided": 4}[answer["outcome"]]
    assert run(command[:-1]) == code
    assert "never automatic" in capsys.readouterr().out


def test_the_rate_that_seven_points_imply() -> None:
    exact = 2 * stats.t.sf(2 / np.sqrt(8 / 7), 6)
    assert false_alarms(7, 2.0) == pytest.approx(exact) and round(exact, 2) == 0.11
    random = np.random.default_rng(4)
    raised = np.mean([abs(distribution(random, 0.0)) > LIMIT for _ in range(4000)])
    assert raised == pytest.approx(exact, abs=0.015)
    high = np.mean([guard_rail(random) > LIMIT for _ in range(4000)])
    assert high == pytest.approx(false_alarms(DAYS, LIMIT, sides=1), abs=0.015)
    assert len(measured(1, 20)) == 9


def test_doctests() -> None:
    assert doctest.testmod(rolling).failed == 0


def test_nightly_tells_them_and_a_trigger_that_fired_is_its_exit_code(
    book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(3)
    at = START + np.arange(8 * 60 * 150) * (MINUTE // 150)
    slow = (at >= START + 200 * MINUTE) & (at < START + 215 * MINUTE)
    for side in ("champion", "challenger"):
        book.write(
            f"{side}.parquet",
            {
                "request_id": [f"r{i}" for i in range(len(at))],
                "ts": pa.array(at, pa.timestamp("us", tz="UTC")),
                "score": random.uniform(0.1, 0.9, len(at)),
                "latency_ms": np.where(slow & (side == "challenger"), 400.0, 40.0),
                "error": np.zeros(len(at), dtype=bool),
            },
        )
    book.describe(time={"slot_hours": 8})
    night = ["nightly", "--config", str(book.root / "rollout.toml"), "--out", str(book.root / "n")]
    assert run([*night, "--from", "2025-03-03", "--to", "2025-03-03T08"]) == 3, "a shadow is held"
    assert "triggers: fired" in capsys.readouterr().out
    told = json.loads((book.root / "n" / "triggers.json").read_bytes())
    assert told["triggers"]["outcome"] == "fired" and not told["served"]
    assert [s["raised"] for s in told["signals"]] == [None] * 6
    page = (book.root / "n" / "report.html").read_text(encoding="utf-8")
    assert "Rollback triggers and signals" in page and "fired at" in page
    again = ["report", str(book.root / "n" / "verdict.json"), "--config", night[2]]
    assert run([*again, "--out", str(book.root / "again.html")]) == 0
    assert (book.root / "again.html").read_text(encoding="utf-8") == page
    assert Watched(told_fired(), served=True).exit_code == 5


def told_fired() -> Triggers:
    """Triggers of which one fired."""
    return Triggers(("a", "b"), "fired", "hold", "profiles", [], [])
