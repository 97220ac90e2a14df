"""Hashes of request and unit ids: fast ones for pairing, a frozen one for buckets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.errors import LogError

if TYPE_CHECKING:
    import polars as pl

BUCKETS = 256
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_27, _30, _31 = (np.uint64(n) for n in (27, 30, 31))
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=np.uint64)
"""What keeps the first n bytes of a word."""

Hashes = NDArray[np.uint64]


def pairing_keys(ids: pa.Array, as_text: bool) -> tuple[Hashes, Hashes]:
    """Two independent 64-bit hashes of each request id (0, 0 for NULL).

    They live only inside one scan, so any fast hash will do. A false pair needs more than 104
    equal bits (`pairing`): below 1e-15 for 1e8 requests; ids that are integers cannot collide
    on both. as_text: one log holds integers and the other text, so compare their spelling.
    """
    series = _series(ids, as_text)
    return series.hash(seed=1).to_numpy(), series.hash(seed=2).to_numpy()


def _series(ids: pa.Array, as_text: bool) -> pl.Series:
    import polars as pl  # here: who only reads profiles need not wait for it

    if as_text or not pa.types.is_uint64(ids.type):
        ids = plain(ids)
    else:  # the same bits, so that ids that fit equal those of a log that writes int64
        ids = ids.cast(pa.int64(), safe=False)
    series = pl.from_arrow(ids.cast(pa.string()) if as_text else ids)
    assert isinstance(series, pl.Series)
    return series


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
    [69, 188, 145]
    """
    result = bucket_of(unit_keys(units))
    if units.null_count:
        result[np.asarray(units.is_null())] = 0
    return result


def bucket_of(keys: Hashes) -> NDArray[np.int64]:
    """The bucket, 0..255, of each unit key: its highest byte."""
    return (keys >> np.uint64(56)).astype(np.int64)


def unit_keys(units: pa.Array) -> Hashes:
    """The 64-bit hash of each unit id that buckets are cut from, for ever the same.

    What stands for a NULL means nothing. Among 10 million units two share a hash with a chance
    of 3 in a million.

    >>> (unit_keys(pa.array(["u1", "u2"])) >> np.uint64(56)).tolist()
    [69, 188]
    """
    if pa.types.is_dictionary(units.type):
        table = unit_keys(units.dictionary)
        codes = units.indices.fill_null(0).to_numpy()
        return table[codes] if len(table) else np.zeros(len(units), dtype=np.uint64)
    if pa.types.is_integer(units.type):
        whole = units.cast(pa.int64(), safe=False).fill_null(0).to_numpy().view(np.uint64)
        return _mix(whole + _GOLDEN)
    return _text_hash(units.cast(pa.large_string()))


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
        word ^= state[rows]
        word += _GOLDEN
        state[rows] = _mix(word)
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
    shortest, longest = int(length.min(initial=0)), int(length.max(initial=0))
    for done in range(0, longest, 8):
        if shortest > done:
            rows: slice | NDArray[np.int64] = slice(None)
            word, left = words[starts + done], length - done
        else:
            rows = np.flatnonzero(length > done)
            word, left = words[starts[rows] + done], length[rows] - done
        if shortest < done + 8:
            word &= _MASKS[np.minimum(left, 8)]
        yield rows, word


def ascending(keys: Hashes) -> tuple[NDArray[np.int64], Hashes]:
    """The order that sorts hashes (equal ones stay in theirs), and the sorted hashes.

    Learnt by measuring: as hashes are random, sorting their high bits packed with the row's number
    takes a third of the time of an argsort.

    >>> ascending(np.array([7, 3, 7], dtype=np.uint64))[0].tolist()
    [1, 0, 2]
    """
    bits = np.uint64(max(len(keys) - 1, 1).bit_length())
    low = (np.uint64(1) << bits) - np.uint64(1)
    packed = keys & ~low
    packed |= np.arange(len(keys), dtype=np.uint64)
    packed.sort()
    packed &= low
    order = packed.view(np.int64)
    found = keys[order]
    if np.any(found[1:] < found[:-1]):  # hashes with the same high bits: rare, nearly in order
        again = np.argsort(found, kind="stable")
        order, found = order[again], found[again]
    return order, found


def ranges(keys: Hashes, bits: int) -> list[slice]:
    """Where ascending hashes with each value of their leading bits are.

    >>> [(part.start, part.stop) for part in ranges(np.array([3, 7, 2**63], dtype=np.uint64), 1)]
    [(0, 2), (2, 3)]
    """
    edges = np.arange(1, 1 << bits, dtype=np.uint64) << np.uint64(64 - bits)
    cuts = [0, *np.searchsorted(keys, edges).tolist(), len(keys)]
    return [slice(low, high) for low, high in pairwise(cuts)]
