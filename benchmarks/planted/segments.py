"""Planted segments and whether the search finds them again: suites A, B, C, and repeatability.

    python -m benchmarks.planted.segments --seed 1 --incidents 20 --nulls 10 --date 2026-11-22

A: independent pairs, heavy tails. B: users who return. C: hard cases. H: rows shuffled, 1 and 8
threads. `--noise`, `--popularity`, `--correlated` and `--events-vary` make variants.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import scipy

from analyzer import __version__
from analyzer.segments.finding import Found, Predicate, Segment, shown
from analyzer.segments.search import search, search_pairs
from analyzer.segments.settings import Settings
from analyzer.segments.table import Dimension, Outcome, Table
from benchmarks.planted.hard import CASES, Case, case
from benchmarks.planted.worlds import (
    NOISES,
    POPULARITIES,
    Bools,
    Plant,
    World,
    clustered,
    incident,
    rows_of,
)

RESULTS = Path(__file__).parent / "results"
NULLS_FROM = 1_000_000
SAME = 0.5
"""A found segment is the planted one when they share more than half of the rows of both."""


@dataclass
class Tally:
    """Planted and found segments over several incidents."""

    incidents: int = 0
    planted: int = 0
    found: int = 0
    right: int = 0
    exact: int = 0

    @property
    def shares(self) -> dict[str, float]:
        """Recall, precision, and the share of planted segments named exactly."""
        return {
            "recall": self.right / max(self.planted, 1),
            "precision": self.right / self.found if self.found else 1.0,
            "exact": self.exact / max(self.planted, 1),
        }


def rows_found(dimensions: Sequence[Dimension], segment: Segment, table: Table) -> Bools:
    """Rows that a found segment stands for."""
    held = rows_of(dimensions, segment.where)
    if segment.hours is not None and table.hour is not None:
        held &= (table.hour >= segment.hours[0]) & (table.hour < segment.hours[1])
    return held


def overlap(one: Bools, other: Bools) -> float:
    """Common rows over the rows of either (Jaccard)."""
    return float(np.count_nonzero(one & other) / np.count_nonzero(one | other))


def add(tally: Tally, world: World, segments: Iterable[Segment]) -> list[str]:
    """Count one incident; returns what went wrong in words."""
    wrong, left = [], list(world.plants)
    tally.incidents += 1
    tally.planted += len(world.plants)
    for segment in segments:
        tally.found += 1
        held = rows_found(world.table.dimensions, segment, world.table)
        best = max(left, key=lambda plant: overlap(held, plant.rows), default=None)
        if best is None or overlap(held, best.rows) <= SAME:
            wrong.append(f"false: {shown(segment.where, segment.hours)} z {segment.z:.1f}")
            continue
        left.remove(best)
        tally.right += 1
        names = {frozenset(where) for where in (segment.where, *segment.aliases)}
        exact = frozenset(best.where) in names or _same(world, segment, best)
        tally.exact += exact
        if not exact:
            wrong.append(f"inexact: {shown(segment.where)} for {shown(best.where)} z {best.z:.1f}")
    wrong += [f"missed: {shown(plant.where, plant.hours)} z {plant.z:.1f}" for plant in left]
    return wrong


def _same(world: World, segment: Segment, plant: Plant) -> bool:
    """The same rows, named through an alias."""
    return bool(np.array_equal(rows_of(world.table.dimensions, segment.where), plant.rows))


def suite(
    make: Callable[[int, int], World], seed: int, incidents: int, nulls: int, settings: Settings
) -> dict[str, object]:
    """Incidents with three planted segments each, and nulls with none."""
    tally, null, wrong = Tally(), Tally(), {}
    for k in range(incidents):
        world = make(seed + k, 3)
        problems = add(tally, world, search(world.table, world.outcome, settings).segments)
        if problems:
            wrong[str(seed + k)] = problems
    for k in range(nulls):
        world = make(seed + NULLS_FROM + k, 0)
        problems = add(null, world, search(world.table, world.outcome, settings).segments)
        if problems:
            wrong[str(seed + NULLS_FROM + k)] = problems
    shares = {name: round(value, 4) for name, value in tally.shares.items()}
    counts = {"nulls": nulls, "false_in_nulls": null.found}
    return {**asdict(tally), **shares, **counts, "wrong": wrong}


def hard(seed: int, rows: int, kind: str, settings: Settings) -> dict[str, object]:
    """Every hard case once: right means all planted found, nothing else, and no parent named."""
    cases = {}
    for name in CASES:
        found = case(name, seed, rows, kind)
        cases[name] = judge(found, search_pairs(found.world.table, found.world.outcome, settings))
    return {
        "rows": rows,
        "right": sum(c["verdict"] == "right" for c in cases.values()),
        "parents": sum(c["parents"] for c in cases.values()),
        "cases": cases,
    }


def judge(planted: Case, answers: Sequence[Found]) -> dict[str, object]:
    """What the search said about a hard case, over all outcomes."""
    world, tally, problems, parents = planted.world, Tally(), [], 0
    for answer in answers:
        if answer.outcome == planted.outcome:
            problems += add(tally, world, answer.segments)
        else:
            problems += [f"{answer.outcome}: {shown(s.where, s.hours)}" for s in answer.segments]
        parents += sum(_is_parent(s, world.plants) for s in answer.segments)
    right = not problems and not parents
    return {"verdict": "right" if right else "wrong", "parents": parents, "wrong": problems}


def _is_parent(segment: Segment, plants: Sequence[Plant]) -> bool:
    """Named with fewer conditions than a planted one, or without its hours."""
    names: list[Predicate] = [segment.where, *segment.aliases]
    return any(
        set(name) < set(plant.where)
        or (set(name) == set(plant.where) and plant.hours is not None and segment.hours is None)
        for name in names
        for plant in plants
    )


def repeat(seed: int) -> dict[str, object]:
    """Is the answer the same for shuffled rows and for 8 threads?"""
    world = clustered(seed)
    first = msgspec.json.encode(search(world.table, world.outcome, Settings(threads=1)))
    order = np.random.default_rng(seed).permutation(world.table.rows)
    table, outcome = shuffled(world.table, world.outcome, order)
    second = msgspec.json.encode(search(table, outcome, Settings(threads=8)))
    return {"bytes": len(first), "identical": first == second}


def shuffled(table: Table, outcome: Outcome, order: np.ndarray) -> tuple[Table, Outcome]:
    """The same rows in another order."""
    dimensions = tuple(replace(d, codes=d.codes[order]) for d in table.dimensions)
    extras = {k: None if v is None else v[order] for k, v in table.extras().items()}
    flips = None if outcome.flips is None else outcome.flips[order]
    moved = replace(outcome, values=outcome.values[order], flips=flips)
    return Table(dimensions, table.rows, **extras), moved


def as_text(results: dict) -> str:
    """The results as a page of Markdown."""
    settings = results["settings"]
    variant = ", ".join(f"{k} {v}" for k, v in settings["variant"].items())
    lines = [
        "# Planted segments, found again by the search",
        "",
        f"{settings['date']}. Seeds from {settings['seed']}; {variant}.",
        "",
        "| suite | incidents | planted | recall | precision | exact | nulls | false in nulls |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in ("A", "B"):
        if name in results["suites"]:
            s = results["suites"][name]
            lines.append(
                f"| {name} | {s['incidents']} | {s['planted']} | {s['recall']:.3f} | "
                f"{s['precision']:.3f} | {s['exact']:.3f} | {s['nulls']} | {s['false_in_nulls']} |"
            )
            lines += []
    if "C" in results["suites"]:
        lines += ["", "| hard case | " + " | ".join(results["suites"]["C"]) + " |"]
        lines.append("|---|" + "---|" * len(results["suites"]["C"]))
        for name in CASES:
            verdicts = [run["cases"][name]["verdict"] for run in results["suites"]["C"].values()]
            lines.append(f"| {name} | " + " | ".join(verdicts) + " |")
    if "H" in results["suites"]:
        same = results["suites"]["H"]["identical"]
        lines += [
            "",
            f"Shuffled rows and 8 threads give the same bytes: {'yes' if same else 'NO'}.",
        ]
    lines += ["", "What went wrong:", ""]
    wrong = [
        f"* {name} {seed}: {'; '.join(problems)}"
        for name in ("A", "B")
        for seed, problems in results["suites"].get(name, {}).get("wrong", {}).items()
    ]
    wrong += [
        f"* C {key}, {name}: {'; '.join(found['wrong'])}"
        for key, run in results["suites"].get("C", {}).items()
        for name, found in run["cases"].items()
        if found["wrong"]
    ]
    versions = ", ".join(f"{k} {v}" for k, v in sorted(settings["versions"].items()))
    return "\n".join([*lines, *(wrong or ["* nothing"]), "", f"{versions}.", ""])


def main() -> None:
    """Plant, search, write results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--incidents", type=int, default=20)
    parser.add_argument("--nulls", type=int, default=10)
    parser.add_argument("--hard-seeds", type=int, default=3, help="seeds of each hard case")
    parser.add_argument("--suites", nargs="+", choices="ABCH", default=list("ABCH"))
    parser.add_argument("--noise", choices=NOISES, default="t3")
    parser.add_argument("--popularity", choices=POPULARITIES, default="skewed")
    parser.add_argument("--correlated", action="store_true", help="columns that go together")
    parser.add_argument("--events-vary", action="store_true", help="B: half the columns by event")
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--date", required=True, help="written into the results")
    parser.add_argument("--out", type=Path, default=RESULTS / "segments.json")
    given = parser.parse_args()
    suites: dict[str, object] = {}
    settings = Settings()
    if "A" in given.suites:
        suites["A"] = suite(
            lambda seed, plants: incident(
                seed, given.rows, plants, given.noise, given.popularity, given.correlated
            ),
            given.seed, given.incidents, given.nulls, settings,
        )  # fmt: skip
    if "B" in given.suites:
        suites["B"] = suite(
            lambda seed, plants: clustered(
                seed, plants=plants, kind=given.noise, static=not given.events_vary
            ),
            given.seed, given.incidents, given.nulls, settings,
        )  # fmt: skip
    if "C" in given.suites:
        suites["C"] = {
            f"seed {given.seed + k}": hard(given.seed + k, given.rows, given.noise, settings)
            for k in range(given.hard_seeds)
        }
    if "H" in given.suites:
        suites["H"] = repeat(given.seed)
    variant = {k: getattr(given, k) for k in ("noise", "popularity", "correlated", "events_vary")}
    results = {
        "settings": {
            "date": given.date,
            "seed": given.seed,
            "variant": {**variant, "rows": given.rows},
            "versions": {
                "analyzer": __version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
                "scipy": scipy.__version__,
            },
        },
        "suites": suites,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    text = as_text(results)
    given.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
