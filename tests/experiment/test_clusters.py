"""Units in clusters: errors are those of cluster-robust regression, few clusters are refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from experiment.outcomes import FIRST_DAY, START, by_unit, events, rollout_of

from analyzer import config, policy
from analyzer.experiment.analysis import Analysis, analyze
from analyzer.experiment.clusters import clustered
from analyzer.experiment.comparing import compared
from analyzer.experiment.known import Known, known
from analyzer.experiment.plan import plan
from analyzer.experiment.registration import Registration, design_digest
from analyzer.experiment.update import update
from analyzer.stats.effect_intervals import fixed_interval
from analyzer.stats.effects import Effect
from analyzer.stats.result import Estimate, Undefined

LIMITS = policy.load().experiment
MORE = 'columns = {cluster_id = "household"}'
DAYS = 4


def nested(clusters: int, units: int = 1200, spread: float = 0.8, seed: int = 3) -> pl.DataFrame:
    """Outcomes of units in clusters: a cluster is in one arm, and its units spend alike."""
    rng = np.random.default_rng(seed)
    frame = events(units=units, days=DAYS, seed=seed)
    house = rng.integers(0, clusters, units)
    factor = np.exp(rng.normal(0, spread, clusters))
    arm = np.where(rng.permutation(clusters) % 2 == 0, "A", "B")
    of_unit = pl.DataFrame(
        {
            "unit_id": [f"u{u}" for u in range(units)],
            "household": [f"h{h}" for h in house],
            "arm": arm[house],
            "factor": factor[house],
        }
    )
    joined = frame.join(of_unit, on="unit_id", maintain_order="left")
    return joined.with_columns(
        pl.col("arm").alias("variant"), (pl.col("revenue") * pl.col("factor")).round(2)
    ).drop("arm", "factor")


def opened(folder: Path, frame: pl.DataFrame, more: str = MORE) -> Known:
    rollout = config.load(rollout_of(folder, frame, more))
    update(rollout)
    return known(rollout)


def difference(found: Known, name: str) -> Effect | Undefined:
    return compared(found, found.design.metrics[name]).difference.at(0)


def totals(frame: pl.DataFrame) -> pl.DataFrame:
    """Units with their cluster, what they did and what is known of them."""
    house = frame.group_by("unit_id").agg(pl.col("household").first())
    units = by_unit(frame, DAYS).join(house, on="unit_id").sort("unit_id")
    return units.with_columns(
        (pl.col("orders") > 0).cast(pl.Float64).alias("any"),
        pl.col("before").is_null().cast(pl.Float64).alias("missing"),
        pl.col("before").fill_null(0.0),
        pl.lit(1.0).alias("one"),
    )


@pytest.fixture(scope="module")
def sixty(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, Known]:
    frame = nested(60)
    return frame, opened(tmp_path_factory.mktemp("sixty"), frame)


def test_errors_are_those_of_cluster_robust_regression(sixty: tuple[pl.DataFrame, Known]) -> None:
    """OLS on the arm with Liang and Zeger's sandwich (1986), G / (G - 1) as 30 clusters an arm."""
    frame, found = sixty
    units = totals(frame)
    arm = (units["variant"] == "B").to_numpy().astype(float)
    house = units["household"].to_numpy()
    design = np.column_stack([np.ones(len(arm)), arm])
    inverse = np.linalg.inv(design.T @ design)
    for metric, column in (("complaints", "complaints"), ("conversion", "any")):
        y = units[column].to_numpy().astype(float)
        beta = inverse @ design.T @ y
        scores = design * (y - design @ beta)[:, None]
        sums = np.array([scores[house == h].sum(0) for h in np.unique(house)])
        meat = sums.T @ sums
        variance = (inverse @ meat @ inverse)[1, 1] * 30 / 29
        told = difference(found, metric)
        assert isinstance(told, Effect)
        assert told.value == pytest.approx(beta[1], abs=1e-9)
        assert told.error == pytest.approx(math.sqrt(variance), rel=1e-6)
        assert told.n == len(units)
        assert told.df < 60


def test_a_ratio_and_cuped_by_hand(sixty: tuple[pl.DataFrame, Known]) -> None:
    """Deng, Knoblich, Lu (2018): linearise by cluster, then take variances over clusters."""
    frame, found = sixty
    houses = (
        totals(frame)
        .group_by("household", "variant")
        .agg(pl.col("revenue", "orders", "before", "missing", "one").sum())
    )
    arms = [houses.filter(pl.col("variant") == variant) for variant in "AB"]

    def linear(one: pl.DataFrame, above: str, below: str) -> np.ndarray:
        s, n = one[above].to_numpy(), one[below].to_numpy()
        return (s - s.sum() / n.sum() * n) / n.mean()

    ratio = difference(found, "basket")
    spread = sum(linear(a, "revenue", "orders").var(ddof=1) / len(a) for a in arms)
    assert isinstance(ratio, Effect)
    assert ratio.error == pytest.approx(math.sqrt(spread), rel=1e-6)

    ys = [linear(a, "revenue", "one") for a in arms]
    xs = [np.column_stack([linear(a, c, "one") for c in ("before", "missing")]) for a in arms]
    every = sum(np.cov(x.T) / len(x) for x in xs)
    with_y = sum(
        np.array([np.cov(x[:, i], y)[0, 1] for i in (0, 1)]) / len(x)
        for x, y in zip(xs, ys, strict=True)
    )
    theta = np.linalg.solve(every, with_y)
    left = sum((y - x @ theta).var(ddof=1) / len(y) for x, y in zip(xs, ys, strict=True))
    adjusted = difference(found, "revenue")
    assert isinstance(adjusted, Effect)
    assert adjusted.error == pytest.approx(math.sqrt(left), rel=1e-6)


