"""`analyzer check`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from analyzer.cli import USAGE, common
from analyzer.cli.common import Job

if TYPE_CHECKING:
    from analyzer.check import Check, Finding


@click.command(
    epilog="Example: analyzer check --from 2013-06-01 --to 2013-07-01\n\n"
    "In Python: analyzer.check.check(rollout, policy)"
)
@common.job_options
def command(job: Job) -> int:
    """List what is wrong with the logs, and how long the running phase's gate would need.

    Each finding names log, file, column, rows and what to do. Exit code 2 if the job could not
    run, else 0.
    """
    from analyzer.check import check

    events = job.events()
    found = check(job.rollout, job.policy, job.asked, events)
    code = 0 if found.can_run else USAGE
    if job.json:
        common.show_json({"can_run": found.can_run, "check": found})
        return code
    for side, files in found.files.items():
        rows = found.rows.get(side)
        common.say(f"{side}: {files} files" + (f", {rows:,} rows" if rows is not None else ""))
    if found.first:
        common.say(f"from {found.first} to {found.last}")
    common.say()
    _show_findings(found.findings)
    if found.needs:
        _show_needs(found, job.policy.phase(found.phase).max_hours)
    common.say("" if found.can_run else "\nThe job cannot run: mend what stops it.")
    return code


def _show_findings(findings: Sequence[Finding]) -> None:
    if not findings:
        common.say("Nothing is wrong with these logs.\n")
    for number, f in enumerate(findings, 1):
        where = " ".join(part for part in (f.log, f.file, f.column and f"[{f.column}]") if part)
        rows = "" if f.rows is None else f" ({f.rows:,} rows)"
        common.say(f"{number}. {f.severity}: {where}{rows}")
        common.say(f"   {f.problem}")
        common.say(f"   -> {f.remedy}")
    common.say()


def _show_needs(found: Check, max_hours: int) -> None:
    traffic = found.requests_per_hour or 0
    whose = "requests" if found.phase == "shadow" else "requests of the challenger"
    common.show_table(
        ["to establish", "limit", "if truly", "requests", "hours", "in time"],
        [
            (
                need.what,
                None if need.limit is None else f"{need.limit:.2%}",
                None if need.rate is None else f"{need.rate:.3%}",
                "never" if need.requests is None and need.limit is not None else need.requests,
                None if need.hours is None else f"{need.hours:,.1f}",
                need.in_time,
            )
            for need in found.needs
        ],
        title=f"{found.phase.capitalize()} gate at {traffic:,.0f} {whose} an hour "
        f"(at most {max_hours} h)",
        right="limit requests hours",
    )
    if found.phase == "ab":
        common.say("\nUsers decide this phase: `analyzer experiment plan` says how many it needs.")
    if found.phase == "full":
        common.say("\nMatured labels decide this phase as well: `analyzer labels` shows how far.")
