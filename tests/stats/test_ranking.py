import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.stats.influence import bucket_error, interval, minus, over_buckets, ratio
from analyzer.stats.precision_recall import (
    average_precision,
    average_precision_functional,
    average_precision_hidden,
    average_precision_spread,
)
from analyzer.stats.ranking import (
    compare_over_buckets,
    compare_roc_auc,
    over_unit_buckets,
    paired,
    roc_auc,
    roc_auc_functional,
    roc_auc_hidden,
)
from analyzer.stats.result import Estimate, Undefined

counts = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=12).filter(
    lambda cells: sum(p for p, _ in cells) > 1 and sum(n for _, n in cells) > 1
)


def rows(positives: list[int], negatives: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the positive and of the negative rows."""
    bins = np.arange(len(positives))
    return np.repeat(bins, positives), np.repeat(bins, negatives)


def kernel(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    return (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)


def brute_average_precision(score: np.ndarray, label: np.ndarray) -> float:
    """By its definition: every distinct score is a threshold."""
    total, recall = 0.0, 0.0
    for threshold in sorted(set(score), reverse=True):
        called = score >= threshold
        now = label[called].sum() / label.sum()
        total += (now - recall) * label[called].mean()
        recall = now
    return float(total)


@given(counts)
@settings(max_examples=60, deadline=None)
def test_areas_equal_those_of_the_rows(cells: list[tuple[int, int]]) -> None:
    p, n = (list(x) for x in zip(*cells, strict=True))
    positive, negative = rows(p, n)
    found = roc_auc_functional([n, p])
    assert not isinstance(found, Undefined)
    assert found.value == pytest.approx(kernel(positive, negative).mean())
    score = np.concatenate([positive, negative])
    label = np.repeat([1, 0], [len(positive), len(negative)])
    precision = average_precision_functional([n, p])
    assert not isinstance(precision, Undefined)
    assert precision.value == pytest.approx(brute_average_precision(score, label))
    # The unbinned scores can lie anywhere in their bins.
    spread = np.random.default_rng(sum(p)).random(len(score)) * 0.9
    exact = kernel((score + spread)[label == 1], (score + spread)[label == 0]).mean()
    assert abs(exact - found.value) <= roc_auc_hidden(p, n) + 1e-12
    low, high = average_precision_hidden(p, n)
    assert low - 1e-12 <= brute_average_precision(score + spread, label) <= high + 1e-12


@given(counts, st.integers(0, 1), st.integers(0, 11))
@settings(max_examples=60, deadline=None)
def test_gradients_are_derivatives(cells: list[tuple[int, int]], label: int, place: int) -> None:
    p, n = (np.array(x, dtype=float) for x in zip(*cells, strict=True))
    grid = np.stack([n, p]) + 0.5
    place %= grid.shape[1]
    for functional in (roc_auc_functional, average_precision_functional):
        up, down = grid.copy(), grid.copy()
        up[label, place] += 1e-5
        down[label, place] -= 1e-5
        here, above, below = functional(grid), functional(up), functional(down)
        assert not isinstance(here, Undefined)
        slope = (above.value - below.value) / 2e-5  # type: ignore[union-attr]
        assert here.gradient[label, place] == pytest.approx(slope, abs=1e-7)
        assert float(np.sum(here.gradient * grid)) == pytest.approx(0, abs=1e-9)


def test_published_example() -> None:
    # scikit-learn 1.5, docstrings of roc_auc_score and average_precision_score:
    # y = 0 0 1 1, scores .1 .4 .35 .8
    auc, precision = (
        roc_auc([0, 1, 0, 1], [1, 0, 1, 0]),
        average_precision([0, 1, 0, 1], [1, 0, 1, 0]),
    )
    assert isinstance(auc, Estimate)
    assert isinstance(precision, Estimate)
    assert auc.value == 0.75
    assert round(precision.value, 2) == 0.83


def test_rows_spread_inside_their_bin() -> None:
    rng = np.random.default_rng(12)
    cells = rng.integers(0, 5, (2, 7)).astype(float)
    # Every row of a bin is a bin of its own, as positive as the bin was.
    rows = cells.sum(axis=0).astype(int)
    rate = np.repeat(cells[1] / np.maximum(rows, 1), rows)
    split = average_precision_functional([1 - rate, rate])
    assert not isinstance(split, Undefined)
    assert average_precision_spread(cells[1], cells[0]) == pytest.approx(split.value)
    assert average_precision_spread([0, 0], [1, 2]) == 0


def test_areas_of_fine_bins_are_those_of_the_scores() -> None:
    """Bins of bfloat16 width in min(p, 1 - p): closer than 1e-4 to the exact areas."""
    rng = np.random.default_rng(13)
    label = rng.random(20_000) < 0.1
    score = 1 / (1 + np.exp(-(rng.normal(-3, 1.3, 20_000) + 1.8 * label)))
    side = np.minimum(score, 1 - score).astype(np.float32).view(np.uint32) >> 16
    code = np.where(score < 0.5, side.astype(int), 2**17 - side)
    _, place = np.unique(code, return_inverse=True)
    p, n = (np.bincount(place[x], minlength=place.max() + 1) for x in (label, ~label))
    auc = roc_auc_functional([n, p])
    assert not isinstance(auc, Undefined)
    order = np.argsort(-score)
    negatives_above = np.cumsum(~label[order])[label[order]]
    exact = 1 - negatives_above.mean() / np.sum(~label)
    precision = np.cumsum(label[order]) / np.arange(1, 20_001)
    assert auc.value == pytest.approx(exact, abs=1e-4)
    assert average_precision_spread(p, n) == pytest.approx(precision[label[order]].mean(), abs=5e-4)


def delong(positive: np.ndarray, negative: np.ndarray) -> float:
    """DeLong's variance by the structural components of rows; shape (models, rows)."""
    kernels = [kernel(p, n) for p, n in zip(positive, negative, strict=True)]
    of_positives = np.cov(kernels[1].mean(axis=1) - kernels[0].mean(axis=1))
    of_negatives = np.cov(kernels[1].mean(axis=0) - kernels[0].mean(axis=0))
    return float(of_positives / positive.shape[1] + of_negatives / negative.shape[1])


def test_delong_from_the_grid_equals_delong_from_the_rows() -> None:
    rng = np.random.default_rng(4)
    positive = rng.integers(2, 12, (2, 90))
    negative = rng.integers(0, 10, (2, 150))
    positive[1] = np.clip(positive[0] + rng.integers(-1, 3, 90), 0, 11)
    grids = np.zeros((2, 12, 12))
    np.add.at(grids[0], tuple(negative), 1)
    np.add.at(grids[1], tuple(positive), 1)
    found = compare_roc_auc(grids[1], grids[0])
    assert isinstance(found, Estimate)
    champion, challenger = (kernel(p, n).mean() for p, n in zip(positive, negative, strict=True))
    assert found.value == pytest.approx(challenger - champion)
    half = 1.959963984540054 * np.sqrt(delong(positive, negative))
    assert found.high - found.value == pytest.approx(half)
    wide = compare_roc_auc(grids[1], grids[0], deff=4, difference=0.01)
    assert isinstance(wide, Estimate)
    assert wide.value == 0.01
    assert (wide.high - wide.low) / (found.high - found.low) == pytest.approx(2)


def test_one_row_a_bucket_is_delong() -> None:
    rng = np.random.default_rng(7)
    score = rng.integers(0, 32, (2, 400))
    label = (rng.random(400) < (score[0] + 1) / 34).astype(int)
    grids = np.zeros((400, 2, 32, 32))
    grids[np.arange(400), label, score[0], score[1]] = 1
    by_bucket, by_row = compare_over_buckets(grids), compare_roc_auc(*grids.sum(axis=0)[::-1])
    assert isinstance(by_bucket, Estimate)
    assert isinstance(by_row, Estimate)
    assert (by_bucket.low, by_bucket.high) == pytest.approx((by_row.low, by_row.high), abs=2e-3)
    alone = over_unit_buckets(grids.sum(axis=3))
    margin = roc_auc(*grids.sum(axis=(0, 3))[::-1])
    assert isinstance(alone, Estimate)
    assert isinstance(margin, Estimate)
    assert (alone.low, alone.high) == pytest.approx((margin.low, margin.high), abs=2e-3)


def test_linearised_jackknife_is_the_jackknife() -> None:
    rng = np.random.default_rng(2)
    cells = rng.poisson(20, (60, 2, 8)) + np.arange(16).reshape(2, 8)
    found = average_precision_functional(cells.sum(axis=0))
    assert not isinstance(found, Undefined)
    error, buckets = bucket_error(cells, found.gradient)
    without = [average_precision_functional(cells.sum(axis=0) - x).value for x in cells]  # type: ignore[union-attr]
    assert buckets == 60
    assert error == pytest.approx(np.std(without) * np.sqrt(59), rel=0.02)


def coverage(rng: np.random.Generator, shift: float, prevalence: float, n: int) -> tuple[int, int]:
    """Of 200 samples, how many 90 % intervals hold the truth (AUC, average precision)."""
    edges = np.linspace(-4, 6, 101)
    large = rng.normal([[0], [shift]], size=(2, 400_000))
    weights = np.array([1 - prevalence, prevalence])[:, None]
    masses = np.stack([np.histogram(np.clip(x, -4, 6), edges)[0] for x in large]) * weights
    truth = [f(masses).value for f in (roc_auc_functional, average_precision_functional)]  # type: ignore[union-attr]
    held = [0, 0]
    probabilities = (masses / masses.sum()).ravel()
    for negative, positive in rng.multinomial(n, probabilities, 200).reshape(200, 2, -1):
        for i, f in enumerate((roc_auc, average_precision)):
            found = f(positive, negative, 0.9)
            held[i] += isinstance(found, Estimate) and found.low <= truth[i] <= found.high
    return held[0], held[1]


@pytest.mark.parametrize(("shift", "prevalence"), [(1.0, 0.3), (2.5, 0.05)])
def test_intervals_cover(shift: float, prevalence: float) -> None:
    for held in coverage(np.random.default_rng(11), shift, prevalence, 1500):
        assert 165 <= held <= 194  # 90 % of 200 within 3.5 standard errors


def test_what_cannot_be_said() -> None:
    assert isinstance(roc_auc([1, 2], [0, 0]), Undefined)
    assert isinstance(roc_auc([0, 1], [3, 2]), Undefined)  # one positive: no variance
    assert isinstance(average_precision([0, 0], [1, 2]), Undefined)
    assert isinstance(over_buckets(np.ones((1, 2)), ratio), Undefined)
    assert isinstance(over_buckets(np.zeros((3, 2)), ratio), Undefined)
    assert isinstance(minus(ratio, ratio)(np.zeros(2)), Undefined)
    assert isinstance(paired(roc_auc_functional)(np.zeros((2, 3, 3))), Undefined)
    assert isinstance(interval(0.5, np.inf, 3, "x"), Undefined)
    with pytest.raises(ValueError, match="finite counts"):
        roc_auc([-1, 2], [1, 1])


def test_a_perfect_ranking_is_not_certain() -> None:
    found = roc_auc([0, 0, 30], [40, 5, 0])
    assert isinstance(found, Estimate)
    assert found.value == found.high == 1
    assert found.low == pytest.approx(0.025 ** (1 / 30))
    for order in itertools.permutations([(0, 30), (40, 0)]):
        p, n = zip(*order, strict=True)
        assert isinstance(roc_auc(p, n), Estimate)
