"""What an analyst asks for beside a verdict: divergence, latency, drift, labels, levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from analyzer.config import Rollout
from analyzer.diagnose.findings import Refusal
from analyzer.diary import Event, incidents
from analyzer.divergence import divergence
from analyzer.drift import Drift, default_reference, drift, past_windows
from analyzer.errors import AnalyzerError
from analyzer.labels.answer import labels
from analyzer.labels.known import known
from analyzer.labels.proxies.answer import proxies
from analyzer.latency import latency
from analyzer.logs import LogFile
from analyzer.overview import Answers, Late
from analyzer.policy import Policy
from analyzer.profiles import Profiles
from analyzer.slo.answer import Slo, slo
from analyzer.verdict import Verdict
from analyzer.window import DAY, Window, parse


def levels_of(
    rollout: Rollout,
    policy: Policy,
    verdict: Verdict,
    profiles: Profiles,
    events: Sequence[Event],
    problems: Sequence[LogFile] = (),
) -> Slo:
    """Service levels of the last 24 hours of a verdict's window. Raises what `slo` raises."""
    end = profiles.window.end
    day = profiles.within(Window(end - DAY, end))
    return slo(rollout, policy, day, events, as_of=parse(verdict.as_of), problems=problems)


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
