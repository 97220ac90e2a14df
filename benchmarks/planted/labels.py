"""Planted worlds of late labels: is the right model named, how early, does the interval hold?

    python -m benchmarks.planted.labels --seed 1 --runs 10 --date 2026-01-01

`--runs` worlds of each of 60 kinds (delays x kind of labels x how the challenger is worse x
independent rows or users), and as many A/A worlds beside them, in which neither model is better.
Every answer comes from `analyzer.labels.compare`, night after night until 0.9 of the labels have
arrived. All worlds are judged on the Brier score.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy

from analyzer import __version__
from analyzer.labels.compare import compare
from analyzer.labels.comparison import Comparison, Question
from analyzer.labels.pair_metrics import PROBABILITY
from analyzer.stats.maturity import READY, REFUSED
from analyzer.stats.proportion import clopper_pearson
from analyzer.stats.result import Estimate
from benchmarks.planted.late import (
    ARRIVALS,
    CUT,
    DAYS,
    DELAYS,
    FIRST,
    HISTORY,
    MOVED,
    Rows,
    World,
    final,
    known,
    law,
    naive,
    rows,
    truth,
)

RESULTS = Path(__file__).parent / "results"
NIGHTS = (HISTORY + 2, *(DAYS + after for after in (2, 4, 7, 11, 16, 22, 29, 36)))
"""As-of days: two days into the window (too early), then after its end."""

Figure = dict[str, float]

NAIVE_NIGHT = DAYS + 3
NOTICED_WITHIN = 14
"""Days within which a slowdown is to be noticed."""


@dataclass(frozen=True)
class Night:
    """What was said on one night of one world."""

    as_of: int
    complete: float
    said: Estimate | None
    settles: Estimate | None
    better: str
    alarmed: bool


@dataclass(frozen=True)
class Story:
    """One world, its truth and its nights."""

    world: World
    truth: float
    final: float
    nights: tuple[Night, ...]
    naive: dict[str, float]
    noticed: bool
    same_again: bool
    too_young: int

    @property
    def right(self) -> str:
        """The model that is truly better."""
        if self.world.worse == "equal":
            return "neither"
        return "champion" if self.truth > 0 else "challenger"

    @property
    def before(self) -> list[Night]:
        """Nights before 0.9 of the labels have arrived."""
        return [night for night in self.nights if night.complete < READY]

    @property
    def named(self) -> list[str]:
        """Models that were named better on any night."""
        return [night.better for night in self.nights if night.better != "undecided"]


def question(world: World) -> Question:
    """Which model is better on the window's days?"""
    return Question(world.arrival, FIRST + HISTORY, FIRST + DAYS, metrics=PROBABILITY[:1])


def story(world: World, strata: bool = True) -> Story:
    """Live through one world, with completeness by stratum (where it has any) or without."""
    drawn = rows(world)
    nights, found = [], []
    for as_of in NIGHTS:
        then = known(world, drawn, as_of)
        answer = compare(then if strata else replace(then, strata={}), question(world))
        found.append(answer)
        nights.append(_night(as_of, answer))
        if nights[-1].complete >= READY:
            break
    later = known(world, drawn, NIGHTS[-1]).at(FIRST + nights[1].as_of)
    later = later if strata else replace(later, strata={})
    return Story(
        world,
        truth(world),
        final(world, drawn),
        tuple(nights),
        naive(world, drawn, NAIVE_NIGHT),
        _noticed(world, drawn) if world.delays == "slower" else False,
        compare(later, question(world)) == found[1],
        sum(min(c.completeness.values(), default=1.0) < REFUSED for c in found if c.metrics),
    )


def _night(as_of: int, answer: Comparison) -> Night:
    if not answer.metrics:
        return Night(as_of, 0.0, None, None, "undecided", bool(answer.alarms))
    complete = min(answer.completeness.values()) if len(answer.days) == answer.asked else 0.0
    one = answer.metrics[0]
    said, settles = (x if isinstance(x, Estimate) else None for x in (one.difference, one.final))
    return Night(as_of, complete, said, settles, one.better, bool(answer.alarms))


def _noticed(world: World, drawn: Rows) -> bool:
    """Whether an alarm was raised on any of the nights 8 to 14 days after labels slowed down (or
    the base rate moved).
    """
    since = law(world).slow_from
    asked = replace(question(world), metrics=())
    return any(
        compare(known(world, drawn, since + day), asked).alarms
        for day in range(8, NOTICED_WITHIN + 1, 3)
    )


