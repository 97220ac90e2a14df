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
from analyzer.gate import gate
from analyzer.logs import SIDES
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
WATCHED = ("latency", "volume")
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
    assert [len(week[name].firings) for name in ("latency", "volume")] == [11, 1]
    assert f"undecided: {week['errors'].judged:.1%}".replace("%", " %") in TEXT
    for firing in week["volume"].firings:
        assert f"fired at {firing.fired}" in TEXT
        requests, expected = firing.counts["requests"], firing.counts["expected"]
        assert re.search(rf"{requests} requests (in two hours )?where {expected} were", TEXT)
    christmas = followed(*canary, "2013-12-24", "2013-12-27")
    assert (len(christmas["latency"].firings), christmas["volume"].longest) == (4, 1)
    assert f"undecided: {christmas['volume'].judged:.1%} ".replace("%", " %") in TEXT
    last = followed(*canary, "2013-12-31", "2014-01-01")
    assert [(n, len(t.firings)) for n, t in last.items() if t.firings] == [("latency", 3)]
    assert last["volume of the challenger"].outcome == "undecided"
    december = followed(*canary, "2013-12-01", "2014-01-01")
    assert len(december["latency"].firings) == 54 and "54 times in all" in TEXT
    assert f"undecided: {last['volume'].judged:.1%} ".replace("%", " %") in TEXT
    storms = followed(*canary, "2013-12-03", "2013-12-15")
    assert not storms["volume"].firings


def served(rollout: Rollout, day: str, first: int, end: int) -> int:
    """Requests of both models in some hours of a day, from the raw logs."""
    logs = [pl.scan_parquet(Path(rollout.root) / side / "*.parquet") for side in SIDES]
    ts = pl.col("ts")
    asked = (ts.dt.date() == pl.lit(day).str.to_date()) & ts.dt.hour().is_between(first, end - 1)
    return sum(log.filter(asked).select(pl.len()).collect().item() for log in logs)


def test_the_morning_of_the_first_of_december(canary: tuple[Rollout, Policy]) -> None:
    sundays = ["2013-11-03", "2013-11-10", "2013-11-17", "2013-11-24"]
    before = [served(canary[0], day, 10, 12) for day in sundays]
    assert f"134 came, more than the {min(before)} to {max(before)} of the four" in TEXT
    assert served(canary[0], "2013-12-01", 10, 12) == 134
    assert served(canary[0], "2013-12-01", 9, 10) == 6
    assert {served(canary[0], day, 9, 10) for day in sundays} == {2, 3}


def test_what_the_canary_gate_said(canary: tuple[Rollout, Policy]) -> None:
    rollout, limits = canary
    unsplit = structs.replace(limits, record=structs.replace(limits.record, splits=0))
    events = diary.read(diary.path_of(rollout))
    for end, fired in (("2013-11-02", [2, 0]), ("2013-12-01", [49, 1])):
        verdict = gate(
            rollout, unsplit, "canary", window=parse_window("2013-11-01", end), events=events
        )
        checks = {check.id: check for check in verdict.checks}
        assert (verdict.outcome, verdict.exit_code) == ("roll back", 5)
        (line,) = (line for line in verdict.enough_data if line.check == "process.sample")
        assert f"| {line.has:,.0f} | {line.at} | roll back: " in TEXT
        times = [
            checks[f"infrastructure.trigger.{name}"].observed.value
            for name in ("latency", "volume")
        ]
        assert [value or 0 for value in times] == fired
        failed = {name for name, check in checks.items() if check.outcome == "fail"}
        assert {"process.weight", "process.chain.shadow"} <= failed
    ratio = checks["infrastructure.latency_ratio"]
    seen = ratio.observed
    assert ratio.outcome == "undecided"
    assert f"{seen.value:.3g} with an interval of {seen.low:.3g} to {seen.high:.3g}" in TEXT
    assert "5,334 of 27,218 requests, 19.6 %" in checks["data.sample_ratio"].sentence
    assert checks["data.answered_twice"].outcome == "pass"


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
        psi = found[f"PSI of the {side}"].value
        assert psi is not None and f"{abs(psi):.2f} sigma {'below' if psi < 0 else 'above'}" in TEXT
        signal = found[f"distribution of the {side}"]
        assert signal.raised is False and signal.value is not None
        assert f"{-signal.value:.2f} sigma ({side})" in TEXT
    for side, said in (("champion", "{} of its {} requests"), ("challenger", "{} of {}.")):
        rows = pl.read_parquet(Path(rollout.root) / side / "2013-12.parquet")
        day = rows.filter(pl.col("ts").dt.day() == 31)
        assert said.format(day["temp"].null_count(), len(day)) in TEXT
    rows = pl.read_parquet(Path(rollout.root) / "champion" / "2013-12.parquet")
    blind = rows.filter((pl.col("ts").dt.day() == 31) & pl.col("temp").is_null())["score"]
    week = rows.filter(pl.col("ts").dt.day().is_between(24, 30))
    means = week.group_by(pl.col("ts").dt.day()).agg(pl.col("score").mean())["score"]
    told = f"a mean of {blind.mean():.3f}, within the {means.min():.3f} to {means.max():.3f}"
    assert told in TEXT


def test_its_commands_are_commands() -> None:
    known = {name: command for name, command, _ in reference.commands()}
    for name, rest in re.findall(r"analyzer (scan|triggers) ((?:--\w+ \S+ ?)+)", TEXT):
        known[name].make_context(name, rest.split(), help_option_names=["-h", "--help"])
