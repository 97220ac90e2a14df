"""All units of an experiment by the end of a day, and what a day changed about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer import ids
from analyzer.experiment.tables import MIXED

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]
Flags = NDArray[np.bool_]

SHARD = 65_536
"""Units that are worked on at once, so that what is made of them stays in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Units:
    """Units ascending by hash: arrays of one length n.

    arm: 0 champion, 1 challenger, -1 seen in both (such a unit counts nowhere). exposed: day of
    the first exposure since 1970, UTC. totals: outcomes, then each value in quanta. covariates:
    NaN where none. segments: places in `words`, -1 for NULL.
    """

    unit: Keys
    arm: NDArray[np.int8]
    exposed: NDArray[np.int32]
    totals: tuple[Ints, ...]
    covariates: tuple[Floats, ...]
    segments: tuple[NDArray[np.int32], ...]
    words: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.unit)

    def at(self, rows: slice | NDArray[np.integer] | Flags) -> Units:
        """Some of the units."""
        return Units(
            self.unit[rows],
            self.arm[rows],
            self.exposed[rows],
            tuple(column[rows] for column in self.totals),
            tuple(column[rows] for column in self.covariates),
            tuple(column[rows] for column in self.segments),
            self.words,
        )

    def idle(self) -> Units:
        """The same, having done nothing."""
        return replace(self, totals=tuple(np.zeros_like(column) for column in self.totals))


@dataclass(frozen=True, eq=False)
class Change:
    """Units that a day touched: as they were and as they are.

    before: their totals, 0 of units that were not known. was, now: whether they counted in an arm
    before and do after the day. arm: the arm they count or counted in. did: totals of the day.
    """

    after: Units
    before: tuple[Ints, ...]
    known: Flags
    was: Flags
    now: Flags
    arm: NDArray[np.int8]
    did: tuple[Ints, ...]


def nobody(values: int, covariates: int, segments: int) -> Units:
    """No unit yet."""
    return Units(
        np.zeros(0, dtype=np.uint64),
        np.zeros(0, dtype=np.int8),
        np.zeros(0, dtype=np.int32),
        (np.zeros(0, dtype=np.int64),) * (1 + values),
        (np.zeros(0),) * covariates,
        (np.zeros(0, dtype=np.int32),) * segments,
        ((),) * segments,
    )


def units_of(table: pa.Table, day: int, shape: Units) -> Units:
    """The table of a day since 1970 (`unit_days.Day.table`) in the form of `shape`, whose words it
    may extend.
    """
    if "arm" not in table.schema.names:
        return shape.at(slice(0, 0))
    n = table.num_rows

    def column(name: str, missing: float, kind: type) -> NDArray[Any]:
        if name not in table.schema.names:
            return np.full(n, missing, dtype=kind)
        values: NDArray[Any] = table[name].to_numpy()
        return values

    words, codes = list(shape.words), [np.full(n, -1, dtype=np.int32) for _ in shape.words]
    for place in range(len(words)):
        if f"s{place}" in table.schema.names:
            words[place], codes[place] = _coded(table[f"s{place}"], words[place])
    return Units(
        table["unit"].to_numpy(),
        table["arm"].to_numpy(),
        np.full(n, day, dtype=np.int32),
        (
            table["events"].to_numpy(),
            *(column(f"v{place}", 0, np.int64) for place in range(len(shape.totals) - 1)),
        ),
        tuple(column(f"x{place}", np.nan, np.float64) for place in range(len(shape.covariates))),
        tuple(codes),
        tuple(words),
    )


def _coded(
    column: pa.ChunkedArray, words: Sequence[str]
) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Places of a day's words; new ones are added in alphabetical order."""
    spelled = column.combine_chunks()
    if not len(spelled):
        return tuple(words), np.zeros(0, dtype=np.int32)
    present = spelled.dictionary.to_pylist()
    whole = (*words, *sorted(set(present) - set(words)))
    where = {word: place for place, word in enumerate(whole)}
    table = np.array([*(where[word] for word in present), -1], dtype=np.int32)
    return whole, table[spelled.indices.fill_null(len(present)).to_numpy()]


