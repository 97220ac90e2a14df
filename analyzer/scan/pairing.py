"""The pairing kernel: which champion row and which challenger row are the same request.

Both sides' hashes go into one uint64 array, the row number in the low bits; after one sort,
equal neighbours are candidates. Nearly all are one row of each side; what is not (duplicates,
hash neighbours) is a small rest that is settled exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Identity:
    """What pairing needs of one side: two hashes of the id, whether there is one, ts, score.

    others: further columns of chosen rows; they decide between rows equal in all of these, so
    that the order in which rows were read never does.
    """

    key: NDArray[np.uint64]
    check: NDArray[np.uint64]
    has_id: NDArray[np.bool_]
    ts: Ints
    score: NDArray[np.float64]
    others: Callable[[Ints], Sequence[NDArray[Any]]] = lambda rows: []


@dataclass(frozen=True)
class Pairing:
    """Result: for each champion row the challenger row it pairs with, or -1; and the reverse.

    Of rows with the same id on one side the earliest `ts` pairs, then the smallest score; the
    others are marked as duplicates. Rows without an id neither pair nor are duplicates.
    """

    challenger_of: Ints
    champion_of: Ints
    champion_duplicate: NDArray[np.bool_]
    challenger_duplicate: NDArray[np.bool_]


def pair(champion: Identity, challenger: Identity) -> Pairing:
    """Match the rows of two logs by request id."""
    n_a, n_b = len(champion.ts), len(challenger.ts)
    result = Pairing(
        np.full(n_a, -1, dtype=np.int64),
        np.full(n_b, -1, dtype=np.int64),
        np.zeros(n_a, dtype=bool),
        np.zeros(n_b, dtype=bool),
    )
    key = np.concatenate((champion.key, challenger.key))
    check = np.concatenate((champion.check, challenger.check))
    has_id = np.concatenate((champion.has_id, challenger.has_id))
    rows = np.arange(n_a + n_b) if has_id.all() else np.flatnonzero(has_id)
    first, second, rest = _neighbours(key, rows, n_a)
    result.challenger_of[first] = second - n_a
    # verified in the champion's order, in which a random access is nearly a sequential one
    mine = np.flatnonzero(result.challenger_of >= 0)
    theirs = result.challenger_of[mine]
    wrong = champion.check[mine] != challenger.check[theirs]
    if wrong.any():
        result.challenger_of[mine[wrong]] = -1
        rest = np.union1d(rest, np.concatenate((mine[wrong], theirs[wrong] + n_a)))
        mine, theirs = mine[~wrong], theirs[~wrong]
    result.champion_of[theirs] = mine
    if len(rest):
        _settle(rest, key, check, champion, challenger, result)
    return result


def _neighbours(key: NDArray[np.uint64], rows: Ints, n_a: int) -> tuple[Ints, Ints, Ints]:
    """Rows of either side that share their hash with no other, and the rest that does."""
    bits = np.uint64(max(len(key), 2).bit_length())
    low = (np.uint64(1) << bits) - np.uint64(1)
    packed = (key if len(rows) == len(key) else key[rows]) & ~low
    packed |= rows.view(np.uint64)
    packed.sort()
    at = np.flatnonzero((packed[1:] ^ packed[:-1]) <= low)  # neighbours with equal hash bits
    first = (packed[at] & low).view(np.int64)
    second = (packed[at + 1] & low).view(np.int64)
    good = (first < n_a) & (second >= n_a)
    crowded = np.flatnonzero(at[1:] == at[:-1] + 1)  # neighbourhoods of more than two
    good[crowded] = False
    good[crowded + 1] = False
    if good.all():
        return first, second, np.zeros(0, dtype=np.int64)
    rest = np.union1d(first[~good], second[~good])
    return first[good], second[good], rest


def _settle(
    rest: Ints,
    key: NDArray[np.uint64],
    check: NDArray[np.uint64],
    champion: Identity,
    challenger: Identity,
    result: Pairing,
) -> None:
    """Settle groups of more than one row a side: the earliest, then smallest score, represents."""
    n_a = len(champion.ts)
    side = rest >= n_a
    ts = np.concatenate((champion.ts, challenger.ts))[rest]
    score = np.concatenate((champion.score, challenger.score))[rest]
    by_side = np.argsort(side, kind="stable")
    rest, side, ts, score = rest[by_side], side[by_side], ts[by_side], score[by_side]
    halves = zip(champion.others(rest[~side]), challenger.others(rest[side] - n_a), strict=True)
    others = [np.concatenate(half) for half in halves]
    order = np.lexsort((*others, score, ts, side, check[rest], key[rest]))
    row, side = rest[order], side[order]
    same_id = np.zeros(len(row), dtype=bool)
    same_id[1:] = (key[row][1:] == key[row][:-1]) & (check[row][1:] == check[row][:-1])
    same_side = same_id.copy()
    same_side[1:] &= side[1:] == side[:-1]
    duplicate = row[same_side]
    result.champion_duplicate[duplicate[duplicate < n_a]] = True
    result.challenger_duplicate[duplicate[duplicate >= n_a] - n_a] = True
    lead = row[~same_side]  # one row per id and side, champion first
    follows = same_id[~same_side]
    second = np.flatnonzero(follows)
    # a leader that shares its id with the row before it begins the challenger's half
    a, b = lead[second - 1], lead[second] - n_a
    result.challenger_of[a] = b
    result.champion_of[b] = a
