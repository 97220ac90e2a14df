"""Synthetic logs with planted incidents, ready to be diagnosed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from analyzer import config, diary, policy
from analyzer.config import Rollout
from analyzer.diagnose.analysis import Diagnosed, diagnose
from analyzer.diagnose.findings import Search
from analyzer.scan.run import scan
from analyzer.window import HOUR, Window, parse
from sample_data.generate import generate

START = date(2025, 3, 3)
MONDAY = parse("2025-03-03")


def hours(first: float, last: float) -> Window:
    """A window by hours since the logs begin."""
    return Window(MONDAY + round(first * HOUR), MONDAY + round(last * HOUR))


def logs(folder: Path, days: int, plants: Sequence[str], **options: Any) -> Path:
    """Write logs, 11,000 pairs a day, and a rollout.toml with the features f00 to f03."""
    generate(
        folder,
        pairs=options.pop("pairs", 11_000 * days),
        days=days,
        seed=options.pop("seed", 11),
        start=START.isoformat(),
        features=4,
        plants=list(plants),
        workers=1,
        **options,
    )
    describe(folder)
    return folder


def describe(folder: Path, name: str = "rollout", **sections: dict[str, Any]) -> Path:
    """Write a rollout.toml; sections replace or add keys of the usual ones."""
    usual: dict[str, dict[str, Any]] = {
        "champion": {"paths": ["champion/**/*.parquet"]},
        "challenger": {"paths": ["challenger/**/*.parquet"]},
        "segments": {"columns": ["country", "device", "channel", "plan"]},
        "features": {
            "numeric": ["f00", "f01", "f02", "f03"],
            "categorical": ["c0", "c1"],
        },
        "store": {"path": f".{name}"},
    }
    lines = [f"name = {json.dumps(name)}"]
    for section in {**usual, **sections}:
        lines.append(f"[{section}]")
        keys = {**usual.get(section, {}), **sections.get(section, {})}
        lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    path = folder / f"{name}.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def scanned(path: Path) -> Rollout:
    """The rollout of a file, its store up to date."""
    rollout = config.load(path)
    scan(rollout, policy.load())
    return rollout


def diagnosed(path: Path, **options: Any) -> Diagnosed:
    """A diagnosis from the store of a rollout that was scanned."""
    rollout = config.load(path)
    events = diary.read(diary.path_of(rollout))
    return diagnose(rollout, policy.load(), events=events, **options)


def named(searches: Sequence[Search], measure: str, mode: str = "change") -> list[dict[str, Any]]:
    """Predicates that a search found, the clearest first."""
    return [
        dict(segment.where)
        for search in searches
        if search.measure == measure and search.mode == mode and search.found is not None
        for segment in search.found.segments
    ]
