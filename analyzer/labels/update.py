"""Bring the fragments of label days up to date: only days whose labels or predictions changed.

A day's fragment follows from the labels and the requests of its open window, the `open_days`
days up to its end. It is made again only where a digest of these changed, so a night costs what
is new and one pass over the keys of the open window, never history.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from analyzer.config import Rollout
from analyzer.errors import ConfigError, NothingThere
from analyzer.frozen import Frozen
from analyzer.kinds import NOTHING
from analyzer.labels.calls import shape_with_calls
from analyzer.labels.kept import FOLDER
from analyzer.labels.label_days import Job, label_digest
from analyzer.labels.proxies.signals import Signals, Truths, proxy_rollout, proxy_store, surveyed
from analyzer.labels.tables import DAY, fragments
from analyzer.logs import SIDES, LogFile, Side, Source, survey
from analyzer.reader import read
from analyzer.roles import refuse_swapped
from analyzer.scan.narrow import Shape
from analyzer.scan.run import shape_of
from analyzer.store import Store
from analyzer.window import date

Progress = Callable[[int, int], None]
"""Called with label days done and label days in all."""

WIDE = 40
"""Days that a row group may seem to span before its timestamps are read to know better."""


@dataclass(frozen=True)
class Update:
    """What an update did: label days made and kept, files that could not be used."""

    made: tuple[str, ...]
    kept: tuple[str, ...]
    problems: tuple[LogFile, ...]


def update(
    rollout: Rollout, *, until: int | None = None, progress: Progress | None = None
) -> Update:
    """Join what labels are new or changed; the result is the same bytes for any order of files,
    of nights and of interruptions.

    until: microseconds UTC; labels of days that end later are left for another time, as nothing
    known at that instant rests on them. Default: all.

    Raises ConfigError (no labels are described, the models changed places), LogError (no labels
    file is there, a log cannot be read), StoreError (nothing was scanned yet, locked, disk full).
    """
    if not rollout.labels.paths:
        raise ConfigError(
            "[labels] paths is empty; name the files that labels arrive in, as "
            "`analyzer labels --help` shows it"
        )
    store = Store(rollout.store_path)
    refuse_swapped(rollout, store)
    frozen = store.frozen()
    if frozen is None:
        raise NothingThere(f"{store.path}: no store here yet; run `analyzer scan` first")
    made = fragments(store)
    with made.locked(), ExitStack() as stack:
        files = _survey(rollout, store, made)
        signals = {name: surveyed(rollout, name, store) for name in rollout.proxies}
        folder = made.path / FOLDER
        if rollout.store.redact_ids:  # nothing about single requests outlives the update
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="analyzer-")))
        job = Job(_shape(rollout, frozen, files, signals), files, made, folder)
        label_days = _label_days(rollout, files["labels"])
        proxies = [_signals(job, store, name, found) for name, found in signals.items()]
        days = sorted({*label_days, *(day for proxy in proxies for day in proxy.days)})
        days = [day for day in days if until is None or (day + 1) * DAY <= until]
        done: list[int] = []
        last = 0
        for number, day in enumerate(days):
            if progress:
                progress(number, len(days))
            new = [proxy.bring_up_to_date(day) for proxy in proxies]
            if day in label_days:
                new.append(job.bring_up_to_date(day, last))
                done += [day] * new[-1]
                last = day
            if any(new):
                job.close(day)
        job.close(days[-1] if days else 0)
        for proxy in proxies:
            proxy.close(days[-1] if days else 0)
    return Update(
        tuple(date(day) for day in done),
        tuple(date(start // DAY) for start in sorted(made.manifests()) if start // DAY not in done),
        tuple(f for found in (files["labels"], *signals.values()) for f in found if f.problem),
    )


def _survey(rollout: Rollout, store: Store, made: Store) -> dict[Source, list[LogFile]]:
    """All files of all logs; footers that were read before are remembered."""
    files: dict[Source, list[LogFile]] = {}
    before = {**store.footers(), **made.footers()}
    digest = label_digest(rollout)
    for source, key in (
        ("champion", f"champion {rollout.digest}"),
        ("challenger", f"challenger {rollout.digest}"),
        ("labels", f"labels {digest}"),
    ):
        known = {(f.name, f.size, f.changed): f for f in before.get(key, []) if not f.problem}
        files[source] = survey(rollout, source, known)  # type: ignore[index, arg-type]
    made.save_footers({f"labels {digest}": files["labels"]})
    return files


def _signals(job: Job, store: Store, name: str, files: Sequence[LogFile]) -> Signals:
    """A proxy's part of the update: it shares what the job keeps of requests and labels."""
    rollout = job.shape.rollout
    own = proxy_store(store, name)
    folder = job.folder / name if rollout.store.redact_ids else own.path / FOLDER
    days = _label_days(proxy_rollout(rollout, name), files)
    truths = Truths(job.depends, job.requests, job.labels, lambda day: job.joined(day).changes)
    return Signals(job.shape, name, files, days, own, folder, truths)


def _shape(
    rollout: Rollout,
    frozen: Frozen,
    files: Mapping[Source, list[LogFile]],
    signals: Mapping[str, list[LogFile]],
) -> Shape:
    """What is kept of a request: no latencies, no features; ids as all logs can tell."""
    sides: dict[Side, list[LogFile]] = {side: files[side] for side in SIDES}
    shape = shape_of(rollout, frozen, sides)
    source = rollout.log("labels").source("request_id")
    kinds = {f.schema[source] for f in files["labels"] if not f.problem} - {NOTHING}
    for side in SIDES:
        name = rollout.log(side).source("request_id")
        kinds |= {f.schema[name] for f in files[side] if not f.problem} - {NOTHING}
    for proxy, found in signals.items():
        name = proxy_rollout(rollout, proxy).log("labels").source("request_id")
        kinds |= {f.schema[name] for f in found if not f.problem} - {NOTHING}
    return shape_with_calls(replace(shape, as_text=len(kinds) > 1))


def _label_days(rollout: Rollout, files: Sequence[LogFile]) -> list[int]:
    """Days on which some label may have become available."""
    found: set[int] = set()
    for file in files:
        for group in file.groups:
            if file.problem or group.first is None or group.last is None:
                continue
            first, last = group.first // DAY, group.last // DAY
            if last - first < WIDE:
                found.update(range(first, last + 1))
                continue
            for batch in read(rollout, "labels", [file], [], group.first, group.last + 1):
                found.update(np.unique(batch.ts // DAY).tolist())
    return sorted(found)
