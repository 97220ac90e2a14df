"""Latencies and scores by the hour, as profiles hold them: counts of fine bins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analyzer import compute as pc
from analyzer.profiles import Profiles
from analyzer.window import HOUR

Ints = NDArray[np.int64]


def fine_bins(profiles: Profiles, model: str, column: str) -> tuple[Ints, Ints, Ints]:
    """Hourly fine bins of latency or score: (hour index in the window, code, n)."""
    return profiles.remember(
        ("fine bins", model, column), lambda: _fine_bins(profiles, model, column)
    )


def _fine_bins(profiles: Profiles, model: str, column: str) -> tuple[Ints, Ints, Ints]:
    table = profiles.table("fine_hours")
    rows = table.filter(pc.and_(pc.equal(table["model"], model), pc.equal(table["column"], column)))
    hour = (rows["hour"].cast("int64").to_numpy() - profiles.window.start) // HOUR
    return hour, rows["code"].to_numpy().astype(np.int64), rows["n"].to_numpy()
