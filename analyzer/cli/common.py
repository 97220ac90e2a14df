"""What the commands share: options, the window they mean, tables, JSON, a progress bar."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analyzer.cli import printable

if TYPE_CHECKING:
    from analyzer.config import Rollout
    from analyzer.diary import Event
    from analyzer.policy import Policy
    from analyzer.profiles import Profiles
    from analyzer.store import Store
    from analyzer.window import Window

Function = Callable[..., Any]
WIDTH = 80
MAX_WIDTH = 120


@dataclass(frozen=True)
class Job:
    """What a command was asked to look at. `as_of` is None where it was not given."""

    rollout: Rollout
    policy: Policy
    asked: Window | None
    as_of: int | None
    json: bool

    @property
    def store(self) -> Store:
        """The rollout's profile store; `--store` has been applied."""
        from analyzer.store import Store

        return Store(self.rollout.store_path)

    @property
    def bounds(self) -> tuple[int, int] | None:
        """The window that was asked for as (start, end), microseconds UTC."""
        return (self.asked.start, self.asked.end) if self.asked else None

    def events(self) -> tuple[Event, ...]:
        """The diary; with an as-of, what had happened by then. Raises ConfigError."""
        from analyzer import diary

        found = diary.read(diary.path_of(self.rollout))
        return tuple(e for e in found if self.as_of is None or e.at <= self.as_of)

    def window(self) -> Window:
        """The window that was asked for, else the last complete day before the as-of.

        Raises NothingThere where nothing was scanned yet.
        """
        return self.asked or last_complete_day(self.store, self.as_of)

    def profiles(self) -> Profiles:
        """The profiles of that window. Raises NothingThere (nothing scanned), ConfigError (the
        models changed places since).
        """
        from analyzer.profiles import open_profiles
        from analyzer.roles import refuse_swapped

        refuse_swapped(self.rollout, self.store)
        return open_profiles(self.store, self.window())


