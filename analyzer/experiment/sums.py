"""How a day changes the sums over units: minus what its units were, plus what they are.

A unit's total grows from day to day, and squares of totals do not add over days: each day holds
the change of the squares instead, so that any past date is a sum of days.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer import ids
from analyzer.design import Experiment, Metric
from analyzer.experiment.state import COLUMNS, Change, Units
from analyzer.experiment.tables import EVENTS, VALUE_BITS, Scales
from analyzer.histogram import codes_of, raw_bins
from analyzer.profile import table
from analyzer.scan.tallies import exact_sums

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

ANY = "#any {}"
"""Name of the measure that is 1 where a unit's total is not 0."""

MISSING = "#no {}"
"""Name of the measure that is 1 where a unit has no covariate."""

_TO_PRODUCT = 2.0**12
"""Products are of totals in scale units: (t / scale) (u / scale) 2**24, each factor 2**12."""


def measures(design: Experiment, metric: Metric) -> tuple[str, ...]:
    """Measures of units that a metric is made of: numerator, denominator, then covariates."""
    main = {"count": EVENTS, "proportion": ANY.format(metric.value)}.get(metric.kind, metric.value)
    below = (metric.denominator,) if metric.kind == "ratio" else ()
    before = (metric.covariate, MISSING.format(metric.covariate)) if metric.covariate else ()
    return (main, *below, *before)


def products(design: Experiment) -> list[tuple[str, str]]:
    """Pairs of measures whose products are summed, each pair once, in alphabetical order."""
    found: set[tuple[str, str]] = set()
    for metric in design.metrics.values():
        if metric.kind != "quantile":
            pairs = combinations_with_replacement(sorted(measures(design, metric)), 2)
            found |= {tuple(pair) for pair in pairs}  # type: ignore[misc]
    return sorted(found)


def by_unit(design: Experiment, scales: Scales, units: Units) -> dict[str, Floats]:
    """Each measure of each unit, in units of its scale (events: as they are)."""
    found: dict[str, Floats] = {EVENTS: units.totals[:, 0].astype(np.float64)}
    for place, name in enumerate(design.values):
        totals = units.totals[:, 1 + place]
        found[name] = totals.astype(np.float64) * 2.0**-VALUE_BITS
        found[ANY.format(name)] = (totals != 0).astype(np.float64)
    for place, name in enumerate(design.covariates):
        values = units.covariates[:, place]
        missing = np.isnan(values)
        found[name] = np.where(missing, 0.0, values) / scales.columns[name]
        found[MISSING.format(name)] = missing.astype(np.float64)
    return found


@dataclass(frozen=True, eq=False)
class _Groups:
    """Signed rows of units and the group of each."""

    units: Units
    sign: Floats
    code: Ints
    keys: Mapping[str, Ints]


def sums_of(design: Experiment, scales: Scales, change: Change, day: int) -> pa.Table:
    """unit_sums of a day: keys exposed, arm, column, value (segment; "" for all), one, other
    (measures; `other` empty: the total of `one`; both empty: units), n: the change of the sum.
    """
    rows, sign = _signed(change)
    measured = by_unit(design, scales, rows)
    parts = []
    for column, word, code, keys in _groups(design, rows):
        groups = len(keys["exposed"])
        for one, other, weight in _summands(design, measured):
            n = exact_sums(code, groups, weight * sign)
            kept = np.flatnonzero(n)
            parts.append(_rows(day, column, word, keys, one, other, n, kept))
    return pa.concat_tables(parts).combine_chunks()


def _signed(change: Change) -> tuple[Units, Floats]:
    """Units as they were (-1) and as they are (+1), those seen in both arms left out."""
    was = change.before.at(change.known & (change.before.arm >= 0))
    now = change.after.at(change.after.arm >= 0)
    joined = {name: np.concatenate((getattr(was, name), getattr(now, name))) for name in COLUMNS}
    sign = np.repeat([-1.0, 1.0], [len(was), len(now)])
    return Units(**joined, words=change.after.words), sign


