"""The timeline: traffic and divergence by the hour, with what the diary says happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from analyzer.diagnose.findings import Hours, Moment
from analyzer.overview import Overview
from analyzer.report import charts
from analyzer.report.again import how
from analyzer.report.blocks import Block, Figure, Head, Lines, Section, Table, Text
from analyzer.report.marks import swatch
from analyzer.report.plots import CHAMPION, NARROW, QUIET, WIDE, Line, Mark
from analyzer.report.words import name, number, percent, shown, when
from analyzer.window import parse, show

MINUTE = 60_000_000
KEYS = {"champion": "line", "usual": "dashed"}
ALARMING = {"trigger", "rollback", "incident"}


def timeline_section(found: Overview) -> Section:
    """What happened when."""
    blocks: list[Block] = []
    marks = marks_of(found.diary)
    if found.diary:
        blocks.append(diary_table(found.diary))
    else:
        blocks.append(Lines(["Nothing is recorded in the diary for this time."]))
    hours = found.traffic
    if hours is not None:
        columns = hours.columns
        blocks += [
            course(
                "Requests",
                hours,
                {"champion": columns["champion"], "challenger": columns["challenger"]},
                marks,
                what=f"Requests per {step_words(hours)}",
            )
        ]
        if any(value is not None for value in columns["mean_absolute"]):
            blocks.append(
                course(
                    "Mean absolute difference of scores",
                    hours,
                    {"pairs": columns["mean_absolute"]},
                    marks,
                    what=f"Pair by pair, per {step_words(hours)}",
                )
            )
        if any(columns["flips"]):
            blocks.append(
                course(
                    "Decisions that differ",
                    hours,
                    {"pairs": columns["flips"]},
                    marks,
                    share=True,
                    what=f"Share of pairs whose decisions differ, per {step_words(hours)}",
                )
            )
    return Section(
        "timeline",
        "Timeline",
        "",
        blocks,
        [
            f"analyzer event list {how(found.verdict, window=False)}",
            f"analyzer diff {how(found.verdict)}",
        ],
    )


def marks_of(diary: Sequence[Moment]) -> list[Mark]:
    """The diary on a time axis."""
    return [
        Mark(event.at, shown(event.kind, 24), event.end, event.kind in ALARMING) for event in diary
    ]


def diary_table(diary: Sequence[Moment]) -> Table:
    """The diary as it was kept."""
    words = ("When (UTC)", "What", "Note", "Challenger’s weight", "By")
    heads = [Head(word, "number" if "weight" in word else "words") for word in words]
    rows: list[list[Text]] = [
        [
            Markup("{} to {}").format(when(e.at), when(e.end)) if e.end else when(e.at),
            shown(e.kind),
            name(e.text) if e.text else "",
            percent(e.challenger_weight) if e.challenger_weight is not None else "",
            name(e.source) if e.source else "",
        ]
        for e in diary
    ]
    return Table("The rollout’s diary", heads, rows, stacked=True)


def step_words(hours: Hours) -> str:
    """The step of a series: hour, 6 hours, day."""
    step = hours.step_minutes
    if step == 60:
        return "hour"
    return "day" if step == 1440 else f"{step // 60} hours" if step % 60 == 0 else f"{step} minutes"


def course(
    title: str,
    hours: Hours,
    series: dict[str, list[float | None]],
    marks: Sequence[Mark] = (),
    *,
    what: str,
    share: bool = False,
    unit: str = "",
    small: int | None = None,
    level: int = 3,
    legend: Sequence[Markup] | None = None,
    table: bool = True,
) -> Figure:
    """Series over time, the champion grey and everything else in the accent colour.

    small: width of a chart that stands among others; else one for desks and one for phones.
    table: whether its numbers belong to it, or stand in a table of several charts.
    """
    lines = [_line(label, values) for label, values in series.items()]
    form = "~%" if share else "~s" if _large(series) else None
    drawn = [
        charts.over_time(
            hours, lines, width=width, height=96 if small else 130, form=form, marks=marks
        )
        for width in ((small,) if small else (WIDE, NARROW))
    ]
    if legend is None:
        keys = [swatch(KEYS.get(label, "line accent"), label) for label in series]
        legend = keys if len(series) > 1 else ()
    return Figure(
        Markup("{} <span class=quiet>{}</span>").format(title, f"({unit})" if unit else ""),
        f"{title}. {what}. " + _said(series, share, unit),
        drawn[0],
        None if small else drawn[1],
        legend,
        f"{what}. Times are UTC.",
        numbers(title, hours, {label: (v, share) for label, v in series.items()})
        if table
        else None,
        level,
    )


def _line(label: str, values: Sequence[float | None]) -> Line:
    if label == "usual":
        return Line(values, QUIET, dashed=True, thickness=1.2)
    if label == "champion":
        return Line(values, CHAMPION, thickness=3)
    return Line(values)


def _large(series: dict[str, list[float | None]]) -> bool:
    return any((v or 0) >= 10_000 for values in series.values() for v in values)


def _said(series: dict[str, list[float | None]], share: bool, unit: str) -> str:
    write = percent if share else number
    said = []
    for label, values in series.items():
        known = [v for v in values if v is not None]
        if known:
            said.append(f"{label}: {write(min(known))} to {write(max(known))} {unit}".strip())
    return "; ".join(said) or "No values"


def numbers(
    title: str, hours: Hours, columns: Mapping[str, tuple[Sequence[float | None], bool]]
) -> Table:
    """A folded table of series on one grid; each with whether it is a share."""
    start, step = parse(hours.start), hours.step_minutes * MINUTE
    count = max((len(values) for values, _ in columns.values()), default=0)
    written = [[percent(v) if s else number(v) for v in values] for values, s in columns.values()]
    rows: list[list[Text]] = [
        [show(start + i * step)[:16].replace("T", " "), *(column[i] for column in written)]
        for i in range(count)
        if any(values[i] is not None for values, _ in columns.values())
    ]
    heads = [Head("From (UTC)"), *(Head(label, "number") for label in columns)]
    return Table(title, heads, rows, folded=f"{title}: numbers ({len(rows)})", dense=True)
