"""What the commands of `analyzer route` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer.cli import common

if TYPE_CHECKING:
    from analyzer.config import Rollout
    from analyzer.router.controller import Controller, Report

DONE, FAILED = 0, 1

config_option = click.option(
    "--config",
    default="rollout.toml",
    show_default=True,
    metavar="FILE",
    help="The rollout's description, with its [router].",
)


def controller(config: str, rollout: Rollout | None = None) -> Controller:
    """What changes the router that `config` names."""
    from analyzer.router.connect import controller_of, described

    name, settings, models = described(config)
    if rollout is not None:
        models = {side: rollout.model(side) for side in models}
    return controller_of(settings, str(Path(config).parent), name, models)


def answer(report: Report, as_json: bool) -> int:
    """Show a change; the exit code."""
    if as_json:
        common.show_json(report.told())
    else:
        say(report)
    return DONE if report.done else FAILED


def say(report: Report) -> None:
    """A change of the router, for people."""
    from analyzer.stages import legs, told

    before = "unknown" if report.before is None else f"{report.before:.2%}"
    dry = "dry run: " if report.dry_run else ""
    common.say(f"{dry}{report.action}: challenger {before} -> {report.share:.2%}")
    common.say(f"outcome: {report.outcome}")
    for line in report.commands:
        common.say(f"  {line}")
    if report.confirmed is not None:
        seen = report.confirmed
        common.say(
            f"configuration {seen.configuration}, engine {seen.engine}, "
            f"zero challenger traffic {seen.traffic}"
        )
    if report.share == 0 and (split := told(legs(report.stages))):
        common.say(split)
    elif report.timings:
        common.say(", ".join(f"{name} {taken:.3f} s" for name, taken in report.timings.items()))
    for note in report.notes:
        common.say(f"* {note}")
