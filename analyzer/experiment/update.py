"""Bring an experiment's tables up to date: only days whose logs changed are read again.

Raw logs are read once, day by day, into `unit_days`. Sums over units follow from those tables
alone, in order of days; the units by the end of the last day are kept, so that a night costs its
own day and one pass over the units.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa

from analyzer import __version__
from analyzer.config import Rollout
from analyzer.errors import ConfigError, LogError
from analyzer.experiment import sums
from analyzer.experiment.exposure import NOBODY, Exposed
from analyzer.experiment.snapshot import Snapshot
from analyzer.experiment.state import Change, Units, advanced, nobody, units_of
from analyzer.experiment.tables import (
    DAY,
    EVENTS,
    FORMAT,
    Scales,
    faults_table,
    sums_store,
    units_store,
)
from analyzer.experiment.unit_days import unit_day
from analyzer.logs import LogFile, Source, survey
from analyzer.profile import SCHEMA, encode
from analyzer.reader import numbers, read
from analyzer.store import Manifest, Store, slot_name

Progress = Callable[[int, int], None]
"""Called with days done and days in all."""

SCALES = "scales.json"
SOURCES: tuple[Source, Source] = ("exposures", "outcomes")
MIXED_UNITS = "unit seen in both arms"


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
        job = _Job(rollout, units, totals)
        read_days = job.read_days(progress)
        made = job.sum_days()
        return Update(
            tuple(map(_name, read_days)),
            tuple(map(_name, made)),
            tuple(f for files in job.files.values() for f in files if f.problem),
        )


def _name(day: int) -> str:
    return slot_name(day * DAY)[:10]


class _Job:
    """One update."""

    def __init__(self, rollout: Rollout, units: Store, totals: Store) -> None:
        self.rollout, self.units, self.totals = rollout, units, totals
        assert rollout.experiment is not None
        self.design = rollout.experiment
        self.files = self._survey()
        self.depends = _depends(rollout)
        self.days = self._days()
        self.scales = self._scales()

    def _survey(self) -> dict[Source, list[LogFile]]:
        before = self.units.footers()
        found: dict[Source, list[LogFile]] = {}
        for source in SOURCES:
            if not self.rollout.log(source).paths:
                found[source] = []
                continue
            key = f"{source} {_depends(self.rollout)}"
            known = {(f.name, f.size, f.changed): f for f in before.get(key, []) if not f.problem}
            found[source] = survey(self.rollout, source, known)
        self.units.save_footers({f"{s} {_depends(self.rollout)}": f for s, f in found.items()})
        return found

    def _days(self) -> list[int]:
        """Days that some file may hold rows of, and those that were read before."""
        held: set[int] = {start // DAY for start in self.units.manifests()}
        for files in self.files.values():
            for file in files:
                for group in file.groups if not file.problem else ():
                    if group.first is not None and group.last is not None:
                        held.update(range(group.first // DAY, group.last // DAY + 1))
        return sorted(held)

    def _scales(self) -> Scales:
        """Sizes of the columns by the first day that holds rows; written once."""
        known = self.units.load(SCALES, Scales)
        if known is not None and set(known.columns) >= {EVENTS, *self.rollout.unit_numbers}:
            return known
        found = {EVENTS: 1.0}
        for source in SOURCES:
            names = [c for c in self.rollout.unit_columns(source) if c in self._numbers()]
            found |= _sizes(self.rollout, source, self.files[source], names, self.days)
        scales = Scales({**found, **(known.columns if known else {})})
        self.units.replace(SCALES, scales)
        return scales

    def _numbers(self) -> set[str]:
        return set(self.rollout.unit_numbers)

    def read_days(self, progress: Progress | None) -> list[int]:
        """Read the days whose files changed into `unit_days`."""
        done = []
        exposed, before = NOBODY, self.depends
        for number, day in enumerate(self.days):
            if progress:
                progress(number, len(self.days))
            if self._read_day(day, exposed, before):
                done.append(day)
            if self.design.exposures:  # what counts of a day depends on who was exposed before
                manifest = self.units.manifests()[day * DAY]
                exposed = _with(exposed, self.units.read(manifest, "unit_exposures"))
                before = _linked(before, manifest)
        return done

    def _read_day(self, day: int, exposed: Exposed, depends: str) -> bool:
        """Whether a day had to be read."""
        inputs: list[tuple[str, str, int, int]] = sorted(
            (str(source), f.name, f.size, f.changed)
            for source in SOURCES
            for f in self.files[source]
            if not f.problem and f.overlaps(day * DAY, (day + 1) * DAY)
        )
        manifest = self.units.manifests().get(day * DAY)
        # of files that are gone, what was counted stays
        known_already = manifest and (not inputs or _same(manifest, inputs, depends))
        if manifest and known_already and self.units.intact(manifest):
            return False
        tables: dict[str, pa.Table] = {}
        faults: dict[str, int] = {}
        if self.design.exposures:
            files = self.files["exposures"]
            shown, faults = unit_day(self.rollout, "exposures", files, day, self.scales)
            tables["unit_exposures"] = shown
            exposed = _with(exposed, shown)
        known = exposed if self.design.exposures else None
        files = self.files["outcomes"]
        did, more = unit_day(self.rollout, "outcomes", files, day, self.scales, known)
        tables["unit_days"] = did
        for reason, n in more.items():
            faults[reason] = faults.get(reason, 0) + n
        tables["unit_faults"] = faults_table(day, faults)
        encoded = {name: encode(content) for name, content in tables.items()}
        self.units.save_slot(day * DAY, (day + 1) * DAY, encoded, depends, inputs)
        return True

    def sum_days(self) -> list[int]:
        """Make the sums of the days that are not what they would be now."""
        days = sorted(self.units.manifests().values(), key=lambda m: m.start)
        chain = _chain(self.depends, days)
        snapshot = Snapshot(self.totals.path)
        made: list[int] = []
        start, units = self._start(days, chain, snapshot)
        held = self.totals.manifests()
        for manifest, digest in list(zip(days, chain, strict=True))[start:]:
            units = self._sum_day(units, manifest, digest)
            made.append(manifest.start // DAY)
        if made:
            snapshot.save(units, chain[-1])
        for gone in set(held) - {m.start for m in days}:
            raise LogError(f"the sums of {_name(gone // DAY)} have no day of units any more")
        return made

    def _start(
        self, days: Sequence[Manifest], chain: Sequence[str], snapshot: Snapshot
    ) -> tuple[int, Units]:
        """From which day on sums are made anew, and the units before it."""
        shape = nobody(
            len(self.design.values), len(self.design.covariates), len(self.design.segments)
        )
        held = self.totals.manifests()
        fresh = 0
        for manifest, digest in zip(days, chain, strict=True):
            sums_of_day = held.get(manifest.start)
            if sums_of_day is None or sums_of_day.depends != digest:
                break
            if not self.totals.intact(sums_of_day):
                break
            fresh += 1
        if fresh == len(days):
            return fresh, shape
        kept = snapshot.load(chain[fresh - 1], shape) if fresh else shape
        if kept is not None:
            return fresh, kept
        for manifest in days[:fresh]:  # a late file: walk to its day again, making nothing
            *_, (shape, _) = self._changes(shape, manifest)
        return fresh, shape

    def _changes(self, units: Units, manifest: Manifest) -> Iterator[tuple[Units, Change]]:
        """Units after each step of a day, and what the step changed: exposures, then outcomes."""
        steps = [("unit_exposures", True), ("unit_days", False)]
        for name, exposing in steps if self.design.exposures else [("unit_days", True)]:
            found = units_of(self.units.read(manifest, name), units)
            if name == "unit_exposures":
                found.totals[:] = 0  # being shown something is no outcome
            units, change = advanced(units, found, exposing=exposing)
            yield units, change

    def _sum_day(self, units: Units, manifest: Manifest, digest: str) -> Units:
        day = manifest.start // DAY
        parts: dict[str, list[pa.Table]] = {}
        mixed = 0
        for after, change in self._changes(units, manifest):
            units = after
            was = np.where(change.known, change.before.arm, 0)
            mixed += int(np.count_nonzero((change.after.arm < 0) & (was >= 0)))
            for name, content in (
                ("unit_sums", sums.sums_of(self.design, self.scales, change, day)),
                ("unit_bins", sums.bins_of(self.design, self.scales, change, day)),
                ("unit_buckets", sums.buckets_of(change, day)),
            ):
                parts.setdefault(name, []).append(content)
        tables = {name: pa.concat_tables(found) for name, found in parts.items()}
        tables["unit_faults"] = faults_table(day, {MIXED_UNITS: mixed})
        encoded = {name: encode(content) for name, content in tables.items()}
        self.totals.save_slot(manifest.start, manifest.end, encoded, digest, [])
        return units


def _with(exposed: Exposed, table: pa.Table) -> Exposed:
    if "first" not in table.schema.names:
        return exposed
    return exposed.with_day(table["unit"].to_numpy(), table["first"].to_numpy())


def _same(manifest: Manifest, inputs: Sequence[tuple[str, str, int, int]], depends: str) -> bool:
    return manifest.depends == depends and list(map(tuple, manifest.inputs)) == list(inputs)


def _sizes(
    rollout: Rollout, source: Source, files: Sequence[LogFile], names: list[str], days: list[int]
) -> dict[str, float]:
    """Per column the power of two at or above its largest finite value of the first day."""
    found = dict.fromkeys(names, 1.0)
    for day in days:
        largest = dict.fromkeys(names, 0.0)
        rows = 0
        for batch in read(rollout, source, files, names, day * DAY, (day + 1) * DAY):
            rows += len(batch)
            for name in names:
                values, nulls = numbers(batch.columns.get(name, pa.array([], pa.float64())))
                plain = np.delete(values.astype(np.float64), nulls)
                plain = np.abs(plain[np.isfinite(plain)])
                largest[name] = max(largest[name], float(plain.max(initial=0.0)))
        if rows:
            powers = {n: 2.0 ** np.ceil(np.log2(x)) for n, x in largest.items() if x > 0}
            return {**found, **{name: float(power) for name, power in powers.items()}}
    return found


def _chain(depends: str, days: Sequence[Manifest]) -> list[str]:
    """Per day a digest of itself and of all days before it: sums follow from all of them."""
    found, last = [], depends
    for manifest in days:
        last = _linked(last, manifest)
        found.append(last)
    return found


def _linked(last: str, manifest: Manifest) -> str:
    told = json.dumps([last, manifest.slot, manifest.digest])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _depends(rollout: Rollout) -> str:
    """Digest of all but the files that the tables follow from. Roles and margins of metrics, and
    weights, are for the analysis: they change nothing here.
    """
    design = rollout.experiment
    assert design is not None
    metrics = [
        (
            name,
            m.kind,
            m.value,
            m.denominator,
            m.covariate,
            m.kind == "quantile" or bool(m.winsorise),
        )
        for name, m in sorted(design.metrics.items())
    ]
    parts = (
        SCHEMA,
        FORMAT,
        __version__,
        design.outcomes,
        design.exposures,
        sorted(design.columns.items()),
        (design.champion, design.challenger),
        design.segments,
        metrics,
        rollout.time.zone,
    )
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]