def test_without_clusters_the_same_users_look_far_too_certain(
    sixty: tuple[pl.DataFrame, Known], tmp_path: Path
) -> None:
    frame, found = sixty
    plain = difference(opened(tmp_path, frame, ""), "revenue")
    nested_ = difference(found, "revenue")
    assert isinstance(plain, Effect) and isinstance(nested_, Effect)
    assert nested_.error > 2 * plain.error


def test_no_effect_is_rarely_certain(tmp_path: Path) -> None:
    """Of 12 experiments without effect a fixed 95 % interval excludes 0 in at most two; where
    clusters are not told, in half of them.
    """
    wrong = {"nested": 0, "plain": 0}
    for seed in range(12):
        frame = nested(50, units=300, seed=100 + seed)
        for which, more in (("nested", MORE), ("plain", "")):
            found = opened(tmp_path / f"{which}{seed}", frame, more)
            effect = difference(found, "basket")
            assert isinstance(effect, Effect)
            interval = fixed_interval(effect, 0.05)
            assert isinstance(interval, Estimate)
            wrong[which] += not interval.low <= 0 <= interval.high
    assert wrong["nested"] <= 2 < 4 <= wrong["plain"], wrong


def test_any_past_day_is_what_it_was(tmp_path: Path, sixty: tuple[pl.DataFrame, Known]) -> None:
    frame, found = sixty
    early = opened(tmp_path, frame.filter(pl.col("ts").dt.epoch("d") < FIRST_DAY + 2))
    for name in ("revenue", "conversion", "basket", "complaints"):
        assert difference(found.at(FIRST_DAY + 2), name) == difference(early, name)
    names = ("revenue",)
    then, now = clustered(found.at(FIRST_DAY + 2), names), clustered(early, names)
    assert [a.clusters for a in then.values()] == [a.clusters for a in now.values()] == [30, 30]


def test_more_clusters_than_buckets_still_tell_the_error(tmp_path: Path) -> None:
    frame = nested(3000, units=6000)
    found = opened(tmp_path, frame)
    arms = clustered(found, ())
    houses = totals(frame).group_by("household", "variant").agg(pl.col("complaints", "one").sum())
    for variant, arm in zip("AB", arms.values(), strict=True):
        assert arm.clusters == len(houses.filter(pl.col("variant") == variant))
    told = difference(found, "complaints")
    spread = 0.0
    for variant in "AB":
        one = houses.filter(pl.col("variant") == variant)
        s, n = one["complaints"].to_numpy(), one["one"].to_numpy()
        spread += ((s - s.sum() / n.sum() * n) / n.mean()).var(ddof=1) / len(one)
    assert isinstance(told, Effect)
    assert told.error == pytest.approx(math.sqrt(spread), rel=0.1)


def analysis(found: Known) -> Analysis:
    promised = Registration(
        rollout="shop", primary="revenue", design=design_digest(found.design), weight=0.5,
        weight_reason="", min_effect=0.02, alpha=0.05, power=0.8, sequence_alpha=0.01,
        final_alpha=0.045, n_star=1200, start=f"{START:%Y-%m-%d}", end="2026-03-06",
    )  # fmt: skip
    return analyze(found, promised, LIMITS)


def test_few_clusters_are_refused_or_warned_of(tmp_path: Path) -> None:
    refused = analysis(opened(tmp_path / "18", nested(18)))
    for one in refused.readings:
        assert isinstance(one.lift, Undefined), one
    assert "9 clusters in the smaller arm, 10 needed" in str(refused.readings[0].lift)
    told = analysis(opened(tmp_path / "20", nested(20)))
    assert isinstance(told.readings[0].difference, Estimate)
    assert any("fewer than 40 intervals are often too narrow" in note for note in told.notes)
    enough = analysis(opened(tmp_path / "80", nested(80)))
    assert not any("clusters" in note for note in enough.notes)


def test_the_split_is_that_of_clusters(tmp_path: Path) -> None:
    """Two clusters hold most units of one arm: nothing is lost, and nothing is said to be."""
    frame = nested(60)
    large = pl.col("household").is_in(
        frame.filter(pl.col("variant") == "B")["household"].unique().sort()[:2].to_list()
    )
    copies = [frame.with_columns(pl.concat_str("unit_id", pl.lit(f"-{i}")).alias("unit_id"))
              .filter(large) for i in range(15)]  # fmt: skip
    whole = pl.concat([frame, *copies])
    found = analysis(opened(tmp_path / "clusters", whole))
    assert found.units["challenger"] > 1.5 * found.units["champion"]
    assert found.clusters == {"champion": 30.0, "challenger": 30.0}
    assert isinstance(found.ratio, Estimate) and found.ratio.value > 0.5
    assert analysis(opened(tmp_path / "units", whole, "")).valid == "invalid"


def test_units_without_a_cluster_are_said(tmp_path: Path) -> None:
    some = pl.when(pl.col("unit_id").str.ends_with("7")).then(None).otherwise(pl.col("household"))
    found = opened(tmp_path, nested(60).with_columns(some.alias("household")))
    assert found.faults["unit without a cluster"] > 0


def test_a_plan_allows_for_clusters(tmp_path: Path) -> None:
    frame = nested(80)
    needs = {}
    for which, more in (("nested", MORE), ("plain", "")):
        found = plan(opened(tmp_path / which, frame, more), LIMITS, min_effect=0.3)
        needs[which] = next(need for need in found.needs if need.metric == "revenue").units
    one, other = needs["nested"], needs["plain"]
    assert isinstance(one, Estimate) and isinstance(other, Estimate)
    assert one.value > 3 * other.value
