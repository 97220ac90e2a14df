"""Plans and analyses of small experiments: what is known to be true comes out, and no more."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from experiment.outcomes import FIRST_DAY, START, by_unit, events, rollout_of

from analyzer import config, policy
from analyzer.cli import group
from analyzer.diary import Event
from analyzer.errors import ConfigError
from analyzer.experiment.analysis import Analysis, analyze
from analyzer.experiment.known import known
from analyzer.experiment.plan import plan, register
from analyzer.experiment.registration import Registration, load, save
from analyzer.experiment.update import update
from analyzer.stats.result import Estimate, Undefined

LIMITS = policy.load().experiment


def _registered(rollout: config.Rollout, days: int = 5, n_star: int = 400) -> Registration:
    from analyzer.experiment.registration import design_digest

    assert rollout.experiment is not None
    end = START.date().fromordinal(START.date().toordinal() + days)
    return Registration(
        rollout="shop",
        primary="revenue",
        design=design_digest(rollout.experiment),
        weight=0.5,
        weight_reason="",
        min_effect=0.02,
        alpha=0.05,
        power=0.8,
        sequence_alpha=0.01,
        final_alpha=0.045,
        n_star=n_star,
        start=START.date().isoformat(),
        end=end.isoformat(),
    )


def _analysis(folder: Path, frame: pl.DataFrame, diary: tuple[Event, ...] = ()) -> Analysis:
    rollout = config.load(rollout_of(folder, frame))
    update(rollout)
    return analyze(known(rollout), _registered(rollout), LIMITS, diary)


def test_a_lift_is_what_polars_says(tmp_path: Path) -> None:
    frame = events(units=900)
    found = _analysis(tmp_path, frame)
    plain = by_unit(frame, 5)
    mean = dict(plain.group_by("variant").agg(pl.col("revenue").mean()).iter_rows())
    revenue = next(r for r in found.readings if r.metric == "revenue")
    assert revenue.champion == pytest.approx(mean["A"], rel=1e-7)
    assert revenue.challenger == pytest.approx(mean["B"], rel=1e-7)
    assert isinstance(revenue.lift, Estimate) and isinstance(revenue.cut, Estimate)
    assert revenue.lift.low < 0 < revenue.lift.high
    share = dict(plain.group_by("variant").agg((pl.col("orders") > 0).mean()).iter_rows())
    conversion = next(r for r in found.readings if r.metric == "conversion")
    assert isinstance(conversion.difference, Estimate)
    assert conversion.difference.value == pytest.approx(share["B"] - share["A"], abs=1e-9)
    median = dict(plain.group_by("variant").agg(pl.col("revenue").median()).iter_rows())
    percentile = next(r for r in found.readings if r.metric == "median")
    assert percentile.champion == pytest.approx(median["A"], rel=0.05)
    assert found.valid == "pass"
    assert isinstance(found.ratio, Estimate) and found.ratio.value > 0.001
    assert not any(named.differs for named in found.segments)
    assert found.comparisons == 3


def test_before_the_end_no_fixed_interval(tmp_path: Path) -> None:
    rollout = config.load(rollout_of(tmp_path, events()))
    update(rollout)
    everything = known(rollout)
    registration = _registered(rollout)
    early = analyze(everything.at(FIRST_DAY + 3), registration, LIMITS)
    assert not early.ended
    assert all(isinstance(r.final, Undefined) for r in early.readings)
    late = analyze(everything, registration, LIMITS)
    assert late.ended
    assert any(isinstance(r.final, Estimate) for r in late.readings)
    assert late.looks[0].day == "2026-03-03"
    asked = analyze(known(rollout, (FIRST_DAY + 3) * 86_400_000_000), registration, LIMITS)
    assert asked.readings == early.readings


def test_the_final_test_is_read_once(tmp_path: Path) -> None:
    # outcomes of three more days move the interval that is read at any time, not the final one
    rollout = config.load(rollout_of(tmp_path, events(days=8)))
    update(rollout)
    at_end, later = (
        analyze(known(rollout, (FIRST_DAY + day) * 86_400_000_000), _registered(rollout), LIMITS)
        for day in (5, 8)
    )
    for then, now in zip(at_end.readings, later.readings, strict=True):
        assert (now.final, now.harm) == (then.final, then.harm)
    assert at_end.readings[0].lift != later.readings[0].lift


def test_without_the_last_outcomes_there_is_no_final_test(tmp_path: Path) -> None:
    rollout = config.load(rollout_of(tmp_path, events(days=3)))
    update(rollout)
    late = (FIRST_DAY + 6) * 86_400_000_000
    found = analyze(known(rollout, late), _registered(rollout), LIMITS)
    assert not found.ended
    assert all(isinstance(r.final, Undefined) for r in found.readings)
    assert any("No outcome is known from 2026-03-05 on" in note for note in found.notes)


def test_a_planted_lift_is_found(tmp_path: Path) -> None:
    frame = events(units=6000, seed=2).with_columns(
        pl.when(pl.col("variant") == "B")
        .then(pl.col("revenue") * 1.5)
        .otherwise(pl.col("revenue"))
        .alias("revenue")
    )
    found = _analysis(tmp_path, frame)
    revenue = next(r for r in found.readings if r.metric == "revenue")
    assert isinstance(revenue.lift, Estimate)
    assert revenue.lift.low > 0.2
    assert found.adjusted["revenue"] < 0.01
    assert all(named.differs for named in found.segments)


def test_a_lost_arm_makes_it_invalid(tmp_path: Path) -> None:
    frame = events(units=3000, seed=3)
    lost = (pl.col("variant") == "B") & (pl.col("unit_id").str.tail(1) < "3")
    found = _analysis(tmp_path, frame.filter(~lost))
    assert found.valid == "invalid"


def test_a_ramp_without_effect_shows_none(tmp_path: Path) -> None:
    """Weekday units spend twice as much; the ramp gives few of the first days to B."""
    rng = np.random.default_rng(5)
    frames = []
    for day, weight in enumerate([0.05, 0.05, 0.5, 0.5, 0.5]):
        one = events(units=2000, days=1, seed=10 + day, per_day=1.0)
        unit = pl.concat_str([pl.lit(f"d{day}-"), pl.col("unit_id")])
        chosen = pl.Series("b", rng.random(2000) < weight)
        arm = pl.DataFrame({"unit_id": [f"u{i}" for i in range(2000)], "b": chosen})
        one = one.drop("variant").join(arm, on="unit_id", maintain_order="left")
        one = one.with_columns(
            pl.when("b").then(pl.lit("B")).otherwise(pl.lit("A")).alias("variant"),
            unit.alias("unit_id"),
            pl.col("ts").dt.offset_by(f"{day}d"),
            (pl.col("revenue") * (3.0 if day < 2 else 1.0)).alias("revenue"),
        ).drop("b")
        frames.append(one.select(events(units=2, days=1).columns))
    diary = tuple(
        Event(ts=f"2026-03-{2 + day:02}", kind="weight", challenger_weight=weight)
        for day, weight in ((0, 0.05), (2, 0.5))
    )
    found = _analysis(tmp_path, pl.concat(frames), diary)
    assert (found.first, found.last) == ("2026-03-04", "2026-03-07")
    assert found.valid == "pass"
    revenue = next(r for r in found.readings if r.metric == "revenue")
    assert isinstance(revenue.lift, Estimate)
    assert revenue.lift.low < 0 < revenue.lift.high
    pooled = _analysis(tmp_path / "pooled", pl.concat(frames))  # nobody wrote the ramp down
    assert pooled.valid == "invalid"


def test_novelty_is_seen(tmp_path: Path) -> None:
    days = 12
    frame = events(units=3000, days=days, seed=4, per_day=1.0)
    since = pl.col("ts").dt.epoch("d") - FIRST_DAY
    frame = frame.with_columns(
        pl.when(pl.col("variant") == "B")
        .then(pl.col("revenue") * (1 + 1.5 * (-since / 3).exp()))
        .otherwise(pl.col("revenue"))
        .alias("revenue")
    )
    rollout = config.load(rollout_of(tmp_path, frame))
    update(rollout)
    found = analyze(known(rollout), _registered(rollout, days), LIMITS)
    assert isinstance(found.novelty.contrast, Estimate)
    assert found.novelty.contrast.high < 0
    assert isinstance(found.novelty.late, Estimate)


@pytest.mark.parametrize(("moved_on", "valid"), [(2, "pass"), (3, "invalid")])
def test_users_that_the_ramp_moved_are_no_fault(tmp_path: Path, moved_on: int, valid: str) -> None:
    # two days of canary, all in A; then half of everybody is answered by B. Moved a day later, a
    # third of those who first came under the planned split were seen in both arms
    day = (pl.col("ts") - START).dt.total_days()
    frame = events(units=3000, seed=9)
    frame = frame.with_columns(
        pl.when(day < moved_on).then(pl.lit("A")).otherwise(pl.col("variant")).alias("variant")
    )
    if moved_on == 3:  # others come into B on the first planned day, so that the ratio holds
        frame = frame.with_columns(
            pl.when((day == 2) & (pl.col("unit_id").str.tail(1) < "5"))
            .then(pl.lit("B"))
            .otherwise(pl.col("variant"))
            .alias("variant")
        )
    diary = (Event(ts="2026-03-04", kind="weight", challenger_weight=0.5),)
    rollout = config.load(rollout_of(tmp_path, frame))
    update(rollout)
    promise = msgspec.structs.replace(_registered(rollout), start="2026-03-04")
    found = analyze(known(rollout), promise, LIMITS, diary)
    assert found.valid == valid, (found.ratio, found.mixed)


def test_the_ratio_over_a_ramp_of_users_who_return(tmp_path: Path) -> None:
    # a tenth, then half: four in nine of the first days' champion users are the challenger's later
    rng = np.random.default_rng(0)
    drawn = pl.DataFrame({"unit_id": [f"u{i}" for i in range(3000)], "draw": rng.random(3000)})
    day = (pl.col("ts") - START).dt.total_days()
    theirs = pl.col("draw") < pl.when(day < 2).then(0.1).otherwise(0.5)
    frame = events(units=3000, seed=9).join(drawn, on="unit_id", maintain_order="left")
    frame = frame.with_columns(
        pl.when(theirs).then(pl.lit("B")).otherwise(pl.lit("A")).alias("variant")
    )
    diary = tuple(
        Event(ts=f"2026-03-0{day}", kind="weight", challenger_weight=weight)
        for day, weight in ((2, 0.1), (4, 0.5))
    )
    found = _analysis(tmp_path, frame.drop("draw"), diary)
    assert found.valid == "pass", (found.ratio, found.mixed)


def test_mistakes_are_named(tmp_path: Path) -> None:
    rollout = config.load(rollout_of(tmp_path, events(units=50)))
    update(rollout)
    changed = config.load(rollout_of(tmp_path, events(units=50), more="weight = 0.3"))
    found = analyze(known(changed), _registered(rollout), LIMITS)
    told = [mistake.sentence for mistake in found.mistakes]
    assert any("not those that were registered" in text for text in told)
    assert any("no weight_reason" in text for text in told)
    assert any("fewer than 7 do not hold a week" in text for text in told)


def test_a_plan_keeps_what_it_promises(tmp_path: Path) -> None:
    """The share of simulated experiments of the planned size that find the planned effect."""
    frame = events(units=4000, days=5, seed=7)
    rollout = config.load(rollout_of(tmp_path, frame))
    update(rollout)
    found = plan(known(rollout), LIMITS, min_effect=0.1)
    need = next(n for n in found.needs if n.metric == "revenue")
    assert isinstance(need.units, Estimate) and isinstance(need.deviation, Estimate)
    plain = by_unit(frame, 5)["revenue"]
    assert need.deviation.value <= plain.std() / plain.mean() * 1.001  # type: ignore[operator]
    rng = np.random.default_rng(8)
    n = int(need.units.value) // 2
    sd = need.deviation.value
    one, two = rng.normal(1, sd, (2000, n)).mean(1), 1.1 * rng.normal(1, sd, (2000, n)).mean(1)
    # a lift of a tenth has a tenth more error than none has; alpha 0.045, two-sided
    power = float(np.mean((two / one - 1) / (1.1 * sd * np.sqrt(2 / n)) > 2.005))
    assert power == pytest.approx(0.8, abs=0.03)
    assert isinstance(need.sequence, Estimate) and need.sequence.value > need.units.value
    lifts = [lift for _, lift in found.detectable]
    assert lifts == sorted(lifts, reverse=True)
    assert isinstance(found.per_day, Estimate)
    day = need.sequence.value / found.per_day.value
    after = dict(found.detectable)[int(np.ceil(day))]
    assert after <= 0.1 < dict(found.detectable)[int(np.floor(day))]


def test_a_registration_is_written_once(tmp_path: Path) -> None:
    rollout = config.load(rollout_of(tmp_path, events(units=300)))
    update(rollout)
    found = plan(known(rollout), LIMITS, min_effect=0.3)
    registered = register("shop", known(rollout), found, LIMITS, FIRST_DAY + 7, 0.3)
    assert isinstance(registered, Registration)
    path = tmp_path / "registration.json"
    save(path, registered)
    save(path, registered)
    assert load(path) == registered
    other = register("shop", known(rollout), found, LIMITS, FIRST_DAY + 8, 0.3)
    assert isinstance(other, Registration)
    with pytest.raises(ConfigError, match="another plan is registered"):
        save(path, other)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(path)
    with pytest.raises(ConfigError, match="was not registered"):
        load(tmp_path / "nowhere.json")


def test_the_command_line(tmp_path: Path) -> None:
    path = rollout_of(tmp_path, events(units=300))
    run = CliRunner().invoke
    base = ["--config", str(path)]
    nothing = run(group, ["experiment", "analyze", *base])
    assert isinstance(nothing.exception, ConfigError)
    planned = run(
        group,
        ["experiment", "plan", *base, "--min-effect", "0.3", "--start", START.date().isoformat()],
    )
    assert planned.exit_code == 0, planned.output
    shown = run(group, ["experiment", "analyze", *base])
    assert shown.exit_code == 0, shown.output
    assert "revenue" in shown.output and "always valid" in shown.output
    told = run(group, ["experiment", "analyze", *base, "--json"])
    assert json.loads(told.output)["valid"] in ("pass", "undecided")
