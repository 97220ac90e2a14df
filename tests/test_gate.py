"""The shadow gate on small real logs: each check must be able to hold, nothing bad may promote."""

from __future__ import annotations

import json
from collections.abc import Callable

import jsonschema
import msgspec
import numpy as np
import pyarrow as pa
import pytest
from logbook import START, Book, times

from analyzer import policy
from analyzer.diary import Event
from analyzer.errors import ConfigError, StoreError
from analyzer.gate import gate
from analyzer.policy import Policy
from analyzer.verdict import Check, Verdict, encode, json_schema
from analyzer.window import HOUR, Window

ROWS = 24_000
HOURS = 26
Change = Callable[[dict[str, pa.Array]], dict[str, pa.Array]]


def easy(**shadow: object) -> Policy:
    """The shipped policy with an error limit that so few rows can establish, and no rehearsal."""
    shipped = policy.load()
    limits = {"max_error_rate": 0.01, **shadow}
    return msgspec.structs.replace(
        shipped,
        shadow=msgspec.structs.replace(shipped.shadow, **limits),
        record=msgspec.structs.replace(shipped.record, splits=0),
    )


def logs(hours: float = HOURS, rows: int = ROWS, seed: int = 3) -> dict[str, dict[str, pa.Array]]:
    """Two healthy logs as columns: 1 % slow, .1 % errors, users that return."""
    random = np.random.default_rng(seed)
    at = np.sort(random.uniform(0, hours * 3600, rows))
    logit = random.normal(-1, 1, rows)
    amount = random.gamma(2, 50, rows)
    unit = random.integers(0, 2000, rows)

    def side(noise: float, late: float) -> dict[str, pa.Array]:
        score = 1 / (1 + np.exp(-logit - random.normal(0, noise, rows)))
        return {
            "request_id": pa.array([f"r{i}" for i in range(rows)]),
            "ts": times(at + late),
            "unit_id": pa.array(unit),
            "score": pa.array(score),
            "latency_ms": pa.array(np.exp(random.normal(3.4, 0.6, rows))),
            "error": pa.array(random.random(rows) < 0.001),
            "amount": pa.array(amount),
        }

    return {"champion": side(0.0, 0.0), "challenger": side(0.2, 0.01)}


BOTH = logs()


def build(book: Book, change: Change | None = None, champion: Change | None = None) -> None:
    """Write the healthy logs, changed, and scan them."""
    ours, theirs = dict(BOTH["champion"]), dict(BOTH["challenger"])
    book.write("champion.parquet", champion(ours) if champion else ours)
    book.write("challenger.parquet", change(theirs) if change else theirs)
    book.describe(features={"numeric": ["amount"], "critical": ["amount"]})
    book.scan()


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """A healthy phase, scanned once for all tests that only read it."""
    book = Book(tmp_path_factory.mktemp("healthy"))
    build(book)
    return book


def judged(book: Book, limits: Policy | None = None, hours: float | None = HOURS) -> Verdict:
    window = Window(START, START + int(hours) * HOUR) if hours else None
    return gate(book.rollout, limits or easy(), "shadow", window=window)


def named(verdict: Verdict, name: str) -> Check:
    return next(check for check in verdict.checks if check.id == name)


