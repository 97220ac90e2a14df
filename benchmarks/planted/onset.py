"""Planted shifts in simulated series: how often is the onset found, how far off, how wide?

    python -m benchmarks.planted.onset --seed 1 --runs 400 --date 2025-03-03

Three weeks of hours with a daily and a weekly cycle and autoregressive noise of standard
deviation 1; the shift begins 24 to 144 hours into the third week and lasts until its end. A
variant changes one thing: dependence, tails, gaps, thin nights, a fourth clean week, days instead
of weeks of history, minutes instead of hours.
"""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.signal import lfilter

from analyzer import __version__
from analyzer.onset.search import Onset, Onsets, Series, Timeline, find_onsets
from analyzer.stats.proportion import clopper_pearson
from analyzer.stats.result import Estimate
from analyzer.window import HOUR, parse

RESULTS = Path(__file__).parent / "results"
Floats = NDArray[np.float64]
WEEK = 168


@dataclass(frozen=True)
class Variant:
    """How the noise of one set of series behaves."""

    name: str
    phi: float = 0.3
    tails: float = 0.0
    gaps: float = 0.0
    thin_nights: bool = False
    history: int = 2 * WEEK
    searched: int = WEEK
    minutes: bool = False


VARIANTS = (
    Variant("as stated: AR(1) 0.3"),
    Variant("independent hours", phi=0.0),
    Variant("AR(1) 0.6", phi=0.6),
    Variant("heavy tails, t with 3 degrees of freedom", tails=3.0),
    Variant("a tenth of the hours missing", gaps=0.1),
    Variant("few rows at night", thin_nights=True),
    Variant("four clean weeks", history=4 * WEEK),
    Variant("five clean days, three days searched", history=120, searched=72),
    Variant("minutes, twelve hours searched", history=7 * 24 * 60, searched=12 * 60, minutes=True),
)
SHAPES = (
    ("null", 0.0),
    ("step", 0.75),
    ("step", 1.5),
    ("step", 3.0),
    ("ramp", 1.5),
    ("ramp", 3.0),
    ("spike", 12.0),
)
TARGETS = {("step", 0.75): (0.30, 6.0), ("step", 1.5): (0.95, 2.0), ("step", 3.0): (0.99, 1.0)}
RAMP_POINTS = 24


def noise(variant: Variant, points: int, rng: np.random.Generator) -> Floats:
    """Autoregressive noise of variance 1, from Gaussian or Student innovations."""
    draws = rng.standard_normal(points + 200)
    if variant.tails:
        scale = np.sqrt(variant.tails / (variant.tails - 2))
        draws = rng.standard_t(variant.tails, points + 200) / scale
    filtered = lfilter([1], [1, -variant.phi], draws * np.sqrt(1 - variant.phi**2))
    series: Floats = filtered[200:]
    return series


def hours_of_week(variant: Variant, date: str) -> tuple[int, NDArray[np.int64]]:
    """Start of the grid, microseconds UTC, and the hour of the week of every point."""
    start = parse(date)
    step = HOUR // 60 if variant.minutes else HOUR
    instants = start + step * np.arange(variant.history + variant.searched)
    monday = parse("1970-01-05")
    return start, (instants - monday) // HOUR % WEEK


def series(
    variant: Variant, week: NDArray[np.int64], onset: int, planted: float, shape: str, rng: object
) -> Series:
    """One series with a cycle of the day and of the week, and what was planted in it."""
    assert isinstance(rng, np.random.Generator)
    points = len(week)
    phases = rng.uniform(0, 2 * np.pi, 2)
    cycle = 2.0 * np.sin(2 * np.pi * week / 24 + phases[0])
    if not variant.minutes and variant.history >= 2 * WEEK:
        cycle = cycle + 1.5 * np.sin(2 * np.pi * week / WEEK + phases[1])
    rows = np.full(points, 1000.0)
    if variant.thin_nights:
        rows = np.where(week % 24 < 7, 20.0, 1000.0)
    scale = np.sqrt(0.5 + 0.5 * 300 / rows) if variant.thin_nights else 1.0
    after = np.maximum(np.arange(points) - onset + 1, 0)
    grown = {
        "step": np.minimum(after, 1),
        "ramp": np.minimum(after / RAMP_POINTS, 1),
        "spike": after == 1,
        "null": 0 * after,
    }
    values = cycle + scale * noise(variant, points, rng) + planted * grown[shape]
    rows[rng.random(points) < variant.gaps] = 0
    return Series("difference", "", np.where(rows > 0, values, np.nan), rows)


@dataclass(frozen=True)
class Trial:
    """One search: found, how far off, whether the interval holds the truth, its width (points)."""

    found: bool
    error: float
    covered: bool
    width: float
    ramp: bool
    refusal: str


