"""The way of a rollback, from the first breaching minute to confirmed zero traffic, in parts."""

from __future__ import annotations

from collections.abc import Sequence

from analyzer.report.blocks import Head, Table, Text
from analyzer.report.words import moment, number, shown
from analyzer.stages import WORDS, Leg


def way_table(parts: Sequence[Leg], restored: str | None = None) -> Table:
    """Each part with its seconds. restored: of which rollback, where there may be several."""
    rows: list[list[Text]] = [
        [shown(f"{WORDS[p.start]} to {WORDS[p.end]}"), number(p.seconds)] for p in parts
    ]
    caption = "The rollback, part by part"
    if restored:
        caption += f", restored {moment(restored)}"
    return Table(caption, [Head("From and to"), Head("Seconds", "number")], rows)
