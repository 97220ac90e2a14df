"""What each unit did on a day: its arm, its first moment, how many outcomes, their totals.

Values are rounded to whole multiples of a frozen quantum before they are added, so totals do not
depend on the order of rows, files or threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer import ids
from analyzer.config import Rollout
from analyzer.design import CLUSTER, Experiment
from analyzer.errors import LogError
from analyzer.experiment import grouping
from analyzer.experiment.exposure import Exposed
from analyzer.experiment.tables import CHALLENGER, CHAMPION, DAY, MIXED, VALUE_REACH, Scales
from analyzer.experiment.unit_events import UnitEvents, added, bins_of, counted
from analyzer.logs import LogFile, Source
from analyzer.reader import Batch, numbers, read, text

NO_UNIT = "no unit id"
UNKNOWN_VARIANT = "variant is neither arm's"
TWICE = "the same event again"
EARLY = "outcome before its unit was exposed"
STRANGER = "outcome of a unit that was not exposed"
NO_CLUSTER = "unit without a cluster"
VARIES = "unit with several values of {}"
NULL = "{} is NULL"
INFINITE = "{} is infinite or NaN"
FAR = "{} is out of range"

CHUNK = 500_000
"""Rows that are aggregated at once."""

Rows = Mapping[str, NDArray[Any]]
"""Columns of rows or units: unit (hash), variant, first (microseconds UTC), events, v0.. (quanta),
x0.. (covariates, NaN where none), s0.. (hashes of words, 0 where none), b0.. (bins of single
events, see `unit_events`; of rows alone), and event where events have ids. Of what should be one
value per unit, `#high` is appended to the name of the largest (`grouping`).
"""


@dataclass
class Day:
    """Collects the rows of a day. With `exposed`, only outcomes after a unit's exposure count."""

    rollout: Rollout
    source: Source
    scales: Scales
    exposed: Exposed | None = None
    faults: dict[str, int] = field(default_factory=dict)
    parts: list[Future[Rows]] = field(default_factory=list)
    events: list[UnitEvents] = field(default_factory=list)
    waiting: list[Rows] = field(default_factory=list)
    rows: int = 0
    words: dict[str, dict[int, str]] = field(default_factory=dict)
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    @property
    def design(self) -> Experiment:
        """The experiment as declared."""
        assert self.rollout.experiment is not None
        return self.rollout.experiment

    def fault(self, reason: str, n: int) -> None:
        """Count what is wrong."""
        if n:
            self.faults[reason] = self.faults.get(reason, 0) + int(n)

    def add(self, batch: Batch) -> None:
        """Take the rows of a batch."""
        self.waiting.append(self._usable(batch))
        self.rows += len(batch)
        # one event may come in two files: only a whole day can tell
        if self.rows >= CHUNK and "event" not in self.waiting[0]:
            self._fold()

    def _fold(self) -> None:
        if self.waiting:
            rows = dict(self._once(grouping.joined(self.waiting)))
            if self.source == "outcomes":  # its day is the day, and nobody asks for the hour
                del rows["first"]
                bins = [rows.pop(f"b{place}") for place in range(len(self.design.event_values))]
                if bins:
                    self.events.append(counted(rows["unit"], bins))
            if self.parts:  # one is grouped while the next is read, and no more are kept waiting
                self.parts[-1].result()
            self.parts.append(self.thread.submit(grouping.by_unit, rows))
        self.waiting, self.rows = [], 0

    def _once(self, rows: Rows) -> Rows:
        """Each event of a unit once: its earliest row, of several the smallest."""
        if "event" not in rows:
            return rows
        kept = grouping.once(rows)
        self.fault(TWICE, len(rows["unit"]) - len(kept["unit"]))
        return kept

    def _usable(self, batch: Batch) -> Rows:
        columns = batch.columns
        units = columns["unit_id"]
        known = np.asarray(units.is_valid())
        self.fault(NO_UNIT, int(np.count_nonzero(~known)))
        variant = arms(self.design, columns["variant"])
        strange = known & (variant < 0)
        self.fault(UNKNOWN_VARIANT, int(np.count_nonzero(strange)))
        unit = ids.unit_keys(ids.plain(units))
        usable = known & ~strange
        if self.exposed is not None:
            usable = self._after_exposure(unit, batch.ts, usable)
        found: dict[str, NDArray[Any]] = {"unit": unit, "variant": variant, "first": batch.ts}
        if "event_id" in columns:
            found["event"] = ids.unit_keys(ids.plain(columns["event_id"]))
            usable = usable & np.asarray(columns["event_id"].is_valid())
        wanted = set(self.rollout.unit_columns(self.source))
        for place, name in enumerate(self.design.values):
            if name in wanted:
                found[f"v{place}"] = self._value(name, columns.get(name), len(batch))
        if self.source == "outcomes":
            for place, (name, without) in enumerate(self.design.event_values):
                values = columns.get(name, pa.nulls(len(batch), pa.float64()))
                found[f"b{place}"] = bins_of(*numbers(values), place, zeros=not without)
        for place, name in enumerate(self.design.covariates):
            if name in wanted:
                found[f"x{place}"] = _covariate(columns.get(name), len(batch))
        for place, name in enumerate(self.design.words):
            if name in wanted:
                found[f"s{place}"] = self._segment(name, columns.get(name), len(batch))
        return found if bool(usable.all()) else {n: x[usable] for n, x in found.items()}

    def _after_exposure(
        self, unit: NDArray[np.uint64], ts: NDArray[np.int64], usable: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        assert self.exposed is not None
        since = self.exposed.since(unit)
        self.fault(STRANGER, int(np.count_nonzero(usable & (since < 0))))
        self.fault(EARLY, int(np.count_nonzero(usable & (since > ts))))
        return usable & (since >= 0) & (since <= ts)

    def _value(self, name: str, values: pa.Array | None, rows: int) -> NDArray[np.int64]:
        """Values in quanta; 0 where there is none, which is counted."""
        if values is None:
            self.fault(NULL.format(name), rows)
            return np.zeros(rows, dtype=np.int64)
        raw, nulls = numbers(values)
        plain = raw.astype(np.float64)
        plain[nulls] = 0.0
        self.fault(NULL.format(name), len(nulls))
        reach = self.scales.columns[name] * VALUE_REACH
        # two passes that make nothing, unless something is out of range; NaN fails both
        if len(plain) and not (plain.max() <= reach and plain.min() >= -reach):
            far = ~(np.abs(plain) <= reach)
            infinite = ~np.isfinite(plain)
            self.fault(INFINITE.format(name), int(np.count_nonzero(infinite)))
            self.fault(FAR.format(name), int(np.count_nonzero(far & ~infinite)))
            plain[far] = 0.0
        plain *= 1.0 / self.scales.value(name)  # a power of two: exact
        return np.rint(plain, out=plain).astype(np.int64)

    def _segment(self, name: str, values: pa.Array | None, rows: int) -> NDArray[np.uint64]:
        """Hashes of a segment's values; 0 for NULL. Which word has which hash is remembered."""
        if values is None:
            return np.zeros(rows, dtype=np.uint64)
        spelled = text(values)
        hashes = ids.unit_keys(spelled.dictionary) | np.uint64(1)
        known = self.words.setdefault(name, {})
        known.update(zip(hashes.tolist(), spelled.dictionary.to_pylist(), strict=True))
        place = spelled.indices.fill_null(len(hashes)).to_numpy()
        found: NDArray[np.uint64] = np.append(hashes, np.uint64(0))[place]
        return found

    def table(self) -> pa.Table:
        """The units of the day, ascending by unit: unit (hash), arm (-1: seen in both), events,
        v0.. (totals in quanta), x0.. (covariates, NaN where none), s0.. (words of segments, NULL
        where none); of exposures also first (microseconds UTC).
        """
        self._fold()
        if not self.parts:
            return pa.table({"unit": pa.array([], pa.uint64())})
        units = grouping.merged([part.result() for part in self.parts])
        self.parts = []
        self.thread.shutdown()
        found = {"unit": units["unit"]}
        low, high = units["variant"], units["variant" + grouping.HIGH]
        found["arm"] = np.where(low == high, low, np.int8(MIXED))
        names = [name for name in units if name in ("first", "events") or grouping.is_total(name)]
        found |= {name: units[name] for name in names}
        return pa.table(found | self._own(units))

    def _own(self, units: Rows) -> dict[str, pa.Array]:
        """What is a unit's own, of several values the smallest; units with several are counted."""
        found = {}
        for kind, names in (("x", self.design.covariates), ("s", self.design.words)):
            for place, name in enumerate(names):
                column = f"{kind}{place}"
                if column in units:
                    low, high = units[column], units[column + grouping.HIGH]
                    varied = (low != high) & (low == low)
                    self.fault(VARIES.format(name), int(np.count_nonzero(varied)))
                    words = self.words.get(name, {})
                    if name == CLUSTER:
                        self.fault(NO_CLUSTER, int(np.count_nonzero(low == 0)))
                    found[column] = pa.array(low) if kind == "x" else _words(low, words)
        return found

    def event_table(self) -> pa.Table:
        """Events of the day's units by fine bin, as `UnitEvents.table`; after `table`."""
        return added(self.events).table()


def arms(design: Experiment, values: pa.Array) -> NDArray[np.int8]:
    """0 for the champion, 1 for the challenger, -1 for any other variant or none."""
    spelled = text(values)
    known = {design.champion: CHAMPION, design.challenger: CHALLENGER}
    words = spelled.dictionary.to_pylist()
    table = np.array([*(known.get(word, -1) for word in words), -1], dtype=np.int8)
    found: NDArray[np.int8] = table[spelled.indices.fill_null(len(words)).to_numpy()]
    return found


def _covariate(values: pa.Array | None, rows: int) -> NDArray[np.float64]:
    if values is None:
        return np.full(rows, np.nan)
    raw, nulls = numbers(values)
    plain = raw.astype(np.float64)
    plain[nulls] = np.nan
    plain[~np.isfinite(plain)] = np.nan
    return plain


def _words(hashes: NDArray[np.uint64], words: Mapping[int, str]) -> pa.DictionaryArray:
    """Hashes of a segment as the words they stand for, in alphabetical order; 0 is NULL."""
    spelled = sorted(words.items(), key=lambda item: item[1])
    known = np.array([0, *(number for number, _ in spelled)], dtype=np.uint64)
    order = np.argsort(known)
    place = order[np.searchsorted(known[order], hashes)].astype(np.int32) - 1
    codes = pa.array(place, mask=place < 0)
    return pa.DictionaryArray.from_arrays(codes, pa.array([w for _, w in spelled], pa.string()))


def unit_day(
    rollout: Rollout,
    source: Source,
    files: Sequence[LogFile],
    day: int,
    scales: Scales,
    exposed: Exposed | None = None,
) -> tuple[dict[str, pa.Table], dict[str, int]]:
    """Units of a day (since 1970, UTC) of outcomes or exposures, as `Day.table`, in unit_days or
    unit_exposures; where single events are binned also unit_events; and the day's faults.

    Raises LogError as reading does.
    """
    design = rollout.experiment
    if design is None:
        raise LogError("no experiment is described; write [experiment] into rollout.toml")
    found = Day(rollout, source, scales, exposed)
    columns = rollout.unit_columns(source)
    if source == "outcomes":
        columns = [*columns, "event_id"]
    for batch in read(rollout, source, files, columns, day * DAY, (day + 1) * DAY):
        found.add(batch)
    tables = {"unit_days" if source == "outcomes" else "unit_exposures": found.table()}
    if source == "outcomes" and design.event_values:
        tables["unit_events"] = found.event_table()
    return tables, found.faults
