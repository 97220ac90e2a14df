"""The page about a verdict: what was decided, on what evidence, and what stands beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from analyzer.overview import Overview
from analyzer.report.again import how
from analyzer.report.blocks import Answer, Block, Facts, Head, Lines, Page, Section, Table, Text
from analyzer.report.chain import chain_section
from analyzer.report.columns import drift_section
from analyzer.report.experiment import trial_answer, trial_sections
from analyzer.report.levels import levels_answer, levels_section
from analyzer.report.marks import bullet, chip, tone
from analyzer.report.page import render
from analyzer.report.parts import latency_section, quality_section, scores_section
from analyzer.report.proxies import proxies_section
from analyzer.report.segments import segments_section
from analyzer.report.timeline import timeline_section
from analyzer.report.truth import truth_section
from analyzer.report.watched import watched_section
from analyzer.report.words import code, count, moment, name, number, percent, prose, shown, span
from analyzer.verdict import Check, Verdict, digest

MEANING = {
    "promote": "Every check that decides passes: the challenger may take the next step.",
    "hold": "The challenger may not take the next step.",
    "undecided": "There is not enough evidence yet, for or against the next step.",
    "roll back": "The challenger does harm: take its traffic away.",
}
RANK = {"fail": 0, "invalid": 1, "undecided": 2, "pass": 3}
LAYERS = ("process", "data", "infrastructure", "model", "business", "experiment")


def report(found: Overview) -> bytes:
    """The page as one HTML file."""
    return render(page(found))


def page(found: Overview) -> Page:
    """What the page holds."""
    verdict = found.verdict
    return Page(
        title=shown(f"{verdict.outcome.capitalize()}: {verdict.rollout}, {verdict.phase} gate"),
        eyebrow=Markup("{} · {} gate · {}").format(
            name(verdict.rollout), shown(verdict.phase), span(*verdict.window)
        ),
        headline=verdict.outcome.capitalize(),
        tone=tone(verdict.outcome),
        lead=_lead(verdict),
        answers=list(_answers(found)),
        sections=[
            _checks_section(verdict),
            *trial_sections(found.trial),
            chain_section(verdict),
            *levels_section(found),
            watched_section(found),
            timeline_section(found),
            scores_section(found),
            segments_section(found),
            drift_section(found),
            latency_section(found),
            truth_section(found),
            *proxies_section(found.late),
            quality_section(found),
            _gate_section(verdict),
        ],
        footer=[
            Markup("Verdict {} of {}, policy {}, {} days of profiles.").format(
                code(digest(verdict)),
                name(verdict.tool),
                code(verdict.policy),
                len(verdict.profiles),
            ),
            "This file holds everything it shows. It loads nothing and sends nothing.",
        ],
    )


def _lead(verdict: Verdict) -> str:
    deciding = [c for c in verdict.checks if c.severity == "block"]
    tally = {word: sum(c.outcome == word for c in deciding) for word in RANK}
    parts = [
        f"{tally[word]} {verb}"
        for word, verb in (
            ("fail", "failed"),
            ("invalid", "could not be trusted"),
            ("undecided", "undecided"),
            ("pass", "passed"),
        )
        if tally[word]
    ]
    if not parts:
        return f"{MEANING[verdict.outcome]} No check was made."
    return f"{MEANING[verdict.outcome]} Of {len(deciding)} checks that decide: {', '.join(parts)}."


def _answers(found: Overview) -> Iterator[Answer]:
    verdict = found.verdict
    by_id = {check.id: check for check in verdict.checks}
    blocking = [by_id[key] for key in verdict.blocking if key in by_id]
    if blocking:
        lines: list[Text] = [_line(check) for check in blocking[:5]]
        if len(blocking) > 5:
            lines.append(f"and {len(blocking) - 5} more below")
        yield Answer("What blocks it", lines, wide=True)
    waiting = [prose(w.sentence) for w in verdict.enough_data]
    undecided = any(c.outcome == "undecided" for c in blocking)
    enough = "Not known for what is undecided." if undecided else "There is enough for every check."
    yield from trial_answer(found.trial)
    yield Answer("When there is enough data", waiting or [enough])
    step = verdict.next
    after = (
        f"{step.phase.capitalize()} at {percent(step.weight)} of the traffic"
        if step
        else "None yet"
    )
    yield Answer("Next step", [shown(after), f"Verdict valid until {moment(verdict.valid_until)}"])
    yield Answer(
        "Models",
        [
            Markup("{}: {}").format(side.capitalize(), name(verdict.models.get(side, side)))
            for side in ("champion", "challenger")
        ],
    )
    apart = found.answers.divergence
    seen: list[Text] = [span(*verdict.window)]
    if apart:
        rows = apart.coverage
        pairs = f"{count(apart.pairs)} pairs of " if apart.pairs else ""
        seen.append(
            f"{pairs}{count(rows.get('champion_rows', 0))} champion "
            f"and {count(rows.get('challenger_rows', 0))} challenger requests"
        )
    yield Answer("Judged", seen)
    yield from levels_answer(found)
    moved = [c for c in found.columns if c.drift.debiased is not None][:3]
    if moved:
        largest: list[Text] = [
            Markup("{} ({}): PSI {}").format(name(c.drift.column), c.models, number(c.drift.psi))
            for c in moved
        ]
        yield Answer("What moved most", largest)
    if found.changed:
        yield Answer(
            "Beware",
            [
                "Profiles were made anew since this verdict, so the evidence below may differ "
                f"from it: {', '.join(found.changed[:3])}"
                + (f" and {len(found.changed) - 3} more." if len(found.changed) > 3 else ".")
            ],
            wide=True,
        )


def _line(check: Check) -> Markup:
    return Markup("<span class=hung>{} <span><strong>{}.</strong> {}</span></span>").format(
        chip(check.outcome), title(check.metric), prose(check.sentence)
    )


def title(text: str) -> str:
    """The first letter raised, the rest as it is."""
    return shown(text[:1].upper() + text[1:])


def _checks_section(verdict: Verdict) -> Section:
    ranked = sorted(verdict.checks, key=lambda c: (RANK[c.outcome], LAYERS.index(c.layer)))
    heads = [Head("Outcome"), Head("What was seen"), Head("Interval and limit", "picture")]
    rows = [[_outcome(c), _seen(c), bullet(c)] for c in ranked]
    return Section(
        "checks",
        "Every check",
        "A check passes when its whole interval keeps the limit, fails when none of it does, and "
        "is undecided otherwise. In the picture the bar is the interval, the upright line the "
        "limit, the shaded side the wrong one.",
        [Table("All checks, those that block first", heads, rows, stacked=True)],
        [f"analyzer verify verdict.json {how(verdict)}"],
    )


def _outcome(check: Check) -> Markup:
    kept = "" if check.severity == "block" else Markup("<small>shown only</small>")
    return Markup("{}{}").format(chip(check.outcome), kept)


def _seen(check: Check) -> Markup:
    seen = check.observed
    size = f"n = {count(seen.n)}; {shown(seen.method)}" if seen.method else shown(seen.undefined)
    return Markup("<strong>{}</strong> {} <small>{} · {}</small>").format(
        title(check.metric) + ".", prose(check.sentence), code(check.id), size
    )


def _gate_section(verdict: Verdict) -> Section:
    blocks: list[Block] = []
    for title, lines in (
        ("What could have been found", verdict.detectable),
        ("The same limits on a log where nothing differs", [t.sentence for t in verdict.record]),
        ("Notes", verdict.notes),
    ):
        if lines:
            blocks.append(Lines([prose(line) for line in lines], title, listed=True))
    facts: list[tuple[Text, Text]] = [
        ("Cost of the phase", prose(verdict.cost)),
        ("Minutes nothing watched", count(verdict.unwatched_minutes)),
        ("As of", moment(verdict.as_of)),
        ("Exit code", str(verdict.exit_code)),
    ]
    slots: Sequence[Sequence[Text]] = [
        [slot, code(digest)] for slot, digest in sorted(verdict.profiles.items())
    ]
    return Section(
        "gate",
        "How far this verdict can be trusted",
        "",
        [
            Facts(facts),
            *blocks,
            Table(
                "Profiles that the verdict rests on",
                [Head("Slot"), Head("Digest")],
                slots,
                folded=f"{len(slots)} profiles and their digests",
            ),
        ],
        [f"analyzer gate {verdict.phase} {how(verdict)}"],
    )
