"""`analyzer experiment`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer.cli import common, pages

if TYPE_CHECKING:
    from analyzer.cli.common import Job
    from analyzer.experiment.analysis import Analysis
    from analyzer.experiment.known import Known
    from analyzer.experiment.plan import Plan
    from analyzer.stats.result import Result


html_option = click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the page about it as well.",
)


@click.group(
    epilog="Example: analyzer experiment analyze\n\n\b\n"
    "[experiment]                     # in rollout.toml\n"
    'outcomes = ["outcomes/*.parquet"] # unit_id, variant, ts, values\n'
    "weight = 0.5                     # the challenger's planned share\n"
    "[experiment.metrics.revenue]     # any name\n"
    'role = "primary"                 # one; or secondary, guard rail\n'
    'kind = "mean"                    # or proportion, count, ratio, quantile\n'
    'value = "amount"                 # the column that is summed per unit\n'
    "[experiment.metrics.slow]        # a percentile of each request's latency\n"
    'kind = "quantile"                # of = "units": of the units\' totals\n'
    'of = "events"                    # ignore_zeros = true: of those not 0\n'
    "quantile = 0.99\n"
    'value = "latency_ms"             # events without one do not count'
)
def command() -> None:
    """Plan an A/B test before it starts, and read it at any time."""


@command.command(
    "plan",
    epilog="Example: analyzer experiment plan --min-effect 0.02 --start 2026-03-16\n\n"
    "In Python: analyzer.experiment.plan.plan(known, limits)",
)
@common.job_options
@click.option(
    "--min-effect", type=click.FloatRange(0, min_open=True), help="Smallest lift worth finding."
)
@click.option("--start", "begin", metavar="DAY", help="Register the plan, to start on this day.")
@html_option
def plan_it(job: Job, min_effect: float | None, begin: str | None, html: Path | None) -> None:
    """How many units and days an experiment needs, from outcomes of the past.

    With --start the plan is registered: written once to registration.json beside rollout.toml,
    which `analyze` demands. --from and --to choose the outcomes that are planned from.
    """
    from analyzer.experiment.plan import plan, register
    from analyzer.experiment.registration import save
    from analyzer.stats.result import Undefined
    from analyzer.window import HOUR, parse

    known = _known(job)
    limits = job.policy.experiment
    found = plan(known, limits, min_effect)
    if job.json:
        common.show_json(found)
    else:
        _show_plan(found)
    if html is not None:
        from analyzer.report.planned import report

        pages.written(html, report(found, job.rollout.name))
    if begin is None:
        return
    effect = limits.min_effect if min_effect is None else min_effect
    start = parse(begin) // (24 * HOUR)
    registered = register(job.rollout.name, known, found, limits, start, effect)
    if isinstance(registered, Undefined):
        raise click.ClickException(f"nothing to register: {registered.reason}")
    path = _registration(job)
    save(path, registered)
    common.note(
        f"registered {registered.start} to {registered.end}, {registered.n_star:,} units -> {path}"
    )


@command.command(
    "analyze",
    epilog="Example: analyzer experiment analyze --as-of 2026-03-20\n\n"
    "In Python: analyzer.experiment.analysis.analyze(known, registration, limits, events)",
)
@common.job_options
@html_option
def analyze_it(job: Job, html: Path | None) -> None:
    """What the experiment says so far, each metric with an interval that may be read at any time.

    The interval of a fixed horizon is shown once the planned end has come, not before. Judges
    nothing: 0 done, 1 the tool failed, 2 usage.
    """
    from analyzer.experiment.analysis import analyze
    from analyzer.experiment.registration import load

    registration = load(_registration(job))
    events = job.events()
    found = analyze(_known(job, whole=True), registration, job.policy.experiment, events)
    if job.json:
        common.show_json(found)
    else:
        _show(found)
    if html is not None:
        # drawing loads a JavaScript engine: only who wants a page pays for it
        from analyzer.report.experiment import report

        pages.written(html, report(found))


def _registration(job: Job) -> Path:
    from analyzer.experiment.registration import FILE

    return Path(job.rollout.root) / FILE


def _known(job: Job, *, whole: bool = False) -> Known:
    """Outcomes read up to date, and what was known at the as-of."""
    from analyzer.experiment.known import known
    from analyzer.experiment.update import update
    from analyzer.scan.memory import keep_freed_memory
    from analyzer.window import HOUR

    keep_freed_memory()
    with common.progress_bar("reading outcomes") as progress:
        done = update(job.rollout, progress=progress)
    for file in done.problems:
        common.note(f"left out: {file.name} {file.problem}")
    if job.bounds is None or whole:
        return known(job.rollout, job.as_of)
    start, end = job.bounds
    day = 24 * HOUR
    as_of = end if job.as_of is None else min(end, job.as_of)
    return known(job.rollout, as_of, start // day, -(-end // day))


def _show_plan(found: Plan) -> None:
    common.say(
        f"Units first seen a day: {_number(found.per_day)}; the challenger gets {found.weight:.0%}"
    )
    rows = [
        (
            need.metric,
            need.role,
            _number(need.deviation),
            f"{need.explained:.0%}",
            f"{need.effect:.3g}",
            _number(need.units),
            _number(need.sequence),
            _number(need.days),
        )
        for need in found.needs
    ]
    names = ("metric", "role", "SD", "CUPED", "lift", "units at end", "any time", "days")
    common.show_table(names, rows, right="SD CUPED lift days")
    for need in found.needs:
        for result in (need.deviation, need.days):
            reason = getattr(result, "reason", "")
            if reason:
                common.say(f"{need.metric}: {reason}")
                break
    shown = [(day, lift) for day, lift in found.detectable if day in (1, 3, 7, 14, 21, 28, 42, 60)]
    common.show_table(
        ("day", "smallest lift found"),
        [(day, f"{lift:.2%}") for day, lift in shown],
        title=f"{found.primary}, read at any time",
        right="day",
    )
    common.say(f"Planned: {_number(found.days)} days, N* = {_number(found.n_star)} units")


def _number(result: Result) -> str:
    from analyzer.stats.result import Estimate

    if not isinstance(result, Estimate):
        return "-"
    return f"{result.value:,.0f}" if abs(result.value) >= 100 else f"{result.value:.3g}"


def _show(found: Analysis) -> None:
    counts = ", ".join(f"{arm} {n:,.0f}" for arm, n in found.units.items())
    state = "the planned end has come" if found.ended else "running"
    common.say(f"Known by {found.as_of} 00:00 UTC ({state}); N* = {found.n_star:,}")
    common.say(f"Units first exposed {found.first} to {found.last}: {counts}")
    if found.clusters is not None:
        told = ", ".join(f"{arm} {n:,.0f}" for arm, n in found.clusters.items())
        common.say(f"In clusters: {told}; errors and the split are told from them")
    common.say(f"Planned split: p = {_number(found.ratio)}; data: {found.valid}")
    if found.valid == "invalid":
        common.say("INVALID: the units are not split as planned; no effect below can be trusted.")
    rows = [
        (
            one.metric,
            one.role,
            one.champion,
            one.challenger,
            _lift(one.lift),
            _ends(one.lift),
            f"{one.explained:.0%}",
        )
        for one in found.readings
    ]
    names = ("metric", "role", "champion", "challenger", "lift", "always valid", "CUPED")
    common.show_table(names, rows, right="champion challenger lift CUPED")
    for one in found.readings:
        reason = getattr(one.lift, "reason", "")
        if reason:
            common.say(f"{one.metric}: {reason}")
        if one.cut is not None:
            common.say(f"{one.metric}, outliers cut: {_lift(one.cut)} {_ends(one.cut)}")
        if found.ended:
            common.say(f"{one.metric}, at the planned end: {_lift(one.final)} {_ends(one.final)}")
    wears = found.novelty.contrast
    if _lift(wears) != "-":
        common.say(f"Lift of the last third of days minus the first: {_lift(wears)} {_ends(wears)}")
    for named in found.segments:
        if named.differs:
            value = "NULL" if named.value is None else named.value
            common.say(f"{named.column} = {value}: {_lift(named.lift)} {_ends(named.lift)}")
    for reason, n in found.faults.items():
        common.say(f"left out or odd: {n:,}, {reason}")
    for gap in found.gaps:
        if gap.days:
            common.say(f"{gap.column}: not logged at all on {', '.join(gap.days)}")
    for text in (*(m.sentence for m in found.mistakes), *found.notes):
        common.say(text)


def _lift(result: Result) -> str:
    from analyzer.stats.result import Estimate

    return f"{result.value:+.2%}" if isinstance(result, Estimate) else "-"


def _ends(result: Result, form: str = "+.2%") -> str:
    from analyzer.stats.result import Estimate

    if not isinstance(result, Estimate):
        return ""
    return f"({result.low:{form}} to {result.high:{form}})"
