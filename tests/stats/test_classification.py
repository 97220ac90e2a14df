import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analyzer.stats.classification import (
    accuracy,
    accuracy_functional,
    class_functional,
    confusion_over_buckets,
    f1,
    macro,
    macro_functional,
    precision,
    recall,
)
from analyzer.stats.proportion import clopper_pearson
from analyzer.stats.result import Estimate, Undefined

matrices = hnp.arrays(
    np.int64, st.integers(2, 4).map(lambda k: (k, k)), elements=st.integers(1, 60)
)


def value(found: object) -> float:
    assert isinstance(found, Estimate)
    return found.value


def test_published_chunks() -> None:
    # NannyML 0.13.1, tests/performance_calculation/metrics/test_binary_classification.py:
    # synthetic car loans, ten chunks of 5,000 rows
    tp = [2277, 2164, 2158, 2161, 2223, 2023, 2041, 2000, 2034, 2057]
    fp = [77, 76, 70, 71, 78, 108, 90, 105, 91, 125]
    tn = [2337, 2466, 2501, 2447, 2409, 2395, 2385, 2392, 2427, 2316]
    fn = [309, 294, 271, 321, 290, 474, 484, 503, 448, 502]
    right = [0.9228, 0.926, 0.9318, 0.9216, 0.9264, 0.8836, 0.8852, 0.8784, 0.8922, 0.8746]
    f = [0.92186, 0.92124, 0.92678, 0.91684, 0.92356, 0.87424, 0.87672, 0.86806, 0.883, 0.86775]
    for i in range(10):
        confusion = [[tn[i], fp[i]], [fn[i], tp[i]]]
        assert round(value(accuracy(confusion)), 5) == right[i]
        assert round(value(f1(confusion)), 5) == f[i]
    expected = [[9468.107941981285, 567.0359356949585], [475.8920580187156, 9488.96406430504]]
    # the same project's expected confusion of 20,000 rows, test_cbpe_metrics.py
    assert value(accuracy(expected)) == pytest.approx(0.9478536003143163)
    assert value(precision(expected)) == pytest.approx(0.9436121782324026)
    assert value(recall(expected)) == pytest.approx(0.9522429574319092)
    assert value(recall(expected, 0)) == pytest.approx(0.9434949869571513)
    assert value(f1(expected)) == pytest.approx(0.9479079222515973)


@given(matrices)
@settings(max_examples=60, deadline=None)
def test_scores_are_those_of_the_rows(confusion: np.ndarray) -> None:
    actual, predicted = np.divmod(
        np.repeat(np.arange(confusion.size), confusion.ravel()), len(confusion)
    )
    assert value(accuracy(confusion)) == pytest.approx(np.mean(actual == predicted))
    every = []
    for of in range(len(confusion)):
        hit = np.sum((actual == of) & (predicted == of))
        p, r = hit / np.sum(predicted == of), hit / np.sum(actual == of)
        assert value(precision(confusion, of)) == pytest.approx(p)
        assert value(recall(confusion, of)) == pytest.approx(r)
        assert value(f1(confusion, of)) == pytest.approx(2 * p * r / (p + r))
        every.append(2 * p * r / (p + r))
    assert value(macro(confusion)) == pytest.approx(np.mean(every))


@given(matrices, st.integers(0, 15))
@settings(max_examples=60, deadline=None)
def test_gradients_are_derivatives(confusion: np.ndarray, place: int) -> None:
    c = confusion.astype(float)
    at = np.unravel_index(place % c.size, c.shape)
    step = np.zeros_like(c)
    step[at] = 1e-5
    for functional in (
        accuracy_functional,
        macro_functional,
        lambda x: class_functional(x, "f1"),
        lambda x: class_functional(x, "precision", 0),
        lambda x: macro_functional(x, "recall"),
    ):
        here, up, down = functional(c), functional(c + step), functional(c - step)
        slope = (up.value - down.value) / 2e-5
        assert here.gradient[at] == pytest.approx(slope, abs=1e-6)


def test_intervals_cover() -> None:
    rng = np.random.default_rng(9)
    law = np.array([[0.5, 0.05, 0.02], [0.04, 0.2, 0.03], [0.03, 0.05, 0.08]])
    truths = [class_functional(law, "f1", 2).value, macro_functional(law).value]  # type: ignore[union-attr]
    held = [0, 0]
    for sample in rng.multinomial(400, law.ravel(), 400).reshape(400, 3, 3):
        for i, found in enumerate((f1(sample, 2, 0.9), macro(sample, "f1", 0.9))):
            held[i] += isinstance(found, Estimate) and found.low <= truths[i] <= found.high
    assert held[0] >= 342  # exact: at least 90 %
    assert 342 <= held[1] <= 379


def test_dependence_within_units_widens() -> None:
    rng = np.random.default_rng(10)
    confusions = np.zeros((64, 2, 2))
    for k in range(64):
        right = rng.beta(8, 2)
        confusions[k] = rng.multinomial(
            100, np.outer([0.6, 0.4], [right, 1 - right]).ravel()
        ).reshape(2, 2)
        confusions[k, 1] = confusions[k, 1, ::-1]
    whole = confusions.sum(axis=0)
    for score, plain in (
        ("accuracy", accuracy(whole)),
        ("recall", recall(whole)),
        ("f1", f1(whole)),
    ):
        wide = confusion_over_buckets(confusions, score)  # type: ignore[arg-type]
        assert isinstance(wide, Estimate)
        assert isinstance(plain, Estimate)
        assert wide.value == pytest.approx(plain.value)
        assert wide.high - wide.low > 1.5 * (plain.high - plain.low)
    averaged = confusion_over_buckets(confusions, "f1", None)
    assert value(averaged) == pytest.approx(value(macro(whole)))
    found, four = accuracy(whole, deff=4), clopper_pearson(np.trace(whole) / 4, whole.sum() / 4)
    assert found == four


def test_what_cannot_be_said() -> None:
    assert isinstance(accuracy(np.zeros((2, 2))), Undefined)
    assert isinstance(accuracy_functional(np.zeros((2, 2))), Undefined)
    assert isinstance(recall([[3, 4], [0, 0]]), Undefined)
    assert isinstance(f1([[3, 0], [0, 0]]), Undefined)
    assert isinstance(macro([[3, 0], [0, 0]]), Undefined)
    assert isinstance(macro([[3, 0], [0, 3]]), Undefined)
    perfect = f1([[3, 0], [0, 30]])
    assert isinstance(perfect, Estimate)
    assert perfect.low < 0.95 < perfect.high == 1
    for wrong in ([[1, 2]], [[1, -1], [1, 1]], [[np.nan, 1], [1, 1]]):
        with pytest.raises(ValueError, match="confusion matrix"):
            accuracy(wrong)
