"""Business checks as checks of a gate: the same in `gate` and `nightly`, never a silent pass."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from logbook import INSTANT, START, Book, pa

from analyzer import policy, verdict
from analyzer.diary import Event
from analyzer.errors import ConfigError
from analyzer.gate import gate
from analyzer.labels.gate_checks import label_checks
from analyzer.labels.update import update
from analyzer.nightly import nightly
from analyzer.verdict import Check, Verdict
from analyzer.window import HOUR, Window, show

DAY = 24 * HOUR
DAYS, ROWS = 16, 120
WINDOW = Window(START + 14 * DAY, START + 16 * DAY)
LIMITS = msgspec.structs.replace(
    policy.load(), record=msgspec.structs.replace(policy.load().record, splits=0)
)
BLOCKING = msgspec.structs.replace(
    LIMITS, business=msgspec.structs.replace(LIMITS.business, blocking_phases=["shadow"])
)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen days; the challenger says too much; labels within a day."""
    random = np.random.default_rng(5)
    n = DAYS * ROWS
    ts = np.sort(random.integers(0, DAYS * DAY, n))
    risk = random.beta(1, 3, n)
    ids = [f"r{i}" for i in range(n)]
    made = Book(tmp_path_factory.mktemp("scanned"))
    for side, score in (("champion", risk), ("challenger", np.minimum(2 * risk, 1))):
        columns = {"request_id": ids, "ts": pa.array(START + ts, INSTANT), "score": score}
        made.write(f"{side}.parquet", columns)
    truth = {
        "request_id": ids,
        "label": (random.random(n) < risk).astype(int),
        "label_ts": pa.array(START + ts + random.integers(0, DAY, n), INSTANT),
    }
    made.write("labels/all.parquet", truth)
    made.describe(labels={"paths": ["labels/*.parquet"]})
    made.scan()
    return made.root


@pytest.fixture
def book(scanned: Path, tmp_path: Path) -> Book:
    """A copy of the scanned logs; labels are not joined yet."""
    made = Book(tmp_path / "copy")
    shutil.copytree(scanned, made.root)
    made.describe(labels={"paths": ["labels/*.parquet"]})
    return made


def business(found: Verdict) -> dict[str, Check]:
    return {c.id: c for c in found.checks if c.layer == "business"}


def judged(book: Book, limits: policy.Policy = LIMITS, as_of: int | None = None) -> Verdict:
    return gate(book.rollout, limits, "shadow", window=WINDOW, as_of=as_of)


def test_a_worse_challenger_warns_and_a_policy_makes_it_block(book: Book) -> None:
    update(book.rollout)
    found, firm = judged(book), judged(book, BLOCKING)
    assert business(found)["business.excess_loss"].outcome == "fail"
    assert {c.severity for c in business(found).values()} == {"warn"}
    assert not any(name.startswith("business.") for name in found.blocking)
    assert "business.excess_loss" in firm.blocking
    assert firm.outcome == "hold"
    assert any("labels known by 2025-03-19 00:00 UTC" in note for note in found.notes)


def test_the_models_are_compared_on_all_days_since_the_diary_says_the_rollout_began(
    book: Book,
) -> None:
    update(book.rollout)
    began = [
        Event(show(START + 3 * DAY + HOUR), "phase", phase="shadow", challenger_weight=0.0),
        Event(show(START + 9 * DAY), "phase", phase="canary", challenger_weight=0.01),
    ]
    said = label_checks(book.rollout, LIMITS, "canary", WINDOW.end, began).checks
    spans = {c.id: c.window for c in said}
    assert spans["business.excess_loss"][0] == show(START + 4 * DAY)
    assert spans["business.excess_loss"][1] == spans["business.champion_loss"][1]


def test_labels_that_were_not_joined_are_said_and_no_pass(book: Book) -> None:
    found = judged(book, BLOCKING)
    assert {c.outcome for c in business(found).values()} == {"undecided"}
    assert all("no labels were joined yet" in c.sentence for c in business(found).values())
    assert set(business(found)) <= set(found.blocking)


def test_a_rollout_without_labels_has_no_business_checks(book: Book) -> None:
    book.describe()
    assert business(judged(book)) == {}


def test_a_night_and_a_gate_agree_to_the_byte(book: Book, tmp_path: Path) -> None:
    out = tmp_path / "out"
    night = nightly(book.rollout, LIMITS, window=WINDOW, out=out)
    assert verdict.encode(judged(book)) == (out / "verdict.json").read_bytes()
    kept = msgspec.json.decode((out / "labels.json").read_bytes(), type=dict)
    checks = msgspec.convert(kept["checks"], list[Check])
    assert checks == list(business(night.verdict).values())


def test_only_labels_known_at_the_as_of_count(book: Book) -> None:
    """Labels of later days, joined or not, change nothing of what a past verdict says."""
    update(book.rollout)
    before = judged(book, as_of=WINDOW.end)
    late = {"request_id": [f"r{i}" for i in range(DAYS * ROWS)], "label": [1] * (DAYS * ROWS)}
    book.write(
        "labels/later.parquet",
        {**late, "label_ts": pa.array([WINDOW.end + 1] * (DAYS * ROWS), INSTANT)},
    )
    update(book.rollout)
    assert verdict.encode(judged(book, as_of=WINDOW.end)) == verdict.encode(before)
    after = judged(book, as_of=WINDOW.end + 2 * DAY)
    assert business(after) != business(before)


def test_a_phase_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "policy.toml"
    own.write_text('[business]\nblocking_phases = ["shadwo"]\n')
    with pytest.raises(ConfigError, match="blocking_phases"):
        policy.load(own)
