"""`analyzer init`."""

from __future__ import annotations

from pathlib import Path

import click

from analyzer.cli import common


@click.command(
    epilog="Example: analyzer init logs/champion logs/challenger\n\n"
    "In Python: analyzer.init.guess(paths, root)"
)
@click.argument("logs", nargs=-1, required=True, metavar="LOGS...")
@click.option(
    "--out", default="rollout.toml", show_default=True, metavar="FILE", help="Where to write."
)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@common.json_option
def command(logs: tuple[str, ...], out: str, force: bool, as_json: bool) -> None:
    """Write a first rollout.toml from the logs themselves.

    LOGS are Parquet files, folders or globs. Read are the schemas and a few thousand rows, and of
    small logs which requests have labels; what was guessed is printed, and explained by comments
    in the file.
    """
    from analyzer import config, init
    from analyzer.errors import ConfigError

    target = Path(out)
    if target.exists() and not force:
        raise ConfigError(f"{out}: is there already; write elsewhere with --out or say --force")
    if not target.parent.is_dir():
        raise ConfigError(f"{target.parent}: no such folder; make it first")
    guessed = init.guess(logs, target.parent)
    target.write_text(guessed.text, encoding="utf-8")
    rollout = config.load(target)
    guessed = init.second_look(guessed, rollout)
    target.write_text(guessed.text, encoding="utf-8")
    if as_json:
        common.show_json({"file": target.as_posix(), "notes": guessed.notes})
        return
    for line in guessed.notes:
        common.say(f"  {line}")
    common.say(f"wrote {target}; read it over, then: analyzer check --config {target}")
