"""`analyzer report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer.cli import common, pages

if TYPE_CHECKING:
    from analyzer.cli.common import Job
    from analyzer.config import Rollout
    from analyzer.verdict import Verdict


@click.command(
    epilog="Example: analyzer report .demo/verdict.json --out verdict.html\n\n"
    "In Python: analyzer.report.night.report(overview)"
)
@click.argument(
    "file", required=False, type=click.Path(path_type=Path), metavar="[VERDICT|DIAGNOSIS]"
)
@common.config_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write; default: report.html beside VERDICT.",
)
def command(file: Path | None, config: str, store: str | None, out: Path | None) -> None:
    """Write the page about a verdict: one HTML file to mail, print and keep.

    VERDICT is a verdict.json, by default that of the last night; the numbers beside it come from
    the profiles it rests on. A diagnosis.json makes the page about an incident.
    """
    file = file or _last(common.load_rollout(config, store))
    content = _read(file)
    if _is_diagnosis(content):
        page = _incident(content, file)
    else:
        page = _night(common.job(config, store), content, file)
    out = out or file.with_name("report.html")
    pages.write(out, page)
    common.say(f"wrote {out} ({len(page) / 1000:,.0f} kB)")


def _is_diagnosis(content: bytes) -> bool:
    import msgspec

    try:
        return "incident" in msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return False


def _night(job: Job, content: bytes, file: Path) -> bytes:
    from analyzer.beside import answers, late, levels_of
    from analyzer.errors import AnalyzerError
    from analyzer.nightly import LEVELS, report
    from analyzer.overview import overview
    from analyzer.phases.trial import trial_in
    from analyzer.profiles import open_profiles
    from analyzer.store import known_problems
    from analyzer.triggers.watched import watched
    from analyzer.window import parse, parse_window

    verdict = _verdict(content, file)
    events = job.events()
    profiles = open_profiles(job.store, parse_window(*verdict.window))
    found = answers(job.policy, profiles, events)
    problems = known_problems(job.store)
    told = late(job.rollout, job.policy, verdict)
    try:
        levels = levels_of(job.rollout, job.policy, verdict, profiles, events, problems)
    except AnalyzerError as error:
        levels = None
        common.note(f"skipped: {LEVELS}: {error}")
    beside = watched(job.rollout, job.policy, profiles, events, parse(verdict.as_of))
    seen = overview(
        job.rollout,
        verdict,
        profiles,
        found,
        events=events,
        problems=problems,
        late=told,
        levels=levels,
        watched=beside,
        trial=trial_in(job.rollout, job.policy, verdict, profiles, events),
    )
    for slot in seen.changed:
        common.note(f"slot {slot} was scanned again since the verdict")
    return report(seen)


def _incident(content: bytes, file: Path) -> bytes:
    from analyzer.diagnose.diagnosis import decode
    from analyzer.report.incident import report

    return report(decode(content, str(file)))


def _verdict(content: bytes, file: Path) -> Verdict:
    import msgspec

    from analyzer.errors import ConfigError
    from analyzer.verdict import Verdict

    try:
        return msgspec.json.decode(content, type=Verdict)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{file}: is no verdict of this version ({error})") from None


def _last(rollout: Rollout) -> Path:
    from analyzer.errors import ConfigError
    from analyzer.nightly import results_folder

    folder = results_folder(rollout)
    nights = sorted(folder.glob("*/verdict.json"))
    if not nights:
        raise ConfigError(
            f"{folder}: holds no verdict; run `analyzer nightly`, or name a verdict.json"
        )
    return nights[-1]


def _read(file: Path) -> bytes:
    from analyzer.errors import ConfigError

    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
