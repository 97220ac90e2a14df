"""`analyzer check` where labels contradict the declared `[labels] arrival`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from logbook import START, Book, times

from analyzer import cli, config, policy
from analyzer.check import check
from analyzer.check.arrival import contradictions, judged
from analyzer.check.lookup import Looked, mature
from analyzer.config import Rollout
from analyzer.logs import survey
from analyzer.window import DAY

FLIGHTS = Path(__file__).parent.parent / "sample_data/flights"
ROWS, DAYS, OPEN = 8_000, 100, 30


def declared(root: Path, arrival: str) -> Rollout:
    labels = {"paths": ["labels.parquet"], "arrival": arrival, "open_days": OPEN}
    return Book(root).describe(labels=labels)


def world(kind: str, seed: int) -> Looked:
    """Requests of 100 days by 400 users, and when labels of this kind came by day 100."""
    random = np.random.default_rng(seed)
    at = np.sort(random.integers(0, DAYS, ROWS)) * DAY + random.integers(0, DAY, ROWS)
    user = random.integers(0, 400, ROWS)
    score = random.beta(0.6, 2.0, ROWS)
    stopped = (score > 0.4).astype(np.int64)
    fraud = random.random(ROWS) < score
    speed = np.where(fraud, random.choice([5.0, 9.0]), 3.0)  # classes differ in delay
    comes = START + at + np.minimum(random.exponential(speed), OPEN - 1) * DAY
    told = random.random(ROWS) < random.choice([0.9, 1.0])  # some are lost
    told &= random.random(400)[user] < 0.95  # and some users never answer
    if kind == "batches":
        comes = START + ((comes - START) // (7 * DAY) + 1) * 7 * DAY
    elif kind == "selective":
        told &= stopped == 0
    elif kind == "leaky":
        told &= (stopped == 0) | (random.random(ROWS) < 0.2)
    elif kind == "sampled":
        told &= random.random(ROWS) < random.choice([0.1, 0.3])
    elif kind == "survey":  # every Monday some of last week's are asked
        told &= random.random(ROWS) < 0.2
        comes = START + (at // (7 * DAY) + 1) * 7 * DAY + random.integers(0, DAY // 3, ROWS)
    elif kind == "outage":  # two weeks' labels are lost
        told &= (at // (14 * DAY)) != 2
    stamp = np.where(told & (comes < START + DAYS * DAY), comes, -1).astype(np.int64)
    return mature(Looked(START + at, stamp, score, stopped, user % 64), OPEN * DAY)


def said(root: Path, arrival: str, kind: str, worlds: int = 40) -> list[list[str]]:
    """Arrivals that are named instead, by world."""
    rollout = declared(root, arrival)
    return [
        [found.arrival or "?" for found in judged(rollout, world(kind, seed))]
        for seed in range(worlds)
    ]


@pytest.mark.parametrize(
    ("arrival", "kind"),
    [
        ("both", "both"),
        ("both", "batches"),
        ("both", "outage"),
        ("positives", "selective"),
        ("selective", "selective"),
        ("sampled", "sampled"),
        ("sampled", "survey"),
    ],
)
def test_honest_labels_are_never_suspected(tmp_path: Path, arrival: str, kind: str) -> None:
    if arrival == "positives":  # no news is "not yet": shares of labels say nothing
        labelled = contradictions(declared(tmp_path, arrival), {}, (0, 0), as_text=False)
        assert labelled == []
        return
    assert said(tmp_path, arrival, kind) == [[]] * 40


@pytest.mark.parametrize(
    ("arrival", "kind", "fits"),
    [
        ("both", "selective", "selective"),
        ("both", "leaky", "selective"),
        ("sampled", "selective", "selective"),
        ("selective", "both", "both"),
        ("both", "sampled", "sampled"),
        ("both", "survey", "sampled"),
    ],
)
def test_the_arrival_that_fits_is_named(tmp_path: Path, arrival: str, kind: str, fits: str) -> None:
    found = said(tmp_path, arrival, kind)
    assert sum(one == [fits] for one in found) >= 38
    assert all(one in ([fits], []) for one in found)


def test_words_name_shares_and_the_line_to_write(tmp_path: Path) -> None:
    (one,) = judged(declared(tmp_path, "both"), world("selective", 0))
    assert one.problem.startswith("0.0% of mature requests that the champion stopped have a label")
    assert 'arrival = "selective" under [labels]' in one.remedy
    (one,) = judged(declared(tmp_path, "both"), world("survey", 0))
    assert "most of them on Mondays" in one.problem
    assert 'arrival = "sampled" under [labels]' in one.remedy
    (one,) = judged(declared(tmp_path, "selective"), world("leaky", 0))
    assert one.mild
    assert "`explore`" in one.remedy


def test_without_decisions_scores_tell(tmp_path: Path) -> None:
    seen = world("selective", 1)
    blind = Looked(seen.ts, seen.label, seen.score, np.full(len(seen), -1), seen.bucket)
    (one,) = judged(declared(tmp_path, "both"), blind)
    assert "requests scored" in one.problem
    assert one.arrival == "selective"


def written(root: Path, seen: Looked, as_numbers: bool = False) -> Book:
    """The same world as logs: decisions as words, labels out of order."""
    book = Book(root)
    names = np.arange(len(seen))
    number = pa.array(names if as_numbers else [f"r{i}" for i in names])
    ours = {
        "request_id": number,
        "ts": times((seen.ts - START) / 1e6),
        "score": seen.score,
        "decision": np.where(seen.called == 1, "yes", "no"),
        "unit_id": seen.bucket,
    }
    book.write("champion.parquet", ours)
    theirs = {name: values for name, values in ours.items() if name != "decision"}
    book.write("challenger.parquet", {**theirs, "score": seen.score[::-1].copy()})
    told = np.flatnonzero(seen.label >= 0)[::-1]
    labels = {
        "request_id": [f"{'' if as_numbers else 'r'}{i}" for i in told],
        "label": told % 2,
        "label_ts": times((seen.label[told] - START) / 1e6),
    }
    book.write("labels.parquet", labels)
    return book


@pytest.mark.parametrize("as_numbers", [False, True])
def test_check_reads_it_from_the_logs(tmp_path: Path, as_numbers: bool) -> None:
    book = written(tmp_path, world("selective", 2), as_numbers)
    labels = {"paths": ["labels.parquet"], "open_days": OPEN}
    for arrival, expected in (("both", True), ("selective", False)):
        rollout = book.describe(labels={**labels, "arrival": arrival})
        found = check(rollout, policy.load()).findings
        named = [f for f in found if "labels depend on what the champion did" in f.problem]
        assert len(named) == expected
        assert all((f.log, f.severity, f.column) == ("labels", "counted", "label") for f in named)


@pytest.mark.parametrize("kind", ["both", "selective", "sampled"])
def test_init_guesses_the_arrival(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, world(kind, 4))
    file = tmp_path / "rollout.toml"
    assert cli.run(["init", str(tmp_path), "--out", str(file)]) == 0
    assert config.load(file).labels.arrival == kind
    assert (f"arrival = {kind}" in capsys.readouterr().out) == (kind != "both")


@pytest.mark.parametrize("flags", [True, False])
def test_init_describes_a_log_of_signals(tmp_path: Path, flags: bool) -> None:
    book = written(tmp_path, world("both", 5))
    signals = {"request_id": ["r1", "r2"], "name": ["click", "chat <1"], "ts": times([9, 10])}
    book.write("signals.parquet", {**signals, **({"signal": [True, False]} if flags else {})})
    file = tmp_path / "rollout.toml"
    assert cli.run(["init", str(tmp_path), "--out", str(file)]) == 0
    found = config.load(file)
    assert found.labels.paths
    assert sorted(found.proxies) == ["chat-1", "click"]
    click = found.proxies["click"]
    assert click.name == "click"
    assert click.columns["label_ts"] == "ts"
    assert click.columns["label"] == ("signal" if flags else "name")
    assert click.positive == (None if flags else "click")
    assert found.proxies["chat-1"].name == "chat <1"
    said = [f.problem for f in check(found, policy.load()).findings if "click" in f.log]
    assert not [problem for problem in said if "has no column" in problem]


def test_odd_columns_give_no_traceback(tmp_path: Path) -> None:
    book = written(tmp_path, world("both", 3))
    table = pa.table({"request_id": pa.nulls(5, pa.string()), "ts": times(range(5))})
    book.write("champion.parquet", table.append_column("score", pa.nulls(5, pa.float64())))
    rollout = book.describe(labels={"paths": ["labels.parquet"]})
    assert check(rollout, policy.load()).findings
    book.write("labels.parquet", {"request_id": ["r1"], "label": [1.0], "label_ts": times([1])})
    assert check(rollout, policy.load()).findings


def test_cancelled_flights_are_no_contradiction() -> None:
    """A fortieth of the flights never lands, those that look late rather more often."""
    rollout = config.load(FLIGHTS / "rollout.toml")
    files = {name: survey(rollout, name) for name in ("champion", "labels")}
    ends = [(f.first, f.last) for f in files["labels"] if f.first is not None]
    span = min(a for a, _ in ends), max(b for _, b in ends)
    assert contradictions(rollout, files, span, as_text=False) == []
