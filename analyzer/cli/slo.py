"""`analyzer slo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from analyzer.cli import common
from analyzer.cli.common import Job

if TYPE_CHECKING:
    from analyzer.slo.answer import Slo
    from analyzer.slo.budget import Budget
    from analyzer.slo.burn import Alert


@click.command(
    epilog="Example: analyzer slo; analyzer slo --last 7d --json\n\n"
    "In Python: analyzer.slo.answer.slo(rollout, policy, profiles, events)"
)
@common.job_options
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever was found.")
def command(job: Job, exit_zero: bool) -> int:
    """Is production healthy? Infrastructure, models, business, error budget; scan first.

    Judges the last complete day, or the window given. The exit code tells: 0 healthy, 3 hold,
    4 undecided, 5 roll back.
    """
    from analyzer.slo.answer import slo
    from analyzer.store import known_problems

    found = slo(
        job.rollout,
        job.policy,
        job.profiles(),
        job.events(),
        as_of=job.as_of,
        problems=known_problems(job.store),
    )
    if job.json:
        common.show_json(found)
    else:
        _show(found)
    return 0 if exit_zero else found.exit_code


def _show(found: Slo) -> None:
    common.say(f"{found.headline} {found.window[0]} to {found.window[1]}.")
    common.say(f"Users are answered by the {found.serves}.")
    if found.baseline:
        common.say(f"What is usual: {found.baseline}.")
    for layer in ("data", "infrastructure", "model", "business"):
        rows = [
            (c.outcome, c.sentence if c.severity == "block" else f"{c.sentence} (shown only)")
            for c in found.checks
            if c.layer == layer and (layer != "data" or c.outcome != "pass")
        ]
        if rows:
            common.say()
            common.show_table((layer, "what was seen"), rows)
    for budget in found.budgets:
        common.say()
        _show_budget(budget)


def _show_budget(budget: Budget) -> None:
    stands = f"{budget.stands_on:g} of {budget.days} days"
    common.show_table(
        ("alert", "windows", "above", "at once", "long", "short", "outcome"),
        [
            (
                a.alert,
                f"{a.hours} h, {a.minutes} min",
                f"{a.rate:g}",
                a.highest.value,
                a.long.value,
                a.short.value,
                _outcome(a),
            )
            for a in budget.alerts
        ],
        title=f"Budget of {budget.objective}, objective {budget.target:.6g}, on {stands}: "
        f"{_percent(budget.spent.value)} spent, {_percent(budget.left.value)} left",
        right="above long short",
    )


def _outcome(alert: Alert) -> str:
    if not alert.episodes:
        return alert.outcome
    first, last = alert.episodes[0]
    more = f", {len(alert.episodes)} times" if len(alert.episodes) > 1 else ""
    return f"{alert.outcome} {first} to {last}{more}"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"
