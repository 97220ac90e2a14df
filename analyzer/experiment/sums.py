"""How a day changes the sums over units: minus what its units were, plus what they are.

A unit's total grows from day to day, and squares of totals do not add over days: each day holds
the change of the squares instead, so that any past date is a sum of days.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    for place, column in enumerate(("", *design.segments)):
        words = units.words[place - 1] if column else ()
        value = units.segments[:, place - 1] + 1 if column else np.zeros(len(units), np.int32)
        code, keys = _numbered(
            exposed=units.exposed, arm=units.arm, value=value, widths=(2, len(words) + 1)
        )
        yield column, words, code, {**keys, "value": keys["value"] - 1}


def _numbered(
    *, widths: Sequence[int], exposed: NDArray[np.integer], **parts: NDArray[np.integer]
) -> tuple[Ints, dict[str, Ints]]:
    """A dense number for each row's day of exposure and parts (each below its width), and what
    each number stands for. Learnt by profiling: `numpy.unique` sorts, which cost a fifth of a day.
    """
    first = int(exposed.min()) if len(exposed) else 0
    days = int(exposed.max(initial=first)) - first + 1
    code = exposed.astype(np.int64) - first
    for values, width in zip(parts.values(), widths, strict=True):
        code = code * width + values
    number = np.arange(days * int(np.prod(widths)))
    keys = {}
    for name, width in reversed(list(zip(parts, widths, strict=True))):
        keys[name] = number % width
        number = number // width
    keys["exposed"] = number + first
    return code, keys


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
        low = int(code.min()) if len(code) else 0
        spread = int(code.max(initial=low)) - low + 1
        group, keys = _numbered(
            exposed=rows.exposed, arm=rows.arm, code=code - low, widths=(2, spread)
        )
        present = keys["code"]
        sums = {
            "n": exact_sums(group, len(present), sign),
            "total": exact_sums(group, len(present), np.rint(values * 2.0**VALUE_BITS) * sign),
            "squares": exact_sums(group, len(present), np.rint((values * _TO_PRODUCT) ** 2) * sign),
        }
        kept = np.flatnonzero(np.logical_or.reduce([x != 0 for x in sums.values()]))
        named = {
            "day": np.full(len(kept), day),
            "exposed": keys["exposed"][kept],
            "arm": keys["arm"][kept],
            "measure": pa.repeat(pa.scalar(name, pa.string()), len(kept)),
            "code": present[kept] + low,
        }
        parts.append(table("unit_bins", {**named, **{k: x[kept] for k, x in sums.items()}}))
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
    group, keys = _numbered(
        exposed=after.exposed, arm=after.arm, bucket=bucket, widths=(2, ids.BUCKETS)
    )
    size = len(keys["arm"])
    sums = {"units": exact_sums(group, size, fresh.astype(np.float64))}
    for place in range(did.shape[1]):
        name = EVENTS if place == 0 else f"v{place - 1}"
        sums[name] = exact_sums(group, size, did[:, place].astype(np.float64))
    kept = np.flatnonzero(np.bincount(group, minlength=size))
    named = {
        "day": np.full(len(kept), day),
        **{name: keys[name][kept] for name in ("exposed", "arm", "bucket")},
    }
    return table("unit_buckets", {**named, **{name: x[kept] for name, x in sums.items()}})
