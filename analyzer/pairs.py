"""The second half of a slot: the two logs paired, and everything counted over rows and pairs.

Rows are taken hour by hour, at most `CHUNK` at a time, so that all temporary arrays stay in the
processor's cache: whole-slot arrays cost three times as much, most of it in page faults.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.errors import StoreError
from analyzer.frozen import OTHER, shown
from analyzer.histogram import RAW_BINS, Binning, raw_bins
from analyzer.ids import BUCKETS
from analyzer.logs import SIDES, Side
from analyzer.narrow import (
    BAD_LATENCY,
    NO_SCORE,
    OK,
    SCORE_STATES,
    STRAYED,
    UNKNOWN,
    Spool,
    narrow,
)
from analyzer.pairing import Pairing, pair
from analyzer.profile import WORST_PAIRS, Tables, add_up, empty, merge, repeat, table
from analyzer.reader import Batch, null_times, read
from analyzer.slot import Slot
from analyzer.tallies import (
    CHUNK,
    MINUTE,
    Measures,
    MinuteSums,
    Rows,
    SegmentSums,
    pair_measures,
    segment_label,
    side_measures,
)
from analyzer.window import HOUR

PART_ROWS = 2_000_000
PARITY_TOLERANCE = 1e-6
LARGEST = float(np.finfo(np.float64).max)
COARSE = 3
"""Bits dropped from fine bins per minute and of differences: 16 bins an octave are left."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def pair_tables(slot: Slot) -> Tables:
    """All tables but those of features. A slot too large for memory is split by request id;
    the parts' tables add up.
    """
    parts = max(1, -(-max(slot.rows(side) for side in SIDES) // PART_ROWS))
    try:
        with tempfile.TemporaryDirectory(prefix="analyzer-") as folder:
            spools = {side: _spool(slot, side, parts, Path(folder)) for side in SIDES}
            pieces = zip(*(spools[side].tables() for side in SIDES), strict=True)
            results = [_part_tables(slot, ours, theirs) for ours, theirs in pieces]
    except OSError as error:
        raise StoreError(
            f"the temporary folder {tempfile.gettempdir()} cannot be used ({error}); "
            "make room there or point TMPDIR elsewhere"
        ) from None
    results[0]["rejects"] = merge("rejects", [results[0]["rejects"], _timeless(slot)])
    names = results[0].keys()
    return {name: merge(name, [result[name] for result in results]) for name in names}


def _timeless(slot: Slot) -> pa.Table:
    """Rows without a `ts`, counted in the hour in which their file begins."""
    parts = [empty("rejects", ["n"])]
    for side in SIDES:
        for file in slot.files[side]:
            if file.null_ts and file.first is not None and slot.start <= file.first < slot.end:
                hour = file.first // HOUR * HOUR
                found = null_times(slot.shape.rollout, side, file)
                parts += [_reject_rows(side, "ts null", [hour], [found])] if found else []
    return add_up("rejects", pa.concat_tables(parts))


def _spool(slot: Slot, side: Side, parts: int, folder: Path) -> Spool:
    slack = int(slot.shape.rollout.time.pairing_slack_minutes * MINUTE)
    spool = Spool(parts, folder, side)
    columns = slot.shape.columns()
    rollout = slot.shape.rollout
    files = slot.files[side]
    for batch in read(rollout, side, files, columns, slot.start - slack, slot.end + slack):
        spool.add(narrow(slot.shape, batch))
    return spool


def _part_tables(slot: Slot, ours: pa.Table | None, theirs: pa.Table | None) -> Tables:
    blank = narrow(slot.shape, Batch(np.zeros(0, dtype=np.int64), {"request_id": _no_ids()}))
    rows: dict[Side, Rows] = {
        "champion": Rows(ours if ours is not None else pa.Table.from_batches([blank])),
        "challenger": Rows(theirs if theirs is not None else pa.Table.from_batches([blank])),
    }
    champion, challenger = rows["champion"], rows["challenger"]
    pairing = pair(champion.identity, challenger.identity)
    inside = {side: _inside(slot, rows[side]) for side in SIDES}
    _leave_to_neighbours(slot, rows, pairing, inside["champion"])
    at = np.flatnonzero(pairing.challenger_of[inside["champion"]] >= 0) + inside["champion"].start
    other = pairing.challenger_of[at]
    tally = _Tally(slot, rows, pairing, at, other)
    for hour in range(slot.hours):
        tally.add_hour(hour)
    return {
        **tally.tables(),
        "rejects": _rejects(slot, rows, inside),
        "worst": _worst(slot, champion, challenger, at, other, tally.difference),
        "parity": _parity(slot, champion, challenger, at, other),
        "confusion": _confusion(slot, champion, challenger, at, other),
    }


def _no_ids() -> pa.Array:
    return pa.array([], pa.string())


def _inside(slot: Slot, rows: Rows) -> slice:
    low, high = np.searchsorted(rows["ts"], [slot.start, slot.end])
    return slice(int(low), int(high))


def _leave_to_neighbours(
    slot: Slot, rows: Mapping[Side, Rows], pairing: Pairing, inside: slice
) -> None:
    """Unpair from champion rows of other slots what those slots do not see within their slack.

    Otherwise a pair too far apart would be unmatched on one side and matched on the other.
    """
    ts = rows["champion"]["ts"]
    foreign = np.r_[0 : inside.start, inside.stop : len(ts)]
    foreign = foreign[pairing.challenger_of[foreign] >= 0]
    other = pairing.challenger_of[foreign]
    length = slot.end - slot.start
    slack = int(slot.shape.rollout.time.pairing_slack_minutes * MINUTE)
    start = ts[foreign] // length * length
    seen = rows["challenger"]["ts"][other]
    far = (seen < start - slack) | (seen >= start + length + slack)
    pairing.champion_of[other[far]] = -1


class _Tally:
    """Counts and sums of one part of a slot, hour by hour."""

    def __init__(
        self, slot: Slot, rows: Mapping[Side, Rows], pairing: Pairing, at: Ints, other: Ints
    ) -> None:
        shape, hours = slot.shape, slot.hours
        self.slot, self.rows, self.pairing = slot, rows, pairing
        self.at, self.other = at, other
        self.difference = np.empty(len(at))
        edges = slot.start + HOUR * np.arange(hours + 1)
        stamps = {side: rows[side]["ts"] for side in SIDES}
        self.bounds = {side: np.searchsorted(ts, edges) for side, ts in stamps.items()}
        self.bounds_of_pairs = np.searchsorted(stamps["champion"][at], edges)
        sizes = {side: int(b[-1] - b[0]) for side, b in self.bounds.items()}
        self.segments = {
            "champion": SegmentSums(shape, hours, sizes["champion"]),
            "challenger": SegmentSums(shape, hours, sizes["challenger"]),
            "pair": SegmentSums(shape, hours, len(at)),
        }
        self.minutes = {model: MinuteSums(hours * 60) for model in self.segments}
        self.fine = _FineHours()
        self.latency = _MinuteLatency()
        self.coverage: dict[str, Ints] = {
            name: np.zeros(hours, dtype=np.int64)
            for side in SIDES
            for name in (f"{side}_rows", f"{side}_duplicates", f"only_{side}")
        }
        self.coverage["matched"] = np.diff(self.bounds_of_pairs)
        self.coverage["lag_us"] = np.zeros(hours, dtype=np.int64)
        self.buffer = np.empty(CHUNK, dtype=np.int64)

    def add_hour(self, hour: int) -> None:
        """Count one hour of both models and of their pairs."""
        for side in SIDES:
            for low, high in _chunks(self.bounds[side], hour):
                self._add_side(side, hour, low, high)
        for low, high in _chunks(self.bounds_of_pairs, hour):
            self._add_pairs(hour, low, high)
        self.fine.close(self.slot.start + hour * HOUR)
        self.latency.close(self.slot.start + hour * HOUR)

    def _add_side(self, side: Side, hour: int, low: int, high: int) -> None:
        rows, keep = self.rows[side], slice(low, high)
        champions = side == "champion"
        partner = (self.pairing.challenger_of if champions else self.pairing.champion_of)[keep]
        duplicate = (
            self.pairing.champion_duplicate if champions else self.pairing.challenger_duplicate
        )[keep]
        alone = (partner < 0) & ~duplicate
        self.coverage[f"{side}_rows"][hour] += high - low
        self.coverage[f"{side}_duplicates"][hour] += np.count_nonzero(duplicate)
        self.coverage[f"only_{side}"][hour] += np.count_nonzero(alone)
        codes, bucket = self._where(side, keep, partner)
        measures = side_measures(self.slot.shape, rows, keep, alone, codes, bucket)
        self._add_measures(side, hour, measures)
        frozen = self.slot.shape.frozen
        score, latency = rows["score"][keep], rows["latency"][keep]
        self.fine.add(side, "score", self._raw(frozen.binning("score"), score))
        raw = self._raw(frozen.binning("latency_ms"), latency)
        self.fine.add(side, "latency_ms", raw)
        minute = (measures.ts - (self.slot.start + hour * HOUR)) // MINUTE
        self.latency.add(side, minute, raw)

    def _where(
        self, side: Side, keep: slice, partner: Ints
    ) -> tuple[list[NDArray[np.uint8]], NDArray[np.uint8]]:
        """Segment codes and bucket of a model's rows. A challenger row takes them from the
        champion row it pairs with: the shadow's log need not hold them.
        """
        names = [f"s{i}" for i in range(len(self.slot.shape.segments))]
        found = [self.rows[side][name][keep] for name in (*names, "bucket")]
        champion = self.rows["champion"]
        if side == "challenger" and len(champion["ts"]):
            has = partner >= 0
            place = np.maximum(partner, 0)
            found = [
                np.where(has, champion[name][place], own)
                for name, own in zip((*names, "bucket"), found, strict=True)
            ]
        return found[:-1], found[-1]

    def _raw(self, binning: Binning, values: NDArray[np.floating]) -> Ints:
        nulls = np.flatnonzero(np.isnan(values))
        return raw_bins(values, nulls, binning.kind, binning.origin, self.buffer)

    def _add_pairs(self, hour: int, low: int, high: int) -> None:
        champion, challenger = self.rows["champion"], self.rows["challenger"]
        at, other = self.at[low:high], self.other[low:high]
        # matched rows mostly stand in an unbroken run, and a slice costs nothing
        ours = slice(at[0], at[-1] + 1) if at[-1] - at[0] == len(at) - 1 else at
        measures, difference = pair_measures(self.slot.shape, champion, challenger, ours, other)
        self.difference[low:high] = difference
        self._add_measures("pair", hour, measures)
        self.coverage["lag_us"][hour] += int((challenger["ts"][other] - measures.ts).sum())
        binning = self.slot.shape.frozen.binning("difference")
        self.fine.add("pair", "difference", self._raw(binning, difference))

    def _add_measures(self, model: str, hour: int, measures: Measures) -> None:
        self.segments[model].add(measures, hour)
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
            "fine_hours": self.fine.table(slot, ("champion", "challenger")),
            "differences": self.fine.differences(slot),
        }


def _chunks(bounds: Ints, hour: int) -> Iterator[tuple[int, int]]:
    for low in range(int(bounds[hour]), int(bounds[hour + 1]), CHUNK):
        yield low, min(low + CHUNK, int(bounds[hour + 1]))


class _FineHours:
    """Fine bins of an hour, kept sparse once the hour is over."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], Ints] = {}
        self._kept: dict[tuple[str, str], list[tuple[int, Ints, Ints]]] = {}

    def add(self, model: str, column: str, raw: Ints) -> None:
        counts = np.bincount(raw, minlength=RAW_BINS)
        before = self._open.get((model, column))
        self._open[model, column] = counts if before is None else before + counts

    def close(self, hour: int) -> None:
        for key, counts in self._open.items():
            bins = np.flatnonzero(counts)
            bins = bins[(bins & 0x7FFF) < 0x7F80]
            self._kept.setdefault(key, []).append((hour, bins, counts[bins]))
        self._open = {}

    def _rows(self, slot: Slot, key: tuple[str, str]) -> tuple[Ints, Ints, Ints]:
        kept = self._kept.get(key, [])
        none = np.zeros(0, dtype=np.int64)
        hour = np.concatenate([none, *(np.full(len(b), h) for h, b, _ in kept)])
        raw = np.concatenate([none, *(b for _, b, _ in kept)])
        n = np.concatenate([none, *(c for _, _, c in kept)])
        return hour, slot.shape.frozen.binning(key[1]).codes[raw], n

    def table(self, slot: Slot, models: tuple[str, ...]) -> pa.Table:
        parts = [empty("fine_hours", ["n"])]
        for model, column in self._kept:
            if model in models:
                hour, code, n = self._rows(slot, (model, column))
                names = {"model": repeat(model, len(n)), "column": repeat(column, len(n))}
                parts.append(table("fine_hours", {"hour": hour, **names, "code": code, "n": n}))
        return merge("fine_hours", [pa.concat_tables(parts)])

    def differences(self, slot: Slot) -> pa.Table:
        hour, code, n = self._rows(slot, ("pair", "difference"))
        coarse = (code >> COARSE) << COARSE
        return add_up("differences", table("differences", {"hour": hour, "code": coarse, "n": n}))


class _MinuteLatency:
    """Latency per minute in bins of a sixteenth of an octave; only those that hold a request."""

    def __init__(self) -> None:
        self._open: dict[Side, list[tuple[Ints, Ints]]] = {side: [] for side in SIDES}
        self._kept: dict[Side, list[tuple[Ints, Ints, Ints]]] = {side: [] for side in SIDES}

    def add(self, side: Side, minute: Ints, raw: Ints) -> None:
        """minute: of the hour, 0..59; raw: latency bins, those of NaN not counted."""
        code = raw >> COARSE
        if bool((raw >= 0x7F80).any()):
            known = raw < 0x7F80
            minute, code = minute[known], code[known]
        if len(code):
            self._open[side].append((minute, code))

    def close(self, hour: int) -> None:
        for side, chunks in self._open.items():
            if not chunks:
                continue
            minute, code = (np.concatenate(column) for column in zip(*chunks, strict=True))
            least = int(code.min())
            width = int(code.max()) - least + 1  # dense only over the range that occurs
            counts = np.bincount(minute * width + (code - least), minlength=60 * width)
            at = np.flatnonzero(counts)
            minute, code = np.divmod(at, width)
            kept = (hour + minute * MINUTE, (code + least) << COARSE, counts[at])
            self._kept[side].append(kept)
            chunks.clear()

    def table(self) -> pa.Table:
        parts = [empty("minute_latency", ["n"])]
        for side, kept in self._kept.items():
            if kept:
                minute, code, n = (np.concatenate(column) for column in zip(*kept, strict=True))
                columns = {"minute": minute, "model": repeat(side, len(n)), "code": code, "n": n}
                parts.append(table("minute_latency", columns))
        return merge("minute_latency", [pa.concat_tables(parts)])


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


def _rejects(slot: Slot, rows: Mapping[Side, Rows], inside: Mapping[Side, slice]) -> pa.Table:
    """Values that could not be used, by hour, model and reason."""
    parts = [empty("rejects", ["n"])]
    edges = slot.start + HOUR * np.arange(slot.hours + 1)
    for side in SIDES:
        keep = inside[side]
        ts, state, flags = (rows[side][name][keep] for name in ("ts", "state", "flags"))
        reasons = {
            f"score {word.replace('_', ' ')}": state == code
            for code, word in enumerate(SCORE_STATES)
            if code not in (OK, NO_SCORE)
        }
        reasons["request id null"] = rows[side]["has_id"][keep] == 0
        reasons["latency negative or not finite"] = (flags & BAD_LATENCY) > 0
        reasons["outside its partition"] = (flags & STRAYED) > 0
        for reason, chosen in reasons.items():
            if chosen.any():
                n = np.diff(np.searchsorted(ts[chosen], edges))
                busy = np.flatnonzero(n)
                parts.append(_reject_rows(side, reason, edges[busy], n[busy]))
    return merge("rejects", [pa.concat_tables(parts)])


def _reject_rows(side: Side, reason: str, hours: Ints | list[int], n: Ints | list[int]) -> pa.Table:
    named = {"model": repeat(side, len(n)), "reason": repeat(reason, len(n))}
    return table("rejects", {"hour": hours, **named, "n": n})


def _worst(
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


def _parity(slot: Slot, champion: Rows, challenger: Rows, at: Ints, other: Ints) -> pa.Table:
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


def _confusion(slot: Slot, champion: Rows, challenger: Rows, at: Ints, other: Ints) -> pa.Table:
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
