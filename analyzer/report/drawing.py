"""What every chart is drawn with: a sheet of numbers, axes, and Altair's way to SVG.

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

from analyzer.report.plots import GRID, INK, QUIET, lookup
from analyzer.report.svg import clean

LEFT, RIGHT, ABOVE, BELOW = 44, 14, 8, 24
"""Room around the plot. It is fixed, never measured: fonts differ from machine to machine, and
time axes below each other must line up."""

LETTER = 7
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


def time_axis(start: int, end: int, width: int) -> alt.X:
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


def below(
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


def values_axis(form: str | None, ticks: int = 4) -> alt.Axis:
    options: dict[str, Any] = {"format": form} if form else {}
    return alt.Axis(
        tickCount=ticks,
        domain=False,
        ticks=False,
        grid=True,
        labelPadding=6,
        **options,
    )


def beside(labels: Sequence[str]) -> alt.Axis:
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


def short(value: float | None) -> float | None:
    """Six digits are more than a chart can show, and keep it small."""
    return None if value is None else float(f"{value:.6g}")


class Sheet:
    """The numbers of one chart, kept by name: Altair copies and checks whatever it is handed."""

    def __init__(self) -> None:
        self.datasets: dict[str, Sequence[Mapping[str, Any]]] = {}

    def chart(self, rows: Sequence[Mapping[str, Any]]) -> alt.Chart:
        """A chart of these rows."""
        name = f"rows{len(self.datasets)}"
        self.datasets[name] = rows
        return alt.Chart(alt.NamedData(name=name))


def draw(
    sheet: Sheet, chart: Any, width: int, height: int, *, left: int = LEFT, above: int = ABOVE
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
