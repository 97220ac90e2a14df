"""Request and user identifiers: unique, random-looking, made without a random stream."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .population import FIRST_USER

_HEX = np.frombuffer(b"".join(b"%02x" % k for k in range(256)), dtype=np.uint8).reshape(256, 2)


def request_numbers(seed: int, slot: int, part: int, rows: range) -> np.ndarray:
    """Return 63-bit numbers, one per request, unique over the whole log.

    Slot, part and row are packed side by side and scrambled by steps that can each be undone
    (xor-shift, odd multiplication), so two requests never meet.
    """
    mask = np.uint64(2**63 - 1)
    packed = np.arange(rows.start, rows.stop, dtype=np.uint64)
    packed |= np.uint64((slot << 42) | (part << 38))
    packed ^= np.uint64((seed * 0x9E3779B97F4A7C15) & (2**63 - 1))
    for factor in (0x3C6EF372FE94F82B, 0x5851F42D4C957F2D):
        packed ^= packed >> np.uint64(31)
        packed = (packed * np.uint64(factor)) & mask
    return packed ^ (packed >> np.uint64(32))


def request_ids(numbers: np.ndarray, as_strings: bool) -> pa.Array:
    """Return the column of request ids: 16 hex digits, or int64."""
    if not as_strings:
        return pa.array(numbers.view(np.int64))
    digits = _HEX[numbers.byteswap().view(np.uint8)]
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * 16
    return pa.StringArray.from_buffers(
        len(numbers), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(digits))
    )


def unit_ids(user: np.ndarray) -> pa.Array:
    """Return the column of user ids, `u` and a number."""
    digits = pc.cast(pa.array(user + FIRST_USER), pa.string())
    return pc.binary_join_element_wise("u", digits, "")
