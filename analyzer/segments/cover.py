"""Which columns are counted together: few wide blocks that hold every combination of columns.

Counting a block of five columns costs one pass over the rows and yields the ten triples in it, so
that 220 triples of twelve columns need some thirty passes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

Columns = tuple[int, ...]


def cover(widths: Sequence[int], order: int, limit: int) -> list[Columns]:
    """Blocks of at most `limit` cells that hold every combination of at most `order` columns.

    Combinations that alone exceed the limit are left out. Greedy: a block starts at the first
    combination still missing and takes the column that adds most missing ones, while it fits.

    >>> cover([5, 5, 5], order=2, limit=200)
    [(0, 1, 2)]
    >>> cover([5, 5, 50], order=2, limit=200)
    [(0, 1), (2,)]
    """
    wanted = {
        c
        for size in range(1, min(order, len(widths)) + 1)
        for c in combinations(range(len(widths)), size)
        if _cells(widths, c) <= limit
    }
    blocks = []
    while wanted:
        block = min(wanted, key=lambda c: (-len(c), c))
        while True:
            gains = [
                (-sum(c in wanted for c in _inside((*block, column), order)), column)
                for column in range(len(widths))
                if column not in block and _cells(widths, block) * widths[column] <= limit
            ]
            before = sum(c in wanted for c in _inside(block, order))
            if not gains or -min(gains)[0] == before:
                break
            block = tuple(sorted((*block, min(gains)[1])))
        blocks.append(block)
        wanted -= set(_inside(block, order))
    return blocks


def _cells(widths: Sequence[int], columns: Columns) -> int:
    return math.prod(widths[c] for c in columns)


def _inside(block: Columns, order: int) -> list[Columns]:
    """Combinations of at most `order` of the block's columns."""
    ordered = sorted(block)
    return [c for size in range(1, order + 1) for c in combinations(ordered, size)]
