"""Simulated shadow phases judged by the real gate: how often is it right?

    python -m benchmarks.planted.shadow --seed 1 --runs 500 --hours 24 72 --traffic 3000 10000

Healthy phases should promote; phases whose true P99 is 210 ms, whose true error rate is 0.2 % or
whose score drifts beyond the policy's limits must not. `--hourly N` also reads the gate every
hour from the shortest allowed duration on, for N healthy phases and N harmful ones.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy

from analyzer import __version__, policy
from analyzer.phases.gate import Material
from analyzer.phases.shadow import shadow_checks
from analyzer.profiles import Profiles
from analyzer.stats.proportion import clopper_pearson
from analyzer.stats.result import Estimate
from analyzer.verdict import Check, decide
from analyzer.window import HOUR, Window
from benchmarks.planted.process import HARMS, Phase, draw, is_harmful
from benchmarks.planted.tables import ROLLOUT, simulate

RESULTS = Path(__file__).parent / "results"
TITLES = {
    "none": "healthy",
    "latency": "true P99 of 210 ms",
    "errors": "true error rate of 0.2 %",
    "score": "score drifts beyond the limits",
}


@dataclass(frozen=True)
class Reading:
    """What the gate said after so many hours, which blocking checks did not pass, and the truth."""

    hours: int
    outcome: str
    blocked: dict[str, str]
    harmful: bool


@dataclass(frozen=True)
class Run:
    """One phase and the gate's readings of it, the last at its end."""

    phase: Phase
    requests: int
    readings: list[Reading]

    @property
    def last(self) -> Reading:
        """The reading at the phase's end."""
        return self.readings[-1]

    def ever(self, outcome: str) -> bool:
        """Whether any reading had this outcome, of a harmful phase once the harm was there."""
        healthy = self.phase.harm == "none"
        return any(r.outcome == outcome and (healthy or r.harmful) for r in self.readings)


@dataclass(frozen=True)
class Task:
    """One phase to draw and how to read it."""

    seed: int
    harm: str
    hours: tuple[int, int]
    traffic: tuple[float, float]
    hourly: bool


def run(task: Task) -> Run:
    """Simulate one phase and judge it."""
    limits = policy.load()
    phase = draw(task.seed, task.harm, task.hours, task.traffic)
    profiles = simulate(phase, limits)
    first = min(limits.shadow.min_hours, phase.hours) if task.hourly else phase.hours
    readings = [
        read(profiles, limits, hours, is_harmful(phase, hours))
        for hours in range(first, phase.hours + 1)
    ]
    requests = int(np.sum(profiles.table("coverage")["champion_rows"].to_numpy()))
    return Run(phase, requests, readings)


def read(profiles: Profiles, limits: policy.Policy, hours: int, harmful: bool) -> Reading:
    """The gate's outcome on the phase's first hours."""
    start = profiles.window.start
    seen = profiles.within(Window(start, start + hours * HOUR))
    checks = shadow_checks(Material(ROLLOUT, limits, seen, (), seen.window.end, seen.window.start))
    outcome = decide(checks, overdue=hours >= limits.shadow.max_hours)
    return Reading(hours, outcome, _blocked(checks), harmful)


def _blocked(checks: Iterable[Check]) -> dict[str, str]:
    return {c.id: c.outcome for c in checks if c.severity == "block" and c.outcome != "pass"}


def summary(runs: Sequence[Run], harm: str) -> dict[str, object]:
    """Counts of one kind of phase, with a Clopper-Pearson interval of the promote rate."""
    promoted = sum(r.last.outcome == "promote" for r in runs)
    watched = [r for r in runs if len(r.readings) > 1]
    blocked = Counter(f"{k}: {v}" for r in runs for k, v in r.last.blocked.items())
    found: dict[str, object] = {
        "phases": len(runs),
        "outcomes": dict(sorted(Counter(r.last.outcome for r in runs).items())),
        "promoted": _share(promoted, len(runs)),
        "blocked_by": dict(blocked.most_common()),
        "requests": {
            "least": min(r.requests for r in runs),
            "most": max(r.requests for r in runs),
        },
    }
    if watched:
        found["read_hourly"] = {
            "phases": len(watched),
            "readings": sum(len(r.readings) for r in watched),
            "readings_with_harm": sum(x.harmful for r in watched for x in r.readings),
            "ever_promote": _share(sum(r.ever("promote") for r in watched), len(watched)),
            "promoted_before_harm": sum(
                harm != "none" and any(x.outcome == "promote" and not x.harmful for x in r.readings)
                for r in watched
            ),
            "ever_failed": _share(
                sum(any("fail" in x.blocked.values() for x in r.readings) for r in watched),
                len(watched),
            ),
        }
    if harm == "score":
        found["by_shape"] = {
            shape: dict(
                sorted(Counter(r.last.outcome for r in runs if r.phase.shape == shape).items())
            )
            for shape in sorted({r.phase.shape for r in runs})
        }
    wrong = [r for r in runs if (r.last.outcome == "promote") != (harm == "none")]
    found["wrong" if harm != "none" else "not_promoted"] = [
        {"seed": r.phase.seed, "hours": r.phase.hours, "traffic": round(r.phase.traffic)}
        | {"requests": r.requests, "shape": r.phase.shape, "blocked": r.last.blocked}
        for r in wrong[:50]
    ]
    return found


