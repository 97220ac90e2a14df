"""What a segment search says: the segments that differ, the one-way table, and what it refuses."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from analyzer.verdict import Observed

Predicate = tuple[tuple[str, str | None], ...]
"""A conjunction: (column, value) for each condition, None for NULL, in order of the columns."""

Mode = Literal["level", "change", "arms", "change of arms"]
Reason = Literal["too few rows", "too few units", "uniform change", "nothing to compare"]


class Segment(Struct, frozen=True, kw_only=True):
    """A segment that differs from the rest.

    hours: [from, to) in hours from the window's start when it differs only then. n, support:
    rows of the (incident's) window and their share. mean: of the outcome, over those rows; in
    the other modes the change, or the challenger minus the champion. effect: mean minus the
    mean of the complement, with its interval. alone: the same after the effects of the other
    segments found are taken off and values far out are drawn in; z, p (corrected for every cell
    tested) and effect_sd are of it.
    effect_sd: in standard deviations of a row. deff: design effect over units, 1 without units.
    risk_ratio: of flips, segment to complement. share: of the total divergence; lift: share over
    support.
    """

    where: Predicate
    hours: tuple[int, int] | None
    aliases: tuple[Predicate, ...]
    n: int
    support: float
    mean: float
    effect: Observed
    alone: Observed
    effect_sd: float
    z: float
    deff: float
    p: float
    risk_ratio: Observed
    share: float
    lift: float
    sentence: str


class Offset(Struct, frozen=True, kw_only=True):
    """Found segments of opposite sign inside one parent, which hides them."""

    parent: Predicate
    n: int
    effect: Observed
    children: tuple[Predicate, ...]
    sentence: str


class Value(Struct, frozen=True, kw_only=True):
    """A row of the one-way table: one value of one column against all other rows."""

    column: str
    value: str | None
    n: int
    support: float
    mean: float
    effect: Observed
    share: float
    lift: float


class Refusal(Struct, frozen=True, kw_only=True):
    """What the search cannot say, and why: a finding of its own."""

    reason: Reason
    sentence: str


class Found(Struct, frozen=True, kw_only=True):
    """The search's whole answer for one outcome.

    mean: of the outcome over all rows (the change, the difference of arms). sd: standard
    deviation of a row. rows: in the (incident's) window. cells_tested: conjunctions tested;
    cells_apart, cells_left: how many of them differ before and after the effects of the
    segments found are taken off. explained: share of the outcome's variance that they carry.
    one_way: sorted by share of divergence, largest first. bounds: where the search stopped
    although there may be more.
    """

    outcome: str
    mode: Mode
    rows: int
    mean: Observed
    sd: float
    segments: tuple[Segment, ...]
    offsets: tuple[Offset, ...]
    one_way: tuple[Value, ...]
    cells_tested: int
    cells_apart: int
    cells_left: int
    explained: float
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]
    bounds: tuple[str, ...]


BOUND = re.compile(r"(?:>=|<) -?\d")
"""The outermost bins of a number are bounds, and say so without an equals sign."""


def _condition(column: str, value: str | None) -> str:
    if value is None:
        return f"{column} is NULL"
    return f"{column} {value}" if BOUND.match(value) else f"{column} = {value}"


def shown(where: Predicate, hours: tuple[int, int] | None = None) -> str:
    """A predicate as people read it.

    >>> shown((("country", "DE"), ("device", None)))
    'country = DE and device is NULL'
    >>> shown((("delay", ">= 35.9"),))
    'delay >= 35.9'
    """
    parts = [_condition(column, value) for column, value in where]
    if hours is not None:
        parts.append(f"hours {hours[0]} to {hours[1]} of the window")
    return " and ".join(parts) or "all rows"
