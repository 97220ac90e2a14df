"""The three rules, minute by minute: which minutes break them, and which cannot be judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.logs import SIDES, Side
from analyzer.policy import Trigger as Limits
from analyzer.triggers.grid import Floats, Grid
from analyzer.triggers.rolled_out import Before
from analyzer.triggers.states import BREACH, LOW_N, MISSING, OK, Course, States, follow
from analyzer.verdict import holds

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule on a grid. observed, limit: per bucket, NaN where not known. counts: whole numbers
    per bucket behind it. n: requests that the rule looks at. unit: of observed and limit.
    unlimited: buckets whose requests are known but not what to hold them against. note: why
    nothing could be judged, where that is known.
    """

    name: str
    words: str
    minutes: int
    states: States
    observed: Floats
    limit: Floats
    unit: str
    counts: dict[str, NDArray[np.int64]]
    n: NDArray[np.int64]
    unlimited: Bools
    note: str = ""

    def course(self, limits: Limits) -> Course:
        """The course over the buckets. What a bucket without data does is a matter of policy; one
        without a limit always holds the count: a log too young to compare is no breach.
        """
        states = np.where(self.unlimited, LOW_N, self.states).astype(np.int8)
        needed = -(-self.minutes // limits.bucket_minutes)
        return follow(states, needed, limits.missing, limits.held_minutes)


def latency(grid: Grid, limits: Limits, before: Before | None = None) -> Rule:
    """The challenger's percentile against a multiple of the champion's, milliseconds: in the same
    bucket or, in the full rollout, of what it took `before`.
    """
    arm, champion = grid.arms["challenger"], grid.arms["champion"]
    usual, behind = champion.latency, champion.latency_n
    unknown, whose, note = grid.unknown("champion"), "champion's", ""
    counts = {"challenger": arm.latency_n, "champion": behind}
    if before is not None:
        usual = np.where(before.full, before.latency, usual)
        behind = np.where(before.full, before.n, behind)
        unknown, whose, note = unknown & ~before.full, before.whose, before.note
        counts["champion"] = np.where(before.full, 0, champion.latency_n)
        if before.full.all():
            del counts["champion"]
    limit = limits.latency_factor * usual
    states = _judged(arm.latency, limit)
    fewest = np.minimum(arm.latency_n, behind)
    states[fewest < limits.min_requests] = LOW_N
    states[(fewest == 0) | grid.unknown("challenger") | unknown] = MISSING
    unlimited = np.zeros(grid.points, dtype=bool)
    if before is not None:
        unlimited = before.full & (before.n == 0) & ~grid.unknown("challenger")
    return Rule(
        "latency",
        f"challenger P{limits.latency_quantile * 100:g} > {limits.latency_factor:g} x {whose} "
        f"for {limits.latency_minutes} minutes in a row",
        limits.latency_minutes,
        states,
        arm.latency,
        limit,
        "ms",
        counts,
        arm.latency_n,
        unlimited,
        note,
    )


def errors(grid: Grid, limits: Limits) -> Rule:
    """The share of the challenger's requests that failed."""
    arm = grid.arms["challenger"]
    rate = np.divide(arm.errors, arm.n, out=np.full(len(arm.n), np.nan), where=arm.n > 0)
    limit = np.full(len(arm.n), limits.max_error_rate)
    states = _judged(rate, limit)
    states[(arm.n > 0) & (arm.n < limits.min_requests)] = LOW_N
    said = arm.n if arm.error_n is None else arm.error_n
    states[grid.unknown("challenger") | (said == 0)] = MISSING
    return Rule(
        "errors",
        f"challenger error rate > {limits.max_error_rate:.2%} for {limits.error_minutes} minutes "
        "in a row",
        limits.error_minutes,
        states,
        rate,
        limit,
        "share",
        {"errors": arm.errors, "requests": arm.n},
        arm.n,
        np.zeros(grid.points, dtype=bool),
        "" if said.any() or not arm.n.any() else "the challenger's log says nothing of errors",
    )


def volume(
    name: str, what: str, n: NDArray[np.int64], due: Floats, unknown: Bools, limits: Limits
) -> Rule:
    """Requests against what is expected: a bucket in which none came holds 0 of them.

    n: requests per bucket; due: how many were expected, NaN where that is not known; unknown:
    where n is not.
    """
    floor = (1 - limits.max_volume_drop) * due
    states = np.full(len(n), MISSING, dtype=np.int8)
    known = ~(np.isnan(due) | unknown)
    states[known] = np.where(holds(n[known], ">=", floor[known]), OK, BREACH)
    states[known & (due < limits.min_expected)] = LOW_N
    whole = np.where(known, np.rint(np.nan_to_num(due)), 0).astype(np.int64)
    return Rule(
        name,
        f"{what} > {limits.max_volume_drop:.0%} below expected for {limits.volume_minutes} "
        "minutes in a row",
        limits.volume_minutes,
        states,
        n.astype(np.float64),
        floor,
        "requests",
        {"requests": n, "expected": whole},
        np.maximum(n, whole),
        np.isnan(due) & ~unknown,
        "" if known.any() else "no earlier week says what to expect of these hours",
    )


def shares(weight: Floats, mirror_share: float) -> dict[Side, Floats]:
    """What part of the served traffic each arm should log, per bucket.

    weight: the challenger's share of the traffic. Without any the champion serves all and the
    challenger sees mirror_share of it.
    """
    mirrored = weight == 0
    return {
        "champion": np.where(mirrored, 1.0, 1.0 - weight),
        "challenger": np.where(mirrored, mirror_share, weight),
    }


def served(grid: Grid, weight: Floats) -> NDArray[np.int64]:
    """Requests answered to users per bucket; what the other model was only shown is none."""
    champion, challenger = (grid.arms[side].n for side in SIDES)
    return np.where(weight < 1, champion, 0) + np.where(weight > 0, challenger, 0)


def unserved(grid: Grid, weight: Floats) -> Bools:
    """Buckets whose requests are not known in full."""
    return (grid.unknown("champion") & (weight < 1)) | (grid.unknown("challenger") & (weight > 0))


def _judged(observed: Floats, limit: Floats) -> States:
    """OK or BREACH where both are known; exactly at the limit is no breach."""
    states = np.full(len(observed), MISSING, dtype=np.int8)
    known = ~(np.isnan(observed) | np.isnan(limit))
    states[known] = np.where(holds(observed[known], "<=", limit[known]), OK, BREACH)
    return states
