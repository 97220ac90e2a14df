"""What proxies say, on worlds whose truth is known, and how `analyzer labels` shows it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from logbook import INSTANT, START, Book, pa

from analyzer import config, policy
from analyzer.cli import run
from analyzer.labels.proxies.answer import ProxyAnswer, Said, answer, proxies
from analyzer.labels.proxies.checks import proxy_checks
from analyzer.labels.proxies.known import Proxy
from analyzer.labels.tables import DAY
from analyzer.stats.prediction_powered import PredictionPowered
from analyzer.stats.proxied import Expected
from analyzer.stats.result import Estimate, Undefined
from benchmarks.planted import late
from benchmarks.planted.standins import DAYS, FIRST, Drawn, World, draw, expected, known, losses

POLICY = policy.load()
LOG = config.Log(paths=["x"])
ROLLOUT = config.Rollout(
    name="x",
    champion=LOG,
    challenger=LOG,
    labels=config.Labels(paths=["x"]),
    proxies={"planted": config.Proxy(paths=["x"])},
)


def told(world: World, drawn: Drawn, as_of: int = DAYS) -> ProxyAnswer:
    return answer(*reversed(known(world, drawn, as_of)), world.arrival, POLICY.proxy)


def of(found: ProxyAnswer, whose: str) -> Said:
    return next(said for said in found.said if said.whose == whose)


@pytest.fixture(scope="module")
def good() -> tuple[Drawn, ProxyAnswer]:
    world = World(1, "good")
    drawn = draw(world)
    return drawn, told(world, drawn)


def test_a_good_proxy_is_trusted_and_worth_more_labels(good: tuple[Drawn, ProxyAnswer]) -> None:
    drawn, found = good
    said = of(found, "champion")
    assert said.trusted
    assert len(said.trial.cohorts) >= POLICY.proxy.min_cohorts
    now = said.now.with_proxy
    assert isinstance(now, PredictionPowered)
    assert now.effective_n > 1.2 * now.labels
    days = np.isin(drawn.day + FIRST, said.now.days)
    assert now.mean.low <= expected(drawn)["champion"][days].mean() <= now.mean.high
    young = said.warning.expected
    assert isinstance(young, Expected)
    assert min(said.warning.days) > max(said.now.days)
    newest = np.isin(drawn.day + FIRST, said.warning.days)
    truth = losses(drawn)["champion"][newest].mean()
    width = young.final.high - young.final.low  # coverage: see test_proxied and the benchmark
    assert abs(young.final.value - truth) < width
    assert width < 0.5 * young.final.value


def test_what_a_past_week_said_is_what_that_night_says(good: tuple[Drawn, ProxyAnswer]) -> None:
    drawn, found = good
    cohort = of(found, "challenger").trial.cohorts[-1]
    then = told(World(1, "good"), drawn, cohort.as_of - FIRST)
    young = of(then, "challenger").warning
    assert young.days[0] == cohort.first
    assert isinstance(young.expected, Expected)
    assert isinstance(cohort.said, Estimate)
    assert young.expected.final.value == pytest.approx(cohort.said.value, rel=1e-9)
    assert young.expected.final.high == pytest.approx(cohort.said.high, rel=1e-9)


def test_a_proxy_that_knows_nothing_is_not_trusted() -> None:
    world = World(2, "weak")
    found = told(world, draw(world))
    assert all(any("adds nothing" in r for r in said.distrust) for said in found.said)
    checks = proxy_checks(ROLLOUT, POLICY, known(world, draw(world), DAYS)[0], [found])
    assert {c.outcome for c in checks if c.layer == "business"} == {"undecided"}
    assert all("not trusted" in c.sentence for c in checks if c.layer == "business")


def test_a_champion_that_breaks_down_is_warned_of_before_labels_come() -> None:
    outcomes = {}
    for breaks in (False, True):
        world = World(3, "good", breaks=breaks)
        drawn = draw(world)
        facts, signals = known(world, drawn, DAYS)
        found = answer(signals, facts, "both", POLICY.proxy)
        trusting = replace(found, said=tuple(replace(s, distrust=()) for s in found.said))
        checks = proxy_checks(ROLLOUT, POLICY, facts, [trusting])
        outcomes[breaks] = {c.id.split(".")[-1]: c.outcome for c in checks}
    assert outcomes[True]["champion_loss"] == "fail"
    assert outcomes[False]["champion_loss"] == "undecided", "never a pass"


def test_positives_only_leave_the_proxy_alone() -> None:
    world = World(4, "good", "positives")
    found = told(world, draw(world))
    said = of(found, "champion")
    assert isinstance(said.now.with_proxy, Undefined)
    assert isinstance(said.warning.expected, Expected)
    assert "only positives" in said.now.with_proxy.reason


def test_days_on_which_the_log_was_silent_are_left_out() -> None:
    world = World(5, "good")
    drawn = draw(world)
    mute = replace(drawn, signal=drawn.signal & ~np.isin(drawn.day, [110, 111]))
    found = told(world, mute)
    assert found.silent == (FIRST + 110, FIRST + 111)
    assert not set(found.silent) & set(of(found, "champion").warning.days)


def test_too_early_says_why() -> None:
    world = World(6, "good")
    drawn = draw(world)
    assert told(world, drawn, 2).refused == "no day's signals are settled yet"
    assert told(world, drawn, 8).refused == "no label has arrived"
    young = told(world, drawn, 60)
    assert young.refused or all("past weeks" in said.distrust[0] for said in young.said)
    facts, signals = known(world, drawn, 40)
    with pytest.raises(ValueError, match="lies after"):
        signals.at(FIRST + 41)
    empty = Proxy("none", facts.as_of, 3, signals.made.rows([]), signals.labelled.rows([]), {})
    assert answer(empty, facts, "both", POLICY.proxy).said == ()


def written(root: Path, kind: str) -> Book:
    """Twenty days; labels come within four days, a click within one."""
    random = np.random.default_rng(3)
    n = 20 * 120
    ts = np.sort(random.integers(0, 20 * DAY, n))
    risk = random.beta(1, 4, n)
    label = random.random(n) < risk if kind == "binary" else 100 * risk + random.normal(0, 9, n)
    score = risk if kind == "binary" else 100 * risk
    worse = score * 0.8 + random.random(n) * 0.05 * score.max()
    ids = [f"r{i}" for i in range(n)]
    book = Book(root)
    for side, said in (("champion", score), ("challenger", worse)):
        when = pa.array(START + ts, INSTANT)
        book.write(f"{side}.parquet", {"request_id": ids, "ts": when, "score": said})
    late = START + ts + (random.uniform(2, 4, n) * DAY).astype(np.int64)
    told = {"request_id": ids, "label": label, "label_ts": pa.array(late, INSTANT)}
    book.write("labels/all.parquet", told)
    high = label > (0.5 if kind == "binary" else 30)
    clicked = np.flatnonzero(random.random(n) < np.where(high, 0.8, 0.05))
    soon = pa.array(START + ts[clicked] + DAY // 3, INSTANT)
    signals = {"request_id": [ids[i] for i in clicked], "label": [1] * len(clicked)}
    book.write("clicks.parquet", {**signals, "label_ts": soon})
    score_type = "probability" if kind == "binary" else "regression"
    book.describe(
        score={"type": score_type},
        labels={"paths": ["labels/*.parquet"]},
        **{"proxies.click": {"paths": ["clicks.parquet"], "open_hours": 24}},
    )
    book.scan()
    return book


@pytest.mark.parametrize("kind", ["binary", "values"])
def test_the_command_prints_the_past_before_the_present(
    tmp_path: Path,
    kind: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    book = written(tmp_path, kind)
    monkeypatch.chdir(tmp_path)
    as_of = ["--as-of", "2025-03-22"]
    assert run(["labels", *as_of]) == 0
    text = capsys.readouterr().out
    assert text.index("click on past weeks") < text.index("click now")
    assert max(map(len, text.splitlines())) <= 80
    assert run(["labels", *as_of, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["proxies"]
    assert [one["name"] for one in found] == ["click"]
    assert found[0]["metric"] == {"binary": "brier", "values": "mae"}[kind]
    assert book.rollout.proxies["click"].open_hours == 24


@pytest.mark.parametrize(("delays", "found"), [("exponential", []), ("by class", ["fail"])])
def test_no_proxy_for_late_labels_is_a_process_mistake(delays: str, found: list[str]) -> None:
    world = late.World(3, delays, "both", "over", False)
    facts = late.everything(world, late.rows(world), late.DAYS)
    none = config.Rollout(name="x", champion=LOG, challenger=LOG, labels=config.Labels(paths=["x"]))
    assert proxies(none, facts, "both", POLICY.proxy) == ()
    checks = proxy_checks(none, POLICY, facts, [])
    assert [c.outcome for c in checks] == found
    assert all((c.id, c.layer, c.severity) == ("process.proxy", "process", "warn") for c in checks)
    assert proxy_checks(ROLLOUT, POLICY, facts, []) == []
