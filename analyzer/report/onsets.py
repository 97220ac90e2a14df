"""When it began: every series that was searched, with the interval of its onset."""

from __future__ import annotations

from markupsafe import Markup

from analyzer.diagnose.diagnosis import Diagnosis
from analyzer.diagnose.findings import Series
from analyzer.onset.search import Onset
from analyzer.report.blocks import Block, Facts, Figure, Gallery, Head, Lines, Section, Table, Text
from analyzer.report.marks import swatch
from analyzer.report.plots import SMALL, Mark
from analyzer.report.timeline import course, diary_table, numbers
from analyzer.report.way import way_table
from analyzer.report.words import (
    DASH,
    minutes,
    moment,
    number,
    percent,
    prose,
    quiet,
    shown,
    span,
    when,
)

DRAWN_LARGE = 4


def onset_section(diagnosis: Diagnosis) -> Section:
    """The order of events, then each series with what was usual."""
    blocks: list[Block] = [_clock(diagnosis)]
    if diagnosis.incident.parts:
        blocks.append(way_table(diagnosis.incident.parts))
    onsets = diagnosis.onsets
    if onsets is not None:
        blocks.append(_table(diagnosis, onsets.series))
    else:
        blocks.append(Lines(["No series could be searched for an onset."]))
    if diagnosis.incident.diary:
        blocks.append(diary_table(diagnosis.incident.diary))
    large, small = _charts(diagnosis)
    blocks += large
    if small:
        blocks.append(Gallery(small, "Other series", _legend(band=False)))
    if diagnosis.series:
        blocks.append(_numbers(diagnosis.series))
    return Section(
        "timeline",
        "When it began",
        "Each series is compared with the same hour of the week in earlier clean weeks. An onset "
        "is given as the interval that the data allow, not as a point.",
        blocks,
    )


def marks_of(diagnosis: Diagnosis, onset: Onset | None = None) -> list[Mark]:
    """Trigger, rollback and the interval of an onset (by default the incident's)."""
    incident = diagnosis.incident
    interval = incident.onset_interval
    if onset is not None and onset.low and onset.high:
        interval = (onset.low, onset.high)
    marks = [Mark(interval[0], "onset", interval[1])] if interval else []
    for word, at in (("trigger", incident.trigger), ("rollback", incident.rollback)):
        if at is not None:
            marks.append(Mark(at, word, alarming=word == "trigger"))
    return marks


def _clock(diagnosis: Diagnosis) -> Facts:
    incident = diagnosis.incident
    interval = incident.onset_interval
    pairs: list[tuple[Text, Text]] = [
        ("Onset between", span(*interval) if interval else "not located"),
        ("Trigger", moment(incident.trigger) if incident.trigger else "not recorded"),
        ("Rollback", moment(incident.rollback) if incident.rollback else "not recorded"),
    ]
    objective = f"Trigger to rollback (objective {number(incident.objective_minutes)} min)"
    for words, took in (
        ("Onset to trigger", incident.minutes_onset_to_trigger),
        (objective, incident.minutes_trigger_to_rollback),
        ("Onset to rollback", incident.minutes_onset_to_rollback),
    ):
        if took is not None:
            pairs.append((words, minutes(took)))
    return Facts(pairs)


def _table(diagnosis: Diagnosis, onsets: list[Onset]) -> Table:
    titles = {s.name: s.title for s in diagnosis.series}
    order = diagnosis.onsets.order if diagnosis.onsets else []
    place = {series: i for i, series in enumerate(order)}
    ranked = sorted(onsets, key=lambda o: place.get(o.series, len(place)))
    heads = [
        Head("Series"),
        Head("Onset (UTC)"),
        Head("Between (UTC)"),
        Head("Moved by", "number"),
        Head("In its own SD", "number"),
        Head("Compared with"),
    ]
    caption = "Series in the order in which they moved"
    usual = {o.deseasoned for o in ranked}
    rows: list[list[Text]] = [
        [
            shown(titles.get(o.series, o.series)),
            when(o.at) if o.at else quiet(prose(o.refusal)),
            Markup("{}<br>to {}").format(when(o.low), when(o.high)) if o.low else DASH,
            _size(o.shift, o.unit),
            number(o.shift_sd),
            shown(o.deseasoned),
        ]
        for o in ranked
    ]
    if len(usual) == 1:
        caption += f"; each is compared with {shown(usual.pop())}"
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    return Table(caption, heads, rows)


def _size(value: float | None, unit: str) -> str:
    if value is None:
        return DASH
    sign = "+" if value > 0 else ""
    if unit == "share":
        return f"{sign}{number(value * 100)}\N{NO-BREAK SPACE}pp"
    return f"{sign}{number(value)}" + ("\N{NO-BREAK SPACE}ms" if unit == "ms" else "")


def _charts(diagnosis: Diagnosis) -> tuple[list[Figure], list[Figure]]:
    """Series that moved first are drawn large, the others small; none that is 0 throughout."""
    onsets = {o.series: o for o in diagnosis.onsets.series} if diagnosis.onsets else {}
    order = list(diagnosis.onsets.order) if diagnosis.onsets else []
    by_name = {s.name: s for s in diagnosis.series}
    first = [by_name[n] for n in order if n in by_name][:DRAWN_LARGE]
    first = first or diagnosis.series[:1]
    rest = [s for s in diagnosis.series if s not in first and any(s.hours.columns["value"])]
    return (
        [_chart(diagnosis, s, onsets.get(s.name)) for s in first],
        [_chart(diagnosis, s, onsets.get(s.name), small=True) for s in rest],
    )


def _numbers(series: list[Series]) -> Table:
    """One table for all charts: they share their hours."""
    columns = {}
    for one in series:
        share = one.unit == "share"
        columns[shown(one.title)] = (one.hours.columns["value"], share)
        columns[f"usual: {shown(one.title)}"] = (one.hours.columns["usual"], share)
    return numbers("All series", series[0].hours, columns)


def _legend(band: bool) -> list[Markup]:
    keys = [swatch("dashed", "usual at that hour"), swatch("line accent", "seen")]
    return [*keys, swatch("band", "onset")] if band else keys


def _chart(
    diagnosis: Diagnosis, series: Series, onset: Onset | None, small: bool = False
) -> Figure:
    columns = series.hours.columns
    marks = marks_of(diagnosis, onset if onset and onset.located else None)
    said = "Hour by hour"
    if onset and onset.located:
        said = prose(series.title + onset.sentence.removeprefix(series.name))
    return course(
        shown(series.title),
        series.hours,
        {"usual": columns["usual"], "seen": columns["value"]},
        marks if not small or (onset and onset.located) else [],
        what=said.rstrip("."),
        share=series.unit == "share",
        unit=series.unit if series.unit == "ms" else "",
        small=SMALL if small else None,
        level=4 if small else 3,
        legend=() if small else _legend(band=bool(marks)),
        table=False,
    )


def share_or_dash(share: float | None) -> str:
    """A share, or a dash where there was nothing to compare with."""
    return DASH if share is None else percent(share)