def _groups(
    design: Experiment, units: Units
) -> Iterator[tuple[str, tuple[str, ...], Ints, dict[str, Ints]]]:
    """Segment column ("" for all), its words, each row's group, and the groups' keys."""
    base = units.exposed.astype(np.int64) * 2 + units.arm
    for place, column in enumerate(("", *design.segments)):
        words = units.words[place - 1] if column else ()
        width = len(words) + 1
        value = units.segments[:, place - 1].astype(np.int64) + 1 if column else 0
        present, code = np.unique(base * width + value, return_inverse=True)
        group = present // width
        keys = {"exposed": group // 2, "arm": group % 2, "value": present % width - 1}
        yield column, words, code, keys


def _summands(
    design: Experiment, measured: Mapping[str, Floats]
) -> Iterator[tuple[str, str, Floats]]:
    """What is summed: units, totals in quanta, products."""
    yield "", "", np.ones(len(measured[EVENTS]))
    pairs = products(design)
    for name in sorted({one for pair in pairs for one in pair}):
        yield name, "", np.rint(measured[name] * 2.0**VALUE_BITS)
    for one, other in pairs:
        product = (measured[one] * _TO_PRODUCT) * (measured[other] * _TO_PRODUCT)
        yield one, other, np.rint(product)


def _rows(
    day: int,
    column: str,
    words: tuple[str, ...],
    keys: Mapping[str, Ints],
    one: str,
    other: str,
    n: Ints,
    kept: Ints,
) -> pa.Table:
    def said(text: str) -> pa.Array:
        return pa.repeat(pa.scalar(text, pa.string()), len(kept))

    spelled = pa.array([*words, None], pa.string())
    value = spelled.take(pa.array(keys["value"][kept] % (len(words) + 1))) if column else said("")
    return table(
        "unit_sums",
        {
            "day": np.full(len(kept), day),
            "exposed": keys["exposed"][kept],
            "arm": keys["arm"][kept],
            "column": said(column),
            "value": value,
            "one": said(one),
            "other": said(other),
            "n": n[kept],
        },
    )


def bins_of(design: Experiment, scales: Scales, change: Change, day: int) -> pa.Table:
    """unit_bins of a day: by day of first exposure, arm and measure the change in how many units
    have a total in each fine bin (`code`, of the distance from 0), with their totals and squares.
    """
    rows, sign = _signed(change)
    measured = by_unit(design, scales, rows)
    wanted = [m for m in design.metrics.values() if m.kind == "quantile" or m.winsorise]
    parts = [_no_bins()]
    for name in sorted({m.value for m in wanted}):
        out = np.empty(len(sign), dtype=np.int64)
        values = measured[name]
        raw = raw_bins(values, np.zeros(0, dtype=np.int64), "distance", 0.0, out)
        code = codes_of(raw, "distance")
        spread = (code - code.min(initial=0)) * 2 + rows.arm
        width = int(spread.max(initial=0)) + 1
        since = rows.exposed.astype(np.int64)
        present, group = np.unique(since * width + spread, return_inverse=True)
        sums = {
            "n": exact_sums(group, len(present), sign),
            "total": exact_sums(group, len(present), np.rint(values * 2.0**VALUE_BITS) * sign),
            "squares": exact_sums(group, len(present), np.rint((values * _TO_PRODUCT) ** 2) * sign),
        }
        kept = np.flatnonzero(np.logical_or.reduce([x != 0 for x in sums.values()]))
        keys = {
            "day": np.full(len(kept), day),
            "exposed": present[kept] // width,
            "arm": present[kept] % width % 2,
            "measure": pa.repeat(pa.scalar(name, pa.string()), len(kept)),
            "code": present[kept] % width // 2 + code.min(initial=0),
        }
        parts.append(table("unit_bins", {**keys, **{k: x[kept] for k, x in sums.items()}}))
    return pa.concat_tables(parts).combine_chunks()


def _no_bins() -> pa.Table:
    none = np.zeros(0, dtype=np.int64)
    words = pa.array([], pa.string())
    keys = {"day": none, "exposed": none, "arm": none, "measure": words, "code": none}
    return table("unit_bins", {**keys, "n": none, "total": none, "squares": none})


def buckets_of(change: Change, day: int) -> pa.Table:
    """unit_buckets of a day: by day of first exposure, arm and bucket of units, how many were
    first exposed (`units`), and what they did on the day: events, v0 .. (in quanta).

    The effect by day since exposure needs the covariance of a unit's days; buckets of units,
    independent of each other, carry it in a table that stays small.
    """
    counted = change.after.arm >= 0
    after, did = change.after.at(counted), change.did[counted]
    fresh = ~change.known[counted]
    bucket = ids.bucket_of(after.unit)
    code = (after.exposed.astype(np.int64) * 2 + after.arm) * ids.BUCKETS + bucket
    present, group = np.unique(code, return_inverse=True)
    sums = {"units": exact_sums(group, len(present), fresh.astype(np.float64))}
    for place in range(did.shape[1]):
        name = EVENTS if place == 0 else f"v{place - 1}"
        sums[name] = exact_sums(group, len(present), did[:, place].astype(np.float64))
    keys = {
        "day": np.full(len(present), day),
        "exposed": present // ids.BUCKETS // 2,
        "arm": present // ids.BUCKETS % 2,
        "bucket": present % ids.BUCKETS,
    }
    return table("unit_buckets", {**keys, **sums})
