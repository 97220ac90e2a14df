"""The coded pairs of whole windows, and what a segment search wants of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analyzer.drilldown.margins import MISSING, SUMS, UNSAID
from analyzer.drilldown.pairs import RATIO_BITS, SCORE_BITS, Part, read_pairs
from analyzer.drilldown.plan import Column, Task
from analyzer.frozen import OTHER, shown
from analyzer.ids import BUCKETS
from analyzer.scan.workers import mapped
from analyzer.segments.table import Dimension, Outcome, Table, smallest
from analyzer.stats.dependence import design_effect
from analyzer.stats.result import Estimate

MOST_VALUES = 1_000
"""Values of a column that are kept apart: no more can hold a thousandth of the rows each."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Vocabulary = Mapping[str, tuple[str | None, ...]]


@dataclass(frozen=True, eq=False)
class Pairs:
    """The pairs of a window, slot after slot, or a sample; codes are places in a vocabulary.

    arrays as in `Part`; margins: per column an array (labels x SUMS) over all pairs; pairs: how
    many there are; alone: champion rows without a partner; scale: of the frozen score.
    """

    codes: dict[str, NDArray[Any]]
    arrays: dict[str, NDArray[Any]]
    margins: dict[str, Ints]
    pairs: int
    alone: int
    scale: float

    @property
    def rows(self) -> int:
        """Pairs of the window that the arrays hold."""
        return len(self.arrays["difference"])

    def measure(self, name: str) -> Floats:
        """score, difference (in the score's unit), ratio (logarithm), flip or error per pair;
        NaN where unknown. unscored: 1 where the challenger's score is.
        """
        if name == "unscored":
            missing: Floats = (self.arrays["score"] == MISSING).astype(np.float64)
            return missing
        values = self.arrays[name]
        step = 2.0**-SCORE_BITS * self.scale
        unit = {"score": step, "difference": step, "ratio": 2.0**-RATIO_BITS}.get(name, 1.0)
        unknown = values == (UNSAID if values.dtype == np.int8 else MISSING)
        found: Floats = values * unit
        found[unknown] = np.nan
        return found


def read_parts(
    tasks: Sequence[Task],
    executor: Executor | None,
    done: Callable[[int], None] | None = None,
) -> list[Part]:
    """The parts of a window in order of time. done: told the pairs of each slot as it comes.

    Raises what `read_pairs` raises.
    """
    found: list[Part] = []
    for part in mapped(read_pairs, tasks, executor):
        found.append(part)
        if done:
            done(part.pairs)
    return found


def vocabulary(columns: Sequence[Column], parts: Sequence[Part]) -> Vocabulary:
    """Per column the values that are kept apart: bins as they are; of text the 1,000 most
    frequent (ties by value) in their order, then all others, then NULL.
    """
    return {c.name: c.bins.labels if c.bins else _words(parts, c.name) for c in columns}


def _words(parts: Sequence[Part], name: str) -> tuple[str | None, ...]:
    counts: dict[str, int] = {}
    for part in parts:
        n = part.margins[name][:, 0]
        for label, count in zip(part.labels[name], n.tolist(), strict=True):
            if label is not None and count:
                word = shown(label)  # so that none is mistaken for the fold of all others
                counts[word] = counts.get(word, 0) + count
    kept = sorted(counts, key=lambda word: (-counts[word], word))[:MOST_VALUES]
    return (*sorted(kept), OTHER, None)


def recoded(parts: list[Part], words: Vocabulary, scale: float) -> Pairs:
    """The pairs of a window under one vocabulary. Empties `parts`, so that memory holds only
    one copy of a window.
    """
    pairs, alone = sum(part.pairs for part in parts), sum(part.alone for part in parts)
    names = list(parts[0].arrays) if parts else []
    codes, sums = {}, {}
    for name, labels in words.items():
        codes[name], sums[name] = _joined(parts, name, labels)
    arrays = {}
    for name in names:
        arrays[name] = np.concatenate([part.arrays.pop(name) for part in parts])
    parts.clear()
    return Pairs(codes, arrays, sums, pairs, alone, scale)


