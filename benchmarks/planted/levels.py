"""Service levels on simulated weeks: `python -m benchmarks.planted.levels --date D`.

Clean weeks hold daily and weekly cycles, days that are busier than others (SD 3 %), hours that
differ from week to week (5 %), bursts (every minute's rate varies by 5 %), days whose scores are
higher than others' (3 %), hours that fail or slow down more than others, a holiday that the
diary knows, a clock change, and an earlier incident that it knows; every level is kept in truth.
Each of a week's seven days is judged as a night would. In the others harm is planted on one day.
"""

from __future__ import annotations

import argparse
import platform
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer import policy
from analyzer.diary import Event
from analyzer.slo.answer import Slo, slo
from analyzer.slo.history import history
from analyzer.slo.volume import volume_checks
from analyzer.store import Manifest
from analyzer.window import HOUR, MINUTE, show
from benchmarks.planted.saved import save
from benchmarks.planted.service import UNIT, Service

HERE = Path(__file__).parent / "results"
ZONE = ZoneInfo("America/New_York")
POLICY = policy.load()
HISTORY, WEEK = 35, 7
DAY_SD, HOUR_SD, BURST, SCORE_SD, HOLIDAY_LEVEL = 0.03, 0.05, 0.05, 0.03, 0.55
ERRORS, SLOW, HALF = 0.0003, 0.004, 0.3
"""Shares of requests that fail, take 200 ms and take 50 ms: what the truth is."""

RESTLESS = (0.03, 0.05, 0.08)
"""By how much days differ, for the volume by itself."""

Floats = NDArray[np.float64]
THIN = "volume - 30 %, a day"
PLANTS = {
    "volume - 40 %, 3 hours": "model.volume",
    THIN: "model.volume",
    "silence, 10 minutes": "infrastructure.availability",
    "0.2 % errors, a day": "infrastructure.errors",
    "5 % errors, 30 minutes": "infrastructure.burn.errors.1h",
    "1 % errors, 5 hours": "infrastructure.burn.errors.6h",
    "2 % take 200 ms, a day": "infrastructure.latency_tail",
    "mean score + 30 %, a day": "model.mean_score.champion",
}
"""What is planted, and the check that must fail."""


