"""`analyzer nightly`."""

from __future__ import annotations

from pathlib import Path

import click

from analyzer.cli import common, verdicts
from analyzer.cli.common import Job


@click.command(
    epilog="Example: analyzer nightly --jobs 2 --out reports/tonight\n\n"
    "In Python: analyzer.nightly.nightly(rollout, policy)"
)
@common.job_options
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Worker processes of the scan.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where results go; default: nightly/END in the store.",
)
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever the verdict.")
def command(job: Job, jobs: int, out: Path | None, exit_zero: bool) -> int:
    """All of it, once, for cron: scan what is new, judge the running phase, keep the results.

    Writes verdict.json, diff.json, latency.json, drift.json, slo.json, triggers.json, in the A/B
    test experiment.json, and report.html. The exit code is the verdict: 0 promote, 3 hold, 4
    undecided, 5 roll back; service levels that certainly fail hold or roll back as well, and so
    does a rollback trigger that fired (a hold while the challenger has no traffic). 1 and 2 mean
    that the tool could not judge.
    """
    from analyzer import verdict
    from analyzer.nightly import nightly
    from analyzer.scan.memory import keep_freed_memory

    keep_freed_memory()
    with common.progress_bar("scan") as progress:
        found = nightly(
            job.rollout,
            job.policy,
            window=job.asked,
            as_of=job.as_of,
            jobs=jobs,
            out=out,
            progress=progress,
        )
    for file in found.scan.problems:
        common.note(f"left out: {file.name} {file.problem}")
    for file in found.labels.problems if found.labels else ():
        common.note(f"left out: {file.name} {file.problem}")
    for line in found.skipped:
        common.note(f"skipped: {line}")
    if job.json:
        click.echo(verdict.encode(found.verdict).decode(), nl=False)
    else:
        verdicts.show(found.verdict)
        common.say()
        common.say(f"{len(found.scan.scanned)} slots profiled, {len(found.scan.kept)} kept")
        if found.labels:
            made, kept = len(found.labels.made), len(found.labels.kept)
            common.say(f"{common.counted(made, 'day')} of labels joined, {kept} kept")
        if found.levels:
            common.say(f"Service levels of the last day: {found.levels.headline}")
        if found.watched.triggers:
            common.say(f"triggers: {found.watched.triggers.outcome}")
        for path in found.files:
            common.say(f"wrote {path}")
    verdicts.note_expired(found.verdict, job.as_of is not None)
    return 0 if exit_zero else found.exit_code
