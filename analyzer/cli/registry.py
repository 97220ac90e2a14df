"""`analyzer registry`."""

from __future__ import annotations

from pathlib import Path

import click

from analyzer.cli import common, verdicts


@click.command(
    epilog="Example: analyzer registry --verdict reports/verdict.json\n\n\b\n"
    "[registry]                          # in rollout.toml\n"
    'address = "http://127.0.0.1:5000"   # of `mlflow server`\n'
    'model = "shop"                      # a registered model and the versions of\n'
    'champion = "6"                      # the two; without it no alias is set\n'
    'challenger = "7"\n\n'
    "In Python: analyzer.registry.record(settings, kept, files)"
)
@common.config_options
@click.option(
    "--verdict",
    "path",
    type=click.Path(path_type=Path),
    default="verdict.json",
    show_default=True,
    help="The verdict to record.",
)
@click.option(
    "--page",
    type=click.Path(path_type=Path),
    help="Its page; by default report.html beside it, where there is one.",
)
@common.json_option
def command(config: str, store: str | None, path: Path, page: Path | None, as_json: bool) -> None:
    """Record a verdict in MLflow, after the fact: a run, and the alias of what serves.

    The run holds what the checks saw as metrics, verdict.json and the page as artifacts. The alias
    (`champion`) is set to the challenger's version by a promote of the full rollout, to the
    champion's by a verdict to roll back, and else left. Recorded again, a verdict keeps its run.
    It moves no traffic: `analyzer route` does.
    """
    from analyzer.errors import ConfigError
    from analyzer.registry import record
    from analyzer.router.permit import refuse_foreign

    rollout = common.load_rollout(config, store)
    if rollout.registry is None:
        raise ConfigError(f"{config}: there is no [registry]; `analyzer registry --help` shows one")
    given = verdicts.load(path)
    refuse_foreign(rollout, given.verdict)
    beside = page or path.with_name("report.html")
    try:
        files = {"verdict.json": path.read_bytes()}
        if page is not None or beside.exists():
            files["report.html"] = beside.read_bytes()
    except OSError as error:
        raise ConfigError(f"{error.filename}: cannot be read ({error.strerror})") from None
    found = record(rollout.registry, given, files, rollout.root)
    if as_json:
        common.show_json(found)
        return
    common.say(f"{'new ' if found.new else ''}run {found.run}: {', '.join(found.files)}")
    if found.alias:
        alias, model = rollout.registry.alias, rollout.registry.model
        common.say(f"{model}@{alias} is version {found.alias}")
