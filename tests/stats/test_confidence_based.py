import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.stats.classification import accuracy
from analyzer.stats.confidence_based import (
    Expected,
    between,
    expected,
    expected_confusion,
    expected_metric,
    isotonic,
)
from analyzer.stats.precision_recall import average_precision_functional
from analyzer.stats.ranking import roc_auc_functional
from analyzer.stats.result import Estimate, Undefined

cells = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=15).filter(
    lambda x: sum(a + b for a, b in x) > 0
)


@given(cells)
@settings(max_examples=60, deadline=None)
def test_isotonic_is_the_best_rising_fit(counts: list[tuple[int, int]]) -> None:
    """Max-min formula of isotonic regression (Barlow et al. 1972)."""
    positives = np.array([p for p, _ in counts], dtype=float)
    n = positives + [k for _, k in counts]
    held = np.flatnonzero(n > 0)
    p, m = positives[held], n[held]
    best = [
        max(
            min(p[i : j + 1].sum() / m[i : j + 1].sum() for j in range(k, len(p)))
            for i in range(k + 1)
        )
        for k in range(len(p))
    ]
    fitted = isotonic(positives, n)
    assert fitted[held] == pytest.approx(best)
    assert np.all(np.diff(fitted) >= 0)
    assert fitted @ n == pytest.approx(positives.sum())


def calls(seed: int, n: int) -> tuple[Expected, np.ndarray, np.ndarray]:
    """Rows with calibrated scores in 50 bins; the call and bin of each row."""
    rng = np.random.default_rng(seed)
    chance = (np.arange(50) + 0.5) / 50
    place = np.minimum((rng.beta(0.7, 1.5, n) * 50).astype(int), 49)
    yes = place >= 25
    found = expected(
        np.bincount(place[~yes], minlength=50), np.bincount(place[yes], minlength=50), chance
    )
    return found, place, yes


def test_intervals_hold_the_metric_of_the_rows() -> None:
    rng, held = np.random.default_rng(7), dict.fromkeys(("accuracy", "f1", "roc_auc"), 0)
    for seed in range(200):
        rows, place, yes = calls(seed, 1000)
        label = rng.random(1000) < rows.probability[place]
        p, n = (np.bincount(place[x], minlength=50) for x in (label, ~label))
        auc = roc_auc_functional([n, p])
        assert not isinstance(auc, Undefined)
        truth = {
            "accuracy": np.mean(label == yes),
            "f1": 2 * np.sum(label & yes) / (label.sum() + yes.sum()),
            "roc_auc": auc.value,
        }
        for metric, value in truth.items():
            found = expected_metric(rows, metric, 0.9)  # type: ignore[arg-type]
            assert isinstance(found, Estimate)
            held[metric] += found.low <= value <= found.high
    assert all(165 <= count <= 195 for count in held.values()), held


def test_expectation_by_rows() -> None:
    rows, place, yes = calls(1, 400)
    c = rows.probability[place]
    confusion = expected_confusion(rows)
    assert confusion[1, 1] == pytest.approx(c[yes].sum())
    assert confusion[0, 1] == pytest.approx((1 - c[yes]).sum())
    right = accuracy(confusion)
    same = expected_metric(rows, "accuracy")
    assert isinstance(right, Estimate)
    assert isinstance(same, Estimate)
    assert same.value == pytest.approx(right.value)
    # Rows one by one, by rising score, each partly positive: what sums over sorted rows give.
    order = np.sort(c)
    for metric, functional in (
        ("roc_auc", roc_auc_functional),
        ("average_precision", average_precision_functional),
    ):
        found, by_rows = expected_metric(rows, metric), functional([1 - order, order])  # type: ignore[arg-type]
        assert isinstance(found, Estimate)
        assert not isinstance(by_rows, Undefined)
        assert found.value == pytest.approx(by_rows.value)


def test_it_is_blind_when_the_meaning_of_a_score_moves() -> None:
    rows, place, yes = calls(2, 5000)
    moved = np.random.default_rng(3).random(5000) < 0.5 * rows.probability[place]
    found = expected_metric(rows, "precision")
    assert isinstance(found, Estimate)
    assert "blind" in found.method
    assert found.low > np.mean(moved[yes])


def test_what_cannot_be_said() -> None:
    assert isinstance(expected_metric(expected([5], [0], [0.2]), "precision"), Undefined)
    assert isinstance(expected_metric(expected([5], [0], [0.0]), "roc_auc"), Undefined)
    assert isinstance(expected_metric(expected([5], [0], [0.0]), "average_precision"), Undefined)
    assert isinstance(expected_metric(expected([0], [0], [0.0]), "accuracy"), Undefined)
    with pytest.raises(ValueError, match="probability"):
        expected([1], [1], [1.2])
    with pytest.raises(ValueError, match="no rows"):
        isotonic([0], [0])
    assert between([5.0], [0.0, 1.0], [0.2, 0.4]).tolist() == [0.4]
