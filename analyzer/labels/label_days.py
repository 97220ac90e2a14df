"""What each label day's fragment follows from, and its making where that changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec
import pyarrow as pa
from msgspec import structs

from analyzer import __version__, ids
from analyzer.config import Rollout
from analyzer.labels.counting import Counting
from analyzer.labels.events import Events, events_of
from analyzer.labels.join import EARLY, THREADS, Changes, Touched
from analyzer.labels.kept import Kept, Recipe, arrays_of
from analyzer.labels.requests import reaches_in, requests_of
from analyzer.labels.tables import COUNTED, DAY, FORMAT
from analyzer.logs import SIDES, LogFile, Side, Source
from analyzer.profile import SCHEMA, Tables, encode
from analyzer.scan.freshness import Input
from analyzer.scan.narrow import Shape
from analyzer.scan.run import slot_of
from analyzer.store import Store
from analyzer.window import HOUR, Window


@dataclass(frozen=True)
class _Joined:
    """One day's labels: whom they touch, what they change by prediction day, how many are early."""

    touched: Touched
    changes: Mapping[int, Changes]
    early: int


class Job:
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
        with ThreadPoolExecutor(THREADS) as threads:
            kinds = (self.requests, self.labels)
            digests = list(threads.map(lambda kept: [kept.digest(d) for d in window], kinds))
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
        with ThreadPoolExecutor(THREADS) as threads:
            for part in threads.map(lambda item: counting.of_day(*item), joined.changes.items()):
                counting.extend(part)
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
        held = {predicted: self.requests.content(predicted) for predicted in window}
        rows = {predicted: arrays_of(t) for predicted, t in held.items() if t is not None}
        with ThreadPoolExecutor(THREADS) as threads:
            found = dict(zip(rows, threads.map(touched.changes, rows.values()), strict=True))
        changes = {predicted: change for predicted, (change, _) in found.items()}
        return _Joined(touched, changes, sum(early for _, early in found.values()))

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
        label_digest(rollout),
        rollout.label_kind,
        shape.frozen,
        shape.as_text,
        shape.bucketed_by,
        shape.decided_by,
        hashes,
    )
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:16]


def label_digest(rollout: Rollout) -> str:
    """Digest of what a labels log's content depends on."""
    asked = structs.replace(rollout.labels, quantiles=())  # no fragment follows from these
    parts = (asked, rollout.time.zone)
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:16]