def json_option(function: Function) -> Function:
    """`--json`: data for programs in place of tables for people."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def config_options(function: Function) -> Function:
    """`--config` and `--store`."""
    for option in (
        click.option("--store", metavar="FOLDER", help="Profile store, in place of [store] path."),
        click.option(
            "--config",
            default="rollout.toml",
            show_default=True,
            metavar="FILE",
            help="The rollout's description.",
        ),
    ):
        function = option(function)
    return function


def jobs_option(function: Function) -> Function:
    """`--jobs`: worker processes."""
    return click.option(
        "--jobs",
        type=click.IntRange(1, 256),
        default=1,
        show_default=True,
        help="Worker processes; the result is the same bytes for any number.",
    )(function)


def window_options(function: Function) -> Function:
    """`--from`, `--to`, `--last`, `--as-of`."""
    for option in (
        click.option("--as-of", metavar="TIME", help="Judge as if it were TIME (UTC)."),
        click.option("--last", metavar="SPAN", help="In place of --from: 24h, 7d."),
        click.option("--to", "end", metavar="TIME", help="End of the window (exclusive)."),
        click.option("--from", "start", metavar="TIME", help="Start of the window, UTC."),
    ):
        function = option(function)
    return function


def job_options(function: Function) -> Function:
    """All of the above; the command receives one `Job` as its first argument."""

    @functools.wraps(function)
    def command(
        config: str,
        store: str | None,
        as_json: bool,
        start: str | None,
        end: str | None,
        last: str | None,
        as_of: str | None,
        **rest: object,
    ) -> object:
        return function(job(config, store, as_json, start, end, last, as_of), **rest)

    return config_options(window_options(json_option(command)))


def job(
    config: str,
    store: str | None = None,
    as_json: bool = False,
    start: str | None = None,
    end: str | None = None,
    last: str | None = None,
    as_of: str | None = None,
) -> Job:
    """Read configuration and policy; raises ConfigError where either cannot be used."""
    from analyzer import policy
    from analyzer.window import parse

    rollout = load_rollout(config, store)
    path = Path(rollout.root) / rollout.policy.path if rollout.policy.path else None
    moment = parse(as_of) if as_of else None
    window = window_of(start, end, last, moment)
    return Job(rollout, policy.load(path), window, moment, as_json)


def load_rollout(config: str, store: str | None = None) -> Rollout:
    """The rollout, its store moved to where `--store` says (relative to the current folder)."""
    import msgspec

    from analyzer.config import load

    rollout = load(config)
    if store is None:
        return rollout
    where = msgspec.structs.replace(rollout.store, path=str(Path(store).absolute()))
    return msgspec.structs.replace(rollout, store=where)


def window_of(
    start: str | None, end: str | None, last: str | None, as_of: int | None
) -> Window | None:
    """The window that the options name, None where they name none.

    Raises click.UsageError for options that contradict each other.
    """
    from analyzer.window import HOUR, Window, parse, parse_window, show

    if last is None and start is None and end is None:
        return None
    if last is not None:
        if start is not None:
            raise click.UsageError("give --from or --last, not both")
        until = parse(end) if end else (now() if as_of is None else as_of) // HOUR * HOUR
        return Window(until - hours_in(last) * HOUR, until)
    if start is None or (end is None and as_of is None):
        raise click.UsageError("a window needs --from and --to, or --last")
    return parse_window(start, end or show(0 if as_of is None else as_of // HOUR * HOUR))


def hours_in(span: str) -> int:
    """Hours in `24h` or `7d`."""
    found = re.fullmatch(r"(\d{1,5})([hd])", span.strip())
    if not found or int(found[1]) == 0:
        raise click.UsageError(f"--last {span!r}: write hours or days, like 24h or 7d")
    return int(found[1]) * (24 if found[2] == "d" else 1)


def last_complete_day(store: Store, as_of: int | None = None) -> Window:
    """The last UTC day that the store's slots cover from end to end and that is over.

    as_of: microseconds UTC, default now. Raises NothingThere where there is no such day.
    """
    from analyzer.errors import NothingThere
    from analyzer.window import HOUR, Window, show

    day = 24 * HOUR
    manifests = store.manifests().values() if store.exists else ()
    if not manifests:
        raise NothingThere(f"{store.path}: nothing was scanned yet; run `analyzer scan`")
    until = now() if as_of is None else as_of
    over = [m for m in manifests if (m.start // day + 1) * day <= until]
    if not over:
        raise NothingThere(
            f"{store.path}: no day that was scanned is over by {show(until // HOUR * HOUR)}; "
            "name a window with --from and --to"
        )
    covered: dict[int, int] = {}
    for m in over:
        covered[m.start // day] = covered.get(m.start // day, 0) + m.end - m.start
    whole = [number for number, length in covered.items() if length >= day] or list(covered)
    return Window(max(whole) * day, (max(whole) + 1) * day)


def now() -> int:
    """The clock, microseconds UTC. Nothing below the command line reads it."""
    return round(datetime.now(UTC).timestamp() * 1e6)


def show_json(data: Any) -> None:
    """Print anything that msgspec can encode, keys sorted; what is not finite becomes null."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(data, order="sorted"), indent=2).decode())


def utf8() -> bool:
    """Whether output can hold more than ASCII."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def show_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    title: str = "",
    right: str = "",
    whole: str = "",
) -> None:
    """Print a table that stays readable at 80 columns; `right` names columns set to the right,
    `whole` those that are never folded.

    Long cells are folded, never cut; hostile names are shown as data.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    console = Console(
        file=sys.stdout,
        width=None if terminal else WIDTH,
        highlight=False,
        no_color=not terminal,
    )
    if console.width > MAX_WIDTH:
        console.width = MAX_WIDTH
    table = Table(
        box=box.SIMPLE_HEAD if utf8() else box.ASCII2,
        title=Text(printable(title)) if title else None,
        title_justify="left",
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    for name in columns:
        justify = "right" if name in right.split() else "left"
        table.add_column(
            Text(name),
            justify=justify,  # type: ignore[arg-type]
            overflow="fold",
            no_wrap=name in whole.split(),
        )
    for row in rows:
        table.add_row(*(Text(printable(_cell(value))) for value in row))
    with console.capture() as captured:
        console.print(table)
    # trailing blanks would only be noise in a file or a mail
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def counted(n: int, noun: str) -> str:
    """A number with its noun: 1 slot, 2 slots."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def say(text: str = "") -> None:
    """Print a line of text for people on stdout."""
    click.echo(printable(text))


def note(text: str) -> None:
    """Print a remark on stderr, where it never mixes with data."""
    click.echo(printable(text), err=True)


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar of rows done, rows a second and time left on stderr; None when not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f} rows/s" if task.speed else "")

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        Speed(),
        TimeLeft(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=max(total, 1))
