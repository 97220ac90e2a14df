"""What docs/production-flights.md says of the flights as a canary is what the product says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from msgspec import structs

from analyzer import config, diary, policy
from analyzer.cli import reference
from analyzer.config import Features, Rollout, Segments
from analyzer.policy import Policy
from analyzer.profiles import open_profiles
from analyzer.scan.run import scan
from analyzer.store import Store
from analyzer.triggers.run import Triggers, triggers
from analyzer.triggers.signals import signals
from analyzer.window import parse_window
from sample_data.flights_canary import write

TEXT = " ".join(
    (Path(__file__).parents[2] / "docs" / "production-flights.md").read_text("utf-8").split()
)
SCANNED = parse_window("2013-10-21", "2014-01-01")


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rollout, Policy]:
    folder = tmp_path_factory.mktemp("canary")
    write(folder)
    rollout = config.load(folder / "rollout.toml")
    bare = structs.replace(rollout, features=Features(), segments=Segments())
    limits = policy.load(folder / "policy.toml")
    scan(bare, limits, window=(SCANNED.start, SCANNED.end))
    return bare, limits


def followed(rollout: Rollout, limits: Policy, first: str, end: str) -> dict[str, Any]:
    profiles = open_profiles(Store(rollout.store_path), parse_window(first, end))
    events = diary.read(diary.path_of(rollout))
    found: Triggers = triggers(rollout, profiles, limits.trigger, events)
    return {trigger.name: trigger for trigger in found.triggers}


def test_what_fired_and_when(canary: tuple[Rollout, Policy]) -> None:
    week = followed(*canary, "2013-11-25", "2013-12-02")
    assert [len(week[name].firings) for name in ("latency", "volume")] == [11, 2]
    assert f"undecided: {week['errors'].judged:.1%}".replace("%", " %") in TEXT
    for firing in week["volume"].firings:
        assert f"fired at {firing.fired}" in TEXT
        requests, expected = firing.counts["requests"], firing.counts["expected"]
        assert re.search(rf"{requests} requests (in two hours )?where {expected} were", TEXT)
    christmas = followed(*canary, "2013-12-24", "2013-12-27")
    assert (len(christmas["latency"].firings), christmas["volume"].longest) == (4, 1)
    last = followed(*canary, "2013-12-31", "2014-01-01")
    assert [(n, len(t.firings)) for n, t in last.items() if t.firings] == [("latency", 3)]
    assert last["volume of the challenger"].outcome == "undecided"
    december = followed(*canary, "2013-12-01", "2014-01-01")
    assert len(december["latency"].firings) == 54 and "54 times in all" in TEXT
    storms = followed(*canary, "2013-12-03", "2013-12-15")
    assert not storms["volume"].firings


def test_minutes_are_too_small_and_that_is_undecided(canary: tuple[Rollout, Policy]) -> None:
    found = followed(canary[0], policy.load(), "2013-12-31", "2014-01-01")
    assert {t.outcome for t in found.values()} == {"undecided"}
    assert found["latency"].judged == found["errors"].judged == 0


def test_the_feed_stop_moves_no_mean(canary: tuple[Rollout, Policy]) -> None:
    rollout, limits = canary
    window = parse_window("2013-12-31", "2014-01-01")
    profiles = open_profiles(Store(rollout.store_path), window)
    found = {s.name: s for s in signals(rollout, profiles, limits, (), window.end)}
    for side in ("champion", "challenger"):
        signal = found[f"distribution of the {side}"]
        assert signal.raised is False and signal.value is not None
        assert f"{-signal.value:.2f} sigma ({side})" in TEXT
    for side, said in (("champion", "{} of its {} requests"), ("challenger", "{} of {}.")):
        rows = pl.read_parquet(Path(rollout.root) / side / "2013-12.parquet")
        day = rows.filter(pl.col("ts").dt.day() == 31)
        assert said.format(day["temp"].null_count(), len(day)) in TEXT


def test_its_commands_are_commands() -> None:
    known = {name: command for name, command, _ in reference.commands()}
    for name, rest in re.findall(r"analyzer (scan|triggers) ((?:--\w+ \S+ ?)+)", TEXT):
        known[name].make_context(name, rest.split(), help_option_names=["-h", "--help"])
