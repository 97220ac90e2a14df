"""Bring the fragments of label days up to date: only days whose labels or predictions changed.

A day's fragment follows from the labels and the requests of its open window, the `open_days`
days up to its end. It is made again only where a digest of these changed, so a night costs what
is new and one pass over the keys of the open window, never history.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import structs

from analyzer import __version__, ids
from analyzer.config import Rollout
from analyzer.errors import ConfigError, NothingThere
from analyzer.frozen import Frozen
from analyzer.kinds import NOTHING
from analyzer.labels.calls import shape_with_calls
from analyzer.labels.counting import Counting
from analyzer.labels.events import Events, events_of
from analyzer.labels.join import EARLY, Changes, Touched
from analyzer.labels.kept import FOLDER, Kept, Recipe, arrays_of
from analyzer.labels.proxies.signals import Signals, Truths, proxy_rollout, proxy_store, surveyed
from analyzer.labels.requests import reaches_in, requests_of
from analyzer.labels.tables import COUNTED, DAY, FORMAT, fragments
from analyzer.logs import SIDES, LogFile, Side, Source, survey
from analyzer.profile import SCHEMA, Tables, encode
from analyzer.reader import read
from analyzer.roles import refuse_swapped
from analyzer.scan.freshness import Input
from analyzer.scan.narrow import Shape
from analyzer.scan.run import shape_of, slot_of
from analyzer.store import Store, slot_name
from analyzer.window import HOUR, Window

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


@dataclass(frozen=True)
class _Joined:
    """One day's labels: whom they touch, what they change by prediction day, how many are early."""

    touched: Touched
    changes: Mapping[int, Changes]
    early: int


