"""Completeness by age fitted to the labels known so far: by class, weekday and stratum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.arrivals import Arrivals, arrivals
from analyzer.labels.cells import ALL_ROWS, MODELS, NONE, Known, PairCells, SideCells
from analyzer.labels.completeness import WEEK, Completeness, named, weekday
from analyzer.labels.evidence import Evidence, picked
from analyzer.labels.stability import stability
from analyzer.stats.arrivals import batched
from analyzer.stats.maturity import Ladder, chain_ladder, cumulate
from analyzer.stats.result import Undefined

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_SCATTER, _EXPLAINED = 2.0, 0.5
"""A ladder per weekday where labels scatter twice as much as chance and weekdays explain half."""

_FEWEST_OF_A_WEEKDAY = 4
_RARE, _SMALL = 100, 0.01
"""Labels below which one of several classes, or a stratum, has no ladder of its own; nor has a
stratum with less than a hundredth of a class's labels: it would hold up all others."""


def fit(label: int, found: Arrivals, left_out: Ints | None = None) -> Completeness:
    """Fit completeness by age to one class of labels.

    Days whose labels came in one upload are left out, or those given as `left_out`. Weekdays get
    ladders of their own where the labels scatter about the common one twice as much as independent
    labels would and weekday ladders take at least half of that away (weekly uploads do that).
    Mack (1993), ASTIN Bulletin 23.
    """
    observed = found.observed
    if left_out is None:
        left_out = found.days[batched(found.counts, observed, found.days)]
    used = ~np.isin(found.days, left_out) & (found.rows > 0)
    triangle = cumulate(found.counts, observed)
    ladders: tuple[Ladder | Undefined, ...] = (chain_ladder(triangle[used]),)
    ladders = _of_weekdays(triangle, used, found.days, ladders[0]) or ladders
    return Completeness(label, found, ladders, left_out)


def _of_weekdays(
    triangle: Floats, used: Bools, days: Ints, common: Ladder | Undefined
) -> tuple[Ladder | Undefined, ...]:
    """A ladder per weekday where they are worth it, else none."""
    if isinstance(common, Undefined) or common.scatter < _SCATTER:
        return ()
    found = weekday(days)
    chosen = [used & (found == i) for i in range(WEEK)]
    if min(int(rows.sum()) for rows in chosen) < _FEWEST_OF_A_WEEKDAY:
        return ()
    own = tuple(chain_ladder(triangle[rows]) for rows in chosen)
    scatter = [ladder.scatter for ladder in own if isinstance(ladder, Ladder)]
    if len(scatter) < WEEK or float(np.median(scatter)) > _EXPLAINED * common.scatter:
        return ()
    return own


def of_labels(known: Known, segment: int = ALL_ROWS) -> dict[int, Completeness]:
    """Completeness of each class of labels, from the champion's rows (of a segment).

    Of all rows also that of each stratum, where strata are declared. Classes are codes of
    `known.classes`; values have one, `NONE`.
    """
    sides, model = known.sides, MODELS["champion"]
    mine = (sides.model == model) & (sides.segment == segment)
    rows = predicted_by_day(known, model, segment)
    day, age = sides.prediction_day[mine], sides.age[mine]
    found = by_class(day, age, sides.label[mine], sides.n[mine], rows, known.as_of)
    if segment != ALL_ROWS or not known.strata:
        return found
    cut = picked(sides, (sides.model == model) & np.isin(sides.segment, list(known.strata)))
    return by_stratum(found, cut, cut.segment, known.strata)


def of_pairs(known: Evidence, pairs: PairCells) -> dict[int, Completeness]:
    """Completeness of each class of labels, and of its strata, from pairs that can be compared."""
    columns = (pairs.prediction_day, pairs.age, pairs.label, pairs.n)
    found = by_class(*columns, known.rows, known.as_of)
    return by_stratum(found, pairs, pairs.stratum, known.strata)


def by_stratum(
    found: Mapping[int, Completeness],
    cells: PairCells | SideCells,
    stratum: NDArray[np.int32],
    strata: Mapping[int, str],
    smallest: float = _SMALL,
) -> dict[int, Completeness]:
    """With a ladder for each stratum of a class that has labels enough; `strata`: their names.

    Whether labels became slower is asked of all strata together: of each it would be a question
    too many. `smallest`: share of a class's labels below which a stratum has no ladder.
    """
    cut = {}
    for code, whole in found.items():
        own, of_class = {}, cells.label == code
        at, as_of = whole.arrivals, whole.arrivals.as_of
        fewest = max(_RARE, smallest * float(cells.n[of_class].sum()))
        rows = dict(zip(at.days.tolist(), at.rows.tolist(), strict=True))
        for place, name in strata.items():
            mine = of_class & (stratum == place)
            if cells.n[mine].sum() >= fewest:
                columns = (cells.prediction_day[mine], cells.age[mine], cells.n[mine])
                one = fit(code, arrivals(*columns, rows, as_of), whole.left_out)
                own[place] = replace(one, where=name)
        cut[code] = replace(whole, strata=own)
    return cut


def by_class(
    prediction_day: NDArray[np.integer],
    age: NDArray[np.integer],
    label: NDArray[np.integer],
    n: NDArray[np.integer],
    rows: Mapping[int, float],
    as_of: int,
) -> dict[int, Completeness]:
    """A fit per class of labels. Of more than two, rare ones follow the ladder of all together."""
    codes = np.unique(label).tolist()
    found = {}
    for code in codes:
        mine = label == code
        if len(codes) > 2 and int(n[mine].sum()) < _RARE:
            mine = np.ones(len(n), np.bool_)
        labels = arrivals(prediction_day[mine], age[mine], n[mine], rows, as_of)
        found[code] = fit(code, labels)
    return {code: _watched(one, found) for code, one in found.items()}


def _watched(one: Completeness, found: Mapping[int, Completeness]) -> Completeness:
    """With what its last cohorts say, all classes together where they are of the same days."""
    mine = one.cohorts
    if mine is None:
        return one
    others = [x.cohorts for code, x in found.items() if code != one.label]
    same = [x for x in others if x is not None and len(x.counts) == len(mine.counts)]
    return replace(one, stability=stability(mine, same if len(same) == len(others) else []))


def one_class(found: Mapping[int, Completeness]) -> Undefined | None:
    """Why labels say nothing yet where only one class of them has come: the other may be late."""
    (label, *others) = found or (NONE,)
    if others or label == NONE:
        return None
    return Undefined(
        f"only {named(label)} have arrived: other classes may still be on their way "
        'or never come (then declare arrival = "positives")',
        float(found[label].arrivals.counts.sum()),
    )


def predicted_by_day(known: Known, model: int, segment: int = ALL_ROWS) -> dict[int, float]:
    """Rows predicted by prediction day."""
    of = known.predicted
    mine = (of.model == model) & (of.segment == segment)
    days, n = of.prediction_day[mine].tolist(), of.n[mine].tolist()
    return {day: float(count) for day, count in zip(days, n, strict=True)}
