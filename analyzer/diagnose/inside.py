"""Drift inside the worst segments: of those requests, did the features move more than of others?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analyzer.diagnose.findings import Search
from analyzer.drilldown.window import Pairs, Vocabulary
from analyzer.segments.finding import Predicate, shown
from analyzer.stats.psi import Psi, psi

MOST_SEGMENTS = 3
NOTABLE = 0.1
"""Debiased PSI from which a feature is said to have drifted inside a segment."""

Ints = NDArray[np.int64]


def worst(searches: Sequence[Search]) -> list[Predicate]:
    """The segments that stand out most: of every change, the first; each once."""
    found: dict[Predicate, float] = {}
    for search in searches:
        for segment in search.found.segments if search.found else ():
            if search.mode == "change":
                found[segment.where] = max(found.get(segment.where, 0.0), abs(segment.z))
    return sorted(found, key=lambda where: (-found[where], str(where)))[:MOST_SEGMENTS]


def drift_inside(
    labels: Vocabulary,
    numeric: Sequence[str],
    now: Pairs,
    before: Pairs,
    where: Sequence[Predicate],
) -> dict[str, list[str]]:
    """Per numeric dimension a line for every segment in which it drifted, incident against
    baseline, in the bins of the reference.
    """
    lines: dict[str, list[str]] = {}
    for predicate in where:
        chosen = [_within(labels, pairs, predicate) for pairs in (before, now)]
        for name in numeric:
            if any(name == column for column, _ in predicate):
                continue
            width = len(labels[name])
            old, new = (
                np.bincount(pairs.codes[name][rows], minlength=width)
                for pairs, rows in zip((before, now), chosen, strict=True)
            )
            found = psi(old, new)
            if isinstance(found, Psi) and found.debiased >= NOTABLE:
                lines.setdefault(name, []).append(
                    f"within {shown(predicate)}: PSI {found.debiased:.2f} over "
                    f"{int(new.sum()):,} requests"
                )
    return lines


def _within(labels: Vocabulary, pairs: Pairs, predicate: Predicate) -> Ints:
    rows = np.ones(pairs.rows, dtype=bool)
    for column, value in predicate:
        rows &= pairs.codes[column] == labels[column].index(value)
    return np.flatnonzero(rows)
