"""What moved before it: features right before the onset, ranked, and what their cells hide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from analyzer.diagnose.diagnosis import Diagnosis
from analyzer.diagnose.findings import Feature
from analyzer.onset.precursors import Finding, Precursor
from analyzer.report.blocks import Block, Figure, Gallery, Head, Lines, Section, Table, Text
from analyzer.report.columns import cells_figure
from analyzer.report.marks import chip, sparkline, swatch
from analyzer.report.words import below, count, name, number, percent, prose, shown, span, when

OPEN = 20
P_COLUMN, FIRST_COLUMN = 4, 6
"""Columns of the ranking that are left out where no feature has such a value."""

TONES = {"leads": "lead", "coincides": "plain", "follows": "plain", "undecided": "open"}


def features_section(diagnosis: Diagnosis) -> Section:
    """The ranking, the findings of their own, and the distributions before and after."""
    found = diagnosis.precursors
    if found is None:
        return Section("features", "What moved first", "", [Lines(["No features are logged."])])
    drawn = {f.feature: f for f in diagnosis.features}
    blocks: list[Block] = []
    if found.sentences:
        blocks.append(Lines([prose(f"{s[:1].upper()}{s[1:]}.") for s in found.sentences]))
    if found.refusal:
        blocks.append(Lines([prose(found.refusal)]))
    if found.findings:
        blocks.append(_findings(found.findings))
    if found.features:
        blocks.append(_ranking(found.features, drawn))
    inside: list[Text] = [
        Markup("{}: {}").format(name(f.feature), prose(line))
        for f in diagnosis.features
        for line in f.inside
    ]
    if inside:
        blocks.append(Lines(inside, "Inside the segments found", listed=True))
    figures = [_figure(f, found.features) for f in diagnosis.features if f.distribution]
    if figures:
        one = next(f for f in diagnosis.features if f.distribution)
        legend = [
            swatch("wide", f"baseline, {span(*one.before)}"),
            swatch("thin", f"incident, {span(*one.after)}"),
        ]
        title = f"Distributions of the first {len(figures)} features"
        blocks.append(Gallery(figures, title, legend))
    return Section(
        "features",
        "What moved first",
        f"Every feature from {span(*found.before)}, right before the onset, against the same "
        f"hours of {found.weeks or 'no'} earlier clean weeks; p ranks it among "
        f"{count(found.null_windows)} clean windows of the past. Moved before is not caused.",
        blocks,
    )


def _findings(findings: Sequence[Finding]) -> Table:
    heads = [
        Head("Feature"),
        Head("What"),
        Head("When"),
        Head("First hour (UTC)"),
        *(Head(x, "number") for x in ("Rows", "Share", "Usual share", "q")),
    ]
    rows: list[list[Text]] = [
        [
            name(f.feature),
            prose(f.sentence) or shown(f.what),
            chip(f.when, TONES.get(f.when, "plain")),
            when(f.first),
            f"{count(f.rows)} of {count(f.of)}",
            percent(f.share),
            percent(f.share_reference),
            number(f.q),
        ]
        for f in findings
    ]
    return Table("NULLs, unseen, stale and out-of-range values", heads, rows, first=OPEN)


def _ranking(features: Sequence[Precursor], drawn: Mapping[str, Feature]) -> Table:
    heads = [
        Head("Feature"),
        Head("When"),
        Head("PSI over time", "picture"),
        *(Head(x, "number") for x in ("PSI before", "p", "PSI after")),
        Head("First hour (UTC)"),
        *(Head(x, "number") for x in ("Score shift carried", "Rows")),
    ]
    rows: list[list[Text]] = [
        [
            name(f.feature),
            chip(f.label, TONES.get(f.label, "plain")),
            _spark(f, drawn.get(f.feature)),
            below(number(f.psi), _small(f.debiased, "{} debiased")),
            below(number(f.p), _small(f.q, "q = {}")),
            number(f.psi_after),
            when(f.first),
            percent(f.carried),
            count(f.rows),
        ]
        for f in features
    ]
    blank = {P_COLUMN: all(f.p is None for f in features)}
    blank[FIRST_COLUMN] = all(f.first is None for f in features)
    kept = [i for i in range(len(heads)) if not blank.get(i)]
    heads, rows = [heads[i] for i in kept], [[row[i] for i in kept] for row in rows]
    return Table("Features, those that moved first at the top", heads, rows, first=OPEN)


def _small(value: float | None, words: str) -> str:
    return "" if value is None else words.format(number(value))


def _spark(found: Precursor, drawn: Feature | None) -> Markup:
    values = drawn.spark.columns.get("psi", []) if drawn else found.sparkline
    return sparkline(values, "PSI over time")


def _figure(feature: Feature, ranked: Sequence[Precursor]) -> Figure:
    found = next((f for f in ranked if f.feature == feature.feature), None)
    label = found.label if found else ""
    return cells_figure(
        Markup("{} <span class=quiet>{}</span>").format(name(feature.feature), label),
        shown(feature.feature),
        feature.distribution,
        ("baseline", "incident"),
        f"as the {feature.model} logged it",
    )
