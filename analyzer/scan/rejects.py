"""Values that could not be used, named and counted: never repaired in silence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.logs import SIDES, Side
from analyzer.profile import ERROR_UNKNOWN, add_up, empty, merge, repeat, table
from analyzer.reader import null_times
from analyzer.scan.narrow import NO_SCORE, OK, SCORE_STATES
from analyzer.scan.rows import Rows
from analyzer.scan.slot import Slot
from analyzer.serving import BAD_LATENCY, STRAYED, UNKNOWN_ERROR
from analyzer.window import HOUR

Ints = NDArray[np.int64]


def rejected_rows(slot: Slot, rows: Mapping[Side, Rows], inside: Mapping[Side, slice]) -> pa.Table:
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
        reasons[ERROR_UNKNOWN] = (flags & UNKNOWN_ERROR) > 0
        for reason, chosen in reasons.items():
            if chosen.any():
                n = np.diff(np.searchsorted(ts[chosen], edges))
                busy = np.flatnonzero(n)
                parts.append(_reject_rows(side, reason, edges[busy], n[busy]))
    return merge("rejects", [pa.concat_tables(parts)])


def _reject_rows(side: Side, reason: str, hours: Ints | list[int], n: Ints | list[int]) -> pa.Table:
    named = {"model": repeat(side, len(n)), "reason": repeat(reason, len(n))}
    return table("rejects", {"hour": hours, **named, "n": n})


def timeless_rows(slot: Slot) -> pa.Table:
    """Rows without a `ts`, counted in the hour in which their file begins."""
    parts = [empty("rejects", ["n"])]
    for side in SIDES:
        for file in slot.files[side]:
            if file.null_ts and file.first is not None and slot.start <= file.first < slot.end:
                hour = file.first // HOUR * HOUR
                found = null_times(slot.shape.rollout, side, file)
                parts += [_reject_rows(side, "ts null", [hour], [found])] if found else []
    return add_up("rejects", pa.concat_tables(parts))
