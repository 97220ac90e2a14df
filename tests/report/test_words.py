"""How numbers and names are written."""

import doctest
import importlib

import pytest
from report.specimens import HOSTILE

from analyzer.report import marks, words
from analyzer.stats.result import Estimate, Undefined, describe
from analyzer.verdict import Check, Observed


@pytest.mark.parametrize(
    "module", ["analyzer.report.words", "analyzer.report.plots", "analyzer.shapes"]
)
def test_the_examples_are_true(module: str) -> None:
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted > 1
    assert not found.failed


@pytest.mark.parametrize("text", HOSTILE)
def test_a_name_is_text_and_nothing_in_it_is_hidden(text: str) -> None:
    written = str(words.name(text))
    inside = written.removeprefix("<bdi>").removesuffix("</bdi>")
    if not text.strip():
        inside = inside.removeprefix("<span class=null>").removesuffix("</span>")
    assert "<" not in inside
    assert ">" not in inside
    assert '"' not in inside
    assert not {"\x00", "\x1b", "\n", "\u202e"} & set(written)
    assert len(words.shown(text)) < 150


def test_emoji_and_other_scripts_stay_as_they_are() -> None:
    for text in (
        "\u0645\u0631\u062d\u0628\u0627",
        "\U0001f468\u200d\U0001f469",
        "café",
        "a\u00a0b",
    ):
        assert words.shown(text) == text


def test_a_name_that_is_cut_says_so() -> None:
    assert words.shown("x" * 5_000).endswith("(5,000 characters)")
    assert words.shown("x" * 120) == "x" * 120


def test_a_lone_surrogate_can_be_written() -> None:
    assert words.shown("\ud800").encode() == b"\\ud800"


@pytest.mark.parametrize(
    ("found", "unit", "expected"),
    [
        (Estimate(0.5, 0.25, 0.75, 9, "x"), "share", "50 % (25 % to 75 %)"),
        (Estimate(12.5, 12, 13, 9, "x"), "ms", "12.5 ms (12 to 13)"),
        (Estimate(3, 3, 3, 9, "counted"), "number", "3"),
        (describe(0.2, 0, 1, 9, "distance"), "number", "0.2"),
        (Estimate(3, 1, float("inf"), 9, "x"), "number", "3 (1 to ∞)"),
        (Observed(value=3, low=1, high=None, n=9, method="x"), "number", "3 (1 to unbounded)"),
        (Observed(undefined="no <rows>"), "number", "no &lt;rows&gt;"),
        (Undefined("too few"), "number", "too few"),
        (None, "number", "–"),
    ],
)
def test_results(found: object, unit: str, expected: str) -> None:
    written = str(words.result(found, unit))  # type: ignore[arg-type]
    for tag in ("<span class=ci>", "<span class=quiet>", "</span>"):
        written = written.replace(tag, "")
    assert written.replace(words.SPACE, " ") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (1234.5, "1,234"),
        (-0.5, "−0.5"),
        (0.000099, "9.90e−5"),
        (float("nan"), "–"),
        (float("-inf"), "−∞"),
        (1e20, "100,000,000,000,000,000,000"),
    ],
)
def test_numbers(value: float, expected: str) -> None:
    assert words.number(value) == expected


def test_a_sparkline_says_what_it_shows() -> None:
    drawn = str(marks.sparkline([None, 1.0, None, 0.5, 2.0], "PSI by day"))
    assert 'aria-label="PSI by day: 0.5 to 2, last 2"' in drawn
    assert drawn.count("M") == 2
    assert str(marks.sparkline([None], "x")) == "<span class=quiet>–</span>"
    assert "NaN" not in str(marks.sparkline([0.0, 0.0], "x"))


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">="])
def test_the_wrong_side_of_a_limit_is_shaded(operator: str) -> None:
    check = Check(
        id="x",
        layer="data",
        metric="x",
        segment=None,
        window=("a", "b"),
        observed=Observed(value=0.2, low=None, high=0.3, n=1, method="x"),
        counts={},
        operator=operator,  # type: ignore[arg-type]
        limit=0.5,
        outcome="pass",
        severity="block",
        on_fail="hold",
        sentence="",
    )
    drawn = str(marks.bullet(check))
    zone = drawn.split("zone d='M")[1].split("'")[0]
    start, end = (float(x) for x in zone.split(" 12H"))
    limit = float(drawn.split("limit d='M")[1].split(" ")[0])
    assert (start, end)[operator in (">", ">=")] == limit
    assert f"limit {operator.replace('<', '&lt;').replace('>', '&gt;')} 0.5" in drawn
