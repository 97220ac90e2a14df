"""Worlds of late labels with a fast signal, whose truth is known, as a join would count them.

A world: 120 days of requests whose labels take fifteen days on average, none under nine; a signal
within three days, which is worth much (`good`), next to nothing (`weak`), or much until it changes
what it is worth (`changed`). In worlds that break, sixteen days before the end more of what looks
harmless turns out positive. The challenger is a little worse throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.cells import Known, PairCells, Predicted, SideCells
from analyzer.labels.evidence import Arrival
from analyzer.labels.proxies.known import Proxy, Signalled
from analyzer.labels.tables import PAIR_BUCKETS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DAYS, WAIT = 120, 3
FIRST = 20_454
"""The first day: 2026-01-01."""

BREAKS = DAYS - 16
"""Day on which the champion breaks down, where it does."""

CHANGES = DAYS - 42
"""Day from which a changed signal is worth something else."""

LEAST_DELAY, MEAN_DELAY = 9.0, 6.0
"""No label comes sooner than nine days; then they come within six more on average."""

WORTH = {"good": (0.8, 0.02), "weak": (0.06, 0.05), "changed": (0.8, 0.02)}
"""Chance of a signal where the label is yes, and where it is no."""

CHANGED = (0.35, 0.04)


@dataclass(frozen=True)
class World:
    """What one world is like."""

    seed: int
    signal: str
    arrival: Arrival = "both"
    clustered: bool = False
    breaks: bool = False

    @property
    def random(self) -> np.random.Generator:
        """Its source of chance."""
        kind = (list(WORTH).index(self.signal), ("both", "positives").index(self.arrival))
        return np.random.default_rng([self.seed, *kind, self.clustered, self.breaks])


@dataclass(frozen=True, eq=False)
class Drawn:
    """Requests: day, bucket, label, chance of it, signal, scores, age of the label."""

    day: Ints
    bucket: Ints
    label: Bools
    risk: Floats
    signal: Bools
    champion: Floats
    challenger: Floats
    age: Ints


def draw(world: World) -> Drawn:
    """Draw the world's requests."""
    random = world.random
    daily, centre = int(random.integers(400, 800)), float(random.uniform(-3.0, -2.2))
    n = daily * DAYS
    day = np.repeat(np.arange(DAYS), daily)
    users = 1500
    unit = random.integers(0, users if world.clustered else 1 << 40, n)
    effect = random.normal(0, 0.8, users)[unit] if world.clustered else 0.0
    logit = random.normal(centre, 1.2, n)
    broken = 1.5 * (day >= BREAKS) if world.breaks else 0.0
    risk = 1 / (1 + np.exp(-logit - effect - broken))
    label = random.random(n) < risk
    champion = 1 / (1 + np.exp(-logit - random.normal(0, 0.3, n)))
    challenger = 1 / (1 + np.exp(-logit - random.normal(0, 0.6, n)))
    chance = _chance(world, day, label)
    late = LEAST_DELAY + random.exponential(MEAN_DELAY, n)
    age = np.floor(random.random(n) + late).astype(np.int64)
    bucket = ((unit * 2_654_435_761) % (1 << 32)) * PAIR_BUCKETS >> 32
    return Drawn(day, bucket, label, risk, random.random(n) < chance, champion, challenger, age)


def _chance(world: World, day: Ints, label: Bools) -> Floats:
    yes, no = WORTH[world.signal]
    before = np.where(label, yes, no)
    if world.signal != "changed":
        return before
    return np.where(day >= CHANGES, np.where(label, *CHANGED), before)


def losses(drawn: Drawn) -> dict[str, Floats]:
    """Brier loss of every request, of both models and of challenger minus champion."""
    found = {s: (getattr(drawn, s) - drawn.label) ** 2 for s in ("champion", "challenger")}
    return {**found, "difference": found["challenger"] - found["champion"]}


def expected(drawn: Drawn) -> dict[str, Floats]:
    """The loss to be expected of every request, given its chance."""
    found = {}
    for side in ("champion", "challenger"):
        score = getattr(drawn, side)
        found[side] = score**2 + drawn.risk * (1 - 2 * score)
    return {**found, "difference": found["challenger"] - found["champion"]}


def known(world: World, drawn: Drawn, as_of: int) -> tuple[Known, Proxy]:
    """What a join would know on a day (exclusive, 0 is the first day)."""
    made = drawn.day < as_of
    came = made & (drawn.day + drawn.age < as_of)
    if world.arrival == "positives":
        came &= drawn.label
    edges = np.quantile(drawn.champion, np.linspace(0, 1, 9)[1:-1])
    none = np.zeros(0, np.int64)
    days, sizes = np.unique(drawn.day[made], return_counts=True)
    labelled = _cells(drawn, came, drawn.label, drawn.age, edges)
    settled = drawn.day + WAIT < as_of
    everything = Known(
        "binary",
        FIRST + as_of,
        ("0", "1"),
        (("", ""),),
        SideCells(*(none.astype(np.int16) for _ in range(7)), none, {}),  # type: ignore[arg-type]
        labelled,
        Predicted(
            np.full(len(days), 2, np.int16),
            (days + FIRST).astype(np.int32),
            np.zeros(len(days), np.int32),
            sizes,
        ),
        {},
        tuple(range(FIRST, FIRST + as_of)),
    )
    late = np.maximum(drawn.age, WAIT)
    parts = (
        (settled, drawn.label & False, np.full(len(late), WAIT)),
        (came & settled & (drawn.day + late < as_of), drawn.label, late),
    )
    cells = [
        Signalled(_cells(drawn, rows, label, age, edges), drawn.signal[rows].astype(np.int16))
        for rows, label, age in parts
    ]
    return everything, Proxy("planted", FIRST + as_of, WAIT, *cells, {})


def _cells(drawn: Drawn, chosen: Bools, label: Bools, age: Ints, edges: Floats) -> PairCells:
    """One cell per request: sums over cells are what counts."""
    truth = label[chosen].astype(np.float64)
    codes: dict[str, NDArray[np.int16]] = {}
    sums: dict[str, Floats] = {}
    for side in ("champion", "challenger"):
        score = getattr(drawn, side)[chosen]
        codes[f"{side}_bin"] = np.searchsorted(edges, score, side="right").astype(np.int16)
        codes[f"{side}_called"] = (score >= 0.5).astype(np.int16)
        sums[f"{side}_absolute"] = np.abs(truth - score)
        sums[f"{side}_squares"] = (truth - score) ** 2
    return PairCells(
        prediction_day=(drawn.day[chosen] + FIRST).astype(np.int32),
        age=age[chosen].astype(np.int16),
        bucket=drawn.bucket[chosen].astype(np.int16),
        label=label[chosen].astype(np.int16),
        stratum=np.zeros(len(truth), dtype=np.int32),
        n=np.ones(len(truth), dtype=np.int64),
        sums=sums,
        **codes,
    )
