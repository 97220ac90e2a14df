"""What a change of the router writes into the rollout's diary, where triggers, history and reports
look for weights.
"""

from __future__ import annotations

from collections.abc import Sequence

from analyzer import diary
from analyzer.config import Rollout
from analyzer.diary import Event, Kind
from analyzer.errors import ConfigError
from analyzer.router.controller import Report
from analyzer.router.decision import seconds
from analyzer.stages import Stages
from analyzer.window import show

SOURCE = "analyzer route"


def lines(report: Report, phase: str, now: float, weight: float | None) -> list[Event]:
    """A change's lines. phase: where it begins one; now: seconds since 1970; weight: what the diary
    gives the challenger now.

    A way down to nothing has two: when it was decided, and, once it is confirmed, the weight 0 with
    its stages. Nothing where nothing was changed and the diary knows.
    """
    late = report.outcome == "no-op" and report.share == 0 and bool(weight)
    if report.dry_run or not (report.outcome == "applied" or late):
        return []
    if report.share == 0:
        return [*decided(report), *confirmed(report)]
    kind: Kind = "phase" if phase else "weight"
    return [
        Event(
            ts=show(round(now * 1e6)),
            kind=kind,
            phase=phase,
            challenger_weight=report.share,
            source=SOURCE,
            note=f"epoch {report.epoch}",
        )
    ]


def keep(rollout: Rollout, report: Report, phase: str, now: float) -> list[str]:
    """Write a change's lines; in words what could not be: the traffic is where it should be."""
    weight, faults = None, []
    try:
        weight = diary.weight_at(diary.read(diary.path_of(rollout)), round(now * 1e6))
    except ConfigError as error:
        faults.append(str(error))
    return [*faults, *append(rollout, lines(report, phase, now, weight))]


def decided(report: Report) -> list[Event]:
    """That somebody decided to roll back."""
    doubt = "" if report.done else f", not confirmed: {report.outcome}"
    at = _instant(report.stages.decided)
    return [Event(ts=at, kind="rollback", source=SOURCE, note=f"epoch {report.epoch}{doubt}")]


def confirmed(report: Report) -> list[Event]:
    """That the challenger has nothing, once that is believed."""
    seen = report.confirmed
    if not report.done or seen is None:
        return []
    levels = (
        f"configuration {seen.configuration}, engine {seen.engine}, zero traffic {seen.traffic}"
    )
    return [
        Event(
            ts=_instant(report.stages.confirmed or report.stages.decided),
            kind="weight",
            challenger_weight=0.0,
            source=SOURCE,
            note=levels,
            stages=report.stages,
        )
    ]


def trigger(name: str, sentence: str, stages: Stages) -> Event:
    """That a rollback trigger fired."""
    note = f"{name}: {sentence}"
    return Event(ts=_instant(stages.fired), kind="trigger", source=SOURCE, note=note)


def append(rollout: Rollout, events: Sequence[Event]) -> list[str]:
    """Write lines; in words what could not be."""
    path, faults = diary.path_of(rollout), []
    for event in events:
        try:
            diary.append(path, event)
        except ConfigError as error:
            faults.append(f"the diary does not know: {error}")
    return faults


def _instant(text: str) -> str:
    return show(int(seconds(text) * 1e6))
