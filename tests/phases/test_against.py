"""The design effect of a percentile: from the rows beyond it, whatever the policy's limit."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import ndtr

from analyzer import policy
from analyzer.ids import BUCKETS
from analyzer.phases.against import units_effect
from analyzer.profile import table
from analyzer.stats.dependence import carried_effect, design_effect
from analyzer.stats.result import Estimate
from benchmarks.planted.service import Service

ROWS, SPREAD = 2_000, 0.4


def service(random: np.random.Generator, between: float, middle: float) -> tuple[Service, float]:
    """Users whose latencies are shifted by `between` on the log scale, and the true effect at P99:
    the middle of the log-normal decides how many rows lie beyond the policy's 50 and 200 ms.
    """
    found = Service(0, 1)
    found.serve("challenger", np.full(1440, 356))
    shift = random.normal(0, between, BUCKETS)
    whole = (SPREAD**2 + between**2) ** 0.5

    def beyond(value: float) -> np.ndarray:
        return random.binomial(ROWS, 1 - ndtr((np.log(value / middle) - shift) / SPREAD))

    found.tables["cell_buckets"] = table(
        "cell_buckets",
        {
            "slot": np.zeros(BUCKETS, np.int64),
            "model": ["challenger"] * BUCKETS,
            "a": pa.nulls(BUCKETS, pa.string()),
            "a_value": pa.nulls(BUCKETS, pa.string()),
            "bucket": np.arange(BUCKETS),
            "n": np.full(BUCKETS, ROWS),
            "latency_n": np.full(BUCKETS, ROWS),
            "over_50ms": beyond(50.0),
            "over_200ms": beyond(200.0),
        },
    )
    own = beyond(middle * np.exp(2.326 * whole))
    share = own.sum() / (ROWS * BUCKETS)
    truth = design_effect(own, np.full(BUCKETS, ROWS), share * (1 - share))
    assert isinstance(truth, Estimate)
    return found, truth.value


@pytest.mark.parametrize("middle", [12.0, 20.0, 40.0, 75.0])
def test_the_effect_of_users_is_that_at_the_percentile(middle: float) -> None:
    """12: nothing takes 200 ms and 0.06 % take 50, a P99 of 37 ms; 75: 1.5 % take 200 ms."""
    random = np.random.default_rng(1)
    rules = policy.load()
    for between in (0.0, 0.15):
        made, truth = service(random, between, middle)
        window = made.window(0)
        found = units_effect(made.material(rules, window).profiles, "challenger", 0.01)
        assert 0.6 * truth < found < 3.5 * truth, (between, truth, found)
        assert between == 0 or found > 4


def test_an_effect_carried_nowhere_stays_and_no_row_beyond_tells_nothing() -> None:
    assert carried_effect(3.0, 0.01, 0.01, 400) == pytest.approx(3.0)
    assert carried_effect(0.4, 0.5, 0.01, 400) == 1.0
    made, _ = service(np.random.default_rng(1), 0.15, 1.0)
    profiles = made.material(policy.load(), made.window(0)).profiles
    assert units_effect(profiles, "challenger", 0.01) == 1.0
