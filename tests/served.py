"""Logs of a day in shadow and of a phase in which the challenger serves, small and seeded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from logbook import START, Book, times

from analyzer import policy
from analyzer.diary import Event
from analyzer.gate import gate
from analyzer.policy import Policy
from analyzer.verdict import Check, Verdict
from analyzer.window import HOUR, Window, show

SHADOW_HOURS = 24
Columns = dict[str, np.ndarray]
Change = Callable[[Columns], Columns]


@dataclass(frozen=True)
class Judging:
    """A phase's gate on such logs: its usual limits, window of so many hours or days, diary."""

    phase: str
    limits: Callable[[], Policy]
    window: Callable[[float], Window]
    diary: Callable[[], list[Event]]
    length: float

    def __call__(
        self,
        book: Book,
        length: float | None = None,
        policy: Policy | None = None,
        events: Sequence[Event] | None = None,
    ) -> Verdict:
        """The verdict over the first hours or days."""
        return gate(
            book.rollout,
            policy or self.limits(),
            self.phase,
            window=self.window(self.length if length is None else length),
            events=self.diary() if events is None else events,
        )


def named(verdict: Verdict, name: str) -> Check:
    """One check of a verdict."""
    return next(check for check in verdict.checks if check.id == name)


def blockers(verdict: Verdict) -> list[str]:
    """What every check that blocks and did not pass says."""
    return [c.sentence for c in verdict.checks if c.outcome != "pass" and c.severity == "block"]


def limits(**canary: object) -> Policy:
    """The shipped policy with limits that a few thousand requests can establish."""
    shipped = policy.load()
    easy = {"min_requests": 1000, "max_error_rate": 0.02, "undecided_triggers": "warn"}
    changed = msgspec.structs.replace(shipped.canary, **{**easy, **canary})
    record = msgspec.structs.replace(shipped.record, splits=0)
    return msgspec.structs.replace(shipped, canary=changed, record=record)


def full_limits(**full: object) -> Policy:
    """The same for the full rollout."""
    shipped = limits()
    easy = {
        "min_requests": 1000,
        "max_error_rate": 0.02,
        "undecided_triggers": "warn",
        "labels": msgspec.structs.replace(shipped.full.labels, without_labels="warn"),
    }
    return msgspec.structs.replace(
        shipped,
        full=msgspec.structs.replace(shipped.full, **{**easy, **full}),
    )


def requests(random: np.random.Generator, first: float, hours: float, rows: int) -> Columns:
    """What is asked: when, by whom, from where, and how hard it is."""
    return {
        "at": np.sort(random.uniform(first * 3600, (first + hours) * 3600, rows)),
        "unit": random.integers(0, 4000, rows),
        "logit": random.normal(-1, 1, rows),
        "country": random.choice(["de", "fr", "it", "lu"], rows, p=[0.5, 0.3, 0.15, 0.05]),
        "plan": random.choice(["free", "pro"], rows),
    }


def answers(random: np.random.Generator, asked: Columns, name: str, late: float) -> Columns:
    """What a healthy model answers: .1 % errors, 31 ms in the median."""
    rows = len(asked["at"])
    return {
        "request_id": np.array([f"{name}{i}" for i in range(rows)]),
        "seconds": asked["at"] + late,
        "unit_id": asked["unit"],
        "country": asked["country"],
        "plan": asked["plan"],
        "score": 1 / (1 + np.exp(-asked["logit"] - random.normal(0, 0.2, rows))),
        "latency_ms": np.exp(random.normal(3.4, 0.5, rows)),
        "error": random.random(rows) < 0.001,
    }


def write(book: Book, side: str, parts: list[Columns]) -> None:
    """One side's log."""
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    seconds = whole.pop("seconds")
    book.write(f"{side}.parquet", {**whole, "ts": times(seconds)})


