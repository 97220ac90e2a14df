"""One slot's logs to one slot's tables. Two halves that can run on different workers:
`feature_tables` counts what each model saw, `pair_tables` pairs the two logs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer import tallies
from analyzer.errors import StoreError
from analyzer.frozen import OTHER, TRACKED, shown
from analyzer.histogram import HourlyCounts, raw_bins
from analyzer.ids import BUCKETS
from analyzer.logs import SIDES, LogFile, Side
from analyzer.narrow import (
    BAD_LATENCY,
    NO_SCORE,
    OK,
    SCORE_STATES,
    STRAYED,
    UNKNOWN,
    Shape,
    Spool,
    coded,
    narrow,
)
from analyzer.pairing import Pairing, pair
from analyzer.profile import (
    NEWCOMERS,
    TABLES,
    WORST_PAIRS,
    Tables,
    add_up,
    empty,
    encode,
    merge,
    table,
)
from analyzer.reader import Batch, null_times, numbers, read, text
from analyzer.tallies import MINUTE, Measures, Rows, SegmentSums
from analyzer.window import HOUR

PART_ROWS = 2_000_000
PARITY_TOLERANCE = 1e-6
LARGEST = float(np.finfo(np.float64).max)
COARSE = 3
"""Bits dropped from fine bins per minute and of differences: 16 bins an octave are left."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Slot:
    """One slot of one scan: [start, end) in microseconds UTC and the files that may hold it."""

    shape: Shape
    start: int
    end: int
    files: Mapping[Side, Sequence[LogFile]]

    @property
    def hours(self) -> int:
        """Hours in the slot."""
        return (self.end - self.start) // HOUR


def feature_tables(slot: Slot, side: Side) -> Tables:
    """Tables `histograms`, `fine`, `values` and `newcomers` of the features a model logged."""
    shape, files = slot.shape, list(slot.files[side])
    rollout = shape.rollout
    logged = shape.logged.get(side, ())
    numeric = [c for c in rollout.features.numeric if c in logged]
    texts = [c for c in (*rollout.features.categorical, *TRACKED) if c in logged]
    counts = {
        c: HourlyCounts(shape.frozen.binning(c), slot.hours, fine_by_hour=False) for c in numeric
    }
    values = {c: _Values(shape.frozen.vocabularies[c], slot.hours) for c in texts}
    edges = slot.start + HOUR * np.arange(slot.hours + 1)
    buffer = np.empty(0, dtype=np.int64)
    for batch in read(rollout, side, files, [*numeric, *texts], slot.start, slot.end):
        bounds = np.searchsorted(batch.ts, edges)
        if len(buffer) < len(batch):
            buffer = np.empty(len(batch), dtype=np.int64)
        for column in numeric:
            _count_numeric(counts[column], batch, column, bounds, buffer)
        for column in texts:
            values[column].add(batch, column, bounds)
    return {
        "histograms": _histogram_table(slot, side, counts),
        "fine": _fine_table(slot, side, counts),
        "values": _values_table(slot, side, values),
        "newcomers": _newcomers_table(slot, side, values),
    }


def halves(slot: Slot, half: str) -> dict[str, bytes]:
    """The encoded tables of one half, `features` or `pairs`: the unit of work of a scan."""
    if half == "pairs":
        tables = pair_tables(slot)
    else:
        both = [feature_tables(slot, side) for side in SIDES]
        tables = {name: merge(name, [part[name] for part in both]) for name in both[0]}
    return {name: encode(content) for name, content in tables.items()}


def _count_numeric(
    counts: HourlyCounts, batch: Batch, column: str, bounds: Ints, buffer: Ints
) -> None:
    binning = counts.binning
    if column in batch.columns:
        values, nulls = numbers(batch.columns[column])
    else:  # this file lacks the column: every row is a NULL, and `logs.gaps` names the file
        values, nulls = np.zeros(len(batch), dtype=np.float32), np.arange(len(batch))
    raw = raw_bins(values, nulls, binning.kind, binning.origin, buffer)
    counts.add(raw, bounds, nulls)


