"""What labels say of an incident's days: the matured loss of both models, by prediction day.

Labels are counted by the day of the prediction, so all of this is of whole days; an incident of
some hours is told by the days it lies on.
"""

from __future__ import annotations

from dataclasses import replace

from analyzer.config import Rollout
from analyzer.diagnose.findings import Hours, Matured, MaturedLoss, Sentence, Span
from analyzer.diagnose.history import History
from analyzer.diagnose.located import Located
from analyzer.errors import StoreError
from analyzer.labels.answer import metrics_for
from analyzer.labels.compare import compare
from analyzer.labels.comparison import Compared, Comparison, Question
from analyzer.labels.evidence import Evidence, evidence
from analyzer.labels.known import known
from analyzer.policy import Policy
from analyzer.stats.independent import moved
from analyzer.stats.result import Estimate, Result, Undefined
from analyzer.verdict import observed
from analyzer.window import DAY, WEEK, Window, date, show

WHOSE = ("champion", "challenger", "difference")

Values = dict[str, Result]


def matured(
    rollout: Rollout, policy: Policy, history: History, found: Located, as_of: int | None
) -> Matured:
    """Loss by the labels joined so far and known by `as_of` (microseconds UTC; default: all).

    Days enter where at least `business.min_completeness` of every class of labels has come, each
    label weighted by 1 / completeness. Reads only the store: labels are joined by `analyzer
    labels` and `nightly`.
    """
    if not rollout.labels.paths:
        return _nothing("no labels described: name their files under [labels] in rollout.toml")
    try:
        told = known(rollout, as_of, history.profiles.window)
    except StoreError as error:
        return _nothing(str(error))
    pairs, limits = evidence(told), policy.business
    window = _days(found.window)
    asked = Question(
        rollout.labels.arrival,
        *window,
        metrics_for(told)[:1],
        limits.confidence,
        floor=limits.min_completeness,
    )
    now = compare(pairs, asked)
    incident, values = _loss(now, window)
    baseline, before = None, None
    if found.baseline is not None:
        earlier = _days(found.baseline)
        baseline, before = _loss(
            compare(pairs, replace(asked, first=earlier[0], last=earlier[1])), earlier
        )
    shifts = {w: moved(values[w], before[w]) for w in WHOSE} if before is not None else {}
    ready = now.waited.ready
    name = asked.metrics[0].name
    return Matured(
        metric=name,
        as_of=date(told.as_of),
        daily=_daily(pairs, asked, found.window, min(told.as_of, window[1] + 1)),
        incident=incident,
        baseline=baseline,
        moved={whose: observed(shift) for whose, shift in shifts.items()},
        ready=None if ready is None else date(ready),
        lines=list(_lines(name, date(told.as_of), now, incident, values, shifts)),
        missing="",
    )


def sentence(found: Matured) -> list[Sentence]:
    """The summary's answer."""
    said = " ".join(found.lines) if found.lines else f"Nothing: {found.missing}."
    return [Sentence(topic="labels", text=said)]


def _nothing(reason: str) -> Matured:
    return Matured(
        metric="",
        as_of="",
        daily=None,
        incident=None,
        baseline=None,
        moved={},
        ready=None,
        lines=[],
        missing=reason,
    )


def _days(window: Window) -> tuple[int, int]:
    """The whole days that a window lies on, since 1970, UTC."""
    return window.start // DAY, -(-window.end // DAY)


def _span(days: tuple[int, int]) -> Span:
    return show(days[0] * DAY), show(days[1] * DAY)


def _loss(said: Comparison, days: tuple[int, int]) -> tuple[MaturedLoss, Values]:
    one: Compared | None = said.metrics[0] if said.metrics else None
    reason = said.refused or Undefined("nothing can be compared")
    values: Values = {w: getattr(one, w) if one is not None else reason for w in WHOSE}
    loss = MaturedLoss(
        window=_span(days),
        asked=said.asked,
        days=len(said.days),
        rows=said.rows,
        labels=said.labels,
        complete=min(said.completeness.values(), default=0.0),
        refusal="" if one is not None else reason.reason,
        **{whose: observed(value) for whose, value in values.items()},
    )
    return loss, values


def _daily(pairs: Evidence, asked: Question, window: Window, end: int) -> Hours | None:
    """Each day by itself, from a week before the incident; days that cannot tell are gaps."""
    first = max((window.start - WEEK) // DAY, min(pairs.rows, default=0))
    columns: dict[str, list[float | None]] = {name: [] for name in (*WHOSE, "complete")}
    for day in range(first, end):
        said = compare(pairs, replace(asked, first=day, last=day + 1))
        for whose in WHOSE:
            value = getattr(said.metrics[0], whose) if said.metrics else None
            columns[whose].append(value.value if isinstance(value, Estimate) else None)
        columns["complete"].append(min(said.completeness.values()) if said.days else None)
    if not columns["complete"]:
        return None
    return Hours(start=show(first * DAY), step_minutes=24 * 60, columns=columns)


def _lines(
    metric: str, as_of: str, now: Comparison, incident: MaturedLoss, values: Values, shifts: Values
) -> list[str]:
    """In plain words: how the loss moved, which model was better, or when that will be known."""
    when = f"0.9 of them will be here on {date(now.waited.ready)}" if now.waited.ready else ""
    if incident.refusal:
        later = f"; {when}" if when else ""
        return [f"Labels known by {as_of} cannot tell yet: {incident.refusal}{later}."]
    share = incident.labels / incident.rows if incident.rows else 0.0
    here = f"{incident.days} of the incident's {incident.asked} whole days"
    lines = [f"Labels known by {as_of} tell of {here}; {share:.0%} of their pairs have one."]
    if incident.days < incident.asked and when:
        lines.append(f"For every day {when}.")
    for side in ("champion", "challenger"):
        lines.append(_moved(f"{metric} of the {side}", values[side], shifts.get(side)))
    lines.append(
        _moved(
            f"{metric}, challenger minus champion,", values["difference"], shifts.get("difference")
        )
    )
    better = now.metrics[0].better
    lines.append(
        "Which model was better in it is not certain."
        if better == "undecided"
        else f"In it the {better} was the better model."
    )
    return [*lines, *(f"Alarm: {alarm}." for alarm in now.alarms)]


def _moved(what: str, value: Result, shift: Result | None) -> str:
    text = what[0].upper() + what[1:]
    if isinstance(value, Undefined):
        return f"{text} cannot be said ({value.reason})."
    text += f" was {value.value:.3g} ({value.low:.3g} to {value.high:.3g})"
    if shift is None or isinstance(shift, Undefined):
        reason = "no baseline" if shift is None else shift.reason
        return f"{text}; whether it moved cannot be said ({reason})."
    certain = "" if shift.low > 0 or shift.high < 0 else ", which may be chance"
    way = "up" if shift.value > 0 else "down"
    return (
        f"{text}, {way} by {abs(shift.value):.3g} on its baseline "
        f"({shift.low:+.3g} to {shift.high:+.3g}){certain}."
    )
