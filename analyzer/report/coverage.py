"""What is missing, before what is different: rows without a pair, features that disagree."""

from __future__ import annotations

from analyzer.diagnose.diagnosis import Diagnosis
from analyzer.diagnose.findings import Coverage, Parity, Rows, Unmatched
from analyzer.report.blocks import Block, Head, Lines, Section, Table, Text
from analyzer.report.onsets import marks_of, share_or_dash
from analyzer.report.parts import rejected_table
from analyzer.report.segments import pair
from analyzer.report.timeline import course
from analyzer.report.words import DASH, count, name, percent, prose, result

OPEN = 10


def coverage_section(diagnosis: Diagnosis) -> Section:
    """A shadow that lost traffic biases everything after it, so this comes first."""
    found = diagnosis.coverage
    blocks: list[Block] = []
    if found.lines:
        blocks.append(Lines([prose(line) for line in found.lines], listed=True))
    blocks.append(_rows_table(found))
    columns = found.hours.columns
    if any(columns.get("only_champion", [])):
        blocks.append(
            course(
                "Champion requests without a shadow",
                found.hours,
                {"seen": columns["only_champion"]},
                marks_of(diagnosis),
                what="Requests per hour",
            )
        )
    if found.segments:
        blocks.append(_unmatched_table(found.segments))
    if found.parity:
        blocks.append(_parity_table(found.parity))
    elif not found.parity_known:
        blocks.append(Lines(["Only one model logs features, so their values cannot be compared."]))
    blocks.append(rejected_table(found.rejected))
    return Section(
        "coverage",
        "What is missing",
        "Requests without a pair and features that the models saw differently would explain a "
        "divergence before anything else does.",
        blocks,
    )


def _rows_table(found: Coverage) -> Table:
    def cell(rows: Rows | None, field: str) -> Text:
        if rows is None:
            return DASH
        if field == "unmatched":
            return result(rows.unmatched, "share")
        return count(getattr(rows, field))

    fields = {
        "champion": "Champion requests",
        "challenger": "Challenger requests",
        "pairs": "Pairs",
        "only_champion": "Champion only",
        "only_challenger": "Challenger only",
        "unmatched": "Share without a shadow",
        "duplicates": "Ids logged twice",
        "hours_without_champion": "Hours without the champion",
        "hours_without_challenger": "Hours without the challenger",
    }
    rows = [
        [title, cell(found.incident, field), cell(found.baseline, field)]
        for field, title in fields.items()
    ]
    heads = [Head("Rows"), Head("Incident", "number"), Head("Baseline", "number")]
    return Table("Rows and how they pair", heads, rows)


def _unmatched_table(segments: list[Unmatched]) -> Table:
    heads = [
        Head("Segment"),
        *(Head(x, "number") for x in ("Requests", "Without a shadow", "Share", "Share before")),
    ]
    rows: list[list[Text]] = [
        [
            pair(s.column, s.value),
            count(s.n),
            count(s.unmatched),
            percent(s.share),
            share_or_dash(s.share_before),
        ]
        for s in segments
    ]
    return Table("Requests without a shadow, by segment", heads, rows, first=OPEN)


def _parity_table(parity: list[Parity]) -> Table:
    heads = [
        Head("Feature"),
        *(Head(x, "number") for x in ("Compared", "Differing", "Share", "Share before")),
        *(Head(x, "number") for x in ("NULL for champion only", "NULL for challenger only")),
    ]
    rows: list[list[Text]] = [
        [
            name(p.feature),
            count(p.compared),
            count(p.differing),
            percent(p.share),
            share_or_dash(p.share_before),
            count(p.null_on_champion),
            count(p.null_on_challenger),
        ]
        for p in parity
    ]
    return Table(
        "Features as both models logged them for the same request", heads, rows, first=OPEN
    )
