"""What every router adapter does, and the words in which routers answer.

Small files beside this one hold an adapter each. An adapter reads live and never from memory, plans
without touching anything, writes all arms at once, and believes only what it reads back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

from analyzer.errors import AnalyzerError
from analyzer.router.decision import Decision

Outcome = Literal[
    "applied", "no-op", "conflict", "busy", "rejected", "unreachable", "ambiguous", "refused"
]
Seen = Literal["ok", "no", "not seen"]
CONNECT_SECONDS, WRITE_SECONDS = 2.0, 3.0
NOBODY = (
    "all weights are 0: nobody is served, or the router goes on with what it was told before; "
    "`analyzer route rollback` gives all to the champion"
)
TOLERANCE = 5e-4
"""Shares that lie closer than this are one: no router keeps more digits than a client can see."""


class RouterError(AnalyzerError):
    """A router cannot do what is asked, or it must not be asked; the text says why."""


class Refused(RouterError):
    """Nothing was written, as it would be wrong to."""


class Unreachable(RouterError):
    """The router does not answer, or what it answers cannot be read."""


class Rejected(RouterError):
    """The router answered that it will not."""


class Ambiguous(RouterError):
    """Sent, and no answer came: it may hold or not. Read again, never assume."""


class Live(NamedTuple):
    """What a router says now. weights: as the router counts them, per arm; share: the challenger's
    share of new traffic that follows; ready: whether an arm can serve, None where the router does
    not know; version: changes when the router's configuration does; notes: what to know; clings:
    whether clients would stay with the challenger beyond its weight, if that became 0; reachable:
    whether the engine answers, where the weights are read elsewhere; others: what else gets
    traffic, in words. Of several instances: parts, what each says; missing: why others do not.
    """

    weights: dict[str, float]
    share: float
    ready: dict[str, bool | None]
    version: str
    notes: tuple[str, ...] = ()
    clings: bool = False
    reachable: bool = True
    others: str = ""
    parts: Mapping[str, Live] = MappingProxyType({})
    missing: Mapping[str, str] = MappingProxyType({})

    @property
    def nobody(self) -> bool:
        """Whether all weights are 0. That is not 0 % for the challenger: nobody is served, or the
        router goes on with what it was told before.
        """
        return not any(self.weights.values()) or any(part.nobody for part in self.parts.values())

    @property
    def off(self) -> bool:
        """Whether the challenger has nothing for certain, and clients do not stay with it."""
        return self.share < TOLERANCE and not (self.clings or self.nobody or self.missing)

    @property
    def faults(self) -> list[str]:
        """What is wrong at this moment, in sentences."""
        silent = [f"{name} cannot be read: {why}" for name, why in self.missing.items()]
        return [*silent, *([NOBODY] if self.nobody else [])]

    def told(self) -> dict[str, object]:
        """All of it for programs."""
        parts = {name: part.told() for name, part in self.parts.items()}
        return {**self._asdict(), "parts": parts, "missing": dict(self.missing)}


class Counts(NamedTuple):
    """What each arm has served so far, growing. open_: TCP connections that are open now, where
    they outlive what they carry; None where requests are counted.
    """

    champion: int
    challenger: int
    open_champion: int | None = None
    open_challenger: int | None = None


class Plan(NamedTuple):
    """What would be written: every arm's weight, zeros too, and the exact commands. parts: of
    several instances, each one's plan and what was read for it; left: why others are not written.
    """

    share: float
    weights: dict[str, float]
    commands: tuple[str, ...]
    decision: Decision | None = None
    parts: Mapping[str, tuple[Plan, Live]] = MappingProxyType({})
    left: Mapping[str, str] = MappingProxyType({})


class Adapter(Protocol):
    """One kind of router."""

    name: str

    def read(self) -> Live:
        """Live weights. Raises Unreachable; Refused where the router lacks an arm."""

    def plan(self, live: Live, share: float) -> Plan:
        """Weights and commands that give the challenger `share`; touches nothing. Raises Refused
        where the router cannot represent it.
        """

    def apply(self, plan: Plan, expect: str) -> Outcome:
        """Write, if the router is still at version `expect`: applied or conflict. Raises
        Unreachable (nothing was sent), Rejected, Ambiguous (sent, no answer).
        """

    def engine(self, plan: Plan) -> Seen:
        """Whether the engine itself runs on the planned weights; `not seen` where it cannot say."""

    def served(self) -> Counts | None:
        """What each arm has served so far; None where the router does not count."""

    def ladder(self, live: Live) -> Sequence[Plan]:
        """Harder ways to keep traffic off the challenger, mildest first, once weight 0 is not
        enough.
        """


def exact(share: float, total: int, what: str) -> tuple[int, int]:
    """Whole weights of champion and challenger that sum to `total`. Raises Refused where none do.

    >>> exact(0.05, 100, "this file")
    (95, 5)
    """
    challenger = round(share * total)
    if abs(challenger / total - share) > 1e-9:
        raise Refused(
            f"{what} counts in {total:,}ths and cannot give the challenger {share:.4%}; "
            f"the nearest is {challenger / total:.4%}"
        )
    return total - challenger, challenger


def ratio(weights: Mapping[str, float], others: float = 0.0) -> float:
    """The challenger's share of the arms' weights and those of others; 0 where there are none."""
    total = sum(weights.values()) + others
    return weights["challenger"] / total if total else 0.0


def beside(where: str, others: Mapping[str, float]) -> str:
    """What else gets traffic, in words; empty where nothing does.

    >>> beside("route a", {"v8": 20.0, "old": 0.0})
    'route a gives traffic to others as well: v8 (weight 20)'
    """
    told = ", ".join(f"{name} (weight {w:g})" for name, w in sorted(others.items()) if w)
    return f"{where} gives traffic to others as well: {told}" if told else ""


def handed_back(live: Live) -> dict[str, float] | None:
    """Both arms' weights where others get traffic too, with which only a share of 0 comes so far
    (`guarded`): the champion gets what both have, what others get is not for us to change. None
    where nobody else is served.
    """
    if not live.others or live.nobody:
        return None
    return {"champion": sum(live.weights.values()), "challenger": 0.0}


def split(live: Live, share: float, total: int, what: str) -> dict[str, float]:
    """Whole weights of both arms that give the challenger `share` and sum to `total`, or what is
    `handed_back`. Raises Refused where `total` is too coarse.
    """
    champion, challenger = exact(share, total, what)
    return handed_back(live) or {"champion": float(champion), "challenger": float(challenger)}


def holds(live: Live, plan: Plan) -> bool:
    """Whether what is read is what was planned, in every instance."""
    if live.nobody or abs(live.share - plan.share) >= TOLERANCE:
        return False
    return all(
        name in live.parts and holds(live.parts[name], p) for name, (p, _) in plan.parts.items()
    )


def guarded(adapter: Adapter, live: Live, share: float, force: bool = False) -> Plan:
    """A plan that passed what holds for every router. force: even onto a champion that is down.

    Raises Refused: no share, a champion or challenger that is not ready for what it would get; for
    any share but 0, all weights 0 or others that get traffic too.
    """
    if not 0 <= share <= 1:
        raise Refused(f"{share} is no share of traffic")
    if force:
        live = _insisted(live)
    if share > 0 and live.nobody:
        raise Refused(NOBODY)
    if share > 0 and live.others:
        raise Refused(f"{live.others}: the challenger's share cannot be set beside it")
    if share < 1 and live.ready.get("champion") is False:
        raise Refused(
            "the champion is not ready to serve: moving traffic to it would be an outage; "
            "bring it up, or insist with --force"
        )
    if share > live.share and live.ready.get("challenger") is False:
        raise Refused("the challenger is not ready to serve; it gets no more traffic")
    if share > live.share and not live.reachable:
        raise Refused(f"the router's engine does not answer: {'; '.join(live.notes)}")
    if share > live.share and live.missing:
        raise Refused(f"{'; '.join(live.faults)}; the challenger gets no more traffic")
    return adapter.plan(live, share)


def _insisted(live: Live) -> Live:
    """With nothing said against the champion."""
    parts = {name: _insisted(part) for name, part in live.parts.items()}
    return live._replace(ready={**live.ready, "champion": None}, parts=parts)
