"""Hashes of request and unit ids: fast ones for pairing, a frozen one for buckets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.errors import LogError

BUCKETS = 256
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_KNUTH = np.uint64(6364136223846793005)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_8, _27, _30, _31, _32, _64 = (np.uint64(n) for n in (8, 27, 30, 31, 32, 64))

Hashes = NDArray[np.uint64]


def pairing_keys(ids: pa.Array, as_text: bool) -> tuple[Hashes, Hashes]:
    """Two independent 64-bit hashes of each request id (0, 0 for NULL).

    They live only inside one scan, so any good hash will do. A false pair needs more than 104
    equal bits (`pairing`): below 1e-15 for 1e8 requests; ids that are integers cannot collide
    on both. as_text: one log holds integers and the other text, so compare their spelling.
    """
    if as_text or not pa.types.is_uint64(ids.type):
        ids = plain(ids)
    else:  # the same bits, so that ids that fit equal those of a log that writes int64
        ids = ids.cast(pa.int64(), safe=False)
    if as_text or not pa.types.is_integer(ids.type):
        key, check = _text_keys(ids.cast(pa.large_string()))
    else:
        check = ids.fill_null(0).to_numpy().view(np.uint64).copy()
        key = _mix(check + _GOLDEN)
    if ids.null_count:
        missing = np.asarray(ids.is_null())
        key[missing] = 0
        check[missing] = 0
    return key, check


def _text_keys(ids: pa.Array) -> tuple[Hashes, Hashes]:
    """One hash as `buckets` has it; the other multiplies word by word (Knuth's multiplier)."""
    length = _lengths(ids)
    key = _seeds(length)
    check = length.astype(np.uint64)
    for rows, word in _words(ids, length):
        key[rows] = _mix((key[rows] ^ word) + _GOLDEN)
        state = (check[rows] ^ word) * _KNUTH
        check[rows] = state ^ (state >> _32)
    return key, check


def plain(ids: pa.Array) -> pa.Array:
    """Ids as int64 where they are whole numbers that fit, else as text, whatever they came in.

    Raises LogError for fractions: an id that was rounded names no request.
    """
    if pa.types.is_dictionary(ids.type):
        ids = ids.dictionary_decode()
    kind = ids.type
    if pa.types.is_null(kind) or pa.types.is_uint64(kind) or pa.types.is_boolean(kind):
        return ids.cast(pa.string())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        try:
            return ids.cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise LogError(
                f"request ids of type {kind} are not all whole numbers ({str(error)[:100]}); "
                "write them as text or integers"
            ) from None
    return ids if pa.types.is_string(kind) else ids.cast(pa.string())


def buckets(units: pa.Array) -> NDArray[np.int64]:
    """The bucket, 0..255, of each unit id; NULL units go by themselves into bucket 0.

    Part of what a profile means, so the hash is spelled out and never changes: splitmix64 of
    integers; for text, splitmix64 chained over its little-endian 8-byte words and its length.

    >>> buckets(pa.array(["u1", "u2", "u3"])).tolist()
    [46, 170, 191]
    """
    if pa.types.is_dictionary(units.type):
        table = buckets(units.dictionary)
        codes = units.indices.fill_null(0).to_numpy()
        result = table[codes] if len(table) else np.zeros(len(units), dtype=np.int64)
    elif pa.types.is_integer(units.type):
        whole = units.cast(pa.int64(), safe=False).fill_null(0).to_numpy().view(np.uint64)
        result = (_mix(whole + _GOLDEN) >> np.uint64(56)).astype(np.int64)
    else:
        result = (_text_hash(units.cast(pa.large_string())) >> np.uint64(56)).astype(np.int64)
    if units.null_count:
        result = result.copy()
        result[np.asarray(units.is_null())] = 0
    return result


def _mix(x: Hashes) -> Hashes:
    """The finaliser of splitmix64 (Steele, Lea & Flood 2014), in place."""
    x ^= x >> _30
    x *= _M1
    x ^= x >> _27
    x *= _M2
    x ^= x >> _31
    return x


def _text_hash(units: pa.Array) -> Hashes:
    length = _lengths(units)
    state = _seeds(length)
    for rows, word in _words(units, length):
        state[rows] = _mix((state[rows] ^ word) + _GOLDEN)
    return state


def _seeds(length: NDArray[np.int64]) -> Hashes:
    """Where the chain of a text begins: a hash of its length, by table, as lengths are few."""
    longest = int(length.max(initial=0))
    if longest > len(length):
        return _mix(length.astype(np.uint64) + _GOLDEN)
    return _mix(np.arange(longest + 1, dtype=np.uint64) + _GOLDEN)[length]


def _lengths(texts: pa.Array) -> NDArray[np.int64]:
    return np.diff(_offsets(texts))


def _offsets(texts: pa.Array) -> NDArray[np.int64]:
    _, offsets, _ = texts.buffers()
    if offsets is None:
        return np.zeros(1, dtype=np.int64)
    return np.frombuffer(offsets, dtype=np.int64)[texts.offset :][: len(texts) + 1]


def _words(
    texts: pa.Array, length: NDArray[np.int64]
) -> Iterator[tuple[slice | NDArray[np.int64], Hashes]]:
    """The little-endian 8-byte words of large strings: which rows have one more, and that word.

    A last word is filled up with zeros. While all rows have one, they are a slice.
    """
    offsets = _offsets(texts)
    first, last = int(offsets[0]), int(offsets[-1])
    padded = np.zeros(last - first + 8, dtype=np.uint8)
    data = texts.buffers()[2]
    if data is not None:
        padded[: last - first] = np.frombuffer(data, np.uint8, count=last - first, offset=first)
    # an unaligned view: element i is the 8 bytes from i on
    words = np.ndarray((len(padded) - 7,), dtype="<u8", buffer=padded, strides=(1,))
    starts = offsets[:-1] - first
    shortest = int(length.min(initial=0))
    done = 0
    while done + 8 <= shortest:
        yield slice(None), words[starts + done]
        done += 8
    active = np.flatnonzero(length > done)
    while len(active):
        word = words[starts[active] + done]
        left = np.minimum(length[active] - done, 8).astype(np.uint64)
        word &= _ALL >> (_64 - left * _8)
        yield active, word
        done += 8
        active = active[length[active] > done]
