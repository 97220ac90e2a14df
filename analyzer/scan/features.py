"""The first half of a slot: what each model saw, counted value by value without any pairing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.frozen import OTHER, TRACKED, shown
from analyzer.histogram import HourlyCounts, raw_bins
from analyzer.logs import Side
from analyzer.profile import NEWCOMERS, Tables, empty, merge, repeat, table
from analyzer.reader import Batch, numbers, read, text
from analyzer.scan.ages import COLUMN, FeatureAges
from analyzer.scan.narrow import places
from analyzer.scan.slot import Slot
from analyzer.window import HOUR

Ints = NDArray[np.int64]


def feature_tables(slot: Slot, side: Side) -> Tables:
    """Tables `histograms`, `fine`, `values`, `newcomers` and `freshness` of a model's features."""
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
    ages = FeatureAges(slot, side) if COLUMN in logged else None
    columns = [*numeric, *texts, *([COLUMN] if ages else [])]
    for batch in read(rollout, side, files, columns, slot.start, slot.end):
        bounds = np.searchsorted(batch.ts, edges)
        if len(buffer) < len(batch):
            buffer = np.empty(len(batch), dtype=np.int64)
        for column in numeric:
            _count_numeric(counts[column], batch, column, bounds, buffer)
        for column in texts:
            values[column].add(batch, column, bounds)
        if ages:
            ages.add(batch, bounds)
    return {
        "histograms": _histogram_table(slot, side, counts),
        "fine": _fine_table(slot, side, counts),
        "values": _values_table(slot, side, values),
        "newcomers": _newcomers_table(slot, side, values),
        "freshness": ages.table() if ages else empty("freshness", ["n"]),
    }


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
        # each value of the batch's own dictionary is looked up once, not once a row
        spelled = text(values)
        place = places(spelled, self.vocabulary)
        null = len(place)
        indices = spelled.indices.cast(pa.int64()).fill_null(null).to_numpy()
        total = np.zeros(null + 1, dtype=np.int64)
        for hour in np.flatnonzero(np.diff(bounds)):
            found = np.bincount(indices[bounds[hour] : bounds[hour + 1]], minlength=null + 1)
            np.add.at(self.counts[hour], place, found[:-1])
            self.counts[hour, -1] += found[-1]
            total += found
        other = np.flatnonzero((place == len(self.vocabulary)) & (total[:-1] > 0))
        if len(other):
            names = spelled.dictionary.take(pa.array(other))
            self.unseen.append(pa.table({"value": names, "n": pa.array(total[other])}))

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
                    "model": repeat(side, len(hour)),
                    "column": repeat(column, len(hour)),
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
                    "model": repeat(side, len(code)),
                    "column": repeat(column, len(code)),
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
                    "model": repeat(side, len(hour)),
                    "column": repeat(column, len(hour)),
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
                    "model": repeat(side, found.num_rows),
                    "column": repeat(column, found.num_rows),
                    "value": found["value"],
                    "n": found["n"],
                },
            )
        )
    return merge("newcomers", [pa.concat_tables(parts)])
