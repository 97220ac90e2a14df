"""Fine bins of serving values by hour and latency by minute: dense while open, kept sparse."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.frozen import Frozen
from analyzer.histogram import RAW_BINS, codes_of
from analyzer.logs import Side
from analyzer.profile import add_up, empty, merge, repeated, table
from analyzer.serving import COARSE
from analyzer.window import MINUTE

_ORDER: tuple[Side, ...] = ("challenger", "champion")
"""The models as tables sort them."""

Ints = NDArray[np.int64]


class FineHours:
    """Fine bins of an hour, kept sparse once the hour is over, in the order of the table."""

    def __init__(self, frozen: Frozen) -> None:
        self.frozen = frozen
        self._open: dict[tuple[str, str], Ints] = {}
        self._kept: list[tuple[int, tuple[str, str], Ints, Ints]] = []

    def add(self, model: str, column: str, raw: Ints) -> None:
        """Count raw bins of a column in the open hour."""
        counts = np.bincount(raw, minlength=RAW_BINS)
        before = self._open.get((model, column))
        self._open[model, column] = counts if before is None else before + counts

    def close(self, hour: int) -> None:
        """Keep what was counted as this hour's, microseconds UTC."""
        for key, counts in sorted(self._open.items()):
            bins = np.flatnonzero(counts)
            bins = bins[(bins & 0x7FFF) < 0x7F80]
            codes = codes_of(bins, self.frozen.bins[key[1]].kind)
            order = np.argsort(codes)
            self._kept.append((hour, key, codes[order], counts[bins[order]]))
        self._open = {}

    def table(self, models: tuple[str, ...]) -> pa.Table:
        """Table `fine_hours` of these models."""
        kept = [piece for piece in self._kept if piece[1][0] in models]
        if not kept:
            return empty("fine_hours", ["n"])
        sizes = [len(n) for _, _, _, n in kept]
        columns = {
            "hour": np.repeat([hour for hour, *_ in kept], sizes),
            "model": repeated([model for _, (model, _), _, _ in kept], sizes),
            "column": repeated([column for _, (_, column), _, _ in kept], sizes),
            "code": np.concatenate([code for _, _, code, _ in kept]),
            "n": np.concatenate([n for _, _, _, n in kept]),
        }
        return merge("fine_hours", [table("fine_hours", columns)])

    def differences(self) -> pa.Table:
        """Table `differences`."""
        kept = [(hour, code, n) for hour, (model, _), code, n in self._kept if model == "pair"]
        if not kept:
            return empty("differences", ["n"])
        columns = {
            "hour": np.repeat([hour for hour, _, _ in kept], [len(n) for _, _, n in kept]),
            "code": np.concatenate([code >> COARSE << COARSE for _, code, _ in kept]),
            "n": np.concatenate([n for _, _, n in kept]),
        }
        return add_up("differences", table("differences", columns))


class MinuteLatency:
    """Latency per minute in bins of a sixteenth of an octave; only those that hold a request."""

    def __init__(self) -> None:
        self._open: list[tuple[int, Ints, Ints]] = []
        self._kept: list[tuple[Ints, Ints, Ints, Ints]] = []

    def add(self, side: Side, minute: Ints, raw: Ints) -> None:
        """minute: of the hour, 0..59; raw: latency bins, those of NaN not counted."""
        code = raw >> COARSE
        if bool((raw >= 0x7F80).any()):
            known = raw < 0x7F80
            minute, code = minute[known], code[known]
        if len(code):
            self._open.append((_ORDER.index(side), minute, code))

    def close(self, hour: int) -> None:
        """Keep what was added as this hour's, microseconds UTC, in the order of the table."""
        if not self._open:
            return
        least = min(int(code.min()) for _, _, code in self._open)
        width = max(int(code.max()) for _, _, code in self._open) - least + 1
        size = 60 * len(_ORDER) * width  # dense only over the range that occurs
        counts = np.zeros(size, dtype=np.int64)
        for side, minute, code in self._open:
            counts += np.bincount((minute * 2 + side) * width + (code - least), minlength=size)
        at = np.flatnonzero(counts)
        place, offset = np.divmod(at, width)
        minutes, sides = np.divmod(place, 2)
        code = (offset + least) << COARSE
        self._kept.append((hour + minutes * MINUTE, sides, code, counts[at]))
        self._open = []

    def table(self) -> pa.Table:
        """Table `minute_latency`."""
        if not self._kept:
            return empty("minute_latency", ["n"])
        minute, side, code, n = (np.concatenate(c) for c in zip(*self._kept, strict=True))
        model = pa.array(_ORDER).take(pa.array(side))
        columns = {"minute": minute, "model": model, "code": code, "n": n}
        return merge("minute_latency", [table("minute_latency", columns)])
