"""The scatter between weeks, and what it does to the interval of a volume and of a mean score."""

from __future__ import annotations

import numpy as np
import pytest

from analyzer.stats.level import average_of_days, mean_change, volume_change
from analyzer.stats.result import Estimate, Undefined
from analyzer.stats.scatter import Scatter, scatter

HOURS = np.arange(672)
WEEK = 1000 * (2 + np.cos(np.arange(168) / 24 * 2 * np.pi))


def learnt(counts: np.ndarray, hours: int, usable: np.ndarray | None = None) -> Scatter:
    place = np.arange(len(counts))
    known = np.ones(len(counts), dtype=bool) if usable is None else usable
    found = scatter(counts, place % 168, place // 168, known, hours)
    assert isinstance(found, Scatter)
    return found


@pytest.mark.parametrize(("by_hour", "by_day"), [(0.0, 0.0), (0.05, 0.0), (0.0, 0.05), (0.1, 0.03)])
def test_what_varies_between_weeks_is_found_at_every_length(by_hour: float, by_day: float) -> None:
    random = np.random.default_rng(4)
    found: dict[int, list[float]] = {1: [], 24: []}
    for _ in range(60):
        level = np.repeat(random.normal(0, by_day, 28), 24) + random.normal(0, by_hour, 672)
        counts = random.poisson(np.tile(WEEK, 4) * np.exp(level))
        for hours, values in found.items():
            values.append(learnt(counts, hours).variance)
    for hours, values in found.items():
        truth = by_day**2 + by_hour**2 / hours
        assert np.mean(values) == pytest.approx(truth, rel=0.15, abs=1e-4)


def test_an_incident_that_nobody_noted_is_no_scatter() -> None:
    random = np.random.default_rng(5)
    counts = random.poisson(np.tile(WEEK, 4) * np.exp(random.normal(0, 0.03, 672)))
    clean = learnt(counts, 24).variance
    counts[300:306] = 0
    assert learnt(counts, 24).variance < 1.6 * clean
    assert learnt(counts, 1).variance < 1.6 * 0.03**2


def test_degrees_of_freedom_count_days_and_longer_runs_share_them() -> None:
    counts = np.tile(WEEK, 4)
    assert [learnt(counts, h).df for h in (1, 24, 48)] == [21, 21, 10.5]
    assert learnt(counts, 336).hours == 168  # four weeks tell of a week
    assert learnt(counts[:336], 336).hours == 24  # two do not
    assert learnt(counts[:336], 336).df == 7
    three = np.arange(672) % 168 < 24
    assert learnt(counts, 24, three).df == 3
    short = scatter(counts[:192], HOURS[:192] % 168, HOURS[:192] // 168, counts[:192] > 0, 1)
    assert isinstance(short, Undefined) and "too few clean weeks" in short.reason


def test_two_weeks_are_longer_than_what_is_known_of_one() -> None:
    found = Scatter(0.01, 21.0, 168)
    assert [found.mean(h) for h in (84, 168, 336)] == [0.01, 0.01, 0.005]


@pytest.mark.parametrize("stray", [0.03, 0.08])
def test_a_volume_at_its_limit_fails_and_passes_as_rarely_as_it_says(stray: float) -> None:
    """A day that luck alone took to the limit must not fail, one that ended there not pass."""
    random = np.random.default_rng(6)
    truth, wrong = 0.8, {"fail": 0, "pass": 0}
    runs = 1500
    for _ in range(runs):
        days = random.poisson(50_000 * np.exp(random.normal(0, stray, (7, 4))))
        logs = np.log(days) - np.log(days).mean(axis=1, keepdims=True)
        known = float((logs**2).sum()) / 21
        usual = float(np.median(days[0]))
        due = 50_000 * truth * np.exp(random.normal(0, stray))
        by_luck = volume_change(random.poisson(due), usual, 4, between=known, df=21)
        ended = volume_change(random.poisson(50_000 * truth), usual, 4, between=known, df=21)
        assert isinstance(by_luck, Estimate) and isinstance(ended, Estimate)
        wrong["fail"] += by_luck.low > 0.2
        wrong["pass"] += ended.high < 0.2
    assert max(wrong.values()) < 0.035 * runs and min(wrong.values()) > 0.01 * runs


def test_a_mean_at_its_limit_fails_as_rarely_as_it_says() -> None:
    random = np.random.default_rng(7)
    failed, runs = 0, 1500
    n = np.full(12, 5000.0)
    for _ in range(runs):
        of_days = 0.3 * np.exp(random.normal(0, 0.04, 30))
        usually = average_of_days(of_days * 60_000, np.full(30, 60_000))
        assert not isinstance(usually, Undefined)
        today = 0.3 * (1.15 + random.normal(0, 0.04))
        found = mean_change(today * n, n, np.full(12, 0.3), usually, usually.mean, 0.04)
        assert isinstance(found, Estimate)
        failed += found.low > 0.15
    assert 0.01 * runs < failed < 0.045 * runs


def test_days_without_rows_tell_nothing() -> None:
    assert isinstance(average_of_days([1.0, 0.0], [10, 0]), Undefined)
