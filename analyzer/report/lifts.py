"""Sections of the page about an experiment: lifts of all metrics, guard rails, segments."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from analyzer.experiment.analysis import Analysis
from analyzer.experiment.by_segment import Named
from analyzer.experiment.readings import Reading
from analyzer.report import charts
from analyzer.report.blocks import Block, Figure, Head, Lines, Section, Table, Text
from analyzer.report.marks import chip, swatch
from analyzer.report.plots import CHALLENGER, CHAMPION, NARROW, WIDE, Interval
from analyzer.report.words import count, name, number, percent, quiet, result, shown
from analyzer.stats.result import Estimate, Result

DRAWN = 20
"""Segments that are drawn; all stand in the table."""


def metrics_section(found: Analysis) -> Section:
    """Every metric as a lift, goals first, guard rails with their margins."""
    ranked = sorted(found.readings, key=lambda r: r.role != "primary")
    heads = [
        Head("Metric"),
        Head("Champion", "number"),
        Head("Challenger", "number"),
        Head("Lift, at any time", "number"),
        Head("Lift, at the planned end", "number"),
        Head("p, adjusted", "number"),
        Head("CUPED", "number"),
    ]
    rows = [_row(one, found.adjusted.get(one.metric)) for one in ranked]
    blocks: list[Block] = [
        *_forest(ranked),
        Table("All metrics", heads, rows),
    ]
    cut: list[list[Text]] = [
        [name(r.metric), result(r.lift, "share"), result(r.cut, "share")] for r in ranked if r.cut
    ]
    if cut:
        words = ("Metric", "All units", "Outliers cut")
        titles = [Head(w, "number" if i else "words") for i, w in enumerate(words)]
        blocks.append(Table("Do a few large units make the lift?", titles, cut))
    return Section(
        "metrics",
        "Metrics",
        "The lift is the challenger’s value over the champion’s, minus 1, over units. The interval "
        "to be read at any time is the wider one; that of the planned end is read once. p is the "
        "one to be read at any time, adjusted for all goals (Holm). CUPED is the share of the "
        "variance that what was known before took away.",
        blocks,
        how(found),
    )


def how(found: Analysis) -> list[str]:
    """The command that gives these numbers again."""
    return [f"analyzer experiment analyze --config rollout.toml --as-of {found.as_of}"]


def _row(one: Reading, adjusted: float | None) -> list[Text]:
    role = Markup("{}<small>{}; {}, {} is better</small>").format(
        name(one.metric), shown(one.what, 60), one.role, one.better
    )
    return [
        role,
        number(one.champion, 4),
        number(one.challenger, 4),
        result(one.lift, "share"),
        result(one.final, "share"),
        quiet("no goal") if adjusted is None else number(adjusted),
        percent(one.explained, 2) if one.explained > 0 else quiet("none"),
    ]


def _forest(ranked: Sequence[Reading]) -> list[Block]:
    rows = [
        Interval(
            one.metric,
            one.lift.value,
            one.lift.low,
            one.lift.high,
            CHAMPION if one.role == "guard rail" else CHALLENGER,
            None if one.margin is None else one.margin * (1 if one.better == "lower" else -1),
        )
        for one in ranked
        if isinstance(one.lift, Estimate)
    ]
    if not rows:
        return [Lines(["No metric can be compared yet."])]
    said = "; ".join(
        f"{shown(one.metric, 60)}: {percent(one.lift.value)}, {percent(one.lift.low)} to "
        f"{percent(one.lift.high)}"
        for one in ranked
        if isinstance(one.lift, Estimate)
    )
    return [
        Figure(
            "Lift of each metric",
            f"Lift of each metric with the interval that may be read at any time. {said}.",
            charts.intervals(rows, width=WIDE, form="+.1~%"),
            charts.intervals(rows, width=NARROW, form="+.1~%"),
            [
                swatch("line accent", "goals"),
                swatch("champion", "guard rails"),
                swatch("limit", "their margin"),
            ],
            "A goal is certain where its interval lies on one side of 0, a guard rail is kept "
            "where its interval does not reach its margin.",
        )
    ]


def guard_rails_section(found: Analysis) -> Section:
    """What must not get worse, by how much it may, and by how much it did."""
    heads = [
        Head("Outcome"),
        Head("Guard rail"),
        Head("Worse by", "number"),
        Head("May get worse by", "number"),
    ]
    rows: list[list[Text]] = [
        [
            chip(one.outcome),
            Markup("{}<small>{} is better</small>").format(name(one.metric), one.better),
            result(one.harm, "share"),
            percent(one.margin),
        ]
        for one in found.guard_rails
    ]
    table = Table("Guard rails", heads, rows)
    blocks: list[Block] = [table if rows else Lines(["No guard rail is declared."])]
    certain = [one for one in found.guard_rails if one.worse]
    if certain:
        told = [Markup("{} is certainly worse.").format(name(one.metric)) for one in certain]
        blocks.append(Lines(told))
    return Section(
        "guard-rails",
        "Guard rails",
        "Positive is worse, whichever way is better. Each end of the interval is one-sided: a "
        "guard rail passes when even its upper end keeps the margin, and fails when even its lower "
        "end does not.",
        blocks,
        how(found),
    )


def lift_segments_section(found: Analysis) -> Section:
    """The primary metric in every segment."""
    primary = shown(found.promised.primary)
    if not found.segments:
        return Section("lifts-by-segment", "Segments", "No segments are described.", [])
    heads = [
        Head("Segment"),
        Head("Units", "number"),
        Head("Lift", "number"),
        Head("p, adjusted", "number"),
        Head("p of the split", "number"),
    ]
    rows: list[list[Text]] = [
        [
            _segment(one),
            count(one.units),
            result(one.lift, "share"),
            number(one.p),
            _number(one.ratio),
        ]
        for one in found.segments
    ]
    drawn = [one for one in found.segments if isinstance(one.lift, Estimate)][:DRAWN]
    blocks: list[Block] = [_segments_drawn(drawn, primary)] if drawn else []
    blocks.append(Table("Segments, most certain first", heads, rows, first=DRAWN))
    sure = sum(one.differs for one in found.segments)
    return Section(
        "lifts-by-segment",
        "Segments",
        f"The lift of {primary} in each of {count(found.comparisons)} segments, each with an "
        "interval that may be read at any time. p is adjusted for all segments "
        f"(Benjamini–Yekutieli); {count(sure)} of them differ from 0 for certain. Segments are a "
        "question for the next experiment, not an answer of this one.",
        blocks,
        how(found),
    )


def _segments_drawn(drawn: Sequence[Named], primary: str) -> Figure:
    rows = [
        Interval(
            f"{one.column} = {'NULL' if one.value is None else one.value}",
            one.lift.value,
            one.lift.low,
            one.lift.high,
            CHALLENGER if one.differs else CHAMPION,
        )
        for one in drawn
        if isinstance(one.lift, Estimate)
    ]
    return Figure(
        Markup("Lift of {} by segment").format(primary),
        f"Lift by segment, {len(rows)} segments; the numbers stand in the table below.",
        charts.intervals(rows, width=WIDE, form="+.1~%"),
        charts.intervals(rows, width=NARROW, form="+.1~%"),
        [swatch("line accent", "certain"), swatch("champion", "not certain")],
    )


def _segment(one: Named) -> Markup:
    mark = Markup(" {}").format(chip("differs", "open")) if one.differs else ""
    return Markup("{} = {}{}").format(name(one.column), name(one.value), mark)


def _number(found: Result) -> Text:
    return number(found.value) if isinstance(found, Estimate) else quiet(shown(found.reason))
