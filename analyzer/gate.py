"""A gate: the checks of a phase over its window, and the verdict that follows from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analyzer import __version__
from analyzer.config import Rollout
from analyzer.diary import Event, phase_start
from analyzer.errors import ConfigError, StoreError
from analyzer.histogram import bin_edges
from analyzer.logs import LogFile
from analyzer.measure import fine_bins, hourly, rate
from analyzer.phases.data import unwatched_minutes
from analyzer.phases.gate import Material, percent
from analyzer.phases.halves import half_psi
from analyzer.phases.shadow import shadow_checks
from analyzer.policy import Policy
from analyzer.profile import over
from analyzer.profiles import Profiles, open_profiles
from analyzer.rehearsal import rehearse
from analyzer.roles import refuse_swapped
from analyzer.stats.proportion import detectable_rate, requests_needed
from analyzer.stats.result import Estimate
from analyzer.store import Store
from analyzer.verdict import (
    EXIT_CODES,
    VERDICT_SCHEMA,
    Check,
    Decision,
    Step,
    Verdict,
    Waiting,
    decide,
    judge,
)
from analyzer.window import HOUR, Window, show

PHASES = ("shadow",)
"""Phases whose gates exist."""


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
) -> Verdict:
    """Judge a phase from the store's profiles.

    window: whole hours; default from the phase's start in the diary (else the last day) to the
    last settled hour as of `as_of` (microseconds UTC, default the window's end). problems: log
    files that the scan could not use. profiles: of that window, where they are open already.

    Raises ConfigError (unknown phase), StoreError (no profiles of that window, or champion and
    challenger have changed places since the store was made).
    """
    if phase not in PHASES:
        raise ConfigError(f"there is no gate for phase {phase!r}; there is: {', '.join(PHASES)}")
    store = Store(rollout.store_path)
    refuse_swapped(rollout, store)
    started = phase_start(events, phase)
    window = window or default_window(rollout, policy, store, started, as_of)
    material = Material(
        rollout,
        policy,
        profiles or open_profiles(store, window),
        problems,
        window.end if as_of is None else as_of,
        started,
    )
    return _verdict(material, phase, shadow_checks(material))


def default_window(
    rollout: Rollout, policy: Policy, store: Store, started: int | None, as_of: int | None
) -> Window:
    """From the phase's start, else the last 24 h, to the last hour that is logged and settled."""
    last = last_hour(store)
    if as_of is not None:
        settled = as_of - int(rollout.time.settle_hours * HOUR)
        last = min(last, settled // HOUR * HOUR)
    first = last - 24 * HOUR if started is None else -(-started // HOUR) * HOUR
    if first >= last:
        raise StoreError(
            f"no settled hour to judge: the phase began {show(first)} and the profiles reach "
            f"{show(last)}; scan newer logs, or give --from and --to"
        )
    return Window(first, last)


def last_hour(store: Store) -> int:
    """End of the last hour in which the champion logged anything, microseconds UTC.

    Raises StoreError when it never did.
    """
    everything = open_profiles(store)
    for manifest in reversed(everything.manifests):
        coverage = everything.within(Window(manifest.start, manifest.end)).table("coverage")
        hours = coverage.filter(pc.greater(coverage["champion_rows"], 0))["hour"]
        if len(hours):
            return int(pc.max(hours.cast(pa.int64())).as_py()) + HOUR
    raise StoreError(f"{store.path}: no slot holds a champion row; check the champion's `paths`")


def _verdict(material: Material, phase: str, checks: list[Check]) -> Verdict:
    limits = material.policy.shadow
    overdue = material.window.hours >= limits.max_hours
    outcome = decide(checks, overdue=overdue)
    blocking = [c for c in checks if c.severity == "block" and c.outcome != "pass"]
    waiting = [w for c in blocking if c.outcome == "undecided" for w in _waiting(material, c)]
    step = Step(limits.next_phase, limits.next_weight) if outcome == "promote" else None
    window = (show(material.window.start), show(material.window.end))
    busy, unwatched = unwatched_minutes(material)
    return Verdict(
        schema=VERDICT_SCHEMA,
        tool=__version__,
        rollout=material.rollout.name,
        phase=phase,
        outcome=outcome,
        exit_code=EXIT_CODES[outcome],
        headline=_headline(outcome, blocking, step, overdue),
        window=window,
        as_of=show(material.as_of),
        valid_until=show(material.as_of + material.policy.verdict.valid_hours * HOUR),
        models={side: material.rollout.model(side) for side in ("champion", "challenger")},
        policy=material.policy.digest,
        profiles=material.profiles.digests,
        checks=checks,
        blocking=[c.id for c in blocking],
        enough_data=waiting,
        detectable=_detectable(material),
        record=rehearse(material),
        unwatched_minutes=unwatched,
        cost=_cost(material),
        next=step,
        evidence=[],
        notes=_notes(material, busy),
    )


def _headline(
    outcome: Decision, blocking: Sequence[Check], step: Step | None, overdue: bool
) -> str:
    if outcome == "promote" and step is not None:
        return f"Promote: every check passed; next is {step.phase} at {percent(step.weight)}."
    if not blocking:
        return "Undecided: there was nothing to check."
    order = {"fail": 0, "invalid": 1, "undecided": 2}
    first = min(blocking, key=lambda c: order.get(c.outcome, 3))
    rest = f" and {len(blocking) - 1} more" if len(blocking) > 1 else ""
    if outcome == "hold" and first.outcome == "undecided" and overdue:
        return (
            f"Hold: the phase has lasted as long as it may and {first.id}{rest} is still undecided."
        )
    return f"{outcome.capitalize()}: {first.id} ({first.outcome}){rest}."


def _waiting(material: Material, check: Check) -> list[Waiting]:
    """When enough data will be there for an undecided check, at this window's traffic."""
    hours = material.window.hours
    if check.id == "process.duration":
        needs = float(material.policy.shadow.min_hours)
        at = material.window.start + int(needs * HOUR)
        return [_wait(check.id, hours, needs, at, "hours")]
    if check.id == "model.score_psi" and check.observed.undefined:
        return []
    if check.id == "model.score_psi":
        return _psi_waiting(material, check)
    shares = ("infrastructure.errors", "infrastructure.latency")
    if check.id not in shares and not check.id.startswith(("model.nulls", "model.parity")):
        return []
    if check.limit is None or check.observed.value is None:
        return []
    # a rate's interval stands on counted / deff effective requests: its own design effect
    counted = max(check.counts.values(), default=0)
    deff = counted / check.observed.n if check.observed.n else 1.0
    rows = hourly(material.profiles, "challenger").total("n")
    seen = check.observed.value
    if check.id == "infrastructure.latency" and rows > counted:  # silent requests stay unknown
        seen = (check.counts["over_limit"] + rows - counted) / rows
    needed = requests_needed(
        seen, check.limit, material.policy.shadow.confidence, always_valid=True
    )
    if not isinstance(needed, Estimate):
        return [
            Waiting(
                check=check.id,
                has=float(rows),
                needs=None,
                at=None,
                sentence=f"{check.id}: has {rows:,} requests; at the rate seen no number of "
                f"requests will let it pass ({needed.reason}).",
            )
        ]
    requests = needed.value * deff
    if rows == 0:
        return []
    requests *= rows / max(counted, 1)
    at = material.window.start + int(requests / rows * hours) * HOUR
    return [_wait(check.id, float(rows), requests, at, "requests")]


def _psi_waiting(material: Material, check: Check) -> list[Waiting]:
    """How much longer a window would settle the PSI, if it stayed what it is."""
    hours = material.window.hours
    for factor in np.geomspace(1.05, 20.0, 60).tolist():
        if judge(half_psi(material, factor), "<=", check.limit or 0.0) == "pass":
            at = material.window.start + int(hours * factor) * HOUR
            return [_wait(check.id, hours, hours * factor, at, "hours")]
    return [
        Waiting(
            check=check.id,
            has=hours,
            needs=None,
            at=None,
            sentence=f"{check.id}: has {hours:g} hours; at the drift seen, 20 times as many would "
            "not bring it below the limit.",
        )
    ]


def _wait(name: str, has: float, needs: float, at: int, unit: str) -> Waiting:
    return Waiting(
        check=name,
        has=has,
        needs=needs,
        at=show(at),
        sentence=f"{name}: has {has:,.0f}, needs about {needs:,.0f} {unit}, "
        f"at this traffic by {show(at)}.",
    )


def _detectable(material: Material) -> list[str]:
    """The smallest true harm this window would have found with 90 % power."""
    limits, power = material.policy.shadow, material.policy.record.power
    slow = over(limits.latency_limit_ms)
    lines = []
    for what, numerator, denominator, limit in (
        ("an error rate", "errors", "n", limits.max_error_rate),
        (
            f"a share of requests over {limits.latency_limit_ms:g} ms",
            slow,
            "latency_n",
            round(1 - limits.latency_quantile, 12),
        ),
    ):
        found = rate(material.profiles, "challenger", numerator, denominator)
        least = detectable_rate(
            found.n / found.deff, limit, limits.confidence, power, always_valid=True
        )
        if isinstance(least, Estimate):
            lines.append(
                f"{what.capitalize()} of {percent(least.value)} or more would have been found "
                f"with {percent(power)} power (limit {percent(limit)})."
            )
        else:
            lines.append(f"No harm in {what} could have been found: {least.reason}.")
    return lines


def _cost(material: Material) -> str:
    """What the phase costs: the mirrored requests and the time spent on them."""
    rows = hourly(material.profiles, "challenger").total("n")
    _, code, n = fine_bins(material.profiles, "challenger", "latency_ms")
    if not len(code):
        return f"{rows:,} mirrored requests; the challenger logs no latency."
    low, high = bin_edges(code, "distance", material.profiles.frozen.bins["latency_ms"].origin)
    seconds = float(((low + high) / 2) @ n) / 1e3
    return f"{rows:,} mirrored requests, about {_duration(seconds)} of serving time."


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} seconds"
    return f"{seconds / 60:.3g} minutes" if seconds < 7200 else f"{seconds / 3600:,.3g} hours"


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
        notes.append("The champion logged nothing in this window.")
    return notes
