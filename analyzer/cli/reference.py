"""`make docs`: writes the command reference from the commands themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from analyzer.cli import COMMANDS, group

BEGIN, END = "<!-- commands: made by `make docs` -->", "<!-- end of commands -->"


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command with its full name, subcommands behind their group."""
    # as `main` makes it: commands remember the help option they are first asked for
    settings = group.context_settings
    root = click.Context(group, info_name="analyzer", terminal_width=80, **settings)
    for name in COMMANDS:
        command = group.get_command(root, name)
        assert command is not None
        yield from _with_subcommands(name, command, root)


def _with_subcommands(
    name: str, command: click.Command, parent: click.Context
) -> Iterator[tuple[str, click.Command, click.Context]]:
    context = click.Context(command, info_name=name, parent=parent, terminal_width=80)
    yield context.command_path.removeprefix("analyzer "), command, context
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from _with_subcommands(inner, found, context)


def full() -> str:
    """docs/commands.md: what every command's --help says."""
    parts = ["# Commands", "", "Made by `make docs` from what `--help` says; do not edit.", ""]
    for name, command, context in commands():
        parts += [f"## analyzer {name}", "", "```", command.get_help(context).rstrip(), "```", ""]
    return "\n".join(parts)


def short() -> str:
    """The README's table of commands."""
    lines = ["| command | what it does |", "|---|---|"]
    lines += [f"| `analyzer {name}` | {line} |" for name, line in COMMANDS.items()]
    return "\n".join(lines)


def with_reference(readme: str) -> str:
    """A README whose text between the markers is `short()`."""
    pattern = re.compile(f"({re.escape(BEGIN)}\n).*?({re.escape(END)})", re.DOTALL)
    return pattern.sub(lambda found: f"{found[1]}{short()}\n{found[2]}", readme)


def main() -> None:
    """Write README.md and docs/commands.md of the checkout."""
    root = Path(__file__).parents[2]
    readme = root / "README.md"
    readme.write_text(with_reference(readme.read_text(encoding="utf-8")), encoding="utf-8")
    (root / "docs").mkdir(exist_ok=True)
    (root / "docs" / "commands.md").write_text(full(), encoding="utf-8")


if __name__ == "__main__":
    main()
