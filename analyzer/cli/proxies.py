"""The section of `analyzer labels` about proxies: how good each was, then what it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analyzer.cli import common

if TYPE_CHECKING:
    from analyzer.labels.proxies.answer import ProxyAnswer, Said


def show(answers: Sequence[ProxyAnswer]) -> None:
    """Print every proxy: its past first, then the present, then whether to trust it."""
    for found in answers:
        _facts(found)
        if found.said:
            _past(found)
            _present(found)


def _facts(found: ProxyAnswer) -> None:
    from analyzer.window import date

    common.say(f"Proxy {found.name}: signals settled on {common.counted(found.settled, 'day')}")
    for reason, n in found.faults.items():
        common.say(f"left out: {common.counted(n, 'signal')}, {reason}")
    if found.silent:
        shown = ", ".join(date(day) for day in found.silent[-5:])
        common.say(f"without any signal, left out: {len(found.silent)} days, last {shown}")
    if found.refused:
        common.say(f"Proxy {found.name} says nothing: {found.refused}")
        return
    rates = [f"{x:.2%}" for x in (found.signals, found.signals_now) if x is not None]
    if len(rates) == 2:
        common.say(f"share with a signal: {rates[0]} on matured days, {rates[1]} on the newest")
    if found.worth_with is not None and found.worth_without is not None:
        common.say(
            f"{found.metric} of the champion: {found.worth_with:.4g} with a signal, "
            f"{found.worth_without:.4g} without ({common.counted(found.matured, 'matured day')})"
        )


def _past(found: ProxyAnswer) -> None:
    """The trial on past weeks: before anything that the proxy says now."""
    rows = []
    for said in found.said:
        tried, weeks = said.trial, len(said.trial.cohorts)
        held = sum(cohort.held is True for cohort in tried.cohorts)
        error = before = None
        if weeks:
            error, before = _errors(said)
        rows.append(
            (said.whose, f"{held} of {weeks}", error, before, tried.days_earlier, tried.added)
        )
    common.show_table(
        (found.metric, "held", "error", "without it", "days earlier", "added"),
        rows,
        title=f"{found.name} on past weeks: its first word against the labels in the end",
        right="held error without it days earlier added",
    )


def _errors(said: Said) -> tuple[float | None, float | None]:
    from analyzer.stats.result import Undefined

    result = said.trial.result
    if isinstance(result, Undefined):
        return None, None
    return result.error, result.naive_error


def _present(found: ProxyAnswer) -> None:
    from analyzer.labels.proxies.estimate import Powered
    from analyzer.measure import scored
    from analyzer.stats.prediction_powered import PredictionPowered
    from analyzer.stats.result import Undefined

    def size(now: Powered) -> str:
        told = now.with_proxy
        if not isinstance(told, PredictionPowered):
            return "-"
        return f"{told.labels:,.0f} > {told.effective_n:,.0f}"

    rows = []
    for said in found.said:
        told = said.now.with_proxy
        mean = told.mean if isinstance(told, PredictionPowered) else told
        expected = said.warning.expected
        young = expected if isinstance(expected, Undefined) else expected.value
        rows.append((said.whose, scored(mean), size(said.now), scored(young)))
    common.show_table(
        (found.metric, "labels and proxy", "n > effective", "newest: proxy only"),
        rows,
        title=f"{found.name} now: days with labels; days too young for them",
    )
    for said in found.said:
        if said.trusted:
            common.say(f"{said.whose}: trusted so far; proxy only is a warning, never a pass")
        for reason in said.distrust:
            common.say(f"{said.whose}: NOT TRUSTED, {reason}")