def _share(k: int, n: int) -> dict[str, float]:
    interval = clopper_pearson(k, n)
    assert isinstance(interval, Estimate)
    return {"k": k, "n": n, "low": round(interval.low, 5), "high": round(interval.high, 5)}


def as_text(results: dict[str, object]) -> str:
    """The results as a page of Markdown."""
    settings = results["settings"]
    assert isinstance(settings, dict)
    lines = [
        "# Simulated shadow phases, judged by the gate",
        "",
        f"Seeds from {settings['seed']}, {settings['runs']} phases of each kind, "
        f"{settings['hours'][0]} to {settings['hours'][1]} h long, "
        f"{settings['traffic'][0]:g} to {settings['traffic'][1]:g} requests an hour on average. "
        "Intervals are Clopper-Pearson's at 95 %.",
        "",
        "| truth | phases | promote | hold | undecided | promoted, interval |",
        "|---|---|---|---|---|---|",
    ]
    cases = results["cases"]
    assert isinstance(cases, dict)
    for harm, case in cases.items():
        outcomes, share = case["outcomes"], case["promoted"]
        counts = " | ".join(str(outcomes.get(o, 0)) for o in ("promote", "hold", "undecided"))
        interval = f"{share['low'] * 100:.2f} to {share['high'] * 100:.2f} %"
        lines.append(f"| {TITLES[harm]} | {case['phases']} | {counts} | {interval} |")
    lines += ["", "What did not pass at the last reading:", ""]
    for harm, case in cases.items():
        blocked = ", ".join(f"{name} {n}" for name, n in case["blocked_by"].items()) or "nothing"
        lines.append(f"* {TITLES[harm]}: {blocked}")
    shapes = cases.get("score", {}).get("by_shape", {})
    lines += [f"  * {shape}: {_counted(counts)}" for shape, counts in shapes.items()]
    lines += _hourly_text(cases)
    versions = ", ".join(f"{k} {v}" for k, v in sorted(settings["versions"].items()))
    return "\n".join([*lines, "", f"Policy {settings['policy']}; {versions}.", ""])


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{outcome} {n}" for outcome, n in counts.items())


def _hourly_text(cases: dict[str, dict[str, object]]) -> list[str]:
    lines = []
    for harm, case in cases.items():
        watched = case.get("read_hourly")
        if isinstance(watched, dict):
            ever, failed = watched["ever_promote"], watched["ever_failed"]
            lines.append(
                f"* {TITLES[harm]}: {ever['k']} of {ever['n']} phases promoted at some reading"
                f"{'' if harm == 'none' else ' that had the harm in it'} "
                f"({ever['low'] * 100:.2f} to {ever['high'] * 100:.2f} %), "
                f"{failed['k']} failed a check at some reading; {watched['readings']:,} readings, "
                f"{watched['readings_with_harm']:,} of them with the harm in them; "
                f"{watched.get('promoted_before_harm', 0)} promoted before the harm was there"
            )
    return ["", "Read every hour from the shortest allowed duration on:", "", *lines] * bool(lines)


def _watched(harm: str, phases: int) -> int:
    """How many phases of a kind are read hourly: as many harmful in all as healthy."""
    return phases if harm == "none" else -(-phases // (len(HARMS) - 1))


def _kept(path: Path, settings: dict[str, object]) -> dict[str, dict[str, object]]:
    """Kinds of phases that an earlier run with the same settings left in the file."""
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return before["cases"] if before["settings"] == settings else {}


def main() -> None:
    """Simulate, judge, write results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="first seed; run k has seed + k")
    parser.add_argument("--runs", type=int, default=500, help="phases of each kind")
    parser.add_argument("--hours", type=int, nargs=2, default=(24, 72), help="least and most")
    parser.add_argument("--traffic", type=float, nargs=2, default=(3000, 10000))
    parser.add_argument("--harms", nargs="+", choices=HARMS, default=list(HARMS))
    parser.add_argument(
        "--hourly", type=int, default=0, help="healthy phases read hourly, and as many harmful"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS / "shadow.json", help="a .json file")
    given = parser.parse_args()
    if given.out.suffix != ".json" or given.out.is_dir():
        parser.error(f"--out {given.out}: name a .json file")
    hours, traffic = tuple(given.hours), tuple(given.traffic)
    cases = {}
    with multiprocessing.get_context("spawn").Pool(given.jobs) as pool:
        for harm in given.harms:
            tasks = [
                Task(given.seed + k, harm, hours, traffic, k < _watched(harm, given.hourly))
                for k in range(given.runs)
            ]
            cases[harm] = summary(pool.map(run, tasks, chunksize=1), harm)
            print(TITLES[harm], json.dumps(cases[harm]["outcomes"]), flush=True)
    settings = {
        "seed": given.seed,
        "runs": given.runs,
        "hours": list(hours),
        "traffic": list(traffic),
        "policy": policy.load().digest,
        "versions": {
            "analyzer": __version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "scipy": scipy.__version__,
        },
    }
    cases = {**_kept(given.out, settings), **cases}
    cases = {harm: cases[harm] for harm in HARMS if harm in cases}
    results: dict[str, object] = {"settings": settings, "cases": cases}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    given.out.with_suffix(".md").write_text(as_text(results), encoding="utf-8")


if __name__ == "__main__":
    main()
