"""What is planted in simulated weeks, and what the triggers must make of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analyzer.triggers.states import Missing
from analyzer.window import MINUTE
from benchmarks.planted.trigger_weeks import CHANGES, World


def slow(world: World, span: slice, times: float = 3.0) -> None:
    world.arms["challenger"].latency[span] = times * world.arms["champion"].latency[span]


def fail(world: World, span: slice, share: float = 0.02, more: int = 0) -> None:
    """Errors of that share of requests, of which there are whole hundreds, and some more."""
    arm = world.arms["challenger"]
    for counts in (arm.n, arm.latency_n):
        counts[span] = np.ceil(counts[span] / 100) * 100
    arm.errors[span] = np.rint(share * arm.n[span]) + more


def scale(world: World, span: slice, by: float, sides: tuple[str, ...]) -> None:
    for side in sides:
        arm = world.arms[side]
        for counts in (arm.n, arm.errors, arm.latency_n):
            counts[span] = np.floor(counts[span] * by)
        if by == 0:
            arm.latency[span] = np.nan


def both(world: World, span: slice, by: float) -> None:
    scale(world, span, by, ("champion", "challenger"))


def silence(world: World, span: slice) -> None:
    scale(world, span, 0.0, ("challenger",))


def exactly(world: World, span: slice, fewer: int = 0) -> None:
    """Of two halves the challenger's is 30 % below its share of what is left, and some more: of
    20 requests it should log 10 and logs 7.
    """
    seven = world.arms["champion"].n[span] // 13
    for side, each in (("champion", 13), ("challenger", 7)):
        arm = world.arms[side]
        arm.n[span] = arm.latency_n[span] = each * seven - (fewer if each == 7 else 0)
        arm.errors[span] = 0


Change = Callable[[World, slice], None]


@dataclass(frozen=True)
class Plant:
    """What is planted: the trigger it is for, minutes in turn that break its rule (`+`) and that
    do not (`.` in order, `?` missing); fires: how many minutes after the first one it must,
    None if it must not; undecided: how many minutes must lose the count; where: in the week.
    """

    trigger: str
    change: Change
    course: str
    fires: int | None
    missing: Missing = "hold"
    undecided: int = 0
    where: str = "busiest minute"
    world: dict[str, Any] = field(default_factory=dict)


def _missing(course: str, **fires: int | None) -> dict[str, Plant]:
    lost = {"hold": max(0, course.count("?") - 2)}
    words = f"latency x 3, {len(course.split('?')[0])} - {course.count('?')} missing - "
    return {
        f"{words}{len(course.split('?')[-1])}; missing: {policy}": Plant(
            "latency", slow, course, at, policy, lost.get(policy, 0)
        )
        for policy, at in fires.items()
    }


STEP = 3000
BUSY = {"least": 60_000}
"""Nights of a service that is so busy can be judged."""

PLANTS: dict[str, Plant] = {
    "latency x 3, 10 minutes": Plant("latency", slow, "+" * 10, 9),
    "latency x 3, 9 minutes": Plant("latency", slow, "+" * 9, None),
    "latency x 3, 9 - ok - 9": Plant("latency", slow, "+" * 9 + "." + "+" * 9, None),
    "latency exactly x 2, 30 minutes": Plant(
        "latency", lambda w, s: slow(w, s, 2.0), "+" * 30, None
    ),
    "latency x 2.001, 10 minutes": Plant("latency", lambda w, s: slow(w, s, 2.001), "+" * 10, 9),
    "2 % errors, 5 minutes": Plant("errors", fail, "+" * 5, 4),
    "2 % errors, 4 minutes": Plant("errors", fail, "+" * 4, None),
    "errors exactly 1 %, 30 minutes": Plant(
        "errors", lambda w, s: fail(w, s, 0.01), "+" * 30, None
    ),
    "errors 1 % and one, 5 minutes": Plant("errors", lambda w, s: fail(w, s, 0.01, 1), "+" * 5, 4),
    "all traffic - 50 %, 5 minutes": Plant("volume", lambda w, s: both(w, s, 0.5), "+" * 5, 4),
    "all traffic gone, 30 minutes": Plant("volume", lambda w, s: both(w, s, 0.0), "+" * 30, 4),
    "challenger silent, 5 minutes": Plant("volume of the challenger", silence, "+" * 5, 4),
    "challenger silent, 4 minutes": Plant("volume of the challenger", silence, "+" * 4, None),
    "challenger exactly - 30 %, 30 minutes": Plant(
        "volume of the challenger", exactly, "+" * 30, None
    ),
    "challenger - 30 % and one, 5 minutes": Plant(
        "volume of the challenger", lambda w, s: exactly(w, s, 1), "+" * 5, 4
    ),
    **_missing("+" * 5 + "??" + "+" * 5, hold=11, reset=None, breach=9),
    **_missing("+" * 5 + "???" + "+" * 5, hold=None, reset=None, breach=9),
    **_missing("+" * 9 + "?", hold=None, reset=None, breach=9),
    **{
        f"{words}, clocks in {clocks}": Plant(
            trigger,
            change,
            "+" * (fires + 1),
            fires,
            where=clocks,
            world={**BUSY, "clocks": clocks},
        )
        for clocks in CHANGES
        for words, trigger, change, fires in (
            ("latency x 3, 10 minutes", "latency", slow, 9),
            ("all traffic - 50 %, 5 minutes", "volume", lambda w, s: both(w, s, 0.5), 4),
        )
    },
    "all traffic - 50 %, 5 minutes of a holiday": Plant(
        "volume",
        lambda w, s: both(w, s, 0.5),
        "+" * 5,
        4,
        where="holiday",
        world={**BUSY, "holiday": True, "clocks": "none"},
    ),
    "all traffic gone, 30 minutes of a quiet night": Plant(
        "volume",
        lambda w, s: both(w, s, 0.0),
        "+" * 30,
        None,
        undecided=30,
        where="quietest minute",
        world={"least": 60, "most": 240},
    ),
    "challenger silent after a ramp step, 5 minutes": Plant(
        "volume of the challenger",
        silence,
        "+" * 5,
        4,
        where="step",
        world={**BUSY, "weight": 0.05, "steps": ((STEP - 9.75, 0.5),)},
    ),
    "a step to 50 % that the diary does not know": Plant(
        "volume of the champion",
        lambda w, s: None,
        "+",
        4,
        where="step",
        world={**BUSY, "weight": 0.05, "steps": ((STEP, 0.5),), "told": False},
    ),
}


def place(world: World, plant: Plant) -> int:
    """The minute of the week in which a plant begins."""
    served = world.arms["champion"].n[: world.minutes // 2]
    return {
        **dict.fromkeys(CHANGES, (world.change - world.start) // MINUTE + 10),
        "holiday": world.feast + 15 * 60,
        "step": STEP,
        "busiest minute": int(np.argmax(served)),
        "quietest minute": int(np.argmin(served)),
    }[plant.where]


def planted(seed: int, what: str) -> tuple[bool, int]:
    """Whether a plant did what it must, at the very minute, and how often another trigger fired."""
    plant = PLANTS[what]
    world = World(seed, **{"weight": 0.5, "least": 2_400, **plant.world})
    at = place(world, plant)
    for minute, sign in enumerate(plant.course, at):
        span = slice(minute, minute + 1)
        if sign == "+":
            plant.change(world, span)
        elif sign == "?":
            world.lose("challenger", span)
    found = world.followed(plant.missing)
    fired = [(run.first - at, run.fired - at) for run in found[plant.trigger].fired]
    lost = int(found[plant.trigger].undecided[at : at + len(plant.course)].sum())
    must = [] if plant.fires is None else [(0, plant.fires)]
    others = sum(len(c.fired) for name, c in found.items() if name != plant.trigger)
    return fired == must and lost == plant.undecided, others
