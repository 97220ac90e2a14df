"""`analyzer diagnose`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer.cli import common
from analyzer.cli.common import Job

if TYPE_CHECKING:
    from analyzer.window import Window


@click.command(
    epilog="Example: analyzer diagnose --incident 2013-07-01T12/2013-07-02\n\n"
    "Example: analyzer diagnose --auto --out postmortem --jobs 2\n\n"
    "In Python: analyzer.diagnose.analysis.diagnose(rollout, policy, incident=window)"
)
@common.job_options
@click.option("--incident", metavar="START/END", help="The incident's time, whole hours, UTC.")
@click.option("--auto", is_flag=True, help="Find the onset, within --from and --to if given.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where the diagnosis goes; default: diagnoses/START--END in the store.",
)
@common.jobs_option
def command(job: Job, incident: str | None, auto: bool, out: Path | None, jobs: int) -> int:
    """What happened, since when, who was hit, what moved first, how sure.

    Looks at the window given, at the onset it finds (--auto), or at the diary's latest rollback.
    Scan first; the raw logs of the incident and of its baseline are read again. Writes
    diagnosis.json, report.html (the page to mail) and drilldown.parquet. Judges nothing: 0 done,
    1 the tool failed, 2 usage.
    """
    from analyzer.cli import diagnoses
    from analyzer.diagnose.analysis import diagnose
    from analyzer.diagnose.diagnosis import encode
    from analyzer.postmortem import folder_of, save

    window = _window(job, incident, auto)
    with common.progress_bar("drill-down") as progress:
        found = diagnose(
            job.rollout,
            job.policy,
            incident=None if auto else window,
            auto=(window or True) if auto else False,
            events=job.events(),
            as_of=job.as_of,
            jobs=jobs,
            progress=progress,
        )
    files = save(found, out or folder_of(job.rollout, found.diagnosis))
    if job.json:
        click.echo(encode(found.diagnosis).decode(), nl=False)
    else:
        diagnoses.show(found.diagnosis)
        common.say()
    for path in files:
        common.note(f"wrote {path}")
    return 0


def _window(job: Job, incident: str | None, auto: bool) -> Window | None:
    from analyzer.window import parse_window

    if incident is None:
        return job.asked
    if auto or job.asked is not None:
        raise click.UsageError("give --incident, or --auto, or --from and --to")
    start, slash, end = incident.partition("/")
    if not slash:
        raise click.UsageError(f"--incident {incident!r}: write START/END")
    return parse_window(start, end)
