"""Outcomes that are not there: files that could not be read, days without a value, odd values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analyzer.experiment.known import Known
from analyzer.experiment.tables import EVENTS
from analyzer.experiment.unit_days import FAR, INFINITE, NULL
from analyzer.window import date


@dataclass(frozen=True)
class Gap:
    """What is wrong with a column of outcomes. days: on which all its values are NULL, ISO;
    unusable: share of the rows whose value is infinite, NaN or out of range, taken as 0.
    """

    column: str
    days: tuple[str, ...]
    unusable: float


def gaps(known: Known) -> tuple[Gap, ...]:
    """Columns of outcomes with days without a value, or with values that cannot be used."""
    rows = _rows(known)
    whole = sum(rows.values())
    found = []
    for column in known.design.values:
        null = _by_day(known, NULL.format(column))
        days = tuple(date(day) for day, n in sorted(null.items()) if n >= rows.get(day, 0) > 0)
        odd = sum(sum(_by_day(known, r.format(column)).values()) for r in (INFINITE, FAR))
        if days or odd:
            found.append(Gap(column, days, odd / whole if whole else 1.0))
    return tuple(found)


def _rows(known: Known) -> dict[int, int]:
    """Outcomes that count, by day."""
    table = known.table("unit_buckets")
    days, n = table["day"].to_numpy(), table[EVENTS].to_numpy()
    present, place = np.unique(days, return_inverse=True)
    sums = np.bincount(place, n, len(present))
    return {int(day): int(rows) for day, rows in zip(present, sums, strict=True)}


def _by_day(known: Known, reason: str) -> Mapping[int, int]:
    found: dict[int, int] = {}
    for row in known.tables["unit_faults"].to_pylist():
        if row["reason"] == reason and row["day"] < known.as_of:
            found[row["day"]] = found.get(row["day"], 0) + row["n"]
    return found
