"""`analyzer diagnose`: from an incident's time to one frozen `Diagnosis`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import msgspec

from analyzer import __version__
from analyzer.config import Rollout
from analyzer.diagnose import charts
from analyzer.diagnose.coverage import coverage_of
from analyzer.diagnose.diagnosis import DIAGNOSIS_SCHEMA, Diagnosis
from analyzer.diagnose.drill import Drilled, Job, drill
from analyzer.diagnose.findings import Incident, Moment, NullRun, Provenance, Refusal
from analyzer.diagnose.history import History
from analyzer.diagnose.mixes import mixes
from analyzer.diagnose.nulls import null_run
from analyzer.diagnose.summary import summary
from analyzer.diagnose.windows import (
    DAY,
    HISTORY_WEEKS,
    WEEK,
    Asked,
    asked,
    baseline_of,
    first_onset,
    incident_window,
    known_by,
    profiled,
)
from analyzer.diary import Event
from analyzer.drilldown.plan import shape_of
from analyzer.logs import SIDES, survey
from analyzer.onset.precursors import Precursors
from analyzer.onset.search import Onsets
from analyzer.policy import Policy
from analyzer.profiles import open_profiles
from analyzer.scan.workers import team
from analyzer.store import Store
from analyzer.window import Window, parse, show

OBJECTIVE_MINUTES = 5.0
"""The champion is restored within five minutes of the decision to roll back."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Diagnosed:
    """A diagnosis and the sums of its drill-down, drilldown.parquet."""

    diagnosis: Diagnosis
    drilldown: bytes


