"""Section of the page about a verdict: what late labels say of both models so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from analyzer.labels.answer import Labels, Maturity
from analyzer.labels.quality import Quality
from analyzer.overview import Late, Overview
from analyzer.report import charts
from analyzer.report.blocks import Block, Facts, Figure, Gallery, Head, Lines, Section, Table, Text
from analyzer.report.marks import chip, swatch
from analyzer.report.plots import CHALLENGER, CHAMPION, HALF, NARROW
from analyzer.report.words import count, name, number, percent, prose, result, shown
from analyzer.stats.result import Estimate
from analyzer.window import date

SHARES = ("accuracy", "precision", "recall")
"""Metrics written in per cent."""

TITLE = "Calibration and accuracy"


def truth_section(found: Overview) -> Section:
    """Quality by labels, calibration, how labels arrive, which model is better."""
    if not found.labels:
        said = (
            "No labels are configured, so nothing here says which model is right: only how they "
            "differ, and whether each is stable."
        )
        return Section("truth", TITLE, said, [])
    late = found.late
    if late.labels is None:
        missing = late.missing or "no labels were joined yet"
        return Section("truth", TITLE, shown(f"Labels say nothing here: {missing}", 400), [])
    told = late.labels
    lead = (
        f"Labels known by {told.as_of} 00:00 UTC, of predictions from {told.first} to {told.last}. "
        "Labels that are still on their way are allowed for."
    )
    how = [
        f"analyzer labels --as-of {told.as_of}",
        f"analyzer labels --as-of {told.as_of} --history",
    ]
    return Section("truth", TITLE, lead, list(_blocks(late, told)), how)


def _blocks(late: Late, told: Labels) -> Iterator[Block]:
    yield Facts(list(_facts(told)))
    alarms = (*told.comparison.alarms, *(m.alarm for m in told.maturity if m.alarm))
    if alarms:
        yield Lines([prose(alarm) for alarm in dict.fromkeys(alarms)], "Alarms", listed=True)
    notes = list(dict.fromkeys(m.note for m in told.maturity if m.note))
    if notes:
        yield Lines([prose(note) for note in notes], "What else changed in the labels", listed=True)
    both = [q for q in told.quality if q.by == "all"]
    if both:
        yield _metrics(both)
    figures = [*_calibration(both), *_arrival(told.maturity)]
    if figures:
        yield Gallery(figures, wide=True)
    if told.comparison.metrics:
        yield _comparison(told)
    if late.checks:
        rows: list[list[Text]] = [[chip(c.outcome), prose(c.sentence)] for c in late.checks]
        warn = all(c.severity == "warn" for c in late.checks)
        title = "Business checks" + (" (they warn, a human decides)" if warn else "")
        yield Table(title, [Head("Outcome"), Head("Why")], rows)


def _facts(told: Labels) -> Iterator[tuple[Text, Text]]:
    compared = told.comparison
    if compared.refused is not None:
        yield "Which model is better", shown(f"Cannot be said yet: {compared.refused.reason}", 300)
    else:
        first = compared.metrics[0]
        yield "Better by " + first.metric, first.better
        yield "Pairs compared", f"{count(compared.rows)}, {count(compared.labels)} with a label"
    for m in told.maturity:
        age = m.ready_age
        ready = f"after {number(age.value)} days" if isinstance(age, Estimate) else "unknown"
        which = Markup("Labels {}").format(name(m.label)) if m.label else "Labels"
        yield which + ": 0.9 here", ready
    ready_on = compared.waited.ready
    yield "Every day matured on", "unknown" if ready_on is None else date(ready_on)
    for reason, n in told.faults.items():
        yield "Labels left out", f"{count(n)}: {shown(reason)}"


def _metrics(both: Sequence[Quality]) -> Table:
    heads = [Head("Metric"), *(Head(q.model.capitalize(), "number") for q in both)]
    rows: list[list[Text]] = [
        ["Labelled", *(f"{count(q.n)} of {count(q.predicted)}" for q in both)],
        ["Label coverage", *(percent(q.coverage) for q in both)],
    ]
    for metric in dict.fromkeys(metric for q in both for metric in q.metrics):
        unit = "share" if metric in SHARES else "number"
        rows.append([name(metric), *(result(q.metrics.get(metric), unit) for q in both)])
    return Table("Quality by labels so far", heads, rows, stacked=True)


def _calibration(both: Sequence[Quality]) -> Iterator[Figure]:
    drawn = [q for q in both if q.curve]
    if not drawn:
        return
    tones = {"champion": CHAMPION, "challenger": CHALLENGER}
    lines = [
        (
            tones[q.model],
            [(p.score, p.rate.value) for p in q.curve if isinstance(p.rate, Estimate)],
        )
        for q in drawn
    ]
    wide, narrow = (charts.curves(lines, width=width, diagonal=True) for width in (HALF, NARROW))
    heads = [Head("Model"), Head("Mean score", "number"), Head("Share of positives", "number")]
    rows: list[list[Text]] = [
        [q.model, number(p.score), result(p.rate, "share")] for q in drawn for p in q.curve
    ]
    yield Figure(
        "Calibration",
        "Share of positives by mean score, in groups of equal size: "
        + ", ".join(q.model for q in drawn)
        + ".",
        wide,
        narrow,
        [swatch("champion" if q.model == "champion" else "line accent", q.model) for q in drawn],
        "On the dotted line a score of 30 % comes true in 30 % of cases.",
        Table("Calibration", heads, rows, folded=f"Numbers ({len(rows)} groups)", dense=True),
    )


def _arrival(maturity: Sequence[Maturity]) -> Iterator[Figure]:
    for m in maturity:
        points = [
            (float(a.age), a.complete.value) for a in m.curve if isinstance(a.complete, Estimate)
        ]
        if not points:
            continue
        lines = [(CHALLENGER, points)]
        wide, narrow = (
            charts.curves(lines, width=width, diagonal=False) for width in (HALF, NARROW)
        )
        title = f"Labels here by age in days: {shown(m.label)}" if m.label else "Labels here by age"
        rows: list[list[Text]] = [[str(a.age), result(a.complete, "share")] for a in m.curve]
        yield Figure(
            title,
            f"Share of the labels that have come, by days since the prediction; "
            f"{percent(points[0][1])} at {points[0][0]:.0f}, {percent(points[-1][1])} at "
            f"{points[-1][0]:.0f}.",
            wide,
            narrow,
            (),
            f"n = {count(m.labels)} labels of {m.days} days. Labels that never come are no part "
            "of this: see the coverage.",
            Table(
                title,
                [Head("Days", "number"), Head("Here", "number")],
                rows,
                folded=f"Numbers ({len(rows)} ages)",
            ),
        )


def _comparison(told: Labels) -> Table:
    rows: list[list[Text]] = [
        [name(m.metric), result(m.champion), result(m.challenger), result(m.difference), m.better]
        for m in told.comparison.metrics
    ]
    heads = [
        Head("Metric"),
        *(Head(x, "number") for x in ("Champion", "Challenger", "Difference")),
        Head("Better"),
    ]
    return Table("Both models on the same pairs", heads, rows, stacked=True)
