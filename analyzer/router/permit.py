"""May this verdict move traffic? The rules of `route apply`, before any router is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analyzer.chain.kept import Kept
from analyzer.config import Rollout
from analyzer.policy import Policy
from analyzer.router.adapter import TOLERANCE, Live, Refused
from analyzer.router.audit import Record
from analyzer.router.decision import Decision
from analyzer.verdict import Verdict
from analyzer.window import parse

SECOND = 1_000_000
SKEW = 60.0
"""Seconds by which clocks of the judging and the routing machine may differ."""


@dataclass(frozen=True)
class Permit:
    """What a verdict allows: the phase and the challenger's share in it, and why. renewal: whether
    only the end of the decision in force moves.
    """

    phase: str
    share: float
    verdict: str
    reason: str
    expires: float
    renewal: bool = False


@dataclass(frozen=True)
class Standing:
    """What the router's controller knows: the live weights, the decision in force (None: there
    never was one), the audit log's records, the verdicts that were kept.
    """

    live: Live
    in_force: Decision | None
    records: Sequence[Record]
    kept: Sequence[Kept]

    @property
    def phase(self) -> str:
        """The phase that the decision in force began."""
        return self.in_force.phase if self.in_force else "shadow"


def permit(
    rollout: Rollout,
    policy: Policy,
    given: Kept,
    standing: Standing,
    now: float,
    share: float | None = None,
) -> Permit:
    """What a verdict allows now (seconds since 1970). share: less than its next step, by choice.

    A verdict to roll back leads to share 0, always. Moving up needs a promote that is of this
    rollout and its models, in time, unused, the newest, about the phase in force, given after the
    last change, and no further than the policy's next step. Raises Refused saying which of these
    does not hold. Going down is always allowed, by whatever share. An undecided verdict of the
    phase in force renews its decision, under the same conditions, with the weights in force.
    """
    verdict, own = given.verdict, given.digest
    refuse_foreign(rollout, verdict)
    expires = parse(verdict.valid_until) / SECOND
    if verdict.outcome == "roll back":
        return Permit("shadow", 0.0, own, verdict.headline, expires)
    down = share is not None and share < standing.live.share - TOLERANCE
    if verdict.outcome == "undecided" and standing.in_force is not None:
        return _renewal(given, standing, standing.in_force, now, share)
    if verdict.outcome != "promote":
        raise Refused(
            f"the verdict is {verdict.outcome.upper()} ({verdict.headline}); traffic moves up on a "
            "promote only, and down with `analyzer route rollback`"
        )
    _refuse_late(verdict, now)
    step = verdict.next
    if step is None:
        raise Refused("the verdict promotes but names no next step")
    if share is not None and share > step.weight + TOLERANCE:
        raise Refused(
            f"{share:.2%} is beyond the verdict's next step, {step.phase} at {step.weight:.2%}"
        )
    target = step.weight if share is None else share
    found = Permit(step.phase, target, own, f"{verdict.phase} gate: {verdict.headline}", expires)
    if not down and not _stands_already(standing, found):
        _refuse_jump(policy, verdict)
        _refuse_old(given, standing)
        _refuse_elsewhere(verdict, standing)
    return found


def _renewal(
    given: Kept, standing: Standing, in_force: Decision, now: float, share: float | None
) -> Permit:
    """The weights in force for as long as this undecided verdict is valid; never more of them."""
    verdict = given.verdict
    _refuse_late(verdict, now)
    most = min(standing.live.share, in_force.allows(now))
    if most < TOLERANCE:
        raise Refused(
            "the verdict is UNDECIDED and there is nothing to renew: the challenger has "
            f"{standing.live.share:.2%} and may have {in_force.allows(now):.2%}"
        )
    if share is not None and share > most + TOLERANCE:
        raise Refused(f"{share:.2%} is more than the {most:.2%} that may be renewed")
    target = most if share is None else share
    reason = f"{verdict.phase} gate, renewed: {verdict.headline}"
    expires = parse(verdict.valid_until) / SECOND
    found = Permit(in_force.phase, target, given.digest, reason, expires, renewal=True)
    if not _stands_already(standing, found):
        _refuse_old(given, standing)
        _refuse_elsewhere(verdict, standing, lower=True)
    return found


def _stands_already(standing: Standing, found: Permit) -> bool:
    """Whether this very verdict is in force and nothing has to be done."""
    decision = standing.in_force
    same = decision is not None and decision.verdict == found.verdict
    return same and abs(standing.live.share - found.share) < TOLERANCE


def refuse_foreign(rollout: Rollout, verdict: Verdict) -> None:
    """Raises Refused where the verdict is about another rollout or other models."""
    if verdict.rollout != rollout.name:
        raise Refused(f"the verdict is about {verdict.rollout!r}, not about {rollout.name!r}")
    serves: Mapping[str, str] = rollout.router.serves if rollout.router else {}
    for side in ("champion", "challenger"):
        judged = verdict.models.get(side)
        for where, name in (("rollout.toml", rollout.model(side)), ("[router]", serves.get(side))):
            if name is not None and judged != name:
                raise Refused(
                    f"the verdict judged the {side} {judged!r}; {where} has {name!r} in its place"
                )


def _refuse_late(verdict: Verdict, now: float) -> None:
    if now >= parse(verdict.valid_until) / SECOND:
        raise Refused(f"the verdict expired at {verdict.valid_until}; judge again")
    if parse(verdict.as_of) / SECOND > now + SKEW:
        raise Refused(f"the verdict is as of {verdict.as_of}, in the future; or the clock is wrong")


def _refuse_jump(policy: Policy, verdict: Verdict) -> None:
    try:
        limits = policy.phase(verdict.phase)
    except KeyError:
        raise Refused(f"the policy knows no step after the phase {verdict.phase!r}") from None
    step = verdict.next
    assert step is not None
    if step.phase != limits.next_phase or step.weight > limits.next_weight + TOLERANCE:
        raise Refused(
            f"the verdict leads to {step.phase} at {step.weight:.2%}; the policy's next step after "
            f"{verdict.phase} is {limits.next_phase} at {limits.next_weight:.2%}"
        )


def _refuse_old(given: Kept, standing: Standing) -> None:
    """A verdict that was used, has a newer beside it, or was given before the last change."""
    verdict, own = given.verdict, given.digest
    as_of = parse(verdict.as_of)
    for record in standing.records:
        used = record.get("verdict") == own and record["kind"] == "outcome"
        if used and record.get("outcome") in ("applied", "ambiguous"):
            raise Refused(f"the verdict was used already, at {record['at']}; judge again")
        told = record.get("as_of")
        if isinstance(told, str) and parse(told) > as_of:
            raise Refused(
                f"a newer verdict, as of {told}, was seen already; this is as of {verdict.as_of}"
            )
    twins = {k.digest for k in standing.kept if (k.at, k.verdict.phase) == (as_of, verdict.phase)}
    if twins and own not in twins:
        raise Refused("the verdict is not the one that the gate kept: it was changed afterwards")
    newer = [k for k in standing.kept if k.at > as_of and k.digest != own]
    if newer:
        last = newer[-1].verdict
        raise Refused(
            f"the verdict is superseded: the {last.phase} gate said {last.outcome} as of "
            f"{last.as_of}"
        )
    in_force = standing.in_force
    if in_force is not None and as_of / SECOND < in_force.issued:
        raise Refused(
            f"the verdict is as of {verdict.as_of}, before the last change of traffic at "
            f"{in_force.issued_at}; judge what came after it"
        )


def _refuse_elsewhere(verdict: Verdict, standing: Standing, lower: bool = False) -> None:
    """The phase and the live share that the verdict takes for granted. lower: or less of it."""
    if verdict.phase != standing.phase:
        raise Refused(
            f"the verdict is about the {verdict.phase} phase, and the rollout is in "
            f"{standing.phase}"
        )
    assumed = standing.in_force.share if standing.in_force else 0.0
    moved = standing.live.share - assumed
    if moved > TOLERANCE or (moved < -TOLERANCE and not lower):
        raise Refused(
            f"the router gives the challenger {standing.live.share:.2%}, and the decision in force "
            f"{assumed:.2%}: somebody else moved it; roll back, or put it right, then judge again"
        )
