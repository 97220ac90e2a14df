"""`analyzer route`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer.cli import common, routers, verdicts, watch

if TYPE_CHECKING:
    from analyzer.config import Rollout
    from analyzer.router.controller import Controller, Report
    from analyzer.router.permit import Standing

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Show what would be written; touch nothing."
)


@click.group(
    epilog="Example: analyzer route show\n\n\b\n"
    "[router]                     # in rollout.toml\n"
    'kind = "haproxy"             # or envoy, envoy-runtime, traefik, gateway-api, istio,\n'
    "                             # seldon, kserve, sagemaker, file, decision\n"
    'address = "/run/haproxy.sock"\n'
    'backend = "models"\n'
    'champion = "v6"              # what the router calls each\n'
    'challenger = "v7"'
)
def command() -> None:
    """Drive the traffic router: show, apply a verdict, roll back, watch."""


@command.command("show", epilog="Example: analyzer route show --json")
@routers.config_option
@common.json_option
def show(config: str, as_json: bool) -> None:
    """Show the router's live weights, the decision in force and the last changes."""
    from analyzer.router import audit
    from analyzer.router.adapter import Refused

    controller = routers.controller(config)
    live = controller.adapter.read()
    trail = audit.read(controller.log)
    alarms = [
        *live.faults,
        *trail.faults,
        *(f"the change {i} has no outcome" for i in trail.unfinished),
    ]
    killed = controller.switch.why()
    try:
        decision = controller.in_force()
    except Refused as error:
        decision = None
        alarms.append(str(error))
    alarms += [killed] if killed else []
    if as_json:
        common.show_json(
            {
                "live": live.told(),
                "decision": decision._asdict() if decision else None,
                "changes": trail.records[-20:],
                "alarms": alarms,
            }
        )
        return
    common.say(f"{controller.adapter.name}: the challenger gets {live.share:.2%}")
    for name, one in (live.parts or {"": live}).items():
        common.show_table(
            ("arm", "model", "weight", "ready"),
            [(a, controller.models[a], one.weights[a], one.ready[a]) for a in one.weights],
            title=f"{name}: {one.share:.2%}" if name else "",
            right="weight",
        )
    if decision is not None:
        common.say(
            f"In force: {decision.phase} at {decision.share:.2%}, epoch {decision.epoch}, until "
            f"{decision.valid_until}, then {decision.fallback}. {decision.reason}"
        )
    outcomes = [r for r in trail.records if r["kind"] == "outcome"][-5:]
    if outcomes:
        common.show_table(
            ("time", "action", "share", "outcome", "reason"),
            [(r["at"], r["action"], r["share"], r["outcome"], r["reason"]) for r in outcomes],
        )
    for line in (*live.notes, *([live.others] if live.others else []), *alarms):
        common.say(f"* {line}")


@command.command("apply", epilog="Example: analyzer route apply --verdict reports/verdict.json")
@routers.config_option
@click.option(
    "--verdict",
    "path",
    type=click.Path(path_type=Path),
    default="verdict.json",
    show_default=True,
    help="The verdict to carry out.",
)
@click.option(
    "--weight",
    type=click.FloatRange(0, 1),
    help="Less than the verdict's next step; down is always allowed.",
)
@dry_run_option
@common.json_option
def apply(config: str, path: Path, weight: float | None, dry_run: bool, as_json: bool) -> int:
    """Move traffic as a verdict permits, and believe it only when it is read back.

    Up: a promote of this rollout and these models, in time, unused, the newest, one step of the
    policy. A verdict to roll back sends everybody to the champion. An undecided one of the phase
    in force renews the decision that is about to end, at the weights in force or --weight below.
    """
    from analyzer import config as files
    from analyzer import policy
    from analyzer.router import change
    from analyzer.router.permit import permit

    rollout = files.load(config)
    controller = routers.controller(config, rollout)
    limits = policy.load(Path(rollout.root) / rollout.policy.path if rollout.policy.path else None)
    given = verdicts.load(path)
    standing = _standing(rollout, controller)
    permitted = permit(rollout, limits, given, standing, controller.clock(), weight)
    report = change.apply(
        controller,
        permitted.phase,
        permitted.share,
        reason=permitted.reason,
        verdict=permitted.verdict,
        expires=permitted.expires,
        live=standing.live,
        as_of=given.verdict.as_of,
        dry_run=dry_run,
    )
    if not permitted.renewal or report.before != report.share:
        _diary(rollout, controller, report, "" if permitted.renewal else permitted.phase)
    return routers.answer(report, as_json)


@command.command("rollback", epilog='Example: analyzer route rollback --reason "P99 doubled"')
@routers.config_option
@click.option("--reason", default="by hand", show_default=True, help="Why, for the audit log.")
@click.option("--force", is_flag=True, help="Even onto a champion that the router calls down.")
@dry_run_option
@common.json_option
def rollback(config: str, reason: str, force: bool, dry_run: bool, as_json: bool) -> int:
    """Send everybody to the champion now. Needs the router and [router], nothing else."""
    from analyzer.errors import AnalyzerError
    from analyzer.router import change

    controller = routers.controller(config)
    report = change.rollback(controller, reason, dry_run=dry_run, force=force)
    try:
        from analyzer import config as files

        _diary(files.load(config), controller, report, "")
    except AnalyzerError as error:  # traffic is where it should be; the diary is not
        report.notes.append(str(error))
    return routers.answer(report, as_json)


def _standing(rollout: Rollout, controller: Controller) -> Standing:
    from analyzer.chain import kept
    from analyzer.router import audit
    from analyzer.router.permit import Standing

    chain = kept.read(rollout.store_path)
    return Standing(
        controller.adapter.read(),
        controller.in_force(),
        audit.read(controller.log).records,
        chain.of(rollout.name),
    )


def _diary(rollout: Rollout, controller: Controller, report: Report, phase: str) -> None:
    """The change in the rollout's diary."""
    from analyzer.router import noted

    report.notes += noted.keep(rollout, report, phase, controller.clock())


command.add_command(watch.command, "watch")
