"""Logs with planted incidents, made and scanned once for all tests of the diagnosis."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # so that tests may `from planted import ...`
sys.path.insert(0, str(Path(__file__).parents[2]))  # and planted `from sample_data import ...`

from planted import hours, logs, scanned

from analyzer import diary
from analyzer.diary import Event
from analyzer.window import show


@pytest.fixture(scope="session")
def fortnight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two weeks; the shadow's log of day 1 is missing.

    Hours 216 to 240: the challenger is slower, fails for one device, loses half of a channel's
    requests, and f02 is often NULL. From hour 270 f01 drifts, from 276 to 300 one segment
    diverges. The diary knows the first incident.
    """
    served = "from=216,to=240"
    plants = [
        "missing_day:day=1",
        f"latency:factor=1.6,{served}",
        f"errors:device=desktop,rate=0.1,{served}",
        f"lost:channel=email,share=0.5,{served}",
        f"nulls:feature=f02,share=0.3,{served}",
        "segment:country=US,device=ios,effect=2,from=276,to=300",
        "drift:feature=f01,shift=0.5,from=270,to=300",
    ]
    folder = logs(tmp_path_factory.mktemp("fortnight"), 14, plants)
    rollout = scanned(folder / "rollout.toml")
    first = hours(216, 240)
    event = Event(ts=show(first.start), kind="incident", end=show(first.end), note="slow")
    diary.append(diary.path_of(rollout), event)
    return folder


@pytest.fixture(scope="session")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five days; on the last one a segment diverges."""
    plants = ["segment:channel=organic,effect=1.5,from=96"]
    folder = logs(tmp_path_factory.mktemp("week"), 5, plants, pairs=20_000, seed=3)
    scanned(folder / "rollout.toml")
    return folder
