"""What must not change an answer, and what must change it in a known way."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from analyzer.segments import counting
from analyzer.segments.finding import Found
from analyzer.segments.search import search
from analyzer.segments.settings import Settings
from analyzer.segments.table import Dimension, Outcome, Table, coded
from benchmarks.planted.segments import shuffled
from benchmarks.planted.worlds import World, clustered


@pytest.fixture(scope="module")
def world() -> World:
    return clustered(51, users=4_000)


@pytest.fixture(scope="module")
def found(world: World) -> Found:
    answer = search(world.table, world.outcome)
    assert len(answer.segments) == 3
    return answer


def names(answer: Found) -> list[object]:
    return [segment.where for segment in answer.segments]


def test_shuffled_rows_many_threads_and_other_chunks_give_the_same_bytes(
    world: World, found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "CHUNK", 10_007)
    order = np.random.default_rng(5).permutation(world.table.rows)
    again = search(*shuffled(world.table, world.outcome, order), Settings(threads=8))
    assert msgspec.json.encode(again) == msgspec.json.encode(found)


def test_swapped_models_turn_the_signs(world: World, found: Found) -> None:
    swapped = search(world.table, replace(world.outcome, values=-world.outcome.values))
    assert names(swapped) == names(found)
    for one, other in zip(found.segments, swapped.segments, strict=True):
        assert other.z == pytest.approx(-one.z, rel=1e-9)
        assert other.effect.value == pytest.approx(-(one.effect.value or 0), rel=1e-9)


def test_a_copy_of_every_row_tells_nothing_new(world: World, found: Found) -> None:
    twice = np.repeat(np.arange(world.table.rows), 2)
    limits = Settings(min_rows=1000, min_share=0.002)  # the same candidates as before
    before = search(world.table, world.outcome, Settings(min_share=0.002))
    after = search(*shuffled_twice(world, twice), limits)
    assert names(after) == names(before) == names(found)
    for one, other in zip(before.segments, after.segments, strict=True):
        assert other.z == pytest.approx(one.z, rel=1e-9)
        assert other.p == pytest.approx(one.p, rel=1e-6)
        assert other.n == 2 * one.n


def shuffled_twice(world: World, rows: np.ndarray) -> tuple[Table, Outcome]:
    table, outcome = world.table, world.outcome
    dimensions = tuple(replace(d, codes=d.codes[rows]) for d in table.dimensions)
    assert table.bucket is not None
    return Table(dimensions, len(rows), bucket=table.bucket[rows]), replace(
        outcome, values=outcome.values[rows]
    )


def test_a_constant_changes_no_segment(world: World, found: Found) -> None:
    moved = search(world.table, replace(world.outcome, values=world.outcome.values + 1234.5))
    assert names(moved) == names(found)
    for one, other in zip(found.segments, moved.segments, strict=True):
        assert other.z == pytest.approx(one.z, rel=1e-6)


def test_a_unit_of_measurement_changes_no_segment(world: World, found: Found) -> None:
    scaled = search(world.table, replace(world.outcome, values=world.outcome.values * 3e-7))
    assert names(scaled) == names(found)


def test_renamed_values_are_found_under_their_new_names(world: World, found: Found) -> None:
    renamed, new = [], {}
    for dimension in world.table.dimensions:
        order = np.random.default_rng(6).permutation(len(dimension.labels))
        labels: list[str | None] = [""] * len(order)
        for old, place in enumerate(order):
            labels[place] = f"{dimension.labels[old]}<new>"
        new |= {(dimension.name, old): f"{old}<new>" for old in dimension.labels}
        codes = order[dimension.codes].astype(dimension.codes.dtype)
        renamed.append(Dimension(dimension.name, tuple(labels), codes))
    answer = search(replace(world.table, dimensions=tuple(renamed)), world.outcome)
    expected = [tuple((c, new[c, v]) for c, v in s.where) for s in found.segments]
    assert names(answer) == expected
    assert [s.p for s in answer.segments] == [s.p for s in found.segments]


def test_parts_of_a_log_coded_apart_are_the_log(world: World, found: Found) -> None:
    """Values read from two files in either order give the dimension they give together."""
    together, apart = [], []
    for d in world.table.dimensions:
        texts = np.array(d.labels, dtype=object)[d.codes]
        half = len(texts) // 2
        together.append(coded(d.name, texts))
        apart.append(coded(d.name, np.concatenate([texts[half:], texts[:half]])))
    rows = world.table.rows
    order = np.concatenate([np.arange(rows // 2, rows), np.arange(rows // 2)])
    assert world.table.bucket is not None
    one = search(replace(world.table, dimensions=tuple(together)), world.outcome)
    two = search(
        Table(tuple(apart), rows, bucket=world.table.bucket[order]),
        replace(world.outcome, values=world.outcome.values[order]),
    )
    assert msgspec.json.encode(one) == msgspec.json.encode(two)
    assert names(one) == names(found)


def test_aliases_are_listed_and_the_shortest_name_leads() -> None:
    rng = np.random.default_rng(7)
    a, b = (rng.integers(0, 6, 60_000).astype(np.uint8) for _ in range(2))
    labels = tuple("uvwxyz")
    dimensions = (
        Dimension("a", labels, a),
        Dimension("b", labels, b),
        Dimension("twin", tuple(f"{v}2" for v in labels), a),
    )
    values = rng.normal(size=60_000) + 0.5 * ((a == 2) & (b == 3))
    answer = search(Table(dimensions, 60_000), Outcome("difference", values))
    (segment,) = answer.segments
    assert segment.where == (("a", "w"), ("b", "x"))
    assert segment.aliases == ((("b", "x"), ("twin", "w2")),)
