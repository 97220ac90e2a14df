"""Two arms' events against each other: always valid, whatever the hours do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analyzer.stats.excess import Excess, excess, excess_evidence, excess_rate
from analyzer.stats.result import Estimate, Undefined

MARGIN = 0.001


def p_of(sums: Excess, margin: float, deff: float = 1.0) -> np.ndarray:
    return np.exp(-excess_evidence(sums, margin, deff))


def ever(random: np.random.Generator, harm: float, runs: int = 4000) -> np.ndarray:
    """The smallest p of 24 hourly readings: 1 % of the traffic, hours that differ tenfold."""
    hours = np.arange(24)
    level = np.exp(1.2 * np.sin(hours / 24 * 2 * math.pi))
    rate = 0.001 * np.exp(random.normal(0, 0.7, (runs, 24)))
    n, control = np.rint(400 * level), np.rint(39_600 * level)
    k = random.poisson(n * (rate + harm))
    k0 = random.poisson(control * rate)
    sums = excess(k, np.broadcast_to(n, k.shape), k0, np.broadcast_to(control, k.shape), True)
    return p_of(sums, MARGIN).min(axis=1)


def test_it_may_be_read_every_hour() -> None:
    random = np.random.default_rng(4)
    at_the_margin = ever(random, MARGIN)
    for alpha in (0.1, 0.05, 0.01):
        rejected = float(np.mean(at_the_margin <= alpha))
        assert rejected <= alpha + 2.5 * math.sqrt(alpha / len(at_the_margin)), (alpha, rejected)
    assert np.mean(ever(random, 0.0) <= 0.05) < 0.005  # no harm at all
    assert np.mean(ever(random, 0.01) <= 1e-6) > 0.95  # ten times the errors


def test_the_lower_end_agrees_with_the_p_value() -> None:
    sums = excess([43.0], [8640.0], [428.0], [855_360.0])
    for margin in (0.0005, 0.001, 0.002):
        p = float(p_of(sums, margin))
        for alpha, above in ((p * 1.01, True), (p * 0.99, False)):
            found = excess_rate(sums, alpha)
            assert isinstance(found, Estimate)
            assert (found.low > margin) is above


def test_a_weight_that_changes_with_the_hour_is_no_effect() -> None:
    """Busy hours fail more and the challenger got more of them: pooled it would look worse."""
    n, control = np.array([10_000.0, 100_000.0]), np.array([990_000.0, 900_000.0])
    rate = np.array([0.001, 0.01])
    sums = excess(n * rate, n, control * rate, control)
    assert float(sums.value) == pytest.approx(0.0, abs=1e-12)
    pooled = (n @ rate) / n.sum() - (control @ rate) / control.sum()
    assert pooled > 0.003
    assert float(p_of(sums, 0.0)) == 1.0


def test_what_cannot_be_said() -> None:
    apart = excess([1.0, 0.0], [10.0, 0.0], [0.0, 1.0], [0.0, 10.0])
    assert float(p_of(apart, 0.0)) == 1.0
    assert isinstance(excess_rate(apart, 0.05), Undefined)
    none = excess_rate(excess([0.0], [100.0], [0.0], [9900.0]), 0.05)
    assert isinstance(none, Estimate) and none.low == -math.inf
    every = excess_rate(excess([100.0], [100.0], [0.0], [9900.0]), 0.05)
    assert isinstance(every, Estimate) and 0.5 < every.low < 1
    lumps = excess([[43.0]], [[8640.0]], [[428.0]], [[855_360.0]])
    assert p_of(lumps, MARGIN, 5.0)[0] > p_of(lumps, MARGIN)[0]
