"""What pairs of rows say together: the farthest apart, feature parity, classes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.frozen import OTHER, shown
from analyzer.profile import WORST_PAIRS, empty, merge, repeat, table
from analyzer.scan.narrow import UNKNOWN
from analyzer.scan.rows import Rows
from analyzer.scan.slot import Slot
from analyzer.window import HOUR

PARITY_TOLERANCE = 1e-6
LARGEST = float(np.finfo(np.float64).max)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def worst_pairs(
    slot: Slot, champion: Rows, challenger: Rows, at: Ints, other: Ints, difference: Floats
) -> pa.Table:
    """The pairs with the largest absolute difference, in a total order."""
    distance = np.abs(difference)
    distance[np.isnan(distance)] = -1.0
    limit = 0.0
    if len(distance) > WORST_PAIRS:
        limit = max(float(np.partition(distance, -WORST_PAIRS)[-WORST_PAIRS]), 0.0)
    chosen = np.flatnonzero(distance >= limit)
    tied = chosen[distance[chosen] == limit]
    if len(tied) > WORST_PAIRS:  # rows come by ts: keep the earliest, all of one instant
        last = champion["ts"][at[tied[WORST_PAIRS - 1]]]
        tied = tied[champion["ts"][at[tied]] <= last]
        chosen = np.concatenate((chosen[distance[chosen] > limit], tied))
    request = champion.ids_at(at[chosen]).cast(pa.string())
    if slot.shape.rollout.store.redact_ids:
        request = pa.nulls(len(chosen), pa.string())
    rows = table(
        "worst",
        {
            "slot": np.full(len(chosen), slot.start),
            "ts": champion["ts"][at[chosen]],
            "request_id": request,
            "champion_score": champion["score"][at[chosen]],
            "challenger_score": challenger["score"][other[chosen]],
            "distance": distance[chosen],
        },
    )
    return merge("worst", [rows])


def parity_table(slot: Slot, champion: Rows, challenger: Rows, at: Ints, other: Ints) -> pa.Table:
    """Features that both models logged for the same request: do they agree?"""
    sums = ["compared", "differing", "null_on_champion", "null_on_challenger"]
    parts = [empty("parity", sums)]
    edges = slot.start + HOUR * np.arange(slot.hours + 1)
    bounds = np.searchsorted(champion["ts"][at], edges)
    hour = np.repeat(np.arange(slot.hours), np.diff(bounds))
    busy = np.flatnonzero(np.diff(bounds))
    for position, feature in enumerate(slot.shape.parity):
        ours = champion.parity[f"p{position}"].to_numpy()[at]
        theirs = challenger.parity[f"p{position}"].to_numpy()[other]
        flags = _agreement(ours, theirs)
        counts = {
            name: np.bincount(hour[flag], minlength=slot.hours)[busy]
            for name, flag in zip(sums, flags, strict=True)
        }
        named = {"hour": edges[busy], "feature": repeat(feature, len(busy))}
        parts.append(table("parity", {**named, **counts}))
    return merge("parity", [pa.concat_tables(parts)])


def _agreement(ours: Floats, theirs: Floats) -> tuple[NDArray[np.bool_], ...]:
    """Per pair: compared, differing, NULL on the champion only, on the challenger only."""
    missing, absent = np.isnan(ours), np.isnan(theirs)
    with np.errstate(invalid="ignore"):
        size = np.minimum(np.maximum(abs(ours), abs(theirs)), LARGEST)
        far = np.abs(ours - theirs) > PARITY_TOLERANCE * size
    differing = (~missing & ~absent & far & (ours != theirs)) | (missing != absent)
    return np.ones(len(ours), dtype=bool), differing, missing & ~absent, absent & ~missing


def confusion_table(
    slot: Slot, champion: Rows, challenger: Rows, at: Ints, other: Ints
) -> pa.Table:
    """Predicted class against predicted class, for models that log a class."""
    if not slot.shape.frozen.classes:
        return empty("confusion", ["n"])
    ours, theirs = champion["class"][at].astype(np.int64), challenger["class"][other]
    known = (ours != UNKNOWN) & (theirs != UNKNOWN)
    classes = [shown(value) for value in slot.shape.frozen.classes]
    width = len(classes) + 1
    hour = (champion["ts"][at][known] - slot.start) // HOUR
    code = (hour * width + ours[known]) * width + theirs[known]
    cells, n = np.unique(code, return_counts=True)
    labels = pa.array([*classes, OTHER], pa.string())
    columns = {
        "hour": slot.start + cells // (width * width) * HOUR,
        "champion_class": labels.take(pa.array(cells // width % width)),
        "challenger_class": labels.take(pa.array(cells % width)),
        "n": n,
    }
    return merge("confusion", [table("confusion", columns)])
