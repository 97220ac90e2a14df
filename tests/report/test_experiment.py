"""The page about an experiment says what is known, and what must not be read."""

from __future__ import annotations

import html
import re

import pytest
from report import experiments

from analyzer.report import experiment
from analyzer.report.bands import bands
from analyzer.report.plots import NARROW, WIDE, Band
from analyzer.verdict import Outcome

NAMES = [f"metric {i}" for i in range(9)]


def said(*, valid: Outcome = "pass", ended: bool = False, days: int = 9) -> str:
    found = experiments.made(NAMES, metrics=6, segments=9, days=days, valid=valid, ended=ended)
    page = experiment.report(found).decode()
    text = html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", page)))
    return re.sub(r"\s+", " ", text)


def test_a_running_experiment_promotes_nothing() -> None:
    text = said()
    assert "Running" in text
    assert "Before the planned end, 2025-05-02, it can show harm and promotes nothing." in text
    assert "not to be read before the planned end" in text
    assert "This is the one test that was registered." not in text
    assert "This is the one test that was registered." in said(ended=True)


def test_invalid_units_come_first() -> None:
    text = said(valid="invalid", ended=True)
    assert text.index("Units are not split as planned") < text.index("Lift of each metric")
    assert "No effect below can be trusted" in text
    assert "This is the one test" not in text


def test_what_an_earlier_stop_would_have_cost() -> None:
    text = said()
    assert "The interval to be read at any time first excluded 0 on" not in text
    assert "The interval to be read at any time excluded 0 on no day." in text
    assert (
        "On 1 later day it held 0 again: whoever stops where it first excludes 0 often" not in text
    )
    later = said(days=40)
    assert re.search(r"The naive interval first excluded 0 on 2025-03-\d\d, with", later)
    assert re.search(r"interval to be read at any time first excluded 0 on 2025-0\d-\d\d", later)


def test_a_margin_lies_where_worse_is() -> None:
    from analyzer.report import charts
    from analyzer.report.plots import Interval

    rows = [Interval("a", 0.0, -0.1, 0.1, limit=0.2), Interval("b", 0.0, -0.1, 0.1, limit=-0.2)]
    drawn = charts.intervals(rows, width=WIDE)
    plain = charts.intervals([Interval("a", 0.0, -0.1, 0.1), rows[1]], width=WIDE)
    assert drawn.count("var(--bad)") == plain.count("var(--bad)") + 1 == 2


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_bands_end_at_the_edge(width: int) -> None:
    """An interval thousands of times as wide as the last one neither hides it nor leaves."""
    wild = Band([None, 0.0, 0.1], [None, -900.0, 0.0], [None, 900.0, 0.2])
    drawn = bands(["a", "b", "c"], [wild], width=width, height=180, form=".0%", limit=0.05)
    heights = [float(y) for y in re.findall(r"[ML,](?:-?[\d.]+),(-?[\d.]+)", drawn)]
    assert heights and min(heights) >= -1 and max(heights) <= 181
    assert "900" not in drawn
    assert bands(["a", "b", "c"], [wild], width=width, height=180, form=".0%", limit=0.05) == drawn


def test_a_single_day_is_seen() -> None:
    one = Band([0.1], [0.0], [0.2])
    assert bands(["1"], [one], width=WIDE).count("<line") > bands(["1"], [], width=WIDE).count(
        "<line"
    )


def test_a_plan_says_when_the_lift_worth_finding_is_reached() -> None:
    from analyzer.experiment.plan import Need, Plan
    from analyzer.report import planned
    from analyzer.stats.result import Result, Undefined, point

    def page(days: Result) -> str:
        units = point(20_000.0, 4_000, "made up")
        need = Need(
            metric="<b>revenue", role="primary", level=12.0, deviation=units, explained=0.2,
            effect=0.05, units=units, sequence=units, days=days,
        )  # fmt: skip
        curve = tuple((day, 0.2 / day**0.5) for day in range(1, 31))
        n_star = units if not isinstance(days, Undefined) else days
        found = Plan("<b>revenue", units, 0.5, (need,), curve, days, n_star)
        return html.unescape(re.sub(r"<[^>]+>", " ", planned.report(found, "shop").decode()))

    text = page(point(16.0, 4_000, "made up"))
    assert "The lift worth finding is reached on day 16." in text
    assert "<b>revenue" in text
    none = page(Undefined("no solution within 365 days at 3 units a day"))
    assert "No solution" in none and "within 365 days at 3 units a day" in none
