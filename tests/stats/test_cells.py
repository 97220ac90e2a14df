"""Many cells at once say what each alone says, wherever some have no answer."""

import math

import numpy as np
import pytest

from analyzer.stats.effect_intervals import (
    always_valid_interval,
    always_valid_intervals,
    always_valid_ps,
    fixed_interval,
    fixed_intervals,
)
from analyzer.stats.effects import Effect, Effects, Ratio, contrast, effect
from analyzer.stats.rate_effects import rate_effect, rate_effects
from analyzer.stats.result import Undefined
from analyzer.stats.sequential import always_valid_p
from analyzer.stats.units import CellMoments, UnitMoments, moments_of

CELLS = 60


def units(rng: np.random.Generator, cell: int) -> list[np.ndarray]:
    """Both arms' units: a metric, a denominator, two covariates. Every sixth cell is odd."""
    arms = []
    for arm in (0, 1):
        n = int(rng.integers(2, 90))
        rows = rng.gamma(2, 1, (n, 4)) + rng.normal(0, 1, (n, 1))
        odd = cell % 12
        if odd == 0:  # nothing varies
            rows[:] = (3.0, 2.0, 1.0, 1.0)
        elif odd == 2 and arm:  # nobody, or one
            rows = rows[: cell % 24 // 14]
        elif odd == 4:  # refunds: nothing above 0 to compare with, denominators below 0
            rows[:, :2] = -np.abs(rows[:, :2])
        elif odd == 6 and not arm:
            rows[:, 1] = 0.0
        elif odd == 8:  # a twin of a covariate, and one that is constant
            rows[:, 3] = 2 * rows[:, 2] if cell % 24 == 8 else 5.0
        elif odd == 10:  # a heavy tail: too little is told
            rows[0, 0] = 1e6
        arms.append(rows)
    return arms


@pytest.fixture(scope="module")
def arms() -> tuple[list[UnitMoments], list[UnitMoments]]:
    rng = np.random.default_rng(11)
    drawn = [units(rng, cell) for cell in range(CELLS)]
    one, two = ([moments_of(pair[arm].reshape(-1, 4)) for pair in drawn] for arm in (0, 1))
    return one, two


def together(moments: list[UnitMoments]) -> CellMoments:
    return CellMoments(
        np.array([m.n for m in moments]),
        np.stack([m.mean for m in moments], axis=-1),
        np.stack([m.scatter for m in moments], axis=-1),
    )


KINDS = {
    "mean": (Ratio(0), ()),
    "ratio": (Ratio(0, 1), ()),
    "cuped": (Ratio(0), (Ratio(2), Ratio(3))),
    "cuped ratio": (Ratio(0, 1), (Ratio(2), Ratio(3))),
    "clusters": (Ratio(0, 2), (Ratio(3, 1),)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_does_not_care_about_its_neighbours(
    arms: tuple[list[UnitMoments], list[UnitMoments]], kind: str
) -> None:
    metric, covariates = KINDS[kind]
    found = contrast(together(arms[0]), together(arms[1]), metric, covariates)
    for relative, many in ((False, found.difference()), (True, found.lift())):
        alone = [
            effect(*pair, metric, covariates, relative=relative) for pair in zip(*arms, strict=True)
        ]
        reasons = {one.reason for one in alone if isinstance(one, Undefined)}
        assert "fewer than two units" in reasons and len(reasons) >= 1 + relative
        assert [many.at(cell) for cell in range(CELLS)] == alone
        read(many, alone)


def read(many: Effects, alone: list[Effect | Undefined]) -> None:
    """Every interval of every cell, also of those that do not vary."""
    for told, single in (
        (fixed_intervals(many, 0.045), lambda one: fixed_interval(one, 0.045)),
        (always_valid_intervals(many, 500), lambda one: always_valid_interval(one, 500)),
        (
            always_valid_intervals(many, 500, 0.01, "less"),
            lambda one: always_valid_interval(one, 500, 0.01, "less"),
        ),
    ):
        assert told.results() == [
            one if isinstance(one, Undefined) else single(one) for one in alone
        ]
    ps = always_valid_ps(many, 500).results()
    for said, one in zip(ps, alone, strict=True):
        if isinstance(one, Effect) and one.df >= 100:
            assert said == always_valid_p(one.value, one.error, one.n, 500)
        elif isinstance(one, Effect) and one.error == 0:
            assert said == Undefined("no standard error", one.n)


def test_the_numbers_by_hand(arms: tuple[list[UnitMoments], list[UnitMoments]]) -> None:
    """Welch's test and a lift by the delta method, cell by cell, without arrays."""
    found = contrast(together(arms[0]), together(arms[1]), Ratio(0))
    apart, lifted = found.difference(), found.lift()
    checked = 0
    for cell, (one, two) in enumerate(zip(*arms, strict=True)):
        if min(one.n, two.n) < 2:
            continue
        parts = [float(m.scatter[0, 0]) / (m.n - 1) / m.n for m in (one, two)]
        assert apart.error[cell] == pytest.approx(math.sqrt(sum(parts)), rel=1e-14)
        if sum(parts) > 0:
            df = sum(parts) ** 2 / (parts[0] ** 2 / (one.n - 1) + parts[1] ** 2 / (two.n - 1))
            assert apart.df[cell] == pytest.approx(df, rel=1e-14)
        if isinstance(lifted.at(cell), Effect):
            base, lift = float(one.mean[0]), float(two.mean[0] / one.mean[0]) - 1
            error = math.hypot(
                math.sqrt(parts[1]) / base, (1 + max(lift, 0)) * math.sqrt(parts[0]) / base
            )
            assert lifted.error[cell] == pytest.approx(error, rel=1e-13)
            checked += 1
    assert checked > 20


def test_rates_of_many_cells() -> None:
    rng = np.random.default_rng(12)
    n = rng.integers(0, 3000, (2, 200)).astype(float)
    n[:, :3] = 0.0
    k = np.rint(n * rng.choice([0.0, 0.001, 0.1, 0.5, 1.0], n.shape))
    for relative in (False, True):
        many = rate_effects((k[0], n[0]), (k[1], n[1]), relative=relative)
        alone = [
            rate_effect((a, b), (c, d), relative=relative)
            for a, b, c, d in zip(
                k[0].tolist(), n[0].tolist(), k[1].tolist(), n[1].tolist(), strict=True
            )
        ]
        assert [many.at(cell) for cell in range(200)] == alone
        reasons = " ".join(one.reason for one in alone if isinstance(one, Undefined))
        assert "an arm without units" in reasons and "events, 25 needed" in reasons
        assert sum(isinstance(one, Effect) for one in alone) > 50
        read(many, alone)
