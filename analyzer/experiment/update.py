"""Bring an experiment's tables up to date: only days whose logs changed are read again.

Raw logs are read once, day by day, into `unit_days` (`days`). Sums over units follow from those
tables alone, in order of days (`summing`); the units by the end of the last day are kept, so that
a night costs its own day and one pass over the units. While a day is summed the next is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from analyzer.config import Rollout
from analyzer.errors import ConfigError
from analyzer.experiment.days import Days, Read
from analyzer.experiment.summing import Summing
from analyzer.experiment.tables import DAY, sums_store, units_store
from analyzer.logs import LogFile
from analyzer.store import Store
from analyzer.window import date

Progress = Callable[[int, int], None]
"""Called with days done and days in all."""


@dataclass(frozen=True)
class Update:
    """What an update did: days read, days whose sums were made, files that could not be used."""

    read: tuple[str, ...]
    made: tuple[str, ...]
    problems: tuple[LogFile, ...]


def update(rollout: Rollout, *, progress: Progress | None = None) -> Update:
    """Read what is new of outcomes and exposures; the result is the same bytes for any order of
    files and nights.

    Raises ConfigError (no experiment is described), LogError (no file is there, a log cannot be
    read), StoreError (locked, disk full, another version's store).
    """
    if rollout.experiment is None:
        raise ConfigError(
            "no experiment is described; write [experiment] into rollout.toml, as "
            "`analyzer experiment --help` shows it"
        )
    store = Store(rollout.store_path)
    units, totals = units_store(store), sums_store(store)
    with units.locked(), totals.locked():
        days = Days(rollout, units)
        summing = Summing(rollout.experiment, days.scales, days.depends, units, totals)
        read: list[int] = []
        for number, day in enumerate(_ahead(days.read())):
            if progress:
                progress(number, len(days.days))
            if day.tables:
                read.append(day.manifest.start // DAY)
            summing.add(day)
        summing.finish()
    return Update(
        tuple(map(date, read)),
        tuple(map(date, summing.made)),
        tuple(f for files in days.files.values() for f in files if f.problem),
    )


def _ahead(days: Iterator[Read]) -> Iterator[Read]:
    """The same days, the next one always being read while one is worked on."""
    with ThreadPoolExecutor(1) as thread:
        upcoming = thread.submit(next, days, None)
        while (day := upcoming.result()) is not None:
            upcoming = thread.submit(next, days, None)
            yield day
