"""Which units the challenger serves: stable, uniform, independent between rollouts."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from analyzer.router import decision, units
from analyzer.router.units import BYTES, place, salted, threshold

UNITS = 1_000_000


@pytest.fixture(scope="module")
def places() -> np.ndarray:
    """Where a million users lie."""
    start = salted("flights")
    raw = bytearray()
    for number in range(UNITS):
        hashed = start()
        hashed.update(b"user-%d" % number)
        raw += hashed.digest()
    return np.frombuffer(bytes(raw), dtype=">u8").astype(np.float64) / 2.0 ** (8 * BYTES)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.5, 0.95])
def test_shares_are_met_within_a_fifth_of_a_point(places: np.ndarray, share: float) -> None:
    assert abs((places < share).mean() - share) < 0.002


def test_hashes_are_uniform(places: np.ndarray) -> None:
    counts = np.bincount((places * 1000).astype(int), minlength=1000)
    chi2 = ((counts - UNITS / 1000) ** 2 / (UNITS / 1000)).sum()
    assert 800 < chi2 < 1200  # 999 degrees of freedom: 4.5 standard deviations either side


def test_a_larger_share_keeps_every_unit_of_a_smaller(places: np.ndarray) -> None:
    small, large = places < 0.05, places < 0.1
    assert not (small & ~large).any()
    assert abs((large & ~small).mean() - 0.05) < 0.002


def test_rollouts_are_independent(places: np.ndarray) -> None:
    first = 100_000
    other = np.array([place("hotels", f"user-{n}") for n in range(first)])
    both = ((places[:first] < 0.1) & (other < 0.1)).mean()
    assert abs(both - 0.01) < 5 * (0.01 * 0.99 / first) ** 0.5


def test_the_threshold_and_the_place_agree() -> None:
    for number in range(1000):
        where = place("flights", f"user-{number}")
        hashed = salted("flights")()
        hashed.update(b"user-%d" % number)
        for share in (0.0, 0.01, 0.5, where, 1.0):
            assert (hashed.digest() < threshold(share)) == (where < share) or share == where
    assert threshold(1e-30) == bytes(BYTES)
    assert threshold(1 - 2**-53) <= b"\xff" * BYTES


def test_units_never_move_between_versions_of_the_tool() -> None:
    """Frozen: another number here would move the units of every rollout that is under way."""
    assert round(place("flights", "user-1") * 1e9) == FROZEN


FROZEN = 185856142


@pytest.mark.parametrize("module", [units, decision])
def test_doctests(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
