"""A profile: the tables of counts and sums that every shown number is computed from.

Tables of slots add up: `merge` concatenates them, sums what has equal keys and sorts, so the
result does not depend on order or on how rows were spread over parts, slots or workers.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analyzer import compute as pc
from analyzer.errors import StoreError

SCHEMA = 2
"""Version of the tables that a scan writes."""

READABLE = (1, 2)
"""Versions that are read; a store of another one is refused by name. In 1 there is no `freshness`:
what was profiled then says nothing of it.
"""

UNDATED = -(1 << 15)
"""Code in `freshness` of rows whose `feature_ts` is not known; those ahead of `ts` are negative."""

INSTANT = pa.timestamp("us", tz="UTC")
WORST_PAIRS = 50
NEWCOMERS = 100


ERROR_UNKNOWN = "error unknown"
"""Reason in `rejects`: whether the request failed was not logged. No faulty value, but a rate
must allow for it."""

PAIR_SUMS = (
    "nulls",
    "decided",
    "flips",
    "difference_sum",
    "difference_squares",
    "difference_absolute",
)
"""What is summed over pairs. A slot without a pair has no such column."""


@dataclass(frozen=True)
class TableKind:
    """Grain of a table: its key columns with types. All other columns are int64 sums.

    expected: sums that a reader may ask for although no slot holds them. since: first schema that
    has the table.
    """

    keys: Mapping[str, pa.DataType]
    most: int = 0
    order: tuple[tuple[str, str], ...] = ()
    expected: tuple[str, ...] = ()
    since: int = 1


_MODEL = {"model": pa.string()}
TABLES: dict[str, TableKind] = {
    "coverage": TableKind({"hour": INSTANT}),
    "rejects": TableKind({"hour": INSTANT, **_MODEL, "reason": pa.string()}),
    "minutes": TableKind({"minute": INSTANT, **_MODEL}),
    "minute_latency": TableKind({"minute": INSTANT, **_MODEL, "code": pa.int32()}),
    "histograms": TableKind({"hour": INSTANT, **_MODEL, "column": pa.string(), "cell": pa.int16()}),
    "fine": TableKind({"slot": INSTANT, **_MODEL, "column": pa.string(), "code": pa.int32()}),
    "fine_hours": TableKind({"hour": INSTANT, **_MODEL, "column": pa.string(), "code": pa.int32()}),
    "values": TableKind({"hour": INSTANT, **_MODEL, "column": pa.string(), "value": pa.string()}),
    "newcomers": TableKind(
        {"slot": INSTANT, **_MODEL, "column": pa.string(), "value": pa.string()}
    ),
    "cells": TableKind(
        {
            "hour": INSTANT,
            **_MODEL,
            "a": pa.string(),
            "a_value": pa.string(),
            "b": pa.string(),
            "b_value": pa.string(),
        },
        expected=PAIR_SUMS,
    ),
    "cell_buckets": TableKind(
        {
            "slot": INSTANT,
            **_MODEL,
            "a": pa.string(),
            "a_value": pa.string(),
            "bucket": pa.int16(),
        },
        expected=PAIR_SUMS,
    ),
    "differences": TableKind({"hour": INSTANT, "code": pa.int32()}),
    "freshness": TableKind({"hour": INSTANT, **_MODEL, "code": pa.int32()}, since=2),
    "parity": TableKind({"hour": INSTANT, "feature": pa.string()}),
    "confusion": TableKind(
        {"hour": INSTANT, "champion_class": pa.string(), "challenger_class": pa.string()}
    ),
    "worst": TableKind(
        {
            "slot": INSTANT,
            "ts": INSTANT,
            "request_id": pa.string(),
            "champion_score": pa.float64(),
            "challenger_score": pa.float64(),
            "distance": pa.float64(),
        },
        most=WORST_PAIRS,
        order=(
            ("distance", "descending"),
            ("ts", "ascending"),
            ("request_id", "ascending"),
            ("champion_score", "ascending"),
        ),
    ),
}

_LABELLED = {"prediction_day": pa.int32(), "label_day": pa.int32()}
_LABELLED_PAIRS = {
    **_LABELLED,
    "bucket": pa.int16(),
    "champion_bin": pa.int16(),
    "challenger_bin": pa.int16(),
    "champion_called": pa.string(),
    "challenger_called": pa.string(),
    "label": pa.string(),
}
_STRATUM = {"column": pa.string(), "value": pa.string()}
LABEL_TABLES: dict[str, TableKind] = {
    "labelled": TableKind(
        {
            **_LABELLED,
            **_MODEL,
            "column": pa.string(),
            "value": pa.string(),
            "bin": pa.int32(),
            "called": pa.string(),
            "label": pa.string(),
        }
    ),
    "labelled_pairs": TableKind({**_LABELLED_PAIRS, **_STRATUM}),
    "predicted_pairs": TableKind({**_LABELLED_PAIRS, **_STRATUM}),
    "signalled_pairs": TableKind({**_LABELLED_PAIRS, "signal": pa.int16()}),
    "signalled_labels": TableKind({**_LABELLED_PAIRS, "signal": pa.int16()}),
    "signalled_sides": TableKind({**_LABELLED, **_MODEL, "signal": pa.int16()}, since=2),
    "explored_pairs": TableKind({**_LABELLED_PAIRS, **_STRATUM, "chance": pa.int16()}),
    "label_faults": TableKind({"label_day": pa.int32(), "reason": pa.string()}),
    "label_basis": TableKind({"label_day": pa.int32(), "reason": pa.string()}),
}
"""Tables of a label day, in the store of fragments (see `labels`). Days are counted since 1970."""

UNIT_TABLES: dict[str, TableKind] = {
    "unit_days": TableKind({"unit": pa.uint64()}),
    "unit_exposures": TableKind({"unit": pa.uint64()}),
    "unit_events": TableKind({"unit": pa.uint64(), "bin": pa.int32()}),
    "unit_sums": TableKind(
        {
            "day": pa.int32(),
            "exposed": pa.int32(),
            "arm": pa.int8(),
            "column": pa.string(),
            "value": pa.string(),
            "one": pa.string(),
            "other": pa.string(),
        }
    ),
    "unit_bins": TableKind(
        {
            "day": pa.int32(),
            "exposed": pa.int32(),
            "arm": pa.int8(),
            "measure": pa.string(),
            "code": pa.int32(),
        }
    ),
    "event_bins": TableKind(
        {
            "day": pa.int32(),
            "exposed": pa.int32(),
            "arm": pa.int8(),
            "measure": pa.string(),
            "code": pa.int32(),
        }
    ),
    "unit_buckets": TableKind(
        {"day": pa.int32(), "exposed": pa.int32(), "arm": pa.int8(), "bucket": pa.int16()}
    ),
    "unit_clusters": TableKind(
        {
            "day": pa.int32(),
            "exposed": pa.int32(),
            "arm": pa.int8(),
            "bucket": pa.int16(),
            "measure": pa.string(),
        }
    ),
    "unit_faults": TableKind({"day": pa.int32(), "reason": pa.string()}),
}
"""Tables of a day of an experiment (see `experiment`). Days are counted since 1970, UTC."""

KINDS = TABLES | LABEL_TABLES | UNIT_TABLES

Tables = dict[str, pa.Table]


OVER = "over_"
"""How columns of requests beyond a latency begin."""


def over(threshold: float) -> str:
    """Column that counts requests which took at least `threshold` milliseconds."""
    return f"{OVER}{threshold:g}ms"


def fresh(limit: int) -> str:
    """Column that counts rows whose features were at most so many microseconds old."""
    return f"fresh_{limit / 1e6:g}s"


def table_kind(name: str) -> TableKind:
    """The kind of table called `name`. Raises StoreError that lists the names there are."""
    if name not in KINDS:
        raise StoreError(f"there is no table {name!r}; there are: {', '.join(KINDS)}")
    return KINDS[name]


def table(name: str, columns: Mapping[str, object]) -> pa.Table:
    """A table of kind `name` with its key types; all other columns become int64."""
    keys = KINDS[name].keys
    arrays, names = [], []
    for column, values in columns.items():
        wanted = keys.get(column, pa.int64())
        if not isinstance(values, (pa.Array, pa.ChunkedArray)):
            values = pa.array(values)
        arrays.append(values.cast(wanted))
        names.append(column)
    return pa.table(arrays, names=names)


def repeat(word: str, times: int) -> pa.Array:
    """A column that says the same everywhere."""
    return pa.repeat(pa.scalar(word, pa.string()), times)


def repeated(words: Sequence[str], times: Sequence[int]) -> pa.Array:
    """A column that says each word so many times, one after the other."""
    known = sorted(set(words))
    codes = np.repeat([known.index(word) for word in words], times)
    return pa.array(known, pa.string()).take(pa.array(codes, pa.int64()))


def merge(name: str, parts: Sequence[pa.Table]) -> pa.Table:
    """Add up tables of one kind, each of which holds a key once.

    Raises StoreError when a sum would not fit into 64 bits.
    """
    kind = KINDS[name]
    parts = [part for part in parts if part.num_rows] or list(parts[:1])
    whole = pa.concat_tables(parts, promote_options="default")
    if kind.most:
        return whole.sort_by(list(kind.order)).slice(0, kind.most).combine_chunks()
    return add_up(name, whole) if len(parts) > 1 else sort(name, whole)


def add_up(name: str, whole: pa.Table) -> pa.Table:
    """Sum rows with equal keys, then sort. Raises StoreError beyond 64 bits."""
    kind = KINDS[name]
    sums = [c for c in whole.schema.names if c not in kind.keys]
    _check_fits(name, whole, sums)
    grouped = whole.group_by(list(kind.keys), use_threads=False)
    added = grouped.aggregate([(c, "sum") for c in sums])
    names = {f"{c}_sum": c for c in sums}
    added = added.rename_columns([names.get(c, c) for c in added.schema.names])
    return sort(name, added.select([*kind.keys, *sums]))


def sort(name: str, whole: pa.Table) -> pa.Table:
    """Rows in the order of the table's keys, NULLs last."""
    whole = whole.combine_chunks()
    place = np.zeros(whole.num_rows, dtype=np.int64)
    wide = 1
    for key in KINDS[name].keys:
        codes, width = _ranks(whole[key])
        wide *= width
        if wide >= 1 << 62:  # the places would not fit: let Arrow compare key by key
            return whole.sort_by([(k, "ascending") for k in KINDS[name].keys]).combine_chunks()
        place *= width
        place += codes
    if bool(np.all(place[1:] >= place[:-1])):
        return whole
    return whole.take(pa.array(np.argsort(place, kind="stable"))).combine_chunks()


