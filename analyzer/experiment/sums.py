"""How a day changes the sums over units: what its units are, minus what they were.

A unit's total grows from day to day, and squares of totals do not add over days: each day holds
the change of the squares instead, so that any past date is a sum of days.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.design import Experiment, Metric
from analyzer.experiment.groups import Groups
from analyzer.experiment.state import Change
from analyzer.experiment.tables import EVENTS, PRODUCT_BITS, VALUE_BITS, Scales
from analyzer.profile import table
from analyzer.scan.tallies import exact_sums

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

ANY = "#any {}"
"""Name of the measure that is 1 where a unit's total is not 0."""

MISSING = "#no {}"
"""Name of the measure that is 1 where a unit has no covariate."""

_TO_PRODUCT = 2.0 ** (PRODUCT_BITS // 2)
"""Products are of two totals in scale units, each times the root of what products are told in."""


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


@dataclass(frozen=True, eq=False)
class Factor:
    """One measure of the units of a change, before and after it, in 2**-12 of its scale (events:
    of 1); 0 where a unit did not count. still: whether it changes only for units that begin or
    cease to count.
    """

    was: Floats
    now: Floats
    still: bool = False

    def of(self, rows: Ints) -> Factor:
        """Of some units."""
        return Factor(self.was[rows], self.now[rows], self.still)


def factors(
    design: Experiment, scales: Scales, change: Change, names: Collection[str]
) -> dict[str, Factor]:
    """Some measures of the units that a day touched."""
    before, after = change.before, change.after
    was, now = change.was * _TO_PRODUCT, change.now * _TO_PRODUCT
    found = {}
    if EVENTS in names:
        found[EVENTS] = Factor(before[0] * was, after.totals[0] * now)
    quantum = 2.0**-VALUE_BITS
    for place, name in enumerate(design.values):
        old, new = before[1 + place], after.totals[1 + place]
        if name in names:
            found[name] = Factor(old * (was * quantum), new * (now * quantum))
        if ANY.format(name) in names:
            found[ANY.format(name)] = Factor((old != 0) * was, (new != 0) * now)
    for place, name in enumerate(design.covariates):
        missing = np.isnan(after.covariates[place])
        known = np.where(missing, 0.0, after.covariates[place] / scales.columns[name])
        found[name] = Factor(known * was, known * now, still=True)
        found[MISSING.format(name)] = Factor(missing * was, missing * now, still=True)
    return found


def sums_of(design: Experiment, scales: Scales, changes: Sequence[Change], day: int) -> pa.Table:
    """unit_sums of a day: keys exposed, arm, column, value (segment; "" for all), one, other
    (measures; `other` empty: the total of `one`; both empty: units), n: the change of the sum.
    """
    names = summed(design)
    groupings = [Groups(changes, place) for place in range(len(design.segments))]
    groupings = groupings or [Groups(changes, None)]
    sums = [np.zeros((len(names), groups.size), dtype=np.int64) for groups in groupings]
    for change in changes:
        codes = [groups.code(change) for groups in groupings]
        for row, (weight, chosen) in enumerate(weights(design, scales, change)):
            for code, groups, found in zip(codes, groupings, sums, strict=True):
                rows = code if chosen is None else code[chosen]
                found[row] += exact_sums(rows, groups.size, weight)
    parts = list(zip(("", *design.segments), *_with_all(groupings, sums), strict=True))
    return pa.concat_tables(
        [
            _rows(day, column, groups, *names[row], found[row])
            for column, groups, found in parts
            for row in range(len(names))
        ]
    ).combine_chunks()


def _with_all(groupings: Sequence[Groups], sums: Sequence[Ints]) -> tuple[list[Groups], list[Ints]]:
    """All units first, then each segment: all are the sum over the values of any segment."""
    if groupings[0].place is None:
        return list(groupings), list(sums)
    whole = groupings[0].whole()
    added = sums[0].reshape(len(sums[0]), whole.size, groupings[0].width).sum(axis=2)
    return [whole, *groupings], [added, *sums]


def summed(design: Experiment) -> list[tuple[str, str]]:
    """What is summed: units, totals, products."""
    pairs = products(design)
    return [("", ""), *((name, "") for name in sorted({one for p in pairs for one in p})), *pairs]


def weights(
    design: Experiment, scales: Scales, change: Change
) -> Iterator[tuple[Floats, Ints | None]]:
    """What each unit adds to each of `summed`: units, totals in quanta, products; and the rows
    that this is about (None: all).
    """
    wanted = summed(design)
    found = factors(design, scales, change, {one for one, _ in wanted})
    turned = np.flatnonzero(change.was != change.now)
    few = {name: factor.of(turned) for name, factor in found.items() if factor.still}
    total = 2.0**VALUE_BITS / _TO_PRODUCT
    for one, other in wanted:
        if not one:
            yield (change.now.astype(np.float64) - change.was)[turned], turned
            continue
        still = one in few and (not other or other in few)
        chosen = few if still else found
        mine = chosen[one]
        was, now = (chosen[other].was, chosen[other].now) if other else (total, total)
        weight = np.rint(mine.now * now)
        weight -= np.rint(mine.was * was)
        yield weight, turned if still else None


def _rows(day: int, column: str, groups: Groups, one: str, other: str, n: Ints) -> pa.Table:
    kept = np.flatnonzero(n)
    keys = groups.keys(kept)

    def said(text: str) -> pa.Array:
        return pa.repeat(pa.scalar(text, pa.string()), len(kept))

    spelled = pa.array([*groups.words, None], pa.string())
    value = spelled.take(pa.array(keys["value"] % groups.width)) if column else said("")
    return table(
        "unit_sums",
        {
            "day": np.full(len(kept), day),
            "exposed": keys["exposed"],
            "arm": keys["arm"],
            "column": said(column),
            "value": value,
            "one": said(one),
            "other": said(other),
            "n": n[kept],
        },
    )


def mixed(changes: Sequence[Change]) -> int:
    """Units that were seen in both arms for the first time."""
    found = [~change.now & (change.was | ~change.known) for change in changes]
    return sum(int(np.count_nonzero(each)) for each in found)