def advanced(units: Units, day: Units, *, exposing: bool) -> tuple[Units, list[Change]]:
    """Units after a day, and what changed. `exposing`: whether the day may make a unit known.

    A unit seen in the other arm counts in neither from then on. Covariates and segments stay what
    they were first. Where exposures are logged they, not outcomes, make a unit known.
    """
    whole = replace(units, words=day.words)
    pieces = [
        (old, found, _Found(old, found, exposing=exposing)) for old, found in _shards(whole, day)
    ]
    return _merged(whole, pieces), [piece.change for _, _, piece in pieces]


def _shards(units: Units, day: Units) -> Iterator[tuple[Units, Units]]:
    """Units and those of a day by ranges of their hashes; a power of two, at most 256."""
    bits = min(8, max(0, (max(len(units), len(day)) // SHARD).bit_length()))
    places = (ids.ranges(keys, bits) for keys in (units.unit, day.unit))
    for old, new in zip(*places, strict=True):
        yield units.at(old), day.at(new)


class _Found:
    """Where the units of a day are among those known, and what they became."""

    def __init__(self, units: Units, day: Units, *, exposing: bool) -> None:
        n = len(units)
        place = np.searchsorted(units.unit, day.unit)
        np.minimum(place, max(n - 1, 0), out=place)
        known = units.unit[place] == day.unit if n else np.zeros(len(day), dtype=bool)
        if not exposing:
            day, place, known = day.at(known), place[known], known[known]
        self.known, self.place = known, place[known]
        self.change = self._change(units.at(place) if n else day, day)

    def _change(self, old: Units, day: Units) -> Change:
        known = self.known
        arm = np.where(known & (old.arm != day.arm), MIXED, day.arm).astype(np.int8)
        was = known & (old.arm >= 0)
        before = tuple(np.where(known, column, 0) for column in old.totals)
        after = Units(
            day.unit,
            arm,
            np.where(known, old.exposed, day.exposed),
            tuple(one + other for one, other in zip(before, day.totals, strict=True)),
            _first(known, old.covariates, day.covariates),
            _first(known, old.segments, day.segments),
            day.words,
        )
        counted = np.where(was, old.arm, arm)
        return Change(after, before, known, was, arm >= 0, counted, day.totals)


def _first(
    known: Flags, old: Sequence[NDArray[Any]], new: Sequence[NDArray[Any]]
) -> tuple[NDArray[Any], ...]:
    return tuple(np.where(known, one, other) for one, other in zip(old, new, strict=True))


def _merged(units: Units, pieces: Sequence[tuple[Units, Units, _Found]]) -> Units:
    """The units with those of a day put in their places; new ones between their neighbours."""
    sizes = [len(old) + int(np.count_nonzero(~found.known)) for old, _, found in pieces]
    ends = np.cumsum(sizes)

    def room(columns: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], ...]:
        return tuple(np.empty(int(ends[-1]), dtype=column.dtype) for column in columns)

    (unit, arm, exposed) = room((units.unit, units.arm, units.exposed))
    parts = room(units.totals), room(units.covariates), room(units.segments)
    whole = Units(unit, arm, exposed, *parts, units.words)
    for (old, _, found), size, end in zip(pieces, sizes, ends.tolist(), strict=True):
        _fill(whole.at(slice(end - size, end)), old, found)
    return whole


def _fill(target: Units, old: Units, found: _Found) -> None:
    """Write a shard into its place: those who stayed, the new ones, the totals of those touched."""
    after, fresh = found.change.after, ~found.known
    at = np.searchsorted(old.unit, after.unit[fresh])
    inserted = np.zeros(len(target), dtype=bool)
    inserted[at + np.arange(len(at))] = True
    stayed = ~inserted
    for to, was, now in zip(_columns(target), _columns(old), _columns(after), strict=True):
        to[stayed] = was
        to[inserted] = now[fresh]
    touched = np.flatnonzero(stayed)[found.place]
    target.arm[touched] = after.arm[found.known]
    for to, now in zip(target.totals, after.totals, strict=True):
        to[touched] = now[found.known]


def _columns(units: Units) -> tuple[NDArray[Any], ...]:
    return (
        units.unit,
        units.arm,
        units.exposed,
        *units.totals,
        *units.covariates,
        *units.segments,
    )
