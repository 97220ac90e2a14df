"""Moments over units as they were known on a date: sums of days, by arm, segment, exposure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.config import Rollout
from analyzer.design import Experiment, Metric
from analyzer.errors import ConfigError, StoreError
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
from analyzer.experiment.update import SCALES
from analyzer.stats.units import UnitMoments, moments_from_sums
from analyzer.store import Manifest, Store

Segment = tuple[str, str | None]
EVERYONE: Segment = ("", "")
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Known:
    """What was known when day `as_of` (since 1970, UTC) began, of units exposed in [first, last).

    sums, bins, buckets: the tables of `tables`, days before the as-of added up. faults: rows and
    units left out, by reason.
    """

    design: Experiment
    scales: Scales
    as_of: int
    first: int
    last: int
    sums: pa.Table
    bins: pa.Table
    buckets: pa.Table
    faults: Mapping[str, int]
    digests: Mapping[str, str]

    def segments(self) -> list[Segment]:
        """All segment values there are, in order; the first is everyone."""
        pairs = self.sums.group_by(["column", "value"]).aggregate([])
        rows = zip(pairs["column"].to_pylist(), pairs["value"].to_pylist(), strict=True)
        found = sorted(rows, key=lambda s: (s[0], s[1] is None, s[1] or ""))
        return [EVERYONE, *(segment for segment in found if segment != EVERYONE)]

    def units(self, segment: Segment = EVERYONE) -> dict[str, float]:
        """Units of each arm."""
        part = _of(self.sums, segment)
        part = part.filter(pc.and_(pc.equal(part["one"], ""), pc.equal(part["other"], "")))
        arm, n = part["arm"].to_numpy(), part["n"].to_numpy()
        return {name: float(n[arm == place].sum()) for place, name in enumerate(ARMS)}

    def units_by_day(self) -> dict[int, tuple[float, float]]:
        """Units of both arms by day of first exposure, as counted in the end."""
        part = _of(self.sums, EVERYONE)
        part = part.filter(pc.and_(pc.equal(part["one"], ""), pc.equal(part["other"], "")))
        found: dict[int, list[float]] = {}
        rows = zip(*(part[c].to_pylist() for c in ("exposed", "arm", "n")), strict=True)
        for exposed, arm, n in rows:
            found.setdefault(exposed, [0.0, 0.0])[arm] += n
        return {day: (one, other) for day, (one, other) in sorted(found.items())}

    def moments(self, metric: Metric, segment: Segment = EVERYONE) -> dict[str, UnitMoments]:
        """Moments of each arm's units; columns as `sums.measures` orders them."""
        names = measures(self.design, metric)
        return self.moments_of(names, segment)

    def moments_of(
        self, names: Sequence[str], segment: Segment = EVERYONE
    ) -> dict[str, UnitMoments]:
        """Moments of each arm's units over some measures whose products are summed."""
        part = _of(self.sums, segment)
        found: dict[tuple[int, str, str], int] = {}
        rows = zip(*(part[c].to_pylist() for c in ("arm", "one", "other", "n")), strict=True)
        for arm, one, other, n in rows:
            found[arm, one, other] = found.get((arm, one, other), 0) + n
        return {name: self._moments(found, place, names) for place, name in enumerate(ARMS)}

    def _moments(
        self, found: Mapping[tuple[int, str, str], int], arm: int, names: Sequence[str]
    ) -> UnitMoments:
        n = found.get((arm, "", ""), 0)
        totals = [found.get((arm, name, ""), 0) * self._unit(name) for name in names]
        products = np.zeros((len(names), len(names)))
        for i, one in enumerate(names):
            for j, other in enumerate(names[: i + 1]):
                low, high = sorted((one, other))
                unit = self._size(one) * self._size(other) * 2.0**-PRODUCT_BITS
                products[i, j] = found.get((arm, low, high), 0) * unit
        return moments_from_sums(float(n), totals, products)

    def _size(self, name: str) -> float:
        return self.scales.columns.get(name, 1.0)

    def _unit(self, name: str) -> float:
        return self._size(name) * 2.0**-VALUE_BITS


def _of(sums: pa.Table, segment: Segment) -> pa.Table:
    column, value = segment
    same = pc.is_null(sums["value"]) if value is None else pc.equal(sums["value"], value)
    return sums.filter(pc.and_(pc.equal(sums["column"], column), same))


def known(
    rollout: Rollout,
    as_of: int | None = None,
    first: int | None = None,
    last: int | None = None,
) -> Known:
    """What was known at `as_of` (microseconds UTC, floored to midnight; default: the end of the
    last day) of units first exposed on days [first, last) since 1970 (default: all).

    Raises ConfigError (no experiment), StoreError (nothing was read yet, or not by then).
    """
    design = rollout.experiment
    if design is None:
        raise ConfigError("no experiment is described; write [experiment] into rollout.toml")
    store = Store(rollout.store_path)
    totals, units = sums_store(store), units_store(store)
    held = totals.manifests()
    scales = units.load(SCALES, Scales)
    if not held or scales is None:
        raise StoreError(
            f"{store.path}: holds no outcomes yet; run `analyzer experiment analyze`, which reads "
            "them"
        )
    today = max(held) // DAY + 1 if as_of is None else as_of // DAY
    chosen = [held[start] for start in sorted(held) if start // DAY < today]
    if not chosen:
        moment = datetime.fromtimestamp(today * 86_400, UTC)
        raise StoreError(f"no outcome was known on {moment:%Y-%m-%d}; the first came later")
    begin = first if first is not None else 0
    end = last if last is not None else today
    sums = _exposed(_joined(totals, chosen, "unit_sums"), begin, end)
    buckets = _exposed(_joined(totals, chosen, "unit_buckets"), begin, end)
    read = [m for m in units.manifests().values() if m.start // DAY < today]
    faults: dict[str, int] = {}
    for kept, manifests in ((units, read), (totals, chosen)):
        for row in _joined(kept, manifests, "unit_faults").to_pylist():
            faults[row["reason"]] = faults.get(row["reason"], 0) + row["n"]
    return Known(
        design,
        scales,
        today,
        begin,
        end,
        sums,
        _exposed(_joined(totals, chosen, "unit_bins"), begin, end),
        buckets,
        dict(sorted(faults.items())),
        {m.slot: m.digest for m in chosen},
    )


def _joined(store: Store, manifests: Sequence[Manifest], name: str) -> pa.Table:
    return pa.concat_tables([store.read(m, name) for m in manifests], promote_options="default")


def _exposed(table: pa.Table, first: int, last: int) -> pa.Table:
    day = table["exposed"]
    return table.filter(pc.and_(pc.greater_equal(day, first), pc.less(day, last)))
