"""What each unit did on a day: its arm, its first moment, how many outcomes, their totals.

Values are rounded to whole multiples of a frozen quantum before they are added, so totals do not
depend on the order of rows, files or threads. Learnt by measuring: polars' hash aggregation of
partial days, added up again at the end, is as fast as one of whole days and needs a tenth of the
memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from analyzer import ids
from analyzer.config import Rollout
from analyzer.design import Experiment
from analyzer.errors import LogError
from analyzer.experiment.exposure import Exposed
from analyzer.experiment.tables import CHALLENGER, CHAMPION, DAY, VALUE_REACH, Scales
from analyzer.logs import LogFile, Source
from analyzer.reader import Batch, numbers, read, text

NO_UNIT = "no unit id"
UNKNOWN_VARIANT = "variant is neither arm's"
TWICE = "the same event again"
EARLY = "outcome before its unit was exposed"
STRANGER = "outcome of a unit that was not exposed"
VARIES = "unit with several values of {}"

CHUNK = 2_000_000
"""Rows that are aggregated at once."""


@dataclass
class Day:
    """Collects the rows of a day. With `exposed`, only outcomes after a unit's exposure count."""

    rollout: Rollout
    source: Source
    scales: Scales
    exposed: Exposed | None = None
    faults: dict[str, int] = field(default_factory=dict)
    parts: list[pl.DataFrame] = field(default_factory=list)
    waiting: list[pl.DataFrame] = field(default_factory=list)
    rows: int = 0
    words: dict[str, dict[int, str]] = field(default_factory=dict)

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
        if self.rows >= CHUNK and "event" not in self.waiting[0].columns:
            self._fold()

    def _fold(self) -> None:
        if self.waiting:
            self.parts.append(_added(self._once(pl.concat(self.waiting)), first=True))
        self.waiting, self.rows = [], 0

    def _once(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Each event of a unit once: its earliest row, of several the smallest."""
        if "event" not in rows.columns:
            return rows
        order = ["unit", "event", "first", *(c for c in rows.columns if c[0] in "vx")]
        kept = rows.sort(order).unique(["unit", "event"], keep="first", maintain_order=True)
        self.fault(TWICE, len(rows) - len(kept))
        return kept.drop("event")

    def _usable(self, batch: Batch) -> pl.DataFrame:
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
        found: dict[str, object] = {"unit": unit, "variant": variant, "first": batch.ts}
        if "event_id" in columns:
            found["event"] = ids.unit_keys(ids.plain(columns["event_id"]))
            usable = usable & np.asarray(columns["event_id"].is_valid())
        wanted = set(self.rollout.unit_columns(self.source))
        for place, name in enumerate(self.design.values):
            if name in wanted:
                found[f"v{place}"] = self._value(name, columns.get(name), len(batch))
        for place, name in enumerate(self.design.covariates):
            if name in wanted:
                found[f"x{place}"] = _covariate(columns.get(name), len(batch))
        for place, name in enumerate(self.design.segments):
            if name in wanted:
                found[f"s{place}"] = self._segment(name, columns.get(name), len(batch))
        rows = pl.DataFrame(found)
        return rows if bool(usable.all()) else rows.filter(pl.Series(usable))

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
            self.fault(f"{name} is NULL", rows)
            return np.zeros(rows, dtype=np.int64)
        raw, nulls = numbers(values)
        plain = raw.astype(np.float64)
        plain[nulls] = 0.0
        self.fault(f"{name} is NULL", len(nulls))
        far = ~(np.abs(plain) <= self.scales.columns[name] * VALUE_REACH)
        if far.any():
            infinite = ~np.isfinite(plain)
            self.fault(f"{name} is infinite or NaN", int(np.count_nonzero(infinite)))
            self.fault(f"{name} is out of range", int(np.count_nonzero(far & ~infinite)))
            plain[far] = 0.0
        return np.rint(plain / self.scales.value(name)).astype(np.int64)

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
        """The units of the day, ascending by unit: unit (hash), variant, mixed (both arms), first
        (microseconds UTC), events, v0.. (totals in quanta), x0.. (covariates, NaN where none),
        s0.. (words of segments, NULL where none).
        """
        self._fold()
        if not self.parts:
            return pa.table({"unit": pa.array([], pa.uint64())})
        whole = self.parts[0] if len(self.parts) == 1 else pl.concat(self.parts)
        units = _added(whole, first=False).sort("unit")
        arrays = {"unit": units["unit"], "variant": units["variant"], "mixed": units["mixed"]}
        arrays |= {c: units[c] for c in units.columns if c in ("first", "events") or c[0] == "v"}
        found = {n: s.to_arrow() for n, s in arrays.items() if n not in ("variant_high",)}
        for kind, names in (("x", self.design.covariates), ("s", self.design.segments)):
            for place, name in enumerate(names):
                column = f"{kind}{place}"
                if column not in units.columns:
                    continue
                varied = units[column] != units[f"{column}_high"]
                self.fault(VARIES.format(name), int(varied.fill_null(False).sum()))
                found[column] = units[column].to_arrow()
                if kind == "s":
                    found[column] = _words(units[column].to_numpy(), self.words.get(name, {}))
        self.parts = []
        return pa.table(found)


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


def _added(rows: pl.DataFrame, *, first: bool) -> pl.DataFrame:
    """One row per unit. Lows and highs tell whether what should be one value was."""
    keys = [c for c in rows.columns if c[0] in "xs" and not c.endswith("_high")]
    values = [c for c in rows.columns if c[0] == "v" and c[1:].isdigit()]
    high = {c: pl.col(c if first else f"{c}_high") for c in keys}
    what = [
        pl.col("variant").min(),
        (pl.col("variant").min() != pl.col("variant").max()).alias("mixed")
        if first
        else (pl.col("mixed").any() | (pl.col("variant").min() != pl.col("variant").max())),
        pl.col("first").min(),
        pl.len().cast(pl.Int64).alias("events") if first else pl.col("events").sum(),
        *(pl.col(c).sum() for c in values),
        *(pl.col(c).fill_nan(None).min() if c[0] == "x" else pl.col(c).min() for c in keys),
        *(
            (x.fill_nan(None).max() if c[0] == "x" else x.max()).alias(f"{c}_high")
            for c, x in high.items()
        ),
    ]
    return rows.group_by("unit").agg(what)


def _words(hashes: NDArray[np.uint64], words: dict[int, str]) -> pa.Array:
    """Hashes of a segment as the words they stand for."""
    present, place = np.unique(hashes, return_inverse=True)
    return pa.array([words.get(h) for h in present.tolist()], pa.string()).take(pa.array(place))


def unit_day(
    rollout: Rollout,
    source: Source,
    files: Sequence[LogFile],
    day: int,
    scales: Scales,
    exposed: Exposed | None = None,
) -> tuple[pa.Table, dict[str, int]]:
    """Units of a day (since 1970, UTC) of outcomes or exposures, as `Day.table`, and its faults.

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
    return found.table(), found.faults
