"""Simulated canaries, read by the real gate every hour: how often is it right, and how soon?

    python -m benchmarks.planted.canary --seed 1 --runs 2000 --harmed 200 --jobs 2

Both models have the same truth (A/A): a canary should promote in the end and never be stopped. Then
harm is planted from the first hour on; the hour at which the gate rolls back stands beside the
fixed-horizon test of the same quantity. Traffic is what the gate needs: see `--traffic`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from analyzer import policy
from analyzer.config import Log, Rollout, Segments
from analyzer.diary import Event
from analyzer.measure import hourly, latency_quantile, rate
from analyzer.phases.against import units_effect
from analyzer.phases.canary import hourly_checks
from analyzer.phases.fired import trigger_checks
from analyzer.phases.gate import Material
from analyzer.policy import Policy
from analyzer.profiles import Profiles
from analyzer.stats.proportion import clopper_pearson
from analyzer.stats.result import Estimate, Result
from analyzer.verdict import Check, decide
from analyzer.window import DAY, HOUR, Window, show
from benchmarks.planted import sum_tables, sums
from benchmarks.planted.readings import (
    Results,
    Run,
    Simulation,
    as_page,
    as_percent,
    before,
    by_traffic,
    found_in,
    quantiles,
    tally,
)
from benchmarks.planted.sum_tables import Tables
from benchmarks.planted.sums import COUNTRIES, START, Arm, Hours, Truth

WEIGHT, HOURS, WEEKS = 0.01, 24, 2
SEGMENT, GROUPS = "errors x 10 in 2 % of the traffic", 5
"""The harm whose delay is told by traffic, and groups of traffic."""

HARMS: dict[str, Truth] = {
    "none": Truth(),
    "errors 0.05 % to 0.5 %": Truth(error_rate=0.005),
    "P99 150 to 225 ms": Truth(p99=225.0),
    "P99 x 2.5": Truth(p99=375.0),
    SEGMENT: Truth(rare=10.0),
}
FINDS = {
    "errors 0.05 % to 0.5 %": "infrastructure.errors",
    "P99 150 to 225 ms": "infrastructure.latency",
    "P99 x 2.5": "infrastructure.latency_ratio",
    SEGMENT: "infrastructure.segments.errors",
}
ROLLOUT = Rollout(
    name="planted",
    champion=Log(paths=["champion"]),
    challenger=Log(paths=["challenger"]),
    segments=Segments(columns=["country", "plan"]),
)
STAGE = START + WEEKS * 7 * DAY
"""When the canary begins: after a day in shadow, and weeks that say what traffic to expect."""

EVENTS = [
    Event(ts=show(STAGE - DAY), kind="phase", phase="shadow", challenger_weight=0.0),
    Event(ts=show(STAGE), kind="phase", phase="canary", challenger_weight=WEIGHT),
]


@dataclass(frozen=True)
class Task:
    """One canary to simulate."""

    seed: int
    run: int
    harm: str
    traffic: tuple[float, float]


def run(task: Task) -> Run:
    """Simulate one canary and read it every hour."""
    random = np.random.default_rng([task.seed, task.run, list(HARMS).index(task.harm)])
    world = sums.service(random, *task.traffic)
    whole = sums.hours(random, world, START, WEEKS * 7 * 24 + HOURS)
    course = whole.of(WEEKS * 7 * 24, WEEKS * 7 * 24 + HOURS)
    arms = {
        "champion": sums.serve(random, world, course, 1 - WEIGHT, Truth()),
        "challenger": sums.serve(random, world, course, WEIGHT, HARMS[task.harm]),
    }
    store = tables(random, whole, arms)
    rules = policy.load()
    fired = _triggers(random, store, course, arms, rules)
    outcomes: list[str] = []
    failed: dict[str, int] = {}
    fixed: list[bool] = []
    checks: list[Check] = []
    for hour in range(1, HOURS + 1):
        material = material_of(store, arms, hour, rules)
        checks = [*hourly_checks(material), *before(fired, STAGE + hour * HOUR)]
        outcomes.append(decide(checks, overdue=hour >= rules.canary.max_hours))
        for check in checks:
            if check.outcome in ("fail", "invalid"):
                failed.setdefault(check.id, hour)
        if task.harm != "none":
            fixed.append(_fixed(material, task.harm))
    stopped = next((h for h, o in enumerate(outcomes, 1) if o in ("roll back", "hold")), 0)
    requests = int(arms["challenger"].n.sum())
    return Run(outcomes, stopped, failed, found_in(checks), requests, fixed)


def tables(random: np.random.Generator, whole: Hours, arms: dict[str, Arm]) -> Tables:
    first = len(whole.traffic) - HOURS
    served = random.poisson(whole.traffic[:first])
    mirrored = np.zeros(first, np.int64)
    mirrored[-24:] = served[-24:]
    champion, challenger = (arms[m].n.sum(axis=(1, 2)) for m in ("champion", "challenger"))
    past = whole.of(first - 24, first)
    shadow = random.multinomial(served[-24:], sums.score_law(past.score))
    zero = np.zeros(HOURS, np.int64)
    return Tables(START, len(whole.traffic) // 24).with_tables(
        {
            "coverage": _joined(
                sum_tables.coverage(START, served, mirrored, mirrored),
                sum_tables.coverage(STAGE, champion, challenger, zero),
            ),
            "cells": sum_tables.margins(arms, STAGE),
            "fine_hours": _joined(
                sum_tables.fine_hours(
                    past.start, [("challenger", "score", sum_tables.SCORE_CODES, shadow)]
                ),
                sum_tables.fine_hours(
                    STAGE,
                    [
                        (model, column, codes, getattr(arm, cells))
                        for model, arm in arms.items()
                        for column, codes, cells in (
                            ("score", sum_tables.SCORE_CODES, "score"),
                            ("latency_ms", sum_tables.LATENCY_CODES, "latency"),
                        )
                    ],
                ),
            ),
        }
    )


def _joined(*parts: pa.Table) -> pa.Table:
    return pa.concat_tables(parts).combine_chunks()


def material_of(store: Tables, arms: dict[str, Arm], hour: int, rules: Policy) -> Material:
    """What the gate sees after so many hours: user buckets of those hours only."""
    seen = store.with_tables({"cell_buckets": sum_tables.buckets(arms, hour, STAGE)})
    window = Window(STAGE, STAGE + hour * HOUR)
    return Material(
        ROLLOUT,
        rules,
        seen.profiles(window),
        (),
        window.end,
        STAGE,
        phase="canary",
        events=EVENTS,
    )


def _triggers(
    random: np.random.Generator, store: Tables, course: Hours, arms: dict[str, Arm], rules: Policy
) -> list[Check]:
    """The trigger checks of the whole day: a trigger that fires knows nothing of later minutes."""
    seen = store.with_tables(sum_tables.minutes(random, course, arms))
    window = Window(STAGE, STAGE + HOURS * HOUR)
    material = Material(
        ROLLOUT,
        rules,
        seen.profiles(window),
        (),
        window.end,
        STAGE,
        phase="canary",
        events=EVENTS,
    )
    return trigger_checks(material, rules.canary)


def _fixed(material: Material, harm: str) -> bool:
    """Whether an interval that may be read once shows the harm."""
    rules, profiles = material.limits, material.profiles
    if harm == "P99 x 2.5":
        low, high = (
            _percentile(profiles, side, rules.latency_quantile)
            for side in ("challenger", "champion")
        )
        if not isinstance(low, Estimate) or not isinstance(high, Estimate):
            return False
        return low.low > material.policy.canary.max_latency_ratio * high.high
    if harm == SEGMENT:
        return _fixed_segment(material)
    errors = harm.startswith("errors")
    names = ("errors", "n") if errors else ("over_200ms", "latency_n")
    limit = rules.max_error_rate if errors else 1 - rules.latency_quantile
    found = rate(profiles, "challenger", *names, always_valid=False)
    return isinstance(found.result, Estimate) and found.result.low > limit


def _percentile(profiles: Profiles, side: str, q: float) -> Result:
    effect = units_effect(profiles, side, 1 - q)
    return latency_quantile(profiles, side, q, deff=effect, confidence=0.975)


def _fixed_segment(material: Material) -> bool:
    """Clopper-Pearson of the planted segment, corrected for the tests, above the champion's rate
    (taken as known) by more than the margin.
    """
    harm = material.policy.canary.segments
    (k0, n0), (k, n) = (_rare(material.profiles, side) for side in ("champion", "challenger"))
    tests = 2 * (len(COUNTRIES) * 3 + 2)
    found = clopper_pearson(k, n, 1 - 2 * harm.q / tests)
    if not isinstance(found, Estimate) or not n0:
        return False
    return found.low > k0 / n0 + harm.max_error_excess


def _rare(profiles: Profiles, side: str) -> tuple[int, int]:
    found = hourly(profiles, side, "country", "lu")
    return found.total("errors"), found.total("n")


def summary(runs: Sequence[Run], harm: str) -> dict[str, object]:
    """Counts of one kind of canary, and the fixed-horizon test beside the gate."""
    found = tally(runs, harm, HOURS, "hours")
    if harm == "none":
        return found
    name = FINDS[harm]
    by_hour = range(1, HOURS + 1)
    if harm == SEGMENT:
        found["by traffic"] = by_traffic(runs, name, COUNTRIES["lu"], GROUPS)
    return found | {
        f"hours to {name}": quantiles([r.failed[name] for r in runs if name in r.failed]),
        "fixed-horizon power by hour": [
            round(sum(r.fixed[hour - 1] for r in runs) / len(runs), 3) for hour in by_hour
        ],
        "always-valid, found by hour": [
            round(sum(0 < r.failed.get(name, 0) <= hour for r in runs) / len(runs), 3)
            for hour in by_hour
        ],
    }


def as_text(results: Results) -> str:
    """The results as a page of Markdown."""
    settings, cases = results["settings"], results["cases"]
    low, high = settings["traffic"]
    head = [
        "# Simulated canaries, read by the gate every hour",
        "",
        f"Seed {settings['seed']}. {HOURS} hours at {WEIGHT:.0%} of {low:,.0f} to {high:,.0f} "
        "requests an hour in all (log-uniform; mean over the day). True error rate 0.05 %, true "
        "P99 150 ms, unless harm is planted in the challenger from the first hour on. Levels of "
        "hours and users vary. The shipped policy. Intervals are Clopper-Pearson's at 95 %.",
        "",
        "| truth | canaries | promote in the end | stopped at some reading | roll back after h: "
        "median, 90 %, all | fixed horizon: found at the median, 90 % and last of these h |",
        "|---|---|---|---|---|---|",
    ]
    more = []
    none = cases.get("none", {}).get("hours to promote")
    if none:
        more += [
            "",
            f"A healthy canary promotes first after {none['0.5']:g} h in the median, "
            f"{none['0.9']:g} h in 90 % of those that do.",
        ]
    more += _by_traffic(cases.get(SEGMENT, {}).get("by traffic", []))
    more += [
        "",
        "The fixed-horizon test is an oracle: it is read once, at an hour planned before (every "
        "hour it would err more often than it says), and knows which segment is harmed, though "
        "it pays for the number of them. The gate is read every hour and knows nothing. The share "
        "that it has found by an hour stands beside the oracle's for every hour in the JSON file "
        "of this page.",
    ]
    return as_page(results, head, _row, more)


def _by_traffic(groups: Sequence[Results]) -> list[str]:
    """How soon a harmed segment is found, by the requests that it brings."""
    if not groups:
        return []
    head = [
        "",
        f"{SEGMENT}, by how many requests of the segment the challenger answered in {HOURS} h:",
        "",
        "| requests of the segment | canaries | found | after h: median, 90 %, all | "
        f"fixed horizon at {HOURS} h |",
        "|---|---|---|---|---|",
    ]
    for group in groups:
        low, high = group["harmed requests"]
        when = ", ".join(f"{v:g}" for v in (group["readings"] or {}).values())
        head.append(
            f"| {low:,} to {high:,} | {group['runs']} | {group['found']} | {when} | "
            f"{group['fixed horizon']} |"
        )
    return head


def _row(harm: str, case: Results) -> str:
    hours = case["hours to stop"]
    power = case.get("fixed-horizon power by hour")
    when = ", ".join(f"{v:g}" for v in hours.values()) if hours else ""
    fixed = (
        ", ".join(f"{power[int(h) - 1]:.1%}" for h in [*hours.values()][:-1]) + f", {power[-1]:.1%}"
        if hours and power
        else ""
    )
    return (
        f"| {harm} | {case['runs']:,} | {as_percent(case['promoted in the end'])} | "
        f"{as_percent(case['stopped at some reading'])} | {when} | {fixed} |"
    )


SIMULATION = Simulation(
    what=__doc__ or "",
    out="canary.json",
    harms=list(HARMS),
    run=run,
    task=lambda k, harm, given: Task(given.seed, k, harm, tuple(given.traffic)),
    summary=summary,
    page=as_text,
    settings=lambda given: {"policy": policy.load().digest},
    defaults={"traffic": (3e5, 4e6)},
)

if __name__ == "__main__":
    SIMULATION.main()
