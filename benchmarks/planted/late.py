"""Worlds of late labels whose truth is known, as the cells that a join of the logs would count.

A world: 60 days of history and a window of 10 days on which a challenger is compared with its
champion. Requests have a risk, labels a delay; the challenger's score is the champion's times a
factor, so it is truly worse: it predicts too little or too much. The truth is the expected
difference of the Brier scores on such traffic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.cells import MODELS, Known, PairCells, Predicted, SideCells
from analyzer.labels.counting import SEGMENT_BINS
from analyzer.labels.evidence import Arrival, Evidence
from analyzer.labels.tables import PAIR_BUCKETS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

HISTORY, WINDOW = 60, 10
DAYS = HISTORY + WINDOW
FIRST = 20_454
"""The first day: 2026-01-01, a Thursday."""

DELAYS = ("exponential", "by class", "weibull", "weekly", "slower")
MOVED = ("rarer", "commoner")
"""Honest worlds beside them: delays of 5 days throughout, but the base rate moves."""

CUT = "by segment"
"""Worlds with two segments: labels take 5 days in one and 15 in the other, and the challenger is
better in the fast one, worse by more in the slow one."""

SLOW_SHARE, MILDER = 0.5, 0.75
"""Share of the slow segment; power of the factor by which the champion errs in the fast one."""

SHIFT = 0.7
"""By how much, on the scale of log odds: to about half, or double."""

ARRIVALS: tuple[Arrival, ...] = ("positives", "both", "selective")
WORSE = ("under", "over", "equal")
THRESHOLD = 0.3
USERS = 3000
_TRUTH_ROWS = 400_000


@dataclass(frozen=True)
class World:
    """What one world is like. In `slower` ones an incident doubles every delay."""

    seed: int
    delays: str
    arrival: Arrival
    worse: str
    clustered: bool

    @property
    def random(self) -> np.random.Generator:
        """Its source of chance."""
        place = (
            (*DELAYS, *MOVED, CUT).index(self.delays),
            ARRIVALS.index(self.arrival),
            WORSE.index(self.worse),
        )
        return np.random.default_rng([self.seed, *place, int(self.clustered)])


@dataclass(frozen=True, eq=False)
class Rows:
    """Requests of a world: day, bucket, risk, outcome, scores, age of the label on the day it
    arrives, whether they are of the slow segment."""

    day: Ints
    bucket: Ints
    risk: Floats
    label: Bools
    champion: Floats
    challenger: Floats
    age: Ints
    slow: Bools


@dataclass(frozen=True)
class _Law:
    """What a world draws once: traffic, base rate, the challenger's factor, when labels slow."""

    daily: int
    centre: float
    factor: float
    slow_from: int


def law(world: World) -> _Law:
    """Draw it."""
    random = world.random
    factor = {
        "under": random.uniform(0.4, 0.6),
        "over": random.uniform(1.6, 2.0),
        "equal": 1.0,
    }[world.worse]
    return _Law(
        int(random.integers(1000, 2500)),
        float(random.uniform(-3.2, -2.2)),
        float(factor),
        DAYS - int(random.integers(7, 15)),
    )


def _scored(
    random: np.random.Generator, n: int, drawn: _Law, effect: Floats | float, world: World
) -> tuple[Floats, Floats, Floats, Bools]:
    """Risk, both scores, and who is slow. Neither model knows the user's own effect."""
    cut = world.delays == CUT
    slow = random.random(n) < SLOW_SHARE if cut else np.zeros(n, dtype=np.bool_)
    known = random.normal(drawn.centre, 1, n)
    risk = 1 / (1 + np.exp(-known - effect))
    champion = 1 / (1 + np.exp(-known - random.normal(0, 0.3, n)))
    if world.worse == "equal":  # the same skill, other mistakes
        return risk, champion, 1 / (1 + np.exp(-known - random.normal(0, 0.3, n))), slow
    off, milder = (np.clip(champion * drawn.factor**p, 1e-4, 1 - 1e-4) for p in (1, MILDER))
    if not cut:
        return risk, champion, off, slow
    return risk, np.where(slow, champion, milder), np.where(slow, off, champion), slow


