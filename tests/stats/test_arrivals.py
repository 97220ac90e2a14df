import math

import numpy as np
import pytest

from analyzer.stats.arrivals import arrival_shortfall, batched, ladder_shift, slowness_fits
from analyzer.stats.result import Estimate, Significance, Undefined

COHORTS, AGES = 45, 45


def world(rng: np.random.Generator, mean: float = 100, slow_from: int = 999) -> np.ndarray:
    """Labels by cohort and age, exponential delays of 5 days, 10 from one cohort on."""
    delay = np.where(np.arange(COHORTS) < slow_from, 5.0, 10.0)[:, None]
    share = np.diff(1 - np.exp(-np.arange(AGES + 1) / delay), axis=1)
    return rng.poisson(mean * share)


OBSERVED = np.arange(COHORTS, 0, -1)


def test_the_shift_test_keeps_its_level_and_finds_a_slowdown() -> None:
    rng = np.random.default_rng(3)
    null = [ladder_shift(world(rng), OBSERVED, 10) for _ in range(300)]
    statistics = [x.statistic for x in null if isinstance(x, Significance)]
    assert len(statistics) == 300
    assert np.std(statistics) == pytest.approx(1, abs=0.15)
    assert sum(abs(z) > 1.96 for z in statistics) <= 28  # 5 % of 300 within 3.5 standard errors
    slow = [ladder_shift(world(rng, slow_from=31), OBSERVED, 14) for _ in range(50)]
    assert sum(isinstance(x, Significance) and x.statistic > 1.96 for x in slow) >= 45


def test_a_batch_that_scatters_all_cohorts_is_no_shift() -> None:
    rng = np.random.default_rng(8)
    found = 0
    for _ in range(100):
        share = rng.dirichlet(np.diff(1 - np.exp(-np.arange(AGES + 1) / 5)) * 40, COHORTS)
        shift = ladder_shift(rng.poisson(100 * share), OBSERVED, 10)
        assert isinstance(shift, Significance)
        found += shift.p < 0.01
    assert found <= 6


def test_a_shortfall_is_seen_at_the_youngest_ages() -> None:
    rng = np.random.default_rng(4)
    rows, held, seen = np.full(COHORTS, 2000), 0, 0
    for _ in range(200):
        found = arrival_shortfall(world(rng), OBSERVED, rows, 4, 0.9)
        assert isinstance(found, Estimate)
        held += found.low <= 1 <= found.high
        slow = arrival_shortfall(world(rng, slow_from=41), OBSERVED, rows, 4)
        seen += isinstance(slow, Estimate) and slow.high < 1
    assert 165 <= held <= 195
    assert seen >= 180


def test_uploads_are_recognised_and_weekly_labels_are_not() -> None:
    rng = np.random.default_rng(6)
    arrivals = world(rng)
    for cohort in range(10, 17):
        total = arrivals[cohort].sum()
        arrivals[cohort] = 0
        arrivals[cohort, 20 - cohort] = total
    assert np.flatnonzero(batched(arrivals, OBSERVED)).tolist() == list(range(10, 17))
    weekly = np.zeros_like(arrivals)
    for cohort, counts in enumerate(world(rng)):
        for age, count in enumerate(counts):
            upload = math.ceil((cohort + age + 1) / 7) * 7 - 1 - cohort
            if upload < OBSERVED[cohort]:
                weekly[cohort, upload] += count
    assert not batched(weekly, OBSERVED).any()
    instant = np.zeros_like(arrivals)
    instant[:, 1] = 100
    assert not batched(instant, OBSERVED).any()
    assert not batched(world(rng), OBSERVED, np.arange(COHORTS)[::-1]).any()


