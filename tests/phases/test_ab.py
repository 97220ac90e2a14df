"""The gate of the A/B test on small real logs: what promotes, what stops it, what voids it."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from logbook import START, Book, times
from served import answers, blockers, limits, named, requests, write

from analyzer.chain.kept import keep
from analyzer.diary import Event
from analyzer.experiment.registration import Registration, design_digest, save
from analyzer.experiment.update import update
from analyzer.gate import gate
from analyzer.nightly import nightly
from analyzer.policy import Policy
from analyzer.verdict import Verdict, encode
from analyzer.window import HOUR, Window, show

DAYS, UNITS = 14, 4000
DESIGN = """
[experiment]
outcomes = ["outcomes.parquet"]
{more}
[experiment.metrics.revenue]
role = "primary"
value = "revenue"
covariate = "before"
[experiment.metrics.refunds]
role = "guard rail"
better = "lower"
value = "refunds"
margin = 0.5
"""
Change = Callable[[dict[str, np.ndarray], np.ndarray], None]


def ab_limits(**ab: object) -> Policy:
    """The shipped policy with limits that a few thousand requests can establish."""
    shipped = limits()
    easy = {"min_requests": 1000, "max_error_rate": 0.02, "undecided_triggers": "warn"}
    return msgspec.structs.replace(
        shipped, ab=msgspec.structs.replace(shipped.ab, **{**easy, **ab})
    )


def experiment(
    book: Book,
    *,
    lift: float = 0.25,
    days: int = DAYS,
    seed: int = 9,
    more: str = "",
    change: Change | None = None,
) -> None:
    """Two weeks of halves of 4,000 users; the challenger's spend `lift` more."""
    random = np.random.default_rng(seed)
    half = random.random(UNITS) < 0.5
    asked = requests(random, 0, days * 24, days * 2400)
    mine = half[asked["unit"]]
    for side, mask in (("champion", ~mine), ("challenger", mine)):
        write(book, side, [answers(random, {k: v[mask] for k, v in asked.items()}, side, 0.0)])
    rate = random.gamma(4, 0.25, UNITS)
    unit = asked["unit"]
    spent = random.poisson(0.4 * rate[unit]) * random.gamma(4, 2.5, len(unit))
    columns = {
        "unit_id": unit,
        "variant": np.where(mine, "challenger", "champion"),
        "revenue": spent * np.where(mine, 1 + lift, 1.0),
        "refunds": (random.random(len(unit)) < 0.05).astype(float),
        "before": (rate + random.normal(0, 0.2, UNITS))[unit],
    }
    if change:
        change(columns, asked["at"])
    book.write("outcomes.parquet", pa.table({**columns, "ts": times(asked["at"])}))
    book.describe(segments={"columns": ["country", "plan"]})
    with open(book.root / "rollout.toml", "a", encoding="utf-8") as file:
        file.write(DESIGN.format(more=more))
    book.scan()
    update(book.rollout)


def register(book: Book, days: int = DAYS) -> None:
    design = book.rollout.experiment
    assert design is not None
    registration = Registration(
        rollout="test", primary="revenue", design=design_digest(design), weight=0.5,
        weight_reason="", min_effect=0.1, alpha=0.05, power=0.8, sequence_alpha=0.01,
        final_alpha=0.045, n_star=3900, start=show(START)[:10],
        end=show(START + days * 24 * HOUR)[:10],
    )  # fmt: skip
    save(book.root / "registration.json", registration)


def diary() -> list[Event]:
    skips = [
        Event(ts=show(START), kind="override", phase=phase, what="skip", note="a test", source="t")
        for phase in ("shadow", "canary")
    ]
    return [Event(ts=show(START), kind="phase", phase="ab", challenger_weight=0.5), *skips]


def judged(book: Book, days: int = DAYS, policy: Policy | None = None) -> Verdict:
    window = Window(START, START + days * 24 * HOUR)
    return gate(book.rollout, policy or ab_limits(), "ab", window=window, events=diary())


@pytest.fixture(scope="module")
def better(tmp_path_factory: pytest.TempPathFactory) -> Book:
    book = Book(tmp_path_factory.mktemp("ab"))
    experiment(book)
    register(book)
    return book


def test_a_better_challenger_is_promoted_to_everyone_at_the_end(better: Book) -> None:
    verdict = judged(better)
    assert verdict.outcome == "promote", blockers(verdict)
    assert verdict.next is not None
    assert (verdict.next.phase, verdict.next.weight) == ("full", 1.0)
    assert "at the planned end" in named(verdict, "experiment.primary").sentence
    assert encode(judged(better)) == encode(verdict)


