"""Sums over units against plain Polars, in any order of files and nights."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from experiment.outcomes import FIRST_DAY, by_unit, events, rollout_of

from analyzer import config
from analyzer.errors import ConfigError, StoreError
from analyzer.experiment import state, unit_days
from analyzer.experiment.known import known
from analyzer.experiment.update import update
from analyzer.stats.units import moments_of

DAY = 86_400_000_000
METRICS = ("revenue", "conversion", "basket", "complaints")


def _bytes(folder: Path) -> dict[str, bytes]:
    """Everything an update decides, by name: tables with their digests, no times of files."""
    tables = (folder / ".analyzer" / "experiment").rglob("*.parquet")
    return {str(p.relative_to(folder)): p.read_bytes() for p in tables}


def _plain(units: pl.DataFrame, metric: str) -> np.ndarray:
    before = units["before"].fill_null(0.0).to_numpy()
    missing = units["before"].is_null().to_numpy().astype(float)
    revenue, orders = units["revenue"].to_numpy(), units["orders"].to_numpy().astype(float)
    columns = {
        "revenue": (revenue, before, missing),
        "conversion": ((orders > 0).astype(float),),
        "basket": (revenue, orders),
        "complaints": (units["complaints"].to_numpy().astype(float),),
    }
    return np.column_stack(columns[metric])


@pytest.mark.parametrize("days", [1, 3, 5])
def test_every_past_day_is_what_polars_says(tmp_path: Path, days: int) -> None:
    frame = events()
    rollout = config.load(rollout_of(tmp_path, frame))
    update(rollout)
    found = known(rollout, (FIRST_DAY + days) * DAY)
    truth = by_unit(frame, days)
    assert found.design.segments == ["country"]
    for segment in (("", ""), ("country", "de"), ("country", "it")):
        chosen = truth if segment == ("", "") else truth.filter(pl.col("country") == segment[1])
        for metric in METRICS:
            moments = found.moments(found.design.metrics[metric], segment)
            for arm, word in (("champion", "A"), ("challenger", "B")):
                plain = moments_of(_plain(chosen.filter(pl.col("variant") == word), metric))
                assert moments[arm].n == plain.n
                assert moments[arm].mean == pytest.approx(plain.mean, rel=1e-7)
                scale = np.abs(plain.scatter).max()
                assert np.abs(moments[arm].scatter - plain.scatter).max() <= 2e-6 * scale


def test_units_first_exposed_in_some_days(tmp_path: Path) -> None:
    frame = events()
    rollout = config.load(rollout_of(tmp_path, frame))
    update(rollout)
    found = known(rollout, first=FIRST_DAY + 1, last=FIRST_DAY + 3)
    first = pl.col("first").dt.epoch("d")
    truth = by_unit(frame, 5).filter(first >= FIRST_DAY + 1, first < FIRST_DAY + 3)
    revenue = found.moments(found.design.metrics["revenue"])
    for arm, word in (("champion", "A"), ("challenger", "B")):
        plain = truth.filter(pl.col("variant") == word)
        assert revenue[arm].n == len(plain)
        assert revenue[arm].mean[0] == pytest.approx(plain["revenue"].mean(), rel=1e-7)
    counts = truth.group_by(first.alias("day"), "variant").len().rows()
    by_day = found.units_by_day()
    for day, word, n in counts:
        assert by_day[day]["AB".index(word)] == n


def test_same_bytes_in_any_order_of_files_and_nights(tmp_path: Path) -> None:
    frame = events()
    one, many, nights = tmp_path / "one", tmp_path / "many", tmp_path / "nights"
    update(config.load(rollout_of(one, frame, files=1)))
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=3)
    update(config.load(rollout_of(many, shuffled, files=5)))
    day = pl.col("ts").dt.epoch("d") - FIRST_DAY
    path = rollout_of(nights, frame.filter(day < 0), files=1)
    (nights / "outcomes" / "0.parquet").unlink()
    for number in range(5):
        frame.filter(day == number).write_parquet(nights / "outcomes" / f"day{number}.parquet")
        done = update(config.load(path))
        assert len(done.read) == len(done.made) == 1
    assert _bytes(one) == _bytes(many) == _bytes(nights)
    assert update(config.load(path)).made == ()


def test_same_bytes_however_units_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = events()
    late = frame.filter(pl.col("ts").dt.epoch("d") > FIRST_DAY + 2).head(9)
    moved = late.with_columns(pl.lit("B").alias("variant"))  # some were A's: seen in both arms
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    update(config.load(rollout_of(whole, pl.concat([frame, moved]))))
    monkeypatch.setattr(state, "SHARD", 10)
    monkeypatch.setattr(unit_days, "CHUNK", 100)
    path = rollout_of(cut, pl.concat([frame, moved]))
    update(config.load(path))
    assert _bytes(whole) == _bytes(cut)


def test_a_late_file_changes_only_its_days_and_what_follows(tmp_path: Path) -> None:
    frame = events()
    whole, late = tmp_path / "whole", tmp_path / "late"
    update(config.load(rollout_of(whole, frame, files=1)))
    day = pl.col("ts").dt.epoch("d") - FIRST_DAY
    held_back = (day == 2) & (pl.col("unit_id").hash() % 7 == 0)
    path = rollout_of(late, frame.filter(~held_back), files=1)
    update(config.load(path))
    frame.filter(held_back).write_parquet(late / "outcomes" / "late.parquet")
    done = update(config.load(path))
    assert len(done.read) == 1
    assert len(done.made) == 3
    assert _bytes(whole) == _bytes(late)
    shutil.rmtree(late / ".analyzer" / "experiment" / "sums")
    update(config.load(path))
    assert _bytes(whole) == _bytes(late)


def test_a_unit_in_both_arms_counts_in_neither(tmp_path: Path) -> None:
    frame = events()
    other = frame.head(1).with_columns(
        pl.when(pl.col("variant") == "A").then(pl.lit("B")).otherwise(pl.lit("A")).alias("variant"),
        pl.col("ts").dt.offset_by("3d"),
    )
    rollout = config.load(rollout_of(tmp_path, pl.concat([frame, other]), files=1))
    update(rollout)
    found = known(rollout)
    assert found.faults["unit seen in both arms"] == 1
    plain = by_unit(frame, 9).filter(pl.col("unit_id") != frame["unit_id"][0])
    assert sum(found.units().values()) == len(plain)
    revenue = found.moments(found.design.metrics["revenue"])
    total = sum(m.n * m.mean[0] for m in revenue.values())
    assert total == pytest.approx(plain["revenue"].sum(), rel=1e-9)


def test_what_is_wrong_is_named_and_counted(tmp_path: Path) -> None:
    frame = events(units=60)
    odd = frame.head(6).with_columns(
        pl.Series("variant", ["A", "C", None, "A", "A", "A"]),
        pl.Series("unit_id", [None, "u1", "u2", "new1", "new2", "new3"]),
        pl.Series("revenue", [1.0, 1.0, 1.0, float("nan"), float("inf"), 1e12]),
    )
    rollout = config.load(rollout_of(tmp_path, pl.concat([frame, odd]), files=1))
    update(rollout)
    faults = known(rollout).faults
    assert faults["no unit id"] == 1
    assert faults["variant is neither arm's"] == 2
    assert faults["revenue is infinite or NaN"] == 2
    assert faults["revenue is out of range"] == 1
    plain = by_unit(frame, 9)
    total = sum(m.n * m.mean[0] for m in known(rollout).moments_of(("revenue",)).values())
    assert total == pytest.approx(plain["revenue"].sum(), rel=1e-9)


def test_events_with_an_id_count_once(tmp_path: Path) -> None:
    frame = events(units=80).with_row_index("event").with_columns(pl.col("event").cast(pl.Int64))
    twice = pl.concat([frame, frame.head(20)])
    more = 'columns = { event_id = "event" }'
    rollout = config.load(rollout_of(tmp_path, twice, more=more, files=4))
    update(rollout)
    found = known(rollout)
    assert found.faults["the same event again"] == 20
    total = sum(m.n * m.mean[0] for m in found.moments_of(("revenue",)).values())
    assert total == pytest.approx(frame["revenue"].sum(), rel=1e-9)


def test_only_what_follows_exposure_counts(tmp_path: Path) -> None:
    frame = events(units=120)
    units = by_unit(frame, 9).sort("unit_id")
    exposed = units.head(90).select(
        "unit_id", pl.col("first").dt.offset_by("12h").alias("ts"), "variant", "country", "before"
    )
    path = rollout_of(tmp_path, frame, more='exposures = ["exposures/*.parquet"]')
    (tmp_path / "exposures").mkdir()
    exposed.write_parquet(tmp_path / "exposures" / "0.parquet")
    rollout = config.load(path)
    update(rollout)
    found = known(rollout)
    since = frame.join(exposed.select("unit_id", pl.col("ts").alias("since")), on="unit_id")
    counted = since.filter(pl.col("ts") >= pl.col("since"))
    assert found.faults["outcome before its unit was exposed"] > 0
    strangers = len(frame) - len(since)
    early = found.faults["outcome before its unit was exposed"]
    # a unit not exposed by the end of a day is a stranger on it
    known_strangers = found.faults["outcome of a unit that was not exposed"]
    assert known_strangers + early == strangers + len(since) - len(counted)
    assert sum(found.units().values()) == 90
    total = sum(m.n * m.mean[0] for m in found.moments_of(("revenue",)).values())
    assert total == pytest.approx(counted["revenue"].sum(), rel=1e-9)


def test_nothing_to_read(tmp_path: Path) -> None:
    rollout = config.load(rollout_of(tmp_path, events(units=5)))
    with pytest.raises(StoreError, match="holds no outcomes yet"):
        known(rollout)
    update(rollout)
    with pytest.raises(StoreError, match="the first came later"):
        known(rollout, (FIRST_DAY - 3) * DAY)
    plain = tmp_path / "plain.toml"
    plain.write_text(
        'name = "x"\n[champion]\npaths = ["a"]\n[challenger]\npaths = ["b"]\n', encoding="utf-8"
    )
    with pytest.raises(ConfigError, match="no experiment is described"):
        update(config.load(plain))
