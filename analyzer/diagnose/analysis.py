"""`analyzer diagnose`: from an incident's time to one frozen `Diagnosis`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from analyzer import __version__
from analyzer.config import Rollout
from analyzer.diagnose import charts
from analyzer.diagnose.coverage import coverage_of
from analyzer.diagnose.diagnosis import DIAGNOSIS_SCHEMA, Diagnosis
from analyzer.diagnose.drill import Drilled, Job, drill
from analyzer.diagnose.facts import incident_of, lost, provenance, refusals
from analyzer.diagnose.findings import Coverage, Matured
from analyzer.diagnose.history import History
from analyzer.diagnose.located import Located, locate, narrowed
from analyzer.diagnose.matured import matured, sentence
from analyzer.diagnose.mixes import mixes
from analyzer.diagnose.nulls import null_run
from analyzer.diagnose.summary import summary
from analyzer.diagnose.windows import (
    HISTORY_WEEKS,
    asked,
    known_by,
    profiled,
)
from analyzer.diary import Event
from analyzer.drilldown.plan import shape_of
from analyzer.logs import SIDES, LogFile, Side, survey
from analyzer.policy import Policy
from analyzer.profiles import Profiles, open_profiles
from analyzer.scan.workers import team
from analyzer.store import Store
from analyzer.window import DAY, WEEK, Window

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
    profiles = open_profiles(Store(rollout.store_path))
    held = known_by(profiled(profiles.manifests), as_of)
    events = [e for e in events if as_of is None or e.at <= as_of]
    question = narrowed(asked(held, events, incident, auto), profiles.manifests)
    first = max(held.start, question.search.start - (HISTORY_WEEKS + 1) * WEEK)
    last = min(held.end, question.search.end + DAY)
    history = History.of(rollout, profiles.within(Window(first, last)), events)
    found = locate(history, question)
    coverage = coverage_of(
        profiles.within(found.window),
        profiles.within(found.baseline) if found.baseline else None,
        history.missing_lines(found.window, found.baseline),
    )
    with team(jobs, executor, coverage.incident.pairs * 4) as pool:
        job = _job(rollout, profiles, found, pool, progress)
        drilled = drill(job, found.window, found.baseline, found.null)
    loss = matured(rollout, policy, history, found, as_of)
    diagnosis = _composed(rollout, policy, history, found, coverage, drilled, loss, events)
    return Diagnosed(diagnosis, drilled.saved)


def _job(
    rollout: Rollout,
    profiles: Profiles,
    found: Located,
    pool: Executor | None,
    progress: Progress | None,
) -> Job:
    """What the drill-down needs: the logs, and the week that tells where the bins' edges lie."""
    files = {side: survey(rollout, side, _footers(rollout, profiles, side)) for side in SIDES}
    shape = shape_of(rollout, profiles.frozen, files)
    first = min(m.start for m in profiles.manifests)
    quiet = Window(max(found.quiet_until - WEEK, first), max(found.quiet_until, first + DAY))
    return Job(rollout, shape, files, profiles, profiles.within(quiet), pool, progress)


def _footers(
    rollout: Rollout, profiles: Profiles, side: Side
) -> dict[tuple[str, int, int], LogFile]:
    """What the scan read of a log's files: footers need not be read twice."""
    kept = profiles.store.footers().get(f"{side} {rollout.digest}", [])
    return {(f.name, f.size, f.changed): f for f in kept if not f.problem}


def _composed(
    rollout: Rollout,
    policy: Policy,
    history: History,
    found: Located,
    coverage: Coverage,
    drilled: Drilled,
    loss: Matured,
    events: Sequence[Event],
) -> Diagnosis:
    """Everything that profiles still answer, put together with what the raw logs said."""
    window, baseline = found.window, found.baseline
    differing = {p.feature for p in coverage.parity if p.differing}
    shift = history.score_shift(window, baseline)
    precursors = history.precursors(found.between, window.end, differing, drilled.cells, shift)
    split = mixes(drilled, history.profiles.frozen.scale)
    nulls = null_run(history, baseline, found.null, drilled)
    incident = incident_of(found, events, policy)
    record = drilled.record
    return Diagnosis(
        schema=DIAGNOSIS_SCHEMA,
        tool=f"analyzer {__version__}",
        rollout=rollout.name,
        models={side: rollout.model(side) for side in SIDES},
        score=rollout.score.type,
        incident=incident,
        summary=summary(
            incident,
            coverage,
            found.onsets,
            drilled.searches,
            precursors,
            nulls,
            record,
            split,
            set(record.dimensions) - set(rollout.segments.columns),
        )
        + sentence(loss),
        coverage=coverage,
        onsets=found.onsets,
        series=charts.series(history, window),
        searches=drilled.searches,
        precursors=charts.without_sparklines(precursors),
        features=charts.features(history, precursors, window, baseline, differing, drilled.inside),
        mix=split,
        null_run=nulls,
        densities=charts.densities(history.profiles, window, baseline),
        latency=charts.latency(history.profiles, charts.span(history, window)),
        matured=loss,
        refusals=lost(coverage.incident.pairs, drilled)
        + refusals(found, precursors, drilled, nulls, loss),
        drilldown=record,
        provenance=provenance(rollout, policy, history, window),
    )
