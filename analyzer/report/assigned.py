"""Section of the page about an experiment: did units come into the arms as planned?"""

from __future__ import annotations

from markupsafe import Markup

from analyzer.experiment.analysis import Analysis
from analyzer.report.blocks import Block, Facts, Head, Lines, Section, Table, Text
from analyzer.report.lifts import how
from analyzer.report.marks import chip
from analyzer.report.words import count, name, number, percent, quiet, shown
from analyzer.stats.result import Estimate, Result
from analyzer.window import date


def split_section(found: Analysis) -> Section:
    """The ratio of units while each weight was in force, units of both arms, rows left out."""
    what = "Clusters of units" if found.clusters else "Units"
    facts: list[tuple[Text, Text]] = [
        ("Units can be trusted", chip(found.valid)),
        ("p over all weights in force", _number(found.ratio)),
        ("p in the worst segment, adjusted", _number(found.worst_split)),
        ("Units seen in both arms", _share(found.mixed)),
        *(
            [("Clusters", f"{count(clusters['champion'])} and {count(clusters['challenger'])}")]
            if (clusters := found.clusters)
            else []
        ),
        ("Days whose new units count", f"{found.first} to {found.last}"),
    ]
    heads = [
        Head("Days"),
        *(Head(word, "number") for word in ("Champion", "Challenger", "Planned", "Seen", "p")),
    ]
    rows: list[list[Text]] = [
        [
            f"{date(part.first)} to {date(part.last - 1)}",
            *(count(n) for n in part.units.values()),
            percent(part.weight),
            _seen(part.units),
            _number(part.ratio),
        ]
        for part in found.held
    ]
    blocks: list[Block] = [Facts(facts)]
    if rows:
        caption = f"New {what.lower()} while each weight was in force"
        blocks.append(Table(caption, heads, rows))
    else:
        blocks.append(Lines(["No new unit is known of a day on which a weight was in force."]))
    faults: list[list[Text]] = [
        [shown(reason, 200), count(n)] for reason, n in found.faults.items() if n
    ]
    if faults:
        titles = [Head("Why"), Head("How many", "number")]
        blocks.append(Table("Rows and units left out, or odd", titles, faults))
    missing = [
        Markup("{} is NULL in every row of {}.").format(name(gap.column), ", ".join(gap.days))
        for gap in found.gaps
        if gap.days
    ]
    lost = [f"Not read: {shown(file, 300)}." for file in found.unread]
    if missing or lost:
        blocks.append(Lines([*missing, *lost], "Outcomes that are not there", listed=True))
    return Section(
        "split",
        "Units in both arms",
        f"{what} count once, in the arm of their first day. p may be read at any time: as long as "
        "units come as planned it falls below 0.001 once in a thousand experiments. Where it does, "
        "units were lost or moved, and no effect on this page can be trusted.",
        blocks,
        how(found),
    )


def _seen(units: dict[str, float]) -> Text:
    whole = sum(units.values())
    return percent(units["challenger"] / whole, 4) if whole else quiet("no unit")


def _number(found: Result) -> Text:
    return number(found.value) if isinstance(found, Estimate) else _reason(found.reason)


def _share(found: Result) -> Text:
    return percent(found.value) if isinstance(found, Estimate) else _reason(found.reason)


def _reason(text: str) -> Markup:
    return quiet(shown(text, 200))
