"""Random streams: one generator per concept and per block of rows.

A concept that draws from its own stream leaves all others untouched: planting an incident, or
asking for more features, changes nothing but what was asked for.  A block has its own streams,
so blocks can be made in any order, in any process, with the same bytes as result.
"""

from enum import IntEnum

import numpy as np
from numpy.random import SFC64, Generator, SeedSequence


class Stream(IntEnum):
    """The concepts that draw random numbers; features and plants add their own number."""

    TRAFFIC = 1
    MINUTE_LATENCY = 2
    POPULATION = 3
    ARRIVAL = 4
    USER = 5
    REQUEST = 6
    SHADOW_DELAY = 7
    LATENCY = 8
    ERROR = 9
    LABEL = 10
    CATEGORY = 20
    FEATURE = 1_000
    PLANT = 100_000


def generator(seed: int, *key: int) -> Generator:
    """Return the generator that belongs to `key` and to nothing else."""
    return Generator(SFC64(SeedSequence((seed, *key))))


class BlockStreams:
    """The streams of one block of rows."""

    def __init__(self, seed: int, slot: int, part: int, block: int) -> None:
        self._key = (seed, slot, part, block)

    def open(self, stream: Stream, offset: int = 0) -> Generator:
        """Return the block's generator for one concept."""
        return generator(*self._key, int(stream) + offset)

    def uniform(self, stream: Stream, rows: int, offset: int = 0) -> "np.ndarray":
        """Return `rows` float32 numbers in [0, 1)."""
        return self.open(stream, offset).random(rows, dtype=np.float32)
