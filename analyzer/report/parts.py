"""Sections of the page about a verdict: scores, latency, the quality of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from analyzer.diagnose.findings import Density, Rejected
from analyzer.divergence import Divergence
from analyzer.latency import Latency as Percentiles
from analyzer.logs import SIDES
from analyzer.measure import Rate
from analyzer.overview import Overview
from analyzer.report import charts
from analyzer.report.again import how
from analyzer.report.blocks import Block, Facts, Figure, Gallery, Head, Lines, Section, Table, Text
from analyzer.report.marks import swatch
from analyzer.report.plots import HALF, NARROW
from analyzer.report.words import code, count, name, number, percent, result

COVERAGE = {
    "champion_rows": "Champion requests",
    "challenger_rows": "Challenger requests",
    "matched": "Pairs",
    "only_champion": "Champion requests without a shadow",
    "only_challenger": "Challenger requests the champion never saw",
    "champion_duplicates": "Champion ids logged twice",
    "challenger_duplicates": "Challenger ids logged twice",
}


def scores_section(found: Overview) -> Section:
    """Champion against challenger: both distributions and their difference."""
    blocks: list[Block] = []
    apart = found.answers.divergence
    if apart is not None:
        blocks.append(_distances(apart))
    if found.densities:
        blocks.append(Gallery([density_figure(s) for s in found.densities], wide=True))
    if apart is not None:
        blocks += _score_tables(apart)
    return Section(
        "scores",
        "Scores, champion against challenger",
        "The same requests, answered by both. A difference is challenger minus champion."
        if apart is None or apart.pairs
        else "No request was answered by both: each model’s scores are those of its own requests.",
        blocks or [Lines(["No scores were logged."])],
        [f"analyzer diff {how(found.verdict)}"],
    )


def _distances(apart: Divergence) -> Facts:
    if not apart.pairs:
        return Facts(
            [
                ("Kolmogorov–Smirnov", result(apart.ks)),
                ("PSI of the two distributions", number(apart.psi)),
            ]
        )
    return Facts(
        [
            ("Mean difference", result(apart.mean)),
            ("Mean absolute difference", number(apart.mean_absolute)),
            ("Decisions that differ", result(apart.flips.result, "share")),
            ("Kolmogorov–Smirnov", result(apart.ks)),
            ("PSI of the two distributions", number(apart.psi)),
            ("Pairs", count(apart.pairs)),
        ]
    )


def density_figure(shape: Density, titles: Mapping[str, str] | None = None) -> Figure:
    """A distribution as bars, a second one in front as an outline, and its numbers."""
    title = (titles or {"scores": "Scores", "difference": "Difference of scores"}).get(
        shape.name, shape.name
    )
    names = list(shape.shares)
    legend = [
        swatch("champion" if i == 0 else "line accent", f"{label}, n = {count(shape.n[label])}")
        for i, label in enumerate(names)
    ]
    wide, narrow = (charts.density(shape, width=width) for width in (HALF, NARROW))
    heads = [Head("From", "number"), Head("To", "number"), *(Head(n, "number") for n in names)]
    rows: list[list[Text]] = [
        [number(low, 6), number(high, 6), *(percent(shape.shares[n][i]) for n in names)]
        for i, (low, high) in enumerate(zip(shape.edges, shape.edges[1:], strict=False))
    ]
    peaks = "; ".join(f"{n}: {_peak(shape, n)}" for n in names)
    return Figure(
        title,
        f"{title}, share of requests by bin. {peaks}.",
        wide,
        narrow,
        legend if len(names) > 1 else (),
        "Share of requests in each bin. The outermost bins also hold what lies beyond them"
        + ("." if len(names) > 1 else f"; n = {count(shape.n[names[0]])}."),
        Table(title, heads, rows, folded=f"Numbers ({len(rows)} bins)", dense=True),
    )


def _peak(shape: Density, series: str) -> str:
    shares = shape.shares[series]
    top = shares.index(max(shares))
    return f"most common {number(shape.edges[top])} to {number(shape.edges[top + 1])}"


def _score_tables(apart: Divergence) -> list[Block]:
    blocks: list[Block] = []
    quantiles = [s for s in apart.scores if s.quantiles]
    if quantiles:
        names = list(quantiles[0].quantiles)
        heads = [Head("Model"), Head("n", "number"), *(Head(q, "number") for q in names)]
        rows: list[list[Text]] = [
            [s.model, count(s.n), *(result(s.quantiles[q]) for q in names)] for s in quantiles
        ]
        blocks.append(Table("Quantiles of the scores", heads, rows))
    if apart.confusion:
        heads = [Head("Champion said"), Head("Challenger said"), Head("Pairs", "number")]
        rows = [
            [*(name(_text(r[side])) for side in SIDES), count(float(str(r["n"])))]
            for r in apart.confusion
        ]
        blocks.append(Table("Classes, pair by pair", heads, rows, first=12))
    if apart.worst:
        heads = [Head("Request"), Head("At"), *(Head(x.capitalize(), "number") for x in SIDES)]
        rows = [
            [
                name(w.request_id) if w.request_id is not None else "not kept",
                w.ts[:19].replace("T", " "),
                number(w.champion_score, 4),
                number(w.challenger_score, 4),
            ]
            for w in apart.worst
        ]
        blocks.append(
            Table("The pairs furthest apart", heads, rows, folded="The 20 pairs furthest apart")
        )
    return blocks


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def latency_section(found: Overview) -> Section:
    """Percentiles over the window and over time."""
    from analyzer.report.timeline import course, marks_of, step_words

    blocks: list[Block] = []
    if found.answers.latency is not None:
        blocks += _percentile_tables(found.answers.latency)
    marks = marks_of(found.diary)
    series = {part.model: part.hours for part in found.latency}
    for column, title in (("p50", "Median latency"), ("p99", "99th percentile of latency")):
        if series:
            hours = next(iter(series.values()))
            values = {model: part.columns[column] for model, part in series.items()}
            what = f"{title} per {step_words(hours)}"
            if column == "p99":
                what += ", where at least 380 requests allow an interval"
            blocks.append(course(title, hours, values, marks, what=what, unit="ms"))
    return Section(
        "latency",
        "Latency",
        "",
        blocks or [Lines(["No latency was logged."])],
        [f"analyzer latency {how(found.verdict)}"],
    )


def _percentile_tables(found: Percentiles) -> list[Block]:
    models = [m for m in found.models if m.n]
    if not models:
        return []
    names = list(models[0].quantiles)
    heads = [Head("Model"), Head("n", "number"), *(Head(f"{q}, ms", "number") for q in names)]
    rows: list[list[Text]] = [
        [m.model, count(m.n), *(result(m.quantiles[q]) for q in names)] for m in models
    ]
    blocks: list[Block] = [Table("Percentiles with 95 % intervals", heads, rows)]
    limits = list(models[0].over)
    if limits:
        heads = [Head("Model"), *(Head(f"{x} ms or more", "number") for x in limits)]
        rows = [[m.model, *(_share_of(m.over[x]) for x in limits)] for m in models]
        blocks.append(Table("Share of requests at or over each limit", heads, rows))
    return blocks


def _share_of(rate: Rate) -> Markup:
    seen = result(rate.result, "share")
    return Markup("{} <small>{} of {}</small>").format(seen, count(rate.k), count(rate.n))


def quality_section(found: Overview) -> Section:
    """What is wrong with the input: named and counted, never repaired in silence."""
    blocks: list[Block] = []
    if found.answers.divergence is not None:
        rows = found.answers.divergence.coverage
        facts: Sequence[tuple[Text, Text]] = [
            (title, count(rows[key])) for key, title in COVERAGE.items() if key in rows
        ]
        blocks.append(Facts(facts))
    blocks.append(rejected_table(found.rejected))
    if found.unusable:
        files: list[list[Text]] = [[name(file), name(problem)] for file, problem in found.unusable]
        heads = [Head("File"), Head("Why")]
        blocks.append(Table("Log files that could not be used", heads, files, first=20))
    if found.answers.missing:
        lines: list[Text] = [
            Markup("{}: {}").format(part.part, name(part.reason)) for part in found.answers.missing
        ]
        blocks.append(Lines(lines, "What this page lacks", listed=True))
    return Section(
        "quality",
        "Quality of the data",
        "",
        blocks,
        [f"analyzer check {how(found.verdict)}", "analyzer sql rows"],
    )


def rejected_table(rejected: Sequence[Rejected]) -> Block:
    """Values that could not be used."""
    if not rejected:
        return Lines(["Every value that was logged could be used."])
    heads = [Head("Model"), Head("Reason"), Head("Rows", "number")]
    rows: list[list[Text]] = [[r.model, code(r.reason), count(r.n)] for r in rejected]
    return Table("Values that could not be used", heads, rows, first=20)