def test_what_cannot_be_said() -> None:
    assert isinstance(ladder_shift(np.ones((5, 3)), [3] * 5), Undefined)
    assert isinstance(ladder_shift(np.zeros((9, 3)), [3] * 9), Undefined)
    assert isinstance(arrival_shortfall(np.zeros((9, 3)), [3] * 9, [10] * 9), Undefined)
    assert isinstance(arrival_shortfall(np.ones((3, 3)), [3] * 3, [10] * 3), Undefined)
    with pytest.raises(ValueError, match="shape"):
        batched(np.ones(3), [1])


def test_no_cohort_at_all_has_no_upload() -> None:
    assert batched(np.zeros((0, 5)), []).tolist() == []


def test_spells_of_bad_cohorts_are_no_shift() -> None:
    """Four cohorts in a row share what delays them: independent scatter would alarm at 5 times."""
    rng = np.random.default_rng(12)
    found = 0
    for _ in range(150):
        delay = np.repeat(rng.uniform(3.5, 6.5, COHORTS // 4 + 1), 4)[:COHORTS, None]
        share = np.diff(1 - np.exp(-np.arange(AGES + 1) / delay), axis=1)
        shift = ladder_shift(rng.poisson(400 * share), OBSERVED, 14)
        assert isinstance(shift, Significance)
        found += shift.p < 0.01
    assert found <= 5


def test_two_earlier_cohorts_do_not_know_how_cohorts_differ() -> None:
    counts = np.array([[60.0, 40], [60, 40], *[[50, 50]] * 14])
    shift = ladder_shift(counts, [2] * 16, 14)
    assert isinstance(shift, Significance)
    assert shift.statistic > 2
    assert shift.p > 0.05


def test_all_classes_together_do_not_move_with_the_base_rate() -> None:
    rng = np.random.default_rng(5)
    complete = np.stack([1 - np.exp(-np.arange(1, AGES + 1) / d) for d in (5.0, 15.0)])
    size, held, single = np.full(COHORTS, 2000), 0, 0
    rate = np.where(np.arange(COHORTS) < COHORTS - 6, 0.1, 0.3)[:, None]
    for _ in range(60):
        mean = [2000 * (1 - rate), 2000 * rate]
        parts = [
            rng.poisson(m * np.diff(f, prepend=0.0)) for m, f in zip(mean, complete, strict=True)
        ]
        found = arrival_shortfall(np.stack(parts), OBSERVED, size, 4, 0.99, complete)
        alone = arrival_shortfall(parts[0], OBSERVED, size, 4, 0.99)
        assert isinstance(found, Estimate)
        assert isinstance(alone, Estimate)
        held += found.low <= 1 <= found.high
        single += alone.high < 1
    assert held >= 57
    assert single >= 55


def test_slowness_is_told_from_loss_where_ages_can_tell() -> None:
    rng = np.random.default_rng(9)
    complete = 1 - np.exp(-np.arange(1, AGES + 1) / 1.0)
    share, slow = (np.diff(1 - np.exp(-np.arange(AGES + 1) / d)) for d in (1.0, 2.0))
    size = np.full(COHORTS, 2000)
    told = kept = 0
    for _ in range(60):
        arrivals = rng.poisson(1000 * np.tile(share, (COHORTS, 1)))
        lost = arrivals.copy()
        lost[-4:] = rng.poisson(700 * share, (4, AGES))
        slower = arrivals.copy()
        slower[-4:] = rng.poisson(1000 * slow, (4, AGES))
        for counts, is_slow in ((lost, False), (slower, True)):
            ratio = arrival_shortfall(counts, OBSERVED, size, 4)
            assert isinstance(ratio, Estimate)
            found, usual = (
                slowness_fits(counts, OBSERVED, size, complete, of, 4) for of in (ratio.value, 1.0)
            )
            assert isinstance(found, Significance)
            assert isinstance(usual, Significance)
            if is_slow:
                kept += found.p > 0.01 or usual.statistic > 2.3
            else:
                told += found.statistic < -2.3 and usual.p > 0.01
    assert told >= 57
    assert kept >= 57
