"""The store: appears at once, survives kills and full disks, knows what is dirty."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from logbook import Book, plain, times, write_messy

from analyzer import config, store
from analyzer.errors import ConfigError, StoreError

TABLE_FILES = "data/*/*.parquet"


def content(book: Book) -> dict[str, bytes]:
    """All table files by name: what must come out the same."""
    root = book.store.path
    return {str(p.relative_to(root)): p.read_bytes() for p in root.glob(TABLE_FILES)}


KILLED = """
import os, signal, sys
from analyzer import config, policy, store
from analyzer.scan import run as scan

left = [int(sys.argv[2])]
write, replace = store._write, os.replace

def die():
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)

def slow_write(path, content):
    die()
    with open(path, "wb") as file:
        file.write(content[: len(content) // 2])
    die()
    write(path, content)

def slow_replace(a, b):
    die()
    replace(a, b)
    die()

store._write, os.replace = slow_write, slow_replace
scan.scan(config.load(sys.argv[1]), policy.load())
"""


@pytest.mark.parametrize("steps", [1, 4, 12, 41, 45])
def test_a_killed_scan_is_completed_to_the_same_bytes(tmp_path: Path, steps: int) -> None:
    whole, broken = Book(tmp_path / "whole"), Book(tmp_path / "broken")
    for book in (whole, broken):
        write_messy(book, rows=500)
    whole.scan()
    command = [sys.executable, "-c", KILLED, str(broken.root / "rollout.toml"), str(steps)]
    ended = subprocess.run(command, check=False, capture_output=True, cwd=Path(__file__).parents[2])
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()[-2000:]
    broken.scan()
    assert content(broken) == content(whole)
    assert not list(broken.store.path.rglob("*.part"))
    assert broken.scan().scanned == ()


def test_a_full_disk_is_a_clear_message_and_the_next_scan_completes(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_messy(book, rows=500)
    good = store._write
    room = [10]

    def write(path: Path, content: bytes) -> None:
        room[0] -= 1
        if room[0] < 0:
            good(path, content[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        good(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(store, "_write", write)
        with pytest.raises(StoreError, match=r"No space left on device.*make room"):
            book.scan()
        room[0] = 0
        with pytest.raises(StoreError, match="No space left on device"):
            book.scan()
    book.scan()
    found = content(book)
    other = Book(book.root / "other")
    write_messy(other, rows=500)
    other.scan()
    assert content(other) == found


def test_two_scans_at_once(book: Book) -> None:
    write_messy(book, rows=500)
    with (
        book.store.locked(),
        pytest.raises(StoreError, match=rf"another scan.*process {os.getpid()}"),
    ):
        book.scan()
    assert len(book.scan().scanned) == 3


def test_a_lock_left_by_a_dead_process_holds_nobody(book: Book) -> None:
    write_messy(book, rows=500)
    with book.store.locked():
        pass
    with open(book.store.path / "lock", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert book.scan().scanned


def test_a_store_that_cannot_be_written(book: Book) -> None:
    write_messy(book, rows=500)
    (book.root / ".analyzer").write_text("a file where the store should be")
    with pytest.raises(StoreError, match=r"cannot be read.*Not a directory"):
        book.scan()


@pytest.mark.parametrize("harm", ["cut", "gone", "folder gone", "bad manifest"])
def test_a_damaged_slot_is_noticed_and_made_again(book: Book, harm: str) -> None:
    write_messy(book, rows=500)
    book.scan()
    before = content(book)
    victim = sorted(book.store.path.glob("data/*/cells.parquet"))[0]
    if harm == "cut":
        os.truncate(victim, 100)
        with pytest.raises(StoreError, match="scan"):
            book.table("cells")
    elif harm == "gone":
        victim.unlink()
        with pytest.raises(StoreError, match="scan"):
            book.table("cells")
    elif harm == "folder gone":
        victim.parent.rename(victim.parent.with_name("elsewhere"))
    else:
        sorted(book.store.path.glob("slots/*.json"))[0].write_text("{")
    assert len(book.scan().scanned) == 1
    found = content(book)
    assert {name: found[name] for name in before} == before


def test_what_is_not_the_stores_own_is_never_removed(book: Book) -> None:
    """`[store] path` may point at a folder that holds `data/` of its own."""
    write_messy(book, rows=500)
    (book.root / "data/raw").mkdir(parents=True)
    (book.root / "data/raw/precious.txt").write_text("logs of five years")
    (book.root / "notes.part").write_text("mine")
    rollout = book.root / "rollout.toml"
    rollout.write_text(rollout.read_text() + '[store]\npath = "."\n')
    for _ in range(2):
        book.scan()
    assert (book.root / "data/raw/precious.txt").read_text() == "logs of five years"
    assert (book.root / "notes.part").exists()


def test_another_schema_is_refused_by_name_and_left_alone(book: Book) -> None:
    write_messy(book, rows=500)
    book.scan()
    file = book.store.path / "store.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "schema": 99, "new key": 1}))
    before = content(book)
    for use in (book.scan, lambda: book.profiles):
        with pytest.raises(StoreError, match=r"schema 99.*reads \d"):
            use()
    assert content(book) == before


def test_roles_swapped_by_mistake_are_refused(book: Book) -> None:
    write_messy(book, rows=500)
    book.scan()
    sides = ({"paths": ["challenger.parquet"]}, {"paths": ["champion.parquet"]})
    book.describe(*sides, time={"slot_hours": 3})
    with pytest.raises(ConfigError, match="changed places"):
        book.scan()


def test_two_columns_of_one_wide_row_are_not_swapped(book: Book) -> None:
    ours, theirs = plain(300)
    book.write("wide.parquet", ours.append_column("other", theirs["score"]))
    label = {"score": {"type": "regression"}, "time": {"slot_hours": 4}}
    mapped = {"paths": ["wide.parquet"], "columns": {"score": "other"}}
    book.describe({"paths": ["wide.parquet"]}, mapped, **label)
    assert len(book.scan().scanned) == 1
    assert book.scan().scanned == ()


def two_days(book: Book) -> None:
    """Logs of two slots in files of their own."""
    ours, theirs = plain(400, hours=4)
    for side, table in (("champion", ours), ("challenger", theirs)):
        for number in range(2):
            book.write(f"{side}/{number}.parquet", table.slice(number * 200, 200))
    book.describe(
        {"paths": ["champion/*.parquet"]},
        {"paths": ["challenger/*.parquet"]},
        time={"slot_hours": 2, "pairing_slack_minutes": 0},
    )


def test_nothing_new_is_nothing_to_do(book: Book) -> None:
    two_days(book)
    assert len(book.scan().scanned) == 2
    found = book.scan()
    assert found.scanned == () and len(found.kept) == 2 and found.rows == 0


def test_what_makes_a_slot_dirty(book: Book) -> None:
    two_days(book)
    book.scan()
    digests = book.digests()
    alone = book.total("coverage", "only_challenger")
    first = book.root / "champion/0.parquet"
    stat = first.stat()
    os.utime(first, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert "2025-03-03T00" in book.scan().scanned and book.digests() == digests, "touched"
    late = {"request_id": ["late"], "ts": times([10]), "score": [0.5], "latency_ms": [1.0]}
    book.write("challenger/late.parquet", late)
    assert book.scan().scanned == ("2025-03-03T00",), "a late file"
    assert book.total("coverage", "only_challenger") == alone + 1
    (book.root / "challenger/late.parquet").unlink()
    assert book.scan().scanned == ("2025-03-03T00",), "a file taken away"
    assert book.digests() == digests
    book.write("champion/1.parquet", plain(400)[0].slice(200, 100))
    assert "2025-03-03T02" in book.scan().scanned, "a file that changed"
    assert book.total("coverage", "champion_rows") == 300
    text = (book.root / "rollout.toml").read_text()
    (book.root / "rollout.toml").write_text(text + "[score]\nthreshold = 0.7\n")
    assert len(book.scan().scanned) == 2, "another config"


def test_a_window_scans_only_its_slots(book: Book) -> None:
    two_days(book)
    start = config and times([0]).cast("int64")[0].as_py()
    assert book.scan(window=(start, start + 1)).scanned == ("2025-03-03T00",)
    assert book.scan().scanned == ("2025-03-03T02",)


def test_a_folder_that_was_copied_reads_its_own_logs(book: Book) -> None:
    two_days(book)
    book.scan()
    matched = book.total("coverage", "matched")
    copy = book.root.parent / "copy"
    subprocess.run(["cp", "-a", str(book.root), str(copy)], check=True)
    for file in book.root.rglob("*.parquet"):
        file.unlink()
    moved = Book(copy)
    (copy / "rollout.toml").write_text(
        (copy / "rollout.toml").read_text() + "[score]\nthreshold = 0.7\n"
    )
    assert len(moved.scan().scanned) == 2
    assert moved.total("coverage", "matched") == matched


def test_readers_name_what_is_missing(book: Book) -> None:
    two_days(book)
    with pytest.raises(StoreError, match="run `analyzer scan` first"):
        _ = book.profiles
    book.scan()
    with pytest.raises(StoreError, match="no table 'cels'"):
        book.table("cels")
