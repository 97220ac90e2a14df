"""Neighbouring bins of one feature told as one range: `f < 2` and `f 2 to 3` are `f < 3`.

A search names bins one by one, because each is compared with everybody else; who reads of several
in a row wants to hear of one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from analyzer.diagnose.findings import Search
from analyzer.segments.finding import Predicate, Segment, shown

OPEN = ""
"""The end of a bin that has none."""

Ends = tuple[str, str]


@dataclass(frozen=True)
class Told:
    """Segments told together: where all of them lie, the search, and each one."""

    where: Predicate
    search: Search
    segments: tuple[Segment, ...]

    @property
    def n(self) -> int:
        """Requests; bins share none."""
        return sum(segment.n for segment in self.segments)

    @property
    def support(self) -> float:
        """Share of all requests."""
        return sum(segment.support for segment in self.segments)


def told_together(found: Sequence[tuple[Search, Segment]], numeric: Collection[str]) -> list[Told]:
    """The segments in their order, each with those that prolong it: the same conditions but for
    touching bins of one of the `numeric` columns, the same hours, and an effect of the same sign.
    """
    told: list[Told] = []
    for search, segment in found:
        at, new = len(told), Told(segment.where, search, (segment,))
        for place, other in reversed(list(enumerate(told))):  # a bin may close a gap between two
            where = _joined(other, new, numeric)
            if where is not None:
                del told[place]
                at, new = place, Told(where, search, (*other.segments, *new.segments))
        told.insert(at, new)
    return told


def in_words(told: Told, measure: str) -> str:
    """Where, in which measure, by how much, of how many requests."""
    effects = sorted(s.effect.value for s in told.segments if s.effect.value is not None)
    size = ""
    if effects:
        ends = [f"{effect:+.3g}" for effect in (effects[0], effects[-1])]
        size = f" by {' to '.join(dict.fromkeys(ends))} {told.search.unit}"
    hours = told.segments[0].hours
    return (
        f"{shown(told.where, hours)} in {measure}{size} ({told.n:,} requests, {told.support:.1%})"
    )


def _joined(one: Told, other: Told, numeric: Collection[str]) -> Predicate | None:
    """Where two segments lie together, None where that is no single range."""
    alike = (
        one.search is other.search
        and one.segments[0].hours == other.segments[0].hours
        and (one.segments[0].effect_sd > 0) == (other.segments[0].effect_sd > 0)
        and [column for column, _ in one.where] == [column for column, _ in other.where]
    )
    if not alike:
        return None
    apart = [at for at, pair in enumerate(one.where) if pair != other.where[at]]
    if len(apart) != 1 or one.where[apart[0]][0] not in numeric:
        return None
    (at,) = apart
    column = one.where[at][0]
    bins = [_ends(told.where[at][1]) for told in (one, other)]
    for low, high in (bins, bins[::-1]):
        if low is not None and high is not None and low[1] == high[0] != OPEN:
            return (*one.where[:at], (column, _label(low[0], high[1])), *one.where[at + 1 :])
    return None


def _ends(label: str | None) -> Ends | None:
    """Ends of a bin by its label (`drilldown.bins`); None for NULL and for all values.

    >>> _ends("< 2"), _ends("2 to 3"), _ends(">= 3"), _ends(None)
    (('', '2'), ('2', '3'), ('3', ''), None)
    """
    if label is None:
        return None
    if label.startswith("< "):
        return OPEN, label[2:]
    if label.startswith(">= "):
        return label[3:], OPEN
    low, to, high = label.partition(" to ")
    return (low, high) if to else None


def _label(low: str, high: str) -> str:
    """The label of a range.

    >>> _label("", "3"), _label("2", ""), _label("2", "4"), _label("", "")
    ('< 3', '>= 2', '2 to 4', 'any number')
    """
    if low == OPEN:
        return f"< {high}" if high != OPEN else "any number"
    return f">= {low}" if high == OPEN else f"{low} to {high}"
