"""The nightly job: scan, judge, and keep what an analyst will ask for in the morning.

Each result is written as soon as it is known, so a later step that fails loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from analyzer import verdict as verdicts
from analyzer.beside import answers, late, levels_of
from analyzer.chain.kept import keep
from analyzer.config import Rollout
from analyzer.diary import Event, path_of, phase_start, read, running_phase
from analyzer.errors import AnalyzerError, StoreError
from analyzer.experiment.analysis import Analysis
from analyzer.experiment.update import update as read_outcomes
from analyzer.gate import default_window, gate, phase_named
from analyzer.labels.update import Update, update
from analyzer.overview import Answers, Late, Overview, overview
from analyzer.phases.trial import trial_in
from analyzer.policy import Policy
from analyzer.profiles import Profiles, open_profiles
from analyzer.scan.run import Progress, Scan, scan
from analyzer.slo.answer import Slo
from analyzer.store import Store
from analyzer.triggers.watched import NOT_ASKED, Watched, watched
from analyzer.verdict import EXIT_CODES, Verdict
from analyzer.window import HOUR, Window, parse

T = TypeVar("T")

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


@dataclass
class _Night:
    """A night on its way: what it rests on, and what its steps found, wrote and could not do."""

    rollout: Rollout
    policy: Policy
    events: list[Event]
    scan: Scan
    files: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    joined: Update | None = None
    answers: Answers = field(default_factory=Answers)
    late: Late = field(default_factory=Late)
    levels: Slo | None = None
    watched: Watched = NOT_ASKED
    trial: Analysis | str | None = None

    def judged(self, verdict: Verdict, profiles: Profiles, out: Path | None) -> None:
        """Take up the verdict that all later steps stand beside."""
        end = verdict.window[1].replace(":", "")
        self.verdict, self.profiles = verdict, profiles
        self.folder = out or results_folder(self.rollout) / end

    def tried(self, what: str, work: Callable[[], T]) -> T | None:
        """What `work` gives; where it fails None, and why is kept: it must not lose the rest."""
        try:
            return work()
        except AnalyzerError as error:
            self.left.append(f"{what}: {error}")
            return None

    def keep(self, name: str, content: object) -> None:
        """Write a result as soon as it is known."""
        self.files.append(_write(self.folder, name, content))


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
    evidence. as_of: instant in microseconds UTC, default the window's end; the diary counts up to
    it. Raises what `scan` and `gate` raise, and where verdict.json cannot be written; what comes
    after the verdict is skipped and named.
    """
    events = [e for e in read(path_of(rollout)) if as_of is None or e.at <= as_of]
    needed = (window.start - HISTORY_DAYS * 24 * HOUR, window.end) if window else None
    night = _Night(
        rollout, policy, events, scan(rollout, policy, jobs=jobs, progress=progress, window=needed)
    )
    if rollout.labels.paths:
        until = as_of if as_of is not None or window is None else window.end
        night.joined = night.tried("labels", lambda: update(rollout, until=until))
    if rollout.experiment is not None:
        night.tried("outcomes", lambda: read_outcomes(rollout))
    _judge(night, window, as_of, out)
    for name, step in STEPS.items():
        night.tried(name, partial(step, night))
    return Nightly(
        night.scan,
        night.verdict,
        tuple(night.files),
        tuple(night.left),
        night.joined,
        night.levels,
        night.watched,
    )


def _judge(night: _Night, window: Window | None, as_of: int | None, out: Path | None) -> None:
    """The verdict of the running phase; without it there is no night."""
    rollout, policy, events = night.rollout, night.policy, night.events
    phase, store = running_phase(events), Store(rollout.store_path)
    window = window or default_window(
        rollout, policy, store, phase_start(events, phase), as_of, phase_named(phase).serves
    )
    profiles = open_profiles(store, window)
    verdict = gate(
        rollout,
        policy,
        phase,
        window=window,
        as_of=as_of,
        events=events,
        problems=night.scan.problems,
        profiles=profiles,
    )
    night.judged(verdict, profiles, out)
    night.keep("verdict.json", verdicts.encode(verdict))


def _chain(night: _Night) -> None:
    keep(night.rollout.store_path, night.verdict, night.policy)


def _answers(night: _Night) -> None:
    night.answers = answers(night.policy, night.profiles, night.events)
    night.left += [f"{FILES[part.part]}: {part.reason}" for part in night.answers.missing]
    for name, file in FILES.items():
        answer = getattr(night.answers, name)
        if answer is not None:
            night.tried(file, partial(night.keep, file, answer))


def _labels(night: _Night) -> None:
    if night.joined is None:  # none are described, or they could not be joined
        night.late = Late(missing=next((x for x in night.left if x.startswith("labels: ")), ""))
        return
    night.late = late(night.rollout, night.policy, night.verdict)
    if night.late.labels is None:
        night.left.append(f"{LABELS}: {night.late.missing}")
    else:
        night.keep(LABELS, {"labels": night.late.labels, "checks": night.late.checks})


def _levels(night: _Night) -> None:
    night.levels = levels_of(
        night.rollout,
        night.policy,
        night.verdict,
        night.profiles,
        night.events,
        night.scan.problems,
    )
    night.keep(LEVELS, night.levels)


def _minutes(night: _Night) -> None:
    as_of = parse(night.verdict.as_of)
    night.watched = watched(night.rollout, night.policy, night.profiles, night.events, as_of)
    if night.watched.triggers is None:
        night.left.append(f"{TRIGGERS}: {night.watched.missing}")
    else:
        night.keep(TRIGGERS, night.watched)


def _trial(night: _Night) -> None:
    trial = trial_in(night.rollout, night.policy, night.verdict, night.profiles, night.events)
    night.trial = trial
    if isinstance(trial, str):
        night.left.append(f"{TRIAL}: {trial}")
    elif trial is not None:
        night.keep(TRIAL, trial)


def _page(night: _Night) -> None:
    seen = overview(
        night.rollout,
        night.verdict,
        night.profiles,
        night.answers,
        events=night.events,
        problems=night.scan.problems,
        late=night.late,
        levels=night.levels,
        watched=night.watched,
        trial=night.trial,
    )
    night.keep(REPORT, report(seen))


STEPS: dict[str, Callable[[_Night], None]] = {
    "the chain of evidence": _chain,
    "answers": _answers,
    LABELS: _labels,
    LEVELS: _levels,
    TRIGGERS: _minutes,
    TRIAL: _trial,
    REPORT: _page,
}
"""What a night does once there is a verdict, in order; a step that fails loses no other."""


def results_folder(rollout: Rollout) -> Path:
    """Where nights keep their results, one folder each, when they are told no other place."""
    return rollout.store_path / "nightly"


def report(found: Overview) -> bytes:
    """The page about a verdict as one HTML file."""
    # drawing loads a JavaScript engine: only who wants a page pays for it
    from analyzer.report.night import report as page

    return page(found)


def _write(folder: Path, name: str, content: object) -> str:
    target, part = folder / name, folder / f"{name}.part"
    if not isinstance(content, bytes):
        raw = msgspec.json.encode(content, order="sorted")
        content = msgspec.json.format(raw, indent=2) + b"\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(target)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise StoreError(f"{target}: cannot be written ({error})") from None
    return str(target)
