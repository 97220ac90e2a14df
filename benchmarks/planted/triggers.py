"""Rollback triggers on simulated weeks: `python -m benchmarks.planted.triggers --date D`.

Clean weeks hold daily and weekly cycles, bursts (every minute's rate varies by 5 %), quiet nights,
a holiday that the diary knows, and a clock change; none may fire. In the others a breach is
planted, as counts, and must fire at the very minute.
"""

from __future__ import annotations

import argparse
import json
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

    def __init__(self, seed: int, weight: float = 0.05) -> None:
        self.random = np.random.default_rng(seed)
        draw = self.random
        month = (3, 11)[seed % 2]  # half of the weeks hold a clock change in spring, half in autumn
        first = datetime(2025, month, 3 if month == 3 else 27 - 24, tzinfo=UTC)
        self.start = int(first.timestamp()) * 1_000_000 - (seed % 4) * 168 * HOUR // 4
        self.minutes = 7 * 24 * 60
        past_start = self.start - WEEKS * 168 * HOUR
        hours = (self.start + 168 * HOUR - past_start) // HOUR
        self.mean = float(np.exp(draw.uniform(np.log(600), np.log(60_000))))  # requests a minute
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
        mirrored = self.weight == 0
        total = rules.served(grid, mirrored)
        due = expected(total.astype(float), self.start, MINUTE, self.past, self.events, ZONE)
        parts = rules.shares(self.weight, mirrored, 1.0)
        every = [
            rules.latency(grid, self.arms["champion"].latency, LIMITS, "champion"),
            rules.errors(grid, LIMITS),
            rules.volume("volume", "all traffic", total, due, LIMITS),
            *(
                rules.volume(f"volume of the {s}", s, self.arms[s].n, total * parts[s], LIMITS)
                for s in ("champion", "challenger")
            ),
        ]
        return {r.name: follow(r.states, r.minutes, "hold", LIMITS.held_minutes) for r in every}


def main() -> None:
    """Simulate and write results/triggers.*"""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weeks", type=int, default=1000)
    parser.add_argument("--date", required=True)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    fired: dict[str, int] = {}
    for seed in range(options.seed, options.seed + options.weeks):
        for name, course in World(seed).followed().items():
            fired[name] = fired.get(name, 0) + len(course.fired)
            if course.fired:
                print(seed, name, course.fired[:2], flush=True)
    print(json.dumps(fired))


if __name__ == "__main__":
    main()
