"""What a proxy and the labels so far give to calculate with, as of one day."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.cells import Kind, PairCells
from analyzer.labels.completeness import Completeness
from analyzer.labels.evidence import Arrival, Evidence, as_negative, picked
from analyzer.labels.maturity import by_class
from analyzer.labels.parts import ACCEPTED
from analyzer.labels.proxies.known import Proxy, Signalled
from analyzer.labels.proxies.signals import COARSE, YES
from analyzer.labels.tables import PAIR_BUCKETS
from analyzer.labels.weighting import Whose
from analyzer.stats.maturity import READY, Ladder, completeness_error
from analyzer.stats.prediction_powered import Labelled, labelled
from analyzer.stats.proxied import Matured, Rows, expectations

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Days: TypeAlias = "list[int]"

BINS = 32 // COARSE
SILENT = 10.0
"""Signals expected of a day from which on not a single one means that their log was silent."""


@dataclass(frozen=True, eq=False)
class Ground:
    """A proxy and the ladders of labels at one as-of. classes: how many there are."""

    proxy: Proxy
    ladders: Mapping[int, Completeness]
    arrival: Arrival
    kind: Kind
    classes: int

    @cached_property
    def days(self) -> Days:
        """Prediction days whose signals are settled; not those on which their log was silent."""
        n, yes = self._by_day
        rate = sum(yes.values()) / max(sum(n.values()), 1)
        return [day for day in sorted(n) if n[day] > 0 and day not in self._silent(rate)]

    @cached_property
    def silent(self) -> Days:
        """Days without a single signal where at least ten were expected."""
        n, yes = self._by_day
        return sorted(self._silent(sum(yes.values()) / max(sum(n.values()), 1)))

    def _silent(self, rate: float) -> set[int]:
        n, yes = self._by_day
        return {day for day in n if not yes.get(day) and n[day] * rate >= SILENT}

    @cached_property
    def _by_day(self) -> tuple[dict[int, float], dict[int, float]]:
        pairs, signal = self.made.pairs, self.made.signal
        return tuple(  # type: ignore[return-value]
            _summed(pairs.prediction_day[mine], pairs.n[mine])
            for mine in (np.ones(len(signal), np.bool_), signal == YES)
        )

    @cached_property
    def made(self) -> Signalled:
        """Every pair that can have a label."""
        return _comparable(self.proxy.made, self.arrival)

    @cached_property
    def labelled(self) -> Signalled:
        """Those with a label."""
        found = _comparable(self.proxy.labelled, self.arrival)
        return found.rows(found.pairs.label == 1) if self.arrival == "positives" else found

    def complete(self, day: int) -> float:
        """The least completeness of any class of a prediction day's labels."""
        return min((self._share(code, day) for code in self.ladders), default=0.0)

    def _share(self, code: int, day: int) -> float:
        """Completeness of one class, asked for again and again."""
        if (code, day) not in self._shares:
            self._shares[code, day] = self.ladders[code].value(day)
        return self._shares[code, day]

    @cached_property
    def _shares(self) -> dict[tuple[int, int], float]:
        return {}

    def signals(self, days: Days) -> float | None:
        """Share of the pairs of some days with a signal."""
        n, yes = self._by_day
        rows = sum(n.get(day, 0.0) for day in days)
        return sum(yes.get(day, 0.0) for day in days) / rows if rows else None

    def rows(self, days: Days) -> Rows:
        """All pairs of some days, labels not needed."""
        cells = self.made.rows(_on(self.made, days))
        return self._rows(cells, cells.pairs.n.astype(np.float64))

    def _rows(self, cells: Signalled, n: Floats) -> Rows:
        """Rows whose loss is the mean of their cell's: no part of it is known without a label."""
        bucket = cells.pairs.bucket
        sums = _to(bucket, n)
        return Rows(sums, np.zeros(len(sums)), self._grid(bucket, self._cell(cells), n))

    def matured(self, days: Days, whose: Whose) -> Matured:
        """Labelled pairs of some days, each 1 / completeness times; where only positives are
        reported, all pairs of these days, the others as negatives.
        """
        here = self.labelled.rows(_on(self.labelled, days))
        weight = self._weights(here.pairs)
        n, loss = here.pairs.n * weight, self._loss(here.pairs, whose) * weight
        parts = [(here, n, loss)]
        if self.arrival == "positives":  # an arrived positive is no negative
            made = self.made.rows(_on(self.made, days))
            turned = self._loss(as_negative(here.pairs), whose) * weight
            every = made.pairs.n.astype(np.float64)
            parts = [(here, n * 0, loss - turned), (made, every, self._loss(made.pairs, whose))]
        found = [self._matured(cells, days, *sums) for cells, *sums in parts]
        return found[0] if len(found) == 1 else _added(*found)

    def _matured(self, cells: Signalled, days: Days, n: Floats, loss: Floats) -> Matured:
        bucket, cell, count = cells.pairs.bucket, self._cell(cells), len(days)
        day = np.searchsorted(days, cells.pairs.prediction_day)
        rows = self._rows(cells, n)
        return Matured(
            rows,
            rows.change,
            self._grid(bucket, cell, loss),
            _to(bucket, loss),
            _to(day, n, count),
            _to(day, loss, count),
            np.zeros(count),
            self._grid(day, cell, n, count),
        )

    def groups(self, days: Days, whose: Whose, rate: Floats) -> list[Labelled]:
        """Labelled pairs by day and class: their losses and the losses that signals expect."""
        groups = []
        for code, found in self.ladders.items():
            mine = self.labelled.rows(self.labelled.pairs.label == code)
            for day in days:
                here, ladder = mine.rows(mine.pairs.prediction_day == day), found.ladder(day)
                if not isinstance(ladder, Ladder) or not len(here.signal):
                    continue
                rows = self._rows(here, here.pairs.n.astype(np.float64))
                expected, n = expectations(rows, rate), rows.n
                losses = _to(here.pairs.bucket, self._loss(here.pairs, whose))
                complete = self._share(code, day)
                error = _log_error(ladder, found.arrivals.as_of - 1 - day, complete)
                groups.append(labelled(n, losses, expected, complete, error, str(code)))
        return groups

    def _weights(self, pairs: PairCells) -> Floats:
        days, place = np.unique(pairs.prediction_day, return_inverse=True)
        weight = np.ones(len(pairs.n))
        for code in self.ladders:
            each = [1 / max(self._share(code, day), 1e-9) for day in days.tolist()]
            weight = np.where(pairs.label == code, np.asarray([*each, 1.0])[place], weight)
        return weight

    def _loss(self, pairs: PairCells, whose: Whose) -> Floats:
        """Sum of the loss of each row of cells."""
        if whose == "difference":
            return self._loss(pairs, "challenger") - self._loss(pairs, "champion")
        if self.kind == "classes":
            return np.asarray(pairs.n * (getattr(pairs, f"{whose}_called") != pairs.label) * 1.0)
        return pairs.sums[f"{whose}_{'squares' if self.kind == 'binary' else 'absolute'}"]

    @property
    def _cells(self) -> int:
        return 2 * {"binary": BINS * BINS, "values": 1, "classes": self.classes**2}[self.kind]

    def _cell(self, rows: Signalled) -> Ints:
        """Place of each row by its signal and what both models said."""
        pairs, signal = rows.pairs, rows.signal.astype(np.int64)
        if self.kind == "values":
            return signal
        if self.kind == "classes":
            at = signal * self.classes + pairs.champion_called
            return at * self.classes + pairs.challenger_called
        return (signal * BINS + pairs.champion_bin) * BINS + pairs.challenger_bin

    def _grid(
        self, place: NDArray[np.integer], cell: Ints, amount: Floats, size: int = PAIR_BUCKETS
    ) -> Floats:
        width = self._cells
        return _to(place.astype(np.int64) * width + cell, amount, size * width).reshape(size, width)


