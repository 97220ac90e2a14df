"""The nightly job: scan, judge, and keep what an analyst will ask for in the morning.

Each result is written as soon as it is known, so a later step that fails loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from analyzer import verdict as verdicts
from analyzer.chain.kept import keep
from analyzer.config import Rollout
from analyzer.diagnose.findings import Refusal
from analyzer.diary import Event, incidents, path_of, phase_start, read, running_phase
from analyzer.divergence import divergence
from analyzer.drift import Drift, default_reference, drift, past_windows
from analyzer.errors import AnalyzerError, StoreError
from analyzer.experiment.update import update as read_outcomes
from analyzer.gate import default_window, gate, phase_named
from analyzer.labels.answer import labels
from analyzer.labels.known import known
from analyzer.labels.proxies.answer import proxies
from analyzer.labels.update import Update, update
from analyzer.latency import latency
from analyzer.logs import LogFile
from analyzer.overview import Answers, Late, Overview, overview
from analyzer.phases.trial import trial_in
from analyzer.policy import Policy
from analyzer.profiles import Profiles, open_profiles
from analyzer.scan.run import Progress, Scan, scan
from analyzer.slo.answer import Slo, slo
from analyzer.store import Store
from analyzer.triggers.watched import NOT_ASKED, Watched, watched
from analyzer.verdict import EXIT_CODES, Verdict
from analyzer.window import DAY, HOUR, Window, parse

FILES = {"divergence": "diff.json", "latency": "latency.json", "drift": "drift.json"}
"""Where each answer is kept, named by the command that gives it."""

REPORT = "report.html"
TRIGGERS = "triggers.json"
"""What rollback triggers and signals for a human said of the window's minutes."""

LABELS = "labels.json"
"""What labels say by the end of the window: quality, comparison, business checks."""

TRIAL = "experiment.json"
"""What the A/B test says, while it runs."""

LEVELS = "slo.json"
"""Service levels of the window's last day, and the error budgets."""

HISTORY_DAYS = 35
"""Four clean weeks of history and a week of reference."""


@dataclass(frozen=True)
class Nightly:
    """What one night found: the scan, the verdict, the files written, what could not be done.

    labels: what was joined, None where no labels are described or they could not be joined.
    levels: service levels of the window's last day, None where they could not be had.
    """

    scan: Scan
    verdict: Verdict
    files: tuple[str, ...]
    skipped: tuple[str, ...]
    labels: Update | None = None
    levels: Slo | None = None
    watched: Watched = NOT_ASKED

    @property
    def exit_code(self) -> int:
        """The verdict's; but levels that certainly fail, and rollback triggers that fired, hold or
        roll back, whatever it says.
        """
        levels = self.levels.exit_code if self.levels else 0
        codes = [self.verdict.exit_code, levels, self.watched.exit_code]
        worst = [code for code in (EXIT_CODES["roll back"], EXIT_CODES["hold"]) if code in codes]
        return worst[0] if worst else self.verdict.exit_code


def nightly(
    rollout: Rollout,
    policy: Policy,
    *,
    window: Window | None = None,
    as_of: int | None = None,
    jobs: int = 1,
    out: Path | None = None,
    progress: Progress | None = None,
) -> Nightly:
    """Scan what is new, judge the phase the diary says is running, write the results.

    With a window of its own the scan is limited to that and the 35 days before, which hold every
    reference and history it may need; without one, everything new is scanned.

    Writes verdict.json, diff.json, latency.json, drift.json, labels.json (where labels are
    described), slo.json, triggers.json, experiment.json (in the A/B test) and report.html into
    `out` (default: a folder `nightly/END` in the store), and keeps the verdict in the chain of
    evidence. as_of: instant in microseconds UTC, default the window's end. Raises what `scan` and
    `gate` raise; what comes after the verdict is skipped and named.
    """
    events = [e for e in read(path_of(rollout)) if as_of is None or e.at <= as_of]
    needed = (window.start - HISTORY_DAYS * 24 * HOUR, window.end) if window else None
    done = scan(rollout, policy, jobs=jobs, progress=progress, window=needed)
    joined, without = _joined(rollout)
    without += _outcomes(rollout)
    phase = running_phase(events)
    store = Store(rollout.store_path)
    window = window or default_window(
        rollout, policy, store, phase_start(events, phase), as_of, phase_named(phase).serves
    )
    profiles = open_profiles(store, window)
    result = gate(
        rollout,
        policy,
        phase,
        window=window,
        as_of=as_of,
        events=events,
        problems=done.problems,
        profiles=profiles,
    )
    lost = _kept(rollout, result, policy)
    folder = out or results_folder(rollout) / result.window[1].replace(":", "")
    files = [_write(folder, "verdict.json", verdicts.encode(result))]
    found = answers(policy, profiles, events)
    for name in ("divergence", "latency", "drift"):
        answer = getattr(found, name)
        if answer is not None:
            files.append(_write(folder, FILES[name], _encode(answer)))
    told = late(rollout, policy, result) if joined else Late(missing="".join(without))
    if told.labels is not None:
        content = {"labels": told.labels, "checks": told.checks}
        files.append(_write(folder, LABELS, _encode(content)))
    elif joined:
        without += (f"{LABELS}: {told.missing}",)
    levels, unjudged = levels_of(rollout, policy, result, profiles, events, done.problems)
    if levels is not None:
        files.append(_write(folder, LEVELS, _encode(levels)))
    seen_minutes = watched(rollout, policy, profiles, events, parse(result.as_of))
    if seen_minutes.triggers is not None:
        files.append(_write(folder, TRIGGERS, _encode(seen_minutes)))
    else:
        without += (f"{TRIGGERS}: {seen_minutes.missing}",)
    trial = trial_in(rollout, policy, result, profiles, events)
    if isinstance(trial, str):
        without += (f"{TRIAL}: {trial}",)
    elif trial is not None:
        files.append(_write(folder, TRIAL, _encode(trial)))
    seen = overview(
        rollout,
        result,
        profiles,
        found,
        events=events,
        problems=done.problems,
        late=told,
        levels=levels,
        watched=seen_minutes,
        trial=trial,
    )
    files.append(_write(folder, REPORT, report(seen)))
    skipped = tuple(f"{FILES[part.part]}: {part.reason}" for part in found.missing)
    left = lost + without + unjudged + skipped
    return Nightly(done, result, tuple(files), left, joined, levels, seen_minutes)


