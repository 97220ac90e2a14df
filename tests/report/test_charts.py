"""Charts: deterministic, small, themed by the page, and names in them are text."""

import re
from xml.etree import ElementTree

import pytest
from markupsafe import Markup
from report.specimens import HOSTILE, instant

from analyzer.diagnose.findings import Cell, Density, Hours
from analyzer.report import charts
from analyzer.report.plots import Interval, Line, Mark
from analyzer.report.svg import clean


def all_charts() -> list[Markup]:
    """One of each kind, with hostile names."""
    hours = Hours(start=instant(0), step_minutes=60, columns={})
    marks = [Mark(instant(3), HOSTILE[0], alarming=True), Mark(instant(5), "x", instant(9))]
    shape = Density(
        name="x", edges=[-1.0, 0.0, 1.0], shares={"a": [0.3, 0.7], "b": [1.0, 0.0]}, n={}
    )
    return [
        charts.over_time(hours, [Line([1.0, None, 3.0, 4.0])], width=400, marks=marks),
        charts.density(shape, width=400),
        charts.distribution([Cell(name, 0.5, 0.1) for name in HOSTILE[:3]]),
        charts.intervals([Interval(name, 1.0, None, 2.0) for name in HOSTILE], width=900),
    ]


@pytest.fixture(scope="module")
def drawn() -> list[Markup]:
    """Every kind of chart, drawn once."""
    return all_charts()


def test_the_same_numbers_give_the_same_bytes(drawn: list[Markup]) -> None:
    assert all_charts() == drawn


def test_nothing_but_shapes_and_text(drawn: list[Markup]) -> None:
    for chart in drawn:
        nodes = list(ElementTree.fromstring(chart).iter())
        assert {node.tag for node in nodes} <= {
            *("svg", "g", "path", "line", "rect", "text", "circle")
        }
        names = {name for node in nodes for name in node.attrib}
        assert not names & {"id", "style", "class", "href", "font-family"}
        assert not [name for name in names if name.startswith("on")]
        assert "NaN" not in chart
        assert len(chart) < 12_000


def test_colours_are_the_pages(drawn: list[Markup]) -> None:
    for chart in drawn:
        colours = set(re.findall(r'(?:fill|stroke)="([^"]+)"', chart))
        assert all(c == "none" or c.startswith("var(--") for c in colours), colours


def test_names_in_charts_are_text(drawn: list[Markup]) -> None:
    assert "&lt;script&gt;alert(1)&lt;/scrip…" in drawn[0]
    labels = re.findall(r"<text[^>]*>([^<]*)</text>", drawn[3])
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in labels
    assert "{{ 7 * 7 }}{% raw %}${7*7}" in labels
    assert "datum.value + 1 \\u0041 \\" in labels
    assert "\\u202egnp.exe" in labels


def test_a_gap_stays_a_gap_and_a_lonely_point_is_seen(drawn: list[Markup]) -> None:
    lines = re.findall(r'<path d="([^"]*)" stroke="var\(--accent\)"', drawn[0])
    assert [line.count("M") for line in lines] == [2]
    hours = Hours(start=instant(0), step_minutes=60, columns={})
    alone = charts.over_time(hours, [Line([None, 2.0, None, None])], width=400)
    assert "A" in "".join(re.findall(r'd="([^"]*)"', alone))  # an arc: the dot
    assert "svg" in charts.over_time(hours, [Line([])], width=400)


def test_bars_are_as_high_as_their_share() -> None:
    chart = charts.distribution([Cell("a", 0.25, 0.5), Cell("b", 0.5, 0.0)])
    pattern = r'd="M([\d.]+),[\d.]+h[\d.]+v([\d.]+)h[^"]*" fill="var\(--(\w+)\)"'
    height = {
        (tone, "left" if float(x) < 120 else "right"): float(h)
        for x, h, tone in re.findall(pattern, chart)
    }
    assert height["champion", "left"] * 2 == pytest.approx(height["champion", "right"], abs=0.1)
    assert height["accent", "left"] == pytest.approx(height["champion", "right"], abs=0.1)
    assert height["accent", "right"] == 0


def test_what_a_drawing_may_not_hold_is_dropped() -> None:
    dirty = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'viewBox="0 0 10 20" onload="x()"><script>alert(1)</script><style>*{}</style>'
        '<image href="http://x"/><a xlink:href="javascript:x()"><path d="M0 0"/></a>'
        '<g id="a" class="b"><text onclick="x()" font-family="f">1 &lt; 2 " class="z</text></g>'
        "</svg>"
    )
    assert clean(dirty) == (
        '<svg width="10" height="20" viewBox="0 0 10 20">'
        "<text>1 &lt; 2 &#34; class=&#34;z</text></svg>"
    )