def ground(proxy: Proxy, known: Evidence, arrival: Arrival, kind: Kind, classes: int) -> Ground:
    """A proxy and the ladders that the labels known on the same day give. Raises ValueError where
    the days differ. Completeness is that of all strata together: signals are not cut by them.
    """
    if proxy.as_of != known.as_of:
        raise ValueError(f"signals are known by day {proxy.as_of}, labels by {known.as_of}")
    pairs = known.pairs
    if arrival == "selective":
        pairs = picked(pairs, _both_accept(pairs))
    elif arrival == "positives":
        pairs = picked(pairs, pairs.label == 1)
    columns = (pairs.prediction_day, pairs.age, pairs.label, pairs.n)
    ladders = by_class(*columns, known.rows, known.as_of)
    return Ground(proxy, ladders, arrival, kind, classes)


def ready_days(found: Ground, before: int, most: int) -> Days:
    """Settled days before a day whose labels are 0.9 complete: the newest `most` calendar days."""
    days = [day for day in found.days if day < before and found.complete(day) >= READY]
    return [day for day in days if day >= max(days) + 1 - most] if days else []


def _added(a: Matured, b: Matured) -> Matured:
    """Sums over the rows of both."""
    rows = Rows(*(getattr(a.rows, f.name) + getattr(b.rows, f.name) for f in fields(Rows)))
    names = [f.name for f in fields(Matured) if f.name != "rows"]
    return Matured(rows, *(getattr(a, name) + getattr(b, name) for name in names))


def _comparable(rows: Signalled, arrival: Arrival) -> Signalled:
    return rows.rows(_both_accept(rows.pairs)) if arrival == "selective" else rows


def _both_accept(pairs: PairCells) -> Bools:
    """Selective labels exist where the champion accepts, and compare where both do."""
    both: Bools = (pairs.champion_called == ACCEPTED) & (pairs.challenger_called == ACCEPTED)
    return both


def _on(rows: Signalled, days: Days) -> Bools:
    return np.isin(rows.pairs.prediction_day, days)


def _log_error(ladder: Ladder, age: int, complete: float) -> float:
    """Of ln F: the ladder's own, and that days scatter more than independent labels would."""
    typical = max(ladder.labels / ladder.cohorts, 1.0)
    own = max(ladder.scatter - 1, 0.0) * (1 / max(complete, 1e-9) - 1) / typical
    return math.hypot(completeness_error(ladder, age), math.sqrt(own))


def _to(place: NDArray[np.integer], amount: NDArray[np.number], size: int = PAIR_BUCKETS) -> Floats:
    return np.bincount(place, amount, size).astype(np.float64)


def _summed(days: NDArray[np.integer], n: NDArray[np.integer]) -> dict[int, float]:
    found, place = np.unique(days, return_inverse=True)
    return dict(zip(found.tolist(), np.bincount(place, n, len(found)).tolist(), strict=True))