def canary(
    book: Book,
    *,
    hours: float = 10,
    rows: int = 60_000,
    weight: float = 0.05,
    change: Change | None = None,
    seed: int = 5,
    **sections: dict[str, object],
) -> None:
    """A day in shadow, then a canary; `change` is made to what the challenger answered in it."""
    random = np.random.default_rng(seed)
    asked = requests(random, 0, SHADOW_HOURS, 24_000)
    parts = {
        "champion": [answers(random, asked, "s", 0.0)],
        "challenger": [answers(random, asked, "s", 0.01)],
    }
    asked = requests(random, SHADOW_HOURS, hours, rows)
    chosen = random.random(4000)[asked["unit"]] < weight
    for side, mask in (("champion", ~chosen), ("challenger", chosen)):
        some = answers(random, {k: v[mask] for k, v in asked.items()}, side, 0.0)
        parts[side].append(change(some) if change and side == "challenger" else some)
    for side, both in parts.items():
        write(book, side, both)
    book.describe(**{"segments": {"columns": ["country", "plan"]}, **sections})
    book.scan()


def diary(weight: float | None = 0.05, shadow: bool = True) -> list[Event]:
    """The diary of such a rollout."""
    begin = show(START + SHADOW_HOURS * HOUR)
    events = [Event(ts=show(START), kind="phase", phase="shadow", challenger_weight=0.0)]
    skip = Event(ts=begin, kind="override", phase="shadow", what="skip", note="a test", source="t")
    last = Event(ts=begin, kind="phase", phase="canary", challenger_weight=weight)
    return [*(events if shadow else []), last, skip]


def window(hours: float = 10) -> Window:
    """The first hours of the canary."""
    first = START + SHADOW_HOURS * HOUR
    return Window(first, first + int(hours * HOUR))


DAYS_BEFORE, DAYS = 8, 14
BEGAN = START + DAYS_BEFORE * 24 * HOUR


def full(
    book: Book,
    *,
    days: int = DAYS,
    a_day: int = 2400,
    mirror: float = 0.05,
    change: Change | None = None,
    mirrored: Change | None = None,
    seed: int = 6,
    **sections: dict[str, object],
) -> None:
    """Eight days of an A/B test on halves, then the full rollout with a mirror to the old model.

    change: to what the challenger answered in the rollout; mirrored: to the old model's answers.
    """
    random = np.random.default_rng(seed)
    asked = requests(random, 0, DAYS_BEFORE * 24, DAYS_BEFORE * a_day)
    half = random.random(4000)[asked["unit"]] < 0.5
    parts = {
        side: [answers(random, {k: v[mask] for k, v in asked.items()}, f"ab-{side}", 0.0)]
        for side, mask in (("champion", ~half), ("challenger", half))
    }
    asked = requests(random, DAYS_BEFORE * 24, days * 24, days * a_day)
    asked["id"] = np.arange(len(asked["at"]))
    served = answers(random, asked, "f", 0.0)
    shown = random.random(len(asked["at"])) < mirror
    old = answers(random, {k: v[shown] for k, v in asked.items()}, "f", 0.02)
    old["request_id"] = served["request_id"][shown]
    parts["challenger"].append(change(served) if change else served)
    parts["champion"].append(mirrored(old) if mirrored else old)
    for side, both in parts.items():
        write(book, side, both)
    book.describe(**{"segments": {"columns": ["country", "plan"]}, **sections})
    book.scan()


def full_diary(weight: float = 1.0) -> list[Event]:
    """The diary of such a rollout; earlier phases are set aside."""
    skips = [
        Event(ts=show(BEGAN), kind="override", phase=phase, what="skip", note="a test", source="t")
        for phase in ("shadow", "canary", "ab")
    ]
    return [
        Event(ts=show(START), kind="phase", phase="ab", challenger_weight=0.5),
        Event(ts=show(BEGAN), kind="phase", phase="full", challenger_weight=weight),
        *skips,
    ]


def full_window(days: float = DAYS) -> Window:
    """The first days of the full rollout."""
    return Window(BEGAN, BEGAN + int(days * 24) * HOUR)
