"""`analyzer drift`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from analyzer.cli import common
from analyzer.cli.common import Job

if TYPE_CHECKING:
    from analyzer.window import Window

MOST_COLUMNS = 20


@click.command(
    epilog="Example: analyzer drift --last 24h --reference trained\n\n"
    "Example: analyzer drift --freeze trained --from 2013-05-01 --to 2013-05-08\n\n"
    "In Python: analyzer.drift.drift(profiles, reference, history=windows)"
)
@common.job_options
@click.option(
    "--reference",
    metavar="NAME|FROM/TO|7d",
    help="A frozen reference, a window, or a trailing span before the window; "
    "default: the first 7 clean days.",
)
@click.option("--freeze", metavar="NAME", help="Freeze the window as the reference NAME.")
@click.option("--all", "everything", is_flag=True, help="Every column, not the first 20.")
def command(job: Job, reference: str | None, freeze: str | None, everything: bool) -> None:
    """Has what the models see and say moved away from a frozen reference?

    PSI raw and debiased, and its rank among clean windows of the past (28 are needed).
    """
    from analyzer import references
    from analyzer.beside import drift_of
    from analyzer.stats.result import Undefined

    window = job.window()
    if freeze:
        path = references.freeze(job.store, freeze, window)
        common.say(f"froze {window} as {freeze}: {path}")
        return
    profiles = job.profiles()
    events = job.events()
    found = drift_of(profiles, events, _reference(job, reference))
    if job.json:
        common.show_json(found)
        return
    columns = found.columns if everything else found.columns[:MOST_COLUMNS]
    common.show_table(
        ("model", "column", "PSI", "debiased", "p", "NULL", "unseen", "outside"),
        [
            (
                c.model,
                c.column,
                _short(c.psi),
                _short(c.debiased),
                _short(getattr(c.p, "value", None)),
                f"{c.null_share_reference:.1%} > {c.null_share:.1%}",
                f"{c.unseen_share:.1%}",
                f"{c.outside_share:.1%}",
            )
            for c in columns
        ],
        title=f"Drift of {found.window}\nagainst {found.reference}",
        right="PSI debiased p NULL unseen outside",
    )
    without = [c for c in found.columns if isinstance(c.p, Undefined)]
    if without:
        reasons = sorted({c.p.reason for c in without if isinstance(c.p, Undefined)})
        common.say(f"p is missing for {len(without)} columns ({reasons[0]}): PSI is a ranking only")
    for column in found.columns:
        if column.note or column.constant:
            common.say(f"{column.model} {column.column}: {column.note or 'became constant'}")


def _short(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"


def _reference(job: Job, text: str | None) -> Window | None:
    from analyzer import references
    from analyzer.window import HOUR, Window, parse_window

    if text is None:
        return None
    if "/" in text:
        return parse_window(*text.split("/", 1))
    if text[:-1].isdigit() and text[-1] in "hd":
        end = job.window().start
        return Window(end - common.hours_in(text) * HOUR, end)
    return references.load(job.store, text)
