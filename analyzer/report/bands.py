"""Charts of what becomes known step by step: values inside their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
from markupsafe import Markup

from analyzer.report.drawing import (
    LEFT,
    LETTER,
    RIGHT,
    Sheet,
    below,
    draw,
    short,
    values_axis,
)
from analyzer.report.plots import INK, QUIET, Band, lonely

WIDEST = 3.0
"""So many times as far from 0 as the last intervals reach, the axis ends: the first ones are
often hundreds of times as wide."""


def bands(
    labels: Sequence[str],
    drawn: Sequence[Band],
    *,
    width: int,
    height: int = 180,
    form: str | None = None,
    limit: float | None = None,
) -> Markup:
    """Bands over places named by `labels`, beside 0; what the axis does not reach lies on its end.

    limit: a value to be marked by a line. Gaps stay gaps.
    """
    sheet = Sheet()
    x = _places(labels, width - LEFT - RIGHT)
    low, high = _reach(drawn, limit)
    y = alt.Y(
        "v:Q",
        title=None,
        axis=values_axis(form, 5),
        scale=alt.Scale(domain=[short(low), short(high)], nice=False),
    )
    level = sheet.chart([{"v": 0.0}]).mark_rule(color=INK, strokeWidth=1).encode(y=y)
    layers: list[Any] = [level]
    if limit is not None:
        line = sheet.chart([{"v": limit}]).mark_rule(color=QUIET, strokeDash=[2, 3])
        layers.append(line.encode(y=y))
    for band in drawn:
        kept = [[_held(v, low, high) for v in side] for side in (band.low, band.values, band.high)]
        layers += _layers(sheet, band, kept, x, y)
    return draw(sheet, alt.layer(*layers), width, height)


def _layers(
    sheet: Sheet, band: Band, kept: Sequence[Sequence[float | None]], x: alt.X, y: alt.Y
) -> list[Any]:
    low, values, high = kept
    found: list[Any] = []
    if band.filled:
        rows = [{"i": i, "v": a, "w": b} for i, (a, b) in enumerate(zip(low, high, strict=True))]
        area = sheet.chart(rows).mark_area(color=band.tone, opacity=0.22)
        found.append(area.encode(x=x, y=y, y2="w:Q"))
        alone = [row for i, row in enumerate(rows) if lonely(low, i)]
        if alone:
            rule = sheet.chart(alone).mark_rule(color=band.tone, opacity=0.5, strokeWidth=3)
            found.append(rule.encode(x=x, y=y, y2="w:Q"))
        points = [{"i": i, "v": value} for i, value in enumerate(values)]
        dots = alt.OverlayMarkDef(color=band.tone, size=24)
        line = sheet.chart(points).mark_line(color=band.tone, strokeWidth=1.8, point=dots)
        found.append(line.encode(x=x, y=y))
        return found
    for side in (low, high):
        ends = [{"i": i, "v": value} for i, value in enumerate(side)]
        dash = sheet.chart(ends).mark_line(color=band.tone, strokeWidth=1.3, strokeDash=[4, 3])
        found.append(dash.encode(x=x, y=y))
    return found


def _places(labels: Sequence[str], plot: int) -> alt.X:
    """An axis of places 0, 1, ..; as many of them named as there is room for."""
    last = max(len(labels) - 1, 1)
    room = max(map(len, labels), default=1) * LETTER + 14
    every = max(1, -(-len(labels) * room // plot))
    ticks = [i for i in range(len(labels)) if i % every == 0]
    scale = alt.Scale(domain=[-0.3, last + 0.3], nice=False)
    return alt.X("i:Q", title=None, scale=scale, axis=below(None, values=ticks, labels=labels))


def _reach(drawn: Sequence[Band], limit: float | None) -> tuple[float, float]:
    """From where to where the axis goes: all values, and intervals up to `WIDEST`."""
    values = [v for band in drawn for v in band.values if v is not None]
    lasts = [
        abs(side[-1])
        for band in drawn
        for side in ([x for x in ends if x is not None] for ends in (band.low, band.high))
        if side
    ]
    far = WIDEST * max(lasts, default=0.0)
    ends = [v for band in drawn for side in (band.low, band.high) for v in side if v is not None]
    kept = [min(max(v, -far), far) for v in ends]
    all_of_them = [*values, *kept, 0.0, *([limit] if limit is not None else [])]
    low, high = min(all_of_them), max(all_of_them)
    pad = (high - low) * 0.05 or 0.01
    return low - pad, high + pad


def _held(value: float | None, low: float, high: float) -> float | None:
    """Six digits are more than a chart can show."""
    return None if value is None else short(min(max(value, low), high))
