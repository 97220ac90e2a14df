"""Did a rollback trigger fire? Each rule followed over every minute of a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np

from analyzer.config import Rollout
from analyzer.diary import Event
from analyzer.logs import SIDES
from analyzer.policy import Trigger as Limits
from analyzer.profiles import Profiles
from analyzer.stats.result import Undefined
from analyzer.triggers import rules
from analyzer.triggers.expected import Past, expected
from analyzer.triggers.grid import Floats, Grid, grid_of
from analyzer.triggers.minutes import Minutes, Origin, profiled
from analyzer.triggers.notes import left_out, remarks, repeated
from analyzer.triggers.rolled_out import before
from analyzer.triggers.rules import Rule
from analyzer.triggers.states import BREACH, NAMES, OK, Run
from analyzer.window import show

Outcome = Literal["ok", "fired", "undecided"]


@dataclass(frozen=True)
class Firing:
    """Breaches in a row that were enough: the first breaching minute, the one that fired, the last;
    the worst observed value with its limit; counts: what lay behind it, first to firing minute.
    """

    first: str
    fired: str
    last: str
    worst: float
    limit: float
    counts: dict[str, int]


@dataclass(frozen=True)
class Trigger:
    """One rule over a window. minutes: how many in each state. judged: share of the traffic in
    minutes that could be judged. longest: most breaches in a row. count: in a row at the end.
    """

    name: str
    rule: str
    outcome: Outcome
    firings: list[Firing]
    minutes: dict[str, int]
    judged: float
    longest: int
    count: int
    undecided_minutes: int
    sentence: str


@dataclass(frozen=True)
class Triggers:
    """All rules over a window, whole minutes; fired if any did, else undecided if any is.

    missing: what a minute without data does; origin: where the minutes come from; notes: what could
    not be read, what was left out of the baseline, rows that repeat requests.
    """

    window: tuple[str, str]
    outcome: Outcome
    missing: str
    origin: Origin
    notes: list[str]
    triggers: list[Trigger]


def triggers(
    rollout: Rollout, profiles: Profiles, limits: Limits, events: Sequence[Event]
) -> Triggers:
    """Follow every trigger over the profiles' window. events: the diary, for the weights in force
    and for what is not usual. Raises StoreError when nothing of the window was profiled.
    """
    minutes = profiled(profiles, limits.baseline_weeks)
    found = followed(rollout, minutes, limits, events, profiles)
    return replace(found, notes=[*found.notes, *repeated(profiles)])


def followed(
    rollout: Rollout,
    minutes: Minutes,
    limits: Limits,
    events: Sequence[Event],
    profiles: Profiles | Undefined,
) -> Triggers:
    """Follow every trigger over some minutes, wherever they come from. profiles: what tells of
    days before, or why there is nothing.
    """
    grid = grid_of(minutes, limits.bucket_minutes, limits.latency_quantile)
    found = [
        _followed(rule, grid, limits)
        for rule in rules_of(rollout, grid, minutes.past, limits, events, profiles)
    ]
    outcomes = [one.outcome for one in found]
    outcome: Outcome = (
        "fired" if "fired" in outcomes else "undecided" if "undecided" in outcomes else "ok"
    )
    notes = [*remarks(minutes), *left_out(minutes, events, ZoneInfo(rollout.time.calendar))]
    return Triggers(
        (show(grid.start), show(grid.end)), outcome, limits.missing, minutes.origin, notes, found
    )


def rules_of(
    rollout: Rollout,
    grid: Grid,
    past: Past,
    limits: Limits,
    events: Sequence[Event],
    profiles: Profiles | Undefined,
) -> list[Rule]:
    """The rules with the state of every bucket of the grid. No volume is asked of a champion that
    serves all or nobody: all traffic tells the one, the gates ask after the other's mirror.
    """
    weight = weights(events, grid)
    zone = ZoneInfo(rollout.time.calendar)
    total, unknown = rules.served(grid, weight), rules.unserved(grid, weight)
    known = np.where(unknown, np.nan, total)
    due = expected(known, grid.start, grid.step, past, events, zone, limits.baseline_weeks)
    parts = rules.shares(weight, rollout.shadow.mirror_share)
    found = [
        rules.latency(grid, limits, before(profiles, events, limits, zone, grid)),
        rules.errors(grid, limits),
        rules.volume("volume", "all traffic", total, due, unknown, limits),
    ]
    for side in SIDES:
        if side == "challenger" or not ((weight == 0).all() or (weight == 1).all()):
            name, what = f"volume of the {side}", f"the {side}'s traffic"
            gone, n = unknown | grid.unknown(side), grid.arms[side].n
            found.append(rules.volume(name, what, n, total * parts[side], gone, limits))
    return found


def weights(events: Sequence[Event], grid: Grid) -> Floats:
    """Per bucket the challenger's share of the served traffic, 0 where the diary knows of none; a
    bucket in which it changes holds the mean over its time.
    """
    weight = np.zeros(grid.points)
    edges = grid.start + grid.step * np.arange(grid.points + 1)
    for event in sorted(events, key=lambda event: event.at):
        if event.challenger_weight is not None:
            after = np.clip((edges[1:] - event.at) / grid.step, 0.0, 1.0)
            weight = weight * (1 - after) + event.challenger_weight * after
    return weight


def _followed(rule: Rule, grid: Grid, limits: Limits) -> Trigger:
    course = rule.course(limits)
    firings = [_firing(rule, run, grid) for run in course.fired]
    judged = _judged_share(rule)
    outcome: Outcome = "ok"
    if firings:
        outcome = "fired"
    elif judged is None or judged < limits.min_judged_share or course.undecided[-1:].any():
        outcome = "undecided"
    longest = max((run.breaches for run in course.runs), default=0)
    counts = np.bincount(rule.states, minlength=len(NAMES)).tolist()
    return Trigger(
        rule.name,
        rule.words,
        outcome,
        firings,
        dict(zip(NAMES, counts, strict=True)),
        judged or 0.0,
        longest,
        course.count,
        int(course.undecided.sum()),
        _sentence(rule, outcome, firings, judged, longest, limits),
    )


def _judged_share(rule: Rule) -> float | None:
    """Share of the rule's traffic that lies in minutes that were judged; None without traffic."""
    every = int(rule.n.sum())
    judged = (rule.states == OK) | (rule.states == BREACH)
    return int(rule.n[judged].sum()) / every if every else None