def _ranks(values: pa.ChunkedArray) -> tuple[np.ndarray, int]:
    """Per row a number that grows with the value, NULLs largest; and how many there may be."""
    if pa.types.is_string(values.type):
        coded = values.combine_chunks().dictionary_encode()
        words = coded.dictionary
        rank = np.empty(len(words) + 1, dtype=np.int64)
        rank[pc.array_sort_indices(words).to_numpy()] = np.arange(len(words))
        rank[-1] = len(words)
        return rank[coded.indices.fill_null(len(words)).to_numpy()], len(words) + 1
    numbers = values.cast(pa.int64()).to_numpy()
    low = int(numbers.min(initial=0 if not len(numbers) else numbers[0]))
    return numbers - low, int(numbers.max(initial=low)) - low + 1


def _check_fits(name: str, whole: pa.Table, sums: Iterable[str]) -> None:
    """Raise StoreError where a sum does not fit: only then are groups added up as floats, too."""
    for column in sums:
        values = whole[column].to_numpy().astype(np.float64)
        if float(np.abs(values).sum()) < 2.0**62:
            continue
        rough = whole.select(list(KINDS[name].keys)).append_column("rough", pa.array(values))
        grouped = rough.group_by(list(KINDS[name].keys), use_threads=False)
        largest = pc.max(pc.abs(grouped.aggregate([("rough", "sum")])["rough_sum"])).as_py()
        if largest >= 2.0**62:
            raise StoreError(
                f"table {name}: the sums in {column!r} grow beyond 64 bits; "
                "ask for a shorter window"
            )


