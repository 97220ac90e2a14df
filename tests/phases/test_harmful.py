"""Harm in a segment: found by e-values, said for good, and never because of a user or an hour."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analyzer import policy
from analyzer.phases.gate import Material
from analyzer.phases.harmful import segment_checks
from analyzer.verdict import Check
from benchmarks.planted import canary, sums
from benchmarks.planted.canary import HOURS, STAGE, WEIGHT
from benchmarks.planted.sums import RARE, Arm, Truth

RULES = policy.load()


def arms(seed: int = 3, traffic: float = 1e6) -> dict[str, Arm]:
    random = np.random.default_rng(seed)
    world = sums.service(random, traffic, traffic + 1)
    course = sums.hours(random, world, STAGE, HOURS)
    return {
        "champion": sums.serve(random, world, course, 1 - WEIGHT, Truth()),
        "challenger": sums.serve(random, world, course, WEIGHT, Truth()),
    }


def errors_at(made: dict[str, Arm], hour: int) -> Check:
    random = np.random.default_rng(1)
    world = sums.service(random, 1e6, 1e6 + 1)
    whole = sums.hours(random, world, sums.START, canary.WEEKS * 7 * 24 + HOURS)
    material: Material = canary.material_of(canary.tables(random, whole, made), made, hour, RULES)
    return segment_checks(material, RULES.canary.segments)[0]


def failing(made: dict[str, Arm], rows: np.ndarray) -> dict[str, Arm]:
    """The challenger's errors are these more, as many as there are requests for."""
    arm = made["challenger"]
    return {**made, "challenger": replace(arm, errors=np.minimum(arm.errors + rows, arm.n))}


def test_harm_that_was_certain_stays_said_although_it_ended() -> None:
    made = arms()
    rows = np.zeros_like(made["challenger"].n)
    rows[:3, :60, RARE] = 1
    harmed = failing(made, rows)
    early, late = errors_at(harmed, 3), errors_at(harmed, HOURS)
    assert (early.outcome, late.outcome) == ("fail", "fail"), late.sentence
    assert early.segment == late.segment == "country = lu"
    assert "certainly exceeds" in late.sentence and "since 2026-01-19T0" in late.sentence
    diluted = replace(harmed["challenger"], errors=harmed["challenger"].errors.copy())
    diluted.errors[3:, :, RARE] = 0
    quiet = {**harmed, "challenger": replace(diluted, n=diluted.n * np.where(rows > 0, 1, 3))}
    check = errors_at(quiet, HOURS)
    assert check.outcome == "fail" and "no longer at the last" in check.sentence, check.sentence


def test_a_healthy_canary_fails_at_no_hour() -> None:
    for seed in range(6):
        check = errors_at(arms(seed), HOURS)  # every hourly reading is made again
        assert check.outcome == "pass", check.sentence


@pytest.mark.parametrize("what", ["a user", "an hour"])
def test_lumps_are_no_harm(what: str) -> None:
    """Forty errors of a single user, or of a single hour in a log without users' alike."""
    made = arms()
    rows = np.zeros_like(made["challenger"].n)
    if what == "a user":
        rows[:, 7, RARE] = 1
    else:
        rows[9, :14, RARE] = 1
    check = errors_at(failing(made, rows), HOURS)
    spread = np.zeros_like(rows)
    spread[np.arange(HOURS)[:, None], np.arange(HOURS)[:, None] * 9 + np.arange(2), -1] = 1
    assert check.outcome == "pass", check.sentence
    assert errors_at(failing(made, spread), HOURS).outcome == "fail"
