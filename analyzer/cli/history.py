"""`analyzer history`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer.cli import common, pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analyzer.cli.common import Job
    from analyzer.diagnose.findings import Moment
    from analyzer.history import Decided, History

SHORT = 8
"""Characters of a digest that a table shows; JSON has all 16."""

Row = tuple[str, str, str, str]


@click.command(
    epilog="Example: analyzer history --html history.html\n\n"
    "In Python: analyzer.history.history(rollout, policy, chain, events)"
)
@common.job_options
@click.option("--all", "every", is_flag=True, help="Show verdicts that repeat the one before.")
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="FILE", help="Write the page as well."
)
def command(job: Job, every: bool, html: Path | None) -> None:
    """What was decided when, on which evidence, and what happened next.

    Verdicts that `gate` and `nightly` kept, the diary's lines between them, rules that were
    overridden, and how long each rollback took.
    """
    from analyzer import diary
    from analyzer.chain.kept import read
    from analyzer.history import history

    found = history(
        job.rollout,
        job.policy,
        read(job.rollout.store_path),
        diary.read(diary.path_of(job.rollout)),
        window=job.asked,
        as_of=job.as_of,
    )
    if html is not None:
        from analyzer.report.history import report

        pages.write(html, report(found))
    if job.json:
        common.show_json(found)
    else:
        _show(found, every)
        if html is not None:
            common.say(f"wrote {html}")


def _show(found: History, every: bool) -> None:
    common.say(f"{found.rollout}: {common.counted(len(found.verdicts), 'verdict')} kept")
    rows = [*_moments(found.before), *_decisions(found.verdicts, every)]
    if rows:
        common.say()
        common.show_table(["when (UTC)", "what", "verdict", "said"], rows)
    else:
        common.say("`analyzer gate` and `nightly` keep theirs; the diary is empty too.")
    for title, lines in (
        ("Overridden", [_reason(o.at, o.phase, o.what, o.by, o.reason) for o in found.overrides]),
        ("Rollbacks", [f"{r.outcome}: {r.sentence}" for r in found.rollbacks]),
        ("Not believed", [f"{f.file} {f.problem}" for f in found.untrusted]),
        ("Other rollouts in this store", found.others),
    ):
        if lines:
            common.say()
            common.say(f"{title}:")
            for line in lines:
                common.say(f"  {line}")


def _reason(at: str, phase: str, what: str, by: str, reason: str) -> str:
    return f"{at} {what} in {phase}, by {by or 'not recorded'}: {reason}"


def _decisions(verdicts: Sequence[Decided], every: bool) -> Iterator[Row]:
    """A row a verdict, then its events; a run of equal verdicts is told by its first and last."""
    from analyzer.history import runs

    for run in [[v] for v in verdicts] if every else runs(verdicts):
        yield _row(run[0])
        if len(run) > 2:
            yield "", "", "", f"and {len(run) - 2:,} more alike (--all shows them)"
        if len(run) > 1:
            yield _row(run[-1])
        yield from _moments(run[-1].followed)


def _row(verdict: Decided) -> Row:
    stands = [digest[:SHORT] for digest in verdict.evidence]
    on = f" Stands on {', '.join(stands)}." if stands else ""
    text = f"{verdict.outcome.upper()}: {verdict.why}{on}"
    return verdict.as_of, f"{verdict.phase} gate", verdict.digest[:SHORT], text


def _moments(moments: Sequence[Moment]) -> Iterator[Row]:
    for m in moments:
        weight = "" if m.challenger_weight is None else f"challenger at {m.challenger_weight:.4g}"
        until = f"until {m.end}" if m.end else ""
        by = f"by {m.source}" if m.source else ""
        text = ", ".join(part for part in (m.text, weight, until, by) if part)
        yield m.at, m.kind, "", text
