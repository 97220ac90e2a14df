"""`analyzer route watch`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from analyzer.cli import common, routers

if TYPE_CHECKING:
    from analyzer.router.controller import Controller
    from analyzer.router.reaction import Reaction
    from analyzer.router.watch import Seen

UNDECIDED, FIRED = 4, 5


@click.command(
    epilog="Example: analyzer route watch --every 5; analyzer route watch --act --every 15\n\n"
    "In Python: analyzer.router.watch.watch(controller); "
    "analyzer.router.reaction.react(rollout, policy, controller)"
)
@routers.config_option
@click.option("--once", is_flag=True, help="Look once and end.")
@click.option(
    "--every",
    type=click.FloatRange(0.1, 3600),
    default=5.0,
    show_default=True,
    help="Seconds between looks.",
)
@click.option(
    "--act",
    is_flag=True,
    help="Follow the rollback triggers too, and roll back if one fires and the policy's "
    "[rollback] act is true.",
)
@common.json_option
def command(config: str, once: bool, every: float, act: bool, as_json: bool) -> int:
    """Hold the router at or below what the decision in force allows; never raise it.

    It lowers when weights came back, when a canary's decision has ended, and under the kill
    switch. With --once the exit code is 1 where the router is above, or cannot be read.

    With --act each look also follows the rollback triggers over the newest minutes of the log
    files. One that fires while the challenger has traffic sends everybody to the champion, writes
    the diary and starts a diagnosis, if the policy says `[rollback] act = true`; else it is only
    said. What is undecided or cannot be read changes nothing. --once then answers 5 where one
    fired, 4 where one is undecided.
    """
    from analyzer.router import watch

    controller = routers.controller(config)
    told: object = None
    while True:
        seen = watch.watch(controller)
        reaction = _react(config, controller) if act else None
        now = (seen.alarms, reaction and (reaction.outcome, reaction.said))
        if as_json:
            common.show_json(_told(seen, reaction))
        elif once or seen.report is not None or now != told:
            _say(seen, reaction)
        if reaction is not None and reaction.first:
            common.note(_diagnose(config, controller))
        told = now
        if once:
            return _code(seen, reaction)
        time.sleep(every)


def _react(config: str, controller: Controller) -> Reaction:
    """The description and the policy are read at every look: the switch works at once."""
    from pathlib import Path

    from analyzer import config as files
    from analyzer import policy
    from analyzer.errors import AnalyzerError
    from analyzer.router.reaction import Reaction, react

    try:
        rollout = files.load(config)
        limits = Path(rollout.root) / rollout.policy.path if rollout.policy.path else None
        return react(rollout, policy.load(limits), controller)
    except AnalyzerError as error:
        said = f"the triggers could not be asked, so nothing is done: {error}"
        return Reaction("not asked", [said])


def _diagnose(config: str, controller: Controller) -> str:
    from analyzer.cli.aftermath import start

    return start(config, controller.folder)


def _code(seen: Seen, reaction: Reaction | None) -> int:
    held = seen.share is not None and (seen.report is None or seen.report.done)
    outcome = reaction.outcome if reaction is not None else "quiet"
    if not held or outcome in ("failed", "not asked"):
        return routers.FAILED
    if outcome in ("fired", "rolled back", "elsewhere"):
        return FIRED
    return UNDECIDED if outcome == "undecided" else routers.DONE


def _told(seen: Seen, reaction: Reaction | None) -> dict[str, Any]:
    found = {**vars(seen), "report": seen.report.told() if seen.report else None}
    if reaction is None:
        return found
    report = reaction.report.told() if reaction.report else None
    return {**found, "triggers": {**vars(reaction), "report": report}}


def _say(seen: Seen, reaction: Reaction | None) -> None:
    share = "unknown" if seen.share is None else f"{seen.share:.2%}"
    common.say(f"challenger {share}, at most {seen.allowed:.2%}")
    for line in seen.alarms:
        common.say(f"* {line}")
    if seen.report is not None:
        routers.say(seen.report)
    if reaction is not None:
        common.say(f"triggers: {reaction.outcome}")
        for line in reaction.said:
            common.say(f"* {line}")
        if reaction.report is not None:
            routers.say(reaction.report)
