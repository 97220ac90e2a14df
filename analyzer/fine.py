"""Fine bins of serving values by hour and latency by minute: dense while open, kept sparse."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.histogram import RAW_BINS
from analyzer.logs import SIDES, Side
from analyzer.profile import add_up, empty, merge, repeat, table
from analyzer.slot import Slot
from analyzer.window import MINUTE

COARSE = 3
"""Bits dropped from fine bins per minute and of differences: 16 bins an octave are left."""

Ints = NDArray[np.int64]


class FineHours:
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


class MinuteLatency:
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
