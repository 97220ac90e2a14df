"""The newest minutes from the log files themselves: the same answer as from profiles, sooner."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from logbook import START, Book

from analyzer import policy
from analyzer.cli import run
from analyzer.diary import Event
from analyzer.errors import LogError
from analyzer.logs import SIDES
from analyzer.profiles import Profiles, open_profiles
from analyzer.triggers.kept import Kept
from analyzer.triggers.newest import Newest, newest
from analyzer.triggers.run import Triggers, triggers
from analyzer.window import HOUR, MINUTE, WEEK, Window, show

NOW = START + 2 * WEEK + 10 * HOUR + 32 * MINUTE
"""Two minutes later than the last minute that is settled."""

LIMITS = msgspec.structs.replace(
    policy.load().trigger, min_requests=15, min_expected=20.0, live_hours=1
)
A_MINUTE = 30


def rows(side: str, first: int, minutes: int, **change: Any) -> dict[str, Any]:
    """A_MINUTE requests a minute, of which `change` may alter n, latency and errors."""
    n = change.get("n", A_MINUTE)
    random = np.random.default_rng(first // MINUTE % 100_000)
    at = (
        first + MINUTE * np.arange(minutes)[:, None] + np.arange(n) * 59_999_000 // (n - 1)
    ).ravel()
    latency = random.uniform(20, 60, len(at)) * (change.get("latency", 1.0))
    if side == "challenger":
        at = at + 10
    return {
        "request_id": [f"r{i // 1000}" for i in at.tolist()],
        "ts": pa.array(at, pa.timestamp("us", tz="UTC")),
        "score": np.full(len(at), 0.3),
        "latency_ms": latency,
        "error": np.arange(len(at)) % A_MINUTE < change.get("errors", 0),
    }


def minute_file(book: Book, side: str, minute: int, **change: Any) -> None:
    """The file of one minute, counted from midnight of the last day."""
    first = START + 2 * WEEK + minute * MINUTE
    book.write(f"{side}/d2-{minute:04d}.parquet", rows(side, first, 1, **change))


def service(book: Book, changes: dict[int, dict[str, Any]] | None = None) -> None:
    """Two weeks of which the same ten hours were logged, and a morning of a file each minute."""
    for side in SIDES:
        for week in (0, 1):
            first = START + week * WEEK
            book.write(f"{side}/d{week}.parquet", rows(side, first, 12 * 60), row_group_size=7000)
        first = START + 2 * WEEK
        book.write(f"{side}/d2-0000.parquet", rows(side, first, 9 * 60 + 20), row_group_size=5000)
        for minute in range(9 * 60 + 20, 10 * 60 + 31):
            change = (changes or {}).get(minute, {})
            if side == "challenger" or "n" in change:
                minute_file(book, side, minute, **change)
            else:
                minute_file(book, side, minute)
    book.describe(
        {"paths": ["champion/*.parquet"]},
        {"paths": ["challenger/*.parquet"]},
        time={"slot_hours": 12},
    )


def asked(book: Book, as_of: int = NOW, events: tuple[Event, ...] = (), **changed: Any) -> Newest:
    return newest(book.rollout, msgspec.structs.replace(LIMITS, **changed), events, as_of)


def from_profiles(book: Book, like: Triggers, events: tuple[Event, ...] = ()) -> Triggers:
    book.scan()
    window = Window(NOW - 2 * MINUTE - HOUR, NOW - 2 * MINUTE)
    whole = open_profiles(book.store)
    manifests = list(book.store.manifests().values())
    profiles = Profiles(book.store, whole.frozen, manifests, window)
    return replace(triggers(book.rollout, profiles, LIMITS, events), origin=like.origin)


def one(found: Triggers, name: str) -> Any:
    return next(trigger for trigger in found.triggers if trigger.name == name)


def test_files_and_profiles_give_the_same_answer(book: Book) -> None:
    changes: dict[int, dict[str, Any]] = {m: {"latency": 3.0} for m in range(572, 585)}
    changes |= {m: {"errors": 2} for m in range(586, 592)}
    changes |= {m: {"n": 12} for m in range(600, 606)}
    service(book, changes)
    first = asked(book)
    assert one(first.found, "volume").outcome == "undecided", "nothing was scanned yet"
    book.scan(window=(START, START + 2 * WEEK))
    found = asked(book).found
    assert {t.name: t.outcome for t in found.triggers} == {
        "latency": "fired",
        "errors": "fired",
        "volume": "fired",
        "volume of the challenger": "ok",
    }
    (drop,) = one(found, "volume").firings
    noon = START + 2 * WEEK
    assert (drop.first, drop.fired) == (show(noon + 600 * MINUTE), show(noon + 604 * MINUTE))
    assert found.window == (show(NOW - 62 * MINUTE), show(NOW - 2 * MINUTE))
    assert from_profiles(book, found) == found
    canary = (Event(ts=show(START), kind="weight", challenger_weight=0.5),)
    assert [t.name for t in asked(book, events=canary).found.triggers][-2:] == [
        "volume of the champion",
        "volume of the challenger",
    ]


def test_a_file_is_read_once_and_a_late_one_is_seen(book: Book) -> None:
    service(book)
    cold = asked(book)
    warm = asked(book)
    assert (cold.known, warm.read) == (0, 0) and cold.read == warm.known > 120
    assert warm.found == cold.found and warm.unsaved == ""
    late = {"n": 40, "errors": 40}
    book.write("challenger/late.parquet", rows("challenger", NOW - 30 * MINUTE, 5, **late))
    more = asked(book)
    assert more.read == 1 and more.known == warm.known
    assert one(more.found, "errors").firings[0].counts == {"errors": 200, "requests": 350}
    minute_file(book, "challenger", 10 * 60 + 31)
    minute_file(book, "champion", 10 * 60 + 31)
    later = asked(book, NOW + MINUTE)
    assert later.read == 2 and later.found.window[1] == show(NOW - MINUTE)
    (book.root / ".analyzer" / "newest.bin").write_bytes(b"garbled")
    assert asked(book).found == more.found


def test_counts_kept_of_another_description_are_not_used(book: Book) -> None:
    service(book)
    asked(book)
    assert Kept(book.rollout).counts["champion"]
    book.describe(
        {"paths": ["champion/*.parquet"]},
        {"paths": ["challenger/*.parquet"], "where": "score > 1"},
    )
    assert not Kept(book.rollout).counts["challenger"]
    found = asked(book, events=(Event(ts=show(START), kind="weight", challenger_weight=0.9),))
    assert one(found.found, "volume of the challenger").outcome == "fired", "no row is its own"


def test_what_cannot_be_read_is_missing_and_named(book: Book) -> None:
    service(book)
    book.scan(window=(START, START + 2 * WEEK))
    torn = book.root / "champion" / "d2-0625.parquet"
    torn.write_bytes(torn.read_bytes()[:400])
    found = asked(book).found
    assert [t.minutes["missing"] for t in found.triggers] == [1, 0, 1, 1]
    (note,) = found.notes
    at = START + 2 * WEEK + 625 * MINUTE
    assert note.startswith("champion: champion/d2-0625.parquet is not readable Parquet")
    assert note.endswith(f"{show(at)} to {show(at + MINUTE)} counts as missing")
    newest_file = book.root / "challenger" / "d2-0629.parquet"
    newest_file.write_bytes(b"")
    book.root.joinpath("challenger", "d2-0630.parquet").unlink()
    found = asked(book).found
    assert one(found, "errors").minutes["missing"] == 1
    assert len(found.notes) == 2 and "0 bytes" in found.notes[1]
    breach = asked(book, missing="breach", error_minutes=1).found
    assert one(breach, "errors").outcome == "fired"


def test_profiles_know_of_files_that_could_not_be_read(book: Book) -> None:
    service(book)
    torn = book.root / "challenger" / "d2-0600.parquet"
    torn.write_bytes(torn.read_bytes()[:400])
    book.scan(window=(START, START + 2 * WEEK))
    found = asked(book).found
    assert one(found, "latency").minutes["missing"] == 1
    assert from_profiles(book, found) == found


@pytest.mark.parametrize("column", ["latency_ms", "error"])
def test_a_column_that_is_not_logged_is_no_ok(book: Book, column: str) -> None:
    service(book)
    for path in sorted((book.root / "challenger").glob("*.parquet")):
        import pyarrow.parquet as pq

        pq.write_table(pq.read_table(path).drop_columns([column]), path)
    found = asked(book).found
    trigger = one(found, "latency" if column == "latency_ms" else "errors")
    assert trigger.outcome == "undecided" and trigger.minutes["missing"] == 60
    assert one(from_profiles(book, found), trigger.name) == trigger


def test_one_model_silent_and_minutes_out_of_order(book: Book) -> None:
    service(book)
    for minute in range(620, 631):
        (book.root / "challenger" / f"d2-{minute:04d}.parquet").unlink()
    shuffled = rows("champion", START + 2 * WEEK + 600 * MINUTE, 6)
    order = np.random.default_rng(1).permutation(6 * A_MINUTE)
    for minute in range(600, 606):
        (book.root / "champion" / f"d2-{minute:04d}.parquet").unlink()
    book.write("champion/d2-0600.parquet", pa.table(shuffled).take(pa.array(order)))
    found = asked(book).found
    (silent,) = one(found, "volume of the challenger").firings
    assert silent.first == show(START + 2 * WEEK + 620 * MINUTE)
    assert one(found, "latency").outcome == "undecided"
    assert one(found, "latency").minutes["ok"] == 50


def test_an_earlier_incident_is_left_out_of_what_is_expected_and_said(book: Book) -> None:
    service(book)
    book.scan(window=(START, START + 2 * WEEK))
    day = START + WEEK
    incident = Event(ts=show(day + 9 * HOUR), kind="incident", end=show(day + 10 * HOUR))
    (note,) = asked(book, events=(incident,)).found.notes
    assert note.startswith("1 earlier hour of this time of the week left out of the expected")


def test_the_last_minutes_wait_until_they_are_settled(book: Book) -> None:
    service(book)
    found = asked(book, settle_minutes=0).found
    assert found.window[1] == show(NOW)
    assert one(found, "latency").minutes["missing"] == 1, "the minute that is being written"
    found = asked(book, bucket_minutes=5, as_of=NOW).found
    assert found.window[1] == show(NOW - 2 * MINUTE)
    assert asked(book, bucket_minutes=20).found.window[1] == show(NOW - 12 * MINUTE)


def test_the_command(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    service(book, {m: {"latency": 3.0} for m in range(600, 612)})
    (book.root / "policy.toml").write_text("[trigger]\nmin_requests = 15\n", encoding="utf-8")
    text = (book.root / "rollout.toml").read_text(encoding="utf-8")
    (book.root / "rollout.toml").write_text(text + '[policy]\npath = "policy.toml"\n')
    command = ["triggers", "--live", "--config", str(book.root / "rollout.toml")]
    assert run([*command, "--as-of", show(NOW), "--json"]) == 5
    out, err = capsys.readouterr()
    assert json.loads(out)["origin"] == "newest files" and "files read" in err
    assert run([*command, "--as-of", show(NOW)]) == 5
    assert "from newest files" in " ".join(capsys.readouterr().out.split())
    assert run([*command, "--last", "2h"]) == 2
    (book.root / "champion").rename(book.root / "gone")
    assert run([*command, "--as-of", show(NOW)]) == 2
    with pytest.raises(LogError, match="matches no file"):
        asked(book)


def test_it_waits_for_no_library_that_it_does_not_need(book: Book) -> None:
    for side in SIDES:
        minute_file(book, side, 9 * 60)
        minute_file(book, side, 9 * 60 + 1)
    book.describe({"paths": ["champion/*.parquet"]}, {"paths": ["challenger/*.parquet"]})
    command = ["triggers", "--live", "--config", str(book.root / "rollout.toml"), "--as-of"]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "analyzer.cli", *command, show(NOW)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4 and "4 files read, 0 known before" in done.stderr, done.stderr
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if "|" in line}
    slow = {"scipy", "pyarrow.compute", "polars", "duckdb", "numpy.random", "altair"}
    assert "analyzer.triggers.newest" in loaded and not loaded & slow, loaded & slow
