"""The days of an experiment's logs: which there are, and what units did on each, read once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa

from analyzer import __version__
from analyzer.config import Rollout
from analyzer.experiment.exposure import NOBODY, Exposed
from analyzer.experiment.tables import DAY, EVENTS, FORMAT, Scales, encoded, faults_table, linked
from analyzer.experiment.unit_days import unit_day
from analyzer.logs import LogFile, Source, survey
from analyzer.profile import SCHEMA
from analyzer.reader import numbers, read
from analyzer.store import Manifest, Store

SCALES = "scales.json"
SOURCES: tuple[Source, Source] = ("exposures", "outcomes")

FARTHEST = 2.0**10
"""A first day's value beyond so many times the median does not set the size of its column: one
value of 1e30 would make all others count as 0."""


@dataclass(frozen=True)
class Read:
    """A day as the store holds it now. tables: what was read anew, empty where nothing was."""

    manifest: Manifest
    tables: Mapping[str, pa.Table]


class Days:
    """Days of the logs of outcomes and exposures, and where they are kept.

    files: per log, problems among them. days: since 1970, UTC, ascending. depends: digest of all
    but the files that the tables follow from.
    """

    def __init__(self, rollout: Rollout, units: Store) -> None:
        self.rollout, self.units = rollout, units
        assert rollout.experiment is not None
        self.design = rollout.experiment
        self.depends = _depends(rollout)
        self.files = self._survey()
        self.days = self._days()
        self.scales = self._scales()

    def _survey(self) -> dict[Source, list[LogFile]]:
        before = self.units.footers()
        found: dict[Source, list[LogFile]] = {}
        for source in SOURCES:
            if not self.rollout.log(source).paths:
                found[source] = []
                continue
            key = f"{source} {self.depends}"
            known = {(f.name, f.size, f.changed): f for f in before.get(key, []) if not f.problem}
            found[source] = survey(self.rollout, source, known)
        self.units.save_footers({f"{s} {self.depends}": f for s, f in found.items()})
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
        wanted = self.rollout.unit_numbers
        if known is not None and set(known.columns) >= {EVENTS, *wanted}:
            return known
        found = {EVENTS: 1.0}
        for source in SOURCES:
            names = [c for c in self.rollout.unit_columns(source) if c in wanted]
            found |= _sizes(self.rollout, source, self.files[source], names, self.days)
        scales = Scales({**found, **(known.columns if known else {})})
        self.units.replace(SCALES, scales)
        return scales

    def read(self) -> Iterator[Read]:
        """All days in order; those whose files changed are read into `unit_days` on the way."""
        exposed, before = NOBODY, self.depends
        for day in self.days:
            found = self._read_day(day, exposed, before)
            if self.design.exposures:  # what counts of a day depends on who was exposed before
                shown = found.tables.get("unit_exposures")
                if shown is None:
                    shown = self.units.read(found.manifest, "unit_exposures")
                exposed = _with(exposed, shown)
                before = linked(before, found.manifest)
            yield found

    def _read_day(self, day: int, exposed: Exposed, depends: str) -> Read:
        inputs: list[tuple[str, str, int, int]] = sorted(
            (str(source), f.name, f.size, f.changed)
            for source in SOURCES
            for f in self.files[source]
            if not f.problem and f.overlaps(day * DAY, (day + 1) * DAY)
        )
        manifest = self.units.manifest(day * DAY)
        # of files that are gone, what was counted stays
        same = manifest and (not inputs or _same(manifest, inputs, depends))
        if manifest and same and self.units.intact(manifest):
            return Read(manifest, {})
        tables = self._tables(day, exposed)
        content = {name: encoded(table) for name, table in tables.items()}
        saved = self.units.save_slot(day * DAY, (day + 1) * DAY, content, depends, inputs)
        return Read(saved, tables)

    def _tables(self, day: int, exposed: Exposed) -> dict[str, pa.Table]:
        tables: dict[str, pa.Table] = {}
        faults: dict[str, int] = {}
        known = None
        if self.design.exposures:
            files = self.files["exposures"]
            tables, faults = unit_day(self.rollout, "exposures", files, day, self.scales)
            known = _with(exposed, tables["unit_exposures"])
        files = self.files["outcomes"]
        did, more = unit_day(self.rollout, "outcomes", files, day, self.scales, known)
        tables |= did
        for reason, n in more.items():
            faults[reason] = faults.get(reason, 0) + n
        tables["unit_faults"] = faults_table(day, faults)
        return tables


def unread(rollout: Rollout, units: Store) -> list[LogFile]:
    """Files of outcomes and exposures that could not be used when they were last looked at."""
    found, depends = units.footers(), _depends(rollout)
    return [f for s in SOURCES for f in found.get(f"{s} {depends}", []) if f.problem]


def _with(exposed: Exposed, table: pa.Table) -> Exposed:
    if "first" not in table.schema.names:
        return exposed
    return exposed.with_day(table["unit"].to_numpy(), table["first"].to_numpy())


def _same(manifest: Manifest, inputs: Sequence[tuple[str, str, int, int]], depends: str) -> bool:
    return manifest.depends == depends and list(map(tuple, manifest.inputs)) == list(inputs)


def _sizes(
    rollout: Rollout, source: Source, files: Sequence[LogFile], names: list[str], days: list[int]
) -> dict[str, float]:
    """Per column the power of two at or above its largest value of the first day; of values that
    are absurdly far from the others, at `FARTHEST` times the usual one: they are out of range.
    """
    found = dict.fromkeys(names, 1.0)
    for day in days:
        largest, usual = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
        rows = 0
        for batch in read(rollout, source, files, names, day * DAY, (day + 1) * DAY):
            rows += len(batch)
            for name in names:
                values, nulls = numbers(batch.columns.get(name, pa.array([], pa.float64())))
                plain = np.delete(values.astype(np.float64), nulls)
                plain = np.abs(plain[np.isfinite(plain)])
                largest[name] = max(largest[name], float(plain.max(initial=0.0)))
                plain = plain[plain > 0]
                usual[name] = max(usual[name], float(np.median(plain)) if len(plain) else 0.0)
        if rows:
            largest = {n: min(x, usual[n] * FARTHEST) for n, x in largest.items()}
            powers = {n: 2.0 ** np.ceil(np.log2(x)) for n, x in largest.items() if x > 0}
            return {**found, **{name: float(power) for name, power in powers.items()}}
    return found


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
            *((m.of, m.ignore_zeros) if m.of_events else ()),
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
