"""`analyzer labels`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from analyzer.cli import common
from analyzer.cli.common import Job
from analyzer.cli.proxies import show as show_proxies

if TYPE_CHECKING:
    from analyzer.labels.answer import Labels
    from analyzer.labels.cells import Known
    from analyzer.labels.compare import Comparison
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


@click.command(
    epilog="Example: analyzer labels --last 30d --by week\n\n"
    "Example: analyzer labels --as-of 2013-06-10 --history\n\n"
    "In Python: analyzer.labels.answer.labels(known, arrival)\n\n\b\n"
    "[labels]                        # in rollout.toml\n"
    'paths = ["labels/**/*.parquet"] # request_id, label, label_ts\n'
    'arrival = "both"                # or positives, selective, sampled\n'
    "[proxies.complaint]             # a fast signal, same columns; any name\n"
    'paths = ["complaints/*.parquet"]\n'
    "open_hours = 72                 # no signal by then: there is none"
)
@common.job_options
@click.option(
    "--by",
    type=click.Choice(["day", "week", "segment", "age"]),
    help="Also the quality of each model by prediction day, week, segment or label age.",
)
@click.option("--history", is_flag=True, help="What was said on past nights, and what came true.")
@click.option(
    "--expected", is_flag=True, help="What calibrated scores expect of the window, without labels."
)
def command(job: Job, by: str | None, history: bool, expected: bool) -> None:
    """What the labels known so far say: quality, which model is better, what is still to come.

    Labels that are still on their way are allowed for: each label counts 1 / completeness of its
    class at its age. Nothing is said where fewer than 0.3 have arrived.
    """
    from dataclasses import replace

    from analyzer.labels.answer import labels
    from analyzer.labels.proxies.answer import proxies

    known = _known(job)
    if history:
        _history(job, known)
        return
    if expected:
        _expected(job, known)
        return
    first, last = _days(job)
    arrival = job.rollout.labels.arrival
    found = labels(known, arrival, first=first, last=last, by=by or "all")  # type: ignore[arg-type]
    told = proxies(job.rollout, known, arrival, job.policy.proxy)
    found = replace(found, proxies=told)
    if job.json:
        common.show_json(found)
        return
    _show(found, by)


def _known(job: Job) -> Known:
    """Labels joined up to date, and what was known at the as-of."""
    from analyzer.labels.known import known
    from analyzer.labels.update import update

    with common.progress_bar("joining labels") as progress:
        update(job.rollout, progress=progress)
    return known(job.rollout, job.as_of)


def _days(job: Job) -> tuple[int | None, int | None]:
    """The window's prediction days."""
    from analyzer.window import HOUR

    if job.bounds is None:
        return None, None
    start, end = job.bounds
    return start // (24 * HOUR), -(-end // (24 * HOUR))


def _show(found: Labels, by: str | None) -> None:
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
    from analyzer.labels.answer import date
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
    ready = "when is unknown" if found.waited.ready is None else f"on {date(found.waited.ready)}"
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
    from analyzer.stats.result import Undefined

    names = HEADLINE[kind]
    rows = []
    for q in groups:
        values = [q.metrics.get(name, Undefined("not measured")) for name in names]
        shown = ["-" if isinstance(v, Undefined) else f"{v.value:.4g}" for v in values]
        rows.append((q.value, q.model, f"{q.n:,.0f}", f"{q.coverage:.0%}", *shown))
    common.show_table(
        (f"by {groups[0].by}" if groups else "group", "model", "n", "cover", *names),
        rows,
        title="Quality by group",
        right=" ".join(("n", "cover", *names)),
    )
    young = {q.value for q in groups if q.complete < 0.3}
    if young:
        common.say(f"nothing is said of {len(young)} groups: fewer than 0.3 of the labels are here")


def _expected(job: Job, known: Known) -> None:
    from analyzer.labels.maturity import of_labels
    from analyzer.labels.unlabelled import hinted
    from analyzer.measure import fine_bins, scored

    profiles, ladders = job.profiles(), of_labels(known)
    found = [
        hinted(known, ladders, side, *fine_bins(profiles, side, "score")[1:])
        for side in ("champion", "challenger")
    ]
    if job.json:
        common.show_json(found)
        return
    common.show_table(
        ("metric", "champion", "challenger"),
        [(name, *(scored(x.metrics[name]) for x in found)) for name in found[0].metrics],
        title=f"Expected from calibrated scores, {profiles.window}",
    )
    common.say("If scores mean what they meant: blind where the world itself has changed")


def _history(job: Job, known: Known) -> None:
    from analyzer.labels.answer import date, metrics_for
    from analyzer.labels.evidence import evidence
    from analyzer.labels.history import history
    from analyzer.measure import scored
    from analyzer.stats.result import Undefined

    found = history(evidence(known), job.rollout.labels.arrival, metrics_for(known)[0])
    if job.json:
        common.show_json(found)
        return
    common.show_table(
        ("night", "week from", "here", f"{found.metric}: said", "in the end", "held", "named"),
        [
            (
                date(t.as_of),
                date(t.first),
                f"{t.complete:.0%}",
                scored(t.said),
                t.truth,
                t.held,
                t.better,
            )
            for t in found.nights
        ],
        title="Challenger minus champion, as told on past nights",
    )
    result = found.backtest
    if isinstance(result, Undefined):
        common.say(f"Nothing to hold against the truth yet: {result.reason}")
        return
    naive = "" if result.naive_error is None else f", labels so far alone {result.naive_error:.3g}"
    common.say(
        f"Intervals (90 %) held: {scored(result.held)} of {result.answered} nights; "
        f"error {result.error:.3g}{naive}; {common.counted(found.wrong, 'night')} of {found.named} "
        "named the wrong model"
    )
