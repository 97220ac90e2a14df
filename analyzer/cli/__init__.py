"""The command line: one small file per command, loaded when that command is asked for.

To add a command: one file here that holds `command`, and one line in `COMMANDS`.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence

import click

from analyzer import __version__
from analyzer.errors import AnalyzerError, ConfigError, LogError, NothingThere

COMMANDS = {
    "init": "Write a first rollout.toml from the logs themselves.",
    "check": "List what is wrong with the logs, and what is feasible.",
    "event": "Keep the rollout's diary.",
    "scan": "Bring the profile store up to date.",
    "gate": "May the challenger take the next step? A verdict with its evidence.",
    "verify": "Recount a verdict's numbers from the raw logs.",
    "diff": "How far the models' predictions for the same requests lie apart.",
    "drift": "Has what the models see and say moved away from a reference?",
    "latency": "Latency percentiles and shares over the limits.",
    "slo": "Is production healthy? Service levels in three layers, the error budget.",
    "triggers": "Did a rollback trigger fire? Latency, errors, volume, minute by minute.",
    "labels": "What late labels say so far: quality, which model is better.",
    "experiment": "Plan an A/B test before it starts, and read it at any time.",
    "route": "Drive the traffic router: show, apply a verdict, roll back, watch.",
    "registry": "Record a verdict in MLflow: a run, the alias of what serves.",
    "diagnose": "After an incident: since when, who was hit, what moved first.",
    "nightly": "All of it, once, for cron: scan, judge, keep the results.",
    "history": "What was decided when, on which evidence, and what happened next.",
    "report": "Write the page about a verdict or an incident: one HTML file.",
    "store": "Show what the profile store holds.",
    "sql": "Show the SQL statements that read raw logs.",
    "demo": "Judge a month of the sample flights.",
}
"""Every command and its one line, in the order of use; `--help` shows them without loading any."""

FAILED, USAGE, INTERRUPTED = 1, 2, 130
EXIT_CODES = {
    0: "promote, healthy, done",
    1: "the tool failed",
    2: "usage, a bad configuration or logs that cannot be used",
    3: "hold",
    4: "undecided",
    5: "roll back",
}
"""What the process answers. A verdict never shares a number with a failure."""


class Lazy(click.Group):
    """A group that knows its commands' names and imports a command only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command `cmd_name`, None when there is none."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"analyzer.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands, from `COMMANDS`."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])


@click.group(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: analyzer init logs/ && analyzer check && analyzer scan",
)
@click.version_option(__version__, prog_name="analyzer")
def group() -> None:
    """Judge a challenger model against its champion from the Parquet logs of both."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code; every message for people ends up on stderr."""
    try:
        code = group.main(arguments, prog_name="analyzer", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.Abort:
        return _say("interrupted; nothing is lost: run the command again to go on", INTERRUPTED)
    except click.ClickException as error:
        error.show()
        return USAGE
    except (ConfigError, LogError, NothingThere) as error:
        return _say(str(error), USAGE)
    except AnalyzerError as error:
        return _say(str(error), FAILED)
    except BrokenPipeError:
        return _pipe_closed()
    except OSError as error:
        if error.errno == errno.EPIPE:
            return _pipe_closed()
        return _say(f"{error.filename or 'the system'}: {error.strerror or error}", FAILED)
    except MemoryError:
        return _say("out of memory; scan with fewer --jobs or shorter slots", FAILED)


def _say(message: str, code: int) -> int:
    click.echo(f"analyzer: {printable(message)}", err=True)
    return code


def printable(text: str) -> str:
    """Text in which nothing can steer a terminal: control characters are shown, not sent."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )


def _pipe_closed() -> int:
    """Whoever read our output stopped early, as `head` does. Keep Python from complaining."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def main() -> None:
    """Entry point of the `analyzer` command."""
    sys.exit(run())
