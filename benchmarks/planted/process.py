"""A shadow phase as a random process whose truth is known: the rows that both models log.

Per minute three autoregressive levels (traffic, log latency, log error rate; time constant
`memory_minutes`), a daily cycle in traffic, latency and score, and users who return: activity is
log-normal, and each user has an effect of its own on latency, errors, score and divergence. So
neither rows nor minutes are independent. The truth is the marginal law of a request, over levels
and users; `harm` plants what is wrong with the challenger.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.signal import lfilter
from scipy.special import expit, ndtr

from analyzer.stats.psi import decile_cells, psi_of_shares
from analyzer.window import HOUR

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
HARMS = ("none", "latency", "errors", "score")
SHAPES = ("linear", "step", "second half", "bump", "spread")
START = 1_767_571_200_000_000
"""2026-01-05 00:00 UTC, a Monday."""

MINUTE = 60_000_000
LAG = 5_000
LATENCY_LIMIT, SCORE_LIMIT, PSI_LIMIT = 200.0, 0.15, 0.1
LATENCY_SD = {"request": 0.40, "minute": 0.08, "user": 0.12}
ERROR_SD = {"minute": 0.5, "user": 0.7}
SCORE_SD = {"user": 0.5, "request": 0.8, "model_user": 0.1, "model": 0.25}
SCORE_MEAN = -1.6
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(41)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


@dataclass(frozen=True)
class Phase:
    """One phase to simulate. traffic: mean requests an hour; start_hour: hour of the day at which
    it begins; error_rate, p99 and drift (its size on the logit scale) are the planted truth.
    """

    seed: int
    hours: int
    traffic: float
    harm: str
    shape: str
    start_hour: int
    error_rate: float
    p99: float
    drift: float
    memory_minutes: float
    cycle: float

    @property
    def start(self) -> int:
        """First instant, microseconds UTC."""
        return START + self.start_hour * HOUR


@dataclass(frozen=True)
class Rows:
    """Rows of one stretch in order of `ts`: one per request, both models' side by side."""

    ts: Ints
    user: Ints
    request: Ints
    lost: NDArray[np.bool_]
    scores: dict[str, Floats]
    latency: dict[str, Floats]
    errors: dict[str, NDArray[np.bool_]]
    amount: dict[str, Floats]


def draw(seed: int, harm: str, hours: tuple[int, int], traffic: tuple[float, float]) -> Phase:
    """A phase at random: its length, its traffic and a truth that is healthy but for `harm`."""
    random = np.random.default_rng([seed, HARMS.index(harm), 1])
    shape = SHAPES[int(random.integers(len(SHAPES)))] if harm == "score" else "linear"
    plain = Phase(
        seed=seed,
        hours=int(random.integers(hours[0], hours[1] + 1)),
        traffic=float(math.exp(random.uniform(*np.log(traffic)))),
        harm=harm,
        shape=shape,
        start_hour=int(random.integers(24)),
        error_rate=0.002 if harm == "errors" else float(random.uniform(1e-4, 5e-4)),
        p99=210.0 if harm == "latency" else float(random.uniform(100, 170)),
        drift=0.0,
        memory_minutes=float(random.uniform(10, 60)),
        cycle=float(random.uniform(0.1, 0.5)),
    )
    if harm != "score":
        return plain
    excess = float(random.uniform(1.2, 2.0))
    return Phase(**{**_fields(plain), "drift": _size(plain, excess)})


def _fields(phase: Phase) -> dict[str, object]:
    return {name: getattr(phase, name) for name in phase.__dataclass_fields__}


def _cycle(phase: Phase) -> Floats:
    """The daily cycle by minute, -1 to 1, highest in the afternoon."""
    minute = np.arange(phase.hours * 60) + phase.start_hour * 60
    return np.sin(2 * np.pi * (minute / 1440 - 0.375))


def _traffic(phase: Phase) -> Floats:
    """Expected requests by minute, before noise."""
    shape = 1 + 0.6 * _cycle(phase)
    return np.asarray(phase.traffic / 60 * shape / shape.mean())


