"""By what else than class and age labels arrive: the stratum that a request belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.labelling import HOUR_OF_DAY
from analyzer.profile import repeat
from analyzer.scan.narrow import Shape
from analyzer.scan.tallies import segment_label
from analyzer.window import HOUR

Ints = NDArray[np.int64]
Rows = Mapping[str, NDArray[Any]]

HOURS = tuple(f"{hour:02d}" for hour in range(24))
"""Values of the column `hour`."""


def hour_of_day(ts: Ints) -> Ints:
    """UTC hour of instants in microseconds: ages end at midnight UTC, and so depend on it.

    >>> hour_of_day(np.array([0, 25 * HOUR])).tolist()
    [0, 1]
    """
    return np.asarray(ts // HOUR % 24, dtype=np.int64)


def cuts(shape: Shape, rows: Rows) -> dict[str, NDArray[Any]]:
    """Codes of some requests by column: the segments, and `hour` where that is the stratum."""
    found = {name: rows[f"s{place}"] for place, name in enumerate(shape.segments)}
    if shape.rollout.labels.stratum == HOUR_OF_DAY and HOUR_OF_DAY not in found:
        found[HOUR_OF_DAY] = hour_of_day(rows["ts"])
    return found


def stratum(shape: Shape, rows: Rows) -> Ints:
    """Codes of the stratum of some requests; 0 where none is declared."""
    name = shape.rollout.labels.stratum
    found = cuts(shape, rows)[name] if name else np.zeros(len(rows["has"]))
    return found.astype(np.int64)


def words(shape: Shape, column: str, codes: Ints) -> pa.Array:
    """Text of codes of a column; empty of none."""
    if not column:
        return repeat("", len(codes))
    if column in shape.segments:
        return segment_label(shape, shape.segments.index(column), codes)
    return pa.array(HOURS, pa.string()).take(pa.array(codes))
