"""The simulated canaries and rollouts: their sums are what a scan counts, and harm is found."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from logbook import INSTANT, Book

from analyzer import ids, policy
from analyzer.ids import BUCKETS
from analyzer.phases.canary import hourly_checks
from analyzer.phases.gate import Material
from analyzer.window import HOUR, Window
from benchmarks.planted import canary, full, sum_tables, sums
from benchmarks.planted.canary import EVENTS, FINDS, HARMS, HOURS, STAGE, WEIGHT, Task
from benchmarks.planted.sums import SEGMENTS, Arm, Truth

SAME = (
    "process.sample",
    "data.sample_ratio",
    "infrastructure.latency",
    "infrastructure.latency_ratio",
    "infrastructure.errors",
    "infrastructure.segments.errors",
    "infrastructure.segments.latency",
)


def units() -> np.ndarray:
    """A user for each bucket."""
    candidates = np.arange(20_000)
    bucket = ids.buckets(pa.array(candidates))
    return np.array([candidates[bucket == b][0] for b in range(BUCKETS)])


def rows(random: np.random.Generator, arm: Arm, name: str) -> dict[str, object]:
    """A log that holds exactly these counts."""
    cells = np.indices(arm.n.shape).reshape(3, -1)
    hour, bucket, segment = (np.repeat(axis, arm.n.ravel()) for axis in cells)
    first = np.cumsum(arm.n.ravel()) - arm.n.ravel()
    place = np.arange(len(hour)) - np.repeat(first, arm.n.ravel())
    failed = place < np.repeat(arm.errors.ravel(), arm.n.ravel())
    slow = place < np.repeat(arm.slow.ravel(), arm.n.ravel())
    latency = np.empty(len(hour))
    for at in range(len(arm.n)):
        for flag, part in ((False, slice(0, sums.SLOWEST)), (True, slice(sums.SLOWEST, None))):
            values = np.repeat(sum_tables.LATENCIES[part], arm.latency[at, part])
            latency[(hour == at) & (slow == flag)] = random.permutation(values)
    ts = STAGE + hour * HOUR + random.integers(0, HOUR, len(hour))
    return {
        "request_id": [f"{name}{i}" for i in range(len(hour))],
        "ts": pa.array(ts, INSTANT),
        "unit_id": units()[bucket],
        "country": [SEGMENTS[s][0] for s in segment],
        "plan": [SEGMENTS[s][1] for s in segment],
        "score": random.uniform(0.1, 0.9, len(hour)),
        "latency_ms": latency,
        "error": failed,
    }


def test_sums_are_what_a_scan_counts(book: Book) -> None:
    random = np.random.default_rng(2)
    world = sums.service(random, 2000, 2001)
    course = sums.hours(random, world, STAGE, HOURS)
    arms = {
        "champion": sums.serve(random, world, course, 1 - WEIGHT, Truth(error_rate=0.02)),
        "challenger": sums.serve(random, world, course, 0.2, Truth(error_rate=0.05)),
    }
    for model, arm in arms.items():
        book.write(f"{model}.parquet", rows(random, arm, model))
    book.describe(segments={"columns": ["country", "plan"]})
    book.scan()
    window = Window(STAGE, STAGE + HOURS * HOUR)
    whole = sums.hours(random, world, sums.START, canary.WEEKS * 7 * 24 + HOURS)
    drawn = canary.material_of(canary.tables(random, whole, arms), arms, HOURS, policy.load())
    seen = Material(
        book.rollout,
        policy.load(),
        book.profiles.within(window),
        (),
        window.end,
        STAGE,
        phase="canary",
        events=EVENTS,
    )
    ours, theirs = ({c.id: c for c in hourly_checks(m)} for m in (drawn, seen))
    for name in SAME:
        assert ours[name] == theirs[name], name
    assert ours["infrastructure.segments.errors"].outcome == "fail"


def test_a_healthy_canary_promotes() -> None:
    run = canary.run(Task(7, 0, "none", (1e6, 2e6)))
    assert run.outcomes[-1] == "promote" and not run.stopped
    assert set(run.outcomes[:3]) == {"undecided"}  # never before four hours


@pytest.mark.parametrize("harm", [harm for harm in HARMS if harm != "none"])
def test_planted_harm_is_rolled_back(harm: str) -> None:
    run = canary.run(Task(7, 0, harm, (3e6, 4e6)))
    assert run.outcomes[-1] == "roll back" and FINDS[harm] in run.failed


def test_a_healthy_rollout_lets_the_old_model_go_after_14_days() -> None:
    run = full.run(full.Task(7, 1, "none", (3e4, 1e5), False))
    assert run.outcomes == ["undecided"] * 6 + ["promote"]
    harmed = full.run(full.Task(7, 1, "P99 150 to 225 ms", (3e4, 1e5), False))
    assert harmed.stopped == 2 and "infrastructure.latency" in harmed.failed