def test_the_same_read_early_promotes_nothing(better: Book) -> None:
    verdict = judged(better, days=8)
    primary = named(verdict, "experiment.primary")
    assert (primary.outcome, verdict.outcome) == ("undecided", "undecided")
    assert primary.observed.low is not None and primary.observed.low > 0
    waiting = next(w for w in verdict.enough_data if w.check == "experiment.primary")
    assert waiting.at == show(START + DAYS * 24 * HOUR)


def test_fewer_than_seven_days_are_never_judged(better: Book) -> None:
    assert named(judged(better, days=5), "process.duration").outcome == "undecided"


def test_harm_rolls_back_before_the_end(book: Book) -> None:
    experiment(book, lift=-0.4, days=8)
    register(book)
    verdict = judged(book, days=8)
    assert named(verdict, "experiment.primary").outcome == "fail"
    assert verdict.outcome == "roll back"


def test_no_effect_is_no_promotion(book: Book) -> None:
    experiment(book, lift=0.0, days=8)
    register(book, days=8)
    verdict = judged(book, days=8)
    assert verdict.outcome == "undecided"
    assert verdict.blocking == ["experiment.primary"]


def test_a_guard_rail_beyond_its_margin_rolls_back(book: Book) -> None:
    def refunds(columns: dict[str, np.ndarray], at: np.ndarray) -> None:
        columns["refunds"] *= np.where(columns["variant"] == "challenger", 3.0, 1.0)

    experiment(book, days=8, change=refunds)
    register(book, days=8)
    verdict = judged(book, days=8)
    assert named(verdict, "experiment.guard_rail.refunds").outcome == "fail"
    assert verdict.outcome == "roll back"


def test_a_lost_part_of_an_arm_voids_the_experiment(book: Book) -> None:
    def lost(columns: dict[str, np.ndarray], at: np.ndarray) -> None:
        gone = (columns["variant"] == "challenger") & (columns["unit_id"] % 5 == 0)
        columns["variant"] = np.where(gone, "nobody", columns["variant"])

    experiment(book, lift=-0.4, days=8, change=lost)
    register(book, days=8)
    verdict = judged(book, days=8)
    assert named(verdict, "experiment.sample_ratio").outcome == "invalid"
    assert named(verdict, "experiment.primary").outcome == "invalid"
    assert verdict.outcome == "hold"


def test_an_effect_that_wears_off_does_not_promote(book: Book) -> None:
    def novelty(columns: dict[str, np.ndarray], at: np.ndarray) -> None:
        fresh = 2.5 * np.exp(-at / 86_400 / 2)
        columns["revenue"] *= np.where(columns["variant"] == "challenger", 1 + fresh, 1.0)

    experiment(book, lift=0.0, change=novelty)
    register(book)
    verdict = judged(book)
    assert named(verdict, "experiment.primary").outcome == "pass"
    assert named(verdict, "experiment.novelty").outcome != "pass"
    assert verdict.outcome != "promote"


def test_what_was_not_registered_is_not_judged(book: Book) -> None:
    experiment(book, days=3)
    verdict = judged(book, days=3)
    primary = named(verdict, "experiment.primary")
    assert primary.outcome == "undecided"
    assert "was not registered" in primary.sentence


def test_a_split_without_a_reason_is_a_mistake(book: Book) -> None:
    experiment(book, days=3, more="weight = 0.4")
    register(book)
    assert named(judged(book, days=3), "process.split").outcome == "fail"


def test_a_night_in_the_ab_test(better: Book) -> None:
    from analyzer.diary import append, path_of

    for event in diary():
        append(path_of(better.rollout), event)
    window = Window(START, START + DAYS * 24 * HOUR)
    found = nightly(better.rollout, ab_limits(), window=window, out=better.root / "night")
    assert found.verdict.phase == "ab"
    assert found.verdict.outcome == "promote"
    told = json.loads((better.root / "night" / "experiment.json").read_bytes())
    primary = named(found.verdict, "experiment.primary").observed
    assert told["readings"][0]["final"]["value"] == primary.value
    page = (better.root / "night" / "report.html").read_text()
    assert "Lift of each metric" in page and "Effect over time" in page


