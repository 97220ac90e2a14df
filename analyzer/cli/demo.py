"""`analyzer demo`."""

from __future__ import annotations

from pathlib import Path

import click

from analyzer.cli import common

SAMPLE = Path("sample_data") / "flights" / "rollout.toml"
MONTH = ("2013-06-01", "2013-07-01")


@click.command(epilog="Example: analyzer demo --out .demo")
@click.option("--out", default=".demo", show_default=True, metavar="FOLDER", help="Where to write.")
@click.pass_context
def command(ctx: click.Context, out: str) -> object:
    """Judge a month of the sample flights, as the nightly job would.

    The sample lies in the project's checkout, not in the installed package. The exit code is 0
    whatever the verdict is.
    """
    from analyzer.errors import ConfigError

    config = sample()
    if config is None:
        raise ConfigError(
            f"{SAMPLE}: not found here; run this in a checkout of the project, "
            "or begin with your own logs: analyzer init LOGS..."
        )
    arguments = ["nightly", "--config", str(config), "--store", f"{out}/store", "--out", out]
    arguments += ["--from", MONTH[0], "--to", MONTH[1], "--exit-zero"]
    common.note("$ analyzer " + " ".join(arguments))
    root = ctx.find_root().command
    return root.main(arguments, prog_name="analyzer", standalone_mode=False)


def sample() -> Path | None:
    """The sample's rollout.toml, in the current folder or in the checkout this runs from."""
    for folder in (Path(), Path(__file__).parents[2]):
        if (folder / SAMPLE).is_file():
            return folder / SAMPLE
    return None
