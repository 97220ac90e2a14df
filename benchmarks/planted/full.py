"""Simulated full rollouts, read by the real gate again and again: how often is it right?

    python -m benchmarks.planted.full --seed 1 --runs 2000 --harmed 100 --jobs 2

Two weeks of an A/B test on halves, then two weeks in which the challenger answers everyone and 5 %
are shadowed to the old model. Both models have the same truth (A/A): the old model should go after
14 days and no reading should stop the rollout. Then harm is planted in the challenger from the
rollout's first hour on. Labels have simulations of their own (`planted.labels`): here none are
described, and the policy is told not to wait for them. Most rollouts are read every other day by
the checks that rest on hours, on the last day by model health as well; every `--every`-th is read
every day by all checks, triggers included (on clean and broken weeks see `planted.triggers`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa

from analyzer import policy
from analyzer.config import Log, Rollout
from analyzer.diary import Event
from analyzer.phases.fired import trigger_checks
from analyzer.phases.full import OLD_MODEL, health_checks, hourly_checks
from analyzer.phases.gate import Material
from analyzer.phases.matured import matured_checks
from analyzer.policy import Policy
from analyzer.profile import PAIR_SUMS, repeat, table
from analyzer.verdict import Check, decide
from analyzer.window import DAY, HOUR, MINUTE, Window, show
from benchmarks.planted import sum_tables, sums
from benchmarks.planted.readings import (
    Results,
    Run,
    Simulation,
    as_page,
    as_percent,
    before,
    found_in,
    tally,
)
from benchmarks.planted.sum_tables import Tables
from benchmarks.planted.sums import START, Floats, Hours, Ints, Service, Truth

BEFORE, DAYS, MIRROR = 14, 14, 0.05
STAGE = START + BEFORE * DAY
HARMS: dict[str, Truth] = {
    "none": Truth(),
    "errors 0.05 % to 0.5 %": Truth(error_rate=0.005),
    "P99 150 to 225 ms": Truth(p99=225.0),
    "P99 x 2.5": Truth(p99=375.0),
}
ROLLOUT = Rollout(
    name="planted", champion=Log(paths=["champion"]), challenger=Log(paths=["challenger"])
)
EVENTS = [
    Event(ts=show(START), kind="phase", phase="ab", challenger_weight=0.5),
    Event(ts=show(STAGE), kind="phase", phase="full", challenger_weight=1.0),
]
SCORE_VALUES = 1 / (1 + np.exp(-(sums.SCORES[1:] + sums.SCORES[:-1]) / 2))
DIFFERENCE = 0.02
"""Standard deviation of the difference between the models' scores for the same request."""


@dataclass(frozen=True)
class Task:
    """One rollout to simulate."""

    seed: int
    run: int
    harm: str
    traffic: tuple[float, float]
    closely: bool


@dataclass(frozen=True, eq=False)
class Side:
    """One model's counts: by minute n, errors, score sums; by hour slow ones and latency cells."""

    n: Ints
    errors: Ints
    score: Floats
    squares: Floats
    latency: Ints


def rules() -> Policy:
    """The shipped policy, without waiting for labels."""
    shipped = policy.load()
    labels = msgspec.structs.replace(shipped.full.labels, without_labels="warn")
    return msgspec.structs.replace(
        shipped, full=msgspec.structs.replace(shipped.full, labels=labels)
    )


def serve(
    random: np.random.Generator, course: Hours, part: Floats, burst: Floats, truth: Truth
) -> Side:
    """A model that answers a part of the traffic of each hour."""
    n = random.poisson((course.traffic * part)[:, None] / 60 * burst)
    errors = random.binomial(n, np.minimum(truth.error_rate * course.errors, 1.0)[:, None])
    law = sums.score_law(course.score)
    mean = law @ SCORE_VALUES
    variance = law @ SCORE_VALUES**2 - mean**2
    noise = random.normal(0, 1, n.shape) * np.sqrt(n * variance[:, None])
    score = n * mean[:, None] + noise
    squares = n * (variance + mean**2)[:, None]
    latency = random.multinomial(
        n.sum(axis=1), sums.latency_law(truth.p99 * np.exp(course.latency))
    )
    return Side(n, errors, score, squares, latency)


