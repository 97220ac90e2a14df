"""The instants of a rollback, from the first breaching minute on, and the time between them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from msgspec import Struct

from analyzer.errors import ConfigError


class Stages(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """ISO 8601 with its zone; empty where nobody knows.

    breach: the first breaching minute began. fired: the minute that made the trigger fire was over.
    decided: somebody or `route watch --act` decided. written: the router took the new weights.
    last_response: the challenger's counter was first seen where it stayed, so its last response
    came no later. confirmed: zero challenger traffic was believed.
    """

    breach: str = ""
    fired: str = ""
    decided: str = ""
    written: str = ""
    last_response: str = ""
    confirmed: str = ""

    def check(self) -> None:
        """Raises ConfigError for what is no instant."""
        for name in self.__struct_fields__:
            told = getattr(self, name)
            try:
                if told and datetime.fromisoformat(told).tzinfo is None:
                    raise ValueError
            except ValueError:
                raise ConfigError(f"stages: {name} {told!r} is no instant with its zone") from None


class Leg(Struct, frozen=True, kw_only=True):
    """One part of the way. seconds: negative where a clock was set back meanwhile."""

    start: str
    end: str
    seconds: float


WAY = ("breach", "fired", "decided", "written", "confirmed")
WORDS = {
    "breach": "first breach",
    "fired": "fired",
    "decided": "decided",
    "written": "written",
    "confirmed": "confirmed",
    "last_response": "last response",
}


def legs(stages: Stages) -> list[Leg]:
    """The way split at the instants that are known; then the challenger's last response counted
    from the decision, and the whole from the first breach to confirmed zero traffic.

    >>> way = Stages(
    ...     breach="2013-06-01T05:00:00Z", fired="2013-06-01T05:10:00Z",
    ...     decided="2013-06-01T05:12:01Z", written="2013-06-01T05:12:01.250Z",
    ... )
    >>> [(p.start, p.end, p.seconds) for p in legs(way)][:3]
    [('breach', 'fired', 600.0), ('fired', 'decided', 121.0), ('decided', 'written', 0.25)]
    """
    known = [name for name in WAY if getattr(stages, name)]
    pairs = list(pairwise(known))
    if stages.decided and stages.last_response:
        pairs.append(("decided", "last_response"))
    if len(known) > 2:
        pairs.append((known[0], known[-1]))
    return [
        Leg(start=start, end=end, seconds=round(_at(stages, end) - _at(stages, start), 3))
        for start, end in pairs
    ]


def told(split: Sequence[Leg]) -> str:
    """The parts in words.

    >>> told([Leg(start="breach", end="fired", seconds=600.0)])
    'first breach to fired 600 s'
    """
    return ", ".join(f"{WORDS[p.start]} to {WORDS[p.end]} {p.seconds:.4g} s" for p in split)


def _at(stages: Stages, name: str) -> float:
    return datetime.fromisoformat(getattr(stages, name)).timestamp()
