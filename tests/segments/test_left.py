"""What a fit leaves in every candidate, against sums over the rows themselves."""

from __future__ import annotations

import numpy as np
import pytest

from analyzer.segments import left as module
from analyzer.segments.fit import Fit, Member
from analyzer.segments.left import Left
from analyzer.segments.rows import prepare
from analyzer.segments.settings import Settings
from analyzer.segments.setup import space_of
from analyzer.segments.table import Dimension, Outcome, Table

ROWS = 20_000


@pytest.mark.parametrize("change", [False, True])
def test_sums_of_what_is_left_are_those_of_its_rows(
    change: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SMALL", 0.0)
    rng = np.random.default_rng(5)
    columns = [rng.integers(0, k, ROWS).astype(np.uint8) for k in (3, 4, 6)]
    table = Table(
        tuple(
            Dimension(name, tuple("abcdef"[: int(codes.max()) + 1]), codes)
            for name, codes in zip("xyz", columns, strict=True)
        ),
        ROWS,
        incident=rng.random(ROWS) < 0.4 if change else None,
        hour=rng.integers(0, 12, ROWS).astype(np.uint16),
    )
    outcome = Outcome("difference", rng.normal(0, 1, ROWS) + (columns[0] == 1) * 0.7)
    rows = prepare(table, outcome)
    space = space_of(rows, Settings(min_rows=50))
    fit = Fit(rows)
    assert space.hourly is not None
    both = [Left(lattice, fit) for lattice in (space.lattice, space.hourly)]

    within = (table.hour >= 2) & (table.hour < 5)
    if rows.acted_on is not None:
        within |= ~rows.acted_on
    sets = [columns[0] == 1, (columns[0] == 1) & (columns[1] == 2), (columns[2] == 0) & within]
    bits = [fit.know(np.flatnonzero(held)) for held in sets]
    scope = fit.know(np.flatnonzero(within))
    members = [Member(bits[0], None), Member(bits[1], None), Member(bits[2], scope)]
    for effects in ([0, 1], [0, 1, 2], [1, 2], []):
        fit.effects = {members[i]: 0.0 for i in effects}
        fit.refit()
        residual = fit.left()
        assert np.array_equal(fit.left(np.arange(7, 900)), residual[7:900])
        assert bool(effects) == bool((residual != rows.whole).any())
        for left in both:
            total, squares = left.sums()
            expected = left.lattice.sums(residual, rows.squares(residual))
            assert np.array_equal(total[:-1], expected[0])
            np.testing.assert_allclose(squares[:-1], expected[1], rtol=1e-12, atol=ROWS)
            assert np.array_equal(total[-1], left.lattice.slots.sums(residual))
