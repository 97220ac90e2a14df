"""What a diagnosis says of the loss by labels: by whole days, or when it will be known."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from msgspec import structs
from planted import describe, hours, logs, scanned

from analyzer import policy
from analyzer.config import Rollout
from analyzer.diagnose.findings import Matured
from analyzer.diagnose.history import History
from analyzer.diagnose.located import Located, locate, narrowed
from analyzer.diagnose.matured import matured, sentence
from analyzer.diagnose.windows import asked, profiled
from analyzer.labels.update import update
from analyzer.profiles import open_profiles
from analyzer.store import Store
from analyzer.window import DAY, Window

DAYS = 12
INCIDENT = hours(10 * 24, 11 * 24)
SECTIONS = {
    "labels": {"paths": ["labels/**/*.parquet"]},
    "features": {"numeric": [], "categorical": []},
    "segments": {"columns": ["device"]},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The challenger's scores are all wrong by much on one day."""
    plants = ["segment:effect=6,from=240,to=264"]
    return logs(tmp_path_factory.mktemp("labelled"), DAYS, plants, pairs=12_000, labels=True)


def answer(rollout: Rollout, window: Window, as_of: int | None) -> tuple[Matured, Located]:
    profiles = open_profiles(Store(rollout.store_path))
    question = narrowed(asked(profiled(profiles.manifests), [], window, False), profiles.manifests)
    history = History.of(rollout, profiles, [])
    found = locate(history, question)
    return matured(rollout, policy.load(), history, found, as_of), found


@pytest.fixture(scope="module")
def unjoined(folder: Path) -> tuple[Rollout, Matured]:
    """The rollout, and what it says before labels are joined."""
    rollout = scanned(describe(folder, **SECTIONS))
    return rollout, answer(rollout, INCIDENT, None)[0]


@pytest.fixture(scope="module")
def joined(unjoined: tuple[Rollout, Matured]) -> Rollout:
    update(unjoined[0])
    return unjoined[0]


def test_the_loss_is_that_of_the_labels(folder: Path, joined: Rollout) -> None:
    found, located = answer(joined, INCIDENT, None)
    assert located.baseline is not None
    assert not found.missing
    assert found.incident is not None and found.baseline is not None
    pairs = pl.read_parquet(folder / "champion" / "*" / "*.parquet").join(
        pl.read_parquet(folder / "challenger" / "*" / "*.parquet"), "request_id", suffix="_new"
    )
    pairs = pairs.join(pl.read_parquet(folder / "labels" / "*" / "*.parquet"), "request_id")
    inside = pl.col("ts").dt.epoch("us").is_between(INCIDENT.start, INCIDENT.end, closed="left")
    rows = pairs.filter(inside & pl.col("score").is_not_null() & pl.col("score_new").is_not_null())
    for side, score in (("champion", "score"), ("challenger", "score_new")):
        exact = rows.select(((pl.col(score) - pl.col("label")).cast(pl.Float64) ** 2).mean()).item()
        seen = getattr(found.incident, side)
        assert seen.low < exact < seen.high
        assert seen.value == pytest.approx(exact, abs=0.01)
    moved = found.moved["challenger"]
    assert moved.low is not None and moved.low > 0
    assert any("was the better model" in line for line in found.lines)
    assert "up by" in sentence(found)[0].text
    assert found.daily is not None and found.daily.step_minutes == 24 * 60


def test_the_same_past_night_says_the_same(joined: Rollout) -> None:
    night = INCIDENT.end + DAY
    found, _ = answer(joined, INCIDENT, night)
    assert answer(joined, INCIDENT, night)[0] == found
    later, _ = answer(joined, INCIDENT, None)
    assert found.as_of < later.as_of
    assert found.incident is not None and later.incident is not None
    assert found.incident.labels < later.incident.labels


def test_too_young_labels_are_refused(joined: Rollout) -> None:
    found, _ = answer(joined, INCIDENT, INCIDENT.start)
    assert found.incident is not None and found.incident.refusal
    assert found.lines[0].startswith("Labels known by 2025-03-13 cannot tell yet")


def test_an_incident_of_hours_is_told_by_its_days(joined: Rollout) -> None:
    found, _ = answer(joined, hours(10 * 24 + 20, 11 * 24 + 4), None)
    assert found.incident is not None
    assert found.incident.window == ("2025-03-13T00:00Z", "2025-03-15T00:00Z")


def test_without_labels_it_says_so(unjoined: tuple[Rollout, Matured]) -> None:
    rollout, before = unjoined
    undescribed = structs.replace(rollout, labels=structs.replace(rollout.labels, paths=[]))
    assert answer(undescribed, INCIDENT, None)[0].missing.startswith("no labels described")
    assert "run `analyzer scan`, then `analyzer labels`" in before.missing
    assert "holds no labels yet" in sentence(before)[0].text
