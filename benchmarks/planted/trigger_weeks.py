"""Simulated weeks by the minute of a service under a rollout, for `planted.triggers`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from analyzer import policy
from analyzer.diary import Event
from analyzer.triggers import rules
from analyzer.triggers.expected import Past, expected
from analyzer.triggers.grid import Arm, Grid
from analyzer.triggers.rolled_out import Before
from analyzer.triggers.run import weights
from analyzer.triggers.states import Course, Missing
from analyzer.window import HOUR, MINUTE, show

ZONE = ZoneInfo("America/New_York")
WEEKS = 4
LIMITS = policy.load().trigger
HOLIDAY_LEVEL = 0.55
MIRROR = 0.05
"""Share of the requests that the old model is shown in the full rollout."""

CLOSED = (1, 5)
"""Local hours without any request, of a service that closes at night."""

Clocks = Literal["spring", "autumn", "none"]
CHANGES = {"spring": datetime(2025, 3, 9, 7), "autumn": datetime(2025, 11, 2, 6)}
"""When clocks change, UTC."""


class World:
    """Four weeks of history and one week by the minute.

    steps: (minute of the week, weight) of a ramp; told: whether the diary knows of them. clocks:
    which change of clocks lies in the week, by default as the seed has it: half of the weeks hold
    autumn's, a quarter spring's. least, most: mean requests a minute. holiday: whether a day is
    one, by default every third week's.
    """

    def __init__(
        self,
        seed: int,
        weight: float = 0.05,
        least: float = 600,
        *,
        most: float = 60_000,
        steps: Sequence[tuple[float, float]] = (),
        told: bool = True,
        clocks: Clocks | None = None,
        holiday: bool | None = None,
        closed: bool = False,
    ) -> None:
        self.random = np.random.default_rng(seed)
        draw = self.random
        self.closed = closed
        self.clocks: Clocks = clocks or ("spring", "autumn", "none", "autumn")[seed % 4]
        self.change = _instant(self.clocks)
        self.start = self.change - (48 + seed % 4 * 24) * HOUR
        self.minutes = 7 * 24 * 60
        past_start = self.start - WEEKS * 168 * HOUR
        hours = (self.start + 168 * HOUR - past_start) // HOUR
        self.mean = float(np.exp(draw.uniform(np.log(least), np.log(most))))  # requests a minute
        self.shape = draw.uniform(0.3, 0.9), draw.uniform(0.0, 0.3), draw.uniform(0, 24)
        instants = past_start + HOUR * np.arange(hours)
        self.past = Past(past_start, draw.poisson(self._rate(instants + HOUR // 2) * 60) * 1.0)
        minute = self.start + MINUTE * np.arange(self.minutes)
        self.events = [
            Event(
                ts=show(self.start + round(at * MINUTE) // 1_000_000 * 1_000_000),
                kind="weight",
                challenger_weight=one,
            )
            for at, one in ((-60.0, weight), *steps)
        ]
        lam = self._rate(minute + MINUTE // 2) * np.exp(draw.normal(0, 0.05, self.minutes))
        self.holiday = holiday if holiday is not None else seed % 3 == 0
        self.feast = 0
        if self.holiday:
            self.feast = self._feast(int(draw.integers(2, 6)))
            lam[self.feast : self.feast + 24 * 60] *= HOLIDAY_LEVEL
        none = {side: _nothing(self.minutes) for side in ("champion", "challenger")}
        self.weight = weights(self.events, Grid(self.start, MINUTE, none))
        challenger = draw.poisson(lam * self.weight)
        champion = draw.poisson(lam * (1 - self.weight))
        self.past.hours[-168:] = (challenger + champion).reshape(-1, 60).sum(axis=1)
        full = self.weight == 1
        champion[full] = draw.binomial(challenger[full], MIRROR)
        if not told:
            self.events = [e for e in self.events if e.at < self.start or e.kind != "weight"]
            self.weight = weights(self.events, Grid(self.start, MINUTE, none))
        self.base = (
            80 * np.exp(draw.normal(0, 0.1)) * np.exp(0.08 * np.sin(minute / (24 * HOUR) * 6.3))
        )
        self.arms = {
            "champion": self._arm(champion, self.base, 0.0005),
            "challenger": self._arm(challenger, self.base * draw.uniform(0.8, 1.3), 0.0005),
        }

    def _feast(self, day: int) -> int:
        """Note a holiday in the diary; the minute in which it begins."""
        local = datetime.fromtimestamp(self.start // 1_000_000 + day * 86_400, ZONE)
        dawn = local.replace(hour=0, minute=0, second=0)
        begin = int(dawn.timestamp()) * 1_000_000
        end = show(begin + 24 * HOUR)
        self.events.append(Event(ts=show(begin), kind="holiday", end=end))
        return (begin - self.start) // MINUTE

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
        open_now = (clock % 24 < CLOSED[0]) | (clock % 24 >= CLOSED[1]) | (not self.closed)
        return self.mean * day * week * open_now

    def _arm(self, n: np.ndarray, base: np.ndarray, error_rate: float) -> Arm:
        errors = self.random.binomial(n, error_rate)
        # a percentile of n requests scatters by about 1.7 / sqrt(n (1 - q)) of itself
        noise = self.random.normal(0, 1, len(n)) * 0.17 / np.sqrt(np.maximum(n, 1) / 100)
        latency = np.where(n > 0, base * np.exp(noise), np.nan)
        return Arm(n.astype(np.int64), errors.astype(np.int64), n.astype(np.int64), latency)

    def lose(self, side: str, span: slice) -> None:
        """Some minutes of a model's log cannot be read."""
        arm = self.arms[side]
        unknown = np.zeros(self.minutes, dtype=bool) if arm.unknown is None else arm.unknown
        unknown[span] = True
        self.arms[side] = replace(arm, unknown=unknown)

    def followed(self, missing: Missing = "hold") -> dict[str, Course]:
        """Every trigger's course over the week."""
        limits = msgspec.structs.replace(LIMITS, missing=missing)
        grid = Grid(self.start, MINUTE, self.arms)
        total, unknown = rules.served(grid, self.weight), rules.unserved(grid, self.weight)
        known = np.where(unknown, np.nan, total)
        due = expected(known, self.start, MINUTE, self.past, self.events, ZONE)
        parts = rules.shares(self.weight, 1.0)
        full = self.weight == 1
        days = np.full(self.minutes, 10_000)
        before = Before(full, self.base, days, "7 accepted days") if full.any() else None
        every = [
            rules.latency(grid, limits, before),
            rules.errors(grid, limits),
            rules.volume("volume", "all traffic", total, due, unknown, limits),
        ]
        for side in ("champion", "challenger"):
            name, n = f"volume of the {side}", self.arms[side].n
            gone = unknown | grid.unknown(side)
            every.append(rules.volume(name, side, n, total * parts[side], gone, limits))
        return {rule.name: rule.course(limits) for rule in every}


def _nothing(minutes: int) -> Arm:
    zeros = np.zeros(minutes, dtype=np.int64)
    return Arm(zeros, zeros, zeros, np.full(minutes, np.nan))


def _instant(clocks: Clocks) -> int:
    """When the clocks change, or an hour of a week in which they do not, microseconds UTC."""
    moment = CHANGES.get(clocks, datetime(2025, 6, 15, 6)).replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000
