"""Which units the challenger serves: a stable, salted hash and a threshold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

try:  # hashlib loads OpenSSL first, a quarter of what importing the client costs, for nothing
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

BYTES = 8
SCALE = 1 << (8 * BYTES)


class Hash(Protocol):
    """What a hash of the standard library does."""

    def update(self, data: bytes, /) -> None:
        """Feed it."""

    def digest(self) -> bytes:
        """What it came to."""


def salted(rollout: str) -> Callable[[], Hash]:
    """A function that gives a fresh hash salted with the rollout's name.

    BLAKE2b and not a CRC: a CRC with another salt is the old one XOR a constant, so that two
    rollouts would share, or never share, their units. Copying a hash costs less than making one.
    """
    salt = blake2b(rollout.encode(), digest_size=16).digest()
    return blake2b(digest_size=BYTES, salt=salt, person=b"analyzer.router").copy


def threshold(share: float) -> bytes:
    """What a unit's hash must lie below for the challenger to serve it.

    A larger share keeps every unit of a smaller one: 5 % to 10 % moves 5 % of the units.

    >>> threshold(0.0), threshold(0.5)[:1], threshold(1.0) > b"\\xff" * 8
    (b'', b'\\x80', True)
    """
    if share <= 0:
        return b""  # nothing is less than nothing
    if share >= 1:
        return b"\xff" * (BYTES + 1)
    return min(round(share * SCALE), SCALE - 1).to_bytes(BYTES, "big")


def place(rollout: str, unit: str) -> float:
    """Where a unit lies in [0, 1): the challenger serves it when its share is larger.

    >>> round(place("flights", "user-1"), 6)
    0.185856
    """
    hashed = salted(rollout)()
    hashed.update(unit.encode())
    return int.from_bytes(hashed.digest(), "big") / SCALE