def search(
    variant: Variant, shape: str, size: float, count: int, date: str, rng: np.random.Generator
) -> tuple[Onsets, int, int]:
    """Search `count` series, the first of which has the shift; also the onset and the step."""
    start, week = hours_of_week(variant, date)
    early, late = variant.searched // 7, variant.searched * 6 // 7
    onset = variant.history + int(rng.integers(early, late + 1))
    shapes = [(shape, size)] + [("null", 0.0)] * (count - 1)
    drawn = [
        replace(series(variant, week, onset, d, kind, rng), name=f"series {k}")
        for k, (kind, d) in enumerate(shapes)
    ]
    step = HOUR // 60 if variant.minutes else HOUR
    clean = np.arange(len(week)) < variant.history
    line = Timeline(start, step, week, clean, variant.history, len(week))
    return find_onsets(line, drawn), start + onset * step, step


def trial(found: Onset, onset: int, step: int) -> Trial:
    """What was found beside what was planted."""
    if not found.located:
        return Trial(False, np.nan, False, np.nan, False, found.refusal.split(": ")[-1][:24])
    assert found.at and found.low and found.high
    at, low, high = parse(found.at), parse(found.low), parse(found.high)
    error = abs(at - onset) / step
    return Trial(True, error, low <= onset < high, (high - low) / step, found.kind == "ramp", "")


def share(k: int, n: int) -> dict[str, float]:
    """A proportion with its Clopper-Pearson interval at 95 %."""
    interval = clopper_pearson(k, n)
    assert isinstance(interval, Estimate)
    return {"k": k, "n": n, "low": round(interval.low, 4), "high": round(interval.high, 4)}


def summary(trials: list[Trial]) -> dict[str, object]:
    """Counts, median error and width of those found, in points."""
    found = [t for t in trials if t.found]
    refused: dict[str, int] = {}
    for t in trials:
        if not t.found:
            refused[t.refusal] = refused.get(t.refusal, 0) + 1
    result: dict[str, object] = {"found": share(len(found), len(trials)), "refused": refused}
    if found:
        result["median_error"] = float(np.median([t.error for t in found]))
        result["median_width"] = float(np.median([t.width for t in found]))
        result["covered"] = share(sum(t.covered for t in found), len(found))
        result["called_ramp"] = share(sum(t.ramp for t in found), len(found))
    return result


def measure(variant: Variant, seed: int, runs: int, date: str) -> dict[str, dict[str, object]]:
    """Every shape alone, and nulls of eight series searched together."""
    results = {}
    for place, (shape, size) in enumerate(SHAPES):
        rng = np.random.default_rng([seed, VARIANTS.index(variant), place])
        trials = []
        for _ in range(runs):
            found, onset, step = search(variant, shape, size, 1, date, rng)
            trials.append(trial(found.series[0], onset, step))
        results[f"{shape} {size:g}" if size else shape] = summary(trials)
    rng = np.random.default_rng([seed, VARIANTS.index(variant), 99])
    alarms = sum(
        bool(search(variant, "null", 0.0, 8, date, rng)[0].order) for _ in range(max(runs // 2, 1))
    )
    results["null, 8 series"] = {"found": share(alarms, max(runs // 2, 1)), "refused": {}}
    return results


def as_text(results: dict[str, object]) -> str:
    """The results as a page of Markdown."""
    settings, cases = results["settings"], results["variants"]
    assert isinstance(settings, dict) and isinstance(cases, dict)
    lines = [
        "# Planted onsets",
        "",
        f"Seed {settings['seed']}, {settings['runs']} searches of each kind, first day "
        f"{settings['date']}. Sizes are in standard deviations of the noise; errors and widths in "
        "points (hours, or minutes), medians over those found. A null must not be found, nor a "
        "spike. Intervals are Clopper-Pearson's at 95 %.",
    ]
    for name, shapes in cases.items():
        lines += ["", f"## {name}", "", "| planted | found | interval | error | width | covered |"]
        lines.append("|---|---|---|---|---|---|")
        for shape, case in shapes.items():
            f, c = case["found"], case.get("covered")
            covered = f"{c['k'] / c['n']:.1%}" if c else ""
            lines.append(
                f"| {shape} | {f['k'] / f['n']:.1%} | {f['low']:.1%} to {f['high']:.1%} | "
                f"{case.get('median_error', '')} | {case.get('median_width', '')} | {covered} |"
            )
    versions = ", ".join(f"{k} {v}" for k, v in sorted(settings["versions"].items()))
    return "\n".join([*lines, "", f"{versions}.", ""])


def kept(path: Path, settings: dict[str, object]) -> dict[str, Any]:
    """Variants that an earlier run with the same settings left in the file."""
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return dict(before["variants"]) if before["settings"] == settings else {}


def main() -> None:
    """Simulate, search, write results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=400, help="searches of each kind")
    parser.add_argument("--date", default="2025-03-03", help="first day of the series, UTC")
    parser.add_argument("--variants", type=int, nargs="+", default=list(range(len(VARIANTS))))
    parser.add_argument("--out", type=Path, default=RESULTS / "onset.json")
    given = parser.parse_args()
    cases: dict[str, Any] = {}
    for place in given.variants:
        variant = VARIANTS[place]
        cases[variant.name] = measure(variant, given.seed, given.runs, given.date)
        for shape, case in cases[variant.name].items():
            found = case["found"]
            assert isinstance(found, dict)
            rest = [f"{k} {case[k]}" for k in ("median_error", "median_width") if k in case]
            print(variant.name, shape, f"{found['k'] / found['n']:.1%}", *rest, flush=True)
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
