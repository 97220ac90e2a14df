"""The exact decomposition of a mean's shift: an identity, whatever the groups."""

from __future__ import annotations

import numpy as np
import pytest

from analyzer.stats.mix import Decomposition, carried, carried_beyond, decompose
from analyzer.stats.result import Undefined


def split(*columns: object) -> Decomposition:
    found = decompose(*columns)  # type: ignore[arg-type]
    assert isinstance(found, Decomposition)
    return found


def test_worked_example() -> None:
    """Three groups by hand: the second only changes its mean, the others only their shares."""
    w0, w1 = np.array([0.5, 0.3, 0.2]), np.array([0.3, 0.3, 0.4])
    m0, m1 = np.array([0.1, 0.2, 0.4]), np.array([0.1, 0.26, 0.4])
    found = split(w0, w0 * m0, w1, w1 * m1)
    assert found.shift == pytest.approx(0.078, abs=1e-12)
    assert found.mix.sum() == pytest.approx(0.06, abs=1e-12)
    assert found.within.sum() == pytest.approx(0.018, abs=1e-12)
    assert found.mix == pytest.approx([0.0258, 0.0, 0.0342], abs=1e-12)
    assert found.within == pytest.approx([0.0, 0.018, 0.0], abs=1e-12)


@pytest.mark.parametrize("seed", range(200))
def test_identity(seed: int) -> None:
    """shift = mix + within to 1e-9, with groups empty on either side and on both."""
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 60))
    n0, n1 = rng.integers(0, 10 ** rng.integers(1, 7), (2, groups))
    n0[rng.random(groups) < 0.2] = 0
    n1[rng.random(groups) < 0.2] = 0
    n0[0], n1[-1] = n0[0] + 1, n1[-1] + 1
    scale = 10.0 ** rng.integers(-3, 4)
    s0, s1 = n0 * rng.normal(0, scale, groups), n1 * rng.normal(0, scale, groups)
    found = split(n0, s0, n1, s1)
    shift = s1.sum() / n1.sum() - s0.sum() / n0.sum()
    assert found.shift == pytest.approx(shift, rel=1e-9, abs=1e-9 * scale)
    assert found.mix.sum() + found.within.sum() == pytest.approx(shift, rel=1e-9, abs=1e-9 * scale)


def test_what_is_planted_is_what_is_found() -> None:
    """Only shares move: all mix. Only means move: all within."""
    means = np.array([1.0, 2.0, 5.0])
    n0, n1 = np.array([10, 20, 30]), np.array([30, 20, 10])
    shares_moved = split(n0, n0 * means, n1, n1 * means)
    assert np.abs(shares_moved.within).max() == 0
    means_moved = split(n0, n0 * means, n0, n0 * (means + 0.5))
    assert np.abs(means_moved.mix).max() == 0
    assert means_moved.within.sum() == pytest.approx(0.5)


def test_group_that_appears_is_mix() -> None:
    """A group without rows before takes its mean from after: it cannot have changed behaviour."""
    found = split([100, 0], [10, 0], [50, 50], [5, 45])
    assert found.within == pytest.approx([0, 0])
    assert found.mix.sum() == pytest.approx(0.4)


def test_swapping_the_windows_swaps_the_signs() -> None:
    rng = np.random.default_rng(3)
    n0, n1 = rng.integers(1, 100, (2, 7))
    s0, s1 = rng.normal(size=(2, 7))
    there, back = split(n0, s0, n1, s1), split(n1, s1, n0, s0)
    assert there.mix == pytest.approx(-back.mix)
    assert there.within == pytest.approx(-back.within)


def test_refusals() -> None:
    assert isinstance(decompose([0], [0], [1], [1]), Undefined)
    with pytest.raises(ValueError, match="each group"):
        decompose([1, 2], [1], [1], [1])
    with pytest.raises(ValueError, match="non-negative"):
        decompose([-1], [1], [1], [1])
    assert isinstance(carried([0], [1.0], [1]), Undefined)
    assert isinstance(carried_beyond([[0]], [[1.0]], [[1]]), Undefined)


def test_what_a_feature_carries() -> None:
    """A cell without a known mean carries nothing; a feature that moves along carries nothing."""
    assert carried([50, 50, 0], [0.0, 1.0, np.nan], [40, 40, 20]) == pytest.approx(0.0)
    own = carried_beyond([[50, 50], [50, 50]], [[0.0, 1.0], [0.0, 1.0]], [[25, 75], [25, 75]])
    assert own == pytest.approx(0.25)