def _joined(
    parts: Sequence[Part], name: str, labels: tuple[str | None, ...]
) -> tuple[NDArray[Any], Ints]:
    """Codes and sums of one column under the window's labels."""
    place = {label: code for code, label in enumerate(labels)}
    kind = np.min_scalar_type(len(labels))
    codes = [np.zeros(0, dtype=kind)]
    sums = np.zeros((len(labels), len(SUMS)), dtype=np.int64)
    for part in parts:
        own = part.labels[name]
        if own == labels:
            table = np.arange(len(labels), dtype=kind)
        else:
            spelled = [None if label is None else shown(label) for label in own]
            table = np.asarray([place.get(word, place.get(OTHER)) for word in spelled], dtype=kind)
        codes.append(table[part.codes.pop(name)])
        np.add.at(sums, table, part.margins[name])
    return np.concatenate(codes), sums


Cluster = Literal["rows", "units", "hours"]
"""What hangs together: nothing, the requests of a unit, or those of the same hours."""

BLOCK_HOURS = 2
LEAST_BLOCKS = 12


def table_of(words: Vocabulary, incident: Pairs, baseline: Pairs | None, cluster: Cluster) -> Table:
    """What a segment search wants: the incident's rows, and the baseline's behind them."""
    windows = [incident] if baseline is None else [incident, baseline]
    dimensions = []
    for name, labels in words.items():
        codes = np.concatenate([pairs.codes[name] for pairs in windows])
        dimensions.append(Dimension(name, labels, smallest(codes, len(labels))))
    rows = sum(pairs.rows for pairs in windows)
    within = np.arange(rows) < incident.rows
    bucket = _each(windows, "bucket") if cluster == "units" else None
    return Table(
        tuple(dimensions),
        rows,
        bucket=_blocks(windows) if cluster == "hours" else bucket,
        incident=None if baseline is None else within,
        hour=_each(windows, "hour"),
    )


def _blocks(windows: Sequence[Pairs]) -> NDArray[np.uint8]:
    """Blocks of two hours or more, so that there are at most 256 over all windows."""
    hours = [int(pairs.arrays["hour"].max(initial=0)) + 1 for pairs in windows]
    length = max(BLOCK_HOURS, -(-sum(hours) // (BUCKETS - len(hours))))
    found, first = [], 0
    for pairs, count in zip(windows, hours, strict=True):
        found.append((pairs.arrays["hour"] // length + first).astype(np.uint8))
        first += -(-count // length)
    return np.concatenate(found)


def cluster_of(quiet: Pairs, units: bool) -> Cluster:
    """Whether units or hours make the rows of a quiet window more alike, by the difference of
    scores (else by flips).

    Hours only where the design effect of 2-hour blocks (12 at least) is certainly the larger
    one. Kish (1965); see `stats.dependence.design_effect`.
    """
    values = quiet.measure("difference")
    if not np.isfinite(values).any():
        values = quiet.measure("flip")
    known = np.isfinite(values)
    values = values[known]
    usual: Cluster = "units" if units else "rows"
    if len(values) < 2:
        return usual
    variance = float(values.var())
    effects = []
    for group in (quiet.arrays["bucket"], quiet.arrays["hour"] // BLOCK_HOURS):
        group = group[known]
        effects.append(
            design_effect(np.bincount(group, weights=values), np.bincount(group), variance)
        )
    by_unit, by_hour = effects
    other = by_unit.value if units and isinstance(by_unit, Estimate) else 1.0
    if isinstance(by_hour, Estimate) and by_hour.n >= LEAST_BLOCKS and by_hour.low > other:
        return "hours"
    return usual


def _each(windows: Sequence[Pairs], name: str) -> NDArray[Any]:
    return np.concatenate([pairs.arrays[name] for pairs in windows])


def outcome_of(measure: str, name: str, incident: Pairs, baseline: Pairs | None) -> Outcome:
    """One measure over the rows of `table_of`."""
    windows = [incident] if baseline is None else [incident, baseline]
    values = np.concatenate([pairs.measure(measure) for pairs in windows])
    if measure not in ("difference", "flip"):
        return Outcome(name, values)
    flip = _each(windows, "flip")
    return Outcome(name, values, flip == 1, flip != UNSAID)