def test_fewer_units_than_the_plan_asked_for_promote_nothing(better: Book) -> None:
    path = better.root / "registration.json"
    kept = path.read_bytes()
    promised = msgspec.json.decode(kept, type=Registration)
    for n_final, outcome in ((None, "pass"), (50_000, "undecided"), (1_000, "pass")):
        changed = msgspec.structs.replace(promised, n_star=3_000, n_final=n_final)
        path.write_bytes(msgspec.json.encode(changed))
        verdict = judged(better)
        assert named(verdict, "experiment.sample").outcome == outcome
        assert ("experiment.sample" in verdict.blocking) == (outcome != "pass")
    path.write_bytes(kept)
    waiting = {w.check: w for w in judged(better, days=5).enough_data}
    assert waiting["experiment.sample"].at == show(START + DAYS * 24 * HOUR)


@pytest.mark.parametrize(("ramped", "outcome"), [(12, "fail"), (7, "pass")])
def test_the_planned_split_must_be_in_force_for_a_week(
    better: Book, ramped: int, outcome: str
) -> None:
    """A test planned for two weeks of halves that ran on a tenth for most of them."""
    late = show(START + ramped * 24 * HOUR)
    events = [
        msgspec.structs.replace(diary()[0], challenger_weight=0.1),
        Event(ts=late, kind="weight", challenger_weight=0.5),
        *diary()[1:],
    ]
    window = Window(START, START + DAYS * 24 * HOUR)
    verdict = gate(better.rollout, ab_limits(), "ab", window=window, events=events)
    check = named(verdict, "process.split_days")
    assert check.outcome == outcome, check.sentence
    assert f"in force on {DAYS - ramped} of 14 planned days" in check.sentence
    early = Window(START, START + 8 * 24 * HOUR)
    running = gate(better.rollout, ab_limits(), "ab", window=early, events=events)
    assert named(running, "process.split_days").outcome == "undecided"


@pytest.mark.parametrize(
    ("more", "metrics", "rule"),
    [
        ("weight = 0.4", {}, "split"),
        ("", {"revenue": {"business": False}}, "primary"),
        ("", {"refunds": {"role": "secondary", "margin": None}}, "guard_rails"),
    ],
)
def test_every_mistake_of_the_process_is_a_check(
    book: Book, more: str, metrics: dict[str, dict[str, object]], rule: str
) -> None:
    experiment(book, days=2, more=more)
    design = book.rollout.experiment
    assert design is not None
    changed = {
        name: msgspec.structs.replace(metric, **metrics.get(name, {}))
        for name, metric in design.metrics.items()
    }
    asked = msgspec.structs.replace(design, metrics=changed)
    rollout = msgspec.structs.replace(book.rollout, experiment=asked)
    register(book, days=14)
    window = Window(START, START + 2 * 24 * HOUR)
    found = gate(rollout, ab_limits(), "ab", window=window, events=diary())
    assert named(found, f"process.{rule}").outcome == "fail"
    # what was registered were other metrics, but the split is part of both
    assert named(found, "process.registration").outcome == ("fail" if metrics else "pass")
    why = Event(
        ts=show(START), kind="override", phase="ab", what="split", note="a small shop", source="t"
    )
    told = gate(rollout, ab_limits(), "ab", window=window, events=[*diary(), why])
    assert named(told, f"process.{rule}").severity == ("warn" if rule == "split" else "block")


def test_fewer_than_seven_planned_days_are_a_mistake(book: Book) -> None:
    experiment(book, days=2)
    register(book, days=5)
    assert named(judged(book, days=2), "process.planned_days").outcome == "fail"


def test_a_plan_made_after_the_start_is_a_mistake(book: Book) -> None:
    experiment(book, days=4)
    register(book)
    path = book.root / "registration.json"
    promised = msgspec.json.decode(path.read_bytes(), type=Registration)
    later = msgspec.structs.replace(promised, start=show(START + 2 * 24 * HOUR)[:10])
    path.write_bytes(msgspec.json.encode(later))
    check = named(judged(book, days=4), "process.registration")
    assert check.outcome == "fail" and "before the registered start" in check.sentence


def test_a_plan_that_changes_in_mid_phase_is_no_plan(book: Book) -> None:
    experiment(book, days=3)
    register(book)
    first = judged(book, days=2)
    assert first.registration
    keep(book.rollout.store_path, first, ab_limits())
    assert named(judged(book, days=3), "process.plan").outcome == "pass"
    path = book.root / "registration.json"
    promised = msgspec.json.decode(path.read_bytes(), type=Registration)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(promised, n_star=500)))
    check = named(judged(book, days=3), "process.plan")
    assert check.outcome == "fail" and first.registration in check.sentence
    path.unlink()
    assert named(judged(book, days=3), "process.plan").outcome == "fail"