def course(phase: Phase) -> Floats:
    """The drift's course by minute, 0 to 1."""
    x = (np.arange(phase.hours * 60) + 0.5) / (phase.hours * 60)
    if phase.shape == "linear":
        return np.asarray(x)
    if phase.shape == "second half":
        return np.asarray(np.maximum(2 * x - 1, 0.0))
    if phase.shape == "bump":
        return np.asarray(np.exp(-0.5 * ((x - 0.5) / 0.1) ** 2))
    at = 0.5 if phase.shape == "spread" else np.random.default_rng(phase.seed).uniform(0.2, 0.8)
    return np.asarray((x >= at).astype(np.float64))


def _size(phase: Phase, excess: float) -> float:
    """The drift's size at which the truth is `excess` times the policy's limit."""
    if phase.shape == "spread":  # the mean stays where it is: only PSI sees it
        return float(brentq(lambda d: _true_psi(phase, d) - excess * PSI_LIMIT, 0.0, 5.0))
    return float(brentq(lambda d: _true_change(phase, d) - excess * SCORE_LIMIT, 0.0, 8.0))


def _latent_means(phase: Phase, drift: float) -> tuple[Floats, Floats]:
    """True mean score of champion and challenger by hour."""
    centre = SCORE_MEAN + 0.5 * phase.cycle * _cycle(phase)[30::60]
    moved = drift * course(phase)[30::60]
    wide = math.hypot(SCORE_SD["user"], SCORE_SD["request"])
    extra = math.hypot(SCORE_SD["model_user"], SCORE_SD["model"])
    ours = expit(centre[:, None] + wide * NODES) @ WEIGHTS
    theirs = expit((centre + moved)[:, None] + math.hypot(wide, extra) * NODES) @ WEIGHTS
    return ours, theirs


def _true_change(phase: Phase, drift: float, hours: int | None = None) -> float:
    """Largest change of the score ratio over whole 2-hour blocks against the phase's own.

    hours: of the phase's first hours only.
    """
    ours, theirs = (means[:hours] for means in _latent_means(phase, drift))
    n = _traffic(phase).reshape(-1, 60).sum(axis=1)[:hours]
    a, b = n * ours, n * theirs
    even = len(n) // 2 * 2
    blocks = b[:even].reshape(-1, 2).sum(axis=1) / a[:even].reshape(-1, 2).sum(axis=1)
    return float(np.abs(blocks / (b.sum() / a.sum()) - 1).max())


def _true_psi(phase: Phase, drift: float, hours: int | None = None) -> float:
    """PSI between halves when the spread of the challenger's logit widens in the second one.

    hours: of the phase's first hours only; each half is then partly wide.
    """
    wide = course(phase)[: 60 * (hours or phase.hours)]
    half = len(wide) // 2
    share = [float(part.mean()) for part in (wide[:half], wide[-half:])]
    grid = np.linspace(-8, 8, 4001)
    before = np.exp(-grid * grid / 2)
    own = math.hypot(*SCORE_SD.values())
    spread = math.hypot(own, drift)
    after = np.exp(-((grid * own / spread) ** 2) / 2)
    before, after = before / before.sum(), after / after.sum()
    edges = [0, *decile_cells(before)]
    p, q = (np.add.reduceat((1 - x) * before + x * after, edges) for x in share)
    return psi_of_shares(p, q)


def is_harmful(phase: Phase, hours: int) -> bool:
    """Whether the truth of the phase's first hours already lies beyond the policy's limits.

    A drift that has not set in yet, or is still within the limit, is no harm so far.
    """
    if phase.harm != "score":
        return phase.harm != "none"
    if phase.shape == "spread":
        return _true_psi(phase, phase.drift, hours) > PSI_LIMIT
    return _true_change(phase, phase.drift, hours) > SCORE_LIMIT


def _level(random: np.random.Generator, phase: Phase, sd: float) -> Floats:
    """A stationary AR(1) series by minute."""
    keep = math.exp(-1 / phase.memory_minutes)
    noise = random.standard_normal(phase.hours * 60) * sd * math.sqrt(1 - keep * keep)
    noise[0] = random.standard_normal() * sd
    return np.asarray(lfilter([1.0], [1.0, -keep], noise))


