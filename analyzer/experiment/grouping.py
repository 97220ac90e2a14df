"""Rows of a day to one row per unit, by sorting.

Learnt by measuring (7e5 to 7e6 rows of nearly as many units): sorting hashes (`ids.ascending`) and
adding neighbours takes a third of the processor time of a hash aggregation, and the units come out
in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer import ids

Columns = Mapping[str, NDArray[Any]]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]

THREADS = 2

_ODD = np.uint64(0x9E3779B97F4A7C15)
HIGH = "#high"
"""Appended to the name of a column: the largest of a unit's values, the column itself the least."""


def joined(parts: Sequence[Columns]) -> dict[str, NDArray[Any]]:
    """The rows of all parts, one after the other."""
    if len(parts) == 1:
        return dict(parts[0])
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def merged(parts: Sequence[Columns]) -> dict[str, NDArray[Any]]:
    """Parts that `by_unit` gave as one, piece by piece of the range of hashes, two at a time.

    Learnt by measuring: of a day of 7 million rows, columns are too large for the cache and for
    the memory an allocator keeps, and two threads get in each other's way. Reading a day takes
    longer than summing the one before it, which left half a core idle.
    """
    if len(parts) == 1:
        return dict(parts[0])
    bits = max(0, len(parts) - 1).bit_length()
    places = [ids.ranges(part["unit"], bits) for part in parts]

    def one(piece: Sequence[slice]) -> Columns:
        return by_unit(joined([_at(part, rows) for part, rows in zip(parts, piece, strict=True)]))

    with ThreadPoolExecutor(THREADS) as threads:
        return joined(list(threads.map(one, zip(*places, strict=True))))


def _at(part: Columns, rows: slice) -> Columns:
    return {name: column[rows] for name, column in part.items()}


def by_unit(rows: Columns) -> dict[str, NDArray[Any]]:
    """One row per `unit`, ascending: `first` the least, `events` and v0.. added up, of `variant`,
    x0.. and s0.. the least and the largest. Rows without `events` are one event each.

    >>> unit = np.array([7, 3, 7], dtype=np.uint64)
    >>> rows = {"variant": [0, 1, 0], "first": [30, 20, 10], "v0": [1, 2, 3]}
    >>> found = by_unit({"unit": unit, **{n: np.array(x) for n, x in rows.items()}})
    >>> {name: column.tolist() for name, column in found.items() if not name.endswith("#high")}
    {'unit': [3, 7], 'events': [1, 2], 'variant': [1, 0], 'first': [20, 10], 'v0': [2, 4]}
    """
    order, keys = ids.ascending(rows["unit"])
    starts = _starts(keys)
    in_time = "first" in rows and bool(np.all(rows["first"][1:] >= rows["first"][:-1]))
    found: dict[str, NDArray[Any]] = {"unit": keys[starts]}
    if "events" not in rows:
        found["events"] = np.diff(np.append(starts, len(keys)))
    for name, column in rows.items():
        if name in ("unit", "event") or name.endswith(HIGH):
            continue
        values = column[order]
        if name == "first":
            least = values[starts]  # rows with equal hashes stay in their order
            found[name] = least if in_time else np.minimum.reduceat(values, starts)
        elif name == "events" or is_total(name):
            found[name] = np.add.reduceat(values, starts)
        else:
            largest = rows[name + HIGH][order] if name + HIGH in rows else values
            found[name], found[name + HIGH] = _ends(values, largest, starts)
    return found


def is_total(name: str) -> bool:
    """Whether a column holds totals of a value."""
    return name[0] == "v" and name[1:].isdigit()


def _starts(keys: Keys) -> Ints:
    """Where each run of equal keys begins."""
    return np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))[: len(keys)]


def _ends(
    values: NDArray[Any], largest: NDArray[Any], starts: Ints
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The least and the largest value of each run; NaN counts as no value."""
    floats = values.dtype.kind == "f"
    bits = values.view(np.int64) if floats else values
    same = bits[1:] == bits[:-1]
    same[starts[1:] - 1] = True
    if largest is values and bool(same.all()):  # as it should be, and a tenth of the work
        one = values[starts]
        return one, one
    low, high = (np.fmin, np.fmax) if floats else (np.minimum, np.maximum)
    return low.reduceat(values, starts), high.reduceat(largest, starts)


def once(rows: Columns) -> dict[str, NDArray[Any]]:
    """Rows whose unit and `event` came before left out: the earliest stays, of several the one
    with the smallest values. The column `event` is dropped.
    """
    unit, event = rows["unit"], rows["event"]
    order, mixed = ids.ascending(unit * _ODD + event)
    same = mixed[1:] == mixed[:-1]
    twice = np.zeros(len(unit), dtype=bool)  # rows that may be of one event: few
    twice[order[1:][same]] = twice[order[:-1][same]] = True
    again = np.flatnonzero(twice)
    names = [name for name in rows if name[0] in "vxsb"]  # variant among them
    keys = [rows[name][again] for name in ("unit", "event", "first", *names)]
    ranked = again[np.lexsort(keys[::-1])]
    new = np.append(True, (unit[ranked][1:] != unit[ranked][:-1]))[: len(ranked)]
    new[1:] |= event[ranked][1:] != event[ranked][:-1]
    twice[ranked[new]] = False
    return {name: column[~twice] for name, column in rows.items() if name != "event"}
