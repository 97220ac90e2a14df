"""Sums over units, coded and cumulated, against the rows they were made of."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from analyzer.errors import StoreError
from analyzer.experiment.totals import EVERYONE, UNITS, changes_of
from analyzer.profile import table


def _rows(n: int, seed: int, largest: int = 1000) -> pa.Table:
    rng = np.random.default_rng(seed)
    exposed = rng.integers(10, 16, n)
    column = rng.choice(["", "country"], n)
    value = [
        None if draw < 0.2 and word else ("" if not word else "de")
        for draw, word in zip(rng.random(n), column, strict=True)
    ]
    return table(
        "unit_sums",
        {
            "day": exposed + rng.integers(0, 4, n),
            "exposed": exposed,
            "arm": rng.integers(0, 2, n),
            "column": pa.array(column, pa.string()),
            "value": pa.array(value, pa.string()),
            "one": pa.array(rng.choice(["", "revenue"], n), pa.string()),
            "other": pa.array(rng.choice(["", "revenue"], n), pa.string()),
            "n": rng.integers(-largest, largest, n),
        },
    )


@pytest.mark.parametrize("as_of", [5, 10, 11, 14, 19, 40])
def test_any_day_is_a_sum_of_days_before(as_of: int) -> None:
    rows = _rows(5000, 1)
    totals = changes_of(rows).totals(11, 15)
    exposed, day = rows["exposed"].to_numpy(), rows["day"].to_numpy()
    known = rows.filter(pa.array((exposed >= 11) & (exposed < 15) & (day < as_of)))
    found = totals.at(as_of)
    for (column, value), place in totals.segments.items():
        same = pc.is_null(known["value"]) if value is None else pc.equal(known["value"], value)
        part = known.filter(pc.and_(pc.equal(known["column"], column), same))
        for (one, other), summand in totals.summands.items():
            both = pc.and_(pc.equal(part["one"], one), pc.equal(part["other"], other))
            for arm in (0, 1):
                n = part.filter(pc.and_(both, pc.equal(part["arm"], arm)))["n"]
                assert found[place, arm, summand] == (pc.sum(n).as_py() or 0)
    assert list(totals.segments) == [EVERYONE, ("country", "de"), ("country", None)]
    assert UNITS in totals.summands


def test_pooled_arms_are_both_arms() -> None:
    totals = changes_of(_rows(500, 2)).totals(0, 100)
    both = totals.pooled()
    assert (both.sums[:, :, 0] == totals.sums.sum(axis=2)).all()
    assert (both.sums[:, :, 0] == both.sums[:, :, 1]).all()


def test_sums_that_do_not_fit_are_refused() -> None:
    with pytest.raises(StoreError, match="beyond 64 bits"):
        changes_of(_rows(500, 3, 2**60)).totals(0, 100)


def test_no_row_at_all() -> None:
    totals = changes_of(_rows(0, 4)).totals(0, 100)
    assert totals.sums.size == 0 and totals.at(3).size == 0
