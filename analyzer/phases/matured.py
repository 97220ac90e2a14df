"""Do matured labels say that the challenger is not worse than the old model it replaced?"""

from __future__ import annotations

from datetime import UTC, datetime

from analyzer.errors import StoreError
from analyzer.labels.answer import metrics_for
from analyzer.labels.compare import compare
from analyzer.labels.comparison import Compared, Comparison, Question
from analyzer.labels.evidence import evidence
from analyzer.labels.known import known
from analyzer.phase_limits import MaturedLabels
from analyzer.phases.gate import Material, check, share_with_interval
from analyzer.stats.result import Result, Undefined, estimate
from analyzer.verdict import Check, Waiting
from analyzer.window import DAY, Window, show

NAME = "business.matured_loss"
HISTORY_DAYS = 30
"""Days before the phase, and twice those on which labels arrive, that say how they arrive."""


def matured_checks(material: Material, limits: MaturedLabels) -> list[Check]:
    """The primary loss of both models on the phase's mature pairs: non-inferior by a margin.

    Only prediction days count whose labels are as complete as the policy asks. Undecided, with the
    date, while there are too few; without labels the policy says whether the gate waits. The
    interval may be read every night (a confidence sequence over the mature days).
    """
    told = False
    note = ""
    result: Result
    if not material.rollout.labels.paths:
        told = limits.without_labels == "warn"
        result = Undefined("no labels are described in [labels]")
        note = " Whether the gate waits for them is `without_labels` in the policy."
    else:
        found = _compared(material, limits)
        result = found if isinstance(found, Undefined) else _excess(found, limits)
        note = _progress(found, limits)
    return [
        check(
            material,
            NAME,
            "business",
            "loss of the challenger above the old model's, same requests",
            result,
            "<=",
            limits.max_loss_excess,
            f"{_said(result, limits)}{note}",
            severity="warn" if told else "block",
            harm=True,
        )
    ]


def _said(result: Result, limits: MaturedLabels) -> str:
    most = f"at most {limits.max_loss_excess:.0%} above the old model's is allowed"
    if isinstance(result, Undefined):
        return f"Mature labels say nothing of the challenger's loss: {result.reason}; {most}."
    return (
        f"By mature labels the challenger's loss is {share_with_interval(result)} above the old "
        f"model's (below 0: better); {most}."
    )


def matured_waiting(material: Material, limits: MaturedLabels) -> list[Waiting]:
    """When labels will be mature."""
    if not material.rollout.labels.paths:
        return []
    found = _compared(material, limits)
    if isinstance(found, Undefined) or found.waited.ready is None:
        return []
    at, has = show(found.waited.ready * DAY), float(len(found.days))
    return [
        Waiting(
            check=NAME,
            has=has,
            needs=float(max(limits.min_days, len(found.days))),
            at=at,
            sentence=f"{NAME}: has {has:g} mature days, needs {limits.min_days}; by {at} the "
            f"labels of all {found.asked} days so far will be nine tenths complete.",
        )
    ]


def _compared(material: Material, limits: MaturedLabels) -> Comparison | Undefined:
    return material.profiles.remember(
        ("matured labels", material.as_of), lambda: _compare(material, limits)
    )


def _compare(material: Material, limits: MaturedLabels) -> Comparison | Undefined:
    labels = material.rollout.labels
    first, last = -(-material.window.start // DAY), material.window.end // DAY
    before = first - 2 * labels.open_days - HISTORY_DAYS
    try:
        seen = known(material.rollout, material.as_of, Window(before * DAY, max(last, first) * DAY))
    except StoreError as error:
        return Undefined(str(error))
    question = Question(
        labels.arrival,
        first,
        last,
        (metrics_for(seen)[0],),
        limits.confidence,
        floor=limits.min_completeness,
        planned=material.limits.min_hours / 24,
    )
    return compare(evidence(seen), question)


def _excess(found: Comparison, limits: MaturedLabels) -> Result:
    if not found.metrics:
        return found.refused or Undefined("nothing can be compared")
    if len(found.days) < limits.min_days:
        return Undefined(
            f"{len(found.days)} days of the phase have mature labels, {limits.min_days} needed",
            found.labels,
        )
    return relative_loss(found.metrics[0])


def relative_loss(found: Compared) -> Result:
    """(challenger's loss - champion's) / champion's; of accuracy the share of wrong predictions."""
    base, difference = found.champion, found.difference
    if isinstance(base, Undefined):
        return base
    if isinstance(difference, Undefined):
        return difference
    wrong = found.metric == "accuracy"
    loss = 1 - base.value if wrong else base.value
    if not loss > 0:
        return Undefined("the old model has no loss to compare with", base.n)
    ends = sorted((-1 if wrong else 1) * x / loss for x in (difference.low, difference.high))
    value = (-1 if wrong else 1) * difference.value / loss
    return estimate(value, ends[0], ends[1], difference.n, f"{found.metric}, {difference.method}")


def _progress(found: Comparison | Undefined, limits: MaturedLabels) -> str:
    if isinstance(found, Undefined):
        return ""
    said = (
        f" {len(found.days)} of {found.asked} days are {limits.min_completeness:.0%} complete, "
        f"with {found.labels:,.0f} labelled pairs."
    )
    if found.waited.ready is None:
        return said
    day = datetime.fromtimestamp(found.waited.ready * DAY // 1_000_000, UTC)
    return f"{said} All days so far are expected to be nine tenths complete by {day:%Y-%m-%d}."
