"""Percentiles of single events: their sums against plain counting, in any order of files."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from experiment.outcomes import FIRST_DAY, START, events, rollout_of

from analyzer import config
from analyzer.design import Experiment, Metric, check_design
from analyzer.errors import ConfigError
from analyzer.experiment import state, unit_days
from analyzer.experiment.comparing import compared
from analyzer.experiment.event_bins import SUMS
from analyzer.experiment.known import Known, known
from analyzer.experiment.percentiles import percentiles
from analyzer.experiment.plan import plan
from analyzer.experiment.unit_events import SPAN, bins_of
from analyzer.experiment.update import update
from analyzer.policy import load
from analyzer.stats.effects import Effect
from analyzer.stats.result import Estimate, Undefined

DAY = 86_400_000_000
NONE = np.zeros(0, dtype=np.int64)
MORE = """
[experiment.metrics.slow]
kind = "quantile"
of = "events"
value = "latency"
quantile = 0.9
better = "lower"
[experiment.metrics.order]
kind = "quantile"
of = "events"
value = "revenue"
ignore_zeros = true
[experiment.metrics.any_order]
kind = "quantile"
of = "events"
value = "revenue"
quantile = 0.8
[experiment.metrics.buyers]
kind = "quantile"
value = "revenue"
ignore_zeros = true
"""


def timed(units: int = 400, seed: int = 1, days: int = 5) -> pl.DataFrame:
    """Events with a latency of their own, NULL or NaN for some; some units come in both arms."""
    frame = events(units, days, seed)
    rng = np.random.default_rng(seed + 1)
    usual = dict(zip(frame["unit_id"].unique().sort(), rng.lognormal(4, 0.5, units), strict=False))
    latency = np.array([usual[u] for u in frame["unit_id"]]) * rng.lognormal(0, 1, len(frame))
    latency[rng.random(len(frame)) < 0.01] = np.inf
    shown = pl.Series("latency", latency)
    hidden = pl.Series(rng.random(len(frame)) < 0.2)
    late = pl.col("ts").dt.epoch("d") >= FIRST_DAY + 3
    moved = late & pl.col("unit_id").str.ends_with("77")
    other = pl.when(pl.col("variant") == "A").then(pl.lit("B")).otherwise(pl.lit("A"))
    return frame.with_columns(
        pl.when(hidden).then(None).otherwise(shown).alias("latency"),
        pl.when(moved).then(other).otherwise(pl.col("variant")).alias("variant"),
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, Path, Known]:
    folder, frame = tmp_path_factory.mktemp("events"), timed()
    path = written(folder, frame)
    update(config.load(path))
    return frame, folder, known(config.load(path))


def written(folder: Path, frame: pl.DataFrame, files: int = 3, more: str = "") -> Path:
    path = rollout_of(folder, frame, more, files)
    path.write_text(path.read_text("utf-8") + MORE, encoding="utf-8")
    return path


def _bytes(folder: Path) -> dict[str, bytes]:
    tables = (folder / ".analyzer" / "experiment").rglob("*.parquet")
    return {str(p.relative_to(folder)): p.read_bytes() for p in tables}


def counts(frame: pl.DataFrame, column: str, arm: str, *, zeros: bool) -> np.ndarray:
    """Events of each unit of an arm (rows) by bin (columns, ascending), plainly."""
    arms = frame.group_by("unit_id").agg(pl.col("variant").n_unique().alias("arms"))
    pure = frame.join(arms.filter(pl.col("arms") == 1), on="unit_id").filter(
        pl.col("variant") == arm, pl.col(column).is_finite(), zeros | (pl.col(column) != 0)
    )
    values = pure[column].to_numpy()
    code = bins_of(values, NONE, 0, zeros=True) - SPAN // 2
    table = pure.with_columns(pl.Series("code", code)).group_by("unit_id", "code").len()
    units, codes = (table[name].unique().sort() for name in ("unit_id", "code"))
    found = np.zeros((len(units), len(codes)), dtype=np.int64)
    rows, columns = units.search_sorted(table["unit_id"]), codes.search_sorted(table["code"])
    found[rows.to_numpy(), columns.to_numpy()] = table["len"].to_numpy()
    return found


@pytest.mark.parametrize("days", [1, 4, 5])
def test_every_past_day_is_what_counting_says(
    made: tuple[pl.DataFrame, Path, Known], days: int
) -> None:
    frame, _, whole = made
    then = pl.DataFrame(whole.at(FIRST_DAY + days).table("event_bins").to_pydict())
    seen = frame.filter(pl.col("ts") < START + timedelta(days=days))
    wanted = (
        ("latency", "latency", True),
        ("revenue", "revenue", True),
        ("#not 0 revenue", "revenue", False),
    )
    for measure, column, zeros in wanted:
        for arm, word in enumerate("AB"):
            plain = counts(seen, column, word, zeros=zeros)
            upto, n = np.cumsum(plain, axis=1), plain.sum(axis=1)
            truth = (upto, upto**2, upto * n[:, None])
            part = then.filter(pl.col("measure") == measure, pl.col("arm") == arm)
            sums = part.group_by("code").agg(pl.col(SUMS).sum()).sort("code")
            sums = sums.filter(pl.col("n") != 0)
            for name, one in zip(SUMS, truth, strict=True):
                assert sums[name].cum_sum().to_list() == one.sum(axis=0).tolist(), (measure, name)


def test_same_bytes_in_any_order_of_files_and_nights(
    made: tuple[pl.DataFrame, Path, Known], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, folder, _ = made
    monkeypatch.setattr(state, "SHARD", 10)
    monkeypatch.setattr(unit_days, "CHUNK", 100)
    many, nights = tmp_path / "many", tmp_path / "nights"
    update(config.load(written(many, frame.sample(fraction=1.0, shuffle=True, seed=3), files=5)))
    day = pl.col("ts").dt.epoch("d") - FIRST_DAY
    late = (day == 1) & (pl.col("unit_id").hash() % 7 == 0)
    path = written(nights, frame.filter(day < 2, ~late), files=1)
    update(config.load(path))
    for number in (2, 3, 4):
        frame.filter(day == number).write_parquet(nights / "outcomes" / f"day{number}.parquet")
        update(config.load(path))
    frame.filter(late).write_parquet(nights / "outcomes" / "late.parquet")
    update(config.load(path))
    assert _bytes(folder) == _bytes(many) == _bytes(nights)
    (nights / ".analyzer" / "experiment" / "sums" / "events.arrow").unlink()
    shutil.rmtree(nights / ".analyzer" / "experiment" / "sums" / "data")
    update(config.load(path))
    assert _bytes(folder) == _bytes(nights)


def test_the_percentile_is_that_of_the_events(made: tuple[pl.DataFrame, Path, Known]) -> None:
    frame, _, found = made
    for name, column, zeros in (("slow", "latency", True), ("order", "revenue", False)):
        metric = found.design.metrics[name]
        for arm, word in zip(percentiles(found, metric).values(), "AB", strict=True):
            arms = pl.col("variant").n_unique().over("unit_id")
            values = frame.filter(
                arms == 1, pl.col("variant") == word, pl.col(column).is_finite(),
                zeros | (pl.col(column) != 0),
            )[column].to_numpy()  # fmt: skip
            assert isinstance(arm, Estimate)
            assert arm.value == pytest.approx(np.quantile(values, metric.quantile), rel=2**-7)
            assert arm.low < np.quantile(values, metric.quantile) < arm.high


def test_only_units_of_some_days(made: tuple[pl.DataFrame, Path, Known]) -> None:
    frame, _, found = made
    first = pl.col("ts").min().over("unit_id").dt.epoch("d")
    some = frame.filter(first >= FIRST_DAY + 1, first < FIRST_DAY + 3)
    part = found.exposed_in(FIRST_DAY + 1, FIRST_DAY + 3).table("event_bins")
    for arm, word in enumerate("AB"):
        truth = counts(some, "latency", word, zeros=True).sum()
        rows = pl.DataFrame(part.to_pydict()).filter(
            pl.col("measure") == "latency", pl.col("arm") == arm
        )
        assert rows["n"].sum() == truth > 0


def test_only_what_follows_exposure_counts(tmp_path: Path) -> None:
    frame = timed(units=60)
    shown = frame.group_by("unit_id").agg(
        pl.col("variant", "country", "before").sort_by("ts").first(), pl.col("ts").median()
    )
    shown = shown.filter(~pl.col("unit_id").str.ends_with("3"))
    shown = shown.with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")))
    path = written(tmp_path, frame, more='exposures = ["exposures/*.parquet"]')
    (tmp_path / "exposures").mkdir()
    shown.write_parquet(tmp_path / "exposures" / "0.parquet")
    update(config.load(path))
    found = known(config.load(path))
    after = frame.join(shown.select("unit_id", since="ts"), on="unit_id")
    after = after.filter(pl.col("ts") >= pl.col("since"))
    table = pl.DataFrame(found.table("event_bins").to_pydict())
    latency = table.filter(pl.col("measure") == "latency")
    for arm, word in enumerate("AB"):
        truth = counts(after, "latency", word, zeros=True)
        part = latency.filter(pl.col("arm") == arm)
        assert part["n"].sum() == truth.sum() > 0
        assert part["cross"].sum() == part["squares"].sum() == (truth.sum(axis=1) ** 2).sum()


def test_a_slower_challenger_is_found_and_planned_for(tmp_path: Path) -> None:
    frame = timed(units=3000, seed=5, days=3)
    slower = pl.when(pl.col("variant") == "B").then(1.5).otherwise(1.0)
    path = written(tmp_path, frame.with_columns(pl.col("latency") * slower))
    update(config.load(path))
    found = known(config.load(path))
    metric = found.design.metrics["slow"]
    lifted = compared(found, metric).lift.at(0)
    assert isinstance(lifted, Effect) and lifted.value == pytest.approx(0.5, abs=0.15)
    assert lifted.value > 3 * lifted.error
    assert lifted.n == sum(found.units().values())
    inside = compared(found, metric, [("country", "de")])
    assert inside.lift.at(0) == Undefined("percentiles are not kept by segment")
    needs = {need.metric: need for need in plan(found, load().experiment).needs}
    assert isinstance(needs["slow"].units, Estimate) and needs["slow"].units.value > 1000


def test_what_cannot_be_said(tmp_path: Path) -> None:
    few = timed(units=12, days=1)
    path = written(tmp_path / "few", few)
    update(config.load(path))
    found = known(config.load(path))
    for name in ("slow", "order", "any_order", "buyers"):
        assert isinstance(compared(found, found.design.metrics[name]).lift.at(0), Undefined)
    same = timed(units=300, days=1).with_columns(pl.lit(20.0).alias("latency"))
    path = written(tmp_path / "same", same)
    update(config.load(path))
    found = known(config.load(path))
    said = compared(found, found.design.metrics["slow"]).lift.at(0)
    assert isinstance(said, Effect) and abs(said.value) <= said.error
    gone = timed(units=300, days=1).drop("latency")
    path = written(tmp_path / "gone", gone)
    problems = update(config.load(path)).problems
    assert len(problems) == 3 and all("latency" in file.problem for file in problems)


def test_keys_that_mean_nothing_are_refused() -> None:
    def refuse(message: str) -> None:
        raise ConfigError(message)

    for metric, told in (
        (Metric(role="primary", value="v", of="events"), "of means nothing"),
        (Metric(role="primary", value="v", ignore_zeros=True), "ignore_zeros means nothing"),
    ):
        with pytest.raises(ConfigError, match=told):
            check_design(Experiment(outcomes=["x"], metrics={"m": metric}), refuse)
