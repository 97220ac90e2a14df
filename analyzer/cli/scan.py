"""`analyzer scan`."""

from __future__ import annotations

import time

import click

from analyzer.cli import common
from analyzer.cli.common import Job


@click.command(
    epilog="Example: analyzer scan --jobs 2\n\n"
    "In Python: analyzer.scan.scan(rollout, policy, jobs=2)"
)
@common.job_options
@common.jobs_option
def command(job: Job, jobs: int) -> None:
    """Bring the profile store up to date: only slots whose files changed are read.

    A window limits the scan to the slots that it touches. Interrupt it whenever you like: slots
    that are done stay done, and the next scan makes the rest.
    """
    from analyzer.scan import scan
    from analyzer.scan.memory import keep_freed_memory

    keep_freed_memory()
    began = time.monotonic()
    with common.progress_bar("scan") as progress:
        done = scan(job.rollout, job.policy, jobs=jobs, progress=progress, window=job.bounds)
    seconds = time.monotonic() - began
    for file in done.problems:
        common.note(f"left out: {file.name} {file.problem}")
    if job.json:
        common.show_json(
            {
                "store": job.rollout.store_path.as_posix(),
                "scanned": done.scanned,
                "kept": done.kept,
                "rows": done.rows,
                "left_out": [{"file": f.name, "problem": f.problem} for f in done.problems],
            }
        )
        return
    scanned, left_out = len(done.scanned), len(done.problems)
    common.say(
        f"{common.counted(scanned, 'slot')} profiled ({done.rows:,} rows, {seconds:.1f} s), "
        f"{len(done.kept)} kept as they were, {common.counted(left_out, 'file')} left out"
    )
    common.say(f"store: {job.rollout.store_path}")
