"""Business checks from late labels: a model's loss week over week, and which model loses less.

The primary loss: Brier for probabilities, mean absolute error for values, the share of wrong
predictions for classes. Labels still on their way are allowed for by 1 / completeness.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import msgspec

from analyzer.labels.answer import metrics_for
from analyzer.labels.cells import Kind, Known
from analyzer.labels.compare import compare, ladders_of, mature_days
from analyzer.labels.comparison import Compared, Question
from analyzer.labels.completeness import Completeness
from analyzer.labels.evidence import Arrival, Evidence, evidence
from analyzer.labels.tables import DAY
from analyzer.logs import SIDES
from analyzer.policy import Business
from analyzer.stats.result import Estimate, Result, Undefined, estimate
from analyzer.verdict import Check, judge, observed
from analyzer.window import show

WEEK = 7
LOOK_BACK = 60
"""Days before the as-of in which the newest days with enough labels are looked for, at least."""

LOSS = {"binary": "brier", "values": "mae", "classes": "share wrong"}
"""The primary loss, by kind of label."""


def business_checks(
    known: Known,
    arrival: Arrival,
    limits: Business,
    *,
    look_back: int = LOOK_BACK,
    blocks: bool = False,
    since: int | None = None,
) -> list[Check]:
    """Checks of layer business: warnings that inform a human, unless they are to block.

    The last 7 prediction days whose labels are complete enough, against the 7 before (each model)
    and champion against challenger on the same pairs. Without such days they are undecided.

    A week that moves on is a new question every night, with a chance of its own to err. `since`,
    the day (since 1970, UTC) on which the rollout began, makes one question of the comparison: all
    such days since then, by a confidence sequence that may be read every night.
    """
    found = evidence(known)
    metric = metrics_for(known)[0]
    base = Question(
        arrival,
        known.as_of - look_back,
        known.as_of,
        (metric,),
        limits.confidence,
        floor=limits.min_completeness,
    )
    ladders = ladders_of(found, arrival)
    days = mature_days(found, base, ladders)
    end = int(days.max()) + 1 if len(days) else known.as_of
    now = _compared(found, replace(base, first=end - WEEK, last=end), ladders)
    before = _compared(found, replace(base, first=end - 2 * WEEK, last=end - WEEK), ladders)
    said: dict[str, Result] = {
        side: _growth(_loss(now, side), _loss(before, side)) for side in SIDES
    }
    span = (end - WEEK, end)
    if since is not None:
        first = min(max(since, known.as_of - look_back), known.as_of)
        span = (first, end if end > first else known.as_of)
        asked = replace(base, first=span[0], last=span[1], planned=WEEK)
        now = _compared(found, asked, ladders)
    return _checks(LOSS[known.kind], said, _difference(now), limits, end, span, blocks)


def unsaid(reason: str, kind: Kind, limits: Business, end: int, blocks: bool) -> list[Check]:
    """The same checks where there are no labels to say anything; `end`: a day since 1970, UTC."""
    nothing = Undefined(reason)
    span = (end - WEEK, end)
    return _checks(LOSS[kind], dict.fromkeys(SIDES, nothing), nothing, limits, end, span, blocks)


def _checks(
    loss: str,
    growth: Mapping[str, Result],
    excess: Result,
    limits: Business,
    end: int,
    compared: tuple[int, int],
    blocks: bool,
) -> list[Check]:
    """end: of the week of which the growth is told; compared: days [first, last) of both models."""
    checks = [
        _check(
            f"business.{side}_loss",
            f"{loss} of the {side}, 7 days on the 7 before",
            growth[side],
            limits.max_loss_growth,
        )
        for side in SIDES
    ]
    what = f"{loss}, challenger minus champion"
    checks.append(_check("business.excess_loss", what, excess, limits.max_loss_excess))
    spans = [(end - WEEK, end)] * len(SIDES) + [compared]
    severity: Literal["block", "warn"] = "block" if blocks else "warn"
    return [
        msgspec.structs.replace(c, window=(show(a * DAY), show(b * DAY)), severity=severity)
        for c, (a, b) in zip(checks, spans, strict=True)
    ]


def _compared(
    found: Evidence, question: Question, ladders: dict[int, Completeness]
) -> Compared | Undefined:
    said = compare(found, question, ladders)
    if not said.metrics:
        return said.refused or Undefined("nothing can be compared")
    return said.metrics[0]


def _loss(week: Compared | Undefined, side: str) -> Result:
    """A model's loss in a week; accuracy becomes the share of wrong predictions."""
    if isinstance(week, Undefined):
        return week
    value: Result = getattr(week, side)
    if week.metric != "accuracy" or isinstance(value, Undefined):
        return value
    return Estimate(1 - value.value, 1 - value.high, 1 - value.low, value.n, value.method)


def _difference(week: Compared | Undefined) -> Result:
    if isinstance(week, Undefined):
        return week
    value = week.difference
    if week.metric != "accuracy" or isinstance(value, Undefined):
        return value
    return Estimate(-value.value, -value.high, -value.low, value.n, value.method)


def _growth(now: Result, before: Result) -> Result:
    """now / before - 1; both intervals' errors added in squares on the log scale.

    Units that return in both weeks make their losses alike: the interval is then too wide.
    """
    if isinstance(now, Undefined):
        return now
    if isinstance(before, Undefined):
        return Undefined(f"the week before: {before.reason}", before.n)
    if min(now.low, before.low) <= 0:
        return Undefined("a loss of 0 has no growth", now.n)
    ratio = now.value / before.value
    up = math.hypot(math.log(now.high / now.value), math.log(before.value / before.low))
    down = math.hypot(math.log(now.value / now.low), math.log(before.high / before.value))
    low, high = ratio * math.exp(-down) - 1, ratio * math.exp(up) - 1
    return estimate(ratio - 1, low, high, now.n, f"week over week, {now.method}")


def _check(name: str, metric: str, result: Result, limit: float) -> Check:
    if isinstance(result, Undefined):
        sentence = f"{metric}: cannot be said ({result.reason})."
    else:
        sentence = f"{metric}: {result.value:+.3g} ({result.low:+.3g} to {result.high:+.3g})."
    return Check(
        id=name,
        layer="business",
        metric=metric,
        segment=None,
        window=("", ""),
        observed=observed(result),
        counts={},
        operator="<=",
        limit=limit,
        outcome=judge(result, "<=", limit),
        severity="warn",
        on_fail="hold",
        sentence=f"{sentence[0].upper()}{sentence[1:]}",
    )
