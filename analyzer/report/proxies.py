"""Section of the page about a verdict: what fast signals say, their past weeks first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from analyzer.labels.proxies.answer import ProxyAnswer, Said
from analyzer.labels.proxies.estimate import Powered
from analyzer.overview import Late
from analyzer.report.blocks import Block, Facts, Head, Lines, Section, Table, Text
from analyzer.report.words import count, name, number, percent, prose, result, shown
from analyzer.stats.prediction_powered import PredictionPowered
from analyzer.stats.result import Undefined
from analyzer.window import date

TITLE = "Proxies: fast signals in place of late labels"


def proxies_section(late: Late) -> list[Section]:
    """How good each proxy was, what it says now; no section where no proxy was asked."""
    told = late.labels
    if told is None or not told.proxies:
        return []
    lead = (
        f"Signals and labels known by {told.as_of} 00:00 UTC. First what each proxy said on past "
        "weeks, against the labels that came later; then what it says now. A proxy warns; it "
        "never lets a check pass."
    )
    blocks = [block for one in told.proxies for block in _blocks(one)]
    return [Section("proxies", TITLE, lead, blocks, [f"analyzer labels --as-of {told.as_of}"])]


def _blocks(found: ProxyAnswer) -> Iterator[Block]:
    yield Facts(list(_facts(found)), title=f"Proxy {shown(found.name)}")
    if not found.said:
        return
    yield _past(found)
    yield _present(found)
    yield Lines(list(_trust(found.said)), f"Whether to trust {shown(found.name)}", listed=True)


def _facts(found: ProxyAnswer) -> Iterator[tuple[Text, Text]]:
    if found.refused:
        yield "Says nothing", prose(found.refused)
    yield "Days with settled signals", count(found.settled)
    yield "Of these with all labels", count(found.matured)
    if found.signals is not None and found.signals_now is not None:
        rates = (
            f"{percent(found.signals)} on matured days, {percent(found.signals_now)} on the newest"
        )
        yield "Share with a signal", rates
    if found.worth_with is not None and found.worth_without is not None:
        with_signal, without = number(found.worth_with), number(found.worth_without)
        said = f"{with_signal} with a signal, {without} without"
        yield f"Champion's {found.metric}", said
    if found.silent:
        last = ", ".join(date(day) for day in found.silent[-3:])
        yield "Days without any signal, left out", f"{count(len(found.silent))}, last {last}"
    for reason, n in found.faults.items():
        yield "Signals left out", f"{count(n)}: {shown(reason)}"


def _past(found: ProxyAnswer) -> Table:
    rows: list[list[Text]] = []
    for said in found.said:
        tried = said.trial
        weeks, held = len(tried.cohorts), sum(c.held is True for c in tried.cohorts)
        error = before = None
        if not isinstance(tried.result, Undefined):
            error, before = tried.result.error, tried.result.naive_error
        figures = [_figure(x) for x in (error, before, tried.days_earlier)]
        rows.append([said.whose, f"{held} of {weeks}", *figures])
    heads = [
        Head(f"{found.metric} of"),
        Head("Weeks its interval held", "number"),
        Head("Off by", "number"),
        Head("Without it", "number"),
        Head("Days earlier", "number"),
    ]
    caption = Markup("{} on past weeks: its first word against the labels in the end")
    return Table(caption.format(name(found.name)), heads, rows, stacked=True)


def _figure(value: float | None) -> Text:
    return "none" if value is None else number(value)


def _present(found: ProxyAnswer) -> Table:
    rows: list[list[Text]] = []
    for said in found.said:
        both, expected = said.now.with_proxy, said.warning.expected
        mean = both.mean if isinstance(both, PredictionPowered) else both
        young = expected if isinstance(expected, Undefined) else expected.value
        rows.append([said.whose, result(mean), _size(said.now), result(young), _word(said)])
    heads = [
        Head(f"{found.metric} of"),
        Head("Labels and proxy", "number"),
        Head("Labels, worth", "number"),
        Head("Newest days, proxy only", "number"),
        Head("Trust"),
    ]
    return Table(Markup("{} now").format(name(found.name)), heads, rows, stacked=True)


def _size(now: Powered) -> Text:
    told = now.with_proxy
    if not isinstance(told, PredictionPowered):
        return "none"
    return f"{count(told.labels)}, as {count(told.effective_n)}"


def _word(said: Said) -> Text:
    return "trusted so far" if said.trusted else Markup("<strong>NOT TRUSTED</strong>")


def _trust(answers: Sequence[Said]) -> Iterator[Text]:
    for said in answers:
        if said.trusted:
            yield f"{said.whose}: trusted so far, as a warning only."
        for reason in said.distrust:
            yield Markup("{}: <strong>NOT TRUSTED</strong>: {}.").format(said.whose, prose(reason))
