import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.stats.calibration import (
    BrierParts,
    ScoreBins,
    bin_losses,
    brier,
    brier_decomposition,
    calibration_curve,
    calibration_error,
    calibration_test,
    coarsen,
    log_loss,
    mean_loss_over_buckets,
    score_bins,
)
from analyzer.stats.paired import Sums, mean_difference
from analyzer.stats.result import Estimate, Significance, Undefined


def binned(score: np.ndarray, label: np.ndarray, edges: np.ndarray) -> ScoreBins:
    place, size = np.searchsorted(edges, score, side="right"), len(edges) + 1
    columns = (None, label, score, score**2)
    n, positives, total, squares = (np.bincount(place, x, size) for x in columns)
    return score_bins(n, positives, total, squares)


def rows(seed: int, n: int, tilt: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels; a tilt makes the scores overconfident."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1, 1.2, n)
    label = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    return 1 / (1 + np.exp(-logit * (1 + tilt))), label


def relative_edges(step: float = 2**-7) -> np.ndarray:
    """Bins of constant relative width of min(p, 1 - p)."""
    half = np.exp(np.arange(np.log(1e-6), np.log(0.5), step))
    return np.concatenate([half, [0.5], 1 - half[::-1]])


@given(st.integers(0, 1000), st.floats(-0.5, 1))
@settings(max_examples=20, deadline=None)
def test_losses_are_those_of_the_rows(seed: int, tilt: float) -> None:
    score, label = rows(seed, 3000, tilt)
    bins = binned(score, label, relative_edges())
    square = (score - label) ** 2
    nats = -np.log(np.where(label == 1, score, 1 - score))
    for found, loss in ((brier(bins), square), (log_loss(bins), nats)):
        exact = mean_difference(Sums(3000, float(loss.sum()), float(loss @ loss)))
        assert isinstance(found, Estimate)
        assert isinstance(exact, Estimate)
        assert found.value == pytest.approx(exact.value, abs=1e-4)
        assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=3e-4)


@given(st.integers(0, 1000), st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_the_parts_add_up(seed: int, groups: int) -> None:
    score, label = rows(seed, 500)
    bins = coarsen(binned(score, label, relative_edges(0.05)), groups)
    parts, whole = brier_decomposition(bins), brier(bins)
    assert isinstance(parts, BrierParts)
    assert isinstance(whole, Estimate)
    total = parts.reliability - parts.resolution + parts.uncertainty + parts.within
    assert total == pytest.approx(whole.value, abs=1e-12)
    assert parts.corrected <= parts.reliability
    assert len(bins.n) <= groups
    assert bins.n.sum() == 500


def test_small_example_by_hand() -> None:
    # scores .2 .2 .7 .7, outcomes 0 0 0 1: Brier (.04 + .04 + .49 + .09) / 4
    parts = brier_decomposition(score_bins([2, 2], [0, 1], [0.4, 1.4]))
    assert isinstance(parts, BrierParts)
    assert parts.uncertainty == pytest.approx(0.1875)
    assert parts.resolution == pytest.approx(0.0625)
    assert parts.reliability == pytest.approx(0.04)
    assert parts.within == pytest.approx(0)
    curve = calibration_curve(score_bins([2, 2], [0, 1], [0.4, 1.4]), 2, deff=2)
    assert [p.score for p in curve] == pytest.approx([0.2, 0.7])
    assert [p.rate.n for p in curve] == [1, 1]


def test_calibration_error_covers_and_its_test_keeps_its_level() -> None:
    held = rejected = found_out = 0
    score, _ = rows(0, 200_000)
    for seed in range(200):
        bins = binned(*rows(seed, 2000), relative_edges(0.05))
        error, test = calibration_error(bins, 10, 0.9), calibration_test(bins)
        assert isinstance(error, Estimate)
        assert isinstance(test, Significance)
        held += error.low <= 0
        rejected += test.p < 0.05
        tilted = calibration_test(binned(*rows(seed, 2000, 0.6), relative_edges(0.05)))
        found_out += isinstance(tilted, Significance) and tilted.p < 0.05
    assert held >= 165  # at no error of calibration it is 90 %; of 200 within 3.5 sd
    assert 1 <= rejected <= 21
    assert found_out >= 180
    tilted_score, _ = rows(0, 200_000, 0.8)
    truth = float(np.mean(np.abs(tilted_score - score)))
    covered = 0
    for seed in range(100):
        error = calibration_error(binned(*rows(seed, 2000, 0.8), relative_edges(0.05)), 10, 0.9)
        covered += isinstance(error, Estimate) and error.low <= truth <= error.high
    assert covered >= 85


def test_units_by_bucket() -> None:
    score, label = rows(3, 6400)
    bins = binned(score, label, relative_edges())
    loss = ((score - label) ** 2).reshape(64, 100).sum(axis=1)
    by_bucket, plain = mean_loss_over_buckets(loss, np.full(64, 100)), brier(bins)
    assert isinstance(by_bucket, Estimate)
    assert isinstance(plain, Estimate)
    assert by_bucket.value == pytest.approx(plain.value, abs=1e-5)
    assert by_bucket.high - by_bucket.low == pytest.approx(plain.high - plain.low, rel=0.3)
    positive, negative = bin_losses(bins)
    total = bins.positives @ positive + (bins.n - bins.positives) @ negative
    assert total / 6400 == pytest.approx(plain.value)


def test_what_cannot_be_said() -> None:
    wrong = log_loss(score_bins([5, 5], [1, 2], [0.0, 2.0]))
    assert isinstance(wrong, Undefined)
    assert "infinite" in wrong.reason
    right = log_loss(score_bins([5, 5], [0, 2], [0.0, 2.0]))
    assert isinstance(right, Estimate)
    none = score_bins([0], [0], [0])
    for found in (brier(none), log_loss(none), brier_decomposition(none), calibration_error(none)):
        assert isinstance(found, Undefined)
    assert isinstance(calibration_test(score_bins([3], [0], [0])), Undefined)
    assert isinstance(brier(score_bins([3], [1], [1.2]), deff=3), Undefined)
    assert calibration_curve(none) == ()
    for n, positives, total in (([1], [2], [0.5]), ([1], [1], [1.5]), ([1, 2], [1], [0.5])):
        with pytest.raises(ValueError, match=r"bin needs|probabilities"):
            score_bins(n, positives, total)
    with pytest.raises(ValueError, match="one group"):
        coarsen(none, 0)