def run(task: Task) -> Run:
    """Simulate one rollout and read it every day."""
    random = np.random.default_rng([task.seed, task.run, list(HARMS).index(task.harm)])
    world = sums.service(random, *task.traffic)
    course = sums.hours(random, world, START, (BEFORE + DAYS) * 24)
    burst = np.exp(random.normal(0, 0.05, (len(course.traffic), 60)))
    first, last = course.of(0, BEFORE * 24), course.of(BEFORE * 24, len(course.traffic))
    bursts = burst[: BEFORE * 24], burst[BEFORE * 24 :]
    half, whole = np.full(BEFORE * 24, 0.5), np.ones(DAYS * 24)
    logs = {
        "champion": [
            serve(random, first, half, bursts[0], Truth()),
            serve(random, last, whole * MIRROR, bursts[1], Truth()),
        ],
        "challenger": [
            serve(random, first, half, bursts[0], Truth()),
            serve(random, last, whole, bursts[1], HARMS[task.harm]),
        ],
    }
    store = _store(random, world, logs)
    limits = rules()
    fired = _triggers(store, last, logs, random, limits) if task.closely else []
    outcomes: dict[int, str] = {}
    failed: dict[str, int] = {}
    checks: list[Check] = []
    for day in range(1, DAYS + 1) if task.closely else range(2, DAYS + 1, 2):
        material = _material(store, day, limits)
        checks = [
            *hourly_checks(material),
            *(health_checks(material) if task.closely or day == DAYS else []),
            *before(fired, STAGE + day * DAY),
            *matured_checks(material, limits.full.labels),
        ]
        outcomes[day] = decide(checks, overdue=day * 24 >= limits.full.max_hours)
        for check in checks:
            if check.outcome in ("fail", "invalid") and check.severity == "block":
                failed.setdefault(check.id, day)
    stopped = next((d for d, o in outcomes.items() if o in ("roll back", "hold")), 0)
    requests = int(logs["challenger"][1].n.sum())
    return Run(list(outcomes.values()), stopped, failed, found_in(checks), requests)


def _material(store: Tables, day: int, limits: Policy) -> Material:
    window = Window(STAGE, STAGE + day * DAY)
    profiles = store.profiles(window)
    return Material(
        ROLLOUT,
        limits,
        profiles,
        (),
        window.end,
        STAGE,
        phase="full",
        serves="challenger",
        events=EVENTS,
    )


def _joined(parts: Sequence[pa.Table], key: str) -> pa.Table:
    return pa.concat_tables(parts, promote_options="default").sort_by(key).combine_chunks()


def _store(random: np.random.Generator, world: Service, logs: Mapping[str, list[Side]]) -> Tables:
    store = Tables(START, BEFORE + DAYS)
    unit = store.columns.quantum
    mirrored = logs["champion"][1]
    n = mirrored.n.sum(axis=1)
    spread = DIFFERENCE * np.sqrt(n)
    difference = random.normal(0, 1, len(n)) * spread
    zero = np.zeros(len(n), np.int64)
    pair = {
        "n": n,
        **dict.fromkeys(PAIR_SUMS, zero),
        "difference_sum": np.rint(difference / unit).astype(np.int64),
        "difference_squares": np.rint(n * DIFFERENCE**2 / unit).astype(np.int64),
        "difference_absolute": np.rint(0.8 * DIFFERENCE * n / unit).astype(np.int64),
    }
    cells, minutes, fine = [_cells("pair", STAGE, pair)], [], []
    for model, stages in logs.items():
        for start, log in zip((START, STAGE), stages, strict=True):
            cells.append(_cells(model, start, _hourly(log, unit)))
            minutes.append(_minutes(model, start, log, unit))
            fine.append((start, model, log.latency))
    minutes.append(_minutes("pair", STAGE, mirrored, unit))
    counts = {model: [log.n.sum(axis=1) for log in stages] for model, stages in logs.items()}
    none = np.zeros(BEFORE * 24, np.int64)
    return store.with_tables(
        {
            "cells": _joined(cells, "hour"),
            "minutes": _joined(minutes, "minute"),
            "cell_buckets": _joined(list(_buckets(random, world, logs, pair, unit)), "slot"),
            "fine_hours": _joined(
                [
                    sum_tables.fine_hours(
                        start, [(model, "latency_ms", sum_tables.LATENCY_CODES, latency)]
                    )
                    for start, model, latency in fine
                ],
                "hour",
            ),
            "coverage": _joined(
                [
                    sum_tables.coverage(
                        START, counts["champion"][0], counts["challenger"][0], none
                    ),
                    sum_tables.coverage(STAGE, counts["champion"][1], counts["challenger"][1], n),
                ],
                "hour",
            ),
        }
    )


def _hourly(log: Side, unit: float) -> dict[str, Ints]:
    n = log.n.sum(axis=1)
    return {
        "n": n,
        "errors": log.errors.sum(axis=1),
        "latency_n": n,
        "nulls": np.zeros_like(n),
        "over_200ms": log.latency[:, sums.SLOWEST :].sum(axis=1),
        "score_sum": np.rint(log.score.sum(axis=1) / unit).astype(np.int64),
        "score_squares": np.rint(log.squares.sum(axis=1) / unit).astype(np.int64),
    }


def _cells(model: str, start: int, columns: Mapping[str, Ints]) -> pa.Table:
    count = len(columns["n"])
    none = pa.nulls(count, pa.string())
    keys = {"hour": start + np.arange(count) * HOUR, "model": repeat(model, count)}
    segments = dict.fromkeys(("a", "a_value", "b", "b_value"), none)
    return table("cells", {**keys, **segments, **columns})


