"""`analyzer triggers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from analyzer.cli import common
from analyzer.cli.common import Job

if TYPE_CHECKING:
    from analyzer.policy import Trigger as Limits
    from analyzer.triggers.run import Triggers
    from analyzer.triggers.signals import Signal

EXIT = {"ok": 0, "undecided": 4, "fired": 5}


@click.command(
    epilog="Example: analyzer triggers --live; analyzer triggers --last 24h; "
    "analyzer triggers --replay\n\n"
    "In Python: analyzer.triggers.run.triggers(rollout, profiles, limits, events); "
    "analyzer.triggers.newest.newest(rollout, limits, events, as_of)"
)
@common.job_options
@click.option(
    "--live",
    is_flag=True,
    help="The newest minutes, from the log files themselves: no scan needed.",
)
@click.option(
    "--replay", is_flag=True, help="Over everything that was scanned, up to the last row."
)
@click.option(
    "--missing",
    type=click.Choice(["hold", "reset", "breach"]),
    help="What a minute without data does, in place of the policy's.",
)
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever was found.")
def command(job: Job, live: bool, replay: bool, missing: str | None, exit_zero: bool) -> int:
    """Did a rollback trigger fire? Every minute of a window, from profiles: scan first.

    With --live the last two hours (`trigger.live_hours`) up to now, or to --as-of, straight from
    the log files, fast enough for every minute: each file is read once, its counts are kept in the
    store. What volume to expect still comes from scanned weeks. Rows count as they were logged;
    that some repeat a request only a scan can tell, and what it told is said.

    Latency is held against the champion's in the same minutes; in the full rollout, as the diary
    tells, against its last accepted days at the same hours (`trigger.baseline_days`).

    Beside profiles stand signals for a human, which never change the exit code: predictions
    against 7 days (their mean, their PSI), the loss week over week, the rate of declared fast
    signals.

    The exit code tells: 0 none fired, 4 undecided, 5 fired (roll back).
    """
    import msgspec

    if live and (replay or job.asked):
        raise click.UsageError("--live takes no window; --as-of and trigger.live_hours set it")
    limits = job.policy.trigger
    if missing is not None:
        limits = msgspec.structs.replace(limits, missing=missing)
    found = _newest(job, limits) if live else _profiled(job, limits, replay)
    beside = [] if live else _signals(job, replay)
    if job.json:
        common.show_json({**msgspec.to_builtins(found), "signals": beside})
    else:
        _show(found)
        _show_signals(beside)
    return 0 if exit_zero else EXIT[found.outcome]


def _newest(job: Job, limits: Limits) -> Triggers:
    from analyzer.triggers.newest import newest

    as_of = common.now() if job.as_of is None else job.as_of
    answer = newest(job.rollout, limits, job.events(), as_of)
    if answer.unsaved:
        common.note(answer.unsaved)
    read, known = common.counted(answer.read, "file"), f"{answer.known:,}"
    common.note(f"{read} read, {known} known before")
    return answer.found


def _profiled(job: Job, limits: Limits, replay: bool) -> Triggers:
    from analyzer.profiles import open_profiles
    from analyzer.triggers.minutes import logged
    from analyzer.triggers.run import triggers

    profiles = logged(open_profiles(job.store)) if replay else job.profiles()
    return triggers(job.rollout, profiles, limits, job.events())


def _signals(job: Job, replay: bool) -> list[Signal]:
    from analyzer.cli.common import last_complete_day
    from analyzer.profiles import open_profiles
    from analyzer.triggers.signals import signals

    window = last_complete_day(job.store, job.as_of) if replay else job.window()
    events = job.events()
    as_of = window.end if job.as_of is None else job.as_of
    return signals(job.rollout, open_profiles(job.store, window), job.policy, events, as_of)


def _show_signals(found: list[Signal]) -> None:
    if found:
        common.say()
        common.show_table(
            ("signal", "look?", "certain", "what was seen"),
            [(s.name, s.raised, s.certain, s.sentence) for s in found],
            title="Signals for a human, never automatic: the exit code does not know them",
        )


def _show(found: Triggers) -> None:
    common.show_table(
        ("trigger", "rule", "outcome", "what was seen"),
        [(t.name, t.rule, t.outcome, t.sentence) for t in found.triggers],
        title=f"Triggers {found.window[0]} to {found.window[1]}, from {found.origin}: "
        f"{found.outcome}; a minute without data: {found.missing}",
    )
    for t in found.triggers:
        if len(t.firings) > 1:
            common.show_table(
                ("fired", "first breach", "last breach", "worst", "limit"),
                [(f.fired, f.first, f.last, f"{f.worst:.4g}", f"{f.limit:.4g}") for f in t.firings],
                title=f"Every firing of {t.name}",
            )
    for line in found.notes:
        common.say(line)
