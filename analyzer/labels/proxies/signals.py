"""Join a proxy's signals to requests and their labels, by append-only fragments per day.

A request's signal is the last one within `open_hours` of its prediction; without any it is no.
It is settled once the log of signals reaches beyond these hours: on that day all pairs predicted
then are counted with their signal and the labels known so far, and each model's own requests with
their signal; from then on what each day's labels change. Any past as-of is a sum of fragments, as
it is of labels.
"""

from __future__ import annotations

import bisect
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from msgspec.structs import replace as with_other
from numpy.typing import NDArray

from analyzer.config import Rollout, Segments
from analyzer.labels.counting import Counting
from analyzer.labels.events import Events, events_of
from analyzer.labels.join import BLANK, CONFLICTING, EARLY, Changes, Touched
from analyzer.labels.kept import Kept, Recipe, arrays_of
from analyzer.labels.order import by_key
from analyzer.labels.requests import HAS, Arrays
from analyzer.labels.tables import DAY
from analyzer.logs import SIDES, LogFile, survey
from analyzer.profile import Tables, add_up, empty, encode, table
from analyzer.scan.narrow import Shape
from analyzer.store import Store
from analyzer.window import HOUR

COARSE = 4
"""Score bins of the label join that are one bin here: fragments stay a tenth as large."""

FORMAT = 2
DAYS = "days.json"
LATE, STRAY = "label after open_hours", "no prediction within open_hours"
NO, YES, CONTRADICTED = 0, 1, -1
"""What a request's signal says; contradicted ones are left out."""


def proxy_rollout(rollout: Rollout, name: str) -> Rollout:
    """The rollout as if a proxy were its labels."""
    return with_other(rollout, labels=rollout.proxies[name].as_labels)


def proxy_store(store: Store, name: str) -> Store:
    """Where the fragments of a proxy lie: a store of their own, a slot per day."""
    return Store(store.path / "proxies" / name)


def surveyed(rollout: Rollout, name: str, store: Store) -> list[LogFile]:
    """All files of a proxy's log; footers that were read before are remembered."""
    made, asked = proxy_store(store, name), proxy_rollout(rollout, name)
    made.path.mkdir(parents=True, exist_ok=True)
    before = made.footers().get(_digest(asked), [])
    files = survey(asked, "labels", {(f.name, f.size, f.changed): f for f in before})
    made.save_footers({_digest(asked): files})
    return files


def _digest(rollout: Rollout) -> str:
    parts = (rollout.labels, rollout.time.zone)
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:16]