class _Values:
    """Hourly counts of one categorical column, and the values its vocabulary does not hold."""

    def __init__(self, vocabulary: Sequence[str], hours: int) -> None:
        self.vocabulary = vocabulary
        self.width = len(vocabulary) + 2
        self.counts = np.zeros((hours, self.width), dtype=np.int64)
        self.unseen: list[pa.Table] = []

    def add(self, batch: Batch, column: str, bounds: Ints) -> None:
        values = batch.columns.get(column)
        if values is None:
            self.counts[:, -1] += np.diff(bounds)
            return
        code = coded(values, self.vocabulary, len(self.vocabulary) + 1)  # last: NULL
        hours = np.repeat(np.arange(len(self.counts)), np.diff(bounds))
        flat = np.bincount(hours * self.width + code, minlength=self.counts.size)
        self.counts += flat.reshape(self.counts.shape)
        other = np.flatnonzero(code == len(self.vocabulary))
        if len(other):
            found = pc.value_counts(text(values.take(pa.array(other))).dictionary_decode())
            self.unseen.append(
                pa.table({"value": found.field("values"), "n": found.field("counts")})
            )

    def newcomers(self) -> pa.Table:
        """The largest values outside the vocabulary, ties by value."""
        if not self.unseen:
            return pa.table({"value": pa.array([], pa.string()), "n": pa.array([], pa.int64())})
        sums = pa.concat_tables(self.unseen).group_by("value").aggregate([("n", "sum")])
        sums = sums.rename_columns(["value", "n"])
        return sums.sort_by([("n", "descending"), ("value", "ascending")]).slice(0, NEWCOMERS)


def _hours(slot: Slot, hour: Ints) -> Ints:
    return slot.start + hour.astype(np.int64) * HOUR


def _histogram_table(slot: Slot, side: Side, counts: Mapping[str, HourlyCounts]) -> pa.Table:
    parts = [empty("histograms", ["n"])]
    for column, count in counts.items():
        hour, cell = np.nonzero(count.cells)
        parts.append(
            table(
                "histograms",
                {
                    "hour": _hours(slot, hour),
                    "model": _repeat(side, len(hour)),
                    "column": _repeat(column, len(hour)),
                    "cell": cell,
                    "n": count.cells[hour, cell],
                },
            )
        )
    return merge("histograms", [pa.concat_tables(parts)])


def _fine_table(slot: Slot, side: Side, counts: Mapping[str, HourlyCounts]) -> pa.Table:
    parts = [empty("fine", ["n"])]
    for column, count in counts.items():
        _, code, n = count.fine_table()
        parts.append(
            table(
                "fine",
                {
                    "slot": np.full(len(code), slot.start),
                    "model": _repeat(side, len(code)),
                    "column": _repeat(column, len(code)),
                    "code": code,
                    "n": n,
                },
            )
        )
    return merge("fine", [pa.concat_tables(parts)])


def _values_table(slot: Slot, side: Side, values: Mapping[str, _Values]) -> pa.Table:
    parts = [empty("values", ["n"])]
    for column, count in values.items():
        labels = pa.array([*(shown(v) for v in count.vocabulary), OTHER, None], pa.string())
        hour, code = np.nonzero(count.counts)
        parts.append(
            table(
                "values",
                {
                    "hour": _hours(slot, hour),
                    "model": _repeat(side, len(hour)),
                    "column": _repeat(column, len(hour)),
                    "value": labels.take(pa.array(code)),
                    "n": count.counts[hour, code],
                },
            )
        )
    return merge("values", [pa.concat_tables(parts)])


