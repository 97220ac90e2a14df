"""Business checks on worlds whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analyzer import policy
from analyzer.labels.business import business_checks
from benchmarks.planted.late import DAYS, FIRST, Rows, World, everything, rows

LIMITS = policy.load().business


def outcomes(world: World, drawn: Rows, as_of: int) -> dict[str, str]:
    found = business_checks(everything(world, drawn, as_of), world.arrival, LIMITS)
    assert {c.layer for c in found} == {"business"}
    assert {c.severity for c in found} == {"warn"}
    return {c.id: c.outcome for c in found}


@pytest.mark.parametrize("arrival", ["both", "positives"])
def test_a_worse_challenger_fails_and_a_steady_champion_does_not(arrival: str) -> None:
    world = World(3, "exponential", arrival, "over", False)  # type: ignore[arg-type]
    said = outcomes(world, rows(world), DAYS)
    wide = arrival == "positives"  # few of the newest days' positives are here
    assert said["business.excess_loss"] in (("fail", "undecided") if wide else ("fail",))
    assert said["business.champion_loss"] != "fail"


def test_a_champion_that_became_worse_is_seen() -> None:
    world = World(4, "exponential", "both", "over", False)
    drawn = rows(world)
    since = drawn.day >= DAYS - 8
    worse = np.where(since, np.minimum(drawn.champion + 0.25, 1), drawn.champion)
    said = outcomes(world, replace(drawn, champion=worse), DAYS)
    assert said["business.champion_loss"] == "fail"


def test_without_labels_nothing_is_decided() -> None:
    world = World(4, "exponential", "both", "over", False)
    found = business_checks(everything(world, rows(world), 1), "both", LIMITS)
    assert {c.outcome for c in found} == {"undecided"}
    assert all("cannot be said" in c.sentence for c in found)
    assert found[0].window[1].startswith(str(np.datetime64(FIRST + 1, "D")))


def test_since_the_rollout_began_there_is_one_question_for_every_night() -> None:
    world = World(3, "exponential", "both", "over", False)
    known = everything(world, rows(world), DAYS)
    week, whole, none = (
        {c.id: c for c in business_checks(known, "both", LIMITS, since=since)}
        for since in (None, FIRST + 30, FIRST + DAYS - 1)
    )
    said = whole["business.excess_loss"]
    assert said.window[0].startswith(str(np.datetime64(FIRST + 30, "D")))
    assert said.window[1] == week["business.excess_loss"].window[1]
    assert said.outcome == "fail" and "interval 99." in (said.observed.method or "")
    assert "interval 95%" in (week["business.excess_loss"].observed.method or "")
    assert {n: c for n, c in whole.items() if n != said.id} == {
        n: c for n, c in week.items() if n != said.id
    }
    assert none["business.excess_loss"].outcome == "undecided", "no day is mature yet"
