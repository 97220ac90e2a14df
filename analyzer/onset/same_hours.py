"""Windows of hours, and the same hours of clean weeks to compare them with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.histogram import ABOVE, BELOW, MINUS_INF, NAN, NULL, PLUS_INF, SPECIAL_CELLS
from analyzer.stats.psi import decile_cells

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

WEEK = 168
WEEKS = 4
"""Clean weeks in a reference, at most."""

DAYS = 7
SEARCH = 60
"""How many cycles back (or ahead, for a past window) to look for clean ones."""

TOP_VALUES = 10
NULLS = (SPECIAL_CELLS[NULL - BELOW], SPECIAL_CELLS[NAN - BELOW])
OUTSIDE = tuple(SPECIAL_CELLS[c - BELOW] for c in (BELOW, ABOVE, PLUS_INF, MINUS_INF))


@dataclass(frozen=True, eq=False)
class SameHours:
    """Per hour the clean hours it is compared with: indexes, hours x cycles, -1 where none.

    cycles: how many there are for the hours judged; weekly: weeks rather than days.
    """

    index: Ints
    cycles: int
    weekly: bool

    def reference(self, counts: Ints, start: int = 0, end: int | None = None) -> Ints:
        """Counts of the reference hours added up, for the hours [start, end): hours x cells."""
        padded = np.concatenate([counts, np.zeros((1, counts.shape[1]), counts.dtype)])
        chosen = self.index[start:end]
        total = np.take(padded, chosen[:, 0], axis=0)  # -1 is the row of zeros
        for column in chosen.T[1:]:
            total += np.take(padded, column, axis=0)
        return total


def same_hours(week: Ints, clean: Bools, first: int, last: int) -> SameHours:
    """Reference hours for every hour of the grid, as many as the hours [first, last) can have.

    The nearest clean weeks with the same hour of the week, earlier ones first, up to 4; where there
    are fewer than 2 earlier ones, the same hour of the nearest clean days. Weeks are 168 h, moved
    by an hour where daylight saving moved the clock. Only past hours also look ahead.
    """
    found = [
        _nearest(week, clean, first, last, WEEK, WEEKS),
        _nearest(week % 24, clean, first, last, 24, DAYS),
    ]
    weekly = found[0][1] >= 2 or found[0][1] >= found[1][1]
    index, cycles = found[0] if weekly else found[1]
    return SameHours(index, cycles, weekly)


def _nearest(
    season: Ints, clean: Bools, first: int, last: int, cycle: int, most: int
) -> tuple[Ints, int]:
    hours = np.arange(len(season))
    lags = [-k * cycle for k in range(1, SEARCH + 1) if k * cycle < len(season) + cycle]
    allowed = clean & (hours < first)
    judged = [int(np.sum(_shifted(season, allowed, lag)[first:last] >= 0)) for lag in lags]
    cycles = min(most, sum(n * 2 >= last - first for n in judged))
    # as many as past windows have, so that these are judged like the window in question
    others = sum(_shifted(season, allowed, lag) >= 0 for lag in [*lags, *(-lag for lag in lags)])
    if bool(np.any(allowed)) and cycles > 2:
        cycles = min(cycles, max(int(np.median(np.asarray(others)[allowed])), 2))
    index = np.full((len(season), max(cycles, 1)), -1, dtype=np.int64)
    taken = np.zeros(len(season), dtype=np.int64)
    for lag in [*lags, *(-lag for lag in lags)]:
        candidate = _shifted(season, allowed, lag)
        new = np.flatnonzero((candidate >= 0) & (taken < cycles))
        index[new, taken[new]] = candidate[new]
        taken[new] += 1
    return index, cycles


def _shifted(season: Ints, allowed: Bools, lag: int) -> Ints:
    """The allowed hour of the same season `lag` hours away, give or take one; -1 where none."""
    hours = np.arange(len(season))
    found = np.full(len(season), -1, dtype=np.int64)
    for nudge in (1, -1, 0):
        other = hours + lag + nudge
        inside = (other >= 0) & (other < len(season))
        safe = np.where(inside, other, 0)
        same = inside & allowed[safe] & (season[safe] == season)
        found = np.where(same, safe, found)
    return found


def window_sums(counts: Ints, starts: Sequence[int] | Ints, length: int) -> Ints:
    """Counts added up over [start, start + length) for each start: windows x cells."""
    sums = np.concatenate([np.zeros((1, counts.shape[1]), counts.dtype), np.cumsum(counts, axis=0)])
    begin = np.asarray(starts, dtype=np.int64)
    windows: Ints = sums[begin + length] - sums[begin]
    return windows


def overlapping(starts: Ints, length: int) -> Bools:
    """Which windows of this length share an hour, each with itself: windows x windows."""
    shared: Bools = np.abs(starts[:, None] - starts[None, :]) < length
    return shared


def past_starts(clean: Bools, references: SameHours, anchor: int, end: int, length: int) -> Ints:
    """Starts of clean windows of the past, ending by `end`, at the anchor's hour of the day.

    Where that gives fewer than 28, windows follow each other without gap, whatever their hour.
    """
    usable = clean & (references.index >= 0).all(axis=1)
    whole = np.concatenate([[0], np.cumsum(usable)])

    def by(step: int) -> Ints:
        starts = np.arange(anchor % step, max(end - length + 1, 0), step)
        starts = starts[starts + length <= min(end, len(clean))]
        kept: Ints = starts[whole[starts + length] - whole[starts] == length]
        return kept

    daily = by(24)
    return daily if len(daily) >= 28 or length >= 24 else by(length)


def coarse_cells(
    kind: str, cells: Sequence[str], special: int, counts: Ints, reference: Ints
) -> tuple[Ints, list[str]]:
    """Counts in about ten cells of the reference, then what it cannot hold: hours x cells.

    Numeric: unions of the ordered cells nearest the reference's deciles, open ends (below, above
    and the infinities belong to them). Categorical: the reference's ten most frequent values, all
    others together, and values outside the vocabulary. NULL (and NaN) is one cell of its own.
    """
    ordinary = len(cells) - special
    names = list(cells)
    columns = {name: counts[:, i] for i, name in enumerate(names) if i >= ordinary}
    nothing = np.zeros(len(counts), dtype=counts.dtype)

    def extra(*wanted: str) -> Ints:
        return sum((columns[name] for name in wanted if name in columns), nothing)

    nulls = extra(*NULLS)
    if kind == "numeric":
        ordered = np.column_stack(
            [extra("below", "-inf"), counts[:, :ordinary], extra("above", "+inf")]
        )
        total = np.concatenate([[0], reference[:ordinary], [0]])
        cuts = decile_cells(total)
        grouped = np.add.reduceat(ordered, np.concatenate([[0], cuts]), axis=1)
        labels = [f"cell {i + 1}" for i in range(grouped.shape[1])]
        return np.column_stack([grouped, nulls]), [*labels, "null"]
    order = sorted(range(ordinary), key=lambda i: (-int(reference[i]), names[i]))
    top, rest = order[:TOP_VALUES], order[TOP_VALUES:]
    parts = [*(counts[:, i] for i in top), counts[:, rest].sum(axis=1), extra("(other)"), nulls]
    return np.column_stack(parts), [*(names[i] for i in top), "the rest", "unseen", "null"]
