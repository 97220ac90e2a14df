"""A sample of hours in which every feature is read: which ones go with the divergence, and what
score goes with which value.

Reading two hundred features of every pair would cost more than all the rest of a diagnosis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.drilldown.bins import cell_bins
from analyzer.drilldown.margins import MISSING, SUMS
from analyzer.drilldown.plan import Column, Files, Task, logged_by, slot_of
from analyzer.drilldown.window import read_parts
from analyzer.scan.narrow import Shape
from analyzer.window import HOUR, Window

SAMPLE_ROWS = 200_000
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Cells:
    """One feature in a sample: `margins.SUMS` by label, and the squares of all differences."""

    labels: tuple[str | None, ...]
    sums: Ints
    squares: float

    def of(self, name: str) -> Floats:
        """One of the sums by label."""
        found: Floats = self.sums[:, SUMS.index(name)].astype(np.float64)
        return found


def spread_hours(pairs: Ints, start: int, rows: int = SAMPLE_ROWS) -> list[Window]:
    """Hours that together hold about `rows` pairs, spread over a window; neighbours are joined.

    pairs: by hour since `start`, microseconds UTC. All hours where there are fewer pairs.

    >>> [int(w.start // HOUR) for w in spread_hours(np.array([5, 5, 5, 5]), 0, rows=10)]
    [0, 2]
    """
    bits = max(len(pairs) - 1, 1).bit_length()
    order = sorted(range(len(pairs)), key=lambda h: int(f"{h:0{bits}b}"[::-1], 2))
    chosen, held = [], 0
    for hour in order:
        if held >= rows:
            break
        chosen.append(hour)
        held += int(pairs[hour])
    spans: list[Window] = []
    for hour in sorted(chosen):  # a row group is decoded once per span
        first = start + hour * HOUR
        joined = spans.pop().start if spans and spans[-1].end == first else first
        spans.append(Window(joined, first + HOUR))
    return spans


def sample(
    shape: Shape,
    files: Files,
    features: Sequence[str],
    spans: Sequence[Window],
    executor: Executor | None = None,
) -> dict[str, Cells]:
    """Sums per cell of every feature over the pairs of some spans of time.

    A numeric feature by its frozen reference cells, a categorical one by its values. Raises what
    `read_pairs` raises.
    """
    frozen, rollout = shape.frozen, shape.rollout
    columns = []
    for name in features:
        side = logged_by(rollout, files, name)
        if side is not None:
            bins = cell_bins(frozen.binning(name)) if name in frozen.bins else None
            columns.append(Column(name, side, bins))
    tasks = [
        Task(slot_of(shape, files, span.start, span.end), span, tuple(columns), span.start)
        for span in spans
    ]
    found: dict[str, Cells] = {}
    for part in read_parts(tasks, executor) if columns else ():
        difference = part.arrays["difference"]
        squares = float((difference[difference != MISSING].astype(np.float64) ** 2).sum())
        for name, sums in part.margins.items():
            new = Cells(part.labels[name], sums, squares)
            found[name] = _added(found[name], new) if name in found else new
    return found


def _added(a: Cells, b: Cells) -> Cells:
    words = {w for w in (*a.labels, *b.labels) if w is not None}
    labels = a.labels if a.labels == b.labels else (*sorted(words), None)
    place = {label: at for at, label in enumerate(labels)}
    sums = np.zeros((len(labels), len(SUMS)), dtype=np.int64)
    for side in (a, b):
        sums[[place[label] for label in side.labels]] += side.sums
    return Cells(labels, sums, a.squares + b.squares)


def relation(cells: Cells) -> float:
    """How much of the divergence goes with a feature: the larger correlation ratio of the
    difference and of its size with the feature's cells, less what chance alone gives.

    eta^2 = sum n_c (m_c - m)^2 / sum (d - m)^2, minus (B - 1) / n; 0 where nothing varies.
    Pearson (1905); Kelley (1935), PNAS 21, for the correction.
    """
    every = cells.of("scored")
    n = float(every.sum())
    busy = every > 0
    count = int(np.count_nonzero(busy))
    best = 0.0
    for total in (cells.of("difference"), cells.of("absolute")):
        if n <= count:
            continue
        mean = float(total.sum()) / n
        spread = cells.squares - n * mean**2
        between = float((total[busy] ** 2 / every[busy]).sum()) - n * mean**2
        if spread > 0:
            best = max(best, between / spread - (count - 1) / n)
    return best


def related(found: Mapping[str, Cells], most: int) -> tuple[list[str], list[str]]:
    """The features most related to the divergence, strongest first, and those left out."""
    ranked = sorted(found, key=lambda name: (-round(relation(found[name]), 9), name))
    return ranked[:most], ranked[most:]
