"""From a table to what a search counts: supported values, candidates, first design effects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.segments.candidates import Ledger
from analyzer.segments.counting import Folded, Ints, fold
from analyzer.segments.fit import Fit
from analyzer.segments.lattice import Lattice, Slots
from analyzer.segments.oneway import Margin, margins
from analyzer.segments.peel import Peel
from analyzer.segments.rows import Floats, Rows
from analyzer.segments.settings import Settings
from analyzer.segments.times import Clock, intervals

TOLD = 0.5
"""Lambda above which a column is a clock."""

HOURLY_ORDER = 2
"""Conditions beside the hours: three and an interval would be four."""


@dataclass(frozen=True, eq=False)
class Space:
    """The candidates of a table, whatever the outcome: counted once, searched several times."""

    rows: Rows
    folded: list[Folded]
    lattice: Lattice
    hourly: Lattice | None
    hours: int
    least: int

    @property
    def uncounted(self) -> list[str]:
        """Combinations of columns with too many values to be counted together."""
        hourly = self.hourly.skipped if self.hourly else []
        skipped = dict.fromkeys([*self.lattice.skipped, *hourly])
        names = [dimension.name for dimension in self.rows.table.dimensions]
        return [" x ".join(names[c] for c in columns) for columns in skipped]


def space_of(rows: Rows, settings: Settings) -> Space:
    """Count every conjunction that enough rows support, and sum these rows' outcome in it."""
    n = rows.n
    supported = _supported(rows, n, settings)
    folded = []
    for dimension in rows.table.dimensions:
        counts = _by_value(rows, dimension.codes, len(dimension.labels))
        folded.append(fold(dimension.codes, supported(counts)))
    slots = Slots(rows.group, len(rows.groups.signs), lambda dense: dense)
    weights = (rows.whole, rows.squares(rows.whole))
    lattice = Lattice(folded, slots, settings.order, supported, settings.threads, weights)
    hours = _hours(rows)
    hourly = None
    if hours:
        order = min(HOURLY_ORDER, settings.order)
        by_hour = _by_hour(rows, hours)
        apart = [_apart_from_time(rows, column, by_hour) for column in folded]
        hourly = Lattice(apart, by_hour, order, supported, settings.threads, weights)
    return Space(rows, folded, lattice, hourly, hours, settings.min_rows)


def start(space: Space, rows: Rows, settings: Settings) -> tuple[Peel, list[Margin]]:
    """A peel over one outcome of a counted space, and the outcome's margins."""
    fit = Fit(rows)
    known = [None if x is None else x.initial for x in (space.lattice, space.hourly)]
    if rows is not space.rows:  # another outcome than the one summed when the space was counted
        known = [None, None]
    one_way = margins(rows.logged, space.folded)
    shared = _shared(one_way)
    ledger = Ledger(space.lattice, rows, _screening(space.lattice, one_way), shared, fit, known[0])
    clock = None
    if space.hourly is not None:
        hourly = Ledger(
            space.hourly, rows, _screening(space.hourly, one_way), shared, fit, known[1]
        )
        clock = Clock(hourly, space.hours, space.least)
    return Peel(rows, ledger, clock, fit, settings), one_way


def _supported(rows: Rows, n: Floats, settings: Settings) -> Callable[[Ints], NDArray[np.bool_]]:
    least = np.full(len(n), float(settings.min_rows))
    treated = rows.groups.treated
    least[treated] = max(least[treated], settings.min_share * n[treated])

    def supported(counts: Ints) -> NDArray[np.bool_]:
        enough = (counts >= least) & (n - counts >= settings.min_rows)
        return np.asarray(enough.all(axis=-1), dtype=np.bool_)

    return supported


def _by_value(rows: Rows, codes: NDArray[Any], values: int) -> Ints:
    """Rows per value and group."""
    size = len(rows.groups.signs)
    code = codes if rows.group is None else codes.astype(np.int64) * size + rows.group
    return np.bincount(code, minlength=values * size).reshape(values, size)


def _hours(rows: Rows) -> int:
    """Hours of the window to search in; 0 when there are none or too few to choose from."""
    if rows.table.hour is None:
        return 0
    hours = int(rows.table.hour.max(initial=0)) + 1
    return hours if intervals(hours) else 0


def _by_hour(rows: Rows, hours: int) -> Slots:
    """Slots: the hours of each group in turn."""
    assert rows.table.hour is not None
    size = len(rows.groups.signs)
    codes = rows.table.hour.astype(np.uint16)
    if rows.group is not None:
        codes = codes + rows.group.astype(np.uint16) * np.uint16(hours)

    def groups(dense: Ints) -> Ints:
        found: Ints = dense.reshape(*dense.shape[:-1], size, hours).sum(axis=-1)
        return found

    return Slots(codes, hours * size, groups)


def _apart_from_time(rows: Rows, column: Folded, by_hour: Slots) -> Folded:
    """The column, without any value where the hour all but tells its value (time of day, weather).

    Such a value in some hours is those hours, not a segment. Told by Goodman and Kruskal's lambda,
    the share of wrong guesses that knowing the hour saves (1954, *JASA* 49).
    """
    codes = column.codes.astype(np.int64) * by_hour.width
    codes += 0 if by_hour.codes is None else by_hour.codes
    size = column.width * by_hour.width
    n = np.bincount(codes, minlength=size).reshape(column.width, by_hour.width)
    hours, treated = by_hour.width // len(rows.groups.signs), rows.groups.treated
    n = n[:, treated * hours : (treated + 1) * hours]
    wrong = n.sum() - n.sum(axis=1).max(initial=0)
    saved = n.max(axis=0, initial=0).sum() - n.sum(axis=1).max(initial=0)
    if wrong == 0 or saved <= TOLD * wrong:
        return column
    return fold(column.codes, np.zeros(column.width, dtype=np.bool_))


def _shared(one_way: list[Margin]) -> float:
    """The design effect of a typical value: the mean over all columns' values, by their rows."""
    weights = np.concatenate([margin.sums.n.sum(axis=1) for margin in one_way])
    deff = np.concatenate([margin.deff for margin in one_way])
    return float(weights @ deff / weights.sum()) if weights.sum() > 0 else 1.0


def _screening(lattice: Lattice, one_way: list[Margin]) -> Floats:
    """A first design effect per candidate: the least of its columns' values, not below 1.

    Fewer rows of the same unit fall into a conjunction than into each of its values, so its own
    is seldom larger; who leads is weighed on its own before it is named.
    """
    found = np.full(len(lattice.columns), np.inf)
    for position in range(lattice.order):
        for column, margin in enumerate(one_way):
            at = np.flatnonzero(lattice.columns[:, position] == column)
            found[at] = np.minimum(found[at], margin.deff[lattice.values[at, position]])
    return found
