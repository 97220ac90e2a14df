"""Both arms' counts in every segment, hour by hour; small segments together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.profiles import Profiles
from analyzer.window import HOUR

SMALL = "(small ones together)"
KEYS = ("a", "a_value", "b", "b_value")
Ints = NDArray[np.int64]
Key = tuple[str | None, ...]


@dataclass(frozen=True, eq=False)
class Segments:
    """Counts by segment, arm (champion, challenger) and hour: shape (segments, 2, hours)."""

    keys: list[Key]
    sums: dict[str, Ints]


def segments_of(profiles: Profiles, extra: Sequence[str], least: int) -> Segments:
    """The segments of a window; of each column or pair of them, those with fewer than `least`
    requests of either model are one.
    """
    columns = ["n", "errors", "latency_n", *extra]
    rows = profiles.table("cells")
    arms = pc.is_in(rows["model"], value_set=pa.array(["champion", "challenger"]))
    rows = rows.filter(pc.and_(arms, pc.is_valid(rows["a"])))
    keys, place = _coded(rows)
    hours = int(profiles.window.hours)
    arm = np.asarray(pc.equal(rows["model"], "challenger").to_numpy()).astype(np.int64)
    hour = (rows["hour"].cast(pa.int64()).to_numpy() - profiles.window.start) // HOUR
    flat = (place * 2 + arm) * hours + hour
    sums = {}
    for name in columns:
        total = np.zeros(len(keys) * 2 * hours, dtype=np.int64)
        np.add.at(total, flat, rows[name].fill_null(0).to_numpy())
        sums[name] = total.reshape(len(keys), 2, hours)
    return _pooled(Segments(keys, sums), least)


def _coded(rows: pa.Table) -> tuple[list[Key], Ints]:
    """Distinct keys, and which one each row has."""
    code = np.zeros(rows.num_rows, dtype=np.int64)
    words: list[list[str | None]] = []
    for name in KEYS:
        column = rows[name].combine_chunks().dictionary_encode()
        listed = [*column.dictionary.to_pylist(), None]
        code = code * len(listed) + column.indices.fill_null(len(listed) - 1).to_numpy()
        words.append(listed)
    distinct, place = np.unique(code, return_inverse=True)
    keys = []
    for number in distinct.tolist():
        key: list[str | None] = []
        for listed in reversed(words):
            number, at = divmod(number, len(listed))
            key.append(listed[at])
        keys.append(tuple(reversed(key)))
    return keys, place.astype(np.int64)


def _pooled(found: Segments, least: int) -> Segments:
    rows = found.sums["n"].sum(axis=2)
    large = (rows >= least).all(axis=1)
    keys: list[Key] = [key for key, kept in zip(found.keys, large, strict=True) if kept]
    target = np.cumsum(large) - 1
    pools: dict[tuple[str | None, str | None], int] = {}
    for at in np.flatnonzero(~large).tolist():
        a, _, b, _ = found.keys[at]
        target[at] = pools.setdefault((a, b), len(keys) + len(pools))
    keys += [(a, SMALL, b, SMALL if b is not None else None) for a, b in pools]
    sums = {}
    for name, values in found.sums.items():
        total = np.zeros((len(keys), *values.shape[1:]), dtype=np.int64)
        np.add.at(total, target, values)
        sums[name] = total
    enough = (sums["n"].sum(axis=2) >= least).all(axis=1)
    return Segments(
        [key for key, kept in zip(keys, enough, strict=True) if kept],
        {name: values[enough] for name, values in sums.items()},
    )


def segment_name(key: Key) -> str:
    """A segment as people read it.

    >>> segment_name(("country", "de", "plan", None))
    'country = de and plan = (none)'
    """
    a, a_value, b, b_value = key
    parts = [f"{a} = {'(none)' if a_value is None else a_value}"]
    if b is not None:
        parts.append(f"{b} = {'(none)' if b_value is None else b_value}")
    return " and ".join(parts)