def edit(column: str, edited: Callable[[np.ndarray], object]) -> Change:
    """Replace one column of the challenger."""

    def change(columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
        values = columns[column].to_numpy(zero_copy_only=False).copy()
        return {**columns, column: pa.array(edited(values))}

    return change


def rows(chosen: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Keep some of the challenger's rows, chosen by seconds since START (or repeat them)."""

    def change(columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
        seconds = (columns["ts"].cast(pa.int64()).to_numpy() - START) / 1e6
        kept = pa.array(chosen(seconds))
        return {name: values.take(kept) for name, values in columns.items()}

    return change


def put(share: float, value: object) -> Callable[[np.ndarray], object]:
    """Put a value into a share of the rows, spread evenly."""

    def edited(values: np.ndarray) -> object:
        step = round(1 / share)
        out = values.astype(object)
        out[::step] = value
        return out.tolist()

    return edited


def late(values: np.ndarray) -> np.ndarray:
    """A course that is 0 in the first half of the log and 1 in the second."""
    return (np.arange(len(values)) >= len(values) / 2).astype(float)


def test_a_healthy_phase_promotes(healthy: Book) -> None:
    verdict = judged(healthy)
    assert verdict.outcome == "promote", [c.sentence for c in verdict.checks if c.outcome != "pass"]
    assert verdict.exit_code == 0 and verdict.blocking == []
    assert (verdict.next.phase, verdict.next.weight) == ("canary", 0.01)
    assert all(c.outcome == "pass" for c in verdict.checks)
    assert len(verdict.profiles) == 2


HARM: dict[str, tuple[str, Change]] = {
    "slow": ("infrastructure.latency", edit("latency_ms", put(0.02, 250.0))),
    "at the limit is slow": ("infrastructure.latency", edit("latency_ms", put(0.02, 200.0))),
    "failing": ("infrastructure.errors", edit("error", put(0.02, True))),
    "step in score": ("model.score_ratio", edit("score", lambda s: s * (1 + 0.6 * late(s)) / 1.6)),
    "spread of score": (
        "model.score_psi",
        edit("score", lambda s: np.where(late(s) > 0, np.clip(s * 2 - 0.3, 0.01, 0.99), s)),
    ),
    "nulls": ("model.nulls.amount", edit("amount", put(0.1, None))),
    "NaN counts as NULL": ("model.nulls.amount", edit("amount", put(0.1, float("nan")))),
    "other features": ("model.parity.amount", edit("amount", put(0.05, 1.0))),
    "lost rows": ("data.coverage", rows(lambda s: np.flatnonzero(np.arange(len(s)) % 50))),
    "duplicates": (
        "data.duplicates.challenger",
        rows(lambda s: np.sort(np.concatenate((np.arange(len(s)), np.arange(0, len(s), 500))))),
    ),
    "NaN scores": ("data.rejected.challenger", edit("score", put(0.01, float("nan")))),
    "scores out of range": ("data.rejected.challenger", edit("score", put(0.01, 1.5))),
    "no score and no error": ("data.unscored.challenger", edit("score", put(0.1, None))),
    "minutes without shadow": (
        "data.unwatched",
        rows(lambda s: np.flatnonzero((s % 3600) > 240)),
    ),
    "foreign requests": (
        "data.strangers",
        edit("request_id", lambda ids: [f"x{i}" if i % 20 == 0 else v for i, v in enumerate(ids)]),
    ),
    "late clock": (
        "data.clocks",
        lambda columns: {
            **columns,
            "ts": pa.array(columns["ts"].cast(pa.int64()).to_numpy() + 90_000_000, pa.int64()).cast(
                columns["ts"].type
            ),
        },
    ),
}


@pytest.mark.parametrize("what", HARM)
def test_each_check_holds(book: Book, what: str) -> None:
    name, change = HARM[what]
    build(book, change)
    verdict = judged(book)
    check = named(verdict, name)
    assert (check.outcome, verdict.outcome, verdict.exit_code) == ("fail", "hold", 3), check
    assert name in verdict.blocking and verdict.next is None
    assert verdict.headline.startswith("Hold")


def test_missing_shadow_hours_and_days_hold(book: Book) -> None:
    build(book, rows(lambda s: np.flatnonzero(s < 20 * 3600)))
    verdict = judged(book)
    assert verdict.outcome == "hold"
    assert {"data.coverage", "data.unwatched"} <= set(verdict.blocking)


def test_days_without_any_log_are_invalid_and_hours_without_traffic_do_not_count(
    book: Book,
) -> None:
    def gap(columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
        ts = columns["ts"].cast(pa.int64()).to_numpy()
        moved = np.where(ts < START + 13 * HOUR, ts, ts + 30 * HOUR)
        return {**columns, "ts": pa.array(moved).cast(columns["ts"].type)}

    build(book, gap, gap)
    verdict = judged(book, hours=60)
    assert named(verdict, "data.days").outcome == "invalid"
    assert verdict.outcome == "hold"
    # half a day of logs in a window of 40 hours is half a day in shadow
    short = judged(book, hours=40)
    assert named(short, "process.duration").observed.value == 13
    assert short.outcome != "promote"


def test_logs_that_stopped_a_day_ago_are_no_promotion(healthy: Book) -> None:
    """A silence at the window's end is missing logs too, asked for or found at the as-of."""
    assert named(judged(healthy, hours=HOURS + 23), "data.days").outcome == "pass"
    asked = judged(healthy, hours=HOURS + 24)
    assert named(asked, "data.days").outcome == "invalid"
    assert "for 24 h from 2025-03-04T02:00Z" in named(asked, "data.days").sentence

    began = (Event(ts="2025-03-03T00:00:00Z", kind="phase", phase="shadow"),)
    settled = START + (HOURS + 3) * HOUR
    soon, late = (
        gate(healthy.rollout, easy(), "shadow", events=began, as_of=settled + silent * HOUR)
        for silent in (23, 24)
    )
    assert soon.outcome == "promote" and soon.window[1] == "2025-03-04T02:00Z"
    assert late.outcome == "hold" and late.window[1] == "2025-03-05T02:00Z"
    assert named(late, "data.days").outcome == "invalid"


def test_before_24_hours_it_is_undecided_unless_there_is_harm(healthy: Book) -> None:
    verdict = judged(healthy, hours=23)
    assert named(verdict, "process.duration").outcome == "undecided"
    assert (verdict.outcome, verdict.exit_code) == ("undecided", 4)
    assert [w.check for w in verdict.enough_data] == ["process.duration"]
    assert "2025-03-04T00:00Z" in verdict.enough_data[0].sentence
    assert judged(healthy, hours=24).outcome == "promote"


def test_harm_may_stop_a_phase_at_any_time(book: Book) -> None:
    build(book, edit("error", put(0.1, True)))
    assert judged(book, hours=12).outcome == "hold"


def test_too_few_requests_are_undecided_and_overdue_they_hold(healthy: Book) -> None:
    strict = easy(max_error_rate=0.0012)
    verdict = judged(healthy, strict)
    assert verdict.outcome == "undecided"
    assert verdict.enough_data[0].check == "infrastructure.errors"
    assert verdict.enough_data[0].needs > verdict.enough_data[0].has
    overdue = judged(healthy, easy(max_error_rate=0.0012, max_hours=26))
    assert (overdue.outcome, overdue.exit_code) == ("hold", 3)
    assert "as long as it may" in overdue.headline


def test_files_that_cannot_be_read_are_invalid(book: Book) -> None:
    ours, theirs = BOTH["champion"], BOTH["challenger"]
    book.write("champion.parquet", ours)
    book.write("challenger/a.parquet", theirs)
    (book.root / "challenger/b.parquet").write_bytes(b"PAR1 cut short")
    book.describe({"paths": ["champion.parquet"]}, {"paths": ["challenger"]})
    done = book.scan()
    assert len(done.problems) == 1
    window = Window(START, START + HOURS * HOUR)
    verdict = gate(book.rollout, easy(), "shadow", window=window, problems=done.problems)
    assert named(verdict, "data.files").outcome == "invalid"
    assert verdict.outcome == "hold"
    assert "b.parquet" in named(verdict, "data.files").sentence


def test_mixed_versions_are_invalid(book: Book) -> None:
    def versioned(columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
        words = np.where(late(np.arange(ROWS)) > 0, "v2", "v1")
        return {**columns, "version": pa.array(words.tolist())}

    build(book, versioned)
    verdict = judged(book)
    assert named(verdict, "data.version.challenger").outcome == "invalid"
    assert verdict.outcome == "hold"
    assert judged(book, hours=12).outcome == "undecided"  # one version, but too early


def test_latency_that_was_not_logged_is_no_fast_latency(book: Book) -> None:
    build(book, lambda columns: {k: v for k, v in columns.items() if k != "latency_ms"})
    verdict = judged(book)
    assert named(verdict, "infrastructure.latency").observed.undefined
    assert verdict.outcome == "undecided"


def test_requests_that_log_no_latency_may_have_been_slow(book: Book) -> None:
    build(book, edit("latency_ms", put(0.02, None)))
    verdict = judged(book)
    check = named(verdict, "infrastructure.latency")
    assert (check.outcome, verdict.outcome) == ("undecided", "undecided")
    assert "log none" in check.sentence and "either way" in check.observed.method


def test_a_critical_feature_that_nobody_logs_never_passes(book: Book) -> None:
    book.write("champion.parquet", {k: v for k, v in BOTH["champion"].items() if k != "amount"})
    book.write("challenger.parquet", {k: v for k, v in BOTH["challenger"].items() if k != "amount"})
    book.describe(features={"numeric": ["amount"], "critical": ["amount"]})
    book.scan()
    verdict = judged(book)
    assert named(verdict, "model.nulls.amount").outcome == "undecided"
    assert verdict.outcome == "undecided"


def test_a_window_without_rows_never_promotes(healthy: Book) -> None:
    with pytest.raises(StoreError, match="nothing of"):
        gate(
            healthy.rollout, easy(), "shadow", window=Window(START + 99 * HOUR, START + 125 * HOUR)
        )
    # the second day's slot exists, its last hours are empty
    empty = gate(
        healthy.rollout, easy(), "shadow", window=Window(START + 27 * HOUR, START + 60 * HOUR)
    )
    assert empty.outcome != "promote"
    assert named(empty, "data.coverage").outcome == "undecided"
    assert any("logged nothing" in note for note in empty.notes)


def test_too_few_pairs_to_follow_the_score(book: Book) -> None:
    small = logs(rows=400)
    for side, columns in small.items():
        book.write(f"{side}.parquet", columns)
    book.describe()
    book.scan()
    verdict = judged(book, easy(max_error_rate=0.2, latency_quantile=0.5))
    assert named(verdict, "model.score_ratio").outcome == "undecided"
    assert verdict.outcome == "undecided"


def test_class_labels_are_judged_by_their_classes(book: Book) -> None:
    random = np.random.default_rng(5)
    labels = random.choice(["cat", "dog", "owl"], ROWS, p=[0.5, 0.3, 0.2])
    drifting = np.where(late(labels) * random.random(ROWS) > 0.4, "owl", labels)
    for theirs, outcome in ((labels, "promote"), (drifting, "hold")):
        for side, words in (("champion", labels), ("challenger", theirs)):
            kept = {k: v for k, v in BOTH[side].items() if k not in ("score", "amount")}
            book.write(f"{side}.parquet", {**kept, "prediction": pa.array(words.tolist())})
        book.describe(score={"type": "class"})
        book.scan()
        assert judged(book).outcome == outcome


def test_unanswered_classes_hold(book: Book) -> None:
    words = pa.array([None if i % 20 == 0 else "cat" for i in range(ROWS)])
    for side in ("champion", "challenger"):
        kept = {k: v for k, v in BOTH[side].items() if k not in ("score", "amount")}
        full = pa.array(["cat"] * ROWS)
        book.write(f"{side}.parquet", {**kept, "prediction": full if side == "champion" else words})
    book.describe(score={"type": "class"})
    book.scan()
    assert named(judged(book), "data.unscored.challenger").outcome == "fail"


def test_an_optional_limit_on_divergence(healthy: Book) -> None:
    shown = named(judged(healthy), "model.divergence")
    assert (shown.severity, shown.outcome) == ("warn", "pass")
    verdict = judged(healthy, easy(max_divergence=shown.observed.value))
    assert named(verdict, "model.divergence").severity == "block"
    assert verdict.outcome == "promote"  # exactly at the limit, which is <=
    assert judged(healthy, easy(max_divergence=shown.observed.value * 0.999)).outcome == "hold"


def test_the_same_inputs_give_the_same_bytes(book: Book) -> None:
    build(book)
    limits = policy.load()
    first = encode(gate(book.rollout, limits, "shadow"))
    assert encode(gate(book.rollout, limits, "shadow")) == first
    (book.root / ".analyzer").rename(book.root / "old")
    book.scan(jobs=2)
    assert encode(gate(book.rollout, limits, "shadow")) == first


def test_a_real_verdict_fits_its_schema(book: Book) -> None:
    build(book, edit("error", put(0.02, True)))
    verdict = gate(book.rollout, policy.load(), "shadow")
    content = json.loads(encode(verdict))
    jsonschema.validate(content, json_schema())
    assert content["record"] and content["detectable"] and content["cost"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**content, "outcome": "perhaps"}, json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({k: v for k, v in content.items() if k != "policy"}, json_schema())


def test_an_unknown_phase_is_refused(healthy: Book) -> None:
    with pytest.raises(ConfigError, match="no gate for phase 'shadwo'"):
        gate(healthy.rollout, easy(), "shadwo")


def test_the_default_window_is_the_time_since_the_phase_began(healthy: Book) -> None:
    began = (Event(ts="2025-03-03T00:30:00Z", kind="phase", phase="shadow"),)
    verdict = gate(healthy.rollout, easy(), "shadow", events=began)
    assert verdict.window == ("2025-03-03T01:00Z", "2025-03-04T02:00Z")
    assert not any("not recorded" in note for note in verdict.notes)
    # unsettled hours are not judged
    as_of = START + 27 * HOUR
    settled = gate(healthy.rollout, easy(), "shadow", events=began, as_of=as_of)
    assert settled.window[1] == "2025-03-04T00:00Z"


def test_users_of_a_phase_that_cuts_slots_are_known(book: Book) -> None:
    """A phase from noon to noon holds no whole slot; its users' likeness must still count."""

    def slow_users(columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
        unit = columns["unit_id"].to_numpy() % 40
        latency = np.where(unit == 7, 250.0, 30.0)
        return {
            **columns,
            "unit_id": pa.array(unit),
            "latency_ms": pa.array(np.where(np.arange(ROWS) % 3 == 0, latency, 30.0)),
        }

    build(book, slow_users, slow_users)
    whole = named(judged(book, hours=26), "infrastructure.latency")
    window = Window(START + HOUR, START + 25 * HOUR)
    cut = named(gate(book.rollout, easy(), "shadow", window=window), "infrastructure.latency")
    effects = [float(c.sentence.split("Design effect ")[1].split(". ")[0]) for c in (whole, cut)]
    assert effects[0] > 20 and effects[1] > 20


def test_champion_and_challenger_that_changed_places_are_refused(book: Book) -> None:
    build(book)
    book.describe({"paths": ["challenger.parquet"]}, {"paths": ["champion.parquet"]})
    with pytest.raises(ConfigError, match="changed places"):
        book.scan()
    with pytest.raises(ConfigError, match="changed places"):
        judged(book)


@pytest.mark.parametrize("harm", ["none", "latency", "errors", "score"])
def test_simulated_phases_whose_truth_is_known(harm: str) -> None:
    """A glance at what `benchmarks.planted.shadow` does 500 times of each kind."""
    from benchmarks.planted.shadow import Task, run

    for seed in (1, 2):
        outcome = run(Task(seed, harm, (24, 30), (9000, 9500), False)).last.outcome
        assert (outcome == "promote") == (harm == "none"), (seed, outcome)


def test_the_wider_the_dependence_the_longer_the_wait(healthy: Book) -> None:
    """What is still needed is said in requests and hours, and lies after what there is."""
    verdict = judged(healthy, easy(max_error_rate=0.0013), hours=25)
    waits = [w for w in verdict.enough_data if w.check == "infrastructure.errors"]
    assert verdict.outcome == "undecided" and len(waits) == 1
    assert waits[0].at is not None and waits[0].at > verdict.window[1]


@pytest.mark.parametrize("gone", ["column", "all", "a tenth"])
def test_errors_that_were_not_logged_never_pass(book: Book, gone: str) -> None:
    """No news is not good news: what is unknown may all have failed."""

    def change(columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
        if gone == "column":
            return {name: values for name, values in columns.items() if name != "error"}
        unknown = np.arange(ROWS) % 10 == 0 if gone == "a tenth" else np.ones(ROWS, dtype=bool)
        return {**columns, "error": pa.array(np.asarray(columns["error"]), mask=unknown)}

    build(book, change)
    check = named(judged(book), "infrastructure.errors")
    assert check.outcome == "undecided"
    assert "logs no errors" in check.sentence or f"Of {ROWS // 10:,} it was not" in check.sentence
    assert judged(book).outcome != "promote"
