"""Suite C: segments that simple searches miss, misname or take for their parents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analyzer.segments.finding import Predicate
from analyzer.segments.table import Dimension, Outcome, Table, smallest
from benchmarks.planted.worlds import Plant, World, columns, noise, rows_of

SIZES = (6, 8, 10, 5)


@dataclass(frozen=True, eq=False)
class Case:
    """A hard case: its world, and the outcome (`difference`, `spread`, `flips`) that shows it."""

    world: World
    outcome: str


def _base(rng: np.random.Generator, rows: int, kind: str) -> tuple[list[Dimension], Outcome]:
    flips = rng.random(rows) < 0.05
    return columns(rng, rows, SIZES), Outcome("difference", noise(rng, kind, rows), flips)


def _planted(
    dimensions: Sequence[Dimension], outcome: Outcome, effects: Sequence[tuple[Predicate, float]]
) -> tuple[Outcome, list[Plant]]:
    values, plants = outcome.values.copy(), []
    for where, effect in effects:
        held = rows_of(dimensions, where)
        n = np.count_nonzero(held)
        values += effect * held
        plants.append(Plant(where, held, effect, float(effect * np.sqrt(n))))
    return replace(outcome, values=values), plants


def _popular(dimension: Dimension, rank: int = 0) -> str:
    """A value of a dimension, by how many rows it has."""
    order = np.argsort(-np.bincount(dimension.codes, minlength=len(dimension.labels)))
    return str(dimension.labels[order[rank]])


def _world(dimensions: Sequence[Dimension], outcome: Outcome, plants: list[Plant]) -> World:
    return World(Table(tuple(dimensions), len(outcome.values)), outcome, plants)


def siblings(rng: np.random.Generator, rows: int, kind: str) -> Case:
    """Two values of b under one of a, as large as each other and of opposite sign."""
    dimensions, outcome = _base(rng, rows, kind)
    a, b = dimensions[0], dimensions[1]
    inside = rows_of(dimensions, (("a", _popular(a)),))
    halves = np.where(inside, rng.integers(0, 2, rows), b.codes)
    dimensions[1] = replace(b, codes=smallest(halves, len(b.labels)))
    effects = [((("a", _popular(a)), ("b", b.labels[v])), e) for v, e in ((0, 0.3), (1, -0.3))]
    return Case(_world(dimensions, *_planted(dimensions, outcome, effects)), "difference")


def interaction(rng: np.random.Generator, rows: int, kind: str) -> Case:
    """Rows on which three columns agree; no column and no pair shows it."""
    dimensions, outcome = _base(rng, rows, kind)
    for at, name in enumerate(("a", "b", "c")):
        labels = tuple(f"v{v}" for v in range(4))
        dimensions[at] = Dimension(name, labels, rng.integers(0, 4, rows).astype(np.uint8))
    dimensions = dimensions[:-1]  # the alias would be one of the old column
    effects = [((("a", f"v{v}"), ("b", f"v{v}"), ("c", f"v{v}")), 0.3) for v in range(4)]
    return Case(_world(dimensions, *_planted(dimensions, outcome, effects)), "difference")


def variance(rng: np.random.Generator, rows: int, kind: str) -> Case:
    """A segment whose mean is as everywhere and whose spread is half as large again."""
    dimensions, outcome = _base(rng, rows, kind)
    where = (("b", _popular(dimensions[1], 2)), ("c", _popular(dimensions[2], 1)))
    held = rows_of(dimensions, where)
    values = np.where(held, 1.5 * outcome.values, outcome.values)
    plants = [Plant(where, held, 1.5, 0.0)]
    return Case(_world(dimensions, replace(outcome, values=values), plants), "spread")


def flips(rng: np.random.Generator, rows: int, kind: str) -> Case:
    """A segment in which decisions flip twice as often, scores as everywhere."""
    dimensions, outcome = _base(rng, rows, kind)
    where = (("a", _popular(dimensions[0], 1)), ("d", _popular(dimensions[3])))
    held = rows_of(dimensions, where)
    flipped = np.where(held, rng.random(rows) < 0.1, outcome.flips)
    plants = [Plant(where, held, 0.05, 0.0)]
    return Case(_world(dimensions, replace(outcome, flips=flipped), plants), "flips")


def many_values(rng: np.random.Generator, rows: int, kind: str) -> Case:
    """A column of 10,000 values, one of which is hit together with a value of b."""
    dimensions, outcome = _base(rng, rows, kind)
    weights = 1 / np.arange(1, 10_001)
    codes = rng.choice(10_000, rows, p=weights / weights.sum())
    labels = tuple(f"m{v}" for v in range(10_000))
    dimensions.append(Dimension("many", labels, smallest(codes, 10_000)))
    effects: list[tuple[Predicate, float]] = [
        ((("many", "m4"),), 0.3),
        ((("b", _popular(dimensions[1])), ("many", "m0")), -0.3),
    ]
    return Case(_world(dimensions, *_planted(dimensions, outcome, effects)), "difference")


def null(rng: np.random.Generator, rows: int, kind: str) -> Case:
    """Rows whose c is NULL."""
    dimensions, outcome = _base(rng, rows, kind)
    c = dimensions[2]
    codes = np.where(rng.random(rows) < 0.02, len(c.labels), c.codes)
    dimensions[2] = Dimension("c", (*c.labels, None), smallest(codes, len(c.labels) + 1))
    effects: list[tuple[Predicate, float]] = [((("c", None),), 0.25)]
    return Case(_world(dimensions, *_planted(dimensions, outcome, effects)), "difference")


def overlapping(rng: np.random.Generator, rows: int, kind: str) -> Case:
    """Two segments of different columns that share half of their rows."""
    dimensions, outcome = _base(rng, rows, kind)
    draw = rng.random(rows)
    a = np.where(draw < 0.04, 0, 1 + dimensions[0].codes % (SIZES[0] - 1))
    b = np.where((draw >= 0.02) & (draw < 0.06), 0, 1 + dimensions[1].codes % (SIZES[1] - 1))
    dimensions[0] = replace(dimensions[0], codes=smallest(a, SIZES[0]))
    dimensions[1] = replace(dimensions[1], codes=smallest(b, SIZES[1]))
    dimensions = dimensions[:-1]
    effects: list[tuple[Predicate, float]] = [((("a", "a0"),), 0.3), ((("b", "b0"),), 0.3)]
    return Case(_world(dimensions, *_planted(dimensions, outcome, effects)), "difference")


def six_hours(rng: np.random.Generator, rows: int, kind: str) -> Case:
    """A segment that differs in six hours of 24 only."""
    dimensions, outcome = _base(rng, rows, kind)
    hour = (np.arange(rows) * 24 // rows).astype(np.uint16)
    start = int(rng.integers(0, 19))
    where = (("b", _popular(dimensions[1], 1)),)
    held = rows_of(dimensions, where) & (hour >= start) & (hour < start + 6)
    values = outcome.values + 0.2 * held
    z = 0.2 * float(np.sqrt(np.count_nonzero(held)))
    plants = [Plant(where, held, 0.2, z, (start, start + 6))]
    world = _world(dimensions, replace(outcome, values=values), plants)
    return Case(replace(world, table=replace(world.table, hour=hour)), "difference")


CASES: dict[str, Callable[[np.random.Generator, int, str], Case]] = {
    "siblings that cancel": siblings,
    "a = b = c": interaction,
    "variance only": variance,
    "flips only": flips,
    "10,000 values": many_values,
    "NULL": null,
    "overlap by half": overlapping,
    "six hours": six_hours,
}


def case(name: str, seed: int, rows: int = 300_000, kind: str = "t3") -> Case:
    """A hard case, seeded by its name's place as well."""
    rng = np.random.default_rng([seed, 3, list(CASES).index(name)])
    return CASES[name](rng, rows, kind)