def empty(name: str, sums: Sequence[str] = ()) -> pa.Table:
    """A table of kind `name` without rows."""
    keys = KINDS[name].keys
    fields = [*keys.items(), *((s, pa.int64()) for s in sums)]
    return pa.schema(fields).empty_table()


def complete(name: str, whole: pa.Table) -> pa.Table:
    """The table with a column of NULLs for each sum that is expected of it and not there."""
    for column in KINDS[name].expected:
        if column not in whole.schema.names:
            whole = whole.append_column(column, pa.nulls(whole.num_rows, pa.int64()))
    return whole


def encode(content: pa.Table) -> bytes:
    """A table as the bytes of a Parquet file; equal tables give equal bytes."""
    sink = io.BytesIO()
    dictionary = [f.name for f in content.schema if pa.types.is_string(f.type)]
    pq.write_table(
        content.combine_chunks(),
        sink,
        compression="zstd",
        compression_level=3,
        use_dictionary=dictionary or False,
        store_schema=True,
        write_page_checksum=True,
    )
    return sink.getvalue()


def hours_between(content: pa.Table, column: str, start: int, end: int) -> pa.Table:
    """Rows whose instant lies in [start, end), microseconds UTC."""
    instant = content[column].cast(pa.int64())
    return content.filter(pc.and_(pc.greater_equal(instant, start), pc.less(instant, end)))
