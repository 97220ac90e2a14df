"""Moments over units as they were known on a date: sums of days, by arm, segment, exposure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analyzer.config import Rollout
from analyzer.design import Experiment, Metric
from analyzer.errors import ConfigError, NothingThere
from analyzer.experiment.days import SCALES, unread
from analyzer.experiment.sums import measures
from analyzer.experiment.tables import (
    ARMS,
    DAY,
    PRODUCT_BITS,
    VALUE_BITS,
    Scales,
    sums_store,
    units_store,
)
from analyzer.experiment.totals import (
    EVERYONE,
    UNITS,
    Changes,
    Ints,
    Segment,
    Summand,
    Totals,
    changes_of,
)
from analyzer.stats.units import CellMoments, UnitMoments
from analyzer.store import Manifest, Store
from analyzer.window import date


@dataclass(frozen=True, eq=False)
class Known:
    """What was known when day `as_of` (since 1970, UTC) began, of units exposed in [first, last).

    changes, tables: what the days hold, of all days and units; totals: their sums, of those
    units. faults: rows and units left out, by reason; unread: files that could not be used, and
    why.
    """

    design: Experiment
    scales: Scales
    as_of: int
    first: int
    last: int
    changes: Changes
    totals: Totals
    tables: Mapping[str, pa.Table]
    faults: Mapping[str, int]
    digests: Mapping[str, str]
    unread: tuple[str, ...] = ()

    def at(self, as_of: int) -> Known:
        """What was known on an earlier day."""
        return replace(self, as_of=as_of)

    def exposed_in(self, first: int, last: int) -> Known:
        """The same of units first exposed on days [first, last) only."""
        return replace(self, first=first, last=last, totals=self.changes.totals(first, last))

    def table(self, name: str) -> pa.Table:
        """Rows of a table that were known, of those units: arrivals, unit_bins and the like."""
        whole = self.tables[name]
        day = whole["exposed"]
        exposed = pc.and_(pc.greater_equal(day, self.first), pc.less(day, self.last))
        return whole.filter(pc.and_(exposed, pc.less(whole["day"], self.as_of)))

    @property
    def newest(self) -> int:
        """The last day that outcomes are known of; -1 without any."""
        days = self.table("arrivals")["day"]
        return pc.max(days).as_py() if len(days) else -1

    def segments(self) -> list[Segment]:
        """All segment values that have units, in order; the first is everyone."""
        units = self._sums[..., self.totals.summands[UNITS]]
        held = np.abs(units).sum(axis=1).tolist()
        return [s for s, place in self.totals.segments.items() if s == EVERYONE or held[place]]

    def units(self, segment: Segment = EVERYONE) -> dict[str, float]:
        """Units of each arm."""
        moments = self.moments_of((), segment)
        return {arm: one.n for arm, one in moments.items()}

    def units_by_day(self) -> dict[int, tuple[float, float]]:
        """Units of both arms by day of first exposure, as counted in the end."""
        return units_by_day(self.table("arrivals"))

    def moments(self, metric: Metric, segment: Segment = EVERYONE) -> dict[str, UnitMoments]:
        """Moments of each arm's units; columns as `sums.measures` orders them."""
        return self.moments_of(measures(self.design, metric), segment)

    def moments_of(
        self, names: Sequence[str], segment: Segment = EVERYONE
    ) -> dict[str, UnitMoments]:
        """Moments of each arm's units over some measures whose products are summed."""
        return {arm: cells.at(0) for arm, cells in self.cells(names, [segment]).items()}

    def cells(self, names: Sequence[str], segments: Sequence[Segment]) -> dict[str, CellMoments]:
        """The same of many segments at once."""
        place, summands = self.totals.segments, self.totals.summands
        pairs = [
            (min(one, other), max(one, other))
            for i, one in enumerate(names)
            for other in names[: i + 1]
        ]
        wanted: list[Summand] = [UNITS, *((name, "") for name in names), *pairs]
        rows = np.array([place.get(segment, -1) for segment in segments], dtype=np.int64)
        columns = np.array([summands.get(summand, -1) for summand in wanted])
        held = (rows[:, None] >= 0) & (columns >= 0)
        sizes = [self.scales.columns.get(name, 1.0) for name in names]
        sums = self._sums
        return {
            name: _moments(np.where(held, sums[rows][:, arm, columns], 0).T, sizes)
            for arm, name in enumerate(ARMS)
        }

    @property
    def _sums(self) -> Ints:
        return self.totals.at(self.as_of)


