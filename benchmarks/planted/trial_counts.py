"""Simulated A/B tests of millions of units whose outcome is yes or no: only counts are drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.random import Generator

from analyzer.design import Experiment, Metric
from analyzer.experiment.known import Known
from analyzer.experiment.sums import ANY
from analyzer.experiment.tables import EVENTS, PRODUCT_BITS, VALUE_BITS, Scales
from analyzer.profile import repeat, table
from benchmarks.planted.trial_units import FIRST, Ints, known_from
from benchmarks.planted.trial_worlds import design_of

SCALES = Scales({EVENTS: 1.0, "orders": 1.0})


def rate_design(weight: float = 0.5) -> Experiment:
    """A share of units as the primary metric, and nothing else."""
    share = Metric(kind="proportion", role="primary", value="orders")
    return design_of(weight=weight, conversion=share)


def counted(design: Experiment, units: Ints, hits: Ints) -> Known:
    """What is known of units (days, 2 arms), each seen on one day, and how many of them did."""
    days = len(units)
    day, arm = np.divmod(np.arange(units.size), 2)
    name = ANY.format("orders")
    parts = []
    for one, other, n in (
        ("", "", units),
        (name, "", hits << VALUE_BITS),
        (name, name, hits << PRODUCT_BITS),
    ):
        keys = {
            "day": FIRST + day,
            "exposed": FIRST + day,
            "arm": arm,
            "column": repeat("", units.size),
            "value": repeat("", units.size),
            "one": repeat(one, units.size),
            "other": repeat(other, units.size),
        }
        parts.append(table("unit_sums", {**keys, "n": n.ravel()}))
    none = np.zeros(0, dtype=np.int64)
    keys = {"day": none, "exposed": none, "arm": none}
    bins = {**keys, "measure": pa.array([], pa.string()), "code": none, "n": none}
    buckets = {**keys, "bucket": none, "units": none, EVENTS: none, "v0": none}
    made = {
        "unit_sums": pa.concat_tables(parts),
        "unit_bins": table("unit_bins", {**bins, "total": none, "squares": none}),
        "unit_buckets": table("unit_buckets", buckets),
    }
    return known_from(design, SCALES, made, days)


def drawn(
    rng: Generator, per_day: int, weights: Sequence[float], rates: tuple[float, float]
) -> tuple[Ints, Ints]:
    """Units (days, 2) and how many of them did, by the arms' rates."""
    challenger = rng.binomial(per_day, weights)
    units = np.column_stack((per_day - challenger, challenger)).astype(np.int64)
    return units, rng.binomial(units, rates).astype(np.int64)
