"""How often each value of each column occurred in a window: what drift and shapes are read from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.frozen import OTHER
from analyzer.histogram import ABOVE, BELOW, MINUS_INF, NAN, NULL, PLUS_INF
from analyzer.profiles import Profiles

Ints = NDArray[np.int64]
Key = tuple[str, str]
"""Model and column."""


@dataclass(frozen=True)
class Counts:
    """One column in one window: cells in a fixed order, and what cells hide.

    `cells` are ordered bins or values; the last one counts NULLs (and NaN).
    """

    labels: tuple[object, ...]
    cells: Ints
    nulls: int
    rows: int
    outside: int
    newcomers: int


def counts_of(profiles: Profiles, whole: bool) -> dict[Key, Counts]:
    """Counts of every column of both models in a window.

    whole: every window compared holds whole slots, which have fine bins; otherwise all of them
    use the 64 reference cells of each hour.
    """
    numeric = _fine(profiles) if whole else _cells(profiles)
    return {**numeric, **_serving(profiles), **_values(profiles)}


def _grouped(table: pa.Table, keys: list[str]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = (
        table.group_by(keys)
        .aggregate([("n", "sum")])
        .sort_by([(k, "ascending") for k in keys])
        .to_pylist()
    )
    return rows


def _split(table: pa.Table, by: str) -> dict[Key, tuple[Ints, Ints]]:
    """(values of `by`, summed n) for each model and column."""
    sums = table.group_by(["model", "column", by]).aggregate([("n", "sum")])
    sums = sums.sort_by([("model", "ascending"), ("column", "ascending"), (by, "ascending")])
    if not sums.num_rows:
        return {}
    model = np.asarray(sums["model"].to_pylist(), dtype=object)
    column = np.asarray(sums["column"].to_pylist(), dtype=object)
    values, n = sums[by].to_numpy().astype(np.int64), sums["n_sum"].to_numpy()
    changed = (model[1:] != model[:-1]) | (column[1:] != column[:-1])
    new = np.flatnonzero(np.concatenate(([True], changed)))
    ends = [*new[1:].tolist(), len(n)]
    return {
        (str(model[a]), str(column[a])): (values[a:b], n[a:b])
        for a, b in zip(new.tolist(), ends, strict=True)
    }


def _fine(profiles: Profiles) -> dict[Key, Counts]:
    special = _split(profiles.table("histograms"), "cell")
    fine = _split(profiles.table("fine"), "code")
    return {
        key: _numeric(special[key], *fine.get(key, (np.zeros(0, np.int64),) * 2)) for key in special
    }


def _cells(profiles: Profiles) -> dict[Key, Counts]:
    """Windows that cut slots: a cell is labelled by the code of the first fine bin in it."""
    found = {}
    for key, (cell, n) in _split(profiles.table("histograms"), "cell").items():
        bins = profiles.frozen.bins[key[1]]
        first = {**dict(enumerate(bins.starts)), BELOW: bins.starts[0] - 1, ABOVE: bins.last + 1}
        inside = np.isin(cell, list(first))
        codes = np.asarray([first[c] for c in cell[inside].tolist()], dtype=np.int64)
        order = np.argsort(codes)
        found[key] = _numeric((cell, n), codes[order], n[inside][order])
    return found


def _numeric(special: tuple[Ints, Ints], codes: Ints, n: Ints) -> Counts:
    cell, counts = special
    by_cell = dict(zip(cell.tolist(), counts.tolist(), strict=True))
    nulls = by_cell.get(NULL, 0) + by_cell.get(NAN, 0)
    infinite = by_cell.get(PLUS_INF, 0) + by_cell.get(MINUS_INF, 0)
    outside = by_cell.get(BELOW, 0) + by_cell.get(ABOVE, 0) + infinite
    return Counts(tuple(codes.tolist()), n.astype(np.int64), nulls, int(counts.sum()), outside, 0)


def _serving(profiles: Profiles) -> dict[Key, Counts]:
    found = {}
    for key, (codes, n) in _split(profiles.table("fine_hours"), "code").items():
        rows = int(n.sum())
        found[key] = Counts(tuple(codes.tolist()), n, 0, rows, 0, 0)
    return found


def _values(profiles: Profiles) -> dict[Key, Counts]:
    table = profiles.table("values")
    table = table.filter(pc.not_equal(table["column"], "version"))
    by_key: dict[Key, dict[str | None, int]] = {}
    for row in _grouped(table, ["model", "column", "value"]):
        counts = by_key.setdefault((str(row["model"]), str(row["column"])), {})
        value = row["value"]
        counts[None if value is None else str(value)] = int(str(row["n_sum"]))
    found = {}
    for key, counts in by_key.items():
        labels = tuple(value for value in counts if value is not None)
        n = np.asarray([counts[value] for value in labels], dtype=np.int64)
        found[key] = Counts(
            labels, n, counts.get(None, 0), sum(counts.values()), 0, counts.get(OTHER, 0)
        )
    return found
