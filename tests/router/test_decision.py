"""decision.json: its bytes, its schema, and everything that is no decision."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from decisions import NOW, decided
from hypothesis import given
from hypothesis import strategies as st

import analyzer.router
from analyzer.router import decision, files
from analyzer.router.decision import DecisionError, decode, encode

GOOD = json.loads(encode(decided(0.05)))


def test_a_decision_survives_its_file_and_is_always_the_same_bytes() -> None:
    one = decided(0.05, 7)
    assert decode(encode(one)) == one
    assert encode(decode(encode(one))) == encode(one)
    assert one.weights == {"champion": 0.95, "challenger": 0.05}


def test_the_schema_is_published() -> None:
    published = Path(analyzer.router.__file__).with_name("decision.schema.json")
    text = json.dumps(decision.json_schema(), indent=2, sort_keys=True) + "\n"
    assert published.read_text(encoding="utf-8") == text
    assert set(decision.json_schema()["properties"]) == set(GOOD)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", 2),
        ("schema", True),
        ("rollout", ""),
        ("rollout", 5),
        ("epoch", 0),
        ("epoch", 1.0),
        ("epoch", True),
        ("fallback", "challenger"),
        ("models", {"champion": "v6"}),
        ("models", {"champion": "v6", "challenger": ""}),
        ("weights", {"champion": 1.0}),
        ("weights", {"champion": 0.0, "challenger": 0.0}),
        ("weights", {"champion": 1.5, "challenger": -0.5}),
        ("weights", {"champion": "0.9", "challenger": 0.1}),
        ("weights", {"champion": True, "challenger": False}),
        ("weights", {"champion": float("nan"), "challenger": 0.1}),
        ("weights", {"champion": 0.9, "challenger": 0.2}),
        ("weights", [0.9, 0.1]),
        ("issued_at", "yesterday"),
        ("issued_at", "2013-06-01T00:00"),
        ("valid_until", "2000-01-01T00:00Z"),
        ("valid_until", None),
    ],
)
def test_what_is_no_decision_is_refused(key: str, value: object) -> None:
    with pytest.raises(DecisionError):
        decode(json.dumps({**GOOD, key: value}).encode())


def test_keys_too_many_too_few_or_twice_are_refused() -> None:
    for name in GOOD:
        with pytest.raises(DecisionError, match="is missing"):
            decode(json.dumps({k: v for k, v in GOOD.items() if k != name}).encode())
    with pytest.raises(DecisionError, match="'extra' is unknown"):
        decode(json.dumps({**GOOD, "extra": 1}).encode())
    with pytest.raises(DecisionError, match="twice"):
        decode(encode(decided(0.05)).replace(b"{", b'{"epoch": 9,', 1))
    with pytest.raises(DecisionError, match="bytes"):
        decode(encode(decided(0.05)) + b" " * 70_000)


@given(st.integers(0, 700))
def test_a_decision_cut_anywhere_is_no_decision(length: int) -> None:
    whole = encode(decided(0.05)).rstrip()
    with pytest.raises(DecisionError):
        decode(whole[: min(length, len(whole) - 1)])


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_and_never_crash(raw: bytes) -> None:
    with pytest.raises(DecisionError):
        decode(raw)


def test_nested_beyond_measure_is_refused() -> None:
    with pytest.raises(DecisionError):
        decode(b"[" * 60_000)


def test_when_a_decision_is_over_the_canary_ends_and_an_experiment_goes_on() -> None:
    assert decided(0.05).allows(NOW) == 0.05
    assert decided(0.05).allows(NOW + 3600) == 0.0
    assert decided(0.5, phase="ab").allows(NOW + 3600) == 0.5


def test_a_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "decision.json"
    files.replace(path, b"old")
    path.chmod(0o640)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.replace(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    files.replace(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
