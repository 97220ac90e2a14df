"""What was decided when, on which evidence, and what happened next."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from analyzer.chain.kept import Chain, Kept
from analyzer.chain.overrides import overrides_of
from analyzer.config import Rollout
from analyzer.diagnose.facts import moment_of
from analyzer.diagnose.findings import Hours, Moment
from analyzer.diary import Event, weight_at
from analyzer.policy import Policy
from analyzer.restored import Rollback, rollbacks
from analyzer.verdict import Decision, Override, Step
from analyzer.window import HOUR, MINUTE, Window, show

MOST_POINTS = 400
"""Of the course of the weight: a year in steps of a day."""


class Decided(Struct, frozen=True, kw_only=True):
    """One kept verdict and what happened between it and the next one.

    digest: of this verdict; evidence: of those it stands on. followed: the diary's lines after
    as_of up to the next verdict's; next_verdict: that one's digest.
    """

    digest: str
    as_of: str
    phase: str
    outcome: Decision
    headline: str
    window: tuple[str, str]
    valid_until: str
    started: str | None
    models: dict[str, str]
    policy: str
    blocking: list[str]
    evidence: list[str]
    overrides: list[Override]
    next: Step | None
    followed: list[Moment]
    next_verdict: str | None

    @property
    def why(self) -> str:
        """The headline without the outcome that it begins with."""
        start = f"{self.outcome}: "
        cut = len(start) if self.headline.lower().startswith(start) else 0
        return self.headline[cut:]


class Untrusted(Struct, frozen=True, kw_only=True):
    """A file of the chain that is not what was written."""

    file: str
    problem: str


class History(Struct, frozen=True, kw_only=True):
    """A rollout's decisions in order of time. before: the diary ahead of the first of them.

    overrides: all rules that were set aside. others: rollouts that keep their verdicts in the
    same store. weight: the challenger's share of the traffic, column `challenger`.
    """

    rollout: str
    window: tuple[str, str] | None
    before: list[Moment]
    verdicts: list[Decided]
    overrides: list[Override]
    rollbacks: list[Rollback]
    untrusted: list[Untrusted]
    others: list[str]
    weight: Hours | None


def history(
    rollout: Rollout,
    policy: Policy,
    chain: Chain,
    events: Sequence[Event],
    *,
    window: Window | None = None,
    as_of: int | None = None,
) -> History:
    """The chain and the diary told together.

    window: only verdicts as of a time in (start, end] and events in [start, end]. as_of: as it
    was known then; instants are microseconds UTC.
    """

    def known(at: int, after: bool = False) -> bool:
        if as_of is not None and at > as_of:
            return False
        return window is None or (window.start + after <= at <= window.end)

    diary = [event for event in events if known(event.at)]
    kept = [k for k in chain.of(rollout.name) if known(k.at, after=True)]
    first = kept[0].at if kept else None
    return History(
        rollout=rollout.name,
        window=(show(window.start), show(window.end)) if window else None,
        before=[moment_of(e) for e in diary if first is None or e.at <= first],
        verdicts=[_decided(kept, i, diary) for i in range(len(kept))],
        overrides=overrides_of(diary),
        rollbacks=rollbacks(diary, policy.rollback.max_minutes),
        untrusted=[Untrusted(file=f.file, problem=f.problem) for f in chain.faults],
        others=chain.others(rollout.name),
        weight=_weight(diary, [k.at for k in kept]),
    )


def _decided(kept: Sequence[Kept], i: int, diary: Sequence[Event]) -> Decided:
    verdict, at = kept[i].verdict, kept[i].at
    following = kept[i + 1] if i + 1 < len(kept) else None
    return Decided(
        digest=kept[i].digest,
        as_of=verdict.as_of,
        phase=verdict.phase,
        outcome=verdict.outcome,
        headline=verdict.headline,
        window=verdict.window,
        valid_until=verdict.valid_until,
        started=verdict.started,
        models=verdict.models,
        policy=verdict.policy,
        blocking=verdict.blocking,
        evidence=verdict.evidence,
        overrides=verdict.overrides,
        next=verdict.next,
        followed=[
            moment_of(e) for e in diary if at < e.at and (following is None or e.at <= following.at)
        ],
        next_verdict=following.digest if following else None,
    )


def _weight(diary: Sequence[Event], decided: Sequence[int]) -> Hours | None:
    """The challenger's share of the traffic from the first line that tells it to the last."""
    known = [event.at for event in diary if event.challenger_weight is not None]
    if not known:
        return None
    start = min(known) // HOUR * HOUR
    end = -(-max([event.at for event in diary] + list(decided)) // HOUR) * HOUR + HOUR
    step = -(-(end - start) // HOUR // MOST_POINTS) * HOUR
    times = range(start, end, step)
    # a step shows what held at its end, so that a short phase is not lost in a wide one
    weights = [weight_at(diary, at + step - 1) for at in times]
    return Hours(start=show(start), step_minutes=step // MINUTE, columns={"challenger": weights})


def runs(verdicts: Sequence[Decided]) -> list[list[Decided]]:
    """Verdicts in runs that say the same, with nothing in the diary between them."""
    found: list[list[Decided]] = []
    for one in verdicts:
        if found and not found[-1][-1].followed and _alike(one, found[-1][-1]):
            found[-1].append(one)
        else:
            found.append([one])
    return found


def _alike(one: Decided, other: Decided) -> bool:
    keys = ("phase", "outcome", "blocking", "evidence", "policy", "started", "models")
    return all(getattr(one, key) == getattr(other, key) for key in keys)
