"""What must not change while a phase runs: its policy, its start, who is who, what was kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analyzer.chain.kept import Chain, Kept
from analyzer.chain.overrides import moved_keys
from analyzer.diary import Event
from analyzer.logs import SIDES
from analyzer.phases.gate import Material, check
from analyzer.phases.trial import registered
from analyzer.roles import roles_of
from analyzer.stats.result import point
from analyzer.store import Store
from analyzer.verdict import Check, Outcome
from analyzer.window import parse, show

MOST_NAMED = 3


def change_checks(material: Material, chain: Chain, events: Sequence[Event]) -> Iterator[Check]:
    """The policy, the start and the plan of this phase against its kept verdicts, who is who, and,
    where there are any, records that cannot be believed and rollouts that share the store.
    """
    yield _policy(material, chain)
    yield _start(material, chain, events)
    yield from _plan(material, chain)
    yield from _roles(material, chain, events)
    yield from _records(material, chain)
    yield from _shared(material, chain)


def fact(
    material: Material,
    name: str,
    metric: str,
    outcome: Outcome,
    sentence: str,
    severity: str = "block",
    harm: bool = False,
) -> Check:
    """A check of what verdicts and the diary say, without a limit."""
    seen = point(float(outcome != "pass"), 1, "from kept verdicts and the diary")
    return check(
        material,
        name,
        "process",
        metric,
        seen,
        None,
        None,
        sentence,
        outcome=outcome,
        severity=severity,
        harm=harm,
    )


def models_of(material: Material) -> dict[str, str]:
    """The models' names as a verdict holds them."""
    return {side: material.rollout.model(side) for side in SIDES}


def mine(material: Material, chain: Chain) -> list[Kept]:
    """Kept verdicts of this phase about these models."""
    found = chain.of(material.rollout.name, material.phase)
    return [k for k in found if k.verdict.models == models_of(material)]


def _policy(material: Material, chain: Chain) -> Check:
    """The limits now are those by which the phase was first judged."""
    now = material.policy
    started = show(material.started) if material.started is not None else None
    for first in mine(material, chain):
        if first.verdict.started != started or not _passed(first, "process.policy"):
            continue
        moved = moved_keys(chain.policies.get(first.verdict.policy), now, material.phase)
        if first.verdict.policy == now.digest or moved == []:
            continue
        what = "; ".join((moved or [])[:MOST_NAMED]) or f"it was {first.verdict.policy}"
        sentence = (
            "The policy is not the one by which this phase was first judged "
            f"({first.verdict.as_of}, verdict {first.digest}): {what}. Put it back, or record "
            f"why: `analyzer event add override REASON --what policy --phase {material.phase}`."
        )
        return fact(material, "process.policy", "policy in mid-phase", "fail", sentence)
    sentence = "The limits are those by which this phase was first judged."
    return fact(material, "process.policy", "policy in mid-phase", "pass", sentence)


def _passed(kept: Kept, name: str) -> bool:
    """Whether a verdict's own check of that name passed: it then sets what later ones keep to."""
    return any(c.id == name and c.outcome == "pass" for c in kept.verdict.checks)


def _start(material: Material, chain: Chain, events: Sequence[Event]) -> Check:
    """The phase began when its earlier verdicts say it did, or was ended before it began anew."""
    moved = _moved_starts(material, chain, events)
    name, metric = "process.start", "the phase's start"
    if not moved:
        sentence = "The phase began when its earlier verdicts say it did."
        return fact(material, name, metric, "pass", sentence)
    then = " and ".join(show(start) for start in moved[:MOST_NAMED])
    now = show(material.started) if material.started is not None else "nothing"
    sentence = (
        f"Verdicts of this phase say that it began {then}, the diary now says {now}, with no "
        "rollback and no other phase between: beginning again until it passes is no evidence. "
        "Correct the diary, or record why: `analyzer event add override REASON --what restart "
        f"--phase {material.phase}`."
    )
    return fact(material, name, metric, "fail", sentence)


