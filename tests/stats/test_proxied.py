"""Losses expected from a signal alone: does the interval hold, is a change found?"""

from __future__ import annotations

import numpy as np

from analyzer.stats.proxied import Expected, Matured, Rows, expected_loss, worth, worth_moved
from analyzer.stats.result import Estimate, Undefined

BUCKETS, CELLS, DAYS = 32, 2, 14
RATES = np.array([0.05, 0.7])


def rows(
    rng: np.random.Generator, n: int, rates: np.ndarray = RATES, users: float = 0.0
) -> Matured:
    """Labelled rows in buckets of users whose own rate differs; a signal on a fifth of them."""
    bucket, day = rng.integers(0, BUCKETS, n), rng.integers(0, DAYS, n)
    cell = (rng.random(n) < 0.2).astype(np.int64)
    own = rng.normal(0, users, BUCKETS)[bucket]
    y = (rng.random(n) < np.clip(rates[cell] + own, 0, 1)).astype(float)
    score = np.clip(rates[cell] + rng.normal(0, 0.1, n), 0, 1)
    zero, change = score**2, 1 - 2 * score

    def by(place: np.ndarray, amount: np.ndarray, size: int = BUCKETS) -> np.ndarray:
        return np.bincount(place, amount, size)

    def grid(place: np.ndarray, amount: np.ndarray, size: int = BUCKETS) -> np.ndarray:
        return by(place * CELLS + cell, amount, size * CELLS).reshape(size, CELLS)

    one, loss = np.ones(n), zero + y * change
    return Matured(
        Rows(by(bucket, one), by(bucket, zero), grid(bucket, change)),
        grid(bucket, one),
        grid(bucket, y),
        by(bucket, loss),
        by(day, one, DAYS),
        by(day, loss, DAYS),
        by(day, zero, DAYS),
        grid(day, change, DAYS),
    )


def test_intervals_hold_such_traffic_and_these_very_rows() -> None:
    rng = np.random.default_rng(1)
    whole = rows(rng, 2_000_000)
    truth = whole.loss.sum() / whole.rows.n.sum()
    held = {"value": 0, "final": 0}
    for _ in range(400):
        past, new = rows(rng, 6000), rows(rng, 1500)
        found = expected_loss(past, new.rows, 0.9)
        assert isinstance(found, Expected)
        held["value"] += found.value.low <= truth <= found.value.high
        held["final"] += found.final.low <= new.loss.sum() / new.rows.n.sum() <= found.final.high
    assert all(0.85 * 400 <= n <= 0.95 * 400 for n in held.values()), held


def test_a_signal_that_is_worth_something_else_is_found() -> None:
    rng = np.random.default_rng(2)
    alarms = {"same": 0, "other": 0}
    for _ in range(200):
        past = rows(rng, 6000, users=0.02)
        for name, rates in (("same", RATES), ("other", np.array([0.1, 0.6]))):
            found = worth_moved(past, rows(rng, 3000, rates, users=0.02))
            assert isinstance(found, Estimate)
            alarms[name] += not found.low <= 0 <= found.high
    assert alarms["same"] <= 8
    assert alarms["other"] >= 0.5 * 200


def test_days_that_scatter_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    calm = rows(rng, 6000)
    stormy = Matured(
        calm.rows,
        calm.cell_n,
        calm.told,
        calm.loss,
        calm.day_n,
        calm.day_loss * (1 + 0.5 * (-1.0) ** np.arange(DAYS)),
        calm.day_zero,
        calm.day_change,
    )
    narrow, wide = (expected_loss(past, calm.rows) for past in (calm, stormy))
    assert isinstance(narrow, Expected)
    assert isinstance(wide, Expected)
    assert wide.final.high - wide.final.low > 2 * (narrow.final.high - narrow.final.low)
    assert np.allclose(worth(calm), RATES, atol=0.05)


def test_what_cannot_be_said() -> None:
    some = rows(np.random.default_rng(4), 500)
    nothing = Rows(np.zeros(BUCKETS), np.zeros(BUCKETS), np.zeros((BUCKETS, CELLS)))
    assert isinstance(expected_loss(some, nothing), Undefined)
    lone = Matured(
        Rows(np.eye(BUCKETS)[0] * 9, nothing.zero, nothing.change),
        *[some.cell_n] * 2,
        some.loss,
        some.day_n,
        some.day_loss,
        some.day_zero,
        some.day_change,
    )
    assert isinstance(expected_loss(lone, some.rows), Undefined)
    assert isinstance(worth_moved(lone, some), Undefined)