class _Days(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days with signals, ever: files that are gone since still tell that the log was alive."""

    depends: str
    days: list[int]


@dataclass(frozen=True)
class Truths:
    """What the label join knows: digest of its settings, what it keeps of requests and labels by
    day, and what one day's labels change, by prediction day.
    """

    depends: str
    requests: Kept
    labels: Kept
    changes: Callable[[int], Mapping[int, Changes]]


class Signals:
    """One proxy's part of an update of labels. days: on which signals may have come, ascending."""

    def __init__(
        self,
        shape: Shape,
        name: str,
        files: Sequence[LogFile],
        days: Sequence[int],
        made: Store,
        folder: Path,
        truths: Truths,
    ) -> None:
        self.files, self.made, self.truths = files, made, truths
        proxy, rollout = shape.rollout.proxies[name], shape.rollout
        self.reach = round(proxy.open_hours * HOUR)
        self.open_days = rollout.labels.open_days
        self.log = replace(shape, rollout=proxy_rollout(rollout, name))
        whole = with_other(rollout.labels, stratum="")
        of_all = with_other(rollout, segments=Segments(), labels=whole)
        self.counted = replace(shape, rollout=of_all)
        settings = (FORMAT, truths.depends, proxy)
        encoded = msgspec.json.encode(settings, order="sorted")
        self.depends = hashlib.sha256(encoded).hexdigest()[:16]
        self.signals = Kept(made, folder, "signals", self._recipe)
        with made.locked():
            self.manifests = made.manifests()
        seen = made.load(DAYS, _Days)
        self.days = sorted({*days, *(seen.days if seen and seen.depends == self.depends else ())})

    @property
    def wait(self) -> int:
        """Days after a prediction day until all its signals have come."""
        return -(-self.reach // DAY)

    def _recipe(self, day: int) -> Recipe:
        start, end = day * DAY, (day + 1) * DAY
        found = [f for f in self.files if not f.problem and f.overlaps(start, end)]
        inputs = sorted(("labels", f.name, f.size, f.changed) for f in found)
        return Recipe(self.depends, inputs, lambda: events_of(self.log, found, day).table())

    def settled_on(self, predicted: int) -> int | None:
        """Day of whose end the signals of a prediction day are known: the first with a signal
        once all have had their time. None where the log does not reach so far or begins later, or
        is silent so long that labels are no longer waited for.
        """
        place = bisect.bisect_left(self.days, predicted + self.wait)
        if place == len(self.days) or predicted < self.days[0]:
            return None
        day = self.days[place]
        return day if day < predicted + self.open_days else None

    def bring_up_to_date(self, day: int) -> bool:
        """Make a day's fragment where it is not what it would be now."""
        window = range(day - self.open_days + 1, day + 1)
        kept = (self.truths.requests, self.truths.labels, self.signals)
        digests = [[one.digest(d) for d in window] for one in kept]
        settled = [self.settled_on(d) for d in window]
        known = [on if on is not None and on <= day else None for on in settled]
        everything = json.dumps([self.depends, known, *digests])
        depends = hashlib.sha256(everything.encode()).hexdigest()[:16]
        manifest = self.manifests.get(day * DAY)
        if manifest and manifest.depends == depends and self.made.intact(manifest):
            return False
        tables = self._fragment(
            day, [d for d, on in zip(window, settled, strict=True) if on == day]
        )
        encoded = {name: encode(content) for name, content in tables.items()}
        self.made.save_slot(day * DAY, (day + 1) * DAY, encoded, depends, [])
        self.close(day)
        return True

    def _fragment(self, day: int, settling: Sequence[int]) -> Tables:
        counts = {signal: Counting(self.counted, day) for signal in (NO, YES)}
        faults, sides = self._faults(day), [empty("signalled_sides", ["n"])]
        for predicted in settling:
            rows = self._requests(predicted)
            if rows is None:
                continue
            told = self._told(predicted, rows)
            sides.append(_sides(predicted, day, rows, told))
            contradicted = np.flatnonzero(told == CONTRADICTED)
            faults[CONFLICTING] = faults.get(CONFLICTING, 0) + len(contradicted)
            for signal, counting in counts.items():
                counting.add_predicted(predicted, _at(rows, np.flatnonzero(told == signal)))
            self._count(counts, predicted, self._so_far(predicted, day, rows))
        for predicted, changes in self._changes(day).items():
            on = self.settled_on(predicted)
            if on is not None and on < day:
                self._count(counts, predicted, changes)
        by_model = add_up("signalled_sides", pa.concat_tables(sides))
        faulty = _fault_table(day, faults)
        return {**_tables(counts), "signalled_sides": by_model, "label_faults": faulty}

    def _requests(self, predicted: int) -> Arrays | None:
        content = self.truths.requests.content(predicted)
        return None if content is None else arrays_of(content)

    def _changes(self, day: int) -> Mapping[int, Changes]:
        return self.truths.changes(day) if self.truths.labels.digest(day) else {}

    def _told(self, predicted: int, rows: Arrays) -> NDArray[np.int8]:
        """The signal of each of some requests of a prediction day."""
        events = _joined(self._signals_of(d) for d in range(predicted, predicted + self.wait + 1))
        if events is None:
            return np.zeros(len(rows["key"]), dtype=np.int8)
        return Touched(predicted + self.wait, self.wait + 1, events, []).within(rows, self.reach)

    def _signals_of(self, day: int) -> Events | None:
        content = self.signals.content(day)
        return None if content is None else Events.of(content)

    def _so_far(self, predicted: int, day: int, rows: Arrays) -> Changes | None:
        """Labels of a prediction day by the end of a day, as if all came on it."""
        contents = (self.truths.labels.content(d) for d in range(predicted, day + 1))
        events = _joined(Events.of(content) if content else None for content in contents)
        if events is None:
            return None
        found, _ = Touched(day, self.open_days, events, []).changes(rows)
        blank = np.full(len(found.before), BLANK, dtype=np.int8)
        return Changes(found.rows, blank, found.old, found.after, found.new)

    def _count(
        self, counts: Mapping[int, Counting], predicted: int, changes: Changes | None
    ) -> None:
        if changes is None or not len(changes.before):
            return
        told = self._told(predicted, changes.rows)
        for signal, counting in counts.items():
            at = np.flatnonzero(told == signal)
            parts = (changes.before, changes.old, changes.after, changes.new)
            before, old, after, new = (values[at] for values in parts)
            counting.add(predicted, Changes(_at(changes.rows, at), before, old, after, new))

    def _faults(self, day: int) -> dict[str, int]:
        """What is wrong with the signals that came on a day."""
        today = self._signals_of(day)
        if today is None:
            return {}
        faults = dict(today.faults)
        touched = Touched(day, self.wait + 1, today, [])
        early = late = 0
        for predicted in range(day - self.wait, day + 1):
            rows = self._requests(predicted)
            if rows is not None:
                early += touched.changes(rows)[1]
                late += touched.late(rows, self.reach)
        return {**faults, EARLY: early, LATE: late, STRAY: sum(touched.orphans().values())}

    def close(self, day: int) -> None:
        """Remember what was made, and let go of what no later day needs."""
        self.made.replace(DAYS, _Days(self.depends, self.days))
        self.signals.remember()
        self.signals.drop_before(day - self.open_days + 1)


def _at(rows: Arrays, at: NDArray[np.int64]) -> Arrays:
    return {name: values[at] for name, values in rows.items()}


def _joined(parts: Iterable[Events | None]) -> Events | None:
    """Events of several days as those of one; None without any."""
    rows = [part.rows for part in parts if part is not None and len(part.rows["key"])]
    if not rows:
        return None
    together = {name: np.concatenate([part[name] for part in rows]) for name in rows[0]}
    order = by_key(*(together[name] for name in ("key", "check", "ts", "label")))
    return Events(_at(together, order), {})


def _tables(counts: Mapping[int, Counting]) -> Tables:
    """Pairs by signal, score bins made coarse: all that were predicted, and the labelled ones."""
    found: dict[str, list[pa.Table]] = {"signalled_pairs": [], "signalled_labels": []}
    for signal, counting in counts.items():
        tables = counting.tables()
        for name, source in (
            ("signalled_pairs", "predicted_pairs"),
            ("signalled_labels", "labelled_pairs"),
        ):
            part = tables[source].drop_columns(["column", "value"])
            for side in ("champion_bin", "challenger_bin"):
                coarse = pa.array(part[side].to_numpy() // COARSE, pa.int16())
                part = part.set_column(part.schema.get_field_index(side), side, coarse)
            signals = pa.array(np.full(part.num_rows, signal), pa.int16())
            found[name].append(part.append_column("signal", signals))
    return {name: add_up(name, pa.concat_tables(parts)) for name, parts in found.items()}


def _sides(predicted: int, day: int, rows: Arrays, told: NDArray[np.int8]) -> pa.Table:
    """Each model's requests of a prediction day by signal, whether or not the other had them."""
    kinds = [(side, signal) for side in SIDES for signal in (NO, YES)]
    has = {side: (rows["has"] & HAS[side]) > 0 for side in SIDES}
    columns = {
        "prediction_day": np.full(len(kinds), predicted),
        "label_day": np.full(len(kinds), day),
        "model": pa.array([side for side, _ in kinds]),
        "signal": [signal for _, signal in kinds],
        "n": [np.count_nonzero(has[side] & (told == signal)) for side, signal in kinds],
    }
    return table("signalled_sides", columns)


def _fault_table(day: int, faults: Mapping[str, int]) -> pa.Table:
    kept = sorted((reason, n) for reason, n in faults.items() if n)
    columns = {
        "label_day": np.full(len(kept), day),
        "reason": pa.array([reason for reason, _ in kept], pa.string()),
        "n": pa.array([n for _, n in kept], pa.int64()),
    }
    return table("label_faults", columns)
