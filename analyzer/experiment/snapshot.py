"""The units by the end of the last day, kept between nights: a cache that may be deleted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from analyzer.errors import StoreError
from analyzer.experiment.state import Units

_FILE = "units.arrow"


class Snapshot:
    """One file in a folder; it says which days it follows from."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / _FILE

    def save(self, units: Units, digest: str) -> None:
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
        table = pa.table(columns).replace_schema_metadata(facts)
        part = self.path.with_name(f"{_FILE}.part")
        try:
            with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
            part.replace(self.path)
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be written ({error}); make room") from None

    def load(self, digest: str, shape: Units) -> Units | None:
        """The units, None where the file is not there, damaged, or follows from other days."""
        try:
            with pa.memory_map(str(self.path)) as source:
                table = pa.ipc.open_file(source).read_all()
        except (OSError, pa.ArrowInvalid):
            return None
        facts = table.schema.metadata or {}
        if facts.get(b"digest") != digest.encode():
            return None

        def together(name: str) -> tuple[NDArray[Any], ...]:
            width = len(getattr(shape, name))
            return tuple(table[f"{name}{place}"].to_numpy() for place in range(width))

        words = json.loads(facts[b"words"])
        return replace(
            shape,
            unit=table["unit"].to_numpy(),
            arm=table["arm"].to_numpy(),
            exposed=table["exposed"].to_numpy(),
            totals=together("totals"),
            covariates=together("covariates"),
            segments=together("segments"),
            words=tuple(tuple(each) for each in words),
        )
