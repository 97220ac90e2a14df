"""What `analyzer labels` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.cli import common
from analyzer.cli.proxies import show as show_proxies

if TYPE_CHECKING:
    from analyzer.labels.answer import Labels
    from analyzer.labels.comparison import Comparison, Waited
    from analyzer.labels.exploration import Exploration
    from analyzer.labels.quality import Quality
    from analyzer.labels.selective import Acceptance
    from analyzer.stats.result import Result

HEADLINE = {
    "binary": ("accuracy", "recall", "ROC AUC", "Brier"),
    "classes": ("accuracy", "macro F1"),
    "values": ("MAE", "RMSE", "bias"),
}
"""Metrics shown by group; `--json` has all."""


def show(found: Labels, by: str | None) -> None:
    """Print what labels say; `by`: also the quality of groups."""
    common.say(
        f"Labels known by {found.as_of} 00:00 UTC, predictions from {found.first} to {found.last}"
    )
    for reason, n in found.faults.items():
        common.say(f"left out: {common.counted(n, 'label')}, {reason}")
    for what, n in found.basis.items():
        common.say(f"called by the {what} ({common.counted(n, 'labelled row')})")
    _maturity(found)
    _quality([q for q in found.quality if q.by == "all"])
    _comparison(found.comparison)
    if found.acceptance is not None:
        _acceptance(found.acceptance)
    if found.exploration is not None:
        _exploration(found.exploration)
    show_proxies(found.proxies)
    if by is not None:
        _groups([q for q in found.quality if q.by == by], found.kind)


def _maturity(found: Labels) -> None:
    ages = (1, 7, 14, 30)
    rows = []
    for m in found.maturity:
        by_age = {one.age: one.complete for one in m.curve}
        rows.append(
            (
                m.label or "all",
                f"{m.labels:,.0f}",
                m.days,
                *(_share(by_age.get(age)) for age in ages),
                _day(m.ready_age),
            )
        )
    names = ("label", "labels", "days", *(f"{age} d" for age in ages), "0.9 at")
    common.show_table(names, rows, title="Share of labels here by age", right=" ".join(names[1:]))
    for m in found.maturity:
        if m.alarm:
            common.say(f"ALARM: {m.alarm}")
        if m.note:
            common.say(f"note: {m.note}")
        if m.slowest:
            common.say(f"{m.label or 'labels'}: slowest where {m.slowest.where}")
        if m.pace:
            common.say(f"note: labels {m.label}: {m.pace}")
        if m.uploads:
            days = common.counted(len(m.uploads), "day")
            common.say(f"{m.label or 'labels'}: {days} came in one upload and are left out")
        if m.by_weekday:
            common.say(f"{m.label or 'labels'}: uploads follow the week, shown for Mondays")


def _share(result: Result | None) -> str:
    from analyzer.stats.result import Estimate

    return f"{result.value:.0%}" if isinstance(result, Estimate) else "-"


def _day(result: Result) -> str:
    from analyzer.stats.result import Estimate

    return f"{result.value:.0f} d" if isinstance(result, Estimate) else "unknown"


def _quality(both: list[Quality]) -> None:
    if not both:
        common.say("no prediction in this window")
        return
    from analyzer.measure import scored

    champion, challenger = both
    rows = [
        ["labelled", *(f"{q.n:,.0f} of {q.predicted:,.0f}" for q in both)],
        ["coverage", *(f"{q.coverage:.1%}" for q in both)],
    ]
    for name in {**champion.metrics, **challenger.metrics}:
        rows.append([name, *(scored(q.metrics[name]) if name in q.metrics else "-" for q in both)])
    common.show_table(("metric", "champion", "challenger"), rows, title="Quality by labels so far")


def _comparison(found: Comparison) -> None:
    from analyzer.measure import scored

    if found.refused is not None:
        common.say(f"Which model is better cannot be said yet: {found.refused.reason}")
    else:
        common.show_table(
            ("metric", "challenger - champion", "these rows in the end", "better"),
            [(m.metric, scored(m.difference), scored(m.final), m.better) for m in found.metrics],
            title=f"The same {found.rows:,.0f} pairs of {len(found.days)} days (of {found.asked})",
        )
    for alarm in found.alarms:
        common.say(f"ALARM: {alarm}; intervals also hold labels that take twice as long")
    _waited(found.waited)


def _waited(found: Waited) -> None:
    from analyzer.measure import scored
    from analyzer.window import date

    if found.metrics:
        common.show_table(
            ("metric", "challenger - champion", "better"),
            [(m.metric, scored(m.difference), m.better) for m in found.metrics],
            title=f"Waiting: {common.counted(found.days, 'day')} with 0.9 of the labels",
        )
    ready = "when is unknown" if found.ready is None else f"on {date(found.ready)}"
    common.say(f"Simply waiting until 0.9 of the labels of every day are here: {ready}")


def _exploration(found: Exploration) -> None:
    from analyzer.measure import scored

    common.say(
        f"Let through at random: {found.explored:,.0f} labelled pairs, worth "
        f"{found.effective:,.0f}; they stand for {found.stands_for:,.0f} of the "
        f"{found.stopped:,.0f} that were stopped"
    )
    if found.comparison is None or found.refused is not None:
        reason = found.refused.reason if found.refused else "nothing was compared"
        common.say(f"Which model is better on all rows cannot be said: {reason}")
        return
    common.show_table(
        ("metric", "champion", "challenger", "challenger - champion", "better"),
        [
            (m.metric, scored(m.champion), scored(m.challenger), scored(m.difference), m.better)
            for m in found.comparison.metrics
        ],
        title="All rows, those that are stopped included",
    )


def _acceptance(found: Acceptance) -> None:
    from analyzer.stats.result import Undefined

    common.say(
        f"Let through by both {found.both:,.0f}, by the champion alone {found.only_champion:,.0f}, "
        f"by the challenger alone {found.only_challenger:,.0f} (these can have no label)"
    )
    if isinstance(found.bounds, Undefined):
        common.say(f"Bounds of what the challenger's decisions are worth: {found.bounds.reason}")
        return
    b = found.bounds
    common.say(
        f"Good ones let through, challenger minus champion, per pair: between {b.low:+.4g} and "
        f"{b.high:+.4g} ({b.outer_low:+.4g} to {b.outer_high:+.4g} with chance)"
    )


def _groups(groups: list[Quality], kind: str) -> None:
    names, sign = HEADLINE[kind], "±" if common.utf8() else "+-"
    rows: list[tuple[str, ...]] = []
    for q in groups:
        if not rows or q.model == groups[0].model:
            rows.append((q.value, *[""] * (2 + len(names))))
        values = [_give_or_take(q.metrics.get(name), sign) for name in names]
        rows.append((f"  {q.model}", f"{q.n:,.0f}", f"{q.coverage:.0%}", *values))
    common.show_table(
        (f"by {groups[0].by}" if groups else "group", "n", "cover", *names),
        rows,
        title=f"Quality by group, {sign} half of the 95 % interval",
        right=" ".join(("n", "cover", *names)),
    )
    young = {q.value for q in groups if q.complete < 0.3}
    if young:
        common.say(f"nothing is said of {len(young)} groups: fewer than 0.3 of the labels are here")


def _give_or_take(result: Result | None, sign: str) -> str:
    """A value and how far the farther end of its interval is.

    >>> from analyzer.stats.result import Estimate
    >>> _give_or_take(Estimate(0.91234, 0.9, 0.92, 100, "example"), "+-")
    '0.912+-.012'
    """
    from analyzer.stats.result import Estimate

    if not isinstance(result, Estimate):
        return "-"
    half = max(result.value - result.low, result.high - result.value)
    return f"{result.value:.3g}{sign}{f'{half:.2g}'.removeprefix('0')}"
