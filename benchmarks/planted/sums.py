"""Phases as sums: what a scan would have counted of a service, drawn without drawing its rows.

Requests of an hour spread over 256 buckets of users and over the segments; failed and slow ones are
drawn for each such cell, so that hours and users are dependent as in a log: levels of the hours
(log-normal, common to both models), levels of the users' buckets, a daily cycle of traffic, latency
and score. `sum_tables` makes a profile's tables of them; a test compares those with a real scan's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from analyzer.ids import BUCKETS
from analyzer.window import HOUR

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

START = 1_767_571_200_000_000
"""2026-01-05 00:00 UTC, a Monday."""

COUNTRIES = {"de": 0.40, "fr": 0.30, "it": 0.18, "es": 0.10, "lu": 0.02}
PLANS = {"free": 0.7, "pro": 0.3}
SEGMENTS = [(country, plan) for country in COUNTRIES for plan in PLANS]
SHARES = np.array([COUNTRIES[c] * PLANS[p] for c, p in SEGMENTS])
RARE = np.array([country == "lu" for country, _ in SEGMENTS])
"""The segment with 2 % of the traffic."""

LIMIT, SPREAD, Z99 = 200.0, 0.4, float(ndtri(0.99))
EDGES = LIMIT * 2.0 ** (np.arange(-64, 49) / 16)
"""Ends of the latency cells, 16 an octave; one of them is the limit itself."""
SLOWEST = int(np.searchsorted(EDGES, LIMIT)) + 1
"""Cells from here on are slow ones (a cell each below the first and above the last edge)."""
SCORES = np.linspace(-5.5, 3.5, 61)
SCORE_MEAN, SCORE_SD = -1.2, 1.1


@dataclass(frozen=True)
class Truth:
    """What a model is: error rate, P99 in ms, share of errors in the rare segment times `rare`."""

    error_rate: float = 0.0005
    p99: float = 150.0
    rare: float = 1.0


@dataclass(frozen=True)
class Service:
    """The world around the models. traffic: requests an hour in all, in the mean over the day."""

    traffic: float
    depth: float
    peak: float
    unrest: float
    bucket_level: Floats
    bucket_share: Floats


def service(random: np.random.Generator, least: float, most: float) -> Service:
    """One at random."""
    share = np.exp(random.normal(0, 0.25, BUCKETS))
    return Service(
        traffic=float(np.exp(random.uniform(math.log(least), math.log(most)))),
        depth=float(random.uniform(0.2, 0.5)),
        peak=float(random.uniform(0, 24)),
        unrest=float(random.uniform(0.1, 0.3)),
        bucket_level=np.exp(random.normal(0, 0.15, BUCKETS)),
        bucket_share=share / share.sum(),
    )


@dataclass(frozen=True, eq=False)
class Hours:
    """What hours are like for both models: levels of traffic, errors, latency, score."""

    start: int
    traffic: Floats
    errors: Floats
    latency: Floats
    score: Floats

    def of(self, first: int, last: int) -> Hours:
        """Some of them."""
        span = slice(first, last)
        return Hours(
            self.start + first * HOUR,
            self.traffic[span],
            self.errors[span],
            self.latency[span],
            self.score[span],
        )


def hours(random: np.random.Generator, world: Service, start: int, count: int) -> Hours:
    """The course of `count` hours: a daily cycle and autoregressive levels."""
    clock = (start // HOUR + np.arange(count)) % 24
    day = np.cos((clock - world.peak) / 24 * 2 * math.pi)

    def level(sd: float, memory: float = 0.7) -> Floats:
        noise, found = random.normal(0, sd * math.sqrt(1 - memory**2), count), np.empty(count)
        now = random.normal(0, sd)
        for at in range(count):
            now = memory * now + noise[at]
            found[at] = now
        return found

    return Hours(
        start,
        world.traffic * (1 + world.depth * day) * np.exp(level(0.05)),
        np.exp(level(world.unrest) - world.unrest**2 / 2),
        0.03 * day + level(0.02),
        0.15 * day + level(0.04),
    )


@dataclass(frozen=True, eq=False)
class Arm:
    """One model's counts: n, errors, slow of shape (hours, buckets, segments); latency and score
    of shape (hours, cells).
    """

    n: Ints
    errors: Ints
    slow: Ints
    latency: Ints
    score: Ints


def latency_law(p99: Floats) -> Floats:
    """Chance of each latency cell, by row: log-normal with this P99."""
    middle = np.log(np.asarray(p99))[..., None] - Z99 * SPREAD
    below = ndtr((np.log(EDGES) - middle) / SPREAD)
    ends = np.concatenate([np.zeros_like(below[..., :1]), below, np.ones_like(below[..., :1])], -1)
    return np.asarray(np.diff(ends, axis=-1))


def score_law(moved: Floats) -> Floats:
    """Chance of each score cell, by row: normal on the logit scale."""
    below = ndtr((SCORES[1:-1] - SCORE_MEAN - np.asarray(moved)[..., None]) / SCORE_SD)
    ends = np.concatenate([np.zeros_like(below[..., :1]), below, np.ones_like(below[..., :1])], -1)
    return np.asarray(np.diff(ends, axis=-1))


def serve(
    random: np.random.Generator, world: Service, course: Hours, weight: float, truth: Truth
) -> Arm:
    """A model that answers a share of the traffic."""
    due = course.traffic * weight
    n = random.poisson(due[:, None, None] * world.bucket_share[:, None] * SHARES)
    level = world.bucket_level / float(world.bucket_level @ world.bucket_share)
    part = np.where(RARE, truth.rare, 1.0)
    rate = truth.error_rate * course.errors[:, None, None] * level[:, None] * part
    errors = random.binomial(n, np.minimum(rate, 1.0))
    law = latency_law(truth.p99 * np.exp(course.latency))
    beyond = law[:, SLOWEST:].sum(axis=1)
    slow = random.binomial(n, np.minimum(beyond[:, None, None] * level[:, None], 1.0))
    total, late = n.sum(axis=(1, 2)), slow.sum(axis=(1, 2))
    below, above = law[:, :SLOWEST], law[:, SLOWEST:]
    latency = np.concatenate(
        [
            random.multinomial(total - late, below / below.sum(axis=1, keepdims=True)),
            random.multinomial(late, above / above.sum(axis=1, keepdims=True)),
        ],
        axis=1,
    )
    return Arm(n, errors, slow, latency, random.multinomial(total, score_law(course.score)))
