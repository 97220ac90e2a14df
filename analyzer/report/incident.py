"""The page about an incident: what happened, since when, who was hit, what moved first."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from analyzer.diagnose.diagnosis import Diagnosis, digest
from analyzer.diagnose.findings import Density, Incident, Latency
from analyzer.report.blocks import Answer, Block, Facts, Gallery, Head, Lines, Page, Section, Table
from analyzer.report.blocks import Text as Words
from analyzer.report.coverage import coverage_section
from analyzer.report.features import features_section
from analyzer.report.marks import chip
from analyzer.report.matured import matured_section
from analyzer.report.mix import mix_section
from analyzer.report.onsets import marks_of, onset_section
from analyzer.report.page import render
from analyzer.report.parts import density_figure
from analyzer.report.predicates import segments_section
from analyzer.report.timeline import course
from analyzer.report.words import code, count, moment, name, prose, shown, span

QUESTIONS = {
    "when": "Since when",
    "who": "Who was hit",
    "first": "What moved first",
    "labels": "What labels say",
    "sure": "How sure this is",
    "done": "What was done",
    "time": "How long it took",
}
TITLES = {
    "scores": "Scores in the incident",
    "challenger": "The challenger’s scores, before and in the incident",
    "difference": "Difference of scores, before and in the incident",
}


def report(diagnosis: Diagnosis) -> bytes:
    """The page as one HTML file."""
    return render(page(diagnosis))


def page(diagnosis: Diagnosis) -> Page:
    """What the page holds."""
    incident = diagnosis.incident
    found = incident.onset is not None
    headline = _since(incident) if incident.onset else "Onset not located"
    return Page(
        title=shown(f"Incident: {diagnosis.rollout}, {headline}"),
        eyebrow=Markup("{} · incident · {}").format(
            name(diagnosis.rollout), span(*incident.window)
        ),
        headline=headline,
        tone="bad" if found else "open",
        lead=_said(diagnosis, "what"),
        talkative=True,
        answers=list(_answers(diagnosis)),
        sections=[
            onset_section(diagnosis),
            coverage_section(diagnosis),
            segments_section(diagnosis),
            features_section(diagnosis),
            mix_section(diagnosis),
            _scores_section(diagnosis),
            _latency_section(diagnosis),
            matured_section(diagnosis),
            _doubts_section(diagnosis),
            _source_section(diagnosis),
        ],
        footer=[
            Markup("Diagnosis {} by {}, policy {}.").format(
                code(digest(diagnosis)), name(diagnosis.tool), code(diagnosis.provenance.policy)
            ),
            "This file holds everything it shows. It loads nothing and sends nothing.",
        ],
    )


def _since(incident: Incident) -> str:
    """The onset as precisely as it is known: an hour, or a day where it may be another one."""
    at, (low, high) = incident.onset or "", incident.onset_interval or ("", "")
    return f"Since {moment(at)}" if low[:10] == high[:10] else f"Since about {at[:10]}"


def _said(diagnosis: Diagnosis, topic: str) -> str:
    return " ".join(prose(s.text) for s in diagnosis.summary if s.topic == topic)


def _answers(diagnosis: Diagnosis) -> Iterator[Answer]:
    for topic, question in QUESTIONS.items():
        said: list[Words] = [prose(s.text) for s in diagnosis.summary if s.topic == topic]
        if said:
            yield Answer(question, said)
    models: list[Words] = [
        Markup("{}: {}").format(side.capitalize(), name(diagnosis.models.get(side, side)))
        for side in ("champion", "challenger")
    ]
    yield Answer("Models", models)
    baseline = diagnosis.incident.baseline
    compared: list[Words] = [span(*baseline)] if baseline else ["No clean time to compare with"]
    yield Answer("Compared with", [*compared, prose(diagnosis.incident.baseline_rule)])


def _scores_section(diagnosis: Diagnosis) -> Section:
    shapes = {shape.name: shape for shape in diagnosis.densities}
    drawn = []
    for source, title, series in (
        ("scores", "scores", ("champion", "challenger")),
        ("scores", "challenger", ("challenger before", "challenger")),
        ("difference", "difference", ("pairs before", "pairs")),
    ):
        shape = _part(shapes.get(source), title, series)
        if shape is not None:
            drawn.append(density_figure(shape, TITLES))
    return Section(
        "scores",
        "Scores, champion against challenger",
        "A difference is challenger minus champion, request by request.",
        [Gallery(drawn, wide=True)] if drawn else [Lines(["No scores were logged."])],
    )


def _part(shape: Density | None, title: str, series: tuple[str, ...]) -> Density | None:
    """Some series of a shape under another name; None where it holds none of them."""
    if shape is None or not any(s in shape.shares for s in series):
        return None
    kept = [s for s in series if s in shape.shares]
    return Density(
        name=title,
        edges=shape.edges,
        shares={s: shape.shares[s] for s in kept},
        n={s: shape.n[s] for s in kept},
    )


def _latency_section(diagnosis: Diagnosis) -> Section:
    parts: list[Latency] = diagnosis.latency
    marks = marks_of(diagnosis)
    blocks: list[Block] = [
        course(
            title,
            parts[0].hours,
            {part.model: part.hours.columns[column] for part in parts},
            marks,
            what=what,
            unit="ms",
        )
        for column, title, what in (
            ("p50", "Median latency", "Half of the requests took longer"),
            ("p99", "99th percentile of latency", "Where at least 380 requests allow an interval"),
        )
        if parts and any(x is not None for p in parts for x in p.hours.columns[column])
    ]
    return Section("latency", "Latency", "", blocks or [Lines(["No latency was logged."])])


def _doubts_section(diagnosis: Diagnosis) -> Section:
    blocks: list[Block] = []
    null = diagnosis.null_run
    lines: list[Words] = [prose(null.words)] if null.words else []
    if null.refusal:
        lines.append(prose(null.refusal))
    blocks.append(Lines(lines, "The same analysis where nothing had happened"))
    if null.window:
        seen: list[tuple[Words, Words]] = [
            ("Clean window", span(*null.window)),
            ("Compared with", span(*null.baseline) if null.baseline else "nothing"),
            ("Tested", count(null.tested)),
        ]
        for term, found in (
            ("Series that moved", null.series),
            ("Segments named", null.segments),
            ("Features named", null.features),
        ):
            seen.append((term, Markup(", ").join(name(f) for f in found) or "none"))
        blocks.append(Facts(seen))
    if diagnosis.refusals:
        rows: list[list[Words]] = [[shown(r.part), prose(r.reason)] for r in diagnosis.refusals]
        heads = [Head("Question"), Head("Why there is no answer")]
        blocks.append(Table("What could not be answered", heads, rows, stacked=True))
    return Section(
        "doubts",
        "How far this can be trusted",
        "Everything here is what the logs show together: over-represented, moved before. None of "
        "it says that one thing caused another.",
        blocks,
    )


def _source_section(diagnosis: Diagnosis) -> Section:
    source, drill = diagnosis.provenance, diagnosis.drilldown
    blocks: list[Block] = []
    if drill is not None:
        facts: list[tuple[Words, Words]] = [
            ("Windows read again", Markup("<br>").join(span(*w) for w in drill.windows)),
            ("Pairs", count(drill.pairs)),
            ("Pairs searched for segments", count(drill.searched)),
            ("Dimensions", Markup(", ").join(name(d) for d in drill.dimensions) or "none"),
            ("Left out", Markup(", ").join(name(d) for d in drill.left_out) or "nothing"),
            ("Unit", name(drill.unit) if drill.unit else chip("rows as if independent", "open")),
            ("Digest", code(drill.digest)),
        ]
        blocks.append(Facts(facts, "Drill-down into the raw logs"))
        if drill.lines:
            blocks.append(Lines([prose(line) for line in drill.lines], listed=True))
    facts = [("Configuration", code(source.config)), ("Frozen columns", code(source.frozen))]
    blocks.append(Facts(facts, "What everything else was made from"))
    if source.queries:
        queries: list[Words] = [code(f"analyzer sql {query}") for query in source.queries]
        blocks.append(Lines(queries, "The SQL that read the raw logs", listed=True))
    slots: list[list[Words]] = [[slot, code(d)] for slot, d in sorted(source.profiles.items())]
    blocks.append(
        Table(
            "Profiles",
            [Head("Slot"), Head("Digest")],
            slots,
            folded=f"{len(slots)} profiles and their digests",
        )
    )
    return Section("source", "How to make these numbers again", "", blocks, source.commands)
