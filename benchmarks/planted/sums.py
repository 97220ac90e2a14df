"""Phases as sums: what a scan would have counted of a service, drawn without drawing its rows.

Requests of an hour spread over 256 buckets of users and over the segments; failed and slow ones are
drawn for each such cell, so that hours and users are dependent as in a log: levels of the hours
(log-normal, common to both models), levels of the users' buckets, a daily cycle of traffic, latency
and score. The tables are a profile's; that rows would give the same is `proof`'s business.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from analyzer.frozen import Bins, Frozen
from analyzer.histogram import codes_of, raw_bins, reference_cells
from analyzer.ids import BUCKETS
from analyzer.profile import KINDS, empty, repeat, repeated, table
from analyzer.profiles import Profiles
from analyzer.scan.fine import COARSE
from analyzer.store import Manifest
from analyzer.window import DAY, HOUR, MINUTE, Window

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


def _codes(values: Floats, kind: str) -> Ints:
    raw = raw_bins(values, np.zeros(0, np.int64), kind, 0.0, np.empty(len(values), np.int64))  # type: ignore[arg-type]
    return codes_of(raw, kind)  # type: ignore[arg-type]


_MIDDLES = np.exp((np.log(EDGES[1:]) + np.log(EDGES[:-1])) / 2)
LATENCY_CODES = _codes(np.concatenate([[EDGES[0] / 2], _MIDDLES, [EDGES[-1] * 2]]), "distance")
SCORE_CODES = _codes(1 / (1 + np.exp(-(SCORES[1:] + SCORES[:-1]) / 2)), "probability")


def frozen() -> Frozen:
    """columns.json of the simulation: reference cells of the score from its own law."""
    weight = np.rint(score_law(np.zeros(1))[0] * 1e6).astype(np.int64)
    starts, last = reference_cells(SCORE_CODES, weight)
    return Frozen(
        schema=1,
        reference_start="",
        reference_rows=0,
        scale=1.0,
        bins={
            "score": Bins("probability", 0.0, starts.tolist(), last),
            "latency_ms": Bins("distance", 0.0, [0], 0),
            "difference": Bins("distance", 0.0, [0], 0),
        },
        vocabularies={},
        segments={},
        classes=[],
        decisions=[],
    )


@dataclass(eq=False)
class Tables:
    """Tables in the place of a store: it can be read, and that is all. Slots are days."""

    start: int
    days: int
    tables: dict[str, pa.Table] = field(default_factory=dict)
    columns: Frozen = field(default_factory=frozen)

    def manifests(self) -> dict[int, Manifest]:
        """One slot a day."""
        found = {}
        for start in range(self.start, self.start + self.days * DAY, DAY):
            name = datetime.fromtimestamp(start // 1_000_000, UTC).strftime("%Y-%m-%dT%H")
            found[start] = Manifest(name, start, start + DAY, "", "", [], {})
        return found

    def read(self, manifest: Manifest, name: str) -> pa.Table:
        """One table of one day."""
        if name not in self.tables:
            return empty(name, ("n",))
        whole = self.tables[name]
        at = whole[next(iter(KINDS[name].keys))].cast(pa.int64()).to_numpy()
        first, last = np.searchsorted(at, [manifest.start, manifest.end])
        return whole.slice(first, last - first)

    def roles(self) -> None:
        """As of a store."""

    def with_tables(self, more: Mapping[str, pa.Table]) -> Tables:
        """The same with other tables in the place of some."""
        return replace(self, tables={**self.tables, **more})

    def profiles(self, window: Window) -> Profiles:
        """The profiles of a window."""
        return Profiles(self, self.columns, list(self.manifests().values()), window)  # type: ignore[arg-type]


def coverage(start: int, champion: Ints, challenger: Ints, matched: Ints) -> pa.Table:
    """Rows of each model by hour, and those in both logs."""
    zero = np.zeros(len(champion), np.int64)
    return table(
        "coverage",
        {
            "hour": start + np.arange(len(champion)) * HOUR,
            "champion_rows": champion,
            "champion_duplicates": zero,
            "only_champion": champion - matched,
            "challenger_rows": challenger,
            "challenger_duplicates": zero,
            "only_challenger": challenger - matched,
            "matched": matched,
            "lag_us": matched * 5000,
        },
    )


def fine_hours(start: int, parts: Sequence[tuple[str, str, Ints, Ints]]) -> pa.Table:
    """parts: (model, column, codes of the cells, counts by hour and cell)."""
    found = []
    for model, column, codes, counts in parts:
        hour, cell = np.nonzero(counts)
        found.append(
            table(
                "fine_hours",
                {
                    "hour": start + hour * HOUR,
                    "model": repeat(model, len(hour)),
                    "column": repeat(column, len(hour)),
                    "code": codes[cell],
                    "n": counts[hour, cell],
                },
            )
        )
    return pa.concat_tables(found).sort_by("hour").combine_chunks()


def margins(arms: Mapping[str, Arm], start: int) -> pa.Table:
    """`cells`: overall, by country, by plan and by both, hour by hour."""
    blocks = []
    country, plan = (np.array([s[at] for s in SEGMENTS]) for at in (0, 1))
    groups: list[tuple[tuple[str | None, ...], NDArray[np.bool_]]] = [
        ((None, None, None, None), np.ones(len(SEGMENTS), dtype=bool)),
        *(((("country"), c, None, None), country == c) for c in COUNTRIES),
        *((("plan", p, None, None), plan == p) for p in PLANS),
        *(
            (("country", c, "plan", p), (country == c) & (plan == p))
            for c in COUNTRIES
            for p in PLANS
        ),
    ]
    for model, arm in arms.items():
        sums = {"n": arm.n, "errors": arm.errors, "over_200ms": arm.slow}
        by_segment = {name: values.sum(axis=1) for name, values in sums.items()}
        for key, chosen in groups:
            counts = {name: values[:, chosen].sum(axis=1) for name, values in by_segment.items()}
            blocks.append((model, key, counts))
    count = len(next(iter(arms.values())).n)
    columns: dict[str, object] = {
        "hour": np.tile(start + np.arange(count) * HOUR, len(blocks)),
        "model": repeated([b[0] for b in blocks], [count] * len(blocks)),
    }
    for at, name in enumerate(("a", "a_value", "b", "b_value")):
        words = np.repeat(np.array([b[1][at] for b in blocks], dtype=object), count)
        columns[name] = pa.array(words, pa.string())
    for name in ("n", "errors", "over_200ms"):
        columns[name] = np.concatenate([b[2][name] for b in blocks])
    n = columns["n"]
    columns |= {"latency_n": n, "nulls": np.zeros(len(n), np.int64)}  # type: ignore[arg-type]
    return table("cells", columns).sort_by("hour").combine_chunks()


def buckets(arms: Mapping[str, Arm], last: int, slot: int) -> pa.Table:
    """`cell_buckets` of one slot, of the hours before `last`: overall and by country and plan."""
    country, plan = (np.array([s[at] for s in SEGMENTS]) for at in (0, 1))
    groups = [
        (None, None, np.ones(len(SEGMENTS), dtype=bool)),
        *(("country", c, country == c) for c in COUNTRIES),
        *(("plan", p, plan == p) for p in PLANS),
    ]
    models, a, values = [], [], []
    sums: dict[str, list[Ints]] = {"n": [], "errors": [], "over_200ms": []}
    for model, arm in arms.items():
        whole = {"n": arm.n, "errors": arm.errors, "over_200ms": arm.slow}
        so_far = {name: counts[:last].sum(axis=0) for name, counts in whole.items()}
        for column, value, chosen in groups:
            models.append(model)
            a.append(column)
            values.append(value)
            for name, counts in so_far.items():
                sums[name].append(counts[:, chosen].sum(axis=1))
    columns: dict[str, object] = {
        "slot": np.full(len(models) * BUCKETS, slot),
        "model": repeated(models, [BUCKETS] * len(models)),
        "a": pa.array(np.repeat(np.array(a, dtype=object), BUCKETS), pa.string()),
        "a_value": pa.array(np.repeat(np.array(values, dtype=object), BUCKETS), pa.string()),
        "bucket": np.tile(np.arange(BUCKETS), len(models)),
    }
    columns |= {name: np.concatenate(parts) for name, parts in sums.items()}
    n = columns["n"]
    columns |= {"latency_n": n, "nulls": np.zeros(len(n), np.int64)}  # type: ignore[arg-type]
    return table("cell_buckets", columns)


def minutes(
    random: np.random.Generator, course: Hours, arms: Mapping[str, Arm]
) -> dict[str, pa.Table]:
    """`minutes` and `minute_latency`: the hours' counts spread over their minutes, in bursts."""
    fine = minute_latency(random, course, {model: arm.latency for model, arm in arms.items()})
    count = len(course.traffic) * 60
    plain = []
    for model, arm in arms.items():
        rows = fine.filter(pc.equal(fine["model"], model))
        place = (rows["minute"].cast(pa.int64()).to_numpy() - course.start) // MINUTE
        n = np.bincount(place, weights=rows["n"].to_numpy(), minlength=count).astype(np.int64)
        share = np.maximum(n.reshape(-1, 60), 1e-9)
        errors = random.multinomial(
            arm.errors.sum(axis=(1, 2)), share / share.sum(axis=1, keepdims=True)
        )
        columns = {
            "minute": course.start + np.arange(count) * MINUTE,
            "model": repeat(model, count),
            "n": n,
            "errors": np.minimum(errors.ravel(), n),
            "latency_n": n,
            "nulls": np.zeros_like(n),
        }
        plain.append(table("minutes", columns))
    whole = pa.concat_tables(plain).sort_by("minute").combine_chunks()
    return {"minutes": whole, "minute_latency": fine}


def minute_latency(
    random: np.random.Generator, course: Hours, cells: Mapping[str, Ints]
) -> pa.Table:
    """Latency cells by hour spread over the hours' minutes, whose rates vary by 5 %."""
    burst = np.exp(random.normal(0, 0.05, (len(course.traffic), 60)))
    share = burst / burst.sum(axis=1, keepdims=True)
    at = course.start + np.arange(share.size) * MINUTE
    coarse, inverse = np.unique(LATENCY_CODES >> COARSE << COARSE, return_inverse=True)
    parts = []
    for model, counts in cells.items():
        spread = np.zeros((len(course.traffic), 60, len(coarse)), dtype=np.int64)
        for cell in range(counts.shape[1]):
            spread[:, :, inverse[cell]] += random.multinomial(counts[:, cell], share)
        minute, cell = np.nonzero(spread.reshape(share.size, len(coarse)))
        columns = {
            "minute": at[minute],
            "model": repeat(model, len(minute)),
            "code": coarse[cell],
            "n": spread.reshape(share.size, len(coarse))[minute, cell],
        }
        parts.append(table("minute_latency", columns))
    return pa.concat_tables(parts).sort_by("minute").combine_chunks()
