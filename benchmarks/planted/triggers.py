"""Rollback triggers on simulated weeks: `python -m benchmarks.planted.triggers --date D`.

Clean weeks hold daily and weekly cycles, bursts (every minute's rate varies by 5 %), quiet nights,
a holiday that the diary knows, and a clock change; none may fire. In the others a breach is
planted, as counts, and must fire at the very minute.
"""

from __future__ import annotations

import argparse
import json
import platform
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from analyzer import policy
from analyzer.diary import Event
from analyzer.triggers import rules
from analyzer.triggers.expected import Past, expected
from analyzer.triggers.grid import Arm, Grid
from analyzer.triggers.states import Course, follow
from analyzer.window import HOUR, MINUTE, show

HERE = Path(__file__).parent / "results"
ZONE = ZoneInfo("America/New_York")
WEEKS = 4
LIMITS = policy.load().trigger
HOLIDAY_LEVEL = 0.55


class World:
    """Four weeks of history and one week by the minute, of one service in canary at 5 %."""

    def __init__(self, seed: int, weight: float = 0.05, least: float = 600) -> None:
        self.random = np.random.default_rng(seed)
        draw = self.random
        month = (3, 11)[seed % 2]  # half of the weeks hold a clock change in spring, half in autumn
        first = datetime(2025, month, 3 if month == 3 else 27 - 24, tzinfo=UTC)
        self.start = int(first.timestamp()) * 1_000_000 - (seed % 4) * 168 * HOUR // 4
        self.minutes = 7 * 24 * 60
        past_start = self.start - WEEKS * 168 * HOUR
        hours = (self.start + 168 * HOUR - past_start) // HOUR
        self.mean = float(np.exp(draw.uniform(np.log(least), np.log(60_000))))  # requests a minute
        self.shape = draw.uniform(0.3, 0.9), draw.uniform(0.0, 0.3), draw.uniform(0, 24)
        instants = past_start + HOUR * np.arange(hours)
        rate = self._rate(instants + HOUR // 2) * 60
        self.past = Past(past_start, draw.poisson(rate).astype(np.float64))
        self.events: list[Event] = []
        minute = self.start + MINUTE * np.arange(self.minutes)
        level = np.ones(self.minutes)
        if seed % 3 == 0:
            day = int(draw.integers(2, 6))
            local = datetime.fromtimestamp(self.start // 1_000_000 + day * 86_400, ZONE)
            dawn = local.replace(hour=0, minute=0, second=0)
            begin = int(dawn.timestamp()) * 1_000_000
            level[(minute >= begin) & (minute < begin + 24 * HOUR)] = HOLIDAY_LEVEL
            end = show(begin + 24 * HOUR)
            self.events.append(Event(ts=show(begin), kind="holiday", end=end))
        lam = self._rate(minute + MINUTE // 2) * level
        lam *= np.exp(draw.normal(0, 0.05, self.minutes))
        challenger = draw.poisson(lam * weight)
        champion = draw.poisson(lam * (1 - weight))
        slots = (self.start - past_start) // HOUR
        served = (challenger + champion).reshape(-1, 60).sum(axis=1)
        self.past.hours[slots:] = served
        base = 80 * np.exp(draw.normal(0, 0.1)) * np.exp(0.08 * np.sin(minute / (24 * HOUR) * 6.3))
        self.arms = {
            "champion": self._arm(champion, base, 0.0005),
            "challenger": self._arm(challenger, base * draw.uniform(0.8, 1.3), 0.0005),
        }
        self.weight = np.full(self.minutes, weight)

    def _rate(self, instants: np.ndarray) -> np.ndarray:
        """Requests a minute: cycles of the local day and week, quiet nights."""
        deep, weekly, peak = self.shape
        hours = np.unique(instants // HOUR)
        offsets = [
            datetime.fromtimestamp(int(h) * 3600, ZONE).utcoffset().total_seconds() for h in hours
        ]
        offset = np.asarray(offsets)[np.searchsorted(hours, instants // HOUR)]
        clock = (instants / 1e6 + offset) / 3600
        day = 1 + deep * np.cos((clock - peak) / 24 * 2 * np.pi)
        week = 1 + weekly * np.cos(clock / 168 * 2 * np.pi)
        return self.mean * day * week

    def _arm(self, n: np.ndarray, base: np.ndarray, error_rate: float) -> Arm:
        errors = self.random.binomial(n, error_rate)
        # a percentile of n requests scatters by about 1.7 / sqrt(n (1 - q)) of itself
        noise = self.random.normal(0, 1, len(n)) * 0.17 / np.sqrt(np.maximum(n, 1) / 100)
        latency = np.where(n > 0, base * np.exp(noise), np.nan)
        return Arm(n.astype(np.int64), errors.astype(np.int64), n.astype(np.int64), latency)

    def followed(self) -> dict[str, Course]:
        """Every trigger's course over the week."""
        grid = Grid(self.start, MINUTE, self.arms)
        total = rules.served(grid, self.weight)
        due = expected(total.astype(float), self.start, MINUTE, self.past, self.events, ZONE)
        parts = rules.shares(self.weight, 1.0)
        every = [
            rules.latency(grid, LIMITS),
            rules.errors(grid, LIMITS),
            rules.volume("volume", "all traffic", total, due, LIMITS),
            *(
                rules.volume(f"volume of the {s}", s, self.arms[s].n, total * parts[s], LIMITS)
                for s in ("champion", "challenger")
            ),
        ]
        return {r.name: follow(r.states, r.minutes, "hold", LIMITS.held_minutes) for r in every}


PLANTS = {
    "latency x 3, 10 minutes": ("latency", 10, True),
    "latency x 3, 9 minutes": ("latency", 9, False),
    "latency x 3, 9 - ok - 9": ("latency", -9, False),
    "2 % errors, 5 minutes": ("errors", 5, True),
    "2 % errors, 4 minutes": ("errors", 4, False),
    "all traffic - 50 %, 5 minutes": ("volume", 5, True),
    "all traffic gone, 30 minutes": ("volume", 30, True),
    "challenger silent, 5 minutes": ("volume of the challenger", 5, True),
    "challenger silent, 4 minutes": ("volume of the challenger", 4, False),
}
"""What is planted: the trigger it is for, for how many minutes (-9: twice nine with one ok
between), and whether it must fire."""


def plant(world: World, what: str, at: int) -> None:
    """Change the counts of some minutes so that they break a rule, or do not."""
    _, minutes, _ = PLANTS[what]
    spans = [(at, at + 9), (at + 10, at + 19)] if minutes < 0 else [(at, at + minutes)]
    arms = world.arms
    for first, last in spans:
        span = slice(first, last)
        arm = arms["challenger"]
        if what.startswith("latency"):
            arm.latency[span] = 3 * arms["champion"].latency[span]
        elif what.startswith("2 %"):
            arm.errors[span] = np.ceil(0.02 * arm.n[span]).astype(np.int64)
        elif what.startswith("challenger"):
            _scale(arm, span, 0.0)
        else:
            for each in arms.values():
                _scale(each, span, 0.0 if "gone" in what else 0.5)


def _scale(arm: Arm, span: slice, by: float) -> None:
    for counts in (arm.n, arm.errors, arm.latency_n):
        counts[span] = np.floor(counts[span] * by)
    if by == 0:
        arm.latency[span] = np.nan


def planted(seed: int, what: str) -> tuple[str, str]:
    """Whether a planted breach fired at its very minute, and what else fired."""
    world = World(seed, weight=0.5, least=2_400)
    at = int(np.argmax(world.arms["champion"].n[: world.minutes // 2]))
    plant(world, what, at)
    name, _, must = PLANTS[what]
    found = world.followed()
    runs = [run for run in found[name].fired if at <= run.first <= at + 20]
    needed = 10 if name == "latency" else 5
    right = bool(runs) and (runs[0].first, runs[0].fired) == (at, at + needed - 1)
    others = sum(len(c.fired) for n, c in found.items() if n != name)
    if must:
        return ("right" if right else "missed"), str(others)
    return ("silent" if not found[name].fired else "false"), str(others)


def main() -> None:
    """Simulate and write results/triggers.*"""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weeks", type=int, default=1000)
    parser.add_argument("--breaches", type=int, default=50, help="of each kind")
    parser.add_argument("--date", required=True)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    clean: dict[str, int] = {}
    undecided = 0
    for seed in range(options.seed, options.seed + options.weeks):
        for name, course in World(seed).followed().items():
            clean[name] = clean.get(name, 0) + len(course.fired)
            undecided += int(course.undecided.sum())
    kinds = {}
    for what in PLANTS:
        answers = [planted(options.seed + i, what) for i in range(options.breaches)]
        kinds[what] = {
            "must fire": PLANTS[what][2],
            "as it must": sum(a[0] in ("right", "silent") for a in answers),
            "of": len(answers),
            "other triggers fired": sum(int(a[1]) for a in answers),
        }
    result = {
        "date": options.date,
        "seed": options.seed,
        "clean weeks": options.weeks,
        "fired in clean weeks": clean,
        "planted": kinds,
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
    }
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, sort_keys=True) + "\n"
    (options.out / "triggers.json").write_text(text, encoding="utf-8")
    (options.out / "triggers.md").write_text(_page(result), encoding="utf-8")
    print(_page(result))


def _page(result: dict) -> str:
    lines = [
        "# Rollback triggers on simulated weeks",
        "",
        f"{result['date']}. Seeds from {result['seed']}; {result['clean weeks']:,} clean weeks of "
        "canary traffic, every third with a holiday that the diary knows, some with a clock "
        "change. A silent challenger of half the traffic is a drop of all traffic too.",
        "",
        "| trigger | fired in clean weeks |",
        "|---|---|",
        *(f"| {name} | {count} |" for name, count in result["fired in clean weeks"].items()),
        "",
        "| planted | must fire | as it must, at the very minute | other triggers fired |",
        "|---|---|---|---|",
        *(
            f"| {what} | {'yes' if k['must fire'] else 'no'} | {k['as it must']} of {k['of']} | "
            f"{k['other triggers fired']} |"
            for what, k in result["planted"].items()
        ),
        "",
        ", ".join(f"{name} {version}" for name, version in sorted(result["versions"].items()))
        + ".",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
