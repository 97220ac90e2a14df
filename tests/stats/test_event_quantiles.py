"""Percentiles of events whose units come again: published values, plain sums, simulations."""

import math

import numpy as np
import pytest

from analyzer.stats.effect_intervals import fixed_interval
from analyzer.stats.effects import Effect
from analyzer.stats.event_quantiles import clustered_share_variance, event_quantile
from analyzer.stats.quantile_effects import quantile_effect
from analyzer.stats.quantiles import quantile
from analyzer.stats.result import Estimate, Result, Undefined

Floats = np.ndarray


def read(values: Floats, unit: Floats, units: int, q: float, confidence: float = 0.95) -> Result:
    """A percentile from bins of 1 % width, with sums counted plainly."""
    bins = np.floor(np.log(values) / 0.01).astype(np.int64)
    first, width = int(bins.min()), int(np.ptp(bins)) + 1
    cell, n = np.unique(unit * width + bins - first, return_counts=True)
    who, at = cell // width, cell % width
    whole = np.bincount(who, n, units)
    upto = np.cumsum(n) - (np.cumsum(whole) - whole)[who]
    moves = (n, upto**2 - (upto - n) ** 2, n * whole[who])
    sums = tuple(np.bincount(at, move, width) for move in moves)
    low = np.exp((first + np.arange(width)) * 0.01)
    return event_quantile(low, low * math.exp(0.01), sums, units, q, confidence)


def drawn(rng: np.random.Generator, units: int) -> tuple[Floats, Floats]:
    """Events of units who differ in how many they have and how large they are: heavy tails."""
    often = rng.lognormal(0, 0.7, units)
    unit = np.repeat(np.arange(units), 1 + rng.poisson(4 * often))
    own = rng.normal(0, 1.0, units) + 0.3 * np.log(often)
    return unit, np.exp(own[unit] + rng.normal(0, 0.7, len(unit)))


def test_growthbook_cluster_variance() -> None:
    """growthbook gbstats 2025, its test of the clustered quantile statistic: sums of two clusters.
    Deng, Knoblich, Lu (2018), KDD.
    """
    assert clustered_share_variance(10.0, 4.0, 52.0, 22.0, 10.0, 2) == pytest.approx(0.5625)


def test_the_variance_is_that_of_a_ratio() -> None:
    rng = np.random.default_rng(1)
    n = rng.integers(1, 9, 500).astype(float)
    c = rng.binomial(n.astype(int), 0.3).astype(float)
    linear = (c - c.sum() / n.sum() * n) / n.mean()
    found = clustered_share_variance(
        c.sum(), n.sum(), (c**2).sum(), (c * n).sum(), (n**2).sum(), 500
    )
    assert found == pytest.approx(linear.var(ddof=1) / 500, rel=1e-12)


def test_of_units_with_one_event_each_it_is_the_order_statistics() -> None:
    rng = np.random.default_rng(2)
    values = rng.lognormal(0, 1, 20_000)
    edges = np.exp(np.arange(-600, 600) * 0.01)
    counts = np.histogram(values, edges)[0]
    for q in (0.1, 0.5, 0.9, 0.99):
        one = event_quantile(edges[:-1], edges[1:], (counts, counts, counts), 20_000, q)
        plain = quantile(edges[:-1], edges[1:], counts, q)
        assert isinstance(one, Estimate) and isinstance(plain, Estimate)
        assert one.value == pytest.approx(plain.value, rel=1e-12)
        for mine, theirs in ((one.low, plain.low), (one.high, plain.high)):
            assert mine == pytest.approx(theirs, rel=0.011)  # a bin


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_intervals_hold_the_truth(q: float) -> None:
    """Of 400 samples of 800 users, 93 to 97 % but for chance; as if events were independent, no."""
    rng = np.random.default_rng(3)
    truth = float(np.quantile(drawn(np.random.default_rng(4), 400_000)[1], q))
    held = alone = lifts = 0
    for _ in range(200):
        arms = []
        for _ in (0, 1):
            unit, values = drawn(rng, 800)
            one = read(values, unit, 800, q)
            each = read(values, np.arange(len(values)), len(values), q)
            assert isinstance(one, Estimate) and isinstance(each, Estimate)
            held += one.low <= truth <= one.high
            alone += each.low <= truth <= each.high
            arms.append(one)
        effect = quantile_effect(*arms, relative=True)
        assert isinstance(effect, Effect)
        told = fixed_interval(effect)
        assert isinstance(told, Estimate)
        lifts += told.low <= 0 <= told.high
    assert 0.92 <= held / 400 <= 0.98
    assert 0.91 <= lifts / 200 <= 0.99
    assert alone / 400 < 0.75


def test_what_cannot_be_said() -> None:
    rng = np.random.default_rng(5)
    unit, values = drawn(rng, 300)
    none: list[float] = []
    assert event_quantile(none, none, (none, none, none), 0, 0.5) == Undefined("no event")
    assert isinstance(event_quantile([0.0], [1.0], ([3.0], [9.0], [9.0]), 1, 0.5), Undefined)
    assert isinstance(read(values, unit, 300, 0.5), Estimate)
    rare = read(values, unit, 300, 0.999)
    assert isinstance(rare, Undefined) and "3,837 needed" in rare.reason
    one = read(np.repeat(values[:1], 1000), np.arange(1000), 1000, 0.5)
    assert isinstance(one, Estimate) and one.low <= values[0] <= one.high