def moved(seed: int, runs: int) -> dict[str, Figure]:
    """How often an alarm is raised where labels are as fast as ever and the base rate moved."""
    found: dict[str, list[bool]] = {}
    for kind in ARRIVALS:
        for delays in MOVED:
            for clustered in (False, True):
                for run in range(runs):
                    world = World(seed * 1000 + run, delays, kind, "under", clustered)
                    at = f"base rate moved, labels {kind}: an alarm within {NOTICED_WITHIN} days"
                    found.setdefault(at, []).append(_noticed(world, rows(world)))
    return {name: share(hits) for name, hits in found.items()}


def by_segment(seed: int, runs: int) -> dict[str, dict[str, Figure]]:
    """Worlds whose segments differ in speed and in which model is better: what strata do."""
    tables = {}
    for strata, said in ((True, "with a stratum"), (False, "without one")):
        told = [
            story(World(seed * 1000 + run, CUT, kind, worse, clustered), strata)
            for kind in ARRIVALS[:2]
            for worse in ("under", "over")
            for clustered in (False, True)
            for run in range(runs)
        ]
        tables[f"a segment with slow labels, {said}"] = summary(told)
    return tables


def worlds(seed: int, runs: int, equal: bool = False) -> Iterable[World]:
    """All kinds of worlds, `runs` of each."""
    for delays in DELAYS:
        for kind in ARRIVALS:
            for worse in ("equal",) if equal else ("under", "over"):
                for clustered in (False, True):
                    for run in range(runs):
                        yield World(seed * 1000 + run, delays, kind, worse, clustered)


def share(hits: Sequence[bool]) -> Figure:
    """A share in percent with its interval (Clopper-Pearson, as if independent) and n."""
    found = clopper_pearson(sum(hits), len(hits))
    if not isinstance(found, Estimate):
        return {"n": 0}
    values = (found.value, found.low, found.high)
    return {"n": len(hits), **dict(zip(("share", "low", "high"), values, strict=True))}


def summary(stories: Sequence[Story]) -> dict[str, Figure]:
    """The figures of a set of worlds in which one model is better."""
    before = [(s, n) for s in stories for n in s.before]
    answered = [(s, n) for s, n in before if n.said is not None]
    return {
        "wrong model named on any night": share(
            [any(x != s.right for x in s.named) for s in stories]
        ),
        "right model named before F = 0.9": share(
            [any(n.better == s.right for n in s.before) for s in stories]
        ),
        "90 % interval held the truth of such traffic": share(
            [_holds(n.said, s.truth) for s, n in answered]
        ),
        "90 % interval held these rows' final value": share(
            [_holds(n.settles, s.final) for s, n in answered if n.complete > 0]
        ),
        "refused two days into the window": share([s.nights[0].said is None for s in stories]),
        "answers with a day below F = 0.3": share([s.too_young > 0 for s in stories]),
        "same answer again as of a past night": share([s.same_again for s in stories]),
    }


def _holds(found: Estimate | None, value: float) -> bool:
    return found is not None and found.low <= value <= found.high


def naive_wrong(stories: Sequence[Story]) -> dict[str, Figure]:
    """How often each simple estimator names the wrong model, three days after the window."""
    return {
        name: share([(s.naive[name] > 0) != (s.truth > 0) for s in stories if s.naive[name] != 0])
        for name in (stories[0].naive if stories else ())
    }


