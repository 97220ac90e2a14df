"""What each day would have found is what the plan said; stops are told as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiment.outcomes import FIRST_DAY, START, events, rollout_of

from analyzer import config, policy
from analyzer.experiment.known import known
from analyzer.experiment.looks import Look, looks, stops
from analyzer.experiment.plan import plan
from analyzer.experiment.readings import Errors
from analyzer.experiment.registration import Registration
from analyzer.experiment.update import update
from analyzer.stats.result import Estimate, Result, Undefined
from analyzer.window import date

DAYS = 5
LIMITS = policy.load().experiment


def test_the_power_reached_is_the_power_planned(tmp_path: Path) -> None:
    """Planned from the very users of an A/A test, its last day finds what the plan says."""
    rollout = config.load(rollout_of(tmp_path, events(units=6000, days=DAYS, seed=11)))
    update(rollout)
    whole = known(rollout)
    planned = dict(plan(whole, LIMITS).detectable)[DAYS]
    units = sum(whole.units().values())
    promised = Registration(
        rollout="shop", primary="revenue", design="", weight=0.5, weight_reason="",
        min_effect=planned, alpha=0.05, power=LIMITS.power,
        sequence_alpha=LIMITS.sequence_alpha, final_alpha=LIMITS.final_alpha, n_star=int(units),
        start=f"{START:%Y-%m-%d}", end=date(FIRST_DAY + DAYS),
    )  # fmt: skip
    errors = Errors(units, LIMITS.sequence_alpha, LIMITS.final_alpha, False)
    found = looks(whole.exposed_in(FIRST_DAY, FIRST_DAY + DAYS), promised, errors)
    assert [look.day for look in found] == [date(FIRST_DAY + 1 + day) for day in range(DAYS)]
    last = found[-1]
    assert isinstance(last.detectable, Estimate) and isinstance(last.power, Estimate)
    assert last.detectable.value == pytest.approx(planned, rel=0.02)
    assert last.power.value == pytest.approx(LIMITS.power, abs=0.02)
    powers = [look.power.value for look in found if isinstance(look.power, Estimate)]
    assert powers == sorted(powers)


def look(day: int, lift: Result, naive: Result) -> Look:
    nothing = Undefined("not asked")
    return Look(date(FIRST_DAY + day), 100.0 * day, lift, naive, nothing, nothing)


def test_a_stop_on_chance_is_told_as_one() -> None:
    def around(value: float, half: float) -> Estimate:
        return Estimate(value, value - half, value + half, 100, "made up")

    naive = [around(0.1, 0.2), around(0.3, 0.2), around(0.1, 0.2), around(-0.3, 0.2)]
    sure = [Undefined("too few"), around(0.3, 0.4), around(0.1, 0.2), around(0.1, 0.2)]
    found = [look(day, *both) for day, both in enumerate(zip(sure, naive, strict=True), 1)]
    always, naively = stops(found)
    assert (always.day, always.back) == (None, 0)
    assert isinstance(always.lift, Undefined)
    assert (naively.day, naively.units, naively.back) == (date(FIRST_DAY + 2), 200.0, 1)
    assert naively.lift == naive[1]
    assert [stop.day for stop in stops([])] == [None, None]