def _firing(rule: Rule, run: Run, grid: Grid) -> Firing:
    assert run.fired is not None
    span = slice(run.first, run.fired + 1)
    seen, limit = rule.observed[run.first : run.last + 1], rule.limit[run.first : run.last + 1]
    beyond = np.nan_to_num(np.abs(seen - limit), nan=-1.0)
    worst = int(np.argmax(beyond))
    return Firing(
        show(grid.at(run.first)),
        show(grid.at(run.fired)),
        show(grid.at(run.last)),
        float(seen[worst]),
        float(limit[worst]),
        {name: int(values[span].sum()) for name, values in rule.counts.items()},
    )


def _sentence(
    rule: Rule,
    outcome: Outcome,
    firings: Sequence[Firing],
    judged: float | None,
    longest: int,
    limits: Limits,
) -> str:
    if firings:
        first = firings[0]
        counts = ", ".join(f"{value:,} {name}" for name, value in first.counts.items())
        more = f"; fired {len(firings)} times" if len(firings) > 1 else ""
        return (
            f"fired at {first.fired} (first breach {first.first}, last {first.last}): at worst "
            f"{first.worst:.4g} {rule.unit} against {first.limit:.4g}; "
            f"until it fired: {counts}{more}"
        )
    if judged is None or (rule.note and outcome == "undecided"):
        return f"undecided: {rule.note or 'there is no traffic to judge'}"
    if outcome == "undecided":
        return (
            f"undecided: minutes with {judged:.1%} of the traffic could be judged, "
            f"{limits.min_judged_share:.0%} are needed"
            if judged < limits.min_judged_share
            else "undecided: the last minutes could not be judged"
        )
    return f"did not fire; at most {longest} minutes in a row were beyond the limit"