def _latency_centre(phase: Phase, p99: float) -> float:
    """Log-latency level at which the marginal P99 over minutes, users and cycle is `p99`."""
    spread = math.hypot(*LATENCY_SD.values())
    cycle, weight = 0.1 * _cycle(phase), _traffic(phase)

    def excess(centre: float) -> float:
        over = ndtr((centre + cycle - math.log(p99)) / spread)
        return float(over @ weight / weight.sum()) - 0.01

    return float(brentq(excess, 0.0, 8.0))


@dataclass(frozen=True)
class _World:
    """What lasts over a phase: levels by minute, effects by user, who makes the next request."""

    expected: Floats
    latency: Floats
    error: Floats
    users: dict[str, Floats]
    pool: Ints


def _world(phase: Phase, random: np.random.Generator) -> _World:
    count = max(400, int(phase.traffic * phase.hours / 15))
    active = np.exp(random.standard_normal(count))
    places = np.cumsum(active) / active.sum()
    users = {
        "latency": random.standard_normal(count) * LATENCY_SD["user"],
        "error": np.exp(random.standard_normal(count) * ERROR_SD["user"]),
        "score": random.standard_normal(count) * SCORE_SD["user"],
        "model": random.standard_normal(count) * SCORE_SD["model_user"],
    }
    users["error"] /= users["error"] @ active / active.sum()
    error = np.exp(_level(random, phase, ERROR_SD["minute"]) - ERROR_SD["minute"] ** 2 / 2)
    return _World(
        _traffic(phase) * np.exp(_level(random, phase, 0.1)),
        0.1 * _cycle(phase) + _level(random, phase, LATENCY_SD["minute"]),
        error,
        users,
        np.searchsorted(places, random.random(1 << 20)),
    )


def rows(phase: Phase) -> Iterator[Rows]:
    """The phase's rows, one UTC day at a time, in order of `ts`."""
    random = np.random.default_rng([phase.seed, HARMS.index(phase.harm), 2])
    world = _world(phase, random)
    first = 0
    made = 0
    while first < phase.hours:
        last = min(phase.hours, first + 24 - (first + phase.start_hour) % 24)
        day = _day(phase, world, random, slice(first * 60, last * 60), made)
        made += len(day.ts)
        yield day
        first = last


def _day(phase: Phase, world: _World, random: np.random.Generator, span: slice, made: int) -> Rows:
    counts = random.poisson(world.expected[span])
    minute = np.repeat(np.arange(span.start, span.stop), counts)
    n = len(minute)
    # the last 100 ms of a minute stay empty, so that the shadow's lag crosses no minute
    ts = np.sort(minute * MINUTE + random.integers(0, MINUTE - 100_000, n)) + phase.start
    user = world.pool[random.integers(0, len(world.pool), n)]
    level = world.latency[minute] + world.users["latency"][user]
    centres = {
        "champion": _latency_centre(phase, 140.0),
        "challenger": _latency_centre(phase, phase.p99),
    }
    rates = {"champion": 3e-4, "challenger": phase.error_rate}
    risk = world.error[minute] * world.users["error"][user]
    amount = random.gamma(2.0, 50.0, n)
    amount[random.random(n) < 0.01] = np.nan
    other = amount.copy()
    other[random.random(n) < 0.001] = 1.0
    return Rows(
        ts=ts,
        user=user,
        request=np.arange(made, made + n),
        lost=random.random(n) < 0.002,
        scores=_scores(phase, world, random, minute, user),
        latency={
            side: np.exp(centre + level + LATENCY_SD["request"] * random.standard_normal(n))
            for side, centre in centres.items()
        },
        errors={side: random.random(n) < rate * risk for side, rate in rates.items()},
        amount={"champion": amount, "challenger": other},
    )


def _scores(
    phase: Phase, world: _World, random: np.random.Generator, minute: Ints, user: Ints
) -> dict[str, Floats]:
    n = len(minute)
    centre = SCORE_MEAN + 0.5 * phase.cycle * _cycle(phase)[minute]
    own = world.users["score"][user] + SCORE_SD["request"] * random.standard_normal(n)
    apart = world.users["model"][user] + SCORE_SD["model"] * random.standard_normal(n)
    challenger = centre + own + apart
    moved = phase.drift * course(phase)[minute]
    if phase.shape == "spread":
        challenger += moved * random.standard_normal(n)
    else:
        challenger += moved
    return {"champion": expit(centre + own), "challenger": expit(challenger)}
