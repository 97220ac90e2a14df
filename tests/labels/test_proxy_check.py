"""`analyzer check` on the logs of proxies."""

from __future__ import annotations

from pathlib import Path

from logbook import Book, plain, times

from analyzer import policy
from analyzer.check import check


def described(root: Path, signals: dict | None, **labels: object) -> list[tuple[str, str]]:
    book = Book(root)
    ours, theirs = plain(200)
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    ids = ["r1", "r2", "r3"]
    told = {"request_id": ids, "label": [0, 1, 1], "label_ts": times([9000, 9001, 9002])}
    book.write("labels.parquet", told)
    sections = {"labels": {"paths": ["labels.parquet"], **labels}}
    if signals is not None:
        book.write("clicks.parquet", signals)
        sections["proxies.click"] = {"paths": ["clicks.parquet"]}
    found = check(book.describe(**sections), policy.load()).findings
    return [(f.log, f.problem) for f in found if "proxy" in f.log or "proxy" in f.problem]


def test_what_is_wrong_with_signals_is_said_of_the_proxy(tmp_path: Path) -> None:
    ids = ["r1", None, "nobody", "no one"]
    odd = ["maybe", "1", "1", "1"]
    when = times([9000, 9001, 9002, 9003])
    found = described(tmp_path, {"request_id": ids, "label": odd, "label_ts": when})
    said = " | ".join(problem for log, problem in found if log == "proxy click")
    assert "signals are neither 0 nor 1" in said
    assert "are in the champion's log" in said
    assert "labels are" not in said


def test_a_file_without_its_columns_is_named(tmp_path: Path) -> None:
    found = described(tmp_path, {"request_id": ["r1"], "label_ts": times([9000])})
    assert {log for log, _ in found} == {"proxy click"}
    said = " | ".join(problem for _, problem in found)
    assert "has no column 'label'" in said


def test_late_labels_without_a_proxy_are_noted(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert [log for log, _ in described(tmp_path / "a", None)] == ["labels"]
    assert described(tmp_path / "b", None, open_days=7) == []
