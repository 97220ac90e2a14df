"""One metric of both models on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.comparison import Compared, Question, better_model
from analyzer.labels.completeness import Completeness
from analyzer.labels.evidence import Evidence
from analyzer.labels.fine import by_rows, fine_values, hidden_by_ties, moved, widened
from analyzer.labels.pair_metrics import PairMetric
from analyzer.labels.parts import Rows
from analyzer.labels.shares import shares
from analyzer.labels.weighting import Asked, Part, Whose, weighted
from analyzer.stats.influence import Functional
from analyzer.stats.result import Estimate, Result

Ints = NDArray[np.int64]
Fine: TypeAlias = Callable[[Functional], "tuple[float, float] | None"]

SLOWED, _SLOWED_FLOOR = 2, 0.05
"""Where labels seem to have become slower, intervals also hold the case that they take twice as
long: the ladder of earlier days would then say half the age."""


def fine_bins(known: Evidence, rows: Rows, ladders: Mapping[int, Completeness], days: Ints) -> Fine:
    """The functional of both models by fine bins of the pairs of some days.

    Without `ladders` no label is late.
    """
    paired = float(rows.pairs.n[np.isin(rows.pairs.prediction_day, days)].sum())
    made = rows.made
    every = None if made is None else float(made.n[np.isin(made.prediction_day, days)].sum())
    last = known.as_of - 1
    first, end = (int(days[0]), int(days[-1]) + 1) if len(days) else (last, last)
    complete = shares(ladders, first, end, lambda days: last - days)
    return partial(fine_values, known.sides, complete, known.strata, days, paired, every)


def compared(
    parts: Sequence[Part],
    slowed: Sequence[Part],
    metric: PairMetric,
    question: Question,
    fine: Fine,
) -> Compared:
    """`slowed`: the same rows, should labels take longer than they did; empty without an alarm.
    `fine`: the metric of both models from fine bins, where it is known.
    """
    asked = (
        Asked(question.confidence, "population", question.floor),
        Asked(question.decision, "population", question.floor),
        Asked(question.confidence, "rows", question.floor),
    )
    said = weighted(parts, metric, *asked)
    if slowed:
        late = weighted(slowed, metric, *(replace(a, floor=_SLOWED_FLOOR) for a in asked))
        said = tuple(_spanning(a, b) for a, b in zip(said, late, strict=True))
    if metric.of_bins is not None:
        values = fine(metric.of_bins)
        hidden = hidden_by_ties(parts, metric) if values is None else 0.0
        said = tuple(moved(x, values) if values else widened(x, hidden) for x in said)
    found, firm, rows = said
    better = better_model(firm["difference"], metric.better)
    return Compared(
        metric.name,
        found["champion"],
        found["challenger"],
        found["difference"],
        rows["difference"],
        better,
    )


def _spanning(found: dict[Whose, Result], late: dict[Whose, Result]) -> dict[Whose, Result]:
    """Intervals that hold both cases; Undefined where either is."""
    both: dict[Whose, Result] = {}
    for whose, a in found.items():
        b = late[whose]
        if isinstance(a, Estimate) and isinstance(b, Estimate):
            low, high = min(a.low, b.low), max(a.high, b.high)
            a = Estimate(a.value, low, high, a.n, f"{a.method}, or {SLOWED} times slower labels")
        both[whose] = a if isinstance(b, Estimate) else b
    return both


def of_rows(
    found: Compared, parts: Sequence[Part], metric: PairMetric, question: Question, fine: Fine
) -> Compared:
    """With DeLong's interval of an AUC, where no unit makes rows depend on each other."""
    values = fine(metric.of_bins) if metric.name == "roc_auc" and metric.of_bins else None
    if values is None:
        return found
    said, firm = (
        by_rows(parts, metric, values, c) for c in (question.confidence, question.decision)
    )
    return replace(found, difference=said, better=better_model(firm, metric.better))
