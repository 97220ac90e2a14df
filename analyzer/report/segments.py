"""Segments one by one: where the two models differ more than elsewhere."""

from __future__ import annotations

from markupsafe import Markup

from analyzer.divergence import SegmentDivergence
from analyzer.overview import Overview
from analyzer.report import charts
from analyzer.report.again import how
from analyzer.report.blocks import Block, Figure, Head, Lines, Section, Table, Text
from analyzer.report.plots import NARROW, WIDE, Interval
from analyzer.report.words import count, name, number, percent, result, shown
from analyzer.segments.finding import BOUND
from analyzer.stats.result import Estimate

DRAWN = 15
OPEN = 12
UNDESCRIBED = "No segment columns are configured."
UNPAIRED = (
    "No request was answered by both models, so nothing diverges pair by pair. What the "
    "challenger does in a segment against the champion stands among the checks."
)


def segments_section(found: Overview) -> Section:
    """A chart of the segments with the largest part of the divergence, and all of them."""
    apart = found.answers.divergence
    segments = apart.segments if apart and apart.pairs else []
    drawn = [s for s in segments if isinstance(s.effect, Estimate)][:DRAWN]
    blocks: list[Block] = []
    if drawn:
        blocks.append(_figure(drawn))
    if segments:
        blocks.append(_table(segments))
    return Section(
        "segments",
        "Who diverges most",
        "Each value by itself, those with the largest part of all divergence first. The intervals "
        "are not corrected for the number of values: look for large effects, not for single ones.",
        blocks or [Lines([UNPAIRED if apart and not apart.pairs else UNDESCRIBED])],
        [f"analyzer diff {how(found.verdict)}"],
    )


def _equals(value: str | None) -> str:
    return "" if value is not None and BOUND.match(value) else "= "


def label(column: str, value: str | None) -> str:
    """`column = value` as plain text, for charts."""
    return f"{shown(column, 40)} {_equals(value)}{'NULL' if value is None else shown(value, 60)}"


def pair(column: str, value: str | None) -> Markup:
    """`column = value` for tables."""
    return Markup("{} {}{}").format(name(column), _equals(value), name(value))


def _figure(drawn: list[SegmentDivergence]) -> Figure:
    rows = [
        Interval(
            label(s.segment, s.value),
            s.effect.value,
            _finite(s.effect.low),
            _finite(s.effect.high),
        )
        for s in drawn
        if isinstance(s.effect, Estimate)
    ]
    wide, narrow = (charts.intervals(rows, width=width) for width in (WIDE, NARROW))
    first = rows[0]
    return Figure(
        "Mean difference against all other requests",
        f"{len(rows)} segments; first {first.label}: {number(first.value)}.",
        wide,
        narrow,
        (),
        "Mean of challenger minus champion in the segment, less the same outside of it, with its "
        "95 % interval. The numbers are in the table below.",
    )


def _finite(x: float) -> float | None:
    return x if abs(x) != float("inf") else None


def _table(segments: list[SegmentDivergence]) -> Table:
    heads = [
        Head("Segment"),
        Head("Pairs", "number"),
        Head("Part of divergence", "number"),
        Head("Mean difference", "number"),
        Head("Against the rest", "number"),
        Head("Decisions that differ", "number"),
        Head("Risk ratio", "number"),
        Head("Without a pair", "number"),
    ]
    rows: list[list[Text]] = [
        [
            pair(s.segment, s.value),
            count(s.n),
            percent(s.share),
            result(s.mean),
            result(s.effect),
            count(s.flips),
            result(s.flip_risk_ratio),
            count(s.unmatched),
        ]
        for s in segments
    ]
    return Table("Segments by their part of all divergence", heads, rows, first=OPEN)
