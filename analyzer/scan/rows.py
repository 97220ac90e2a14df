"""Narrow rows of one side as numpy columns, sorted by `ts`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.scan.pairing import Identity

Ints = NDArray[np.int64]


class Rows:
    """Narrow rows of one side as numpy columns, sorted by `ts`."""

    def __init__(self, table: pa.Table) -> None:
        self.columns = {
            name: table[name].to_numpy()
            for name in table.schema.names
            if name != "id" and not name.startswith("p")
        }
        self.ids = table["id"] if "id" in table.schema.names else None
        self.parity = {n: table[n] for n in table.schema.names if n.startswith("p")}
        ts = self.columns["ts"]
        if not bool(np.all(ts[1:] >= ts[:-1])):
            order = np.argsort(ts, kind="stable")
            self.columns = {name: column[order] for name, column in self.columns.items()}
            self.ids = self.ids.take(pa.array(order)) if self.ids else None
            self.parity = {n: c.take(pa.array(order)) for n, c in self.parity.items()}

    def __getitem__(self, name: str) -> NDArray[Any]:
        column: NDArray[Any] = self.columns[name]
        return column

    @property
    def identity(self) -> Identity:
        """What pairing needs of these rows."""
        c = self.columns
        return Identity(
            c["key"], c["check"], c["has_id"].view(bool), c["ts"], c["score"], self._others
        )

    def ids_at(self, rows: Ints) -> pa.Array:
        """Request ids of a few rows, of a side that keeps them; `take` on the whole chunked column
        would copy all of it.
        """
        assert self.ids is not None
        return pa.array([self.ids[int(row)].as_py() for row in rows], self.ids.type)

    def _others(self, rows: Ints) -> list[NDArray[Any]]:
        """What else the chosen rows hold: decides which of several equal rows pairs."""
        chosen = [values[rows] for _, values in sorted(self.columns.items())]
        features = [values.take(pa.array(rows)) for _, values in sorted(self.parity.items())]
        return [*chosen, *(values.to_numpy() for values in features)]
