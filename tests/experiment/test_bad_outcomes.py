"""Outcomes as logs hold them on bad days: each is said, none becomes a verdict."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from experiment.outcomes import START, events, rollout_of

from analyzer import config, policy
from analyzer.cli import group
from analyzer.experiment.analysis import Analysis, analyze
from analyzer.experiment.known import known
from analyzer.experiment.readings import Reading
from analyzer.experiment.registration import Registration, design_digest, save
from analyzer.experiment.update import update
from analyzer.stats.result import Estimate, Undefined

DAYS = 4
EVENTS = events(units=600, days=DAYS, seed=5)
SOME = pl.col("unit_id").str.ends_with("7")


def analysis(folder: Path, frame: pl.DataFrame, more: str = "") -> Analysis:
    return _read(rollout_of(folder, frame, more))


def _read(path: Path) -> Analysis:
    rollout = config.load(path)
    assert rollout.experiment is not None
    update(rollout)
    end = START + timedelta(days=DAYS)
    promised = Registration(
        rollout="shop", primary="revenue", design=design_digest(rollout.experiment), weight=0.5,
        weight_reason="", min_effect=0.02, alpha=0.05, power=0.8, sequence_alpha=0.01,
        final_alpha=0.045, n_star=600, start=f"{START:%Y-%m-%d}", end=f"{end:%Y-%m-%d}",
    )  # fmt: skip
    if not (path.parent / "registration.json").exists():
        save(path.parent / "registration.json", promised)
    return analyze(known(rollout), promised, policy.load().experiment)


def metric(found: Analysis, name: str) -> Reading:
    return next(one for one in found.readings if one.metric == name)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    return analysis(tmp_path_factory.mktemp("plain"), EVENTS)


@pytest.mark.parametrize("other", ["C", None])
def test_a_variant_of_neither_arm_counts_nowhere(tmp_path: Path, other: str | None) -> None:
    strange = pl.when(SOME).then(pl.lit(other)).otherwise(pl.col("variant")).alias("variant")
    found = analysis(tmp_path, EVENTS.with_columns(strange))
    rows = EVENTS.filter(SOME).height
    assert found.faults["variant is neither arm's"] == rows
    kept = EVENTS.filter(~SOME)["unit_id"].n_unique()
    assert sum(found.units.values()) == kept


def test_an_empty_arm_is_invalid_and_says_nothing(tmp_path: Path) -> None:
    found = analysis(tmp_path, events(units=1500, days=DAYS).filter(pl.col("variant") == "A"))
    assert found.valid == "invalid"
    assert found.units["challenger"] == 0
    for one in found.readings:
        assert isinstance(one.lift, Undefined) and isinstance(one.final, Undefined)
        assert one.challenger is None
    assert {guard.outcome for guard in found.guard_rails} == {"invalid"}
    assert all(isinstance(named.lift, Undefined) for named in found.segments)


def test_a_segment_that_lost_units_voids_what_the_whole_hides(tmp_path: Path) -> None:
    """In France a third of B's units are lost, in Italy a third of A's: together nothing shows."""
    frame = events(units=6000, days=DAYS, seed=6)
    digit = pl.col("unit_id").str.tail(1).cast(pl.Int32) < 4
    lost = digit & (
        ((pl.col("country") == "fr") & (pl.col("variant") == "B"))
        | ((pl.col("country") == "it") & (pl.col("variant") == "A"))
    )
    found = analysis(tmp_path, frame.filter(~lost))
    assert isinstance(found.ratio, Estimate) and found.ratio.value > 0.01
    assert isinstance(found.worst_split, Estimate) and found.worst_split.value < 0.001
    assert found.valid == "invalid"
    whole = analysis(tmp_path / "whole", frame)
    assert whole.valid == "pass"
    assert isinstance(whole.worst_split, Estimate) and whole.worst_split.value > 0.01


def test_what_does_not_vary_is_not_certain(tmp_path: Path) -> None:
    """Rounding leaves a lift of 1e-17 with an interval of 0: neither harm nor success."""
    once = EVENTS.unique("unit_id", keep="first", maintain_order=True)
    same = once.with_columns(revenue=pl.lit(0.1), orders=pl.lit(3), complaints=pl.lit(0))
    found = analysis(tmp_path, same)
    for name in ("revenue", "basket"):
        one = metric(found, name)
        assert isinstance(one.lift, Undefined) and one.lift.reason == "the metric does not vary"
        assert isinstance(one.harm, Undefined) and isinstance(one.difference, Undefined)
    assert metric(found, "revenue").champion == pytest.approx(0.1, rel=1e-6)
    assert isinstance(metric(found, "complaints").harm, Undefined)
    assert found.guard_rails[0].outcome == "undecided"


def test_a_percentile_of_zeros_is_zero(tmp_path: Path) -> None:
    found = analysis(tmp_path, EVENTS.with_columns(revenue=pl.lit(0.0)))
    median = metric(found, "median")
    assert (median.champion, median.challenger) == (0.0, 0.0)
    assert isinstance(median.lift, Undefined)


@pytest.mark.parametrize("shift", [0, 1])
def test_a_denominator_below_zero_gives_no_lift(tmp_path: Path, shift: int) -> None:
    found = analysis(tmp_path, EVENTS.with_columns(orders=-pl.col("orders") - shift))
    basket = metric(found, "basket")
    assert basket.champion is not None and basket.champion < 0
    assert isinstance(basket.lift, Undefined)
    assert isinstance(basket.difference, Estimate)


def test_infinite_values_count_as_none_and_are_said(tmp_path: Path, plain: Analysis) -> None:
    odd = pl.when(pl.col("unit_id") == "u5").then(pl.lit(float("inf")))
    odd = odd.when(pl.col("unit_id") == "u6").then(pl.lit(float("nan")))
    found = analysis(
        tmp_path, EVENTS.with_columns(odd.otherwise(pl.col("revenue")).alias("revenue"))
    )
    rows = EVENTS.filter(pl.col("unit_id").is_in(["u5", "u6"])).height
    assert found.faults["revenue is infinite or NaN"] == rows
    (gap,) = found.gaps
    assert (gap.column, gap.days) == ("revenue", ())
    assert gap.unusable == pytest.approx(rows / EVENTS.height)
    assert metric(found, "conversion") == metric(plain, "conversion")


def test_one_absurd_value_does_not_drown_all_others(tmp_path: Path, plain: Analysis) -> None:
    absurd = pl.when(pl.col("unit_id") == "u5").then(1e30).otherwise(pl.col("revenue"))
    found = analysis(tmp_path, EVENTS.with_columns(absurd.alias("revenue")))
    assert (
        found.faults["revenue is out of range"] == EVENTS.filter(pl.col("unit_id") == "u5").height
    )
    one, usual = metric(found, "revenue"), metric(plain, "revenue")
    assert isinstance(one.lift, Estimate) and isinstance(usual.lift, Estimate)
    width = (one.lift.high - one.lift.low) / (usual.lift.high - usual.lift.low)
    assert width == pytest.approx(1, abs=0.03)


def test_a_metric_that_some_days_do_not_log_is_named(tmp_path: Path) -> None:
    third = pl.col("ts").dt.date() == (START + timedelta(days=2)).date()
    gone = pl.when(third).then(None).otherwise(pl.col("revenue")).alias("revenue")
    found = analysis(tmp_path, EVENTS.with_columns(gone))
    (gap,) = found.gaps
    assert (gap.column, gap.days, gap.unusable) == ("revenue", ("2026-03-04",), 0.0)
    some = pl.when(SOME).then(None).otherwise(pl.col("revenue")).alias("revenue")
    assert analysis(tmp_path / "some", EVENTS.with_columns(some)).gaps == ()


def test_files_without_the_column_are_left_out_and_named(tmp_path: Path) -> None:
    path = rollout_of(tmp_path, EVENTS)
    lost = tmp_path / "outcomes" / "1.parquet"
    pl.read_parquet(lost).drop("revenue").write_parquet(lost)
    (file,) = _read(path).unread
    assert "1.parquet has no column 'revenue'" in file and "[experiment.metrics]" in file


def test_outcomes_before_and_without_exposure_do_not_count(tmp_path: Path) -> None:
    path = rollout_of(tmp_path, EVENTS, 'exposures = ["exposures.parquet"]')
    first = EVENTS.group_by("unit_id").agg(
        pl.col("ts").min(), *(pl.col(c).first() for c in ("variant", "country", "before"))
    )
    late = pl.when(SOME).then(pl.col("ts") + timedelta(seconds=1)).otherwise(pl.col("ts"))
    shown = first.filter(~pl.col("unit_id").str.ends_with("3")).with_columns(late.alias("ts"))
    shown.write_parquet(tmp_path / "exposures.parquet")
    found = _read(path)
    strangers = EVENTS.filter(pl.col("unit_id").str.ends_with("3")).height
    assert found.faults["outcome of a unit that was not exposed"] == strangers
    early = EVENTS.join(shown.rename({"ts": "since"}), on="unit_id").filter(
        pl.col("ts") < pl.col("since")
    )
    assert found.faults["outcome before its unit was exposed"] == early.height > 0
    assert sum(found.units.values()) == len(shown)


def test_an_event_that_comes_twice_counts_once(tmp_path: Path, plain: Analysis) -> None:
    known_by = EVENTS.with_row_index("event_id").with_columns(pl.col("event_id").cast(pl.String))
    found = analysis(tmp_path, pl.concat([known_by, known_by]))
    assert found.faults["the same event again"] == EVENTS.height
    assert found.readings == plain.readings


def test_time_zones_are_one_instant(tmp_path: Path, plain: Analysis) -> None:
    there = EVENTS.with_columns(pl.col("ts").dt.convert_time_zone("Asia/Tokyo"))
    assert analysis(tmp_path / "tokyo", there).readings == plain.readings
    local = there.with_columns(pl.col("ts").dt.replace_time_zone(None))
    path = rollout_of(tmp_path / "local", local)
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("[experiment]\n", '[time]\nzone = "Asia/Tokyo"\n[experiment]\n', 1)
    )
    assert _read(path).readings == plain.readings


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (EVENTS.head(0), "as far as they hold rows"),
        (EVENTS.drop("revenue"), "has no column 'revenue'"),
        (EVENTS.with_columns(revenue=pl.lit("12,50")), "holds text, not number"),
        (EVENTS.with_columns(pl.col("ts").dt.replace_time_zone(None)), "has no time zone"),
        (EVENTS.with_columns(pl.col("ts").dt.strftime("%Y-%m-%d %H:%M")), "holds text, not time"),
    ],
    ids=["no row", "no column", "text", "no zone", "time as text"],
)
def test_outcomes_that_cannot_be_read_are_an_error_that_says_why(
    tmp_path: Path, broken: pl.DataFrame, said: str
) -> None:
    analysis(tmp_path, EVENTS)
    path = rollout_of(tmp_path, broken)
    store = str(tmp_path / "fresh")
    done = CliRunner().invoke(
        group, ["experiment", "analyze", "--config", str(path), "--store", store]
    )
    assert done.exit_code != 0
    assert said in str(done.exception)