def rows(world: World) -> Rows:
    """Draw the world's requests."""
    drawn, random = law(world), world.random
    random.random(1000)  # beyond what the law has drawn
    n = drawn.daily * DAYS
    day = np.repeat(np.arange(DAYS), drawn.daily)
    unit = random.integers(0, USERS if world.clustered else 1 << 40, n)
    effect = random.normal(0, 0.8, USERS)[unit] if world.clustered else 0.0
    risk, champion, challenger, slow = _scored(random, n, drawn, effect, world)
    if world.delays in MOVED:  # in a way that no model knows of
        by = np.where(day >= drawn.slow_from, SHIFT * (-1) ** (world.delays == "rarer"), 0.0)
        risk = 1 / (1 + (1 / risk - 1) * np.exp(-by))
    label = random.random(n) < risk
    age = _ages(random, world.delays, day, label, drawn.slow_from, slow)
    bucket = ((unit * 2_654_435_761) % (1 << 32)) * PAIR_BUCKETS >> 32
    return Rows(day, bucket, risk, label, champion, challenger, age, slow)


def _ages(
    random: np.random.Generator, delays: str, day: Ints, label: Bools, slow_from: int, slow: Bools
) -> Ints:
    """Label day minus prediction day."""
    n, at = len(day), random.random(len(day))
    if delays == "by class":
        late = random.exponential(np.where(label, 5.0, 15.0))
    elif delays == CUT:
        late = random.exponential(np.where(slow, 15.0, 5.0))
    elif delays == "weibull":
        late = 6 * random.weibull(1.6, n)
    elif delays == "slower":
        late = random.exponential(np.where(day >= slow_from, 10.0, 5.0))
    else:
        late = random.exponential(5.0, n)
    if delays == "weekly":
        late = np.ceil((day + at + late) / 7) * 7 - day - at
    return np.floor(at + late + 1e-9).astype(np.int64)


def truth(world: World) -> float:
    """Expected Brier score of the challenger minus the champion's, where they are compared."""
    drawn = law(world)
    random = np.random.default_rng([world.seed, 7])
    effect = random.normal(0, 0.8, _TRUTH_ROWS) if world.clustered else 0.0
    risk, champion, challenger, _ = _scored(random, _TRUTH_ROWS, drawn, effect, world)
    difference = (challenger**2 - champion**2) - 2 * risk * (challenger - champion)
    if world.arrival != "selective":
        return float(difference.mean())
    return float(difference[(champion < THRESHOLD) & (challenger < THRESHOLD)].mean())


def final(world: World, drawn: Rows) -> float:
    """The same difference on the window's very rows, once every label has come."""
    losses = (drawn.challenger - drawn.label) ** 2 - (drawn.champion - drawn.label) ** 2
    return float(losses[_compared(world, drawn) & (drawn.day >= HISTORY)].mean())


def _compared(world: World, drawn: Rows) -> Bools:
    if world.arrival != "selective":
        return np.ones(len(drawn.day), np.bool_)
    return (drawn.champion < THRESHOLD) & (drawn.challenger < THRESHOLD)


def known(world: World, drawn: Rows, as_of: int) -> Evidence:
    """What a join would know on a day (exclusive, 0 is the first day)."""
    made = drawn.day < as_of
    came = made & (drawn.day + drawn.age < as_of)
    if world.arrival == "positives":
        came &= drawn.label
    if world.arrival == "selective":
        came &= drawn.champion < THRESHOLD
    sizes = np.bincount(drawn.day[made])
    return Evidence(
        FIRST + as_of,
        _cells(drawn, came, drawn.label, drawn.age),
        _cells(drawn, made, drawn.label & False, drawn.age * 0),
        {FIRST + day: float(n) for day, n in enumerate(sizes.tolist())},
        strata={1: "speed = fast", 2: "speed = slow"} if world.delays == CUT else {},
    )


