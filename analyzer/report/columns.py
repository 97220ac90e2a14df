"""Drift: every column's PSI by day, and the distributions of those that moved most."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from analyzer.diagnose.findings import Cell
from analyzer.overview import Column, Overview
from analyzer.report import charts
from analyzer.report.again import how
from analyzer.report.blocks import Block, Figure, Gallery, Head, Lines, Section, Table, Text
from analyzer.report.marks import sparkline, swatch
from analyzer.report.words import DASH, count, name, number, percent, result, shown
from analyzer.stats.result import Undefined

OPEN = 20


def drift_section(found: Overview) -> Section:
    """The ranking, then the drawn distributions."""
    moved = found.answers.drift
    if moved is None or not found.columns:
        return Section("drift", "What moved", "", [Lines(["Drift could not be measured."])])
    reference = moved.reference.replace("T", " ").replace("/", " to ")
    blocks: list[Block] = [_ranking(found.columns)]
    unranked = [c.drift for c in found.columns if isinstance(c.drift.p, Undefined)]
    if unranked and isinstance(unranked[0].p, Undefined):
        blocks.append(
            Lines(
                [
                    f"p is missing for {len(unranked)} of {len(found.columns)} columns "
                    f"({unranked[0].p.reason}): for them this is a ranking, not a test."
                ]
            )
        )
    figures = [_figure(c) for c in found.columns if c.cells]
    if figures:
        title = f"Distributions of the {len(figures)} columns that moved most"
        legend = [swatch("wide", "reference"), swatch("thin", "judged window")]
        blocks.append(Gallery(figures, title, legend))
    return Section(
        "drift",
        "What moved",
        f"Every column a model sees or says, against the frozen reference {reference}. "
        "PSI below 0.1 is commonly read as stable, above 0.25 as a large shift; debiased is what "
        "is left after what chance alone gives. Unseen: values the reference never had. Outside: "
        "beyond its range.",
        blocks,
        [f"analyzer drift {how(found.verdict)} --all"],
    )


def _ranking(columns: Sequence[Column]) -> Table:
    heads = [
        Head("Column"),
        Head("Model"),
        Head("PSI by day", "picture"),
        Head("PSI", "number"),
        Head("Debiased", "number"),
        Head("p", "number"),
        Head("NULL before", "number"),
        Head("NULL now", "number"),
        Head("Unseen", "number"),
        Head("Outside", "number"),
        Head("Rows", "number"),
    ]
    return Table(
        "Columns, the largest debiased PSI first", heads, [_row(c) for c in columns], first=OPEN
    )


def _row(column: Column) -> list[Text]:
    found = column.drift
    note = found.note or ("became constant" if found.constant else "")
    spark = (
        sparkline(column.spark.columns["psi"], "PSI by day") if column.spark is not None else DASH
    )
    return [
        Markup("{}{}").format(
            name(found.column), Markup("<small>{}</small>").format(shown(note)) if note else ""
        ),
        column.models,
        spark,
        number(found.psi),
        number(found.debiased),
        DASH if isinstance(found.p, Undefined) else result(found.p),
        percent(found.null_share_reference),
        percent(found.null_share),
        percent(found.unseen_share),
        percent(found.outside_share),
        count(found.n),
    ]


def _figure(column: Column) -> Figure:
    found = column.drift
    return cells_figure(
        Markup("{} <span class=quiet>{}, PSI {}</span>").format(
            name(found.column), column.models, number(found.psi)
        ),
        shown(found.column),
        column.cells,
        ("reference", "judged window"),
        f"n = {count(found.n_reference)} and {count(found.n)}",
    )


def cells_figure(
    title: Text, plain: str, cells: Sequence[Cell], periods: tuple[str, str], note: str
) -> Figure:
    """A column's distribution before and after, and its numbers."""
    largest = max(cells, key=lambda c: abs(c.after - c.before))
    rows: list[list[Text]] = [
        [name(c.label), percent(c.before), percent(c.after), _points(c.after - c.before)]
        for c in cells
    ]
    heads = [Head("Value from"), *(Head(p, "number") for p in periods), Head("Change", "number")]
    caption = Markup("Shares of rows, {}").format(name(plain))
    return Figure(
        title,
        f"Distribution of {plain}. Largest change at {shown(largest.label)}: "
        f"{percent(largest.before)} to {percent(largest.after)}.",
        charts.distribution(cells),
        note=note,
        table=Table(caption, heads, rows, folded="Numbers", dense=True),
        level=4,
    )


def _points(change: float) -> str:
    sign = "+" if change > 0 else ""
    return f"{sign}{number(change * 100)}\N{NO-BREAK SPACE}pp"
