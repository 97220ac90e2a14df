"""Made-up verdicts and diaries, and a gate's material to judge them with."""

from __future__ import annotations

from typing import Any

import msgspec
from logbook import Book
from report import nights

from analyzer import policy
from analyzer.chain.kept import Chain
from analyzer.chain.standing import Standing, stand
from analyzer.diary import Event
from analyzer.phases.gate import Material
from analyzer.policy import Policy
from analyzer.verdict import Check, Verdict
from analyzer.window import HOUR, parse, show

POLICY = policy.load()
MODELS = {"champion": "champion", "challenger": "challenger"}


def verdict(phase: str, at: str, outcome: str = "promote", **changed: Any) -> Verdict:
    """A verdict of the rollout `test`, valid for a day."""
    made = nights.verdict(["name"] * 4, (show(parse(at) - 24 * HOUR), show(parse(at))))
    standard = {
        "rollout": "test",
        "phase": phase,
        "outcome": outcome,
        "as_of": show(parse(at)),
        "valid_until": show(parse(at) + 24 * HOUR),
        "models": MODELS,
        "policy": POLICY.digest,
        "checks": [passed("process.policy"), passed("process.start")],
        "blocking": [],
        "evidence": [],
        "overrides": [],
    }
    return msgspec.structs.replace(made, **{**standard, **changed})


def passed(name: str) -> Check:
    made = nights.verdict(["name"] * 4, ("2025-03-03T00:00Z", "2025-03-04T00:00Z")).checks[0]
    return msgspec.structs.replace(made, id=name, outcome="pass", severity="block")


def chain(*verdicts: Verdict, limits: Policy = POLICY) -> Chain:
    found = Chain()
    for one in verdicts:
        found = found.and_then(one, limits)
    return found


def began(phase: str, at: str) -> Event:
    return Event(at, "phase", phase=phase)


def stood(
    book: Book,
    phase: str,
    kept: Chain,
    events: list[Event],
    at: str = "2025-03-12",
    limits: Policy = POLICY,
) -> Standing:
    """What a gate of `phase` as of `at` stands on."""
    starts = [e.at for e in events if e.kind == "phase" and e.phase == phase]
    started = max(starts, default=None)
    material = Material(
        book.rollout, limits, book.profiles, (), parse(at), started, phase=phase, events=events
    )
    return stand(material, [passed("process.duration")], chain=kept, events=events)


def of(standing: Standing, name: str) -> Check:
    return next(check for check in standing.checks if check.id == name)
