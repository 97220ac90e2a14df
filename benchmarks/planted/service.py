"""A service whose minutes are known: profiles made from arrays in memory, without logs.

`Service` holds, per model and minute, what a scan would have counted of its rows. Everything else
that a profile holds is empty, so whatever is asked of it must come from the minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.config import Log, Rollout, Time
from analyzer.frozen import Bins, Frozen
from analyzer.logs import SIDES
from analyzer.phases.gate import Material
from analyzer.policy import Policy
from analyzer.profile import KINDS, empty, repeat, table
from analyzer.profiles import Profiles
from analyzer.store import Manifest
from analyzer.window import DAY, HOUR, MINUTE, Window

Ints = NDArray[np.int64]
FROZEN = Frozen(
    schema=1,
    reference_start="",
    reference_rows=0,
    scale=1.0,
    bins={name: Bins("distance", 0.0, [0], 0) for name in ("score", "latency_ms", "difference")},
    vocabularies={},
    segments={},
    classes=[],
    decisions=[],
)
UNIT = 2.0**36
"""Score sums are whole multiples of 1 / UNIT."""


@dataclass(eq=False)
class Service:
    """Minutes of `days` whole UTC days from `start` on. arms: per model and measure one count a
    minute. gone: days (0-based) that were never scanned. tables: what else the profiles hold.
    """

    start: int
    days: int
    arms: dict[str, dict[str, Ints]] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    tables: dict[str, pa.Table] = field(default_factory=dict)
    path: Path = Path("memory")

    @property
    def minutes(self) -> int:
        """Minutes in all."""
        return self.days * 1440

    def at(self, day: int, minute: int = 0) -> int:
        """Microseconds UTC of a minute of a day."""
        return self.start + day * DAY + minute * MINUTE

    def window(self, day: int, days: int = 1) -> Window:
        """Whole days."""
        return Window(self.at(day), self.at(day + days))

    def serve(self, model: str, n: Ints, score: float | NDArray[np.floating] = 0.3) -> None:
        """A model that answers n requests a minute, none failed or slow, all with about `score`."""
        n = np.asarray(n, dtype=np.int64)
        mean = np.broadcast_to(np.asarray(score, dtype=np.float64), n.shape)
        zero = np.zeros_like(n)
        self.arms[model] = {
            "n": n,
            "errors": zero.copy(),
            "nulls": zero.copy(),
            "latency_n": n.copy(),
            "over_50ms": zero.copy(),
            "over_200ms": zero.copy(),
            "score_sum": np.rint(n * mean * UNIT).astype(np.int64),
            "score_squares": np.rint(n * (mean**2 + 0.01) * UNIT).astype(np.int64),
        }

    def manifests(self) -> dict[int, Manifest]:
        """As of a store: one slot a day."""
        found = {}
        for day in range(self.days):
            if day not in self.gone:
                start = self.at(day)
                name = datetime.fromtimestamp(start // 1_000_000, UTC).strftime("%Y-%m-%dT%H")
                found[start] = Manifest(name, start, start + DAY, f"{day:016x}", "", [], {})
        return found

    def read(self, manifest: Manifest, name: str) -> pa.Table:
        """As of a store: one table of a day."""
        if name in self.tables:
            whole = self.tables[name]
            at = whole[next(iter(KINDS[name].keys))].cast(pa.int64()).to_numpy()
            return whole.filter(pa.array((at >= manifest.start) & (at < manifest.end)))
        if name == "coverage":
            return self._coverage(manifest)
        return self._minutes(manifest) if name == "minutes" else empty(name, ["n"])

    def _span(self, manifest: Manifest) -> slice:
        first = (manifest.start - self.start) // MINUTE
        return slice(first, first + (manifest.end - manifest.start) // MINUTE)

    def _coverage(self, manifest: Manifest) -> pa.Table:
        hours = manifest.start + HOUR * np.arange((manifest.end - manifest.start) // HOUR)
        columns: dict[str, Any] = {"hour": hours, "matched": np.zeros(len(hours))}
        for side in SIDES:
            n = self.arms[side]["n"][self._span(manifest)] if side in self.arms else 0 * hours
            columns[f"{side}_rows"] = n.reshape(len(hours), -1).sum(axis=1)
            columns[f"{side}_duplicates"] = np.zeros(len(hours))
        return table("coverage", columns)

    def _minutes(self, manifest: Manifest) -> pa.Table:
        span = self._span(manifest)
        names = list(dict.fromkeys(name for arm in self.arms.values() for name in arm))
        parts = [empty("minutes", names or ["n"])]
        for model, arm in sorted(self.arms.items()):
            busy = np.flatnonzero(arm["n"][span])
            columns: dict[str, Any] = {
                "minute": manifest.start + busy * MINUTE,
                "model": repeat(model, len(busy)),
            }
            for name in names:
                columns[name] = arm[name][span][busy] if name in arm else np.zeros(len(busy))
            parts.append(table("minutes", columns))
        return pa.concat_tables(parts)

    def roles(self) -> None:
        """As of a store."""

    def profiles(self, window: Window) -> Profiles:
        """The profiles of a window."""
        return Profiles(self, FROZEN, list(self.manifests().values()), window)  # type: ignore[arg-type]

    def material(
        self, policy: Policy, window: Window, calendar: str = "UTC", **described: Any
    ) -> Material:
        """What checks judge. described: sections of rollout.toml."""
        rollout = Rollout(
            name="service",
            champion=Log(paths=["champion.parquet"]),
            challenger=Log(paths=["challenger.parquet"]),
            time=Time(calendar=calendar),
            **described,
        )
        return Material(rollout, policy, self.profiles(window), (), window.end, None)


def daily(service: Service, zone: ZoneInfo, busy: float, quiet: float, weekend: float) -> Ints:
    """Requests a minute: `busy` from 8 to 20 h where people live, else `quiet`, times `weekend`
    on Saturday and Sunday. Rounded, without chance.
    """
    hours = [
        datetime.fromtimestamp((service.start + h * HOUR) // 1_000_000, zone)
        for h in range(service.days * 24)
    ]
    rate = [
        (busy if 8 <= hour.hour < 20 else quiet) * (weekend if hour.weekday() >= 5 else 1.0)
        for hour in hours
    ]
    return np.repeat(np.rint(rate).astype(np.int64), 60)
