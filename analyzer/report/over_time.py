"""Sections of the page about an experiment: what each day said, power reached, novelty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from analyzer.experiment.analysis import Analysis
from analyzer.experiment.looks import Look, Stop
from analyzer.report.bands import bands
from analyzer.report.blocks import Block, Facts, Figure, Head, Lines, Section, Table, Text
from analyzer.report.lifts import how
from analyzer.report.marks import swatch
from analyzer.report.plots import CHALLENGER, NARROW, QUIET, WIDE, Band
from analyzer.report.words import count, percent, result, shown
from analyzer.stats.result import Estimate, Result

FORM = "+.1~%"


def over_time_section(found: Analysis) -> Section:
    """The primary metric day by day: the band to be read, and the one that must not be."""
    looks = found.looks
    lead = (
        f"The lift of {shown(found.promised.primary)} as it was known when each day began. The "
        "filled band may be read on any day, as often as one likes. The dashed one is that of a "
        "test planned for a single look: it is there for comparison and must not be read before "
        f"the planned end, {found.promised.end}."
    )
    if not any(isinstance(look.lift, Estimate) for look in looks):
        reason = next((_why(look.lift) for look in reversed(looks)), "no unit is known yet")
        return Section("over-time", "Effect over time", lead, [Lines([shown(reason, 300)])])
    blocks: list[Block] = [_course(found), Lines(list(_stopping(found)), listed=True)]
    return Section("over-time", "Effect over time", lead, blocks, how(found))


def _course(found: Analysis) -> Figure:
    looks = found.looks
    drawn = [
        _band([look.naive for look in looks], QUIET, filled=False),
        _band([look.lift for look in looks], CHALLENGER, filled=True),
    ]
    labels = [_short(look.day) for look in looks]
    last = looks[-1]
    heads = [
        Head("Day began"),
        Head("Units", "number"),
        Head("Lift, at any time", "number"),
        Head("Naive: not to be read", "number"),
    ]
    rows: list[list[Text]] = [
        [look.day, count(look.units), result(look.lift, "share"), result(look.naive, "share")]
        for look in looks
    ]
    return Figure(
        "Lift by day",
        f"Lift by day, {looks[0].day} to {last.day}. Last: {_said(last.lift)}.",
        bands(labels, drawn, width=WIDE, form=FORM),
        bands(labels, drawn, width=NARROW, form=FORM),
        [
            swatch("line accent", "lift, with the interval to be read at any time"),
            swatch("dashed", "naive interval, not to be read before the planned end"),
        ],
        "Intervals of the first days that are wider than the picture end at its edge.",
        Table("Lift by day", heads, rows, folded=f"Numbers ({len(rows)})", dense=True),
    )


def _stopping(found: Analysis) -> Iterator[str]:
    """What an earlier stop would have cost."""
    now = next(look for look in reversed(found.looks) if isinstance(look.lift, Estimate))
    for stop in found.stops:
        yield _stop(stop, now, found)
    planned = count(found.promised.n_star)
    yield (
        f"By {now.day} there are {count(now.units)} of {planned} planned units. A stop before the "
        "planned end gives up the one test that may promote, and keeps the wider interval of its "
        "day."
    )


def _stop(stop: Stop, now: Look, found: Analysis) -> str:
    which = {"always valid": "interval to be read at any time", "naive": "naive interval"}[stop.way]
    if stop.day is None:
        return f"The {which} excluded 0 on no day."
    saved = max(found.promised.n_star - stop.units, 0.0)
    return (
        f"The {which} first excluded 0 on {stop.day}, with {count(stop.units)} units, "
        f"{count(saved)} fewer than planned: it read {_said(stop.lift)}; on {now.day} the lift is "
        f"{_said(now.lift)}.{_back(stop, found)}"
    )


def _back(stop: Stop, found: Analysis) -> str:
    """What it means that the interval held 0 again later."""
    if not stop.back:
        return ""
    again = f" On {count(stop.back)} later {'day' if stop.back == 1 else 'days'} it held 0 again"
    if stop.way == "naive":
        return f"{again}: whoever stops where it first excludes 0 often stops on chance."
    wrong = percent(found.promised.sequence_alpha)
    return (
        f"{again}, which takes nothing back: where there is no effect, it excludes 0 on any day "
        f"in {wrong} of experiments at most."
    )


def power_section(found: Analysis) -> Section:
    """How much was promised, how much is reached."""
    promised, looks = found.promised, found.looks
    facts: list[tuple[Text, Text]] = [
        ("Units planned (N*)", count(promised.n_star)),
        ("Units so far", count(sum(found.units.values()))),
        ("Planned", f"{promised.start} to {promised.end}"),
        ("Lift planned for", percent(promised.min_effect)),
        ("Power planned", percent(promised.power)),
    ]
    known = [look for look in looks if isinstance(look.detectable, Estimate)]
    blocks: list[Block] = [Facts(facts)]
    if known:
        last = known[-1]
        facts += [
            ("Smallest lift found now", _share(last.detectable)),
            ("Power now for the lift planned", _share(last.power)),
        ]
        blocks.append(_detectable(known, promised.min_effect))
    return Section(
        "power",
        "Power reached",
        "Both of the interval that may be read at any time: the smallest true lift that it would "
        f"exclude 0 for with a power of {percent(promised.power)}, and its power for the lift that "
        "was planned for. The scatter is the one seen, freed of what the effect seen adds to it.",
        blocks,
        how(found),
    )


def _detectable(known: Sequence[Look], planned: float) -> Figure:
    values = [_value(look.detectable) for look in known]
    labels = [_short(look.day) for look in known]
    rows: list[list[Text]] = [
        [look.day, count(look.units), _share(look.detectable), _share(look.power)] for look in known
    ]
    heads = [
        Head("Day began"),
        Head("Units", "number"),
        Head("Smallest lift", "number"),
        Head("Power", "number"),
    ]
    drawn = [Band(values, values, values)]
    return Figure(
        "Smallest lift that would have been found, by day",
        f"Smallest lift by day: {percent(values[0])} at first, {percent(values[-1])} on "
        f"{known[-1].day}; {percent(planned)} was planned for.",
        bands(labels, drawn, width=WIDE, form=FORM, limit=planned),
        bands(labels, drawn, width=NARROW, form=FORM, limit=planned),
        [swatch("line accent", "smallest lift"), swatch("dashed", "lift planned for")],
        "",
        Table("Power by day", heads, rows, folded=f"Numbers ({len(rows)})", dense=True),
    )


def novelty_section(found: Analysis) -> Section:
    """Does the effect wear off?"""
    seen = found.novelty
    facts: list[tuple[Text, Text]] = [
        ("First third of a unit’s days", _said(seen.early)),
        ("Last third", _said(seen.late)),
        ("Last third minus first", _said(seen.contrast)),
        ("Slope on ln(1 + day)", _said(seen.slope)),
    ]
    lead = (
        f"The lift of {shown(found.promised.primary)} by days since a unit was "
        "first exposed: the same units on every day. An effect that wears off is smaller in the "
        "last third for certain."
    )
    blocks: list[Block] = [Facts(facts)]
    if any(isinstance(day, Estimate) for day in found.wear):
        blocks.append(_wear(found.wear))
    return Section("novelty", "Novelty", lead, blocks, how(found))


def _wear(days: Sequence[Result]) -> Figure:
    labels = [str(day) for day in range(len(days))]
    drawn = [_band(days, CHALLENGER, filled=True)]
    heads = [Head("Day", "number"), Head("Lift", "number")]
    rows: list[list[Text]] = [[str(day), _said(lift)] for day, lift in enumerate(days)]
    return Figure(
        "Lift by days since exposure",
        f"Lift by days since exposure: first day {_share(days[0])}, last {_share(days[-1])}.",
        bands(labels, drawn, width=WIDE, form=FORM),
        bands(labels, drawn, width=NARROW, form=FORM),
        (),
        "Each day’s interval is its own, at 95 %. Day 0 is that of the first exposure.",
        Table("Lift by days", heads, rows, folded=f"Numbers ({len(rows)})", dense=True),
    )


def _band(results: Sequence[Result], tone: str, *, filled: bool) -> Band:
    known = [found if isinstance(found, Estimate) else None for found in results]
    values = [None if found is None else found.value for found in known]
    low = [None if found is None else found.low for found in known]
    high = [None if found is None else found.high for found in known]
    return Band(values, low, high, tone, filled)


def _short(day: str) -> str:
    """A date for an axis: 16 Mar."""
    return date.fromisoformat(day).strftime("%-d %b")


def _said(found: Result) -> str:
    if not isinstance(found, Estimate):
        return f"unknown ({shown(found.reason, 200)})"
    return f"{percent(found.value)} ({percent(found.low)} to {percent(found.high)})"


def _why(found: Result) -> str:
    return "" if isinstance(found, Estimate) else found.reason


def _share(found: Result) -> str:
    return percent(found.value) if isinstance(found, Estimate) else shown(found.reason, 200)


def _value(found: Result) -> float | None:
    return found.value if isinstance(found, Estimate) else None