def diagnose(
    rollout: Rollout,
    policy: Policy,
    *,
    incident: Window | None = None,
    auto: Window | bool = False,
    events: Sequence[Event] = (),
    as_of: int | None = None,
    jobs: int = 1,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Diagnosed:
    """Diagnose an incident: a window given, the onset found (`auto`, within a window or
    everywhere), or else the diary's latest rollback.

    From profiles, and from the raw logs of the incident's window, its baseline and one earlier
    window of the null run. as_of: nothing after it is looked at (microseconds UTC). jobs: worker
    processes; they change no byte of the result. Raises ConfigError (nothing to diagnose),
    StoreError (nothing profiled), LogError (a log cannot be read).
    """
    store = Store(rollout.store_path)
    whole = open_profiles(store)
    held = known_by(profiled(whole.manifests), as_of)
    question = asked(held, events, incident, auto)
    first = max(held.start, question.search.start - (HISTORY_WEEKS + 1) * WEEK)
    last = min(held.end, question.search.end + DAY)
    history = History.of(rollout, whole.within(Window(first, last)), events)
    onsets = history.onsets(question.search, question.trigger, question.rollback)
    window, why = incident_window(question, onsets, history.calendar)
    onset = first_onset(onsets)
    interval = (parse(onset.low), parse(onset.high)) if onset else (window.start, window.start)
    before = min(window.start, interval[0])
    baseline, rule = baseline_of(window, before, history.calendar)
    null = baseline_of(baseline, baseline.start, history.calendar)[0] if baseline else None

    part = whole.within(window)
    missing = history.missing_lines(window, baseline)
    coverage = coverage_of(part, whole.within(baseline) if baseline else None, missing)
    files = {side: survey(rollout, side) for side in SIDES}
    shape = shape_of(rollout, whole.frozen, files)
    reference = whole.within(Window(history.calendar.held.start, max(before, held.start + DAY)))
    with team(jobs, executor, coverage.incident.pairs * 4) as pool:
        drilled = drill(
            Job(rollout, shape, files, whole, reference, pool, jobs, progress),
            window,
            baseline,
            null,
        )
    differing = {p.feature for p in coverage.parity if p.differing}
    shift = _difference(history, window, baseline)
    precursors = history.precursors(interval, window.end, differing, drilled.cells, shift)
    split = mixes(drilled, whole.frozen.scale)
    nulls = null_run(history, baseline, null, drilled)
    facts = _incident(question, window, why, baseline, rule, onsets, events)
    return Diagnosed(
        Diagnosis(
            schema=DIAGNOSIS_SCHEMA,
            tool=f"analyzer {__version__}",
            rollout=rollout.name,
            models={side: rollout.model(side) for side in SIDES},
            score=rollout.score.type,
            incident=facts,
            summary=summary(
                facts,
                coverage,
                onsets,
                drilled.searches,
                precursors,
                nulls,
                drilled.record,
                split,
            ),
            coverage=coverage,
            onsets=onsets,
            series=charts.series(history, window),
            searches=drilled.searches,
            precursors=charts.without_sparklines(precursors),
            features=charts.features(
                history, precursors, window, baseline, differing, drilled.inside
            ),
            mix=split,
            null_run=nulls,
            densities=charts.densities(whole, window, baseline),
            latency=charts.latency(whole, charts.span(history, window)),
            refusals=_refusals(onsets, baseline, rule, precursors, drilled, nulls),
            drilldown=drilled.record,
            provenance=_provenance(rollout, policy, history, window),
        ),
        drilled.saved,
    )


def _difference(history: History, window: Window, baseline: Window | None) -> float | None:
    """How far the challenger's mean score moved from the baseline to the incident."""
    if baseline is None:
        return None
    after, before = history.mean_score(window), history.mean_score(baseline)
    return None if after is None or before is None else after - before


def _incident(
    question: Asked,
    window: Window,
    why: str,
    baseline: Window | None,
    rule: str,
    onsets: Onsets,
    events: Sequence[Event],
) -> Incident:
    onset = first_onset(onsets)
    trigger, rollback = question.trigger, question.rollback
    start = parse(onset.at) if onset else None
    return Incident(
        window=(show(window.start), show(window.end)),
        found=question.found,
        why=why,
        baseline=(show(baseline.start), show(baseline.end)) if baseline else None,
        baseline_rule=rule,
        onset=onset.at if onset else None,
        onset_interval=(onset.low, onset.high) if onset else None,
        onset_series=onset.series if onset else None,
        trigger=show(trigger) if trigger is not None else None,
        rollback=show(rollback) if rollback is not None else None,
        minutes_onset_to_trigger=_minutes(start, trigger),
        minutes_trigger_to_rollback=_minutes(trigger, rollback),
        minutes_onset_to_rollback=_minutes(start, rollback),
        objective_minutes=OBJECTIVE_MINUTES,
        diary=[
            _moment(event)
            for event in events
            if event.at < window.end + DAY
            and (event.until or event.at) >= question.search.start - WEEK
        ],
    )


def _minutes(start: int | None, end: int | None) -> float | None:
    return None if start is None or end is None else (end - start) / 60_000_000


def _moment(event: Event) -> Moment:
    return Moment(
        at=show(event.at),
        kind=event.kind,
        text=" ".join(part for part in (event.phase, event.note) if part),
        end=show(event.until) if event.until is not None else None,
        challenger_weight=event.challenger_weight,
        source=event.source,
    )


def _refusals(
    onsets: Onsets,
    baseline: Window | None,
    rule: str,
    precursors: Precursors | None,
    drilled: Drilled,
    nulls: NullRun,
) -> list[Refusal]:
    """Everything that could not be answered."""
    found = []
    if not onsets.order:
        named = [
            f"{', '.join(o.series for o in onsets.series if o.refusal == reason)}: {reason}"
            for reason in dict.fromkeys(o.refusal for o in onsets.series if o.refusal)
        ]
        found.append(Refusal(part="onset", reason="; ".join(named) or "no series was logged"))
    if baseline is None:
        found.append(Refusal(part="baseline", reason=rule))
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
    found.append(
        Refusal(part="labels", reason="no labels are read yet: matured loss has no series")
    )
    return found


def _provenance(rollout: Rollout, policy: Policy, history: History, window: Window) -> Provenance:
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
