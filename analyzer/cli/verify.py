"""`analyzer verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer.cli import common
from analyzer.cli.common import Job

if TYPE_CHECKING:
    from analyzer.verify import Verification

DIFFERS = 1


@click.command(
    epilog="Example: analyzer verify .demo/verdict.json\n\n"
    "In Python: analyzer.verify.verify(rollout, policy, verdict)"
)
@click.argument("file", type=click.Path(path_type=Path), metavar="VERDICT")
@common.job_options
def command(job: Job, file: Path) -> int:
    """Recount a verdict's numbers from the raw logs, in SQL, by another path than the scan.

    VERDICT is a verdict.json, or the slo.json that `nightly` writes beside it. Exits 1 when any
    number differs or the profiles were scanned anew since.
    """
    what, found = _verified(job, file)
    if job.json:
        common.show_json(found)
        return 0 if found.agrees else DIFFERS
    common.show_table(
        ("check", "number", "verdict", "recounted", "same"),
        [(n.check, n.name, n.verdict, n.logs, n.same) for n in found.numbers],
        title=f"{what} of {found.window}, recounted from the raw logs",
        right="verdict recounted",
    )
    for slot in found.changed:
        common.say(f"slot {slot.slot} was scanned again since the verdict")
    for line in (*(f"not recounted: {name}" for name in found.uncounted), *found.notes):
        common.say(line)
    common.say("every number agrees" if found.agrees else f"{what}: not every number agrees")
    return 0 if found.agrees else DIFFERS


def _verified(job: Job, file: Path) -> tuple[str, Verification]:
    """What was judged, and its numbers counted again."""
    import msgspec

    from analyzer.errors import ConfigError
    from analyzer.slo.answer import Slo
    from analyzer.verdict import Verdict
    from analyzer.verify import verify, verify_levels

    try:
        raw = file.read_bytes()
        told = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        if "budgets" in told:
            levels = msgspec.json.decode(raw, type=Slo)
            return "Service levels", verify_levels(job.rollout, job.policy, levels, job.events())
        verdict = msgspec.json.decode(raw, type=Verdict)
        return "Verdict", verify(job.rollout, job.policy, verdict)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"{file}: is no verdict of this version ({error})") from None
