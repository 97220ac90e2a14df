"""`analyzer check`: what is wrong with the logs, and what the running phase needs of them.

Everything is read batch by batch; request ids are held for a slot or few at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analyzer.check.columns import columns, features_nowhere, undated_features, versions
from analyzer.check.files import file_findings, same_content, surveyed
from analyzer.check.finding import Check, Finding, Need
from analyzer.check.labels import labels
from analyzer.check.needs import needs, traffic
from analyzer.check.pairs import days, pairs, swapped_names
from analyzer.check.proxies import proxies
from analyzer.check.rows import duplicates, row_counts, row_findings
from analyzer.check.stream import Logs
from analyzer.config import Rollout
from analyzer.diary import Event, phase_start, running_phase
from analyzer.logs import SIDES
from analyzer.policy import Policy
from analyzer.window import Window, show

__all__ = ["Check", "Finding", "Need", "check"]


SPLIT = frozenset({"canary", "ab", "full"})
"""Phases in which a request is answered by one model: the logs need not share any."""


def check(
    rollout: Rollout,
    policy: Policy,
    window: Window | None = None,
    events: Sequence[Event] = (),
) -> Check:
    """List what is wrong with the logs, and how long the running phase's gate would need.

    window: look at its rows only; default all there are. events: the diary; where a phase ran
    that splits the traffic, requests are not looked for in both logs. Reads both logs once or
    twice, in bounded memory. Raises LogError only for what no finding can express (a `where`
    that is no SQL).
    """
    findings: list[Finding] = []
    files = {side: surveyed(rollout, side, findings) for side in SIDES}
    usable = {side: [f for f in files[side] if not f.problem] for side in SIDES}
    counts = {side: len(files[side]) for side in SIDES}
    for side in SIDES:
        findings += file_findings(rollout, side, files[side], usable[side])
        findings += same_content(side, usable[side])
    findings += labels(rollout, usable)
    findings += proxies(rollout, policy, usable)
    spans = [(f.first, f.last) for side in SIDES for f in usable[side]]
    starts = [first for first, _ in spans if first is not None]
    if not starts or not all(usable.values()):
        return Check(_sorted(findings), (), counts, {}, None, None, None)
    end = max(last for _, last in spans if last is not None) + 1
    logs = Logs(rollout, usable, *((window.start, window.end) if window else (min(starts), end)))
    rows = {side: row_counts(logs, side, policy) for side in SIDES}
    totals = {side: sum(row["rows"] for row in rows[side]) for side in SIDES}
    for side in SIDES:
        findings += row_findings(logs, side, rows[side])
        if totals[side]:
            findings += duplicates(logs, side)
            findings += columns(logs, side)
            findings += versions(logs, side)
            findings += undated_features(logs, side)
    findings += days(rows)
    findings += swapped_names(rollout)
    split = any(e.kind == "phase" and e.phase in SPLIT and e.at < logs.end for e in events)
    if all(totals.values()) and not split:
        findings += pairs(logs, policy)
    findings += features_nowhere(logs)
    phase = running_phase([e for e in events if e.at < logs.end])
    served = phase in SPLIT
    began = phase_start(events, phase) if served else None
    per_hour = traffic(rows["challenger" if served else "champion"], began)
    ends = [row[key] for side in SIDES for row in rows[side] for key in ("first", "last")]
    return Check(
        _sorted(findings),
        needs(policy, phase, per_hour) if served or phase == "shadow" else (),
        counts,
        totals,
        show(min(ends)) if ends else None,
        show(max(ends)) if ends else None,
        per_hour,
        phase,
    )


def _sorted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    rank = {"stops the job": 0, "counted": 1, "note": 2}
    return tuple(sorted(findings, key=lambda f: (rank[f.severity], f.log, f.file, f.column)))
