"""Section of an incident's page: the loss of both models by labels, day by day."""

from __future__ import annotations

from analyzer.diagnose.diagnosis import Diagnosis
from analyzer.diagnose.findings import MaturedLoss
from analyzer.report.blocks import Block, Head, Lines, Section, Table, Text
from analyzer.report.onsets import marks_of
from analyzer.report.timeline import course
from analyzer.report.words import DASH, count, number, percent, prose, shown, span
from analyzer.verdict import Observed


def matured_section(diagnosis: Diagnosis) -> Section:
    """What labels say of the incident's days against the baseline's."""
    found = diagnosis.matured
    if found.missing:
        return Section("matured", "What labels say", prose(found.missing), [])
    blocks: list[Block] = [Lines([prose(line) for line in found.lines], listed=True)]
    if found.daily is not None:
        columns = found.daily.columns
        for title, series in (
            ("of both models", ("champion", "challenger")),
            ("challenger minus champion", ("difference",)),
        ):
            blocks.append(
                course(
                    f"{shown(found.metric)}, {title}",
                    found.daily,
                    {one: columns[one] for one in series},
                    marks_of(diagnosis),
                    what="Day by day, of pairs whose labels are complete enough",
                )
            )
    windows = (("Incident", found.incident), ("Baseline", found.baseline))
    rows: list[list[Text]] = [[which, *_cells(x)] for which, x in windows if x is not None]
    heads = [
        Head("Window"),
        Head("Whole days"),
        Head("Complete enough", "number"),
        Head("Labelled", "number"),
        *(Head(x, "number") for x in ("Champion", "Challenger", "Difference")),
    ]
    blocks.append(Table("Loss by labels, both models on the same pairs", heads, rows, stacked=True))
    lead = (
        f"Labels known by {found.as_of} 00:00 UTC. They are counted by the day of the prediction, "
        "so this is of whole days. Labels that are still on their way are allowed for. It was not "
        "searched for an onset: there are too few days before."
    )
    first = found.incident.window if found.incident else ("", "")
    command = f"analyzer labels --as-of {found.as_of} --from {first[0]} --to {first[1]}"
    return Section("matured", "What labels say", lead, blocks, [command])


def _cells(loss: MaturedLoss) -> list[Text]:
    labelled = f"{count(loss.labels)} of {count(loss.rows)}"
    if loss.rows:
        labelled += f" ({percent(loss.labels / loss.rows)})"
    return [
        span(*loss.window),
        f"{loss.days} of {loss.asked}",
        labelled,
        *map(_value, (loss.champion, loss.challenger, loss.difference)),
    ]


def _value(found: Observed) -> str:
    if found.value is None:
        return DASH
    return f"{number(found.value)} ({number(found.low)} to {number(found.high)})"
