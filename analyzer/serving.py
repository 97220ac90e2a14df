"""How a request was served: what a row's latency and its error column say, as bits.

The scan and the newest minutes read these two columns here, so that both count the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer import compute as pc
from analyzer.kinds import kind_of
from analyzer.reader import null_positions, numbers, text

ERROR, HAS_LATENCY, BAD_LATENCY, STRAYED, UNKNOWN_ERROR = 1, 2, 4, 128, 256
FIRST_THRESHOLD_BIT = 3
MAX_THRESHOLDS = 4
LARGEST_LATENCY = float(np.finfo(np.float32).max)

COARSE = 3
"""Bits dropped from fine bins per minute and of differences: 16 bins an octave are left."""

LATENCY_ORIGIN = 0.0
"""Value from which latencies are binned."""

Floats = NDArray[np.float32]
Bits = NDArray[np.uint16]


def served(
    latency: pa.Array | None, error: pa.Array | None, rows: int, thresholds: Sequence[float] = ()
) -> tuple[Bits, Floats]:
    """Bits: error or not known, latency there, latency impossible, latency >= each threshold;
    and the latencies, NaN where there is none.
    """
    flags = failures(error, rows)
    if latency is None:
        return flags, np.full(rows, np.nan, dtype=np.float32)
    values, nulls = numbers(latency)
    there = (values >= 0) & (values <= LARGEST_LATENCY)
    there[nulls] = False
    missing = np.ones(rows, dtype=bool)
    missing[nulls] = False
    flags |= there * np.uint16(HAS_LATENCY)
    flags |= (missing & ~there) * np.uint16(BAD_LATENCY)
    for bit, threshold in enumerate(thresholds, start=FIRST_THRESHOLD_BIT):
        flags |= ((values >= threshold) & there) * np.uint16(1 << bit)
    if there.all():
        return flags, values.astype(np.float32, copy=False)
    return flags, np.where(there, values, np.nan).astype(np.float32)


def failures(values: pa.Array | None, rows: int) -> Bits:
    """ERROR where a request failed: true, a status of 500 or more, or a message.

    UNKNOWN_ERROR where a flag or a status is NULL or not logged: no news is not good news. A
    message that is NULL says that there was nothing to say.
    """
    if values is None:
        return np.full(rows, UNKNOWN_ERROR, dtype=np.uint16)
    kind = values.type
    unknown = np.zeros(0, dtype=np.int64)
    if pa.types.is_boolean(kind):
        unknown = null_positions(values)
        failed = values.fill_null(False) if len(unknown) else values
    elif pa.types.is_dictionary(kind) or kind_of(kind) == "text":
        failed = _failed_text(text(values))
    else:  # 0 is no error and 1 is `true`; below 100 there is no status of HTTP
        values = values.cast(pa.float64(), safe=False)
        values = pc.if_else(pc.is_nan(values), None, values)
        unknown = null_positions(values)
        small = pc.and_(pc.not_equal(values, 0), pc.less(values, 100))
        failed = pc.or_(small, pc.greater_equal(values, 500)).fill_null(False)
    flags = np.asarray(failed).astype(np.uint16)
    flags[unknown] = UNKNOWN_ERROR
    return flags


def _failed_text(values: pa.DictionaryArray) -> pa.Array:
    """A message is a failure, and so is the spelling of true or of a status of 500 or more."""
    words = pc.utf8_lower(pc.utf8_trim_whitespace(values.dictionary))
    fine = pc.match_substring_regex(words, r"^(|false|0|none|null|ok|[1-4]\d\d)$")
    return pc.invert(fine).take(values.indices).fill_null(False)
