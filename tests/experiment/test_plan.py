"""How uncertain a lift is where a planned effect is there, and the power of plans that know it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from analyzer.design import Metric
from analyzer.experiment.planned_error import errors, variance_at
from analyzer.stats.effects import Effect, Ratio, effect
from analyzer.stats.rate_effects import rate_effect
from analyzer.stats.units import UnitMoments


@pytest.mark.parametrize("weight", [0.01, 0.5, 0.8])
@pytest.mark.parametrize("lift", [-0.5, -0.1, 0.0, 0.1, 0.5])
def test_the_error_at_the_planned_effect(weight: float, lift: float) -> None:
    """What the product would compute of arms that are exactly as planned."""
    n, rate = 1e7, 0.05
    better: Literal["higher", "lower"] = "higher" if lift >= 0 else "lower"
    rates = ((1 - weight) * n, weight * n)
    counts = [(rate * (1 + lift * arm) * m, m) for arm, m in enumerate(rates)]
    even = [(rate * m, m) for m in rates]
    found, none = (rate_effect(*arms, relative=True) for arms in (counts, even))
    assert isinstance(found, Effect) and isinstance(none, Effect)
    share = Metric(kind="proportion", value="orders", better=better)
    taken, _ = errors(share, lift, lift, rate, weight)
    assert taken == pytest.approx(found.error / none.error, rel=1e-9)
    arms = [
        UnitMoments(m, np.array([1 + lift * arm]), np.array([[(1 + lift * arm) ** 2 * m * 4.0]]))
        for arm, m in enumerate(rates)
    ]
    same = [UnitMoments(m, np.array([1.0]), np.array([[m * 4.0]])) for m in rates]
    found, none = (effect(*two, Ratio(0), relative=True) for two in (arms, same))
    assert isinstance(found, Effect) and isinstance(none, Effect)
    taken, real = errors(Metric(value="revenue", better=better), lift, lift, 1.0, weight)
    assert taken == pytest.approx(found.error / none.error, rel=1e-4)
    assert real <= taken * (1 + 1e-12)


@pytest.mark.parametrize("weight", [0.1, 0.5])
@pytest.mark.parametrize("kind", ["higher", "lower", "guard rail"])
def test_the_planned_power_is_reached(weight: float, kind: str) -> None:
    """Means of large arms are normal: how often is a test of the planned size certain?"""
    better: Literal["higher", "lower"] = "higher" if kind == "higher" else "lower"
    role: Literal["primary", "guard rail"] = "guard rail" if kind == "guard rail" else "primary"
    effect, sd, z = 0.3, 2.0, 2.0
    metric = Metric(
        value="x", better=better, role=role, margin=effect if role != "primary" else None
    )
    grown = variance_at(metric, effect, 1.0, weight, z, 0.8)
    n = sd**2 * grown * (z + 0.8416) ** 2 / (effect**2 * weight * (1 - weight))
    true = {"higher": effect, "lower": -effect}.get(kind, 0.0)
    rng = np.random.default_rng(1)
    n_c, n_t = (1 - weight) * n, weight * n
    one = 1 + sd / np.sqrt(n_c) * rng.standard_normal(200_000)
    two = (1 + true) * (1 + sd / np.sqrt(n_t) * rng.standard_normal(200_000))
    lift = two / one - 1
    error = sd * np.sqrt((1 + true) ** 2 / n_t + (1 + np.maximum(lift, 0)) ** 2 / n_c)
    sure = {"higher": lift > z * error, "lower": lift < -z * error}
    power = sure.get(kind, lift + z * error < effect).mean()
    assert power == pytest.approx(0.8, abs=0.005)


def test_a_share_cannot_grow_beyond_one() -> None:
    share = Metric(kind="proportion", value="orders")
    assert variance_at(share, 0.5, 0.7, 0.5, 2.0, 0.8) == float("inf")
