"""Small outcomes logs, made by chance from a seed, and plain answers about them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

START = datetime(2026, 3, 2, tzinfo=UTC)
FIRST_DAY = int(START.timestamp()) // 86_400

CONFIG = """name = "shop"
[champion]
paths = ["champion/*.parquet"]
[challenger]
paths = ["challenger/*.parquet"]
[experiment]
outcomes = ["outcomes/*.parquet"]
champion = "A"
challenger = "B"
segments = ["country"]
{more}
[experiment.metrics.revenue]
kind = "mean"
role = "primary"
value = "revenue"
covariate = "before"
winsorise = 0.99
[experiment.metrics.conversion]
kind = "proportion"
value = "orders"
[experiment.metrics.basket]
kind = "ratio"
value = "revenue"
denominator = "orders"
[experiment.metrics.median]
kind = "quantile"
value = "revenue"
[experiment.metrics.complaints]
kind = "mean"
value = "complaints"
role = "guard rail"
better = "lower"
margin = 0.1
"""


def events(units: int = 400, days: int = 5, seed: int = 1, per_day: float = 0.6) -> pl.DataFrame:
    """Outcomes of units over days; each unit keeps its arm, country and value before."""
    rng = np.random.default_rng(seed)
    arm = np.where(rng.random(units) < 0.5, "A", "B")
    country = rng.choice(["de", "fr", "it"], units)
    before = np.where(rng.random(units) < 0.1, np.nan, rng.gamma(2, 5, units))
    unit, day = np.nonzero(rng.random((units, days)) < per_day)
    times = 1 + rng.poisson(0.7, len(unit))
    unit, day = np.repeat(unit, times), np.repeat(day, times)
    n = len(unit)
    orders = rng.poisson(0.4, n)
    second = rng.integers(0, 86_400, n)
    found = pl.DataFrame(
        {
            "unit_id": [f"u{u}" for u in unit.tolist()],
            "ts": [
                START + timedelta(days=int(d), seconds=int(s))
                for d, s in zip(day, second, strict=True)
            ],
            "variant": arm[unit],
            "country": country[unit],
            "before": before[unit],
            "revenue": np.round(orders * rng.gamma(2, 10, n), 2),
            "orders": orders,
            "complaints": (rng.random(n) < 0.02).astype(np.int64),
        }
    )
    return found.with_columns(
        pl.col("before").fill_nan(None), pl.col("ts").cast(pl.Datetime("us", "UTC"))
    )


def rollout_of(folder: Path, frame: pl.DataFrame, more: str = "", files: int = 3) -> Path:
    """Write the outcomes in some files, and a rollout.toml; returns its path."""
    target = folder / "outcomes"
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.parquet"):
        old.unlink()
    for number in range(files):
        frame.gather_every(files, number).write_parquet(target / f"{number}.parquet")
    path = folder / "rollout.toml"
    path.write_text(CONFIG.format(more=more), encoding="utf-8")
    return path


def by_unit(frame: pl.DataFrame, days: int) -> pl.DataFrame:
    """What each unit had done by the end of its first `days` days, plainly."""
    known = frame.filter(pl.col("ts") < START + timedelta(days=days))
    return known.group_by("unit_id").agg(
        pl.col("variant").first(),
        pl.col("variant").n_unique().alias("arms"),
        pl.col("country").first(),
        pl.col("before").first(),
        pl.col("ts").min().alias("first"),
        pl.len().alias("events"),
        pl.col("revenue", "orders", "complaints").sum(),
    )