def _minutes(model: str, start: int, log: Side, unit: float) -> pa.Table:
    n = log.n.ravel()
    return table(
        "minutes",
        {
            "minute": start + np.arange(len(n)) * MINUTE,
            "model": repeat(model, len(n)),
            "n": n,
            "errors": log.errors.ravel(),
            "latency_n": n,
            "nulls": np.zeros_like(n),
            "score_sum": np.rint(log.score.ravel() / unit).astype(np.int64),
            "score_squares": np.rint(log.squares.ravel() / unit).astype(np.int64),
        },
    )


def _buckets(
    random: np.random.Generator,
    world: Service,
    logs: Mapping[str, list[Side]],
    pair: Mapping[str, Ints],
    unit: float,
) -> list[pa.Table]:
    """Sums by bucket of users and day: each day's counts spread by the users' shares and levels."""
    level = world.bucket_share * world.bucket_level
    found = []
    sizes = {}
    for model, stages in logs.items():
        for start, log in zip((START, STAGE), stages, strict=True):
            hourly = {k: v.reshape(-1, 24).sum(axis=1) for k, v in _hourly(log, unit).items()}
            n = random.multinomial(hourly["n"], world.bucket_share)
            part = n / np.maximum(hourly["n"], 1)[:, None]
            columns = {
                "n": n,
                "latency_n": n,
                "nulls": np.zeros_like(n),
                "errors": random.multinomial(hourly["errors"], level / level.sum()),
                "over_200ms": random.multinomial(hourly["over_200ms"], level / level.sum()),
                "score_sum": np.rint(part * hourly["score_sum"][:, None]).astype(np.int64),
            }
            sizes[model] = n
            found.append(_bucket_table(model, start, columns))
    n = sizes["champion"]
    moved = random.normal(0, 1, n.shape) * DIFFERENCE * np.sqrt(n) / unit
    columns = {name: np.zeros_like(n) for name in PAIR_SUMS}
    columns |= {"n": n, "difference_sum": np.rint(moved).astype(np.int64)}
    return [*found, _bucket_table("pair", STAGE, columns)]


def _bucket_table(model: str, start: int, columns: Mapping[str, Ints]) -> pa.Table:
    days, width = columns["n"].shape
    none = pa.nulls(days * width, pa.string())
    keys = {
        "slot": np.repeat(start + np.arange(days) * DAY, width),
        "model": repeat(model, days * width),
        "a": none,
        "a_value": none,
        "bucket": np.tile(np.arange(width), days),
    }
    return table("cell_buckets", {**keys, **{k: v.ravel() for k, v in columns.items()}})


def _triggers(
    store: Tables,
    course: Hours,
    logs: Mapping[str, list[Side]],
    random: np.random.Generator,
    limits: Policy,
) -> list[Check]:
    seen = store.with_tables(
        {
            "minute_latency": sum_tables.minute_latency(
                random, course, {model: stages[1].latency for model, stages in logs.items()}
            )
        }
    )
    return trigger_checks(_material(seen, DAYS, limits), limits.full, OLD_MODEL)


def summary(runs: Sequence[Run], harm: str) -> dict[str, object]:
    """Counts of one kind of rollout."""
    return tally(runs, harm, DAYS, "days")


def as_text(results: Results) -> str:
    """The results as a page of Markdown."""
    settings = results["settings"]
    low, high = settings["traffic"]
    head = [
        "# Simulated full rollouts, read by the gate every other day",
        "",
        f"Seed {settings['seed']}. {DAYS} days, all of {low:,.0f} to {high:,.0f} requests an hour "
        f"(log-uniform; mean over the day) answered by the challenger, {MIRROR:.0%} shadowed to "
        f"the old model; {BEFORE} days of an A/B test before. True error rate 0.05 %, true P99 "
        "150 ms, unless harm is planted in the challenger from the first hour on. The shipped "
        'policy, but without labels (`without_labels = "warn"`). Every '
        f"{settings['every']}th rollout is read every day with model health and triggers, the "
        "others with model health on the last day and without triggers. Intervals are "
        "Clopper-Pearson's at 95 %.",
        "",
        "| truth | rollouts | old model may go after 14 days | stopped at some reading | stopped "
        "after days: median, 90 %, all |",
        "|---|---|---|---|---|",
    ]
    return as_page(results, head, _row, [])


def _row(harm: str, case: Results) -> str:
    days = case["days to stop"]
    when = ", ".join(f"{v:g}" for v in days.values()) if days else ""
    return (
        f"| {harm} | {case['runs']:,} | {as_percent(case['promoted in the end'])} | "
        f"{as_percent(case['stopped at some reading'])} | {when} |"
    )


SIMULATION = Simulation(
    what=__doc__ or "",
    out="full.json",
    harms=list(HARMS),
    run=run,
    task=lambda k, harm, given: Task(
        given.seed, k, harm, tuple(given.traffic), k % given.every == 0
    ),
    summary=summary,
    page=as_text,
    settings=lambda given: {"policy": rules().digest, "every": given.every},
    defaults={"traffic": (3e4, 3e5), "harmed": 100},
    options={"--every": {"type": int, "default": 25, "help": "read closely every so-manieth"}},
)

if __name__ == "__main__":
    SIMULATION.main()
