"""Neighbouring bins are told as one range; nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from analyzer.diagnose.findings import Search
from analyzer.diagnose.ranges import told_together
from analyzer.segments.finding import Predicate, Segment
from analyzer.verdict import Observed

SEARCH = Search(
    measure="difference", mode="change", title="d", unit="score", found=None, refusal=""
)


def segment(*where: tuple[str, str | None], effect: float = 1.0, **other: Any) -> Segment:
    seen = Observed(value=effect, low=None, high=None, n=10.0, method="", undefined="")
    given: dict[str, Any] = {
        "where": where,
        "hours": None,
        "aliases": (),
        "n": 10,
        "support": 0.1,
        "mean": effect,
        "effect": seen,
        "alone": seen,
        "effect_sd": effect,
        "z": 9.0,
        "deff": 1.0,
        "p": 0.0,
        "risk_ratio": seen,
        "share": 0.1,
        "lift": 1.0,
        "sentence": "",
    }
    return Segment(**{**given, **other})


def told(*segments: Segment) -> list[Predicate]:
    return [x.where for x in told_together([(SEARCH, s) for s in segments], {"f"})]


def test_touching_bins_are_one_range() -> None:
    low, middle, high = (segment(("f", label)) for label in ("< 1", "1 to 2", "2 to 3"))
    assert told(low, middle) == [(("f", "< 2"),)]
    assert told(high, low) == [(("f", "2 to 3"),), (("f", "< 1"),)]
    assert told(high, low, middle) == [(("f", "< 3"),)]  # the last one closes the gap
    (whole,) = told_together([(SEARCH, s) for s in (high, low, middle)], {"f"})
    assert whole.n == 30 and whole.support == pytest.approx(0.3)
    assert told(middle, segment(("f", ">= 2"))) == [(("f", ">= 1"),)]


def test_other_conditions_must_be_the_same() -> None:
    one = segment(("c", "x"), ("f", "< 1"))
    assert told(one, segment(("c", "x"), ("f", "1 to 2"))) == [(("c", "x"), ("f", "< 2"))]
    others = [
        segment(("c", "y"), ("f", "1 to 2")),
        segment(("f", "1 to 2")),
        segment(("c", "x"), ("f", "1 to 2"), effect=-1.0),
        segment(("c", "x"), ("f", "1 to 2"), hours=(0, 3)),
        segment(("c", "x"), ("f", "2 to 3")),
        segment(("c", "x"), ("f", None)),
    ]
    for other in others:
        assert len(told(one, other)) == 2


def test_a_text_column_is_never_a_range() -> None:
    assert len(told(segment(("c", "< 1")), segment(("c", "1 to 2")))) == 2
