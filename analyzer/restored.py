"""How long each rollback took, from the decision to a challenger without traffic."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from analyzer.diary import Event
from analyzer.stages import Leg, legs, told
from analyzer.verdict import Outcome, holds
from analyzer.window import MINUTE, show


class Rollback(Struct, frozen=True, kw_only=True):
    """A decision to roll back, and when the champion served everything again.

    decided_by: trigger or rollback, the line of the diary that the clock starts at. restored: the
    first line after it that gives the challenger no traffic. minutes: between the two; null
    where the diary knows only one of them, and then the outcome is undecided. parts: the way from
    the first breaching minute to confirmed zero traffic, where the tool itself rolled back.
    """

    decided: str
    decided_by: str
    restored: str | None
    minutes: float | None
    limit: float
    outcome: Outcome
    sentence: str
    parts: list[Leg] = []


def rollbacks(events: Sequence[Event], limit: float) -> list[Rollback]:
    """Every rollback that the diary tells, by time.

    The clock starts at the first trigger or rollback while the challenger has traffic, and stops
    at the next line with a weight of 0. A rollback that carries the weight itself is one instant;
    a weight of 0 behind it confirms it. A trigger that nothing followed is no rollback. events:
    in order of time; limit: minutes.
    """
    found = []
    lines: list[Event] = []
    weight: float | None = None
    for event in events:
        if lines and (event.challenger_weight or 0) > 0:
            found += _told(lines, limit)
            lines = []
        elif lines or (event.kind in ("trigger", "rollback") and weight != 0):
            lines.append(event)
        if event.challenger_weight is not None:
            weight = event.challenger_weight
    return found + _told(lines, limit)


def _told(lines: Sequence[Event], limit: float) -> list[Rollback]:
    """The rollback that begins with these lines, which give the challenger no traffic."""
    if not lines:
        return []
    first, *rest = lines
    emptied = [e for e in rest if e.challenger_weight == 0]
    if first.challenger_weight == 0:
        emptied = [e for e in emptied if e.kind == "weight"] or [first]
    if not emptied and not any(e.kind == "rollback" for e in lines):
        return []
    last = emptied[0] if emptied else None
    minutes = (last.at - first.at) / MINUTE if last is not None and last is not first else None
    outcome: Outcome = "undecided"
    if minutes is not None:
        outcome = "pass" if holds([minutes], "<=", [limit])[0] else "fail"
    return [
        Rollback(
            decided=show(first.at),
            decided_by=first.kind,
            restored=show(last.at) if last is not None else None,
            minutes=minutes,
            limit=limit,
            outcome=outcome,
            sentence=_sentence(first, last, minutes, limit),
            parts=_way(last),
        )
    ]


def _way(last: Event | None) -> list[Leg]:
    return legs(last.stages) if last is not None and last.stages is not None else []


def _sentence(first: Event, last: Event | None, minutes: float | None, limit: float) -> str:
    began = f"{first.kind} {show(first.at)}"
    if last is None:
        return f"{began}: no weight of 0 is recorded after it."
    if minutes is None:
        return f"{began}: only the change of weight is recorded, not when it was decided."
    kept = "within" if minutes <= limit else "not within"
    split = told(_way(last))
    way = f" {split[0].upper()}{split[1:]}." if split else ""
    return f"{began}: champion restored after {minutes:.3g} minutes, {kept} {limit:g}.{way}"
