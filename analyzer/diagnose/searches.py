"""The segment searches of a diagnosis: what stands apart in the incident, what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analyzer.diagnose.findings import Mode, Search
from analyzer.drilldown.window import Cluster, Pairs, Vocabulary, outcome_of, table_of
from analyzer.segments.finding import Found
from analyzer.segments.search import search, search_pairs
from analyzer.segments.settings import Settings
from analyzer.segments.table import Table
from analyzer.stats.psi import Psi, psi

MOST_STANDING = 5
"""Segments named for standing apart in the incident where there is a baseline: two models differ
by many things all the time, and the question is what changed."""

DRIFTED = 0.1
"""Debiased PSI from which the bins of a feature hold other requests than before."""

LEAST_TOLD = 50
"""Requests of the incident that must differ in latency, or fail on one side alone."""

TITLES = {
    "difference": ("Difference of scores", "score"),
    "spread": ("Spread of the difference of scores", "score"),
    "flips": ("Decisions that differ", "share"),
    "latency": ("Latency, challenger against champion", "log ratio"),
    "errors": ("Failed requests, challenger less champion", "share"),
}


@dataclass(frozen=True, eq=False)
class Seeker:
    """Searches the pairs of windows under one vocabulary. numeric: dimensions that are bins;
    cluster: what hangs together.
    """

    labels: Vocabulary
    numeric: Sequence[str]
    cluster: Cluster
    threads: int

    def standing(self, now: Pairs, briefly: bool = False) -> list[Search]:
        """What stands apart within one window; briefly: the clearest, without times of the day,
        latency and errors.
        """
        settings = Settings(threads=self.threads)
        table = table_of(self.labels, now, None, self.cluster)
        if briefly:
            settings = replace(settings, most=MOST_STANDING)
            table = replace(table, hour=None)
        found = _scores(table, now, None, settings)
        if not briefly:
            found += _others(table, now, None, settings)
        return _named(found, "level")

    def changed(self, now: Pairs, before: Pairs) -> list[Search]:
        """What changed between two windows, without the features that drifted in between."""
        settings = Settings(threads=self.threads)
        drifted = self._drifted(now, before)
        labels = {name: words for name, words in self.labels.items() if name not in drifted}
        table = table_of(labels, now, before, self.cluster)
        found = _scores(table, now, before, settings) + _others(table, now, before, settings)
        return _named(found, "change")

    def drift_lines(self, now: Pairs, before: Pairs) -> list[str]:
        """In words which dimensions were not searched for what changed."""
        drifted = self._drifted(now, before)
        if not drifted:
            return []
        names = ", ".join(f"{name} (PSI {size:.2f})" for name, size in drifted.items())
        return [
            "Not searched for what changed, as they drifted themselves, so that their bins hold "
            f"other requests than before: {names}."
        ]

    def _drifted(self, now: Pairs, before: Pairs) -> dict[str, float]:
        found = {}
        for name in self.numeric:
            size = psi(before.margins[name][:, 0], now.margins[name][:, 0])
            if isinstance(size, Psi) and size.debiased >= DRIFTED:
                found[name] = size.debiased
        return found


def _scores(table: Table, now: Pairs, before: Pairs | None, settings: Settings) -> list[Found]:
    difference = outcome_of("difference", "difference", now, before)
    if np.isfinite(difference.values).any():
        return list(search_pairs(table, difference, settings))
    # models that log classes have no difference, only decisions
    return [search(table, outcome_of("flip", "flips", now, before), settings)]


def _others(table: Table, now: Pairs, before: Pairs | None, settings: Settings) -> list[Found]:
    """Latency and errors, where both logs say enough about them."""
    found = []
    for measure, name in (("ratio", "latency"), ("error", "errors")):
        outcome = outcome_of(measure, name, now, before)
        told = np.count_nonzero(np.nan_to_num(outcome.values[: now.rows]))
        if told >= LEAST_TOLD:
            found.append(search(table, outcome, settings))
    return found


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
