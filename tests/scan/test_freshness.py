"""A new day does not rescan the day before, unless one of its requests reaches over midnight."""

from __future__ import annotations

from pathlib import Path

import pytest
from logbook import Book, times

DAY = 86_400


def write_day(book: Book, day: int, ids: list[str], seconds: list[float]) -> None:
    """One file a side of one day; the shadow answers a second later."""
    stamps = [day * DAY + s for s in seconds]
    scores = [0.5] * len(ids)
    book.write(f"champion/{day}.parquet", {"request_id": ids, "ts": times(stamps), "score": scores})


def write_shadow(book: Book, day: int, ids: list[str], seconds: list[float]) -> None:
    """The challenger's file of one day."""
    stamps = [day * DAY + s for s in seconds]
    scores = [0.25] * len(ids)
    book.write(
        f"challenger/{day}.parquet", {"request_id": ids, "ts": times(stamps), "score": scores}
    )


@pytest.fixture
def two_sided(tmp_path: Path) -> Book:
    book = Book(tmp_path)
    book.describe(champion={"paths": ["champion"]}, challenger={"paths": ["challenger"]})
    write_day(book, 0, ["a", "b"], [60, DAY - 1])
    write_shadow(book, 0, ["a"], [61])  # b's shadow is late
    return book


def test_an_unrelated_new_day_leaves_the_day_before(two_sided: Book) -> None:
    book = two_sided
    book.scan()
    write_day(book, 1, ["c"], [5])
    write_shadow(book, 1, ["c"], [6])
    assert book.scan().scanned == ("2025-03-04T00",)
    assert book.scan().scanned == ()  # and it is remembered


def test_a_shadow_after_midnight_changes_the_day_before(two_sided: Book) -> None:
    book = two_sided
    book.scan()
    assert book.table("coverage")["matched"].to_pylist() == [1, 0]
    write_shadow(book, 1, ["b"], [4])
    assert set(book.scan().scanned) == {"2025-03-03T00", "2025-03-04T00"}
    assert book.table("coverage")["matched"].to_pylist()[:2] == [1, 1]


def test_a_late_file_of_the_day_itself_is_scanned(two_sided: Book) -> None:
    book = two_sided
    book.scan()
    book.write("challenger/late.parquet", {"request_id": ["z"], "ts": times([90]), "score": [0.1]})
    assert book.scan().scanned == ("2025-03-03T00",)


def test_the_same_bytes_as_one_scan_of_everything(two_sided: Book, tmp_path: Path) -> None:
    book = two_sided
    book.scan()
    write_day(book, 1, ["c"], [5])
    write_shadow(book, 1, ["c", "b"], [6, 7])
    book.scan()
    step_by_step = {m.slot: m.digest for m in book.store.manifests().values()}
    for path in sorted(book.store.path.glob("slots/*.json")):
        path.unlink()
    book.scan()
    assert {m.slot: m.digest for m in book.store.manifests().values()} == step_by_step
