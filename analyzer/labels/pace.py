"""Do the labels of some segment arrive at another pace than those of all rows?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analyzer.labels.cells import ALL_ROWS, MODELS, Known
from analyzer.labels.completeness import Completeness
from analyzer.labels.evidence import picked
from analyzer.labels.maturity import by_stratum
from analyzer.stats.maturity import READY, REFUSED, Ladder, completeness
from analyzer.stats.result import Estimate
from analyzer.verdict import judge

_LARGE, _NOTABLE, _CONFIDENCE = 0.05, 0.1, 0.99
"""Share of a class's labels that a segment needs; by how much its completeness must surely differ
from that of all; how surely."""


@dataclass(frozen=True)
class Pace:
    """A segment whose labels are faster or slower: completeness at an age, its own and of all."""

    column: str
    value: str
    age: int
    own: Estimate
    all_rows: float

    def __str__(self) -> str:
        return (
            f"after {self.age} d {self.own.value:.0%} are here where {self.column} = {self.value}, "
            f'{self.all_rows:.0%} of all; [labels] stratum = "{self.column}" allows for that'
        )


def pace(known: Known, ladders: Mapping[int, Completeness]) -> dict[int, Pace]:
    """The segment that differs most, by class of labels; classes of which none does left out.

    Asked where no stratum is declared, at ages at which completeness of all is between 0.3 and
    0.9: where it matters. A segment differs where the whole 99 % interval of its own ladder
    (Mack's) lies more than 0.1 from the ladder of all.
    """
    if known.stratum:
        return {}
    names = {c: "" for c, (_, value) in enumerate(known.segments) if c != ALL_ROWS}
    cut = picked(known.sides, known.sides.model == MODELS["champion"])
    found = {}
    for code, one in by_stratum(ladders, cut, cut.segment, names, _LARGE).items():
        differ = [
            pace for place, own in one.strata.items() for pace in _differ(known, place, own, one)
        ]
        if differ:
            found[code] = max(differ, key=lambda x: abs(x.own.value - x.all_rows))
    return found


def _differ(known: Known, place: int, own: Completeness, whole: Completeness) -> list[Pace]:
    """The ages at which a segment differs from all rows."""
    mine, common = own.ladders[0], whole.ladders[0]
    if own.by_weekday or whole.by_weekday:
        return []
    if not (isinstance(mine, Ladder) and isinstance(common, Ladder)):
        return []
    column, value = known.segments[place]
    found = []
    for age, complete in enumerate(common.completeness.tolist()):
        there = completeness(mine, age, _CONFIDENCE)
        if not REFUSED <= complete < READY or not isinstance(there, Estimate):
            continue
        slower = judge(there, "<", complete - _NOTABLE) == "pass"
        if slower or judge(there, ">", complete + _NOTABLE) == "pass":
            found.append(Pace(column, "NULL" if value is None else value, age, there, complete))
    return found
