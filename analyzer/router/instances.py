"""Several instances of one router as one: two HAProxy processes, Envoy replicas, regions.

The challenger's share is the largest that any instance gives it. Down: every instance that answers
is brought down, whatever the others do, and those that do not are asked again until the time is
over. Up: only where all answer and agree; the first that does not take it ends the rise, and what
was set is taken back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from analyzer.router.adapter import (
    TOLERANCE,
    Adapter,
    Ambiguous,
    Counts,
    Live,
    Outcome,
    Plan,
    Refused,
    Rejected,
    RouterError,
    Seen,
    Unreachable,
    guarded,
)

T = TypeVar("T")


class Instances:
    """Adapters of one kind, by the names of their instances."""

    def __init__(self, adapters: Mapping[str, Adapter]) -> None:
        self.adapters = dict(adapters)
        kind = next(iter(self.adapters.values())).name
        self.name = f"{len(self.adapters)} instances of {kind}"

    def read(self) -> Live:
        """All that can be read; raises where none can."""
        told = self._each(self.adapters, lambda name: self.adapters[name].read())
        parts = {name: one for name, one in told.items() if isinstance(one, Live)}
        missing = {name: one for name, one in told.items() if isinstance(one, RouterError)}
        if not parts:
            raise _worst(missing)
        most = max(parts.values(), key=lambda part: part.share)
        return Live(
            weights=most.weights,
            share=most.share,
            ready={
                # each guards its own champion; one challenger that is down is enough to hold
                "champion": _first(
                    [p.ready["champion"] for p in parts.values()], True, None, False
                ),
                "challenger": _first(
                    [p.ready["challenger"] for p in parts.values()], False, None, True
                ),
            },
            version=json.dumps({name: part.version for name, part in parts.items()}),
            notes=tuple(f"{name}: {note}" for name, part in parts.items() for note in part.notes),
            clings=any(part.clings for part in parts.values()),
            reachable=all(part.reachable for part in parts.values()),
            others="; ".join(f"{name}: {p.others}" for name, p in parts.items() if p.others),
            parts=parts,
            missing={name: str(error) for name, error in missing.items()},
        )

    def plan(self, live: Live, share: float) -> Plan:
        """A plan for each instance; without commands where it has that share, or less. Where the
        share falls, an instance that must not be written is left and named; a rise is refused.
        """
        rises = share > live.share + TOLERANCE
        lower = [part for part in live.parts.values() if part.share < live.share - TOLERANCE]
        if rises and lower:
            told = ", ".join(f"{name} {part.share:.2%}" for name, part in live.parts.items())
            raise Refused(f"the instances differ in the challenger's share: {told}; roll back")
        parts, left = {}, dict(live.missing)
        for name, part in live.parts.items():
            try:
                there = (
                    part.off if share == 0 else part in lower and part.share <= share + TOLERANCE
                )
                plan = Plan(part.share, part.weights, ()) if there else None
                parts[name] = (plan or guarded(self.adapters[name], part, share), part)
            except Refused as error:
                left[name] = str(error)
                if share >= live.share - TOLERANCE and share > 0:
                    raise Refused(f"{name}: {error}") from None
        if not parts:
            raise Refused("; ".join(f"{name}: {why}" for name, why in left.items()))
        return _plan(share, parts, left)

    def apply(self, plan: Plan, expect: str) -> Outcome:
        """Every instance at the version it had when this was planned. Raises by name for those that
        did not take it; a rise ends at the first of them.
        """
        wanted = [name for name, (one, _) in plan.parts.items() if one.commands]
        rises = any(one.share > live.share + TOLERANCE for one, live in plan.parts.values())

        def write(name: str) -> Outcome:
            one, live = plan.parts[name]
            return self.adapters[name].apply(one._replace(decision=plan.decision), live.version)

        told: dict[str, Outcome | RouterError] = {}
        if rises:
            for name in wanted:
                told |= self._each([name], write)
                if told[name] != "applied":
                    break
        else:
            told |= {name: Unreachable(why) for name, why in plan.left.items()}
            told |= {name: "applied" for name in plan.parts if name not in wanted}
            told |= self._each(wanted, write)
        return _sum(told, rises)

    def engine(self, plan: Plan) -> Seen:
        """`ok` where every engine says so, `no` where one does. Raises for one that is silent."""

        def asked(name: str) -> Seen:
            own = plan.parts[name][0] if name in plan.parts else plan
            return self.adapters[name].engine(own)

        return _first(self._all(asked), "no", "not seen", "ok")

    def served(self) -> Counts | None:
        """The sum over all instances; None where one does not count. Raises for a silent one."""
        told = self._all(lambda name: self.adapters[name].served())
        counts = [one for one in told if one is not None]
        if len(counts) < len(told):
            return None
        sums = [[n for n in column if n is not None] for column in zip(*counts, strict=True)]
        champion, challenger, *open_ = (sum(column) if column else None for column in sums)
        return Counts(champion or 0, challenger or 0, *open_)

    def ladder(self, live: Live) -> Sequence[Plan]:
        """The same step of every instance at once."""
        ladders = {name: self.adapters[name].ladder(part) for name, part in live.parts.items()}
        return [
            _plan(
                0.0,
                {n: (plans[k], live.parts[n]) for n, plans in ladders.items() if k < len(plans)},
                live.missing,
            )
            for k in range(max(map(len, ladders.values())))
        ]

    def _all(self, work: Callable[[str], T]) -> list[T]:
        """What all say. Raises for those that are silent, by name."""
        told = self._each(self.adapters, work)
        silent = {name: one for name, one in told.items() if isinstance(one, RouterError)}
        if silent:
            raise _worst(silent)
        return [one for one in told.values() if not isinstance(one, RouterError)]

    def _each(self, names: Iterable[str], work: Callable[[str], T]) -> dict[str, T | RouterError]:
        """Of all at once: one that is silent must not make the others wait."""

        def tried(name: str) -> T | RouterError:
            try:
                return work(name)
            except RouterError as error:
                return error

        found = list(names)
        with ThreadPoolExecutor(max(len(found), 1)) as pool:
            return dict(zip(found, pool.map(tried, found), strict=True))


def _plan(share: float, parts: Mapping[str, tuple[Plan, Live]], left: Mapping[str, str]) -> Plan:
    commands = [f"{name}: {line}" for name, (one, _) in parts.items() for line in one.commands]
    weights = next(iter(parts.values()))[0].weights
    return Plan(share, weights, tuple(commands), parts=parts, left=left)


def _sum(told: Mapping[str, Outcome | RouterError], rises: bool) -> Outcome:
    """`applied` where all did. Raises what failed, and says who has the wanted weights."""
    done = [name for name, one in told.items() if one == "applied"]
    failed = {name: one for name, one in told.items() if one != "applied"}
    if not failed:
        return "applied"
    errors = {n: e if isinstance(e, RouterError) else Rejected(e) for n, e in failed.items()}
    have = f"{', '.join(done)} {'has' if len(done) == 1 else 'have'} the wanted weights"
    error = _worst(errors, [have] if done else [])
    if rises and done:
        raise Rejected(str(error))  # never believed: it is taken back at once
    outcomes = [one for one in failed.values() if not isinstance(one, RouterError)]
    if len(outcomes) == len(failed):
        return outcomes[0]
    raise error


def _first(values: Iterable[T], *order: T) -> T:
    """The first of `order` that any says; the order's last where none does."""
    found = list(values)
    return next((one for one in order if one in found), order[-1])


def _worst(errors: Mapping[str, RouterError], more: Sequence[str] = ()) -> RouterError:
    """All errors as one, of the kind that leaves most doubt."""
    text = "; ".join([*(f"{name}: {error}" for name, error in errors.items()), *more])
    for kind in (Ambiguous, Unreachable, Rejected):
        if any(isinstance(error, kind) for error in errors.values()):
            return kind(text)
    return Refused(text)
