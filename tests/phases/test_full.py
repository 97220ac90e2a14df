"""The gate of the full rollout on small real logs: the old model goes only when nothing speaks
against it, and never before 14 days.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from logbook import Book, times
from served import (
    BEGAN,
    Columns,
    Judging,
    blockers,
    full,
    full_diary,
    full_limits,
    full_window,
    named,
)

from analyzer.diary import Event
from analyzer.gate import gate
from analyzer.labels.update import update
from analyzer.verdict import Verdict
from analyzer.verify import verify
from analyzer.window import HOUR, Window


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Book:
    book = Book(tmp_path_factory.mktemp("full"))
    full(book)
    return book


judged = Judging("full", full_limits, full_window, full_diary, 14)


def test_a_healthy_rollout_lets_the_old_model_go(healthy: Book) -> None:
    verdict = judged(healthy)
    assert verdict.outcome == "promote", blockers(verdict)
    assert verdict.headline.endswith("the old model may be decommissioned.")
    assert (verdict.next.phase, verdict.next.weight) == ("decommission", 1.0)
    assert "shadowed to the old model" in verdict.cost
    assert named(verdict, "data.coverage").limit == pytest.approx(0.0495)
    ratio = named(verdict, "infrastructure.latency_ratio")
    assert "on 7 accepted days from 2025-03-04 to 2025-03-10" in ratio.sentence


def test_its_numbers_are_recounted_from_the_raw_logs(healthy: Book) -> None:
    found = verify(healthy.rollout, full_limits(), judged(healthy))
    assert found.agrees, [n for n in found.numbers if not n.same]
    assert {"process.sample", "data.coverage"} <= {n.check for n in found.numbers}
    assert set(found.uncounted) == {
        "data.strangers: only_champion",
        "model.mean_score.champion: scored",
        "model.mean_score.challenger: scored",
        "model.volume: requests",
    }


def test_never_before_fourteen_days(healthy: Book) -> None:
    verdict = judged(healthy, 13)
    assert verdict.outcome == "undecided" and verdict.blocking == ["process.duration"]
    (line,) = verdict.enough_data
    assert line.needs == 336 and line.at == "2025-03-25T00:00Z"


def late(values: np.ndarray) -> np.ndarray:
    """0 in the first half of the rollout, 1 in the second."""
    return (np.arange(len(values)) >= len(values) / 2).astype(float)


def test_harm_rolls_back_at_any_time(book: Book) -> None:
    def harmed(columns: Columns) -> Columns:
        failed = columns["error"] | (np.arange(len(columns["error"])) % 20 == 0)
        return {**columns, "error": failed, "latency_ms": columns["latency_ms"] * 3}

    full(book, change=harmed)
    for days in (14, 7):
        verdict = judged(book, days)
        for name in ("errors", "latency", "latency_ratio"):
            check = named(verdict, f"infrastructure.{name}")
            assert (check.outcome, check.on_fail) == ("fail", "roll back"), check.sentence
        assert (verdict.outcome, verdict.exit_code, verdict.next) == ("roll back", 5, None)


def test_what_is_no_harm_holds(book: Book) -> None:
    def moved(columns: Columns) -> Columns:
        return {**columns, "score": columns["score"] * (1 + 0.8 * late(columns["score"])) / 2.2}

    full(
        book,
        mirror=0.2,
        change=moved,
        mirrored=lambda columns: {k: v[::2] for k, v in columns.items()},
    )
    verdict = judged(book, policy=full_limits(mirror_share=0.2))
    for name in ("model.score_ratio", "model.mean_score.challenger", "data.coverage"):
        assert named(verdict, name).outcome == "fail", named(verdict, name).sentence
    assert "challenger requests have a shadow row" in named(verdict, "data.coverage").sentence
    assert (verdict.outcome, verdict.exit_code) == ("hold", 3)


def test_a_silent_day_is_invalid(book: Book) -> None:
    def silent(columns: Columns) -> Columns:
        kept = np.abs(columns["seconds"] - 12 * 86_400) > 50_000
        return {name: values[kept] for name, values in columns.items()}

    full(book, days=6, change=silent)
    verdict = judged(book, 6)
    assert named(verdict, "data.days").outcome == "invalid"
    assert verdict.outcome == "hold"


def test_a_mirror_a_little_short_may_be_chance(book: Book) -> None:
    shorter = {"mirrored": lambda columns: {k: v[: int(len(v) * 0.93)] for k, v in columns.items()}}
    full(book, days=4, **shorter)
    check = named(judged(book, 4), "data.coverage")
    assert check.outcome == "undecided" and "chance" in check.sentence


def test_the_champions_days_with_incidents_are_no_baseline(healthy: Book) -> None:
    odd = [
        Event(ts="2025-03-10T05", kind="incident", end="2025-03-10T06"),
        Event(ts="2025-03-08", kind="holiday"),
    ]
    verdict = judged(healthy, events=[*full_diary(), *odd])
    assert (
        "6 accepted days from 2025-03-03 to 2025-03-09"
        in named(verdict, "infrastructure.latency_ratio").sentence
    )
    none = [Event(ts="2025-03-01", kind="incident", end="2025-03-11")]
    check = named(judged(healthy, events=[*full_diary(), *none]), "infrastructure.latency_ratio")
    assert check.outcome == "undecided" and "no accepted day" in check.sentence


def test_without_labels_the_policy_decides(healthy: Book) -> None:
    waiting = msgspec.structs.replace(full_limits().full.labels, without_labels="wait")
    verdict = judged(healthy, policy=full_limits(labels=waiting))
    assert verdict.blocking == ["business.matured_loss"]
    assert verdict.outcome == "undecided"
    assert "no labels are described" in named(verdict, "business.matured_loss").sentence


def labelled(book: Book, wrong: float = 0.0, delay_days: float = 1.0, days: int = 14) -> None:
    """Labels of every request of the rollout; a share of the challenger's scores is turned."""
    random = np.random.default_rng(8)
    truth: dict[str, np.ndarray] = {}

    def turned(columns: Columns) -> Columns:
        truth.update(columns)
        bad = random.random(len(columns["score"])) < wrong
        return {**columns, "score": np.where(bad, 1 - columns["score"], columns["score"])}

    full(
        book,
        days=days,
        a_day=2400,
        mirror=0.3,
        change=turned,
        labels={"paths": ["labels.parquet"], "open_days": 10},
    )
    seconds = truth["seconds"] + random.exponential(delay_days * 86_400, len(truth["seconds"]))
    book.write(
        "labels.parquet",
        {
            "request_id": truth["request_id"],
            "label": (random.random(len(seconds)) < truth["score"]).astype(np.int64),
            "label_ts": times(seconds),
        },
    )
    update(book.rollout)


