"""The units by the end of the last day and their events, kept between nights: a cache that may be
deleted.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from analyzer.errors import StoreError
from analyzer.experiment.state import Units
from analyzer.experiment.unit_events import NONE, UnitEvents, from_table

_UNITS, _EVENTS = "units.arrow", "events.arrow"


class Snapshot:
    """Two files in a folder (one where no single events are binned); each says which days it
    follows from.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, units: Units, events: UnitEvents, digest: str) -> None:
        """Write the units. Raises StoreError when they cannot be written."""
        columns: dict[str, pa.Array] = {
            "unit": pa.array(units.unit),
            "arm": pa.array(units.arm),
            "exposed": pa.array(units.exposed),
        }
        for name in ("totals", "covariates", "segments"):
            for place, values in enumerate(getattr(units, name)):
                columns[f"{name}{place}"] = pa.array(values)
        facts = {"digest": digest, "words": json.dumps(units.words)}
        if len(events):
            self._write(_EVENTS, events.table().replace_schema_metadata({"digest": digest}))
        facts["events"] = str(len(events))
        self._write(_UNITS, pa.table(columns).replace_schema_metadata(facts))

    def _write(self, name: str, table: pa.Table) -> None:
        path = self.folder / name
        part = path.with_name(f"{name}.part")
        try:
            with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
            part.replace(path)
        except OSError as error:
            raise StoreError(f"{path}: cannot be written ({error}); make room") from None

    def load(self, digest: str, shape: Units) -> tuple[Units, UnitEvents] | None:
        """The units, None where the file is not there, damaged, or follows from other days."""
        table = self._read(_UNITS, digest)
        if table is None:
            return None
        facts = table.schema.metadata
        events = NONE
        if facts.get(b"events", b"0") != b"0":
            kept = self._read(_EVENTS, digest)
            if kept is None:
                return None
            events = from_table(kept)

        def together(name: str) -> tuple[NDArray[Any], ...]:
            width = len(getattr(shape, name))
            return tuple(table[f"{name}{place}"].to_numpy() for place in range(width))

        words = json.loads(facts[b"words"])
        units = replace(
            shape,
            unit=table["unit"].to_numpy(),
            arm=table["arm"].to_numpy(),
            exposed=table["exposed"].to_numpy(),
            totals=together("totals"),
            covariates=together("covariates"),
            segments=together("segments"),
            words=tuple(tuple(each) for each in words),
        )
        return units, events

    def _read(self, name: str, digest: str) -> pa.Table | None:
        try:
            with pa.memory_map(str(self.folder / name)) as source:
                table = pa.ipc.open_file(source).read_all()
        except (OSError, pa.ArrowInvalid):
            return None
        facts = table.schema.metadata or {}
        return table if facts.get(b"digest") == digest.encode() else None
