import pytest

from analyzer.stats.backtest import Backtest, backtest
from analyzer.stats.result import Estimate, Undefined


def said(value: float, half: float) -> Estimate:
    return Estimate(value, value - half, value + half, 10, "example")


def test_what_was_said_against_what_was_true() -> None:
    estimates = [said(0.10, 0.02), said(0.20, 0.02), Undefined("young"), said(0.30, 0.02)]
    rivals = [said(0.13, 0.01), Undefined("none"), said(0.9, 0.1), said(0.26, 0.01)]
    found = backtest(estimates, [0.11, 0.25, 0.4, 0.30], rivals)
    assert isinstance(found, Backtest)
    assert isinstance(found.held, Estimate)
    assert found.held.value == pytest.approx(2 / 3)
    assert (found.answered, found.refused) == (3, 1)
    assert found.bias == pytest.approx((-0.01 - 0.05 + 0) / 3)
    assert found.error == pytest.approx(((0.01**2 + 0.05**2) / 3) ** 0.5)
    assert found.naive_error == pytest.approx(((0.02**2 + 0.04**2) / 2) ** 0.5)


def test_what_cannot_be_said() -> None:
    none = Undefined("young")
    assert isinstance(backtest([none], [0.1]), Undefined)
    found = backtest([said(0.1, 0.1)], [0.1], [none])
    assert isinstance(found, Backtest)
    assert found.naive_error is None
    with pytest.raises(ValueError, match="argument"):
        backtest([none], [])
