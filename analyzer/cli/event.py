"""`analyzer event`."""

from __future__ import annotations

import click

from analyzer.cli import common

KINDS = [
    *("phase", "weight", "trigger", "rollback", "holiday", "incident"),
    *("override", "note"),
]
RULES = ["skip", "shorten", "policy", "restart", "split", "harm"]


@click.group(epilog="Example: analyzer event add phase shadow --weight 0")
def command() -> None:
    """Keep the rollout's diary, events.jsonl: what happened, when, who said so."""


@command.command("add", epilog="Example: analyzer event add phase shadow --at 2013-06-01")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("text", required=False, default="")
@common.config_options
@click.option("--at", metavar="TIME", help="When it happened, UTC; now unless given.")
@click.option("--end", metavar="TIME", help="When an incident or a holiday is over, UTC.")
@click.option(
    "--weight", type=click.FloatRange(0, 1), help="Share of traffic the challenger now serves."
)
@click.option("--source", default="", help="Who or what says so.")
@click.option("--phase", default="", metavar="PHASE", help="Of an override: the phase it is about.")
@click.option("--what", type=click.Choice(RULES), help="Of an override: the rule it sets aside.")
def add(
    kind: str,
    text: str,
    config: str,
    store: str | None,
    at: str | None,
    end: str | None,
    weight: float | None,
    source: str,
    phase: str,
    what: str | None,
) -> None:
    """Append one event. TEXT is the phase's name for a phase, else a note.

    An override sets a rule of the process aside for this challenger; TEXT is why, and every later
    verdict names it. --what is skip or shorten (a phase), policy (changed in mid-phase to what it
    is now), restart (a phase began anew, or its A/B test was planned anew), split (not 50/50) or
    harm (that an earlier verdict of the phase found, and that was none).
    """
    import msgspec

    from analyzer import diary
    from analyzer.window import parse, show

    job = common.job(config, store)
    path = diary.path_of(job.rollout)
    if kind != "override" and (phase or what):
        raise click.UsageError("--phase and --what belong to an override")
    known: dict[str, object] = {
        "ts": show(parse(at) if at else common.now()),
        "kind": kind,
        "phase": phase,
        "phase" if kind == "phase" else "note": text,
        "challenger_weight": weight,
        "end": show(parse(end)) if end else "",
        "source": source,
        "what": what or "",
        "policy": job.policy.digest if what == "policy" else "",
        "challenger": job.rollout.model("challenger") if kind == "override" else "",
    }
    event = msgspec.convert(known, diary.Event)
    diary.append(path, event)
    common.say(f"{event.ts} {event.kind} {text}".rstrip() + f" -> {path}")


@command.command("list", epilog="Example: analyzer event list --json")
@common.config_options
@common.json_option
def show_events(config: str, store: str | None, as_json: bool) -> None:
    """Show the diary, earliest event first."""
    from analyzer import diary
    from analyzer.window import show as time

    path = diary.path_of(common.load_rollout(config, store))
    events = diary.read(path)
    if as_json:
        common.show_json({"diary": path.as_posix(), "events": events})
        return
    if not events:
        common.say(f"{path}: nothing recorded yet; `analyzer event add` writes the first line")
        return
    table: dict[str, list[object]] = {
        "time": [time(e.at) for e in events],
        "kind": [f"{e.kind} ({e.what})" if e.what else e.kind for e in events],
        "phase": [e.phase for e in events],
        "weight": [e.challenger_weight for e in events],
        "until": ["" if e.until is None else time(e.until) for e in events],
        "source": [e.source for e in events],
        "note": [e.note for e in events],
    }
    kept = {name: cells for name, cells in table.items() if any(c not in ("", None) for c in cells)}
    common.show_table(list(kept), list(zip(*kept.values(), strict=True)), whole="time until")
