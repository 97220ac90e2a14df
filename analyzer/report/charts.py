"""The charts of a page, drawn by Altair and vl-convert: numbers in, SVG out.

Colours are the names of the page's own variables, so that one drawing serves light, dark and
print. Fonts are the page's. Names from the logs are data, never a field; where an axis looks
them up they are spelled in hexadecimal. The same numbers give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import vl_convert
from markupsafe import Markup

from analyzer.diagnose.findings import Cell, Density, Hours
from analyzer.report.plots import (
    ALARM,
    CHALLENGER,
    CHAMPION,
    GRID,
    INK,
    PAPER,
    QUIET,
    SMALL,
    Interval,
    Line,
    Mark,
    extremes,
    lonely,
    lookup,
)
from analyzer.report.svg import clean
from analyzer.report.words import clipped
from analyzer.window import parse

LEFT, RIGHT, ABOVE, BELOW = 44, 14, 8, 24
"""Room around the plot. It is fixed, never measured: fonts differ from machine to machine, and
time axes below each other must line up."""

LETTER, MARK_HEIGHT = 7, 13
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
TICK_HOURS = (3, 6, 12, 24, 48, 96, 168, 336)
TICK_WIDTH = 84
FONT = "Roboto"  # shipped with vl-convert: what it hides for want of room never depends on fonts
CONFIG = {
    "aria": False,
    "background": "transparent",
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": QUIET,
        "labelFontSize": 11,
        "labelFont": FONT,
        "gridColor": GRID,
        "domainColor": GRID,
        "tickColor": GRID,
    },
}


def over_time(
    hours: Hours,
    lines: Sequence[Line],
    *,
    width: int,
    height: int = 150,
    form: str | None = None,
    marks: Sequence[Mark] = (),
) -> Markup:
    """Series over time as steps of `hours`; gaps stay gaps. form: d3 format of the values."""
    sheet = _Sheet()
    start, step = parse(hours.start) // 1000, hours.step_minutes * MINUTE_MS
    end = start + max(*(len(line.values) for line in lines), 1) * step
    x = _time_axis(start, end, width - LEFT - RIGHT)
    flat = not any(value for line in lines for value in line.values)
    scale = alt.Scale(domain=[0, 0.01]) if flat else alt.Scale(zero=True, nice=True)
    y = alt.Y("v:Q", title=None, scale=scale, axis=_values(form))
    layers = _marks(sheet, marks, x, (start + end) / 2)
    for line in lines:
        kept = extremes(line.values, width - LEFT - RIGHT)
        values = [line.values[i] for i in kept]
        rows = [{"t": start + i * step, "v": _short(line.values[i])} for i in kept]
        dash = [4, 3] if line.dashed else [1, 0]
        drawn = sheet.chart(rows).mark_line(
            color=line.tone, strokeWidth=line.thickness, strokeDash=dash
        )
        layers.append(drawn.encode(x=x, y=y))
        alone = [row for i, row in enumerate(rows) if lonely(values, i)]
        if alone:
            dots = sheet.chart(alone).mark_point(filled=True, size=10, opacity=1, color=line.tone)
            layers.append(dots.encode(x=x, y=y))
    above = ABOVE + MARK_HEIGHT * min(3, sum(not mark.end for mark in marks))
    return _draw(sheet, alt.layer(*layers), width, height, above=above)


def density(shape: Density, *, width: int, height: int = 150) -> Markup:
    """Shares by bin: the first series as bars, a second one as an outline."""
    sheet = _Sheet()
    tones = [CHAMPION, CHALLENGER] if len(shape.shares) > 1 else [CHALLENGER]
    x = alt.X(
        "low:Q",
        title=None,
        scale=alt.Scale(domain=[shape.edges[0], shape.edges[-1]], nice=False),
        axis=_below("~g", max(width // 70, 3)),
    )
    layers: list[Any] = []
    for number, (values, tone) in enumerate(zip(shape.shares.values(), tones, strict=False)):
        y = alt.Y("v:Q", title=None, axis=_values(".0~%"))
        rows = [
            {"low": low, "high": high, "v": _short(value)}
            for low, high, value in zip(shape.edges, shape.edges[1:], values, strict=False)
        ]
        if number == 0:
            bars = sheet.chart(rows).mark_rect(color=tone, stroke=PAPER, strokeWidth=0.5)
            layers.append(bars.encode(x=x, x2="high:Q", y=y, y2=alt.datum(0)))
        else:
            rows.append({"low": shape.edges[-1], "high": shape.edges[-1], "v": rows[-1]["v"]})
            outline = sheet.chart(rows).mark_line(
                color=tone, interpolate="step-after", strokeWidth=2
            )
            layers.append(outline.encode(x=x, y=y))
    if shape.edges[0] < 0 < shape.edges[-1]:
        zero = sheet.chart([{"low": 0}]).mark_rule(color=INK, strokeWidth=1)
        layers.append(zero.encode(x=x))
    return _draw(sheet, alt.layer(*layers), width, height)


def curves(
    lines: Sequence[tuple[str, Sequence[tuple[float, float]]]], *, width: int, diagonal: bool
) -> Markup:
    """Shares against a number, one line a tone. diagonal: with the line of equality, on [0, 1]."""
    sheet = _Sheet()
    top = 1.0 if diagonal else max((x for _, points in lines for x, _ in points), default=1.0)
    scale = alt.Scale(domain=[0, top], nice=False)
    x = alt.X("x:Q", title=None, scale=scale, axis=_below("~g", max(width // 70, 3)))
    y = alt.Y("v:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=_values(".0~%"))
    layers: list[Any] = []
    if diagonal:
        equal = sheet.chart([{"x": 0, "v": 0}, {"x": 1, "v": 1}])
        layers.append(
            equal.mark_line(color=QUIET, strokeDash=[2, 3], strokeWidth=1).encode(x=x, y=y)
        )
    for tone, points in lines:
        data = sheet.chart([{"x": _short(at), "v": _short(value)} for at, value in points])
        drawn = data.mark_line(color=tone, strokeWidth=1.5, point=alt.OverlayMarkDef(color=tone))
        layers.append(drawn.encode(x=x, y=y))
    return _draw(sheet, alt.layer(*layers), width, 150)


def distribution(cells: Sequence[Cell], *, width: int = SMALL, height: int = 96) -> Markup:
    """A column before (wide bars) and after (narrow bars in front), cell by cell in order."""
    sheet = _Sheet()
    rows = [
        {"i": i, "b": _short(cell.before), "a": _short(cell.after)} for i, cell in enumerate(cells)
    ]
    labels = [clipped(cell.label, 12) for cell in cells]
    plot = width - LEFT - RIGHT
    every = max(1, -(-len(cells) * max(map(len, labels), default=1) * LETTER // plot))
    ticks = [i for i in range(len(cells)) if i % every == 0 and i < len(cells) - every / 2]
    if labels and labels[-1] == "NULL":
        ticks = [i for i in ticks if i < len(cells) - every] + [len(cells) - 1]
    x = alt.X("i:O", title=None, axis=_below(None, values=ticks, labels=labels))
    y = {
        name: alt.Y(f"{name}:Q", title=None, axis=_values(".0~%", 3), scale=alt.Scale(zero=True))
        for name in ("b", "a")
    }
    step = plot / max(len(cells), 1)
    chart = sheet.chart(rows)
    wide = chart.mark_bar(color=CHAMPION, width=max(step * 0.9, 1)).encode(x=x, y=y["b"])
    thin = chart.mark_bar(color=CHALLENGER, width=max(step * 0.36, 1)).encode(x=x, y=y["a"])
    return _draw(sheet, alt.layer(wide, thin), width, height)


def intervals(rows: Sequence[Interval], *, width: int, form: str | None = None) -> Markup:
    """Values with intervals, one line each, in the order given, beside zero."""
    sheet = _Sheet()
    longest = max((len(row.label) for row in rows), default=1)
    left = min(longest * LETTER + 10, width * 2 // 5)
    ends = [x for row in rows for x in (row.value, row.low, row.high, 0.0) if x is not None]
    low, high = min(ends), max(ends)
    pad = (high - low) * 0.04 or 1.0
    data = [
        {
            "i": i,
            "v": _short(row.value),
            "low": _short(low - pad if row.low is None else row.low),
            "high": _short(high + pad if row.high is None else row.high),
            "c": row.tone,
        }
        for i, row in enumerate(rows)
    ]
    labels = [clipped(row.label, left // LETTER) for row in rows]
    y = alt.Y("i:O", title=None, axis=_beside(labels))
    x = alt.X(
        "low:Q",
        title=None,
        scale=alt.Scale(domain=[low - pad, high + pad], nice=False),
        axis=_below(form, max((width - left) // 80, 3)),
    )
    color = alt.Color("c:N", scale=None)
    chart = sheet.chart(data)
    zero = sheet.chart([{"low": 0}]).mark_rule(color=INK, strokeWidth=1).encode(x=x)
    bars = chart.mark_rule(strokeWidth=2).encode(x=x, x2="high:Q", y=y, color=color)
    points = chart.mark_point(filled=True, size=50, opacity=1)
    dots = points.encode(x=alt.X("v:Q"), y=y, color=color)
    return _draw(sheet, alt.layer(zero, bars, dots), width, 20 * len(rows) + 4, left=left)


def _marks(sheet: _Sheet, marks: Sequence[Mark], x: alt.X, middle: float) -> list[Any]:
    layers: list[Any] = []
    bands = [m for m in marks if m.end]
    if bands:
        rows = [{"t": parse(m.at) // 1000, "end": parse(m.end or "") // 1000} for m in bands]
        band = sheet.chart(rows).mark_rect(color=ALARM, opacity=0.14)
        layers.append(band.encode(x=x, x2="end:T"))
    points = [m for m in marks if not m.end]
    for number, mark in enumerate(points):
        data = [{"t": parse(mark.at) // 1000, "text": clipped(mark.text, 24)}]
        tone = ALARM if mark.alarming else INK
        rule = sheet.chart(data).mark_rule(color=tone, strokeWidth=1.2, strokeDash=[2, 2])
        # words of what lies on the right half stand to its left, or they would leave the page
        words = sheet.chart(data).mark_text(
            color=tone,
            align="left" if parse(mark.at) // 1000 < middle else "right",
            baseline="bottom",
            dy=-3 - MARK_HEIGHT * (number % 3),
            fontSize=11,
        )
        layers += [rule.encode(x=x), words.encode(x=x, y=alt.value(0), text="text:N")]
    return layers


def _time_axis(start: int, end: int, width: int) -> alt.X:
    step = next((h for h in TICK_HOURS if (end - start) / (h * HOUR_MS) * TICK_WIDTH <= width), 672)
    first = -(-start // (step * HOUR_MS)) * step * HOUR_MS
    axis = alt.Axis(
        grid=False,
        format="%-d %b" if step >= 24 else "%-d %b %H:%M",
        values=list(range(first, end, step * HOUR_MS)),
        labelBound=True,
    )
    scale = alt.Scale(type="utc", domain=[start, end], nice=False)
    return alt.X("t:T", title=None, scale=scale, axis=axis)


def _below(
    form: str | None,
    ticks: int | None = None,
    *,
    values: Sequence[int] | None = None,
    labels: Sequence[str] | None = None,
) -> alt.Axis:
    options: dict[str, Any] = {"grid": False, "labelAngle": 0, "labelOverlap": "greedy"}
    if form:
        options["format"] = form
    if ticks:
        options["tickCount"] = ticks
    if values is not None and labels is not None:
        options["values"] = list(values)
        options["labelExpr"] = lookup(labels)
        options["labelOverlap"] = False
    return alt.Axis(**options)


def _values(form: str | None, ticks: int = 4) -> alt.Axis:
    options: dict[str, Any] = {"format": form} if form else {}
    return alt.Axis(
        tickCount=ticks,
        domain=False,
        ticks=False,
        grid=True,
        labelPadding=6,
        **options,
    )


def _beside(labels: Sequence[str]) -> alt.Axis:
    return alt.Axis(
        grid=False,
        ticks=False,
        domain=False,
        labelExpr=lookup(labels),
        labelLimit=0,
        labelPadding=8,
        labelColor=INK,
        labelFontSize=12,
    )


def _short(value: float | None) -> float | None:
    """Six digits are more than a chart can show, and keep it small."""
    return None if value is None else float(f"{value:.6g}")


class _Sheet:
    """The numbers of one chart, kept by name: Altair copies and checks whatever it is handed."""

    def __init__(self) -> None:
        self.datasets: dict[str, Sequence[Mapping[str, Any]]] = {}

    def chart(self, rows: Sequence[Mapping[str, Any]]) -> alt.Chart:
        """A chart of these rows."""
        name = f"rows{len(self.datasets)}"
        self.datasets[name] = rows
        return alt.Chart(alt.NamedData(name=name))


def _draw(
    sheet: _Sheet, chart: Any, width: int, height: int, *, left: int = LEFT, above: int = ABOVE
) -> Markup:
    """The drawing, `width` wide with all its room; `height` is that of the plot."""
    spec = {
        **chart.to_dict(validate=False),
        "width": width - left - RIGHT,
        "height": height,
        "padding": {"left": left, "right": RIGHT, "top": above, "bottom": BELOW},
        "autosize": "none",
        "config": CONFIG,
        "datasets": sheet.datasets,
    }
    return clean(vl_convert.vegalite_to_svg(spec))
