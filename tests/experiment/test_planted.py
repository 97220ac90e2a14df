"""What the simulations draw is what the product reads of logs of the same units."""

from __future__ import annotations

import numpy as np

from analyzer.design import Metric
from benchmarks.planted.trial_counts import counted, drawn, rate_design
from benchmarks.planted.trial_logs import differences
from benchmarks.planted.trial_units import FIRST
from benchmarks.planted.trial_worlds import (
    METRICS,
    World,
    checks_of,
    decision,
    design_of,
    promised,
    ramp,
    read,
)


def test_drawn_units_are_read_as_their_logs_are() -> None:
    world = World(per_day=40, weights=(0.1, 0.1, 0.5, 0.5, 0.5), lift=0.3)
    trial = world.draw(np.random.default_rng(1))
    rest = {
        "p90": Metric(kind="quantile", value="revenue", quantile=0.9),
        "cut": Metric(value="revenue", winsorise=0.95),
        "order": Metric(kind="quantile", of="events", value="revenue", ignore_zeros=True),
        "day": Metric(kind="quantile", of="events", value="revenue", quantile=0.8),
    }
    assert differences(design_of(*METRICS, **rest), trial, ramp(world.weights)) == []


def test_counts_say_what_was_drawn() -> None:
    design = rate_design(0.01)
    units, hits = drawn(np.random.default_rng(2), 1_000_000, (0.01,) * 7, (0.01, 0.02))
    known = counted(design, units, hits)
    promise = promised(design, units.sum(), 7)
    early, late = (read(known.at(FIRST + day), promise) for day in (3, 7))
    assert late.readings[0].champion == hits[:, 0].sum() / units[:, 0].sum()
    assert late.ended and not early.ended
    assert decision(checks_of(early, known.at(FIRST + 3))) == "wait"  # never before the end
    primary = next(c for c in checks_of(late, known) if c.id == "experiment.primary")
    assert primary.outcome == "pass"
