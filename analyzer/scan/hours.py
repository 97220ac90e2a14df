"""One part of a slot counted hour by hour.

At most `CHUNK` rows are taken at a time, so that all temporary arrays stay in the processor's
cache: whole-slot arrays cost three times as much, most of it in page faults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.histogram import Binning, raw_bins
from analyzer.ids import BUCKETS
from analyzer.logs import SIDES, Side
from analyzer.profile import Tables, empty, merge, repeat, table
from analyzer.scan.fine import FineHours, MinuteLatency
from analyzer.scan.measures import Measures, pair_measures, side_measures
from analyzer.scan.pairing import Pairing
from analyzer.scan.rows import Rows
from analyzer.scan.slot import Slot
from analyzer.scan.tallies import (
    CHUNK,
    Grouping,
    MinuteSums,
    Places,
    SegmentSums,
    segment_label,
)
from analyzer.window import HOUR, MINUTE

Ints = NDArray[np.int64]


class Tally:
    """Counts and sums of one part of a slot, hour by hour."""

    def __init__(
        self, slot: Slot, rows: Mapping[Side, Rows], pairing: Pairing, inside: Mapping[Side, slice]
    ) -> None:
        hours = slot.hours
        self.slot, self.rows, self.pairing = slot, rows, pairing
        edges = slot.start + HOUR * np.arange(hours + 1)
        self.bounds = {side: np.searchsorted(rows[side]["ts"], edges) for side in SIDES}
        largest = max(int(b[-1] - b[0]) for b in self.bounds.values())
        self.grouping = Grouping(slot.shape, hours, largest)
        self.segments = {model: SegmentSums(self.grouping, hours) for model in (*SIDES, "pair")}
        self.minutes = {model: MinuteSums(hours * 60) for model in self.segments}
        self.fine = FineHours(slot.shape.frozen)
        self.latency = MinuteLatency()
        self.coverage: dict[str, Ints] = {
            name: np.zeros(hours, dtype=np.int64)
            for side in SIDES
            for name in (f"{side}_rows", f"{side}_duplicates", f"only_{side}")
        }
        self.coverage["matched"] = np.zeros(hours, dtype=np.int64)
        self.coverage["lag_us"] = np.zeros(hours, dtype=np.int64)
        self.first = inside["champion"].start
        self.difference = np.full(inside["champion"].stop - self.first, np.nan)
        """Per champion row of the slot the difference of its pair, NaN where there is none."""
        self.buffer = np.empty(CHUNK, dtype=np.int64)

    def add_hour(self, hour: int) -> None:
        """Count one hour of both models and of their pairs."""
        for side in SIDES:
            for keep in _chunks(self.bounds[side], hour):
                self._add_side(side, hour, keep)
        self.fine.close(self.slot.start + hour * HOUR)
        self.latency.close(self.slot.start + hour * HOUR)

    def _add_side(self, side: Side, hour: int, keep: slice) -> None:
        rows, pairing = self.rows[side], self.pairing
        champions = side == "champion"
        partner = (pairing.challenger_of if champions else pairing.champion_of)[keep]
        duplicate = (pairing.champion_duplicate if champions else pairing.challenger_duplicate)[
            keep
        ]
        alone = (partner < 0) & ~duplicate
        self.coverage[f"{side}_rows"][hour] += len(partner)
        self.coverage[f"{side}_duplicates"][hour] += np.count_nonzero(duplicate)
        self.coverage[f"only_{side}"][hour] += np.count_nonzero(alone)
        places = self._places(side, keep, partner)
        measures = side_measures(self.slot.shape, rows, keep, alone)
        self._add_measures(side, hour, places, measures)
        frozen = self.slot.shape.frozen
        score, latency = rows["score"][keep], rows["latency"][keep]
        self.fine.add(side, "score", self._raw(frozen.binning("score"), score))
        raw = self._raw(frozen.binning("latency_ms"), latency)
        self.fine.add(side, "latency_ms", raw)
        minute = (measures.ts - (self.slot.start + hour * HOUR)) // MINUTE
        self.latency.add(side, minute, raw)
        if champions:
            self._add_pairs(hour, keep, partner, places)

    def _places(self, side: Side, keep: slice, partner: Ints) -> Places:
        """Segment cells and buckets of a model's rows. A challenger row takes them from the
        champion row it pairs with: the shadow's log need not hold them.
        """
        names = [*(f"s{i}" for i in range(len(self.slot.shape.segments))), "bucket"]
        found = [self.rows[side][name][keep] for name in names]
        champion = self.rows["champion"]
        if side == "challenger" and len(champion["ts"]):
            has = partner >= 0
            if has.all():
                found = [champion[name][partner] for name in names]
            else:
                place = np.maximum(partner, 0)
                found = [
                    np.where(has, champion[name][place], own)
                    for name, own in zip(names, found, strict=True)
                ]
        return self.grouping.places(found[:-1], found[-1])

    def _raw(self, binning: Binning, values: NDArray[np.floating]) -> Ints:
        nulls = np.flatnonzero(np.isnan(values))
        return raw_bins(values, nulls, binning.kind, binning.origin, self.buffer)

    def _add_pairs(self, hour: int, keep: slice, partner: Ints, places: Places) -> None:
        matched = partner >= 0
        count = int(np.count_nonzero(matched))
        if not count:
            return
        champion, challenger = self.rows["champion"], self.rows["challenger"]
        measures, difference = pair_measures(self.slot.shape, champion, challenger, keep, partner)
        self._add_measures("pair", hour, places, measures)
        self.difference[keep.start - self.first : keep.stop - self.first] = difference
        self.coverage["matched"][hour] += count
        lag = challenger["ts"][partner] - measures.ts
        self.coverage["lag_us"][hour] += int(lag.sum() if count == len(lag) else lag[matched].sum())
        binning = self.slot.shape.frozen.binning("difference")
        self.fine.add("pair", "difference", self._raw(binning, difference))

    def _add_measures(self, model: str, hour: int, places: Places, measures: Measures) -> None:
        self.segments[model].add(places, measures, hour)
        self.minutes[model].add(measures, self.slot.start)

    def tables(self) -> Tables:
        """The tables of this part."""
        slot = self.slot
        busy = sum(v for k, v in self.coverage.items() if k != "lag_us") > 0
        hours = slot.start + HOUR * np.arange(slot.hours)
        coverage = {"hour": hours[busy], **{k: v[busy] for k, v in self.coverage.items()}}
        return {
            "coverage": table("coverage", coverage),
            "minutes": _minute_table(slot, self.minutes),
            "minute_latency": self.latency.table(),
            **_segment_tables(slot, self.segments),
            "fine_hours": self.fine.table(SIDES),
            "differences": self.fine.differences(),
        }


def _chunks(bounds: Ints, hour: int) -> Iterator[slice]:
    end = int(bounds[hour + 1])
    for low in range(int(bounds[hour]), end, CHUNK):
        yield slice(low, min(low + CHUNK, end))


def _minute_table(slot: Slot, minutes: Mapping[str, MinuteSums]) -> pa.Table:
    parts = [empty("minutes", ["n"])]
    for model, sums in minutes.items():
        busy, columns = sums.busy()
        keys = {"minute": slot.start + busy * MINUTE, "model": repeat(model, len(busy))}
        parts.append(table("minutes", {**keys, **columns}))
    return merge("minutes", [_without_nulls("minutes", parts)])


def _without_nulls(name: str, parts: list[pa.Table]) -> pa.Table:
    """One table of all parts; sums that a kind of row does not have are 0."""
    sums = list(dict.fromkeys(c for part in parts for c in part.schema.names))
    whole = []
    for part in parts:
        for column in sums:
            if column not in part.schema.names:
                zeros = pa.array(np.zeros(part.num_rows, dtype=np.int64))
                part = part.append_column(column, zeros)
        whole.append(part.select(sums))
    return pa.concat_tables(whole)


def _segment_tables(slot: Slot, segments: Mapping[str, SegmentSums]) -> Tables:
    cells, buckets = [empty("cells", ["n"])], [empty("cell_buckets", ["n"])]
    for model, sums in segments.items():
        cells += [_cell_rows(slot, model, c, s) for c, s in sums.margins()]
        buckets += [_bucket_rows(slot, model, c, s) for c, s in sums.bucket_margins()]
    return {
        "cells": merge("cells", [_without_nulls("cells", cells)]),
        "cell_buckets": merge("cell_buckets", [_without_nulls("cell_buckets", buckets)]),
    }


def _cell_rows(
    slot: Slot, model: str, columns: tuple[int, ...], sums: Mapping[str, Ints]
) -> pa.Table:
    at = np.nonzero(sums["n"])
    count = len(at[0])
    keys: dict[str, object] = {
        "hour": slot.start + at[0] * HOUR,
        "model": repeat(model, count),
    }
    for letter, place in (("a", 0), ("b", 1)):
        if place < len(columns):
            keys[letter] = repeat(slot.shape.segments[columns[place]], count)
            keys[f"{letter}_value"] = segment_label(slot.shape, columns[place], at[place + 1])
        else:
            keys[letter] = pa.nulls(count, pa.string())
            keys[f"{letter}_value"] = pa.nulls(count, pa.string())
    return table("cells", {**keys, **{name: values[at] for name, values in sums.items()}})


def _bucket_rows(
    slot: Slot, model: str, columns: tuple[int, ...], sums: Mapping[str, Ints]
) -> pa.Table:
    at = np.nonzero(sums["n"])
    count = len(at[0])
    keys: dict[str, object] = {
        "slot": np.full(count, slot.start),
        "model": repeat(model, count),
        "a": pa.nulls(count, pa.string()),
        "a_value": pa.nulls(count, pa.string()),
        "bucket": at[-1] % BUCKETS,
    }
    if columns:
        keys["a"] = repeat(slot.shape.segments[columns[0]], count)
        keys["a_value"] = segment_label(slot.shape, columns[0], at[0])
    return table("cell_buckets", {**keys, **{name: values[at] for name, values in sums.items()}})