def _newcomers_table(slot: Slot, side: Side, values: Mapping[str, _Values]) -> pa.Table:
    parts = [empty("newcomers", ["n"])]
    for column, count in values.items():
        found = count.newcomers()
        parts.append(
            table(
                "newcomers",
                {
                    "slot": np.full(found.num_rows, slot.start),
                    "model": _repeat(side, found.num_rows),
                    "column": _repeat(column, found.num_rows),
                    "value": found["value"],
                    "n": found["n"],
                },
            )
        )
    return merge("newcomers", [pa.concat_tables(parts)])


def _repeat(word: str, times: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(times, dtype=np.int32)), pa.array([word])
    ).cast(pa.string())


def pair_tables(slot: Slot) -> Tables:
    """All other tables. A slot too large for memory is split by request id; parts add up."""
    parts = max(1, -(-max(_rows(slot, side) for side in SIDES) // PART_ROWS))
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


def _rows(slot: Slot, side: Side) -> int:
    """Rows of a side that the slot may hold at most."""
    return sum(
        group.rows
        for file in slot.files[side]
        for group in file.groups
        if group.first is not None
        and group.last is not None
        and (group.first < slot.end and group.last >= slot.start)
    )


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
    measures = _measures(slot, rows, pairing, inside)
    pairs, difference, usable = tallies.pair_measures(slot.shape, champion, challenger, at, other)
    measures["pair"] = pairs
    return {
        "coverage": _coverage(slot, rows, pairing, inside, at, other),
        "rejects": _rejects(slot, rows, inside),
        "minutes": _minutes(slot, measures),
        "minute_latency": _minute_latency(slot, rows, inside),
        **_serving(slot, rows, inside),
        **_segments(slot, measures),
        "differences": _differences(slot, pairs.ts[usable], difference[usable]),
        "worst": _worst(slot, champion, challenger, at[usable], other[usable]),
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


def _measures(
    slot: Slot, rows: Mapping[Side, Rows], pairing: Pairing, inside: Mapping[Side, slice]
) -> dict[str, Measures]:
    """Per model. A challenger row takes segment and bucket from the champion row it pairs with."""
    champion, challenger = rows["champion"], rows["challenger"]
    ours, theirs = inside["champion"], inside["challenger"]
    names = [f"s{i}" for i in range(len(slot.shape.segments))]
    partner = pairing.champion_of[theirs]
    found = partner >= 0
    borrowed = {}
    for name in [*names, "bucket"]:
        own = challenger[name][theirs]
        if len(champion["ts"]):
            own = np.where(found, champion[name][np.maximum(partner, 0)], own)
        borrowed[name] = own
    return {
        "champion": tallies.side_measures(
            slot.shape,
            champion,
            ours,
            (pairing.challenger_of >= 0)[ours] | pairing.champion_duplicate[ours],
            [champion[n][ours] for n in names],
            champion["bucket"][ours],
        ),
        "challenger": tallies.side_measures(
            slot.shape,
            challenger,
            theirs,
            found | pairing.challenger_duplicate[theirs],
            [borrowed[n] for n in names],
            borrowed["bucket"],
        ),
    }


def _coverage(
    slot: Slot,
    rows: Mapping[Side, Rows],
    pairing: Pairing,
    inside: Mapping[Side, slice],
    at: Ints,
    other: Ints,
) -> pa.Table:
    edges = slot.start + HOUR * np.arange(slot.hours + 1)

    def per_hour(ts: NDArray[np.generic], chosen: NDArray[np.bool_] | None = None) -> Ints:
        return np.diff(np.searchsorted(ts if chosen is None else ts[chosen], edges))

    columns: dict[str, Ints] = {"hour": edges[:-1]}
    duplicates = {
        "champion": pairing.champion_duplicate,
        "challenger": pairing.challenger_duplicate,
    }
    partner = {"champion": pairing.challenger_of, "challenger": pairing.champion_of}
    for side in SIDES:
        ts, keep = rows[side]["ts"][inside[side]], inside[side]
        columns[f"{side}_rows"] = per_hour(ts)
        columns[f"{side}_duplicates"] = per_hour(ts, duplicates[side][keep])
        alone = (partner[side][keep] < 0) & ~duplicates[side][keep]
        columns[f"only_{side}"] = per_hour(ts, alone)
    ts = rows["champion"]["ts"][at]
    columns["matched"] = per_hour(ts)
    lag = np.concatenate(([0], np.cumsum(rows["challenger"]["ts"][other] - ts)))
    columns["lag_us"] = np.diff(lag[np.searchsorted(ts, edges)])
    busy = sum(v for k, v in columns.items() if k not in ("hour", "lag_us")) > 0
    return table("coverage", {name: values[busy] for name, values in columns.items()})


def _rejects(slot: Slot, rows: Mapping[Side, Rows], inside: Mapping[Side, slice]) -> pa.Table:
    """Values that could not be used, by hour, model and reason."""
    parts = [empty("rejects", ["n"])]
    edges = slot.start + HOUR * np.arange(slot.hours + 1)
    for side in SIDES:
        keep = inside[side]
        ts = rows[side]["ts"][keep]
        state = rows[side]["state"][keep]
        reasons = {
            f"score {word.replace('_', ' ')}": state == code
            for code, word in enumerate(SCORE_STATES)
            if code not in (OK, NO_SCORE)
        }
        reasons["request id null"] = rows[side]["has_id"][keep] == 0
        reasons["latency negative or not finite"] = (rows[side]["flags"][keep] & BAD_LATENCY) > 0
        reasons["outside its partition"] = (rows[side]["flags"][keep] & STRAYED) > 0
        for reason, chosen in reasons.items():
            n = np.diff(np.searchsorted(ts[chosen], edges))
            busy = np.flatnonzero(n)
            parts.append(_reject_rows(side, reason, edges[busy], n[busy]))
    return merge("rejects", [pa.concat_tables(parts)])


def _reject_rows(side: Side, reason: str, hours: Ints | list[int], n: Ints | list[int]) -> pa.Table:
    named = {"model": _repeat(side, len(n)), "reason": _repeat(reason, len(n))}
    return table("rejects", {"hour": hours, **named, "n": n})


def _minutes(slot: Slot, measures: Mapping[str, Measures]) -> pa.Table:
    parts = []
    for model, measure in measures.items():
        minute, sums = tallies.minute_sums(measure, slot.start, slot.hours * 60)
        sums = sums or {n: np.zeros(0, np.int64) for n in ["n", *measure.counts, *measure.weights]}
        parts.append(
            table(
                "minutes",
                {
                    "minute": slot.start + minute * MINUTE,
                    "model": _repeat(model, len(minute)),
                    **sums,
                },
            )
        )
    whole = pa.concat_tables(parts, promote_options="default")
    return merge("minutes", [_zeros_for_nulls(whole, TABLES["minutes"].keys)])


def _zeros_for_nulls(content: pa.Table, keys: Mapping[str, pa.DataType]) -> pa.Table:
    """Sums that do not exist for a kind of row (flips of one model) are written as 0."""
    for index, name in enumerate(content.schema.names):
        if name not in keys and content[name].null_count:
            content = content.set_column(index, name, pc.fill_null(content[name], 0))
    return content


def _minute_latency(
    slot: Slot, rows: Mapping[Side, Rows], inside: Mapping[Side, slice]
) -> pa.Table:
    """Latency per minute in bins of a sixteenth of an octave; only those that hold a request."""
    width = 1 << (15 - COARSE)
    parts = [empty("minute_latency", ["n"])]
    for side in SIDES:
        ts, latency = rows[side]["ts"][inside[side]], rows[side]["latency"][inside[side]]
        bounds = np.searchsorted(ts, slot.start + HOUR * np.arange(slot.hours + 1))
        for hour in np.flatnonzero(np.diff(bounds)):
            low, high = bounds[hour], bounds[hour + 1]
            there = latency[low:high]
            minute = (ts[low:high] - (slot.start + hour * HOUR)) // MINUTE
            known = ~np.isnan(there)
            if not known.all():
                there, minute = there[known], minute[known]
            code = (there + np.float32(0)).view(np.uint32) >> np.uint32(16 + COARSE)
            counts = np.bincount(minute * width + code, minlength=60 * width)
            at = np.flatnonzero(counts)
            parts.append(
                table(
                    "minute_latency",
                    {
                        "minute": slot.start + hour * HOUR + at // width * MINUTE,
                        "model": _repeat(side, len(at)),
                        "code": (at % width) << COARSE,
                        "n": counts[at],
                    },
                )
            )
    return merge("minute_latency", [pa.concat_tables(parts)])


def _serving(
    slot: Slot, rows: Mapping[Side, Rows], inside: Mapping[Side, slice]
) -> dict[str, pa.Table]:
    """Hourly fine bins of score and latency."""
    parts = [empty("fine_hours", ["n"])]
    for side in SIDES:
        keep = inside[side]
        ts = rows[side]["ts"][keep]
        for name, column in (("score", "score"), ("latency_ms", "latency")):
            values = rows[side][column][keep]
            counts = tallies.sorted_hist(slot.shape, name, values, ts, slot.start, slot.hours)
            hour, code, n = counts.fine_table()
            parts.append(
                table(
                    "fine_hours",
                    {
                        "hour": _hours(slot, hour),
                        "model": _repeat(side, len(hour)),
                        "column": _repeat(name, len(hour)),
                        "code": code,
                        "n": n,
                    },
                )
            )
    return {"fine_hours": merge("fine_hours", [pa.concat_tables(parts)])}


def _segments(slot: Slot, measures: Mapping[str, Measures]) -> dict[str, pa.Table]:
    cells, buckets = [], []
    for model, measure in measures.items():
        sums = SegmentSums(slot.shape, slot.hours, len(measure.ts))
        sums.add(measure, slot.start)
        names = ["n", *measure.counts, *measure.weights]
        cells.append(empty("cells", names))
        kept = [name for name in names if not name.endswith("_squares")]
        buckets.append(empty("cell_buckets", kept))
        cells += [_cell_rows(slot, model, c, s) for c, s in sums.margins()]
        buckets += [_bucket_rows(slot, model, c, s) for c, s in sums.bucket_margins()]
    result = {}
    for name, parts in (("cells", cells), ("cell_buckets", buckets)):
        whole = pa.concat_tables(parts, promote_options="default")
        result[name] = merge(name, [_zeros_for_nulls(whole, TABLES[name].keys)])
    return result


def _cell_rows(
    slot: Slot, model: str, columns: tuple[int, ...], sums: Mapping[str, Ints]
) -> pa.Table:
    at = np.nonzero(sums["n"])
    count = len(at[0])
    keys: dict[str, object] = {"hour": _hours(slot, at[0]), "model": _repeat(model, count)}
    for letter, place in (("a", 0), ("b", 1)):
        if place < len(columns):
            keys[letter] = _repeat(slot.shape.segments[columns[place]], count)
            keys[f"{letter}_value"] = tallies.segment_label(
                slot.shape, columns[place], at[place + 1]
            )
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
        "model": _repeat(model, count),
        "a": pa.nulls(count, pa.string()),
        "a_value": pa.nulls(count, pa.string()),
        "bucket": at[-1] % BUCKETS,
    }
    if columns:
        keys["a"] = _repeat(slot.shape.segments[columns[0]], count)
        keys["a_value"] = tallies.segment_label(slot.shape, columns[0], at[0])
    return table("cell_buckets", {**keys, **{name: values[at] for name, values in sums.items()}})


def _differences(slot: Slot, ts: Ints, difference: NDArray[np.float64]) -> pa.Table:
    """Signed differences by hour in bins of a sixteenth of an octave."""
    counts = tallies.sorted_hist(slot.shape, "difference", difference, ts, slot.start, slot.hours)
    hour, code, n = counts.fine_table()
    coarse = (code >> COARSE) << COARSE
    rows = table("differences", {"hour": _hours(slot, hour), "code": coarse, "n": n})
    return add_up("differences", rows)


def _worst(slot: Slot, champion: Rows, challenger: Rows, at: Ints, other: Ints) -> pa.Table:
    """The pairs with the largest absolute difference, in a total order."""
    ours, theirs = champion["score"][at], challenger["score"][other]
    distance = np.abs(theirs - ours)
    chosen = np.arange(len(distance))
    if len(distance) > WORST_PAIRS:
        limit = np.partition(distance, len(distance) - WORST_PAIRS)[-WORST_PAIRS]
        chosen = np.flatnonzero(distance >= limit)
        tied = chosen[distance[chosen] == limit]
        if len(tied) > WORST_PAIRS:  # rows come by ts: keep the earliest, all of one instant
            last = champion["ts"][at[tied[WORST_PAIRS - 1]]]
            tied = tied[champion["ts"][at[tied]] <= last]
            chosen = np.concatenate((chosen[distance[chosen] > limit], tied))
    request = champion.ids.take(pa.array(at[chosen])).cast(pa.string())
    if slot.shape.rollout.store.redact_ids:
        request = pa.nulls(len(chosen), pa.string())
    rows = table(
        "worst",
        {
            "slot": np.full(len(chosen), slot.start),
            "ts": champion["ts"][at[chosen]],
            "request_id": request,
            "champion_score": ours[chosen],
            "challenger_score": theirs[chosen],
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
    for position, feature in enumerate(slot.shape.parity):
        ours = champion.parity[f"p{position}"].to_numpy()[at]
        theirs = challenger.parity[f"p{position}"].to_numpy()[other]
        missing, absent = np.isnan(ours), np.isnan(theirs)
        both = ~missing & ~absent
        with np.errstate(invalid="ignore"):
            size = np.minimum(np.maximum(abs(ours), abs(theirs)), LARGEST)
            far = np.abs(ours - theirs) > PARITY_TOLERANCE * size
        columns = {
            "compared": np.ones(len(at), dtype=bool),
            "differing": (both & far & (ours != theirs)) | (missing != absent),
            "null_on_champion": missing & ~absent,
            "null_on_challenger": absent & ~missing,
        }
        busy = np.flatnonzero(np.diff(bounds))
        counts = {
            name: np.bincount(hour[flag], minlength=slot.hours)[busy]
            for name, flag in columns.items()
        }
        parts.append(
            table(
                "parity",
                {"hour": edges[busy], "feature": _repeat(feature, len(busy)), **counts},
            )
        )
    return merge("parity", [pa.concat_tables(parts)])


def _confusion(slot: Slot, champion: Rows, challenger: Rows, at: Ints, other: Ints) -> pa.Table:
    """Predicted class against predicted class, for models that log a class."""
    ours, theirs = champion["class"][at].astype(np.int64), challenger["class"][other]
    known = (ours != UNKNOWN) & (theirs != UNKNOWN)
    classes = [shown(value) for value in slot.shape.frozen.classes]
    width = len(classes) + 1
    hour = (champion["ts"][at][known] - slot.start) // HOUR
    code = (hour * width + ours[known]) * width + theirs[known]
    cells, n = np.unique(code, return_counts=True)
    labels = pa.array([*classes, OTHER], pa.string())
    return merge(
        "confusion",
        [
            table(
                "confusion",
                {
                    "hour": _hours(slot, cells // (width * width)),
                    "champion_class": labels.take(pa.array(cells // width % width)),
                    "challenger_class": labels.take(pa.array(cells % width)),
                    "n": n,
                },
            )
        ],
    )
