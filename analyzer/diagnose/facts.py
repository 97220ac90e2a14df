"""What a diagnosis states beside its findings: the incident, what was refused, where it is from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from analyzer.config import Rollout
from analyzer.diagnose.drill import Drilled
from analyzer.diagnose.findings import Incident, Matured, Moment, NullRun, Provenance, Refusal
from analyzer.diagnose.history import History
from analyzer.diagnose.located import Located
from analyzer.diary import Event
from analyzer.onset.precursors import Precursors
from analyzer.policy import Policy
from analyzer.stages import Leg, legs
from analyzer.window import DAY, WEEK, Window, parse, show


def incident_of(found: Located, events: Sequence[Event], policy: Policy) -> Incident:
    """The incident's windows and instants, and what the diary says of that time."""
    question, onset = found.question, found.onset
    window, baseline = found.window, found.baseline
    trigger, rollback = question.trigger, question.rollback
    start = parse(onset.at) if onset else None
    return Incident(
        window=(show(window.start), show(window.end)),
        found=question.found,
        why=found.why,
        baseline=(show(baseline.start), show(baseline.end)) if baseline else None,
        baseline_rule=found.rule,
        onset=onset.at if onset else None,
        onset_interval=(onset.low, onset.high) if onset else None,
        onset_series=onset.series if onset else None,
        trigger=show(trigger) if trigger is not None else None,
        rollback=show(rollback) if rollback is not None else None,
        minutes_onset_to_trigger=_minutes(start, trigger),
        minutes_trigger_to_rollback=_minutes(trigger, rollback),
        minutes_onset_to_rollback=_minutes(start, rollback),
        objective_minutes=policy.rollback.max_minutes,
        diary=[
            moment_of(event)
            for event in events
            if event.at < window.end + DAY
            and (event.until or event.at) >= question.search.start - WEEK
        ],
        parts=_way(events, rollback),
    )


def _way(events: Sequence[Event], rollback: int | None) -> list[Leg]:
    """The parts that the line tells which confirmed this rollback, if one did."""
    after = [e for e in events if rollback is not None and e.at >= rollback]
    line = next((e for e in after if e.challenger_weight is not None), None)
    return legs(line.stages) if line is not None and line.stages is not None else []


def _minutes(start: int | None, end: int | None) -> float | None:
    return None if start is None or end is None else (end - start) / 60_000_000


def moment_of(event: Event) -> Moment:
    """A line of the diary in the form that pages show."""
    return Moment(
        at=show(event.at),
        kind=event.kind,
        text=" ".join(part for part in (event.phase, event.note) if part),
        end=show(event.until) if event.until is not None else None,
        challenger_weight=event.challenger_weight,
        source=event.source,
    )


def refusals(
    located: Located,
    precursors: Precursors | None,
    drilled: Drilled,
    nulls: NullRun,
    labels: Matured,
) -> list[Refusal]:
    """Everything that could not be answered."""
    found = []
    onsets = located.onsets
    if not onsets.order:
        named = [
            f"{', '.join(o.series for o in onsets.series if o.refusal == reason)}: {reason}"
            for reason in dict.fromkeys(o.refusal for o in onsets.series if o.refusal)
        ]
        found.append(Refusal(part="onset", reason="; ".join(named) or "no series was logged"))
    if located.question.cut:
        found.append(Refusal(part="window", reason=located.question.cut))
    if located.baseline is None:
        found.append(Refusal(part="baseline", reason=located.rule))
    for search in drilled.searches:
        if search.refusal:
            found.append(
                Refusal(part=f"segments, {search.title}, {search.mode}", reason=search.refusal)
            )
    if precursors is None:
        found.append(Refusal(part="features", reason="no features are declared in rollout.toml"))
    elif precursors.refusal:
        found.append(Refusal(part="features", reason=precursors.refusal))
    if nulls.refusal:
        found.append(Refusal(part="null run", reason=nulls.refusal))
    if labels.missing:
        found.append(Refusal(part="labels", reason=labels.missing))
    return found


def lost(pairs: int, drilled: Drilled) -> list[Refusal]:
    """That the raw logs no longer hold what was profiled. pairs: of the incident, by profiles."""
    read = drilled.record.pairs if drilled.record is not None else pairs
    if read >= pairs:
        return []
    reason = (
        f"{pairs:,} pairs of the incident were profiled, all windows read again now hold {read:,}: "
        "files are gone or damaged; run `analyzer check`"
    )
    return [Refusal(part="raw logs", reason=reason)]


def provenance(rollout: Rollout, policy: Policy, history: History, window: Window) -> Provenance:
    """Digests of all that the numbers were made from, and commands that make them again."""
    start, end = show(window.start), show(window.end)
    frozen = history.profiles.frozen
    return Provenance(
        profiles=history.profiles.digests,
        policy=policy.digest,
        config=rollout.digest,
        frozen=hashlib.sha256(msgspec.json.encode(frozen, order="sorted")).hexdigest()[:16],
        commands=[
            f"analyzer diagnose --incident {start}/{end}",
            f"analyzer diff --from {start} --to {end} --all",
            f"analyzer latency --from {start} --to {end}",
            f"analyzer drift --from {start} --to {end} --all",
        ],
        queries=[],
    )
