"""A gate: the checks of a phase over its window, and the verdict that follows from them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from analyzer import __version__
from analyzer.chain.kept import Chain, read
from analyzer.chain.standing import Standing, stand
from analyzer.config import Rollout
from analyzer.diary import Event, phase_start
from analyzer.errors import ConfigError, NothingThere
from analyzer.labels.gate_checks import label_checks
from analyzer.logs import LogFile, Side
from analyzer.phases.ab import AB
from analyzer.phases.canary import CANARY
from analyzer.phases.full import FULL
from analyzer.phases.gate import Material, Phase, percent
from analyzer.phases.shadow import SHADOW
from analyzer.policy import Policy
from analyzer.profiles import Profiles, open_profiles
from analyzer.rehearsal import rehearse
from analyzer.roles import refuse_swapped
from analyzer.store import Store
from analyzer.verdict import (
    EXIT_CODES,
    VERDICT_SCHEMA,
    Check,
    Decision,
    Step,
    Verdict,
    decide,
)
from analyzer.window import HOUR, Window, show

PHASES: dict[str, Phase] = {phase.name: phase for phase in (SHADOW, CANARY, AB, FULL)}
"""Phases whose gates exist."""

WITHOUT_GATE = {
    "decommission": "the rollout is over; nothing is left to judge",
}
"""Phases of a rollout that no gate judges, and why."""


def gate(
    rollout: Rollout,
    policy: Policy,
    phase: str,
    *,
    window: Window | None = None,
    as_of: int | None = None,
    events: Sequence[Event] = (),
    problems: Sequence[LogFile] = (),
    profiles: Profiles | None = None,
    chain: Chain | None = None,
) -> Verdict:
    """Judge a phase from the store's profiles.

    window: whole hours; default from the phase's start in the diary (else the last day) to the
    last settled hour as of `as_of` (microseconds UTC, default the window's end). problems: log
    files that the scan could not use. profiles: of that window, where they are open already.
    chain: verdicts kept so far, by default those in the store; what is to count later is kept
    with `chain.kept.keep`. With `as_of` given, the diary counts up to it.

    Raises ConfigError (unknown phase), NothingThere (no profiles of that window, or champion and
    challenger have changed places since the store was made).
    """
    asked = phase_named(phase)
    store = Store(rollout.store_path)
    refuse_swapped(rollout, store)
    events = [event for event in events if as_of is None or event.at <= as_of]
    started = phase_start(events, phase)
    window = window or default_window(rollout, policy, store, started, as_of, asked.serves)
    material = Material(
        rollout,
        policy,
        profiles or open_profiles(store, window),
        problems,
        window.end if as_of is None else as_of,
        started,
        phase=asked.name,
        serves=asked.serves,
        events=events,
    )
    late = label_checks(rollout, policy, asked.name, material.as_of, events)
    stands = stand(
        material,
        [*asked.checks(material), *late.checks],
        chain=read(store.path) if chain is None else chain,
        events=events,
    )
    found = _verdict(material, asked, stands)
    return msgspec.structs.replace(found, notes=[*found.notes, *late.notes])


def phase_named(name: str) -> Phase:
    """The phase of that name. Raises ConfigError for one that has no gate, and says why."""
    if name not in PHASES:
        why = f": {WITHOUT_GATE[name]}" if name in WITHOUT_GATE else ""
        raise ConfigError(
            f"there is no gate for phase {name!r}{why}; there are gates for: {', '.join(PHASES)}"
        )
    return PHASES[name]


def default_window(
    rollout: Rollout,
    policy: Policy,
    store: Store,
    started: int | None,
    as_of: int | None,
    serves: Side = "champion",
) -> Window:
    """From the phase's start, else the last 24 h, to the last hour that is logged and settled.

    serves: the model whose log tells which hour is the last.
    """
    last = last_hour(store, serves)
    if as_of is not None:
        settled = (as_of - int(rollout.time.settle_hours * HOUR)) // HOUR * HOUR
        # a silence of a day is judged with the phase (data.days), shorter ones are waited out
        last = settled if settled >= last + 24 * HOUR else min(last, settled)
    first = last - 24 * HOUR if started is None else -(-started // HOUR) * HOUR
    if first >= last:
        raise NothingThere(
            f"no settled hour to judge: the phase began {show(first)} and the profiles reach "
            f"{show(last)}; scan newer logs, or give --from and --to"
        )
    return Window(first, last)


def last_hour(store: Store, serves: Side = "champion") -> int:
    """End of the last hour in which the model that serves logged anything, microseconds UTC.

    Raises NothingThere when it never did.
    """
    everything = open_profiles(store)
    for manifest in reversed(everything.manifests):
        coverage = everything.within(Window(manifest.start, manifest.end)).table("coverage")
        hours = coverage.filter(pc.greater(coverage[f"{serves}_rows"], 0))["hour"]
        if len(hours):
            return int(pc.max(hours.cast(pa.int64())).as_py()) + HOUR
    raise NothingThere(f"{store.path}: no slot holds a {serves} row; check the {serves}'s `paths`")


def _verdict(material: Material, phase: Phase, stands: Standing) -> Verdict:
    checks = stands.checks
    overdue = material.window.hours >= material.limits.max_hours
    outcome = decide(checks, overdue=overdue)
    blocking = [c for c in checks if c.severity == "block" and c.outcome != "pass"]
    blocking.sort(key=_gravity)
    waiting = [w for c in blocking if c.outcome == "undecided" for w in phase.waiting(material, c)]
    step = phase.step(material.policy) if outcome == "promote" else None
    window = (show(material.window.start), show(material.window.end))
    busy, unwatched = phase.unwatched(material)
    return Verdict(
        schema=VERDICT_SCHEMA,
        tool=__version__,
        rollout=material.rollout.name,
        phase=phase.name,
        outcome=outcome,
        exit_code=EXIT_CODES[outcome],
        headline=_headline(phase, outcome, blocking, step, overdue),
        window=window,
        as_of=show(material.as_of),
        valid_until=show(material.as_of + material.policy.verdict.valid_hours * HOUR),
        models={side: material.rollout.model(side) for side in ("champion", "challenger")},
        policy=material.policy.digest,
        profiles=material.profiles.digests,
        checks=checks,
        blocking=[c.id for c in blocking],
        enough_data=waiting,
        detectable=phase.detectable(material),
        record=rehearse(material),
        unwatched_minutes=unwatched,
        cost=phase.cost(material),
        next=step,
        evidence=stands.evidence,
        notes=[*stands.notes, *_notes(material, busy)],
        started=show(material.started) if material.started is not None else None,
        overrides=stands.overrides,
        registration=phase.registered(material) if phase.registered else "",
    )


def _gravity(check: Check) -> int:
    """Harm first, then what fails, what cannot be trusted, what is undecided."""
    if check.outcome == "fail" and check.on_fail == "roll back":
        return 0
    return {"fail": 1, "invalid": 2}.get(check.outcome, 3)


def _headline(
    phase: Phase, outcome: Decision, blocking: Sequence[Check], step: Step | None, overdue: bool
) -> str:
    if outcome == "promote" and phase.then:
        return f"Promote: every check passed; {phase.then}."
    if outcome == "promote" and step is not None:
        return f"Promote: every check passed; next is {step.phase} at {percent(step.weight)}."
    if not blocking:
        return "Undecided: there was nothing to check."
    first = blocking[0]
    rest = f" and {len(blocking) - 1} more" if len(blocking) > 1 else ""
    if outcome == "hold" and first.outcome == "undecided" and overdue:
        return (
            f"Hold: the phase has lasted as long as it may and {first.id}{rest} is still undecided."
        )
    doubled = first.outcome == outcome
    return f"{outcome.capitalize()}: {first.id}{'' if doubled else f' ({first.outcome})'}{rest}."


def _notes(material: Material, busy: int) -> list[str]:
    notes = []
    started = material.started
    if started is not None and material.window.start != -(-started // HOUR) * HOUR:
        notes.append(
            f"The window is not the phase, which began {show(started)}: intervals allow for "
            "reading one phase again and again as it grows, not for choosing among windows."
        )
    if started is None:
        notes.append(
            "The phase's start is not recorded in the diary (`analyzer event add`): intervals "
            "allow for reading one phase again and again as it grows, not for choosing among "
            "windows."
        )
    held = material.profiles
    inside = [m for m in held.manifests if held.window.holds(m.start, m.end)]
    if len(inside) < len(held.manifests):
        notes.append(
            "The window cuts through slots: worst pairs come from whole slots only, and what "
            "is said of units counts the cut slots whole."
        )
    if busy == 0:
        notes.append(f"The {material.serves} logged nothing in this window.")
    return notes
