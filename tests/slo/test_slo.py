"""The whole answer: three layers, what decides, the command and its exit codes, from real logs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from logbook import START, Book, times

from analyzer import policy
from analyzer.cli import run
from analyzer.diary import Event, append, path_of
from analyzer.slo.answer import Slo, slo
from analyzer.window import parse, show
from benchmarks.planted.service import Service

POLICY = policy.load()
MONDAY = parse("2025-03-03")


def answered(service: Service, events: Sequence[Event] = (), **sections: Any) -> Slo:
    material = service.material(POLICY, service.window(service.days - 1), **sections)
    return slo(material.rollout, POLICY, material.profiles, events)


def steady(days: int = 31, n: int = 10_000) -> Service:
    service = Service(MONDAY, days)
    service.serve("champion", np.full(service.minutes, n))
    return service


def test_a_healthy_day() -> None:
    found = answered(steady())
    assert (found.outcome, found.exit_code, found.blocking) == ("healthy", 0, [])
    assert {c.layer for c in found.checks} == {"data", "infrastructure", "model", "business"}
    said = next(c for c in found.checks if c.layer == "business")
    assert (said.outcome, said.severity) == ("undecided", "warn")
    assert "not declared" in said.sentence
    assert found.serves.startswith("champion;")


def test_harm_holds_or_rolls_back_and_a_young_log_is_undecided() -> None:
    service = steady()
    service.arms["champion"]["errors"][-1440:] = 30
    found = answered(service)
    assert (found.outcome, found.exit_code) == ("hold", 3)
    assert found.headline.startswith("Hold: infrastructure.errors (fail)")
    young = answered(steady(1))
    assert (young.outcome, young.exit_code) == ("undecided", 4)


def test_the_same_inputs_give_the_same_bytes() -> None:
    import msgspec

    first, again = (
        msgspec.json.encode(answered(steady(), events), order="sorted") for events in ([], [])
    )
    assert first == again


def write(book: Book, days: int = 3, failed: int = 0, **columns: Any) -> None:
    """A service of 20 requests a minute, features 10 s old; the last day's first `failed` fail."""
    n = days * 1440 * 20
    at = np.arange(n) * 3.0
    error = np.zeros(n, dtype=bool)
    error[(days - 1) * 28_800 : (days - 1) * 28_800 + failed] = True
    ids = [f"r{i}" for i in range(n)]
    log = {
        "request_id": ids,
        "ts": times(at),
        "score": np.full(n, 0.3),
        "latency_ms": np.full(n, 20.0),
        "error": error,
        "feature_ts": times(at - 10),
        **columns,
    }
    book.write("champion.parquet", log)
    book.write("challenger.parquet", {**log, "error": np.zeros(n, dtype=bool)})
    book.describe(time={"zone": "UTC"})
    book.scan()


@pytest.fixture
def here(book: Book, monkeypatch: pytest.MonkeyPatch) -> Book:
    monkeypatch.chdir(book.root)
    return book


def test_the_command_and_its_exit_codes(here: Book, capsys: pytest.CaptureFixture[str]) -> None:
    write(here)
    assert run(["slo", "--json"]) == 4  # neither volumes' scatter nor an average of 30 days yet
    found = json.loads(capsys.readouterr().out)
    by_id = {c["id"]: c for c in found["checks"]}
    assert found["window"] == ["2025-03-05T00:00Z", "2025-03-06T00:00Z"]
    for name in ("errors", "latency_tail", "latency_median", "availability", "freshness"):
        assert by_id[f"infrastructure.{name}"]["outcome"] == "pass", by_id[f"infrastructure.{name}"]
    assert by_id["infrastructure.freshness"]["counts"] == {"fresh": 28_800, "requests": 28_800}
    assert found["blocking"] == ["model.volume", "model.mean_score.champion"]
    assert run(["slo", "--exit-zero"]) == 0
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines()) <= 110
    tables = text[text.index("infrastructure ") :]
    assert max(len(line) for line in tables.splitlines()) <= 80
    assert "Budget of errors" in text and "14.4" in text
    write(here, failed=200)
    assert run(["slo", "--last", "24h", "--as-of", "2025-03-06"]) == 3
    (here.root / "policy.toml").write_text("[slo]\non_fail = 'roll back'\n")
    here.describe(time={"zone": "UTC"}, policy={"path": "policy.toml"})
    assert run(["slo"]) == 5
    capsys.readouterr()


def test_the_challenger_in_full_is_who_is_judged(here: Book) -> None:
    write(here, failed=200)
    start = Event(ts=show(START), kind="phase", phase="full", challenger_weight=1.0)
    append(path_of(here.rollout), start)
    assert run(["slo"]) == 4  # the champion's failures are a shadow's
    ours = here.rollout
    found = slo(ours, POLICY, here.profiles, (start,))
    assert found.serves.startswith("challenger;")


def test_bad_input_is_no_traceback_and_no_pass(
    here: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["slo"]) == 2
    write(here, feature_ts=pa.nulls(3 * 28_800))
    assert run(["slo", "--from", "2020-01-01", "--to", "2020-01-02"]) == 2
    assert run(["slo", "--json"]) == 4
    out = capsys.readouterr()
    fresh = next(c for c in json.loads(out.out)["checks"] if c["id"] == "infrastructure.freshness")
    assert (fresh["outcome"], fresh["severity"]) == ("undecided", "block")
    assert "Traceback" not in out.err
    nothing = {"request_id": pa.array([], pa.string()), "ts": times([])}
    here.write("champion.parquet", {**nothing, "score": pa.array([], pa.float64())})
    (here.root / "x").mkdir()
    here.describe(time={"zone": "UTC"}, store={"path": "x"})
    assert run(["scan"]) in (1, 2)
    assert run(["slo"]) in (1, 2)
    assert "Traceback" not in capsys.readouterr().err
