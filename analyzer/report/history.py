"""The page about a rollout's history: decisions, their evidence, what happened next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from analyzer.diagnose.findings import Moment
from analyzer.history import Decided, History, runs
from analyzer.report.blocks import Answer, Block, Head, Lines, Page, Section, Table, Text
from analyzer.report.chain import overrides_table
from analyzer.report.marks import chip, tone
from analyzer.report.page import render
from analyzer.report.plots import Mark
from analyzer.report.timeline import course, diary_table
from analyzer.report.way import way_table
from analyzer.report.words import (
    DASH,
    code,
    count,
    moment,
    name,
    percent,
    prose,
    quiet,
    shown,
    when,
)
from analyzer.verdict import Override

OPEN_ROWS = 40
SHORT = 8
"""Characters of a digest where it only points to a row that shows all 16."""


def report(found: History) -> bytes:
    """The page as one HTML file."""
    return render(page(found))


def page(found: History) -> Page:
    """What the page holds."""
    last = found.verdicts[-1] if found.verdicts else None
    headline = f"{last.phase.capitalize()}: {last.outcome}" if last else "No verdict yet"
    return Page(
        title=shown(f"History: {found.rollout}"),
        eyebrow=Markup("{} · history").format(name(found.rollout)),
        headline=headline,
        tone=tone(last.outcome) if last else "open",
        lead=_title(prose(last.why)) if last else "No gate has kept a verdict of this rollout.",
        answers=list(_answers(found, last)),
        sections=[
            _decisions(found),
            _overrides(found.overrides),
            _rollbacks(found),
            _diary(found),
            *_untrusted(found),
        ],
        footer=["This file holds everything it shows. It loads nothing and sends nothing."],
    )


def _answers(found: History, last: Decided | None) -> Iterator[Answer]:
    if last:
        until = f"Valid until {moment(last.valid_until)}"
        yield Answer("Last verdict", [f"As of {moment(last.as_of)}", until])
        step = last.next
        after = f"{step.phase.capitalize()} at {percent(step.weight)}" if step else "None yet"
        yield Answer("Next step", [shown(after)])
        yield Answer("It stands on", [code(d) for d in last.evidence] or ["No earlier verdict"])
    number = len(found.overrides)
    rules = "1 rule" if number == 1 else f"{count(number)} rules"
    yield Answer("Overridden", [f"{rules} set aside" if number else "Nothing"])
    took = [r for r in found.rollbacks if r.minutes is not None]
    late = sum(r.outcome == "fail" for r in took)
    said = [f"{count(len(found.rollbacks))} told by the diary"] if found.rollbacks else ["None"]
    if took:
        said.append(f"{count(len(took) - late)} of {count(len(took))} within the limit")
    yield Answer("Rollbacks", said)
    if found.untrusted:
        number = len(found.untrusted)
        files = "1 kept file is" if number == 1 else f"{count(number)} kept files are"
        files += " not what was written"
        yield Answer("Beware", [files], wide=True)


def _decisions(found: History) -> Section:
    heads = [Head("As of (UTC)"), Head("Decided"), Head("Stands on"), Head("What happened next")]
    rows: list[list[Text]] = [
        [_times(run), _decided(run[0]), _stands(run[0]), _events(run[-1].followed)]
        for run in runs(found.verdicts)
    ]
    blocks: list[Block] = []
    if found.weight is not None:
        shape = {"challenger": found.weight.columns["challenger"]}
        told = [m for v in found.verdicts for m in v.followed]
        marks = [_mark(m) for m in (*found.before, *told) if m.kind in ("phase", "rollback")]
        blocks.append(
            course(
                "Challenger’s share of the traffic",
                found.weight,
                shape,
                marks,
                share=True,
                what="As the diary tells it",
            )
        )
    table = Table("Verdicts that were kept", heads, rows, first=OPEN_ROWS, stacked=True)
    blocks.append(table if rows else Lines(["No verdict has been kept."]))
    return Section(
        "decisions",
        "Decisions",
        "Every verdict that gate and nightly kept, what it stands on, and the diary’s lines until "
        "the next one. Verdicts that repeat the one before share its row.",
        blocks,
        ["analyzer history --config rollout.toml"],
    )


def _mark(event: Moment) -> Mark:
    """A phase by its name, a rollback as one."""
    named = event.kind == "phase" and event.text
    return Mark(
        event.at,
        shown((event.text.split() or [event.kind])[0] if named else event.kind, 24),
        None,
        not named,
    )


def _title(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _times(run: Sequence[Decided]) -> Text:
    if len(run) == 1:
        return when(run[0].as_of)
    times = Markup("{} to {}").format(when(run[0].as_of), when(run[-1].as_of))
    return Markup("{}<small>{} verdicts</small>").format(times, count(len(run)))


def _decided(verdict: Decided) -> Markup:
    by = Markup("").join(
        Markup("<small>overridden: {} in {}</small>").format(o.what, shown(o.phase))
        for o in verdict.overrides
    )
    return Markup("{} <strong>{}</strong> {} <small>{}</small>{}").format(
        chip(verdict.outcome),
        f"{verdict.phase.capitalize()} gate.",
        prose(verdict.why),
        code(verdict.digest),
        by,
    )


def _stands(verdict: Decided) -> Text:
    if not verdict.evidence:
        return quiet(DASH)
    return Markup("<br>").join(code(digest[:SHORT]) for digest in verdict.evidence)


def _events(moments: Sequence[Moment]) -> Text:
    if not moments:
        return quiet(DASH)
    return Markup("<br>").join(
        Markup("{} {}{}{}").format(
            when(m.at),
            m.kind,
            Markup(", challenger at {}").format(percent(m.challenger_weight))
            if m.challenger_weight is not None
            else "",
            Markup(": {}").format(name(m.text)) if m.text else "",
        )
        for m in moments
    )


def _overrides(overrides: Sequence[Override]) -> Section:
    return Section(
        "overrides",
        "Overrides",
        "What somebody did all the same, with the reason. Every later verdict names it.",
        [overrides_table(overrides) if overrides else Lines(["Nothing was overridden."])],
    )


def _rollbacks(found: History) -> Section:
    heads = [
        Head("Decided (UTC)"),
        Head("By"),
        Head("Restored (UTC)"),
        Head("Minutes", "number"),
        Head("Outcome"),
    ]
    rows: list[list[Text]] = [
        [
            when(r.decided),
            r.decided_by,
            when(r.restored),
            f"{r.minutes:.3g}" if r.minutes is not None else "not recorded",
            Markup("{}<small>{}</small>").format(chip(r.outcome), prose(r.sentence)),
        ]
        for r in found.rollbacks
    ]
    table = Table("From the decision to a challenger without traffic", heads, rows, stacked=True)
    limit = f" The limit is {found.rollbacks[0].limit:g} minutes." if rows else ""
    return Section(
        "rollbacks",
        "Rollbacks",
        f"How long it took until the champion served everything again, by the diary.{limit}",
        [
            table
            if rows
            else Lines(["The diary tells of no rollback from a challenger with traffic."]),
            *(way_table(r.parts, r.restored) for r in found.rollbacks if r.parts),
        ],
    )


def _diary(found: History) -> Section:
    told = [*found.before, *(m for v in found.verdicts for m in v.followed)]
    return Section(
        "diary",
        "The diary",
        "",
        [diary_table(told) if told else Lines(["Nothing is recorded in the diary."])],
        ["analyzer event list --config rollout.toml"],
    )


def _untrusted(found: History) -> Iterator[Section]:
    blocks: list[Block] = []
    if found.untrusted:
        heads = [Head("File"), Head("What is wrong")]
        rows: list[list[Text]] = [[code(f.file), prose(f.problem)] for f in found.untrusted]
        blocks.append(Table("Kept files that count for nothing", heads, rows, stacked=True))
    if found.others:
        lines: list[Text] = [name(other) for other in found.others]
        blocks.append(Lines(lines, "Other rollouts that share this store", listed=True))
    if blocks:
        yield Section("untrusted", "Not believed", "", blocks)
