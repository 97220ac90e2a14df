"""What a verdict stands on: earlier phases, the process kept, rules that were set aside."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from analyzer.report.blocks import Block, Head, Lines, Section, Table, Text
from analyzer.report.marks import chip
from analyzer.report.words import code, name, prose, shown, when
from analyzer.verdict import Override, Verdict


def chain_section(verdict: Verdict) -> Section:
    """The chain of evidence as the verdict itself tells it."""
    kept = [check for check in verdict.checks if check.layer == "process"]
    heads = [Head("Outcome"), Head("What was seen")]
    rows: list[list[Text]] = [
        [
            chip(check.outcome),
            Markup("{} <small>{}</small>").format(prose(check.sentence), code(check.id)),
        ]
        for check in kept
    ]
    blocks: list[Block] = []
    if verdict.evidence:
        digests = Markup(", ").join(code(digest) for digest in verdict.evidence)
        blocks.append(Lines([Markup("Stands on the kept verdicts {}.").format(digests)]))
    else:
        blocks.append(Lines(["Stands on no earlier verdict."]))
    if rows:
        blocks.append(Table("Whether the process was kept", heads, rows, stacked=True))
    if verdict.overrides:
        blocks.append(overrides_table(verdict.overrides))
    return Section(
        "chain",
        "The chain of evidence",
        "A phase is earned by the one before it. What was overridden no longer decides, and is "
        "named in every later verdict.",
        blocks,
        ["analyzer history --config rollout.toml"],
    )


def overrides_table(overrides: Sequence[Override]) -> Table:
    """Rules that somebody set aside, with the reason."""
    heads = [Head("When (UTC)"), Head("Rule"), Head("Phase"), Head("Why"), Head("By")]
    rows: list[list[Text]] = [
        [
            when(o.at),
            o.what,
            shown(o.phase),
            name(o.reason),
            name(o.by) if o.by else "not recorded",
        ]
        for o in overrides
    ]
    return Table("Rules that were set aside", heads, rows, stacked=True)