def figures(stories: Sequence[Story], equal: Sequence[Story]) -> dict[str, dict[str, Figure]]:
    """All tables."""
    steady = [s for s in stories if s.world.delays != "slower"]
    slower = [s for s in stories if s.world.delays == "slower"]
    tables = {"all worlds": summary(stories), "steady delays": summary(steady)}
    groups: list[tuple[str, Callable[[World], bool]]] = [
        *((f"delays {d}", lambda w, d=d: w.delays == d) for d in DELAYS),
        *((f"labels {k}", lambda w, k=k: w.arrival == k) for k in ARRIVALS),
        ("users", lambda w: w.clustered),
        ("independent rows", lambda w: not w.clustered),
    ]
    for name, chosen in groups:
        tables[name] = summary([s for s in stories if chosen(s.world)])
    for kind in ARRIVALS:
        for worse in ("under", "over"):
            mine = [s for s in stories if (s.world.arrival, s.world.worse) == (kind, worse)]
            tables[f"naive estimators wrong: labels {kind}, {worse}-prediction"] = naive_wrong(mine)
    tables["slowdown"] = {
        f"noticed within {NOTICED_WITHIN} days": share([s.noticed for s in slower]),
        "steady worlds with an alarm on any night": share(
            [any(n.alarmed for n in s.nights) for s in steady]
        ),
        "steady nights with an alarm": share([n.alarmed for s in steady for n in s.nights]),
    }
    tables["neither model is better"] = {
        "a model named on any night": share([bool(s.named) for s in equal]),
        "90 % interval held 0": share(
            [_holds(n.said, 0.0) for s in equal for n in s.before if n.said is not None]
        ),
    }
    return tables


TARGETS = {
    "wrong model named on any night": lambda x: x <= 0.02,
    "right model named before F = 0.9": lambda x: x >= 0.8,
    "90 % interval held the truth of such traffic": lambda x: 0.85 <= x <= 0.95,
    "90 % interval held these rows' final value": lambda x: 0.85 <= x <= 0.95,
    "refused two days into the window": lambda x: x == 1,
    "answers with a day below F = 0.3": lambda x: x == 0,
    "same answer again as of a past night": lambda x: x == 1,
    f"noticed within {NOTICED_WITHIN} days": lambda x: x >= 0.9,
}
"""What is to be reached, in all worlds together."""

JUDGED = {
    "all worlds": TARGETS,
    "slowdown": TARGETS,
    "a segment with slow labels, with a stratum": {  # the models are too close to ask how soon
        what: goal for what, goal in TARGETS.items() if not what.startswith("right")
    },
}


def as_text(results: dict[str, object]) -> str:
    """The results for people."""
    settings, tables = results["settings"], results["tables"]
    assert isinstance(settings, dict)
    assert isinstance(tables, dict)
    lines = [
        "# Planted late labels",
        "",
        f"Seed {settings['seed']}, {settings['worlds']} worlds and {settings['equal']} A/A ones, "
        f"{settings['date']}. A world: 60 days of history, a window of 10 days, 1,000 to 2,500 "
        "pairs a day, base rate about 6 to 13 %, Brier score; a model is named at 99 %, read "
        "again every few nights until 0.9 of the labels have arrived. Intervals beside shares are "
        "Clopper-Pearson's at 95 %, as if nights were independent.",
    ]
    for title, table in tables.items():
        lines += ["", f"## {title[0].upper()}{title[1:]}", "", "| what | share | interval | n |"]
        lines.append("|---|---|---|---|")
        for what, found in table.items():
            if not found["n"]:
                continue
            goal = JUDGED.get(title, {}).get(what)
            mark = "" if goal is None else " (met)" if goal(found["share"]) else " (MISSED)"
            lines.append(
                f"| {what} | {found['share']:.1%}{mark} | {found['low']:.1%} to "
                f"{found['high']:.1%} | {found['n']:,} |"
            )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all worlds and write results/labels.json and .md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--equal-runs", type=int, default=4)
    parser.add_argument("--date", required=True)
    parser.add_argument("--out", type=Path, default=RESULTS / "labels.json")
    given = parser.parse_args(arguments)
    stories = [story(world) for world in _told(worlds(given.seed, given.runs))]
    equal = [story(world) for world in _told(worlds(given.seed, given.equal_runs, equal=True))]
    tables = figures(stories, equal)
    tables["slowdown"] |= moved(given.seed, given.equal_runs)
    tables |= by_segment(given.seed, given.runs)
    settings = {
        "seed": given.seed,
        "worlds": len(stories),
        "equal": len(equal),
        "date": given.date,
        "versions": {
            "analyzer": __version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "scipy": scipy.__version__,
        },
    }
    results: dict[str, object] = {"settings": settings, "tables": tables}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    given.out.with_suffix(".md").write_text(as_text(results), encoding="utf-8")
    print(as_text(results))


def _told(all_worlds: Iterable[World]) -> Iterable[World]:
    for number, world in enumerate(all_worlds):
        if number % 20 == 0:
            print(number, world, flush=True)
        yield world


if __name__ == "__main__":
    main()