def restarts(material: Material, chain: Chain, events: Sequence[Event]) -> int:
    """How many times the phase began anew without having been ended."""
    return len(_moved_starts(material, chain, events))


def _moved_starts(material: Material, chain: Chain, events: Sequence[Event]) -> list[int]:
    """Starts by which this phase was judged, and which neither a rollback nor another phase
    separates from the start in the diary now.
    """
    now = material.started
    kept = mine(material, chain)
    used = {parse(k.verdict.started) for k in kept if k.verdict.started} - {now}
    return [
        then
        for then in sorted(used)
        if now is None or not any(then < e.at <= now and _ends(e, material.phase) for e in events)
    ]


def _plan(material: Material, chain: Chain) -> Iterator[Check]:
    """The A/B test is read against the plan by which it was first judged."""
    if material.phase != "ab":
        return
    now, metric = registered(material), "the plan in mid-phase"
    started = show(material.started) if material.started is not None else None
    own = [k for k in mine(material, chain) if k.verdict.started == started]
    first = next((k for k in own if k.verdict.registration), None)
    if first is None or first.verdict.registration == now:
        yield fact(
            material,
            "process.plan",
            metric,
            "pass",
            "The experiment is read against the plan by which it was first judged.",
        )
        return
    sentence = (
        f"The experiment was first judged ({first.verdict.as_of}, verdict {first.digest}) against "
        f"the plan {first.verdict.registration}, now against {now or 'none'}: a plan that is made "
        "when results are known promises nothing. Put it back, or record why: `analyzer event add "
        f"override REASON --what restart --phase {material.phase}`."
    )
    yield fact(material, "process.plan", metric, "fail", sentence)


def _ends(event: Event, phase: str) -> bool:
    return event.kind == "rollback" or (event.kind == "phase" and event.phase != phase)


def _roles(material: Material, chain: Chain, events: Sequence[Event]) -> Iterator[Check]:
    models = models_of(material)
    swapped = {"champion": models["challenger"], "challenger": models["champion"]}
    kept = chain.of(material.rollout.name)
    turned = [k for k in kept if k.verdict.models == swapped]
    if not turned or swapped == models or any(e.phase == "decommission" for e in events):
        return
    last = turned[-1]
    yield fact(
        material,
        "process.roles",
        "who is champion and who challenger",
        "fail",
        f"{models['champion']} is the champion now and {models['challenger']} the challenger; "
        f"verdict {last.digest} of {last.verdict.as_of} had them the other way round, and the "
        "diary knows of no decommissioning: swap them back in rollout.toml.",
    )


def _records(material: Material, chain: Chain) -> Iterator[Check]:
    if not chain.faults:
        return
    named = "; ".join(f"{f.file} {f.problem}" for f in chain.faults[:MOST_NAMED])
    more = len(chain.faults) - MOST_NAMED
    rest = f"; and {more:,} more" if more > 0 else ""
    yield fact(
        material,
        "process.records",
        "kept verdicts that cannot be believed",
        "invalid",
        f"{named}{rest}. None counts as evidence. Put it back from a backup, or move it out of "
        "the store.",
    )


def _shared(material: Material, chain: Chain) -> Iterator[Check]:
    """Two rollouts in one store: the profiles are of the one that was scanned last."""
    store = Store(material.rollout.store_path)
    found = store.roles()
    others = chain.others(material.rollout.name)
    also = f" Verdicts of {', '.join(others[:MOST_NAMED])} are kept here too." if others else ""
    remedy = "give each rollout its own [store] path"
    metric = "one rollout, one store"
    if found is not None and found != roles_of(material.rollout):
        yield fact(
            material,
            "process.store",
            metric,
            "invalid",
            "The store was last scanned for other logs than rollout.toml now describes, so its "
            f"profiles may be theirs: run `analyzer scan`, and {remedy}.{also}",
        )
    elif others:
        sentence = f"Two rollouts share this store: {remedy}.{also}"
        yield fact(material, "process.store", metric, "undecided", sentence, "warn")
