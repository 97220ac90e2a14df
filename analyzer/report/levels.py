"""Service levels on the page about a verdict: three layers, and what is left of the budgets."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from analyzer.overview import Overview
from analyzer.report.blocks import Answer, Block, Facts, Head, Section, Table, Text
from analyzer.report.marks import bullet, chip, sparkline
from analyzer.report.words import DASH, count, number, percent, prose, shown, span
from analyzer.slo.answer import Slo
from analyzer.slo.budget import Budget
from analyzer.slo.burn import Alert
from analyzer.verdict import Check, Observed

LAYERS = {
    "data": "Data",
    "infrastructure": "Infrastructure",
    "model": "Model health",
    "business": "Business, with label delay",
}
RANK = {"fail": 0, "invalid": 1, "undecided": 2, "pass": 3}


def levels_answer(found: Overview) -> Iterator[Answer]:
    """The first screen's answer: is production healthy?"""
    levels = found.levels
    if levels is None:
        return
    tone = "good" if levels.outcome == "healthy" else None
    lines: list[Text] = [
        Markup("<span class=hung>{} <span>{}</span></span>").format(
            chip(levels.outcome, tone), prose(levels.headline)
        )
    ]
    left = [
        Markup("{} {}").format(b.objective, _share(b.left))
        for b in levels.budgets
        if b.left.value is not None
    ]
    if left:
        lines.append(Markup("Left of the error budgets: {}").format(Markup(", ").join(left)))
    yield Answer("Production on the last day", lines, wide=True)


def levels_section(found: Overview) -> Iterator[Section]:
    """Every level of the last day, layer by layer, and the error budgets."""
    levels = found.levels
    if levels is None:
        return
    lead = Markup("{}. {} Users are answered by the {}.").format(
        span(*levels.window), prose(levels.headline), shown(levels.serves)
    )
    if levels.baseline:
        lead += Markup(" What is usual: {}.").format(shown(levels.baseline, 400))
    first, last = levels.window
    how = [f"analyzer slo --from {first} --to {last} --as-of {levels.as_of}"]
    yield Section("levels", "Service levels", lead, list(_blocks(levels)), how)


def _blocks(levels: Slo) -> Iterator[Block]:
    heads = [Head("Outcome"), Head("What was seen"), Head("Interval and limit", "picture")]
    for layer, title in LAYERS.items():
        checks = [c for c in levels.checks if c.layer == layer and not _told_below(c)]
        if layer == "data":
            checks = [c for c in checks if c.outcome != "pass"]
        if checks:
            ranked = sorted(checks, key=lambda c: (c.severity, RANK[c.outcome]))
            rows: list[list[Text]] = [[_outcome(c), prose(c.sentence), bullet(c)] for c in ranked]
            yield Table(title, heads, rows, stacked=True)
    if levels.budgets:
        yield _spent(levels.budgets)
        yield _alerts(levels.budgets)


def _told_below(check: Check) -> bool:
    return check.id.startswith(("infrastructure.burn.", "infrastructure.budget."))


def _outcome(check: Check) -> Markup:
    kept = "" if check.severity == "block" else Markup("<small>shown only</small>")
    return Markup("{}{}").format(chip(check.outcome), kept)


def _spent(budgets: list[Budget]) -> Facts:
    pairs: list[tuple[Text, Text]] = []
    for b in budgets:
        missed = f"{count(b.bad)} of {count(b.requests)} requests missed it"
        stands = f"stands on {b.stands_on:g} of {b.days} days"
        told = Markup("{}; spent {}, left {}; {}").format(
            missed, _share(b.spent), _share(b.left), stands
        )
        pairs.append((f"{b.objective.capitalize()}, objective {percent(b.target, 6)}", told))
    return Facts(pairs, "Error budgets")


def _share(seen: Observed) -> Text:
    if seen.value is None:
        return shown(f"cannot be said: {seen.undefined}")
    ends = (
        ""
        if seen.low is None or seen.high is None
        else Markup(" <span class=ci>({} to {})</span>").format(
            percent(seen.low), percent(seen.high)
        )
    )
    return Markup("{}{}").format(percent(seen.value), ends)


def _alerts(budgets: list[Budget]) -> Table:
    heads = [Head("Outcome"), Head("Alert and what was seen"), Head("By the hour", "picture")]
    rows: list[list[Text]] = [
        [
            chip(a.outcome, {"alerted": "bad", "quiet": "good"}.get(a.outcome, "open")),
            Markup("<strong>{}, {} above {:g}</strong> over {} h and {} min. {}").format(
                b.objective.capitalize(), a.alert, a.rate, a.hours, a.minutes, _seen(a)
            ),
            sparkline(a.course, f"burn rate of {b.objective}, {a.hours} h"),
        ]
        for b in budgets
        for a in b.alerts
    ]
    caption = "Burn rates: so many times faster than evenly, over both windows at once"
    return Table(caption, heads, rows, stacked=True)


def _seen(alert: Alert) -> Text:
    if alert.highest.value is None:
        return prose(f"Cannot be said: {alert.highest.undefined}.")
    ends = [DASH if x.value is None else number(x.value) for x in (alert.long, alert.short)]
    fastest = f"Fastest {number(alert.highest.value)}; at the end {ends[0]} and {ends[1]}."
    if not alert.episodes:
        return fastest
    first, last = alert.episodes[0]
    more = f", and {len(alert.episodes) - 1} times more" if len(alert.episodes) > 1 else ""
    return Markup("{} Alerted {}{}.").format(fastest, span(first, last), more)
