"""Row groups of a log counted by minute: the same counts that a scan makes, of three columns only.

A row group is counted in whole, whatever was asked, so its counts can be kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analyzer.config import Rollout
from analyzer.histogram import raw_bins
from analyzer.logs import LogFile, Side
from analyzer.reader import BATCH_ROWS, Batch, read_groups
from analyzer.serving import COARSE, ERROR, HAS_LATENCY, LATENCY_ORIGIN, UNKNOWN_ERROR, served
from analyzer.triggers.minutes import Counts
from analyzer.window import MINUTE

if TYPE_CHECKING:
    from analyzer.selection import Select

Ints = NDArray[np.int64]
COLUMNS = ("latency_ms", "error")
CODES = 0x7F80 >> COARSE
"""Coarse bins of latencies; those from here on are of NaN."""

DENSE_ROWS = CODES
"""Rows of a minute from which a counter for every bin is cheaper than sorting the rows."""


def counted(
    rollout: Rollout, side: Side, file: LogFile, groups: Sequence[int], select: Select | None
) -> Iterator[tuple[int, Counts]]:
    """Counts of some row groups of a file, group by group. select: what chooses the model's rows
    (`reader.selecting`). Raises LogError when it cannot be read after all.
    """
    parts: dict[int, list[Counts]] = {group: [] for group in groups}
    buffer = np.empty(BATCH_ROWS, dtype=np.int64)
    for group, batch in read_groups(rollout, side, file, COLUMNS, groups, select):
        if len(batch):
            parts[group].append(_batch(batch, buffer))
    for group, found in parts.items():
        yield group, added(found)


def added(parts: Sequence[Counts]) -> Counts:
    """Several counts as one: what they say of the same minute is added up."""
    minute, n, errors, error_n, latency_n, bin_minute, code, count = (
        np.concatenate([getattr(part, name) for part in parts] or [np.zeros(0, dtype=np.int64)])
        for name in Counts.__dataclass_fields__
    )
    minutes, place = np.unique(minute, return_inverse=True)
    bins, at = np.unique(bin_minute // MINUTE * CODES + (code >> COARSE), return_inverse=True)
    return Counts(
        minutes,
        _sums(place, n, len(minutes)),
        _sums(place, errors, len(minutes)),
        _sums(place, error_n, len(minutes)),
        _sums(place, latency_n, len(minutes)),
        bins // CODES * MINUTE,
        bins % CODES << COARSE,
        _sums(at, count, len(bins)),
    )


def _sums(place: Ints, values: Ints, size: int) -> Ints:
    return np.bincount(place, weights=values, minlength=size).astype(np.int64)


def _batch(batch: Batch, buffer: Ints) -> Counts:
    """Counts of rows that come in order of `ts`."""
    rows = len(batch)
    flags, latency = served(batch.columns.get("latency_ms"), batch.columns.get("error"), rows)
    bounds = _bounds(batch.ts)
    raw = raw_bins(latency, np.flatnonzero(np.isnan(latency)), "distance", LATENCY_ORIGIN, buffer)
    bins, count = _bins(batch.ts, raw, bounds)
    return Counts(
        batch.ts[bounds[:-1]] // MINUTE * MINUTE,
        np.diff(bounds),
        _yes((flags & ERROR) != 0, bounds),
        np.diff(bounds) - _yes((flags & UNKNOWN_ERROR) != 0, bounds),
        _yes((flags & HAS_LATENCY) != 0, bounds),
        bins // CODES * MINUTE,
        bins % CODES << COARSE,
        count,
    )


def _bounds(ts: Ints) -> Ints:
    """Where each minute that has rows begins among rows in order, and where the last one ends."""
    first, last = ts[0] // MINUTE, ts[-1] // MINUTE
    if last - first < len(ts):  # few minutes are looked up faster than all rows are divided
        return np.unique(np.searchsorted(ts, np.arange(first, last + 2) * MINUTE))
    return np.concatenate([[0], np.flatnonzero(np.diff(ts // MINUTE)) + 1, [len(ts)]])


def _yes(flags: NDArray[np.bool_], bounds: Ints) -> Ints:
    """How many rows of each slice carry the flag."""
    found: Ints = np.diff(np.searchsorted(np.flatnonzero(flags), bounds))
    return found


def _bins(ts: Ints, raw: Ints, bounds: Ints) -> tuple[Ints, Ints]:
    """Bins that hold a latency, as minute * CODES + bin, and how many."""
    raw >>= COARSE
    if len(ts) < DENSE_ROWS * (len(bounds) - 1):
        known = raw < CODES
        return np.unique(ts[known] // MINUTE * CODES + raw[known], return_counts=True)
    bins, counts = [], []
    for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        n = np.bincount(raw[low:high], minlength=CODES)[:CODES]
        busy = np.flatnonzero(n)
        bins.append(ts[low] // MINUTE * CODES + busy)
        counts.append(n[busy])
    return np.concatenate(bins), np.concatenate(counts)
