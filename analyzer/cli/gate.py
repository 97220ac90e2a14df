"""`analyzer gate`."""

from __future__ import annotations

from pathlib import Path

import click

from analyzer.cli import common, verdicts
from analyzer.cli.common import Job


@click.command(
    epilog="Example: analyzer gate shadow --from 2013-06-01 --to 2013-06-04\n\n"
    'In Python: analyzer.gate.gate(rollout, policy, "shadow", window=window)'
)
@click.argument("phase", metavar="PHASE")
@common.job_options
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write verdict.json.")
@click.option("--dry-run", is_flag=True, help="Judge only: keep no verdict in the store.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever the verdict.")
def command(job: Job, phase: str, out: Path | None, dry_run: bool, exit_zero: bool) -> int:
    """May the challenger take the next step? Judged from profiles; scan first.

    PHASE is shadow (the challenger is mirrored), canary (it answers a few percent), ab (each model
    answers users of its own, and the experiment decides; `analyzer experiment analyze` reads its
    outcomes) or full (it answers everyone, and the old model is shown a part: may that be
    decommissioned?).

    The window is the time since the phase's start in the diary, else the last 24 hours. The
    verdict is kept in the store as evidence for later phases (`analyzer history` lists it).
    The exit code is the verdict: 0 promote, 3 hold, 4 undecided, 5 roll back.
    """
    from analyzer import verdict
    from analyzer.chain.kept import keep
    from analyzer.errors import StoreError
    from analyzer.gate import gate
    from analyzer.store import known_problems

    found = gate(
        job.rollout,
        job.policy,
        phase,
        window=job.asked,
        as_of=job.as_of,
        events=job.events(),
        problems=known_problems(job.store),
    )
    if out is not None:
        try:
            out.write_bytes(verdict.encode(found))
        except OSError as error:
            raise StoreError(f"{out}: cannot be written ({error})") from None
    if not dry_run:
        try:
            keep(job.rollout.store_path, found, job.policy)
        except StoreError as error:
            common.note(f"not kept as evidence: {error}")
    if job.json:
        click.echo(verdict.encode(found).decode(), nl=False)
    else:
        verdicts.show(found)
    verdicts.note_expired(found, job.as_of is not None)
    return 0 if exit_zero else found.exit_code