def update(rollout: Rollout, *, progress: Progress | None = None) -> Update:
    """Join what labels are new or changed; the result is the same bytes for any order of files,
    of nights and of interruptions.

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
        job = _Job(_shape(rollout, frozen, files, signals), files, made, folder)
        label_days = _label_days(rollout, files["labels"])
        proxies = [_signals(job, store, name, found) for name, found in signals.items()]
        days = sorted({*label_days, *(day for proxy in proxies for day in proxy.days)})
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
        tuple(_name(day) for day in done),
        tuple(
            _name(start // DAY) for start in sorted(made.manifests()) if start // DAY not in done
        ),
        tuple(f for found in (files["labels"], *signals.values()) for f in found if f.problem),
    )


def _name(day: int) -> str:
    return slot_name(day * DAY)[:10]


def _survey(rollout: Rollout, store: Store, made: Store) -> dict[Source, list[LogFile]]:
    """All files of all logs; footers that were read before are remembered."""
    files: dict[Source, list[LogFile]] = {}
    before = {**store.footers(), **made.footers()}
    digest = _label_digest(rollout)
    for source, key in (
        ("champion", f"champion {rollout.digest}"),
        ("challenger", f"challenger {rollout.digest}"),
        ("labels", f"labels {digest}"),
    ):
        known = {(f.name, f.size, f.changed): f for f in before.get(key, []) if not f.problem}
        files[source] = survey(rollout, source, known)  # type: ignore[index, arg-type]
    made.save_footers({f"labels {digest}": files["labels"]})
    return files


def _label_digest(rollout: Rollout) -> str:
    asked = structs.replace(rollout.labels, quantiles=())  # no fragment follows from these
    parts = (asked, rollout.time.zone)
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:16]


def _signals(job: _Job, store: Store, name: str, files: Sequence[LogFile]) -> Signals:
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


class _Job:
    """One update: what each day of the open window holds now, and the fragments made of it."""

    def __init__(
        self, shape: Shape, files: Mapping[Source, list[LogFile]], made: Store, folder: Path
    ) -> None:
        self.shape, self.files, self.folder, self.made = shape, files, folder, made
        self.open_days = shape.rollout.labels.open_days
        self.depends = _depends(shape)
        self.requests = Kept(made, folder, "requests", self._requests)
        self.labels = Kept(made, folder, "labels", self._labels)
        self.manifests = made.manifests()
        self.joined = lru_cache(maxsize=1)(self._joined)
        self.spans = {source: _spans(found) for source, found in files.items()}

    def _requests(self, day: int) -> Recipe:
        length = self.shape.rollout.time.slot_hours * HOUR
        starts = range(day * DAY, (day + 1) * DAY, length)
        slots = [slot_of(self.shape, self._near(start, start + length), start) for start in starts]
        inputs = sorted(
            {_input(side, f) for slot in slots for side in SIDES for f in slot.files[side]}
        )

        def untouched(content: pa.Table, added: set[Input]) -> bool:
            new = {s: [f for f in self.files[s] if _input(s, f) in added] for s in SIDES}
            span = Window(day * DAY, (day + 1) * DAY)
            return not reaches_in(self.shape, span, new, content["key"].to_numpy())

        return Recipe(self.depends, inputs, lambda: requests_of(slots), untouched)

    def _near(self, start: int, end: int) -> dict[Side, list[LogFile]]:
        """Files of both models that may hold rows of a span or their partners."""
        slack = DAY  # more than any slack; `slot_of` looks again
        return {side: self._between(side, start - slack, end + slack) for side in SIDES}

    def _between(self, source: Source, start: int, end: int) -> list[LogFile]:
        spans = self.spans[source]
        return [file for first, last, file in spans if first < end and last >= start]

    def _labels(self, day: int) -> Recipe:
        found = self._between("labels", day * DAY, (day + 1) * DAY)
        inputs = sorted(_input("labels", f) for f in found)
        return Recipe(self.depends, inputs, lambda: events_of(self.shape, found, day).table())

    def bring_up_to_date(self, day: int, last: int) -> bool:
        """Make a label day's fragment where it is not what it would be now.

        last: the label day before it. Where labels alone do not tell, the fragment counts all that
        was predicted since.
        """
        since = last if self.shape.rollout.labels.arrival in COUNTED else day
        window = range(day - self.open_days + 1, day + 1)
        digests = [[kept.digest(d) for d in window] for kept in (self.requests, self.labels)]
        everything = json.dumps([self.depends, since, *digests])
        depends = hashlib.sha256(everything.encode()).hexdigest()[:16]
        manifest = self.manifests.get(day * DAY)
        if manifest and manifest.depends == depends and self.made.intact(manifest):
            return False
        tables = self._fragment(day, window, since)
        encoded = {name: encode(content) for name, content in tables.items()}
        self.made.save_slot(day * DAY, (day + 1) * DAY, encoded, depends, [])
        return True

    def _fragment(self, day: int, window: Sequence[int], since: int) -> Tables:
        counting = Counting(self.shape, day)
        for reason, n in self._labels_of(day).faults.items():
            counting.fault(reason, n)
        joined = self.joined(day)
        counting.fault(EARLY, joined.early)
        for predicted, changes in joined.changes.items():
            counting.add(predicted, changes)
        for predicted in window:
            requests = self.requests.content(predicted) if predicted > since else None
            if requests is not None:
                counting.add_predicted(predicted, arrays_of(requests))
        for reason, n in joined.touched.orphans().items():
            counting.fault(reason, n)
        return counting.tables()

    def _labels_of(self, day: int) -> Events:
        found = self.labels.content(day)
        return Events.of(found) if found is not None else events_of(self.shape, [], day)

    def _joined(self, day: int) -> _Joined:
        """What a day's labels change in its open window."""
        window = range(day - self.open_days + 1, day + 1)
        earlier = (self.labels.content(past) for past in window[:-1])
        events = (Events.of(t) for t in earlier if t)
        touched = Touched(day, self.open_days, self._labels_of(day), events)
        found, early = {}, 0
        for predicted in window:
            requests = self.requests.content(predicted)
            if requests is not None:
                found[predicted], n = touched.changes(arrays_of(requests))
                early += n
        return _Joined(touched, found, early)

    def close(self, day: int) -> None:
        """Remember what was made, and let go of what no later label day needs."""
        for kept in (self.requests, self.labels):
            kept.remember()
            kept.drop_before(day - self.open_days + 1)


def _spans(files: Sequence[LogFile]) -> list[tuple[int, int, LogFile]]:
    """First and last `ts` of each usable file, found once: a year's files are asked for daily."""
    ends = [(file.first, file.last, file) for file in files if not file.problem]
    return [(a, b, file) for a, b, file in ends if a is not None and b is not None]


def _input(source: Source, file: LogFile) -> Input:
    return source, file.name, file.size, file.changed


def _depends(shape: Shape) -> str:
    """Digest of all but the files that a fragment follows from.

    Hashes of ids depend on a library and a machine: those of some known ids stand for them.
    """
    known = (pa.array(["a", "request 2"]), pa.array([1, 2**40]))
    hashes = [h.tolist() for array in known for h in ids.pairing_keys(array, shape.as_text)]
    rollout = shape.rollout
    parts = (
        SCHEMA,
        FORMAT,
        __version__,
        rollout.digest,
        _label_digest(rollout),
        rollout.label_kind,
        shape.frozen,
        shape.as_text,
        shape.bucketed_by,
        shape.decided_by,
        hashes,
    )
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:16]
