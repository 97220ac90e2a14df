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
    """List what is wrong with the logs, and how long the shadow gate would need.

    Each finding names log, file, column, rows and what to do. Exit code 2 if the job could not
    run, else 0.
    """
    from analyzer import diary
    from analyzer.check import check

    events = diary.read(diary.path_of(job.rollout))
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
        _show_needs(found, job.policy.shadow.max_hours)
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
    traffic = found.requests_per_hour
    common.show_table(
        ["to establish", "limit", "if truly", "requests", "hours", "in time"],
        [
            (
                need.what,
                f"{need.limit:.2%}",
                f"{need.rate:.3%}",
                need.requests if need.requests is not None else "never",
                "-" if need.hours is None else f"{need.hours:,.1f}",
                need.in_time,
            )
            for need in found.needs
        ],
        title=f"Shadow gate at {traffic or 0:,.0f} requests an hour (at most {max_hours} h)",
        right="limit requests hours",
    )
