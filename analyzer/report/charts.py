"""The charts of a page: numbers in, SVG out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
from markupsafe import Markup

from analyzer.diagnose.findings import Cell, Density, Hours
from analyzer.report.drawing import (
    ABOVE,
    LEFT,
    LETTER,
    MINUTE_MS,
    RIGHT,
    Sheet,
    below,
    beside,
    draw,
    short,
    time_axis,
    values_axis,
)
from analyzer.report.plots import (
    ALARM,
    CHALLENGER,
    CHAMPION,
    INK,
    PAPER,
    QUIET,
    SMALL,
    Interval,
    Line,
    Mark,
    extremes,
    lonely,
)
from analyzer.report.words import clipped
from analyzer.window import parse

MARK_HEIGHT = 13


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
    sheet = Sheet()
    start, step = parse(hours.start) // 1000, hours.step_minutes * MINUTE_MS
    end = start + max(*(len(line.values) for line in lines), 1) * step
    x = time_axis(start, end, width - LEFT - RIGHT)
    flat = not any(value for line in lines for value in line.values)
    scale = alt.Scale(domain=[0, 0.01]) if flat else alt.Scale(zero=True, nice=True)
    y = alt.Y("v:Q", title=None, scale=scale, axis=values_axis(form))
    layers = _marks(sheet, marks, x, (start + end) / 2)
    for line in lines:
        kept = extremes(line.values, width - LEFT - RIGHT)
        values = [line.values[i] for i in kept]
        rows = [{"t": start + i * step, "v": short(line.values[i])} for i in kept]
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
    return draw(sheet, alt.layer(*layers), width, height, above=above)


def density(shape: Density, *, width: int, height: int = 150) -> Markup:
    """Shares by bin: the first series as bars, a second one as an outline."""
    sheet = Sheet()
    tones = [CHAMPION, CHALLENGER] if len(shape.shares) > 1 else [CHALLENGER]
    x = alt.X(
        "low:Q",
        title=None,
        scale=alt.Scale(domain=[shape.edges[0], shape.edges[-1]], nice=False),
        axis=below("~g", max(width // 70, 3)),
    )
    layers: list[Any] = []
    for number, (values, tone) in enumerate(zip(shape.shares.values(), tones, strict=False)):
        y = alt.Y("v:Q", title=None, axis=values_axis(".0~%"))
        rows = [
            {"low": low, "high": high, "v": short(value)}
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
    return draw(sheet, alt.layer(*layers), width, height)


def curves(
    lines: Sequence[tuple[str, Sequence[tuple[float, float]]]], *, width: int, diagonal: bool
) -> Markup:
    """Shares against a number, one line a tone. diagonal: with the line of equality, on [0, 1]."""
    sheet = Sheet()
    top = 1.0 if diagonal else max((x for _, points in lines for x, _ in points), default=1.0)
    scale = alt.Scale(domain=[0, top], nice=False)
    x = alt.X("x:Q", title=None, scale=scale, axis=below("~g", max(width // 70, 3)))
    y = alt.Y("v:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=values_axis(".0~%"))
    layers: list[Any] = []
    if diagonal:
        equal = sheet.chart([{"x": 0, "v": 0}, {"x": 1, "v": 1}])
        layers.append(
            equal.mark_line(color=QUIET, strokeDash=[2, 3], strokeWidth=1).encode(x=x, y=y)
        )
    for tone, points in lines:
        data = sheet.chart([{"x": short(at), "v": short(value)} for at, value in points])
        drawn = data.mark_line(color=tone, strokeWidth=1.5, point=alt.OverlayMarkDef(color=tone))
        layers.append(drawn.encode(x=x, y=y))
    return draw(sheet, alt.layer(*layers), width, 150)


def distribution(cells: Sequence[Cell], *, width: int = SMALL, height: int = 96) -> Markup:
    """A column before (wide bars) and after (narrow bars in front), cell by cell in order."""
    sheet = Sheet()
    rows = [
        {"i": i, "b": short(cell.before), "a": short(cell.after)} for i, cell in enumerate(cells)
    ]
    labels = [clipped(cell.label, 12) for cell in cells]
    plot = width - LEFT - RIGHT
    every = max(1, -(-len(cells) * max(map(len, labels), default=1) * LETTER // plot))
    ticks = [i for i in range(len(cells)) if i % every == 0 and i < len(cells) - every / 2]
    if labels and labels[-1] == "NULL":
        ticks = [i for i in ticks if i < len(cells) - every] + [len(cells) - 1]
    x = alt.X("i:O", title=None, axis=below(None, values=ticks, labels=labels))
    y = {
        name: alt.Y(
            f"{name}:Q", title=None, axis=values_axis(".0~%", 3), scale=alt.Scale(zero=True)
        )
        for name in ("b", "a")
    }
    step = plot / max(len(cells), 1)
    chart = sheet.chart(rows)
    wide = chart.mark_bar(color=CHAMPION, width=max(step * 0.9, 1)).encode(x=x, y=y["b"])
    thin = chart.mark_bar(color=CHALLENGER, width=max(step * 0.36, 1)).encode(x=x, y=y["a"])
    return draw(sheet, alt.layer(wide, thin), width, height)


def intervals(rows: Sequence[Interval], *, width: int, form: str | None = None) -> Markup:
    """Values with intervals, one line each, in the order given, beside zero; limits as ticks."""
    sheet = Sheet()
    longest = max((len(row.label) for row in rows), default=1)
    left = min(longest * LETTER + 10, width * 2 // 5)
    parts = [(row.value, row.low, row.high, row.limit, 0.0) for row in rows]
    ends = [x for part in parts for x in part if x is not None]
    low, high = min(ends), max(ends)
    pad = (high - low) * 0.04 or 1.0
    data = [
        {
            "i": i,
            "v": short(row.value),
            "low": short(low - pad if row.low is None else row.low),
            "high": short(high + pad if row.high is None else row.high),
            "c": row.tone,
        }
        for i, row in enumerate(rows)
    ]
    labels = [clipped(row.label, left // LETTER) for row in rows]
    y = alt.Y("i:O", title=None, axis=beside(labels))
    x = alt.X(
        "low:Q",
        title=None,
        scale=alt.Scale(domain=[low - pad, high + pad], nice=False),
        axis=below(form, max((width - left) // 80, 3)),
    )
    color = alt.Color("c:N", scale=None)
    chart = sheet.chart(data)
    zero = sheet.chart([{"low": 0}]).mark_rule(color=INK, strokeWidth=1).encode(x=x)
    bars = chart.mark_rule(strokeWidth=2).encode(x=x, x2="high:Q", y=y, color=color)
    points = chart.mark_point(filled=True, size=50, opacity=1)
    dots = points.encode(x=alt.X("v:Q"), y=y, color=color)
    limits = [{"i": i, "v": short(r.limit)} for i, r in enumerate(rows) if r.limit is not None]
    ticks = sheet.chart(limits).mark_tick(color=ALARM, thickness=2.5, size=16)
    layers = [zero, bars, dots, *([ticks.encode(x=alt.X("v:Q"), y=y)] if limits else [])]
    return draw(sheet, alt.layer(*layers), width, 20 * len(rows) + 4, left=left)


def _marks(sheet: Sheet, marks: Sequence[Mark], x: alt.X, middle: float) -> list[Any]:
    layers: list[Any] = []
    bands = [m for m in marks if m.end]
    if bands:
        rows = [{"t": parse(m.at) // 1000, "end": parse(m.end or "") // 1000} for m in bands]
        band = sheet.chart(rows).mark_rect(color=ALARM, opacity=0.14)
        layers.append(band.encode(x=x, x2="end:T"))
    together: dict[tuple[str, Literal["left", "right"], int], list[dict[str, Any]]] = {}
    for number, mark in enumerate(m for m in marks if not m.end):
        at, tone = parse(mark.at) // 1000, ALARM if mark.alarming else INK
        # words of what lies on the right half stand to its left, or they would leave the page
        align: Literal["left", "right"] = "left" if at < middle else "right"
        row = {"t": at, "text": clipped(mark.text, 24)}
        together.setdefault((tone, align, number % 3), []).append(row)
    # as few layers as can be: a year of nights has hundreds of marks, and each layer takes 10 ms
    for (tone, align, line), rows in together.items():
        chart = sheet.chart(rows)
        rule = chart.mark_rule(color=tone, strokeWidth=1.2, strokeDash=[2, 2])
        words = chart.mark_text(
            color=tone,
            align=align,
            baseline="bottom",
            dy=-3 - MARK_HEIGHT * line,
            fontSize=11,
        )
        layers += [rule.encode(x=x), words.encode(x=x, y=alt.value(0), text="text:N")]
    return layers
