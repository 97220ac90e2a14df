"""`analyzer store`."""

from __future__ import annotations

import click

from analyzer.cli import common
from analyzer.cli.common import Job


@click.command(epilog="Example: analyzer store --from 2013-06-01 --to 2013-06-08")
@common.job_options
def command(job: Job) -> None:
    """Show what the profile store holds: slots, digests, input files, sizes.

    The tables are Parquet; open them with DuckDB or any other reader.
    """
    from analyzer.errors import NothingThere

    store = job.store
    if not store.exists:
        raise NothingThere(f"{store.path}: no store here yet; run `analyzer scan`")
    store.roles()
    slots = [
        m
        for m in store.manifests().values()
        if job.asked is None or job.asked.overlaps(m.start, m.end)
    ]
    if job.json:
        common.show_json({"store": store.path.as_posix(), "slots": slots})
        return
    common.show_table(
        ["slot", "digest", "files", "tables", "bytes", "intact"],
        [
            (
                m.slot,
                m.digest,
                len(m.inputs),
                len(m.tables),
                sum(m.tables.values()),
                store.intact(m),
            )
            for m in slots
        ],
        right="files tables bytes",
    )
    total = sum(sum(m.tables.values()) for m in slots)
    common.say(f"\n{common.counted(len(slots), 'slot')}, {total:,} bytes in {store.path}")
