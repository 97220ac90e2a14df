"""The hourly (or minutely) series in which an onset is looked for, straight from profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.logs import SIDES
from analyzer.measure import quantile_of_bins
from analyzer.onset.search import Series
from analyzer.profiles import Profiles
from analyzer.stats.result import Estimate
from analyzer.window import HOUR, MINUTE

TITLES = {
    "difference": ("Mean difference of scores", "score"),
    "distance": ("Mean absolute difference of scores", "score"),
    "flips": ("Decisions that differ", "share"),
    "score": ("Mean score of the challenger", "score"),
    "latency": ("Median latency of the challenger", "ms"),
    "slow": ("P99 latency of the challenger", "ms"),
    "errors": ("Failed requests of the challenger", "share"),
    "null scores": ("Challenger's requests without a usable score", "share"),
    "null features": ("NULL feature values, all features", "share"),
    "unmatched": ("Requests that the challenger never answered", "share"),
}
"""Series by name, with what a chart calls them and their unit."""

LEAST_LATENCIES = {"latency": 20, "slow": 380}
"""Requests below which an hour has no such percentile."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Grid:
    """A dense grid of points: point i covers [start + i step, start + (i + 1) step)."""

    start: int
    step: int
    points: int

    def place(self, instants: Ints) -> Ints:
        """Point of each instant (microseconds UTC)."""
        found: Ints = (instants - self.start) // self.step
        return found

    def sums(self, instants: Ints, values: Ints) -> Floats:
        """Values added up by point."""
        found = np.bincount(self.place(instants), weights=values, minlength=self.points)
        return found.astype(np.float64)


def measured(
    profiles: Profiles, step: int, feature_nulls: tuple[Ints, Ints] | None = None
) -> list[Series]:
    """Every series that the logs carry, over the whole window of `profiles`.

    step: an hour or a minute, microseconds. feature_nulls: NULLs and rows of all features by
    hour, for hourly series. A series nobody logged is left out.
    """
    window = profiles.window
    grid = Grid(window.start, step, (window.end - window.start) // step)
    found = _from_minutes(profiles, grid)
    if step == HOUR:
        found |= _latencies(profiles, grid)
        if feature_nulls is not None:
            nulls, rows = feature_nulls
            found["null features"] = (nulls.astype(np.float64), rows.astype(np.float64))
    series = []
    for name, (_, unit) in TITLES.items():
        if name not in found:
            continue
        total, n = found[name]
        if n.any():
            values = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)
            series.append(Series(name, unit, values, n))
    return series


Sums = dict[str, tuple[Floats, Floats]]


def _from_minutes(profiles: Profiles, grid: Grid) -> Sums:
    table = profiles.table("minutes")
    model = {
        name: _summed(table.filter(pc.equal(table["model"], name)), grid)
        for name in (*SIDES, "pair")
    }
    pair, new, old = model["pair"], model["challenger"], model["champion"]
    quantum = profiles.frozen.quantum
    found: Sums = {}
    if "difference_sum" in pair:
        scored = pair["n"] - pair["nulls"]
        found["difference"] = (pair["difference_sum"] * quantum, scored)
        found["distance"] = (pair["difference_absolute"] * quantum, scored)
        found["flips"] = (pair["flips"], pair["decided"])
    if "score_sum" in new:
        found["score"] = (new["score_sum"] * quantum, new["n"] - new["nulls"])
        found["errors"] = (new["errors"], new["n"])
        if (new["n"] - new["nulls"]).any():
            found["null scores"] = (new["nulls"], new["n"])
    if "unmatched" in old:
        found["unmatched"] = (old["unmatched"], old["n"])
    return found


def _summed(rows: pa.Table, grid: Grid) -> dict[str, Floats]:
    instants = rows["minute"].cast(pa.int64()).to_numpy()
    return {
        name: grid.sums(instants, rows[name].fill_null(0).to_numpy())
        for name in rows.schema.names
        if name not in ("minute", "model")
    }


def _latencies(profiles: Profiles, grid: Grid) -> Sums:
    """Hourly P50 and P99 of the challenger, as (value * n, n): a mean of one value is itself."""
    table = profiles.table("fine_hours")
    chosen = pc.and_(
        pc.equal(table["model"], "challenger"), pc.equal(table["column"], "latency_ms")
    )
    rows = table.filter(chosen)
    if not rows.num_rows:
        return {}
    place = grid.place(rows["hour"].cast(pa.int64()).to_numpy())
    order = np.argsort(place, kind="stable")
    code = rows["code"].to_numpy().astype(np.int64)[order]
    n = rows["n"].to_numpy()[order]
    bounds = np.searchsorted(place[order], np.arange(grid.points + 1))
    found = {name: (np.zeros(grid.points), np.zeros(grid.points)) for name in LEAST_LATENCIES}
    for hour in np.flatnonzero(np.diff(bounds)).tolist():
        low, high = int(bounds[hour]), int(bounds[hour + 1])
        requests = float(n[low:high].sum())
        for name, q in (("latency", 0.5), ("slow", 0.99)):
            value = quantile_of_bins(profiles, code[low:high], n[low:high], q)
            if isinstance(value, Estimate) and requests >= LEAST_LATENCIES[name]:
                found[name][0][hour] = value.value * requests
                found[name][1][hour] = requests
    return found


def usual(values: Floats, hour_of_week: Ints, clean: NDArray[np.bool_]) -> list[float | None]:
    """Median of the clean points of the same hour of the week, None where there is none."""
    median: Mapping[int, float] = {
        hour: float(np.median(known))
        for hour in np.unique(hour_of_week).tolist()
        if len(known := values[(hour_of_week == hour) & clean & np.isfinite(values)])
    }
    return [median.get(hour) for hour in hour_of_week.tolist()]


__all__ = ["MINUTE", "TITLES", "Grid", "measured", "usual"]