def units_by_day(arrivals: pa.Table) -> dict[int, tuple[float, float]]:
    """Units of both arms by day of first exposure, from rows of the table of arrivals."""
    found: dict[int, list[float]] = {}
    rows = zip(*(arrivals[c].to_pylist() for c in ("exposed", "arm", "n")), strict=True)
    for exposed, arm, n in rows:
        found.setdefault(exposed, [0.0, 0.0])[arm] += n
    return {day: (one, other) for day, (one, other) in sorted(found.items())}


def _moments(sums: Ints, sizes: Sequence[float]) -> CellMoments:
    """Moments from units, totals and the lower half of the products, whole numbers all: (sums,
    cells).

    n^-1 (n P - T T'), exact before it is divided: products and totals are counted in quanta, and
    whole numbers of Python's are as long as need be.
    """
    n, p = np.maximum(sums[0], 1).astype(object), len(sizes)
    totals, product = sums[1 : 1 + p].astype(object), iter(sums[1 + p :].astype(object))
    shift = 2 * VALUE_BITS - PRODUCT_BITS
    mean, scatter = np.empty((p, len(n))), np.empty((p, p, len(n)))
    for i, size in enumerate(sizes):
        mean[i] = totals[i] / (n << VALUE_BITS) * size
        for j in range(i + 1):
            cross = ((n * next(product)) << shift) - totals[i] * totals[j]
            scatter[i, j] = scatter[j, i] = cross / (n << 2 * VALUE_BITS) * size * sizes[j]
        np.maximum(scatter[i, i], 0.0, out=scatter[i, i])  # squares are rounded
    return CellMoments(sums[0].astype(np.float64), mean, scatter)


def known(
    rollout: Rollout,
    as_of: int | None = None,
    first: int | None = None,
    last: int | None = None,
) -> Known:
    """What was known at `as_of` (microseconds UTC, floored to midnight; default: the end of the
    last day) of units first exposed on days [first, last) since 1970 (default: all).

    Raises ConfigError (no experiment), NothingThere (nothing was read yet, or not by then).
    """
    design = rollout.experiment
    if design is None:
        raise ConfigError("no experiment is described; write [experiment] into rollout.toml")
    store = Store(rollout.store_path)
    totals, units = sums_store(store), units_store(store)
    held = totals.manifests()
    scales = units.load(SCALES, Scales)
    if not held or scales is None:
        raise NothingThere(_nothing(rollout, store, units))
    today = max(held) // DAY + 1 if as_of is None else as_of // DAY
    chosen = [held[start] for start in sorted(held) if start // DAY < today]
    if not chosen:
        raise NothingThere(f"no outcome was known on {date(today)}; the first came later")
    sums = _joined(totals, chosen, "unit_sums")
    changes = changes_of(sums)
    read = [m for m in units.manifests().values() if m.start // DAY < today]
    faults: dict[str, int] = {}
    for kept, manifests in ((units, read), (totals, chosen)):
        for row in _joined(kept, manifests, "unit_faults").to_pylist():
            faults[row["reason"]] = faults.get(row["reason"], 0) + row["n"]
    begin = first if first is not None else 0
    end = last if last is not None else today
    return Known(
        design,
        scales,
        today,
        begin,
        end,
        changes,
        changes.totals(begin, end),
        {
            "arrivals": _arrivals(sums),
            **{name: _joined(totals, chosen, name) for name in _tables(design)},
            "unit_faults": _joined(units, read, "unit_faults"),
        },
        dict(sorted(faults.items())),
        {m.slot: m.digest for m in chosen},
        tuple(f"{file.name} {file.problem}" for file in unread(rollout, units)),
    )


def _nothing(rollout: Rollout, store: Store, units: Store) -> str:
    """Why nothing is known, in words."""
    bad = unread(rollout, units)
    if bad:
        return (
            f"{store.path}: holds no outcomes: no file of theirs could be used; the first, "
            f"{bad[0].name}, {bad[0].problem}"
        )
    return (
        f"{store.path}: holds no outcomes yet; `analyzer experiment analyze` reads the files that "
        "[experiment] outcomes names, as far as they hold rows"
    )


def _joined(store: Store, manifests: Sequence[Manifest], name: str) -> pa.Table:
    return pa.concat_tables([store.read(m, name) for m in manifests], promote_options="default")


def _tables(design: Experiment) -> list[str]:
    more = {"unit_clusters": design.clustered, "event_bins": bool(design.event_values)}
    return ["unit_bins", "unit_buckets", *(name for name, kept in more.items() if kept)]


def _arrivals(sums: pa.Table) -> pa.Table:
    """By how much the number of units changed, by day, day of first exposure and arm."""
    everyone = [pc.equal(sums[name], "") for name in ("column", "one", "other")]
    return sums.filter(reduce(pc.and_, everyone)).select(["day", "exposed", "arm", "n"])
