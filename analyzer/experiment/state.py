"""All units of an experiment by the end of a day, and what a day changed about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.experiment.tables import DAY, MIXED

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]

COLUMNS = ("unit", "arm", "exposed", "totals", "covariates", "segments")
"""Fields of `Units` that hold something of each unit."""


@dataclass(frozen=True, eq=False)
class Units:
    """Units ascending by hash: arrays of one length n, or n rows of one column per measure.

    arm: 0 champion, 1 challenger, -1 seen in both (such a unit counts nowhere). exposed: day of
    the first exposure since 1970, UTC. totals: (n, 1 + values) whole numbers: outcomes, then each
    value in quanta. covariates: (n, covariates), NaN where none. segments: (n, segments) places
    in `words`, -1 for NULL.
    """

    unit: Keys
    arm: NDArray[np.int8]
    exposed: NDArray[np.int32]
    totals: Ints
    covariates: Floats
    segments: NDArray[np.int32]
    words: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.unit)

    def at(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Units:
        """Some of the units."""
        columns: dict[str, Any] = {name: getattr(self, name)[rows] for name in COLUMNS}
        return replace(self, **columns)


@dataclass(frozen=True, eq=False)
class Change:
    """Units that a day touched: as they were (`known` tells which there were) and as they are.

    did: (n, 1 + values), what each did on the day.
    """

    before: Units
    known: NDArray[np.bool_]
    after: Units
    did: Ints


def nobody(values: int, covariates: int, segments: int) -> Units:
    """No unit yet."""
    return Units(
        np.zeros(0, dtype=np.uint64),
        np.zeros(0, dtype=np.int8),
        np.zeros(0, dtype=np.int32),
        np.zeros((0, 1 + values), dtype=np.int64),
        np.zeros((0, covariates)),
        np.zeros((0, segments), dtype=np.int32),
        ((),) * segments,
    )


def units_of(table: pa.Table, shape: Units) -> Units:
    """A day's table (`unit_days.Day.table`) in the form of `shape`, whose words it may extend."""
    n = table.num_rows
    if "variant" not in table.schema.names:
        return shape.at(np.zeros(0, dtype=np.int64))
    arm = table["variant"].to_numpy().astype(np.int8)
    arm = np.where(table["mixed"].to_numpy(zero_copy_only=False), MIXED, arm).astype(np.int8)
    totals = np.zeros((n, shape.totals.shape[1]), dtype=np.int64)
    totals[:, 0] = table["events"].to_numpy()
    for place in range(totals.shape[1] - 1):
        if f"v{place}" in table.schema.names:
            totals[:, 1 + place] = table[f"v{place}"].to_numpy()
    covariates = np.full((n, shape.covariates.shape[1]), np.nan)
    for place in range(covariates.shape[1]):
        if f"x{place}" in table.schema.names:
            covariates[:, place] = table[f"x{place}"].to_numpy(zero_copy_only=False)
    words, codes = list(shape.words), np.full((n, len(shape.words)), -1, dtype=np.int32)
    for place in range(len(words)):
        if f"s{place}" in table.schema.names:
            words[place], codes[:, place] = _coded(table[f"s{place}"], words[place])
    exposed = (table["first"].to_numpy() // DAY).astype(np.int32)
    unit = table["unit"].to_numpy()
    return Units(unit, arm, exposed, totals, covariates, codes, tuple(words))


def _coded(
    column: pa.ChunkedArray, words: Sequence[str]
) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Places of a day's words; new ones are added in alphabetical order."""
    spelled = column.combine_chunks().dictionary_encode()
    present = spelled.dictionary.to_pylist()
    whole = (*words, *sorted(set(present) - set(words)))
    where = {word: place for place, word in enumerate(whole)}
    table = np.array([*(where[word] for word in present), -1], dtype=np.int32)
    return whole, table[spelled.indices.fill_null(len(present)).to_numpy(zero_copy_only=False)]


def advanced(units: Units, day: Units, *, exposing: bool) -> tuple[Units, Change]:
    """Units after a day. `exposing`: whether the day's rows may make a unit known.

    A unit seen in the other arm counts in neither from then on. Covariates and segments stay what
    they were first. Where exposures are logged they, not outcomes, make a unit known.
    """
    n = len(units)
    place = np.minimum(np.searchsorted(units.unit, day.unit), max(n - 1, 0))
    known = units.unit[place] == day.unit if n else np.zeros(len(day), dtype=bool)
    if not exposing:
        day, place, known = day.at(known), place[known], known[known]
    old = units.at(place) if n else day
    before = replace(old, words=day.words)
    arm = np.where(known & (before.arm != day.arm), MIXED, day.arm).astype(np.int8)
    kept = known[:, None]
    after = replace(
        day,
        arm=arm,
        exposed=np.where(known, before.exposed, day.exposed).astype(np.int32),
        totals=np.where(kept, before.totals, 0) + day.totals,
        covariates=np.where(kept, before.covariates, day.covariates),
        segments=np.where(kept, before.segments, day.segments).astype(np.int32),
    )
    return _merged(units, after, place, known), Change(before, known, after, day.totals)


def _merged(units: Units, after: Units, place: Ints, known: NDArray[np.bool_]) -> Units:
    """The units with those of a day put in their places; new ones between their neighbours."""
    fresh = after.at(~known)
    at = np.searchsorted(units.unit, fresh.unit)
    n = len(units) + len(fresh)
    inserted = np.zeros(n, dtype=bool)
    inserted[at + np.arange(len(fresh))] = True
    stayed = np.flatnonzero(~inserted)
    touched = stayed[place[known]] if len(units) else place[:0]

    def joined(name: str) -> NDArray[Any]:
        old, new, now = (getattr(x, name) for x in (units, fresh, after))
        whole = np.empty((n, *new.shape[1:]), dtype=new.dtype)
        whole[inserted], whole[stayed] = new, old
        whole[touched] = now[known]
        return whole

    return Units(**{name: joined(name) for name in COLUMNS}, words=after.words)
