"""Which segments diverged most: the one public door of the search.

    found = search(table, Outcome("difference", d, flips))

Every conjunction of up to three conditions with enough rows is compared with its complement;
the one with the largest z^2 is named, its effect taken off, and so on (`peel`). Papadimitriou et
al. (2019), subgroup discovery; Sagadeeva and Boehm (2021), SliceLine, SIGMOD, for the pruning.
"""

from __future__ import annotations

import numpy as np

from analyzer.segments.describe import describe, refused
from analyzer.segments.finding import Found, Refusal
from analyzer.segments.rows import Floats, Rows, prepare
from analyzer.segments.settings import Settings
from analyzer.segments.setup import Space, space_of, start
from analyzer.segments.table import Outcome, Table

DEFAULT = Settings()


def search(table: Table, outcome: Outcome, settings: Settings = DEFAULT) -> Found:
    """The segments in which an outcome differs from the rest, with their evidence.

    The table says what is compared: `incident` makes it the change between two windows,
    `challenger` the difference of arms, both the change of that difference; neither, the level.
    Rows whose outcome is not finite are left out and counted in a note. Same rows in any order
    and on any number of threads: same result. Raises LogError for a table that contradicts
    itself, ConfigError for impossible settings.
    """
    rows = prepare(table, outcome)
    refusal = _refusal(rows, settings)
    if refusal is not None:
        return refused(rows, table, outcome, refusal)
    return _search(space_of(rows, settings), rows, table, outcome, settings)[0]


def search_pairs(
    table: Table, difference: Outcome, settings: Settings = DEFAULT
) -> tuple[Found, ...]:
    """The searches over a paired difference, over its spread, and over flips where known."""
    found = search_scores(table, difference, settings)
    if difference.flips is None or len(found) == 1:
        return found
    return (*found, search_flips(table, difference, settings))


def search_scores(
    table: Table, difference: Outcome, settings: Settings = DEFAULT
) -> tuple[Found, ...]:
    """The search over a paired difference, and over its spread.

    Spread: the absolute value of what is left of the difference when the effects of the segments
    found are taken off (Levene, 1960; Brown and Forsythe, 1974), so that a segment whose mean
    alone moved is not named again for its variance.
    """
    rows = prepare(table, difference)
    refusal = _refusal(rows, settings)
    if refusal is not None:
        return (refused(rows, table, difference, refusal),)
    space = space_of(rows, settings)
    found, left = _search(space, rows, table, difference, settings)
    spread = Outcome("spread", np.abs(left))
    return found, _search(space, prepare(rows.table, spread), rows.table, spread, settings)[0]


def search_flips(table: Table, difference: Outcome, settings: Settings = DEFAULT) -> Found:
    """The search over the flips of a paired difference, in the rows where it was measured."""
    assert difference.flips is not None
    measured = np.isfinite(difference.values)
    flips = difference.flips[measured]
    return search(table.keep(measured), Outcome("flips", flips.astype(np.float64), flips), settings)


def _search(
    space: Space, rows: Rows, table: Table, outcome: Outcome, settings: Settings
) -> tuple[Found, Floats]:
    """The answer, and what is left of the outcome (centred, without the effects found)."""
    if not rows.whole.any():
        reason = Refusal(
            reason="nothing to compare",
            sentence=f"{outcome.name}: the same in every row of a window, no segment can differ",
        )
        return refused(rows, table, outcome, reason), rows.whole
    peel, margins = start(space, rows, settings)
    apart = peel.apart()
    peel.run()
    return describe(peel, space, margins, table, outcome, apart), peel.fit.left() * rows.unit


def _refusal(rows: Rows, settings: Settings) -> Refusal | None:
    """Why no search is possible, if so."""
    if not rows.table.dimensions:
        return Refusal(reason="nothing to compare", sentence="no segment columns are declared")
    n = rows.n
    if float(n.min()) >= 2 * settings.min_rows:
        return None
    where = {
        "level": "the window has",
        "change": "the incident's window or its baseline has",
        "arms": "the champion or the challenger has",
        "change of arms": "a window or an arm of it has",
    }[rows.groups.mode]
    return Refusal(
        reason="too few rows",
        sentence=f"{where} {int(n.min()):,} measured rows; a segment and its complement need "
        f"{settings.min_rows:,} each",
    )
