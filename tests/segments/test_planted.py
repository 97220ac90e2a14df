"""The planted suites in small: what was planted is found, nothing else is."""

from __future__ import annotations

import pytest

from analyzer.segments.search import search, search_pairs
from benchmarks.planted.hard import CASES, case
from benchmarks.planted.segments import Tally, add, judge
from benchmarks.planted.worlds import clustered, incident


@pytest.mark.parametrize("kind", ["t3", "lognormal"])
def test_three_segments_are_found_exactly(kind: str) -> None:
    tally = Tally()
    for seed in (11, 12):
        world = incident(seed, rows=100_000, kind=kind)
        add(tally, world, search(world.table, world.outcome).segments)
    assert (tally.right, tally.found, tally.exact) == (6, 6, 6)


def test_users_who_return() -> None:
    world, tally = clustered(21), Tally()
    found = search(world.table, world.outcome)
    assert add(tally, world, found.segments) == []
    assert all(segment.deff > 3 for segment in found.segments)
    assert found.cells_apart > found.cells_left == 0


@pytest.mark.parametrize("seed", [31, 32, 33])
def test_nothing_is_found_where_users_merely_differ(seed: int) -> None:
    world = clustered(seed, plants=0)
    assert search(world.table, world.outcome).segments == ()


def test_rows_alone_would_name_segments_that_are_not_there() -> None:
    """What the units are for: without them the same rows show false segments."""
    world = clustered(32, plants=0)
    blind = type(world.table)(world.table.dimensions, world.table.rows)
    found = search(blind, world.outcome)
    assert found.segments
    assert "no unit id" in found.notes[0]


@pytest.mark.parametrize("name", CASES)
def test_hard_case(name: str) -> None:
    planted = case(name, 41, rows=80_000)
    verdict = judge(planted, search_pairs(planted.world.table, planted.world.outcome))
    assert verdict == {"verdict": "right", "parents": 0, "wrong": []}


def test_cancelling_siblings_stand_under_their_parent() -> None:
    world = case("siblings that cancel", 42, rows=50_000).world
    found = search(world.table, world.outcome)
    (offset,) = found.offsets
    assert offset.parent == world.plants[0].where[:1]
    assert set(offset.children) == {plant.where for plant in world.plants}
    assert offset.effect.value is not None and abs(offset.effect.value) < 0.05