def test_matured_labels_speak_for_and_against_the_challenger(book: Book) -> None:
    wide = msgspec.structs.replace(full_limits().full.labels, max_loss_excess=0.2)
    labelled(book, days=16)
    window = Window(BEGAN, BEGAN + 14 * 24 * HOUR)

    def asked(late_days: int = 6) -> Verdict:
        return gate(
            book.rollout,
            full_limits(labels=wide, mirror_share=0.3),
            "full",
            window=window,
            as_of=window.end + late_days * 24 * HOUR,
            events=full_diary(),
        )

    check = named(asked(), "business.matured_loss")
    assert check.outcome == "pass", check.sentence
    assert "14 of 14 days are 90% complete" in check.sentence
    early = gate(
        book.rollout,
        full_limits(labels=wide, mirror_share=0.3),
        "full",
        window=Window(BEGAN, BEGAN + 7 * 24 * HOUR),
        events=full_diary(),
    )
    few = named(early, "business.matured_loss")
    assert few.outcome == "undecided" and "7 needed" in few.sentence
    (line,) = [w for w in early.enough_data if w.check == few.id]
    assert line.at is not None and line.at > "2025-03-18" and line.has < line.needs == 7


def test_a_worse_challenger_is_found_by_its_labels(book: Book) -> None:
    labelled(book, wrong=0.5)
    verdict = judged(book, policy=full_limits(mirror_share=0.3))
    check = named(verdict, "business.matured_loss")
    assert (check.outcome, check.on_fail) == ("fail", "roll back"), check.sentence
    assert verdict.outcome == "roll back"
