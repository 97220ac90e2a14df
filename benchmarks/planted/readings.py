"""What the real gate said of simulated phases, reading after reading, and how that is kept."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import scipy

from analyzer import __version__
from analyzer.stats.proportion import clopper_pearson
from analyzer.stats.result import Estimate
from analyzer.verdict import Check
from analyzer.window import parse

RESULTS = Path(__file__).parent / "results"
BATCH = 40
"""Phases after which the results so far are written: a run that is stopped loses no more."""

Results = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """What the gate said at every reading; the first one that stopped the phase (0: none), and the
    first of each failed check; blocked: what did not pass at the last; fixed: readings at which a
    fixed-horizon interval, read then and only then, shows the harm.
    """

    outcomes: list[str]
    stopped: int
    failed: dict[str, int]
    blocked: dict[str, str]
    requests: int
    fixed: list[bool] = field(default_factory=list)


def before(fired: Sequence[Check], instant: int) -> list[Check]:
    """The trigger checks as of an instant: one that fires later has not fired yet."""
    found = []
    for check in fired:
        if check.outcome == "fail":
            at = parse(check.sentence.split("fired at ")[1].split(" ")[0])
            if at >= instant:
                check = msgspec.structs.replace(check, outcome="pass")
        found.append(check)
    return found


def found_in(checks: Sequence[Check]) -> dict[str, str]:
    """What did not pass, those that only warn marked so."""
    return {
        c.id if c.severity == "block" else f"(warned) {c.id}": c.outcome
        for c in checks
        if c.outcome != "pass"
    }


def tally(runs: Sequence[Run], harm: str, readings: int, unit: str) -> dict[str, object]:
    """Counts of one kind of run, by reading."""
    last = Counter(r.outcomes[-1] for r in runs)
    first = [r.outcomes.index("promote") + 1 for r in runs if "promote" in r.outcomes]
    return {
        "runs": len(runs),
        "in the end": dict(sorted(last.items())),
        "stopped at some reading": _share(sum(r.stopped > 0 for r in runs), len(runs)),
        "promoted in the end": _share(last["promote"], len(runs)),
        "ever promoted": _share(len(first), len(runs)),
        f"{unit} to promote": quantiles(first),
        f"{unit} to stop": quantiles([r.stopped for r in runs if r.stopped]),
        "stopped by reading": [
            round(sum(0 < r.stopped <= at for r in runs) / len(runs), 4)
            for at in range(1, readings + 1)
        ],
        "failed checks": dict(Counter(name for r in runs for name in r.failed).most_common()),
        "blocked in the end": dict(
            Counter(f"{k}: {v}" for r in runs for k, v in r.blocked.items()).most_common()
        ),
        "requests of the challenger": sorted(r.requests for r in runs)[:: max(len(runs) - 1, 1)],
    }


def quantiles(values: Sequence[int]) -> dict[str, float] | None:
    """Median, 90 % and largest of some readings."""
    if not values:
        return None
    return {f"{q:g}": float(np.quantile(values, q, method="higher")) for q in (0.5, 0.9, 1.0)}


def _share(k: int, n: int) -> dict[str, float]:
    interval = clopper_pearson(k, n)
    assert isinstance(interval, Estimate)
    return {"k": k, "n": n, "low": round(interval.low, 5), "high": round(interval.high, 5)}


def by_traffic(runs: Sequence[Run], name: str, share: float, groups: int) -> list[Results]:
    """Runs from the least traffic to the most, in groups of equal size: the requests that the
    challenger answered in all in a harmed `share` of its traffic, how many of them the check `name`
    found and after how many readings, and how many the fixed-horizon test at the last.
    """
    order = sorted(runs, key=lambda r: r.requests)
    cuts = [len(order) * g // groups for g in range(groups + 1)]
    return [
        {
            "runs": len(part),
            "harmed requests": [round(share * r.requests) for r in (part[0], part[-1])],
            "found": sum(name in r.failed for r in part),
            "readings": quantiles([r.failed[name] for r in part if name in r.failed]),
            "fixed horizon": sum(r.fixed[-1] for r in part),
        }
        for part in (order[low:high] for low, high in pairwise(cuts))
        if part
    ]


def as_percent(share: dict[str, float]) -> str:
    """A share with its interval."""
    low, high = share["low"] * 100, share["high"] * 100
    return f"{share['k'] / share['n']:.1%} ({low:.1f} to {high:.1f} %)"


@dataclass(frozen=True)
class Simulation:
    """A kind of phase that is simulated, read and kept in `out` (.json, and .md beside it).

    what: for --help. harms: kinds of truth, "none" for A/A. task: of a run's number, its harm and
    the options; run: simulates one; summary: of the runs of a kind; page: the results as Markdown;
    settings: what else is kept of the options. defaults: of options; options: further ones.
    """

    what: str
    out: str
    harms: Sequence[str]
    run: Callable[[Any], Run]
    task: Callable[[int, str, argparse.Namespace], Any]
    summary: Callable[[Sequence[Run], str], Results]
    page: Callable[[Results], str]
    settings: Callable[[argparse.Namespace], Mapping[str, object]]
    defaults: Mapping[str, Any]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def main(self) -> None:
        """Simulate every kind of phase, harmed ones first, and write what was found so far."""
        given = self._asked()
        began = time.monotonic()
        cases: Results = {}
        with multiprocessing.get_context("spawn").Pool(given.jobs) as pool:
            for harm in sorted(given.only, key=lambda harm: harm == "none"):
                count = given.runs if harm == "none" else given.harmed
                runs: list[Run] = []
                while len(runs) < count:
                    asked = range(len(runs), min(len(runs) + BATCH, count))
                    tasks = [self.task(k, harm, given) for k in asked]
                    runs += pool.map(self.run, tasks, chunksize=2)
                    cases[harm] = self.summary(runs, harm)
                    known = {harm: cases[harm] for harm in self.harms if harm in cases}
                    made = self._made(given, time.monotonic() - began)
                    _write(given.out, {"settings": made, "cases": known}, self.page)
                print(harm, json.dumps(cases.get(harm, {}).get("in the end")), flush=True)

    def _asked(self) -> argparse.Namespace:
        parser = argparse.ArgumentParser(
            description=self.what, formatter_class=argparse.RawTextHelpFormatter
        )
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--runs", type=int, default=2000, help="A/A phases")
        parser.add_argument("--harmed", type=int, default=200, help="phases of each kind of harm")
        parser.add_argument("--only", nargs="+", choices=self.harms, default=self.harms)
        parser.add_argument("--traffic", type=float, nargs=2, help="requests an hour in all")
        parser.add_argument("--jobs", type=int, default=1)
        parser.add_argument("--out", type=Path, default=RESULTS / self.out, help="a .json file")
        for name, described in self.options.items():
            parser.add_argument(name, **described)
        parser.set_defaults(**self.defaults)
        return parser.parse_args()

    def _made(self, given: argparse.Namespace, seconds: float) -> Results:
        """How the results were made."""
        return {
            "seed": given.seed,
            "traffic": list(given.traffic),
            **self.settings(given),
            "machine": f"{platform.machine()}, {multiprocessing.cpu_count()} cores, shared",
            "seconds": round(seconds),
            "jobs": given.jobs,
            "versions": {
                "analyzer": __version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
                "scipy": scipy.__version__,
            },
        }


def _write(out: Path, results: Results, page: Callable[[Results], str]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(page(results), encoding="utf-8")


def as_page(
    results: Results, head: Sequence[str], row: Callable[[str, Results], str], more: Sequence[str]
) -> str:
    """A page of Markdown: its head, a row for each kind of phase, what failed, more."""
    cases, settings = results["cases"], results["settings"]
    rows = [row(harm, case) for harm, case in cases.items()]
    return "\n".join([*head, *rows, *_failures(cases), *more, "", _foot(settings), ""])


def _foot(settings: Results) -> str:
    """Policy, versions, machine and time, as the last line of a page."""
    versions = ", ".join(f"{k} {v}" for k, v in sorted(settings["versions"].items()))
    took = f"{settings['seconds']:,.0f} s with {settings['jobs']} processes"
    return f"Policy {settings['policy']}; {versions}; {settings['machine']}, {took}."


def _failures(cases: Results) -> list[str]:
    """What did not pass, a line for each kind of phase."""
    lines = ["", "What failed or was invalid at some reading:", ""]
    for harm, case in cases.items():
        failed = ", ".join(f"{name} {n}" for name, n in case["failed checks"].items()) or "nothing"
        blocked = ", ".join(f"{k} {n}" for k, n in case["blocked in the end"].items()) or "nothing"
        lines.append(f"* {harm}: {failed}. In the end not passed: {blocked}.")
    return lines
