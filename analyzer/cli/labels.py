"""`analyzer labels`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from analyzer.cli import common
from analyzer.cli.common import Job
from analyzer.cli.label_tables import show

if TYPE_CHECKING:
    from analyzer.labels.cells import Known


@click.command(
    epilog="Example: analyzer labels --last 30d --by week\n\n"
    "Example: analyzer labels --as-of 2013-06-10 --history\n\n"
    "In Python: analyzer.labels.answer.labels(known, arrival)\n\n\b\n"
    "[labels]                        # in rollout.toml\n"
    'paths = ["labels/**/*.parquet"] # request_id, label, label_ts\n'
    'arrival = "both"                # or positives, selective, sampled\n'
    'stratum = "country"             # a segment column, or hour: in which speeds differ\n'
    "quantiles = [0.1, 0.5, 0.9]     # of values: orders of the quantile losses\n"
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
    show(found, by)


def _known(job: Job) -> Known:
    """Labels joined up to date, and what was known at the as-of."""
    from analyzer.labels.known import known
    from analyzer.labels.update import update
    from analyzer.scan.memory import keep_freed_memory

    keep_freed_memory()
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


def _expected(job: Job, known: Known) -> None:
    from analyzer.binned import fine_bins
    from analyzer.labels.maturity import of_labels
    from analyzer.labels.unlabelled import hinted
    from analyzer.measure import scored

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
    from analyzer.labels.answer import metrics_for
    from analyzer.labels.evidence import evidence
    from analyzer.labels.history import history
    from analyzer.measure import scored
    from analyzer.stats.result import Undefined
    from analyzer.window import date

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
