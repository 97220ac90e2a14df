"""The segment searches of a diagnosis: what stands apart in the incident, what changed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from analyzer.diagnose.findings import Mode, Search
from analyzer.drilldown.window import Cluster, Pairs, Vocabulary, outcome_of, table_of
from analyzer.scan.workers import mapped
from analyzer.segments.finding import Found
from analyzer.segments.search import search, search_scores
from analyzer.segments.settings import Settings
from analyzer.segments.table import Table
from analyzer.stats.psi import Psi, psi

MOST_STANDING = 5
"""Segments named for standing apart in the incident where there is a baseline: two models differ
by many things all the time, and the question is what changed."""

DRIFTED = 0.1
"""Debiased PSI from which the bins of a feature hold other requests than before."""

LEAST_TOLD = 50
"""Requests of the incident that must differ in latency, fail on one side alone, or lack a score."""

TITLES = {
    "difference": ("Difference of scores", "score"),
    "spread": ("Spread of the difference of scores", "score"),
    "flips": ("Decisions that differ", "share"),
    "latency": ("Latency, challenger against champion", "log ratio"),
    "errors": ("Failed requests, challenger less champion", "share"),
    "unscored": ("Requests without a usable score of the challenger", "share"),
}


Windows = tuple[Pairs, Pairs | None]
"""The window that is asked about, and what it is compared with."""
Outcomes = Literal["scores", "flips", "others"]
"""What is searched in one go: the difference of scores with its spread; flips; latency, errors and
missing scores."""


@dataclass(frozen=True, eq=False)
class Question:
    """One search: what stands apart within a window, or what changed between two.

    hourly: also within some hours of the window, which those of the other one must match;
    briefly: the clearest alone.
    """

    seeker: Seeker
    outcomes: Outcomes
    windows: Windows
    hourly: bool = True
    briefly: bool = False


@dataclass(frozen=True, eq=False)
class Seeker:
    """Searches the pairs of windows under one vocabulary. numeric: dimensions that are bins;
    cluster: what hangs together.
    """

    labels: Vocabulary
    numeric: Sequence[str]
    cluster: Cluster

    def standing(self, now: Pairs) -> list[Question]:
        """What stands apart within one window."""
        return [Question(self, outcomes, (now, None)) for outcomes in get_args(Outcomes)]

    def changed(self, now: Pairs, before: Pairs, hourly: bool) -> list[Question]:
        """What changed between two windows, without the features that drifted in between."""
        return [Question(self, outcomes, (now, before), hourly) for outcomes in get_args(Outcomes)]

    def drift_lines(self, now: Pairs, before: Pairs) -> list[str]:
        """In words which dimensions were not searched for what changed."""
        drifted = self.drifted(now, before)
        if not drifted:
            return []
        names = ", ".join(f"{name} (PSI {size:.2f})" for name, size in drifted.items())
        return [
            "Not searched for what changed, as they drifted themselves, so that their bins hold "
            f"other requests than before: {names}."
        ]

    def drifted(self, now: Pairs, before: Pairs) -> dict[str, float]:
        found = {}
        for name in self.numeric:
            size = psi(before.margins[name][:, 0], now.margins[name][:, 0])
            if isinstance(size, Psi) and size.debiased >= DRIFTED:
                found[name] = size.debiased
        return found


def answered(questions: Sequence[Question], executor: Executor | None) -> list[list[Search]]:
    """The answers in the order of the questions. Raises StoreError when a worker was killed."""
    return list(mapped(answer, questions, executor))


def answer(question: Question) -> list[Search]:
    """The searches of one question."""
    now, before = question.windows
    labels, settings = question.seeker.labels, Settings()
    if before is not None:
        drifted = question.seeker.drifted(now, before)
        labels = {name: words for name, words in labels.items() if name not in drifted}
    table = table_of(labels, now, before, question.seeker.cluster)
    if question.briefly:
        settings = replace(settings, most=MOST_STANDING)
    if not question.hourly:
        table = replace(table, hour=None)
    found = _SEARCHES[question.outcomes](table, now, before, settings)
    return _named(found, "level" if before is None else "change")


def _scores(table: Table, now: Pairs, before: Pairs | None, settings: Settings) -> list[Found]:
    difference = outcome_of("difference", "difference", now, before)
    if not np.isfinite(difference.values).any():  # models that log classes
        return []
    return list(search_scores(table, difference, settings))


def _flips(table: Table, now: Pairs, before: Pairs | None, settings: Settings) -> list[Found]:
    outcome = outcome_of("flip", "flips", now, before)
    if not np.isfinite(outcome.values).any() and np.isfinite(now.measure("difference")).any():
        return []  # scores without a threshold: nothing is decided
    return [search(table, outcome, settings)]


def _others(table: Table, now: Pairs, before: Pairs | None, settings: Settings) -> list[Found]:
    """Latency, errors and missing scores, where the logs say enough about them."""
    found = []
    for measure, name in (("ratio", "latency"), ("error", "errors"), ("unscored", "unscored")):
        outcome = outcome_of(measure, name, now, before)
        if measure == "unscored" and outcome.values.all():  # models that log classes
            continue
        told = np.count_nonzero(np.nan_to_num(outcome.values[: now.rows]))
        if told >= LEAST_TOLD:
            found.append(search(table, outcome, settings))
    return found


_SEARCHES = {"scores": _scores, "flips": _flips, "others": _others}


def _named(found: Sequence[Found], mode: Mode) -> list[Search]:
    return [
        Search(
            measure=one.outcome,  # type: ignore[arg-type]
            mode=mode,
            title=TITLES[one.outcome][0],
            unit=TITLES[one.outcome][1],
            found=one,
            refusal="; ".join(r.sentence for r in one.refusals),
        )
        for one in found
    ]
