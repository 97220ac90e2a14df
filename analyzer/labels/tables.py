"""Tables of a label day, one fragment each, and where fragments lie.

labelled        requests of each model by itself
labelled_pairs  requests that both models answered
predicted_pairs where labels do not tell: all pairs predicted since the last label day
explored_pairs  of the labelled pairs, those that the champion let through at random
label_faults    labels that were left out, and why
label_basis     labelled rows by how it was told what a model called

A fragment holds the net change of one day: -1 in the cell a revised label leaves, +1 in the one
it enters. It never changes when later labels arrive; any past date is a sum of fragments.
"""

from __future__ import annotations

from collections.abc import Callable

from analyzer.frozen import OTHER, Frozen, shown
from analyzer.store import Store
from analyzer.window import HOUR

DAY = 24 * HOUR
FORMAT = 5
"""Changes whenever fragments of the same logs would; older ones are then made again."""

COUNTED = ("positives", "selective")
"""Arrivals in which labels alone do not tell what was predicted: all pairs are counted too."""

PAIR_BUCKETS = 32
"""Buckets of units in `labelled_pairs`: an eighth of the scan's, as each is cut by both scores."""

BITS = 36
FOURTH_BITS = 28
"""Sums are whole multiples of scale^k * 2**-36; of fourth powers, which grow larger, 2**-28."""


def _quantum(power: int, bits: int = BITS) -> Callable[[float], float]:
    return lambda scale: scale**power * 2.0**-bits


QUANTA: dict[str, Callable[[float], float]] = {
    "score": _quantum(1),
    "score_squares": _quantum(2),
    "error": _quantum(1),
    "error_absolute": _quantum(1),
    "error_squares": _quantum(2),
    "error_fourths": _quantum(4, FOURTH_BITS),
    "error_squares_above": _quantum(2),
    "champion_squares": _quantum(2),
    "challenger_squares": _quantum(2),
    "difference_squares": _quantum(4, FOURTH_BITS),
    "champion_absolute": _quantum(1),
    "challenger_absolute": _quantum(1),
    "absolute_difference_squares": _quantum(2),
}
"""Unit of each integer sum, given the frozen scale of the score."""


def words_of(kind: str, frozen: Frozen) -> tuple[str, ...]:
    """Texts of a label or call in tables; none where labels are values."""
    if kind == "binary":
        return ("0", "1")
    return (*map(shown, frozen.classes), OTHER) if kind == "classes" else ()


def fragments(store: Store) -> Store:
    """Where the fragments of a profile store lie: a store of their own, a slot per label day."""
    return Store(store.path / "labels")