def levels_of(
    rollout: Rollout,
    policy: Policy,
    verdict: Verdict,
    profiles: Profiles,
    events: Sequence[Event],
    problems: Sequence[LogFile] = (),
) -> tuple[Slo | None, tuple[str, ...]]:
    """Service levels of the last 24 hours of a verdict's window; or in words why there are none."""
    end = profiles.window.end
    try:
        day = profiles.within(Window(end - DAY, end))
        return slo(rollout, policy, day, events, as_of=parse(verdict.as_of), problems=problems), ()
    except AnalyzerError as error:
        return None, (f"{LEVELS}: {error}",)


def _kept(rollout: Rollout, verdict: Verdict, policy: Policy) -> tuple[str, ...]:
    """Keep the verdict as evidence; in words what could not be done."""
    try:
        keep(rollout.store_path, verdict, policy)
    except StoreError as error:
        return (f"the chain of evidence: {error}",)
    return ()


def _joined(rollout: Rollout) -> tuple[Update | None, tuple[str, ...]]:
    """Labels joined up to date, or why not: without them the models are judged all the same."""
    if not rollout.labels.paths:
        return None, ()
    try:
        return update(rollout), ()
    except AnalyzerError as error:
        return None, (f"labels: {error}",)


def _outcomes(rollout: Rollout) -> tuple[str, ...]:
    """Outcomes of the A/B test read up to date; in words why not."""
    if rollout.experiment is None:
        return ()
    try:
        read_outcomes(rollout)
    except AnalyzerError as error:
        return (f"outcomes: {error}",)
    return ()


def late(rollout: Rollout, policy: Policy, verdict: Verdict) -> Late:
    """What the labels joined so far and known by the verdict's as-of say, or why nothing."""
    if not rollout.labels.paths:
        return Late()
    try:
        found = known(rollout, parse(verdict.as_of))
    except AnalyzerError as error:
        return Late(missing=str(error))
    asked = ("business.", "process.proxy")
    checks = tuple(check for check in verdict.checks if check.id.startswith(asked))
    arrival = rollout.labels.arrival
    told = proxies(rollout, found, arrival, policy.proxy)
    return Late(replace(labels(found, arrival), proxies=told), checks)


def results_folder(rollout: Rollout) -> Path:
    """Where nights keep their results, one folder each, when they are told no other place."""
    return rollout.store_path / "nightly"


def report(found: Overview) -> bytes:
    """The page about a verdict as one HTML file."""
    # drawing loads a JavaScript engine: only who wants a page pays for it
    from analyzer.report.night import report as page

    return page(found)


def answers(policy: Policy, profiles: Profiles, events: Sequence[Event]) -> Answers:
    """What an analyst will ask for beside the verdict; what cannot be had is named."""
    limits = sorted(set(policy.latency_thresholds))
    questions: dict[str, Callable[[], object]] = {
        "divergence": lambda: divergence(profiles),
        "latency": lambda: latency(profiles, limits),
        "drift": lambda: drift_of(profiles, events),
    }
    found: dict[str, Any] = {}
    missing = []
    for name, question in questions.items():
        try:
            found[name] = question()
        except AnalyzerError as error:
            missing.append(Refusal(part=name, reason=str(error)))
    return Answers(**found, missing=tuple(missing))


def drift_of(profiles: Profiles, events: Sequence[Event], reference: Window | None = None) -> Drift:
    """Drift of a window against `reference`, by default the store's first 7 clean days."""
    known = incidents(events)
    first = min(m.start for m in profiles.store.manifests().values())
    reference = reference or default_reference(first, profiles.window.start, known)
    held = {m.start for m in profiles.store.manifests().values()}
    history = [
        past
        for past in past_windows(profiles.window, reference, known)
        if any(past.overlaps(start, start + 1) for start in held)
    ]
    return drift(profiles, reference, history=history)


def _encode(content: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content, order="sorted"), indent=2) + b"\n"


def _write(folder: Path, name: str, content: bytes) -> str:
    target = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{name}.part")
        part.write_bytes(content)
        part.replace(target)
    except OSError as error:
        raise StoreError(f"{target}: cannot be written ({error})") from None
    return str(target)
