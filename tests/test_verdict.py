"""The judge's truth table, the precedence of outcomes, and verdict.json's schema."""

from __future__ import annotations

import json
import math
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import analyzer
from analyzer.stats.result import Estimate, Undefined, point
from analyzer.verdict import (
    EXIT_CODES,
    Check,
    Observed,
    decide,
    json_schema,
    judge,
    observed,
    worst,
)

L = 0.1
BELOW, ABOVE = math.nextafter(L, 0), math.nextafter(L, 1)
# (operator, low, high) -> outcome; every way in which an interval can lie to a limit
TRUTH = [
    ("<", 0.0, BELOW, "pass"),
    ("<", 0.0, L, "undecided"),
    ("<", 0.0, ABOVE, "undecided"),
    ("<", BELOW, 1.0, "undecided"),
    ("<", L, L, "fail"),
    ("<", L, 1.0, "fail"),
    ("<", ABOVE, 1.0, "fail"),
    ("<=", 0.0, BELOW, "pass"),
    ("<=", 0.0, L, "pass"),
    ("<=", L, L, "pass"),
    ("<=", 0.0, ABOVE, "undecided"),
    ("<=", L, ABOVE, "undecided"),
    ("<=", ABOVE, 1.0, "fail"),
    (">", ABOVE, 1.0, "pass"),
    (">", L, 1.0, "undecided"),
    (">", BELOW, 1.0, "undecided"),
    (">", 0.0, ABOVE, "undecided"),
    (">", L, L, "fail"),
    (">", 0.0, L, "fail"),
    (">", 0.0, BELOW, "fail"),
    (">=", ABOVE, 1.0, "pass"),
    (">=", L, 1.0, "pass"),
    (">=", L, L, "pass"),
    (">=", BELOW, 1.0, "undecided"),
    (">=", BELOW, L, "undecided"),
    (">=", 0.0, BELOW, "fail"),
    ("<", -math.inf, math.inf, "undecided"),
    ("<", -math.inf, BELOW, "pass"),
    (">=", L, math.inf, "pass"),
]


@pytest.mark.parametrize(("operator", "low", "high", "outcome"), TRUTH)
def test_truth_table(operator: str, low: float, high: float, outcome: str) -> None:
    inside = low if math.isfinite(low) else high if math.isfinite(high) else 0.0
    assert judge(Estimate(inside, low, high, 10, ""), operator, L) == outcome


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">="])
def test_what_cannot_be_said_is_undecided(operator: str) -> None:
    assert judge(Undefined("no rows"), operator, L) == "undecided"


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">="])
def test_a_limit_that_is_no_number_never_passes(operator: str) -> None:
    assert judge(point(L, 10, "counted"), operator, math.nan) == "undecided"


@pytest.mark.parametrize(
    ("operator", "at_limit"), [("<", "fail"), ("<=", "pass"), (">", "fail"), (">=", "pass")]
)
def test_a_point_exactly_at_the_limit_follows_the_operator(operator: str, at_limit: str) -> None:
    assert judge(point(L, 10, "counted"), operator, L) == at_limit


@given(
    st.sampled_from(["<", "<=", ">", ">="]),
    st.floats(-1, 1),
    st.floats(-1, 1),
    st.floats(-1, 1),
)
def test_pass_and_fail_never_hold_for_values_of_the_other_kind(
    operator: str, a: float, b: float, limit: float
) -> None:
    """Pass means that every value of the interval satisfies the limit, fail that none does."""
    low, high = min(a, b), max(a, b)
    satisfied = {
        "<": lambda x: x < limit,
        "<=": lambda x: x <= limit,
        ">": lambda x: x > limit,
        ">=": lambda x: x >= limit,
    }[operator]
    inside = {low, high, (low + high) / 2, min(max(limit, low), high)}
    outcome = judge(Estimate(low, low, high, 10, ""), operator, limit)
    held = {satisfied(x) for x in inside}
    assert outcome == ("undecided" if len(held) == 2 else "pass" if held == {True} else "fail")


def test_worst_of_several() -> None:
    order = ["invalid", "fail", "undecided", "pass"]
    for outcomes in product(order, repeat=3):
        assert worst(outcomes) == min(outcomes, key=order.index)
    assert worst([]) == "undecided"


def check(outcome: str, severity: str = "block", on_fail: str = "hold") -> Check:
    return Check(
        id="x",
        layer="model",
        metric="",
        segment=None,
        window=("", ""),
        observed=Observed(),
        counts={},
        operator="<",
        limit=0.1,
        outcome=outcome,
        severity=severity,
        on_fail=on_fail,
        sentence="",
    )


checks = st.lists(
    st.builds(
        check,
        st.sampled_from(["pass", "fail", "undecided", "invalid"]),
        st.sampled_from(["block", "warn"]),
        st.sampled_from(["hold", "roll back"]),
    ),
    max_size=6,
)


@given(checks, st.booleans(), st.randoms(use_true_random=False))
def test_precedence(found: list[Check], overdue: bool, random: object) -> None:
    """Roll back, then hold, then undecided, then promote; the order of checks never matters."""
    outcome = decide(found, overdue=overdue)
    blocking = [c for c in found if c.severity == "block"]
    kinds = {c.outcome for c in blocking}
    harm = any(c.outcome == "fail" and c.on_fail == "roll back" for c in blocking)
    if harm:
        expected = "roll back"
    elif kinds & {"fail", "invalid"}:
        expected = "hold"
    elif not blocking:
        expected = "undecided"
    elif "undecided" in kinds:
        expected = "hold" if overdue else "undecided"
    else:
        expected = "promote"
    assert outcome == expected
    shuffled = list(found)
    random.shuffle(shuffled)
    assert decide(shuffled, overdue=overdue) == outcome
    # more evidence of the same kind never turns anything else into a promote
    if outcome != "promote" and blocking:
        assert decide([*found, check("pass")], overdue=overdue) != "promote"


def test_no_check_is_no_promote() -> None:
    assert decide([], overdue=False) == "undecided"
    assert decide([], overdue=True) == "undecided"
    assert decide([check("pass", "warn")], overdue=False) == "undecided"


def test_a_warning_decides_nothing() -> None:
    assert decide([check("pass"), check("fail", "warn")], overdue=False) == "promote"


def test_exit_codes_are_those_that_people_rely_on() -> None:
    assert EXIT_CODES == {"promote": 0, "hold": 3, "undecided": 4, "roll back": 5}


def test_open_ends_cross_files_as_absent() -> None:
    seen = observed(Estimate(1.0, -math.inf, 2.0, 3, "m"))
    assert (seen.value, seen.low, seen.high) == (1.0, None, 2.0)
    assert observed(Undefined("why", 4)).undefined == "why"


def test_the_published_schema_is_current() -> None:
    published = Path(analyzer.__file__).parent / "verdict.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == json_schema()
