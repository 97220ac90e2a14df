"""Tables with planted segments: what the segment search is asked to find again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.segments.finding import Predicate
from analyzer.segments.table import Dimension, Outcome, Table, smallest

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
NOISES = ("t3", "laplace", "lognormal", "normal")
POPULARITIES = ("even", "skewed")


@dataclass(frozen=True, eq=False)
class Plant:
    """A planted segment: its predicate, its rows, its effect in SD of the noise and its z."""

    where: Predicate
    rows: Bools
    effect: float
    z: float
    hours: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class World:
    """A table, its outcome, and the truth."""

    table: Table
    outcome: Outcome
    plants: list[Plant]


def noise(rng: np.random.Generator, kind: str, size: int) -> Floats:
    """Noise of mean 0 and standard deviation 1; t3 and lognormal have heavy tails."""
    if kind == "t3":
        return rng.standard_t(3, size) / np.sqrt(3)
    if kind == "laplace":
        return rng.laplace(0, np.sqrt(0.5), size)
    if kind == "lognormal":
        sigma = 1.0
        spread = np.sqrt((np.exp(sigma**2) - 1) * np.exp(sigma**2))
        return (rng.lognormal(0, sigma, size) - np.exp(sigma**2 / 2)) / spread
    return rng.normal(size=size)


def columns(
    rng: np.random.Generator,
    rows: int,
    cardinalities: Sequence[int],
    popularity: str = "skewed",
    correlated: bool = False,
) -> list[Dimension]:
    """Segment columns a, b, c...; correlated: each follows its left neighbour a third of the time.

    The last column is an alias of the first: another name for each of its values.
    """
    found: list[NDArray[np.int64]] = []
    for position, size in enumerate(cardinalities):
        weights = 1 / np.arange(1, size + 1) ** (0.7 if popularity == "skewed" else 0.1)
        weights = rng.permutation(weights / weights.sum())
        codes = rng.choice(size, rows, p=weights)
        if correlated and position:
            follows = rng.random(rows) < 0.35
            codes = np.where(follows, found[-1] % size, codes)
        found.append(codes)
    names = [chr(ord("a") + i) for i in range(len(found))]
    dimensions = [
        Dimension(n, tuple(f"{n}{v}" for v in range(size)), smallest(codes, size))
        for n, size, codes in zip(names, cardinalities, found, strict=True)
    ]
    first = dimensions[0]
    alias = Dimension("alias", tuple(f"x{v}" for v in range(len(first.labels))), first.codes)
    return [*dimensions, alias]


def rows_of(dimensions: Sequence[Dimension], where: Predicate) -> Bools:
    """Rows for which a predicate holds."""
    by_name = {d.name: d for d in dimensions}
    held = np.ones(len(dimensions[0].codes), dtype=bool)
    for column, value in where:
        held &= by_name[column].codes == by_name[column].labels.index(value)
    return held


def plant(
    rng: np.random.Generator,
    dimensions: Sequence[Dimension],
    support: tuple[float, float],
    effects: tuple[float, float],
    deff: float = 1.0,
    before: Sequence[Plant] = (),
) -> Plant:
    """A random segment of order 1 to 3 with |z| >= 8, not inside or around an earlier one."""
    rows = len(dimensions[0].codes)
    while True:
        order = int(rng.integers(1, 4))
        chosen = sorted(rng.choice(len(dimensions), order, replace=False))
        where = tuple(
            (dimensions[c].name, str(dimensions[c].labels[rng.integers(len(dimensions[c].labels))]))
            for c in chosen
        )
        held = rows_of(dimensions, where)
        share = float(held.mean())
        if not max(support[0], 500 / rows) <= share <= support[1]:
            continue
        if _superfluous(dimensions, where):
            continue
        effect = rng.uniform(*effects) * rng.choice([-1, 1])
        z = effect * np.sqrt(rows * share * (1 - share) / deff)
        if abs(z) < 8 or any(_related(held, other.rows) for other in before):
            continue
        return Plant(where, held, effect, z)


def _superfluous(dimensions: Sequence[Dimension], where: Predicate) -> bool:
    """Whether the same rows have a shorter name."""
    n = np.count_nonzero(rows_of(dimensions, where))
    return any(
        np.count_nonzero(rows_of(dimensions, tuple(p for p in where if p != left_out))) == n
        for left_out in where
        if len(where) > 1
    )


def _related(one: Bools, other: Bools) -> bool:
    """Whether one holds more than nine tenths of the other."""
    common = np.count_nonzero(one & other)
    return common > 0.9 * min(np.count_nonzero(one), np.count_nonzero(other))


def incident(
    seed: int,
    rows: int = 300_000,
    plants: int = 3,
    kind: str = "t3",
    popularity: str = "skewed",
    correlated: bool = False,
) -> World:
    """Suite A: pairs of independent requests in seven columns, one an alias."""
    rng = np.random.default_rng([seed, 1])
    cardinalities = [int(x) for x in rng.integers(4, 21, 6)]
    dimensions = columns(rng, rows, cardinalities, popularity, correlated)
    values = noise(rng, kind, rows)
    found: list[Plant] = []
    for _ in range(plants):
        found.append(plant(rng, dimensions, (0.003, 0.05), (0.15, 0.6), before=found))
        values = values + found[-1].effect * found[-1].rows
    return World(Table(tuple(dimensions), rows), Outcome("difference", values), found)


def clustered(
    seed: int,
    users: int = 8_000,
    events: int = 15,
    plants: int = 3,
    correlation: float = 0.3,
    kind: str = "normal",
    static: bool = True,
) -> World:
    """Suite B: users who return, their outcomes correlated; columns belong to users, or to half.

    static: every column is the user's; else half of the columns change from event to event.
    """
    rng = np.random.default_rng([seed, 2])
    rows = users * events
    user = np.repeat(np.arange(users), events)
    sizes = [int(x) for x in rng.integers(4, 13, 6)]
    of_users = columns(rng, users, sizes)
    of_events = columns(rng, rows, sizes)
    dimensions = [
        Dimension(u.name, u.labels, u.codes[user]) if static or position % 2 == 0 else e
        for position, (u, e) in enumerate(zip(of_users, of_events, strict=True))
    ]
    shared = rng.normal(size=users)[user] * np.sqrt(correlation)
    values = shared + noise(rng, kind, rows) * np.sqrt(1 - correlation)
    deff = 1 + (events - 1) * correlation
    found: list[Plant] = []
    for _ in range(plants):
        found.append(plant(rng, dimensions, (0.02, 0.05), (0.3, 0.6), deff, found))
        values = values + found[-1].effect * found[-1].rows
    bucket = rng.integers(0, 256, users).astype(np.uint8)[user]
    table = Table(tuple(dimensions), rows, bucket=bucket)
    return World(table, Outcome("difference", values), found)
