"""The page about a plan: units and days per metric, and the smallest effect by day."""

from __future__ import annotations

import math
from collections.abc import Iterator

from markupsafe import Markup

from analyzer.experiment.plan import Need, Plan
from analyzer.report.bands import bands
from analyzer.report.blocks import Answer, Figure, Head, Lines, Page, Section, Table, Text
from analyzer.report.marks import swatch
from analyzer.report.page import render
from analyzer.report.plots import NARROW, WIDE, Band
from analyzer.report.words import count, name, number, percent, quiet, shown
from analyzer.stats.result import Estimate, Result


def report(found: Plan, rollout: str) -> bytes:
    """The page as one HTML file."""
    return render(page(found, rollout))


def page(found: Plan, rollout: str) -> Page:
    """What the page holds."""
    solved = isinstance(found.days, Estimate)
    headline = f"{_units(found.days)} days" if solved else "No solution"
    return Page(
        title=shown(f"{headline}: plan of {rollout}, A/B test"),
        eyebrow=Markup("{} · plan of an A/B test").format(name(rollout)),
        headline=headline,
        tone="plain" if solved else "bad",
        lead=_lead(found),
        answers=list(_answers(found)),
        sections=[_detectable_section(found), _needs_section(found)],
        footer=["This file holds everything it shows. It loads nothing and sends nothing."],
    )


def _main(found: Plan) -> Need:
    return next(need for need in found.needs if need.metric == found.primary)


def _how(found: Plan) -> list[str]:
    return [f"analyzer experiment plan --config rollout.toml --min-effect {_main(found).effect:g}"]


def _lead(found: Plan) -> str:
    if not isinstance(found.days, Estimate):
        return f"{shown(found.primary)} cannot be planned: {shown(found.days.reason, 300)}."
    need = _main(found)
    return (
        f"{_units(found.n_star)} units in {count(found.days.value)} days find a lift of "
        f"{percent(need.effect)} of {shown(found.primary)}, read at any time."
    )


def _answers(found: Plan) -> Iterator[Answer]:
    need = _main(found)
    yield Answer("Units first seen a day", [_units(found.per_day)])
    yield Answer("Challenger’s share", [percent(found.weight)])
    yield Answer(
        "Units needed", [f"{_units(need.sequence)} at any time", f"{_units(need.units)} at the end"]
    )


def _detectable_section(found: Plan) -> Section:
    lead = (
        f"The smallest lift of {shown(found.primary)} that the planned power would find, if the "
        "experiment were planned to be read on that day. Units come as fast as on the average "
        "day so far."
    )
    if not found.detectable:
        return Section("detectable", "Smallest lift by day", lead, [Lines(["It cannot be said."])])
    need, days = _main(found), [day for day, _ in found.detectable]
    values = [lift for _, lift in found.detectable]
    labels = [str(day) for day in days]
    band = Band(values, values, values)
    reached = next((day for day, lift in found.detectable if lift <= need.effect), math.inf)
    rows: list[list[Text]] = [[str(day), percent(lift)] for day, lift in found.detectable]
    heads = [Head("Day", "number"), Head("Smallest lift", "number")]
    says = f"Smallest lift by day: {percent(values[0])} on day {days[0]}, {percent(values[-1])} on "
    figure = Figure(
        "Smallest lift by day",
        f"{says}day {days[-1]}; {percent(need.effect)} is worth finding.",
        bands(labels, [band], width=WIDE, form=".1~%", limit=need.effect),
        bands(labels, [band], width=NARROW, form=".1~%", limit=need.effect),
        [swatch("line accent", "smallest lift"), swatch("dashed", "lift worth finding")],
        f"The lift worth finding is reached on day {reached:g}."
        if math.isfinite(reached)
        else f"The lift worth finding is not reached within {days[-1]} days.",
        Table("Smallest lift by day", heads, rows, folded=f"Numbers ({len(rows)})", dense=True),
    )
    return Section("detectable", "Smallest lift by day", lead, [figure], _how(found))


def _needs_section(found: Plan) -> Section:
    heads = [
        Head("Metric"),
        Head("SD over value", "number"),
        Head("CUPED", "number"),
        Head("Lift or margin", "number"),
        Head("Units, at the end", "number"),
        Head("Units, at any time", "number"),
        Head("Days", "number"),
    ]
    rows: list[list[Text]] = [
        [
            Markup("{}<small>{}</small>").format(name(need.metric), need.role),
            _number(need.deviation),
            percent(need.explained, 2) if need.explained > 0 else quiet("none"),
            percent(need.effect),
            _number(need.units),
            _number(need.sequence),
            _number(need.days),
        ]
        for need in found.needs
    ]
    return Section(
        "needs",
        "What each metric needs",
        "A guard rail needs units to be shown harmless within its margin, where nothing is true; "
        "a goal to find the lift. The primary metric sets the length.",
        [Table("Units and days per metric", heads, rows)],
        _how(found),
    )


def _units(result: Result) -> str:
    return count(result.value) if isinstance(result, Estimate) else shown(result.reason, 200)


def _number(result: Result) -> Text:
    return number(result.value) if isinstance(result, Estimate) else quiet(shown(result.reason))
