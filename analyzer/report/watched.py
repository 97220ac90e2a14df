"""Section of the page about a verdict: what the rollback triggers said, and what a human should
look at.
"""

from __future__ import annotations

from analyzer.overview import Overview
from analyzer.report.blocks import Block, Head, Lines, Section, Table
from analyzer.report.marks import chip
from analyzer.report.way import way_table
from analyzer.report.words import prose, shown, span
from analyzer.stages import legs
from analyzer.triggers.run import Triggers
from analyzer.triggers.signals import Signal

TITLE = "Rollback triggers and signals"
WORDS = {None: "undecided", True: "look", False: "quiet"}


def watched_section(found: Overview) -> Section:
    """Triggers minute by minute, and signals that never act by themselves."""
    told = found.watched
    ways: list[Block] = [way_table(legs(way), way.confirmed) for way in told.ways]
    if told.triggers is None:
        missing = told.missing or "nobody asked them"
        return Section("triggers", TITLE, shown(f"Triggers say nothing here: {missing}", 400), ways)
    blocks: list[Block] = [_triggers(told.triggers), *ways]
    if told.triggers.notes:
        lines = [prose(note) for note in told.triggers.notes]
        blocks.append(Lines(lines, "What was not counted", listed=True))
    if told.signals:
        blocks.append(_signals(told.signals))
    return Section(
        "triggers",
        TITLE,
        "A trigger that fires takes the challenger's traffic away without asking anybody. A signal "
        "only asks a human to look: it is raised by chance as often as it says itself.",
        blocks,
        [f"analyzer triggers --from {told.triggers.window[0]} --to {told.triggers.window[1]}"],
    )


def _triggers(told: Triggers) -> Table:
    return Table(
        span(*told.window),
        [Head("Outcome"), Head("Rule"), Head("What was seen")],
        [[chip(t.outcome), prose(t.rule), prose(t.sentence)] for t in told.triggers],
        stacked=True,
    )


def _signals(told: tuple[Signal, ...]) -> Table:
    return Table(
        "Signals for a human, never automatic",
        [Head("Signal"), Head("Look?"), Head("What was seen")],
        [[prose(s.name), chip(WORDS[s.raised]), prose(s.sentence)] for s in told],
        stacked=True,
    )
