"""`analyzer triggers`."""

from __future__ import annotations

import click

from analyzer.cli import common
from analyzer.cli.common import Job

EXIT = {"ok": 0, "undecided": 4, "fired": 5}


@click.command(
    epilog="Example: analyzer triggers --last 24h; analyzer triggers --replay\n\n"
    "In Python: analyzer.triggers.run.triggers(rollout, profiles, limits, events)"
)
@common.job_options
@click.option(
    "--replay", is_flag=True, help="Over everything that was scanned, up to the last row."
)
@click.option(
    "--missing",
    type=click.Choice(["hold", "reset", "breach"]),
    help="What a minute without data does, in place of the policy's.",
)
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever was found.")
def command(job: Job, replay: bool, missing: str | None, exit_zero: bool) -> int:
    """Did a rollback trigger fire? Every minute of the window, from profiles; scan first.

    The exit code tells: 0 none fired, 4 undecided, 5 fired (roll back).
    """
    import msgspec

    from analyzer import diary
    from analyzer.profiles import open_profiles
    from analyzer.triggers.grid import logged
    from analyzer.triggers.run import triggers

    profiles = logged(open_profiles(job.store)) if replay else job.profiles()
    limits = job.policy.trigger
    if missing is not None:
        limits = msgspec.structs.replace(limits, missing=missing)
    found = triggers(job.rollout, profiles, limits, diary.read(diary.path_of(job.rollout)))
    if job.json:
        common.show_json(found)
    else:
        common.show_table(
            ("trigger", "rule", "outcome", "what was seen"),
            [(t.name, t.rule, t.outcome, t.sentence) for t in found.triggers],
            title=f"Triggers {found.window[0]} to {found.window[1]}: {found.outcome}; "
            f"a minute without data: {found.missing}",
        )
        for t in found.triggers:
            if len(t.firings) > 1:
                common.show_table(
                    ("fired", "first breach", "last breach", "worst", "limit"),
                    [
                        (f.fired, f.first, f.last, f"{f.worst:.4g}", f"{f.limit:.4g}")
                        for f in t.firings
                    ],
                    title=f"Every firing of {t.name}",
                )
    return 0 if exit_zero else EXIT[found.outcome]
