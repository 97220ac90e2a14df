"""Sums over units, a day after the other: those of a day follow from it and all days before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from analyzer.design import Experiment
from analyzer.errors import LogError
from analyzer.experiment import sums
from analyzer.experiment.days import Read
from analyzer.experiment.event_bins import events_of
from analyzer.experiment.snapshot import Snapshot
from analyzer.experiment.state import Change, Units, advanced, nobody, units_of
from analyzer.experiment.tables import DAY, Scales, faults_table, linked
from analyzer.experiment.unit_bins import bins_of
from analyzer.experiment.unit_buckets import buckets_of
from analyzer.experiment.unit_clusters import clusters_of
from analyzer.experiment.unit_events import NONE, UnitEvents, from_table
from analyzer.profile import encode
from analyzer.store import Manifest, Store
from analyzer.window import date

MIXED_UNITS = "unit seen in both arms"


class Summing:
    """Takes days in order and makes the sums of those that are not what they would be now.

    made: days since 1970, UTC, whose sums were made.
    """

    def __init__(
        self, design: Experiment, scales: Scales, depends: str, units: Store, totals: Store
    ) -> None:
        self.design, self.scales, self.store, self.totals = design, scales, units, totals
        self.snapshot = Snapshot(totals.path)
        self.held = totals.manifests()
        self.digest = depends
        self.days: list[Manifest] = []
        self.units: Units | None = None
        self.events = NONE
        self.made: list[int] = []

    def add(self, day: Read) -> None:
        """The next day."""
        before, self.digest = self.digest, linked(self.digest, day.manifest)
        kept = self.held.get(day.manifest.start)
        fresh = self.units is None and kept is not None and kept.depends == self.digest
        if not (fresh and kept and self.totals.intact(kept)):
            if self.units is None:
                self.units = self._units(before)
            self.units = self._sum(self.units, day)
            self.made.append(day.manifest.start // DAY)
        self.days.append(day.manifest)

    def finish(self) -> None:
        """Keep the units for the next night. Raises LogError where a day is gone."""
        if self.units is not None:
            self.snapshot.save(self.units, self.events, self.digest)
        for gone in set(self.held) - {m.start for m in self.days}:
            raise LogError(f"the sums of {date(gone // DAY)} have no day of units any more")

    def _units(self, digest: str) -> Units:
        """The units after the days so far, whose events are then known as well."""
        design = self.design
        units = nobody(len(design.values), len(design.covariates), len(design.words))
        kept = self.snapshot.load(digest, units) if self.days else (units, NONE)
        if kept is not None:
            units, self.events = kept
            return units
        for manifest in self.days:  # a late file: walk to its day again, making nothing
            for after, _, _ in self._steps(units, Read(manifest, {})):
                units = after
        return units

    def _steps(
        self, units: Units, day: Read
    ) -> Iterator[tuple[Units, list[Change], dict[str, pa.Table]]]:
        """Units after each step of a day, what the step changed, and event_bins of it where single
        events are binned. Events follow on the way.
        """
        events = self._events(day)
        for name, after, changes in self._changes(units, day):
            made = {}
            if self.design.event_values:
                brought = events if name == "unit_days" else NONE
                number = day.manifest.start // DAY
                found = events_of(self.design, self.events, brought, changes, number)
                self.events, made["event_bins"] = found
            yield after, changes, made

    def _events(self, day: Read) -> UnitEvents:
        """What a day brought of single events."""
        if not self.design.event_values:
            return NONE
        table = day.tables.get("unit_events")
        return from_table(
            table if table is not None else self.store.read(day.manifest, "unit_events")
        )

    def _changes(self, units: Units, day: Read) -> Iterator[tuple[str, Units, list[Change]]]:
        """Each step of a day, the units after it and what it changed: exposures, then outcomes."""
        steps = [("unit_exposures", True), ("unit_days", False)]
        for name, exposing in steps if self.design.exposures else [("unit_days", True)]:
            table = day.tables.get(name)
            if table is None:
                table = self.store.read(day.manifest, name)
            found = units_of(table, day.manifest.start // DAY, units)
            if name == "unit_exposures":
                found = found.idle()  # being shown something is no outcome
            units, changes = advanced(units, found, exposing=exposing)
            yield name, units, changes

    def _sum(self, units: Units, day: Read) -> Units:
        number = day.manifest.start // DAY
        parts: dict[str, list[pa.Table]] = {}
        mixed = 0
        for after, changes, made in self._steps(units, day):
            before, units = units, after
            mixed += sums.mixed(changes)
            for name, content in (
                ("unit_sums", sums.sums_of(self.design, self.scales, changes, number)),
                ("unit_bins", bins_of(self.design, changes, number)),
                ("unit_buckets", buckets_of(self.design, changes, number)),
                *made.items(),
            ):
                parts.setdefault(name, []).append(content)
            if self.design.clustered:
                parts.setdefault("unit_clusters", []).append(
                    clusters_of(self.design, self.scales, before, changes, number)
                )
        tables: Mapping[str, pa.Table] = {
            **{name: pa.concat_tables(found) for name, found in parts.items()},
            "unit_faults": faults_table(number, {MIXED_UNITS: mixed}),
        }
        encoded = {name: encode(content) for name, content in tables.items()}
        self.totals.save_slot(day.manifest.start, day.manifest.end, encoded, self.digest, [])
        return units
