"""Small pictures in running text and tables: sparklines, intervals against a limit, labels."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from analyzer.report.words import DASH, number, quiet
from analyzer.verdict import Check

SPARK_WIDTH, SPARK_HEIGHT = 120, 24
MOST_POINTS = 60
BULLET_WIDTH, BULLET_HEIGHT = 160, 24
GLYPHS = {
    "good": "M2.5 6.5 5 9 9.5 3.5",
    "bad": "M3 3l6 6M9 3l-6 6",
    "open": "M3.5 6h5",
    "void": "M6 2.5v4.2M6 9.2v.6",
}
"""A tick, a cross, a bar and an exclamation mark: told apart without colour."""

TONES = {
    "pass": "good",
    "promote": "good",
    "fail": "bad",
    "roll back": "bad",
    "hold": "bad",
    "undecided": "open",
    "invalid": "void",
}


def tone(word: str) -> str:
    """The tone in which an outcome is set."""
    return TONES.get(word, "plain")


def chip(word: str, tone_of: str | None = None) -> Markup:
    """An outcome as a word with a glyph; the colour only repeats what they say."""
    kind = tone_of or tone(word)
    return Markup('<span class="chip {}">{}{}</span>').format(kind, glyph(kind), word.capitalize())


def glyph(kind: str) -> Markup:
    """The glyph of a tone, hidden from screen readers: the word says it."""
    if kind not in GLYPHS:
        return Markup("")
    return Markup(
        '<svg class=glyph viewBox="0 0 12 12" aria-hidden="true"><path d="{}"/></svg>'
    ).format(GLYPHS[kind])


def sparkline(values: Sequence[float | None], what: str) -> Markup:
    """A course without axes, from 0 to its largest value; the last point is marked."""
    known = [v for v in values if v is not None]
    if not known:
        return quiet(DASH)
    points = _thinned(values)
    top = max([*known, 1e-12])
    across = (SPARK_WIDTH - 8) / max(len(points) - 1, 1)

    def place(i: int, value: float) -> str:
        y = SPARK_HEIGHT - 3 - max(value, 0) / top * (SPARK_HEIGHT - 7)
        return f"{4 + i * across:.0f} {y:.1f}"

    path = []
    for i, value in enumerate(points):
        if value is not None:
            path.append(f"{'M' if i == 0 or points[i - 1] is None else ' '}{place(i, value)}")
    last = max(i for i, value in enumerate(points) if value is not None)
    x, y = place(last, points[last] or 0.0).split()
    label = f"{what}: {number(min(known))} to {number(max(known))}, last {number(known[-1])}"
    return Markup(
        '<svg class=spark viewBox="0 0 {} {}" role=img aria-label="{}">'
        '<path d="{}"/><circle cx="{}" cy="{}" r="2.2"/></svg>'
    ).format(SPARK_WIDTH, SPARK_HEIGHT, label, "".join(path), x, y)


def _thinned(values: Sequence[float | None]) -> list[float | None]:
    """No more points than can be told apart, each the highest of its neighbours."""
    step = -(-len(values) // MOST_POINTS)
    groups = (values[i : i + step] for i in range(0, len(values), step))
    return [max((v for v in group if v is not None), default=None) for group in groups]


def bullet(check: Check) -> Markup:
    """A check's value and interval on a line with its limit: which side it lies on."""
    seen = check.observed
    if seen.value is None or check.limit is None or check.operator is None:
        return Markup("")
    low = seen.value if seen.low is None else seen.low
    high = seen.value if seen.high is None else seen.high
    left = min(0.0, low, check.limit)
    reach = max(high, check.limit) - left
    if reach <= 0:
        reach = 1.0

    def x(value: float) -> str:
        return f"{6 + (value - left) / (reach * 1.12) * (BULLET_WIDTH - 12):.4g}"

    upwards = check.operator in (">", ">=")
    end = f"{BULLET_WIDTH - 2}"
    bad = (f"{2}", x(check.limit)) if upwards else (x(check.limit), end)
    label = (
        f"{number(seen.value)}, interval {number(low)} to {number(high)}, "
        f"limit {check.operator} {number(check.limit)}"
    )
    return Markup(
        '<svg class="bullet {}" viewBox="0 0 {} {}" role=img aria-label="{}">'
        "<path class=zone d='M{} 12H{}'/><path class=limit d='M{} 4V20'/>"
        "<path class=interval d='M{} 12H{}'/><circle cx='{}' cy=12 r=4 /></svg>"
    ).format(
        tone(check.outcome),
        BULLET_WIDTH,
        BULLET_HEIGHT,
        label,
        *bad,
        x(check.limit),
        x(low),
        x(high),
        x(seen.value),
    )


def swatch(series: str, text: str) -> Markup:
    """One entry of a chart's legend."""
    return Markup('<span class="key {}"><i aria-hidden="true"></i>{}</span>').format(series, text)
