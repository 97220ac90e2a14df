"""Planted feature drift around an onset: are the right features named, in the right order?

    python -m benchmarks.planted.precursors --seed 1 --runs 10 --date 2025-03-03

Six clean weeks and an incident, 200 features: 5 that drift before the onset and move the score
(PSI 0.01 to 0.25), 5 that drift only after it, 20 that follow the clock, 5 that drift before it and
do not matter, 5 whose NULLs or unseen values rise, and 160 quiet ones. Every hour has its own small
shift, so rows are not independent. A variant changes one thing.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from analyzer import __version__
from analyzer.onset.precursors import FeatureCounts, Hours, Precursors, find_precursors
from analyzer.stats.proportion import clopper_pearson
from analyzer.stats.result import Estimate
from analyzer.window import HOUR, parse
from benchmarks.planted.onset import WEEK, kept

RESULTS = Path(__file__).parent / "results"
Floats = NDArray[np.float64]
CELLS = 64
SPECIAL = ("below", "above", "null", "nan", "+inf", "-inf")
VALUES = 30
ROLES = {"lead": 5, "follow": 5, "seasonal": 20, "irrelevant": 5, "hidden": 5, "quiet": 160}


@dataclass(frozen=True)
class Variant:
    """What one set of incidents is like."""

    name: str
    weeks: int = 6
    rows: float = 3000.0
    jitter: float = 0.02
    persistence: float = 0.3
    lead: tuple[int, int] = (4, 36)
    incident: int = 96


VARIANTS = (
    Variant("as stated"),
    Variant("300 rows an hour", rows=300.0),
    Variant("hours strongly dependent", jitter=0.05, persistence=0.7),
    Variant("drift of the last two to six hours", lead=(2, 6)),
    Variant("three clean weeks", weeks=3),
    Variant("two clean weeks: a ranking only", weeks=2),
    Variant("an incident of twelve hours", incident=12),
)


@dataclass(frozen=True, eq=False)
class Planted:
    """One feature with its role, and what its drift moves the score by."""

    counts: FeatureCounts
    role: str
    moved: float


@dataclass(frozen=True, eq=False)
class World:
    """What all features of one incident share."""

    variant: Variant
    hours: int
    onset: int
    end: int
    week: NDArray[np.int64]
    rows: Floats


def draw(variant: Variant, date: str, rng: np.random.Generator) -> tuple[Hours, list[Planted]]:
    """One incident: the grid and all features, in an order that says nothing."""
    clean = variant.weeks * WEEK
    total = clean + WEEK + variant.incident
    onset = clean + int(rng.integers(48, WEEK))
    end = min(onset + variant.incident, total)
    start = parse(date)
    week = (start // HOUR + np.arange(total) - parse("1970-01-05") // HOUR) % WEEK
    rows = variant.rows * np.exp(0.6 * np.sin(2 * np.pi * week / 24) - 0.2 * (week >= 120))
    world = World(variant, total, onset, end, week, rows)
    roles = [role for role, n in ROLES.items() for _ in range(n)]
    rng.shuffle(roles)
    planted = [feature(world, f"feature {i:03}", role, rng) for i, role in enumerate(roles)]
    low, high = onset - int(rng.integers(0, 3)), onset + 1 + int(rng.integers(0, 3))
    shift = sum(p.moved for p in planted)
    hours = Hours(
        start,
        week,
        np.arange(total) < clean,
        start + low * HOUR,
        start + high * HOUR,
        start + end * HOUR,
        shift,
    )
    return hours, planted


def feature(world: World, name: str, role: str, rng: np.random.Generator) -> Planted:
    """A latent normal, shifted over time, cut into cells (or values)."""
    variant, onset = world.variant, world.onset
    latent = np.zeros(world.hours)
    step = rng.standard_normal(world.hours) * math.sqrt(1 - variant.persistence**2)
    for hour in range(1, world.hours):
        latent[hour] = variant.persistence * latent[hour - 1] + step[hour]
    latent *= variant.jitter
    if role == "seasonal":
        size = rng.uniform(0.2, 0.8)
        latent += size * np.sin(2 * np.pi * world.week / 24 + rng.uniform(0, 6))
        latent += rng.choice([0.0, 0.5]) * (world.week >= 120)
    size = rng.choice([-1, 1]) * math.sqrt(math.exp(rng.uniform(math.log(0.01), math.log(0.25))))
    begin = onset
    if role in ("lead", "irrelevant"):
        begin = onset - int(rng.integers(variant.lead[0], variant.lead[1] + 1))
    if role == "follow":
        begin = onset + int(rng.integers(4, max(min(37, variant.incident // 2), 5)))
    drifting = (np.arange(world.hours) >= begin) & (np.arange(world.hours) < world.end)
    if role in ("lead", "follow", "irrelevant"):
        latent += size * drifting
    numeric = bool(rng.random() < 0.75)
    edges = ndtri(np.arange(1, CELLS) / CELLS)
    if not numeric:
        edges = np.sort(
            ndtri(rng.dirichlet(np.ones(VALUES) * 2).cumsum()[:-1].clip(1e-6, 1 - 1e-6))
        )
    shares = np.diff(ndtr(edges[None, :] - latent[:, None]), prepend=0, append=1, axis=1)
    hidden = np.full(world.hours, 0.002)
    if role == "hidden":
        at = onset + int(rng.integers(-24, min(24, variant.incident // 2)))
        late = (np.arange(world.hours) >= at) & (np.arange(world.hours) < world.end)
        hidden = hidden + rng.uniform(0.01, 0.1) * late
    where = "null" if numeric or rng.random() < 0.5 else "(other)"
    names = [
        *(f"{i}" for i in range(shares.shape[1])),
        *(SPECIAL if numeric else ("(other)", "null")),
    ]
    expected = np.zeros((world.hours, len(names)))
    expected[:, : shares.shape[1]] = shares * (1 - hidden)[:, None]
    expected[:, names.index(where)] += hidden
    counts = rng.poisson(expected * world.rows[:, None])
    beta = rng.choice([-1, 1]) * rng.uniform(0.5, 1.5) if role in ("lead", "follow") else 0.0
    if role == "lead":  # causes that add up: a score shift of nearly nothing would have no shares
        beta = abs(beta) * np.sign(size)
    middles = np.concatenate([edges[:1] - 0.3, (edges[1:] + edges[:-1]) / 2, edges[-1:] + 0.3])
    mean = np.full(len(names), np.nan)
    mean[: shares.shape[1]] = beta * middles + rng.normal(0, 0.02, shares.shape[1])
    kind, special = ("numeric", len(SPECIAL)) if numeric else ("categorical", 2)
    moved = beta * size if role in ("lead", "follow") else 0.0
    return Planted(FeatureCounts(name, kind, tuple(names), special, counts, mean), role, moved)


@dataclass(frozen=True)
class Score:
    """How one incident was read."""

    top: bool
    top_three: int
    ordered: int
    order_right: int
    discoveries: int
    false: int
    hidden_found: int
    hidden_false: int
    seasonal_called: int
    irrelevant_right: int
    labelled: int
    labelled_false: int


def judge(found: Precursors, planted: list[Planted]) -> Score:
    """Compare what was found with what was planted."""
    role = {p.counts.name: p.role for p in planted}
    strongest = max((p for p in planted if p.role == "lead"), key=lambda p: abs(p.moved))
    names = [f.feature for f in found.features[:3]]
    wanted = {"lead": "leads", "follow": "follows"}
    label = {f.feature: f.label for f in found.features}
    ordered = [name for name, r in role.items() if r in wanted]
    early = [
        f.feature
        for f in found.features
        if f.q is not None and f.q <= found.level and (f.debiased or 0) >= found.least_psi
    ]
    hidden = {f.feature for f in found.findings}
    return Score(
        strongest.counts.name in names,
        sum(role[name] == "lead" for name in names),
        len(ordered),
        sum(label[name] == wanted[role[name]] for name in ordered),
        len(early),
        sum(role[name] in ("quiet", "seasonal", "follow") for name in early),
        sum(role[name] == "hidden" for name in hidden),
        sum(role[name] != "hidden" for name in hidden),
        sum(role[name] == "seasonal" and value != "unmoved" for name, value in label.items()),
        sum(
            role[name] == "irrelevant" and value == "drifts, score unmoved"
            for name, value in label.items()
        ),
        sum(value not in ("unmoved", "undecided") for value in label.values()),
        sum(
            value not in ("unmoved", "undecided") and role[name] in ("quiet", "seasonal")
            for name, value in label.items()
        ),
    )


def share(k: int, n: int) -> dict[str, float]:
    """A proportion with its Clopper-Pearson interval at 95 %."""
    if not n:
        return {"k": 0, "n": 0, "low": 0.0, "high": 1.0}
    interval = clopper_pearson(k, n)
    assert isinstance(interval, Estimate)
    return {"k": k, "n": n, "low": round(interval.low, 4), "high": round(interval.high, 4)}


def summary(scores: list[Score]) -> dict[str, dict[str, float]]:
    """All incidents of a variant together."""

    def total(name: str) -> int:
        return sum(int(getattr(s, name)) for s in scores)

    runs = len(scores)
    return {
        "strongest cause among the top 3": share(total("top"), runs),
        "top 3 that are causes": share(total("top_three"), 3 * runs),
        "lead or follow right": share(total("order_right"), total("ordered")),
        "false among those drifting before": share(total("false"), total("discoveries")),
        "false among all called drifting": share(total("labelled_false"), total("labelled")),
        "NULL or unseen values found": share(total("hidden_found"), 5 * runs),
        "irrelevant called so": share(total("irrelevant_right"), 5 * runs),
        "seasonal called drifting": share(total("seasonal_called"), 20 * runs),
        "false NULL or unseen findings, of quiet features": share(
            total("hidden_false"), 195 * runs
        ),
    }


def as_text(results: dict[str, object]) -> str:
    """The results as a page of Markdown."""
    settings, cases = results["settings"], results["variants"]
    assert isinstance(settings, dict) and isinstance(cases, dict)
    lines = [
        "# Planted drift of features around an onset",
        "",
        f"Seed {settings['seed']}, {settings['runs']} incidents of 200 features each, first day "
        f"{settings['date']}. Intervals are Clopper-Pearson's at 95 %.",
    ]
    for name, case in cases.items():
        lines += ["", f"## {name}", "", "| measure | share | of | interval |", "|---|---|---|---|"]
        lines += [
            f"| {what} | {s['k'] / max(s['n'], 1):.1%} | {s['n']} | "
            f"{s['low']:.1%} to {s['high']:.1%} |"
            for what, s in case.items()
        ]
    versions = ", ".join(f"{k} {v}" for k, v in sorted(settings["versions"].items()))
    return "\n".join([*lines, "", f"{versions}.", ""])


def main() -> None:
    """Simulate, search, write results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=10, help="incidents of each variant")
    parser.add_argument("--date", default="2025-03-03", help="first day of the logs, UTC")
    parser.add_argument("--variants", type=int, nargs="+", default=list(range(len(VARIANTS))))
    parser.add_argument("--out", type=Path, default=RESULTS / "precursors.json")
    given = parser.parse_args()
    cases: dict[str, Any] = {}
    for place in given.variants:
        scores = []
        for run in range(given.runs):
            rng = np.random.default_rng([given.seed, place, run])
            hours, planted = draw(VARIANTS[place], given.date, rng)
            scores.append(judge(find_precursors(hours, [p.counts for p in planted]), planted))
        cases[VARIANTS[place].name] = summary(scores)
        for what, s in cases[VARIANTS[place].name].items():
            print(f"{VARIANTS[place].name}: {what} {s['k']} of {s['n']}", flush=True)
    settings = {
        "seed": given.seed,
        "runs": given.runs,
        "date": given.date,
        "versions": {
            "analyzer": __version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "scipy": scipy.__version__,
        },
    }
    cases = {**kept(given.out, settings), **cases}
    cases = {v.name: cases[v.name] for v in VARIANTS if v.name in cases}
    results: dict[str, object] = {"settings": settings, "variants": cases}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    given.out.with_suffix(".md").write_text(as_text(results), encoding="utf-8")


if __name__ == "__main__":
    main()