class World(Service):
    """Five weeks of history and a week to judge. busy: the least requests a minute by day."""

    def __init__(self, seed: int, busy: float = 5.0, day_sd: float = DAY_SD) -> None:
        self.random = draw = np.random.default_rng(seed)
        month, day = ((2, 10), (9, 29))[seed % 2]  # clocks change on 9 March, on 2 November
        start = int(datetime(2025, month, day, tzinfo=UTC).timestamp()) * 1_000_000
        super().__init__(start, HISTORY + WEEK)
        self.kept: dict[tuple[int, str], pa.Table] = {}
        self.mean = float(np.exp(draw.uniform(np.log(busy), np.log(20_000))))
        self.events: list[Event] = []
        hours = [
            datetime.fromtimestamp((start + h * HOUR) // 10**6, ZONE) for h in range(self.days * 24)
        ]
        of_day = np.array([hour.hour for hour in hours])
        weekend = np.array([hour.weekday() >= 5 for hour in hours])
        depth, dip, peak = draw.uniform(0.3, 0.9), draw.uniform(0.4, 1.0), draw.uniform(0, 24)
        cycle = 1 + depth * np.cos(2 * np.pi * (of_day - peak) / 24)
        level = np.repeat(np.exp(draw.normal(0, day_sd, self.days)), 24)
        rate = self.mean * cycle * np.where(weekend, dip, 1.0) * level
        rate *= np.exp(draw.normal(0, HOUR_SD, len(rate)))
        rate = self._holiday(seed, rate)
        n = self._minutes_of(rate)
        score = np.repeat(0.3 + 0.02 * np.cos(2 * np.pi * of_day / 24), 60)
        score *= np.repeat(np.exp(draw.normal(0, SCORE_SD, self.days)), 1440)
        self.serve("champion", n, score)
        self._outcomes(n, score)
        self._incident(seed)

    def _holiday(self, seed: int, rate: Floats) -> Floats:
        if seed % 3:
            return rate
        day = int(self.random.integers(7, HISTORY + WEEK))
        self.events.append(Event(ts=show(self.at(day)), kind="holiday"))
        rate[day * 24 : (day + 1) * 24] *= HOLIDAY_LEVEL
        return rate

    def _minutes_of(self, rate: Floats) -> NDArray[np.int64]:
        minutes = np.repeat(rate, 60) * np.exp(self.random.normal(0, BURST, len(rate) * 60))
        return self.random.poisson(minutes).astype(np.int64)

    def _outcomes(self, n: NDArray[np.int64], score: Floats) -> None:
        """Failures and slow answers, more in some hours than in others; the mean of the scores."""
        draw, arm = self.random, self.arms["champion"]
        for measure, share, sd in (
            ("errors", ERRORS, 0.4),
            ("over_200ms", SLOW, 0.3),
            ("over_50ms", HALF, 0.1),
        ):
            hours = share * np.exp(draw.normal(-sd * sd / 2, sd, self.days * 24))
            arm[measure] = draw.binomial(n, np.repeat(hours, 60)).astype(np.int64)
        arm["over_50ms"] = np.maximum(arm["over_50ms"], arm["over_200ms"])
        noise = draw.normal(0, 0.1, len(n)) * np.sqrt(n)
        arm["score_sum"] = np.rint((n * score + noise) * UNIT).astype(np.int64)

    def _incident(self, seed: int) -> None:
        """In every other world an earlier outage of six hours, which the diary knows."""
        if seed % 2:
            return
        first = int(self.random.integers(7, HISTORY - 1)) * 1440 + 600
        for values in self.arms["champion"].values():
            values[first : first + 360] = 0
        at = self.start + first * MINUTE
        self.events.append(Event(ts=show(at), kind="incident", end=show(at + 6 * HOUR)))

    def read(self, manifest: Manifest, name: str) -> pa.Table:
        """As of a store; each table is made once."""
        key = (manifest.start, name)
        if key not in self.kept:
            self.kept[key] = super().read(manifest, name)
        return self.kept[key]

    def judged(self, day: int) -> Slo:
        """What a night says of a day."""
        material = self.material(POLICY, self.window(day), ZONE.key)
        return slo(material.rollout, POLICY, material.profiles, self.events)

    def volume(self, day: int) -> str:
        """What a night says of a day's volume alone."""
        material = self.material(POLICY, self.window(day), ZONE.key)
        past = history(material.rollout, material.profiles, POLICY.slo, self.events)
        return volume_checks(material, past)[0].outcome

    @property
    def judged_days(self) -> list[int]:
        """The days of the last week but for holidays."""
        return [day for day in range(HISTORY, HISTORY + WEEK) if not self.holiday(day)]

    def holiday(self, day: int) -> bool:
        """Whether a day touches a holiday."""
        return any(e.kind == "holiday" and e.at == self.at(day) for e in self.events)


def plant(world: World, what: str, day: int) -> None:
    """Harm on a day, as counts."""
    arm, draw = world.arms["champion"], world.random
    first = day * 1440
    busiest = first + int(np.argmax(np.convolve(arm["n"][first : first + 1140], np.ones(60))[60:]))
    whole = slice(first, first + 1440)

    def thin(span: slice, share: float) -> None:
        for name in ("n", "latency_n", "score_sum", "score_squares", "errors", "over_200ms"):
            arm[name][span] = np.rint(arm[name][span] * share).astype(np.int64)

    def fail(span: slice, share: float, measure: str = "errors") -> None:
        arm[measure][span] = draw.binomial(arm["n"][span], share)

    if what.startswith("volume - 40"):
        thin(slice(busiest, busiest + 180), 0.6)
    elif what.startswith("volume"):
        thin(whole, 0.7)
    elif what.startswith("silence"):
        thin(slice(busiest, busiest + 10), 0.0)
    elif what.startswith("0.2"):
        fail(whole, 0.002)
    elif what.startswith("5 %"):
        fail(slice(busiest, busiest + 30), 0.05)
    elif what.startswith("1 %"):
        fail(slice(busiest, busiest + 300), 0.01)
    elif what.startswith("2 %"):
        fail(whole, 0.02, "over_200ms")
    else:
        arm["score_sum"][whole] = np.rint(arm["score_sum"][whole] * 1.3).astype(np.int64)
    world.kept.clear()


def clean_week(seed: int) -> Counter[tuple[str, str]]:
    """How often each check came out how, over a clean week's days but for holidays."""
    world = World(seed)
    found: Counter[tuple[str, str]] = Counter()
    for day in world.judged_days:
        said = world.judged(day)
        found.update((c.id, c.outcome) for c in said.checks)
        found[("(the day)", said.outcome)] += 1
    return found


def restless(seed: int, weeks: int, day_sd: float) -> dict[str, object]:
    """How often the volume came out how where days differ by so much: of healthy days, and of one
    day of each week that brings 30 % less than it would.
    """
    healthy: Counter[str] = Counter()
    thin: Counter[str] = Counter()
    for k in range(seed, seed + weeks):
        world = World(k, day_sd=day_sd)
        healthy.update(world.volume(day) for day in world.judged_days)
        world = World(k, busy=1_000.0, day_sd=day_sd)
        day = world.judged_days[k % len(world.judged_days)]
        plant(world, THIN, day)
        thin[world.volume(day)] += 1
    return {"days differ by": day_sd, "healthy": dict(healthy), THIN: dict(thin)}


def planted(seed: int, what: str) -> tuple[str, str]:
    """What the check that must fail said, and the outcome of the day; of a busy service."""
    world = World(seed, busy=1_000.0)
    day = world.judged_days[seed % len(world.judged_days)]
    plant(world, what, day)
    said = world.judged(day)
    return next(c.outcome for c in said.checks if c.id == PLANTS[what]), said.outcome


def main() -> None:
    """Simulate and write results/levels.*"""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weeks", type=int, default=100)
    parser.add_argument("--plants", type=int, default=20, help="of each kind")
    parser.add_argument("--restless", type=int, default=60, help="weeks for the volume by itself")
    parser.add_argument("--date", required=True)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    clean: Counter[tuple[str, str]] = Counter()
    for seed in range(options.seed, options.seed + options.weeks):
        clean += clean_week(seed)
    kinds = {}
    for what in PLANTS:
        answers = [planted(options.seed + i, what) for i in range(options.plants)]
        kinds[what] = {
            "check": PLANTS[what],
            "failed": sum(check == "fail" for check, _ in answers),
            "held": sum(day == "hold" for _, day in answers),
            "of": len(answers),
        }
    result = {
        "date": options.date,
        "seed": options.seed,
        "clean weeks": options.weeks,
        "clean days": _table(clean),
        "planted": kinds,
        "volume": [restless(options.seed, options.restless, sd) for sd in RESTLESS],
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
    }
    save(options.out, "levels", result, _page(result))


def _table(clean: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (check, outcome), count in sorted(clean.items()):
        found.setdefault(check, {})[outcome] = count
    return found


def _page(result: dict) -> str:
    rows = [
        f"| {check} | {sum(c.values()):,} | {c.get('fail', 0) + c.get('hold', 0)} | "
        f"{c.get('undecided', 0)} |"
        for check, c in result["clean days"].items()
    ]
    lines = [
        "# Service levels on simulated weeks",
        "",
        f"{result['date']}. Seeds from {result['seed']}; {result['clean weeks']:,} clean weeks of "
        "services of 5 to 20,000 requests a minute, every third with a holiday that the diary "
        "knows (holidays are not judged), every other with an earlier incident, all with a clock "
        "change. Every day is judged by itself. Undecided: of quiet services, and a mean score or "
        "a volume whose days differ by so much that one alone is not certain.",
        "",
        "| check | clean days | failed | undecided |",
        "|---|---|---|---|",
        *rows,
        "",
        "| planted on one day, 1,000 to 20,000 requests a minute | check | failed | day held |",
        "|---|---|---|---|",
        *(
            f"| {what} | {k['check']} | {k['failed']} of {k['of']} | {k['held']} of {k['of']} |"
            for what, k in result["planted"].items()
        ),
        "",
        "Volume by itself, where days differ more; 30 % less on one day of services of 1,000 to "
        "20,000 requests a minute.",
        "",
        "| days differ by (SD) | healthy days: failed | undecided | 30 % less: failed | passed |",
        "|---|---|---|---|---|",
        *(_restless_row(found) for found in result["volume"]),
        "",
        ", ".join(f"{name} {version}" for name, version in sorted(result["versions"].items()))
        + ".",
        "",
    ]
    return "\n".join(lines)


def _restless_row(found: dict) -> str:
    healthy, thin = found["healthy"], found[THIN]
    days, of = sum(healthy.values()), sum(thin.values())
    undecided = healthy.get("undecided", 0)
    return (
        f"| {found['days differ by']:.0%} | {healthy.get('fail', 0)} of {days} | {undecided} "
        f"({undecided / days:.1%}) | {thin.get('fail', 0)} of {of} | {thin.get('pass', 0)} |"
    )


if __name__ == "__main__":
    main()