def _cells(drawn: Rows, chosen: Bools, label: Bools, age: Ints) -> PairCells:
    """One cell per request: sums over cells are what counts."""
    scores = {"champion": drawn.champion[chosen], "challenger": drawn.challenger[chosen]}
    truth = label[chosen].astype(np.float64)
    codes: dict[str, NDArray[np.int16]] = {}
    sums: dict[str, Floats] = {}
    for side, score in scores.items():
        codes[f"{side}_bin"] = np.minimum((score * 32).astype(np.int16), np.int16(31))
        codes[f"{side}_called"] = (score >= THRESHOLD).astype(np.int16)
        sums[f"{side}_absolute"] = np.abs(truth - score)
        sums[f"{side}_squares"] = (truth - score) ** 2
    return PairCells(
        prediction_day=(drawn.day[chosen] + FIRST).astype(np.int32),
        age=age[chosen].astype(np.int16),
        bucket=drawn.bucket[chosen].astype(np.int16),
        label=label[chosen].astype(np.int16),
        stratum=drawn.slow[chosen].astype(np.int32) + 1,
        n=np.ones(len(truth), dtype=np.int64),
        sums=sums,
        **codes,
    )


def everything(world: World, drawn: Rows, as_of: int) -> Known:
    """The same as a join's `Known`: each model by itself, too; one segment column, `half`, which
    is the stratum where segments differ in speed.
    """
    found = known(world, drawn, as_of)
    came = (drawn.day < as_of) & (drawn.day + drawn.age < as_of)
    if world.arrival == "positives":
        came &= drawn.label
    if world.arrival == "selective":
        came &= drawn.champion < THRESHOLD
    half = drawn.slow.astype(np.int64) if world.delays == CUT else drawn.bucket % 2
    days, segments, models, counts = [], [], [], []
    for model in MODELS.values():
        for segment in (0, 1, 2):
            mine = (drawn.day < as_of) & ((half == segment - 1) | (segment == 0))
            size = np.bincount(drawn.day[mine])
            days.append(np.flatnonzero(size) + FIRST)
            counts.append(size[size > 0])
            segments.append(np.full(len(days[-1]), segment))
            models.append(np.full(len(days[-1]), model))
    return Known(
        "binary",
        FIRST + as_of,
        ("0", "1"),
        (("", ""), ("half", "a"), ("half", "b")),
        _sides(drawn, came, half),
        found.pairs,
        Predicted(
            np.concatenate(models).astype(np.int16),
            np.concatenate(days).astype(np.int32),
            np.concatenate(segments).astype(np.int32),
            np.concatenate(counts),
        ),
        {},
        tuple(range(FIRST, FIRST + as_of)),
        stratum="half" if world.delays == CUT else "",
    )


def _sides(drawn: Rows, came: Bools, half: Ints) -> SideCells:
    """Both models' labelled rows, under all rows and under their segment."""
    at = np.flatnonzero(came)
    rows_ = np.tile(at, 4)
    model = np.repeat([0, 0, 1, 1], len(at))
    segment = np.where(np.repeat([0, 1, 0, 1], len(at)) == 1, half[rows_] + 1, 0)
    score = np.where(model == 0, drawn.champion[rows_], drawn.challenger[rows_])
    return SideCells(
        model.astype(np.int16),
        (drawn.day[rows_] + FIRST).astype(np.int32),
        drawn.age[rows_].astype(np.int16),
        segment.astype(np.int32),
        (score * 65_536).astype(np.int32) // np.where(segment > 0, SEGMENT_BINS, 1),
        (score >= THRESHOLD).astype(np.int16),
        drawn.label[rows_].astype(np.int16),
        np.ones(len(rows_), dtype=np.int64),
        {"score": score, "score_squares": score**2},
    )


def naive(world: World, drawn: Rows, as_of: int) -> dict[str, float]:
    """What three simple estimators say of the difference on the window's rows; 0: nothing."""
    asked = _compared(world, drawn) & (drawn.day >= HISTORY)
    came = asked & (drawn.day + drawn.age < as_of)
    if world.arrival == "positives":
        came &= drawn.label
    losses = [(drawn.challenger - y) ** 2 - (drawn.champion - y) ** 2 for y in (0, 1)]
    silent = np.where(came & drawn.label, losses[1], losses[0])[asked]
    seen = np.where(drawn.label, losses[1], losses[0])
    old = came & (as_of - drawn.day > 5)
    return {
        "no label is a negative": float(silent.mean()),
        "older than 5 days only": float(seen[old].mean()) if old.any() else 0.0,
        "labelled rows only": float(seen[came].mean()) if came.any() else 0.0,
    }
