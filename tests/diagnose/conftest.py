"""Logs with planted incidents, made and scanned once for all tests of the diagnosis."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # so that tests may `from planted import ...`
sys.path.insert(0, str(Path(__file__).parents[2]))  # and planted `from sample_data import ...`

from planted import logs, scanned


@pytest.fixture(scope="session")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two weeks; from hour 270 f01 drifts, from 276 to 300 one segment diverges."""
    plants = [
        "segment:country=US,device=ios,effect=2,from=276,to=300",
        "drift:feature=f01,shift=0.5,from=270,to=300",
    ]
    folder = logs(tmp_path_factory.mktemp("scores"), 14, plants)
    scanned(folder / "rollout.toml")
    return folder


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two weeks; from hour 276 the challenger is slower, fails for one device, loses a channel's
    requests, and sees NULLs; a day of its log is missing before.
    """
    plants = [
        "latency:factor=1.6,from=276,to=300",
        "errors:device=desktop,rate=0.1,from=276,to=300",
        "lost:channel=email,share=0.5,from=276,to=300",
        "nulls:feature=f02,share=0.3,from=276,to=300",
        "missing_day:day=4",
    ]
    folder = logs(tmp_path_factory.mktemp("serving"), 14, plants)
    scanned(folder / "rollout.toml")
    return folder
