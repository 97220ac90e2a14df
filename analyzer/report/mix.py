"""Mix or behaviour: did other requests come, or were the same ones scored differently?"""

from __future__ import annotations

from collections.abc import Sequence

from analyzer.diagnose.diagnosis import Diagnosis
from analyzer.mix import Mix
from analyzer.report.blocks import Block, Head, Lines, Section, Table, Text
from analyzer.report.words import DASH, name, number, percent, prose

MEASURES = {"score": "Mean score of the challenger", "difference": "Mean difference of scores"}
OPEN = 12
PARTS = 10
SIDES = ("Other requests", "Other answers")


def mix_section(diagnosis: Diagnosis) -> Section:
    """By measure one row per dimension; the largest parts of the largest shares of mix."""
    blocks: list[Block] = []
    for measure, mixes in diagnosis.mix.items():
        title = MEASURES.get(measure, measure)
        mixes = sorted(mixes, key=lambda m: -abs(m.mix or 0.0))
        said: list[Text] = [prose(m.sentence) for m in mixes[:1] if m.sentence]
        if said:
            blocks.append(Lines(said, title))
        blocks.append(_table(title, mixes))
        blocks += [_parts(title, m) for m in mixes[:3] if m.parts]
    return Section(
        "mix",
        "Other requests, or the same ones scored differently",
        "The shift from the baseline to the incident, split exactly: what moved because other "
        "requests came (the shares of a column’s values changed), and what moved because the same "
        "ones were answered otherwise.",
        blocks or [Lines(["Without a baseline there is no shift to split."])],
    )


def _table(title: str, mixes: Sequence[Mix]) -> Table:
    heads = [Head("Split by"), *(Head(x, "number") for x in ("Shift", *SIDES)), Head("")]
    rows: list[list[Text]] = [
        [name(m.column), _signed(m.shift), _signed(m.mix), _signed(m.within), prose(m.refusal)]
        for m in mixes
    ]
    if not any(m.refusal for m in mixes):
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    return Table(f"{title}: the shift is the sum of both", heads, rows, first=OPEN)


def _parts(title: str, mix: Mix) -> Table:
    heads = [
        Head("Value"),
        *(Head(x, "number") for x in ("Share before", "Share now", "Mean before", "Mean now")),
        *(Head(x, "number") for x in SIDES),
    ]
    rows: list[list[Text]] = [
        [
            name(p.group),
            percent(p.share_before),
            percent(p.share_after),
            number(p.mean_before),
            number(p.mean_after),
            _signed(p.mix),
            _signed(p.within),
        ]
        for p in mix.parts[:PARTS]
    ]
    shown_of = f"the {len(rows)} largest of {len(mix.parts)} parts"
    caption = name(mix.column) + f": {shown_of}"
    return Table(caption, heads, rows, folded=f"{title}, split by {mix.column}: {shown_of}")


def _signed(value: float | None) -> str:
    if value is None:
        return DASH
    return f"{'+' if value > 0 else ''}{number(value)}"
