"""The page about an experiment: what it says so far, how sure that is, what must not be read."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from analyzer.experiment.analysis import Analysis
from analyzer.experiment.readings import Reading
from analyzer.report.assigned import split_section
from analyzer.report.blocks import Answer, Block, Facts, Lines, Page, Section, Text
from analyzer.report.lifts import (
    guard_rails_section,
    how,
    lift_segments_section,
    metrics_section,
)
from analyzer.report.marks import chip
from analyzer.report.over_time import novelty_section, over_time_section, power_section
from analyzer.report.page import render
from analyzer.report.words import code, count, name, percent, prose, result, shown
from analyzer.stats.result import Estimate
from analyzer.verdict import Outcome


def report(found: Analysis) -> bytes:
    """The page as one HTML file."""
    return render(page(found))


def page(found: Analysis) -> Page:
    """What the page holds."""
    headline, tone = _headline(found)
    return Page(
        title=shown(f"{headline}: {found.rollout}, A/B test"),
        eyebrow=Markup("{} · A/B test · known by {} 00:00 UTC").format(
            name(found.rollout), found.as_of
        ),
        headline=headline,
        tone=tone,
        lead=_lead(found),
        answers=list(_answers(found)),
        sections=[*experiment_sections(found), _promise_section(found)],
        footer=[
            Markup("Analysis of the experiment registered as {}.").format(code(found.registration)),
            "This file holds everything it shows. It loads nothing and sends nothing.",
        ],
    )


def trial_sections(found: Analysis | str | None) -> Iterator[Section]:
    """What a night of the A/B test shows of it: its sections, or why there are none."""
    if isinstance(found, str):
        said = f"Nothing can be said of the experiment: {shown(found, 400)}."
        yield Section("metrics", "Metrics", said, [])
    elif found is not None:
        yield from experiment_sections(found)


def trial_answer(found: Analysis | str | None) -> Iterator[Answer]:
    """What a night says of the A/B test on its first screen."""
    if not isinstance(found, Analysis):
        return
    one = _primary(found)
    when, lift = ("at the planned end", one.final) if found.ended else ("so far", one.lift)
    yield Answer(
        f"A/B test: lift of {shown(one.metric, 60)}, {when}",
        [result(lift, "share"), f"{count(sum(found.units.values()))} units"],
    )


def experiment_sections(found: Analysis) -> Iterator[Section]:
    """All that stands on the page but what was registered."""
    yield metrics_section(found)
    yield over_time_section(found)
    yield guard_rails_section(found)
    yield split_section(found)
    yield novelty_section(found)
    yield power_section(found)
    yield lift_segments_section(found)


def _headline(found: Analysis) -> tuple[str, str]:
    if found.valid == "invalid":
        return "Units are not split as planned", "void"
    if found.ended:
        return "The planned end has come", "plain"
    return "Running", "open"


def _lead(found: Analysis) -> str:
    one = _primary(found)
    if found.valid == "invalid":
        return "No effect below can be trusted before it is known where units were lost or moved."
    if not isinstance(one.lift, Estimate):
        return f"The lift of {prose(one.metric)} cannot be said: {prose(one.lift.reason)}."
    if found.ended and isinstance(one.final, Estimate):
        return (
            f"{prose(one.metric)} at the planned end: {_said(one.final)}. This is the one test "
            "that was registered."
        )
    return (
        f"{prose(one.metric)} so far: {_said(one.lift)}, readable at any time. Before the planned "
        f"end, {found.promised.end}, it can show harm and promotes nothing."
    )


def _said(found: Estimate) -> str:
    return f"{percent(found.value)} ({percent(found.low)} to {percent(found.high)})"


def _primary(found: Analysis) -> Reading:
    return next(one for one in found.readings if one.role == "primary")


def _answers(found: Analysis) -> Iterator[Answer]:
    one = _primary(found)
    yield Answer(
        f"Lift of {shown(one.metric, 60)}",
        [
            Markup("At any time: {}").format(result(one.lift, "share")),
            Markup("At the planned end: {}").format(result(one.final, "share")),
        ],
    )
    tally: dict[Outcome, int] = {}
    for guard in found.guard_rails:
        tally[guard.outcome] = tally.get(guard.outcome, 0) + 1
    kept: list[Text] = [Markup("{} {}").format(chip(o), count(n)) for o, n in tally.items()]
    yield Answer("Guard rails", kept or ["None is declared."])
    split: list[Text] = [Markup("{} p = {}").format(chip(found.valid), result(found.ratio))]
    yield Answer("Units split as planned", split)
    promised = found.promised
    yield Answer(
        "Units",
        [
            f"{count(sum(found.units.values()))} of {count(promised.n_star)} planned",
            f"Planned from {promised.start} to {promised.end}",
        ],
    )
    wrong: list[Text] = [prose(mistake.sentence) for mistake in found.mistakes]
    if wrong:
        yield Answer("What is done wrong", wrong, wide=True)


def _promise_section(found: Analysis) -> Section:
    promised = found.promised
    facts: list[tuple[Text, Text]] = [
        ("Primary metric", name(promised.primary)),
        ("Challenger’s share", percent(promised.weight)),
        ("Reason for the split", prose(promised.weight_reason) or "none needed"),
        ("From", f"{promised.start} 00:00 UTC"),
        ("To", f"{promised.end} 00:00 UTC"),
        ("Units planned (N*)", count(promised.n_star)),
        ("Error of the interval at any time", percent(promised.sequence_alpha)),
        ("Error of the test at the end", percent(promised.final_alpha)),
        ("Digest", code(found.registration)),
    ]
    blocks: list[Block] = [Facts(facts)]
    if found.notes:
        blocks.append(Lines([prose(note) for note in found.notes], "Notes", listed=True))
    return Section(
        "promise",
        "What was registered before the start",
        "Effects are read against this and nothing else.",
        blocks,
        how(found),
    )
