"""A few of the simulated weeks of `benchmarks/planted/levels.py`; many are in its results."""

from __future__ import annotations

import pytest

from benchmarks.planted.levels import HISTORY, PLANTS, World, planted


@pytest.mark.parametrize("seed", [11, 12])
def test_no_clean_day_of_a_busy_service_fails(seed: int) -> None:
    world = World(seed, busy=500.0)
    for day in (HISTORY, HISTORY + 5, HISTORY + 6):
        if not world.holiday(day):
            assert world.judged(day).outcome == "healthy"


@pytest.mark.parametrize("what", PLANTS)
def test_planted_harm_is_found(what: str) -> None:
    assert planted(3, what) == ("fail", "hold")
