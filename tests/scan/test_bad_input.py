"""Bad logs: each gives a clear message or a counted, named effect; never a traceback."""

from __future__ import annotations

import builtins
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from logbook import SECOND, START, Book, hour_of, plain, times

from analyzer import logs
from analyzer.errors import LogError
from analyzer.logs import LogFile

HOURS = {"time": {"slot_hours": 4}}
FOLDERS = ({"paths": ["champion/*"]}, {"paths": ["challenger/*"]})


def spoiled(book: Book, **sections: Any) -> None:
    """Good logs in folders, to which a test adds a bad file."""
    ours, theirs = plain(400)
    book.write("champion/a.parquet", ours.slice(0, 200))
    book.write("champion/b.parquet", ours.slice(200))
    book.write("challenger/a.parquet", theirs)
    book.describe(*FOLDERS, **{**HOURS, **sections})


def only_problem(book: Book) -> LogFile:
    """The one file that the scan could not use; all others were analysed."""
    (problem,) = book.scan().problems
    assert book.total("coverage", "matched") == 400
    assert [f.name for f in book.scan().problems] == [problem.name], "still named when up to date"
    return problem


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty (0 bytes)"),
        (b"PAR1", "not readable Parquet"),
        (b"request_id,ts,score\n1,2,3\n", "not readable Parquet"),
        (None, "not readable Parquet, perhaps cut short"),
    ],
    ids=["zero bytes", "magic only", "csv", "cut short"],
)
def test_files_that_are_not_parquet(book: Book, content: bytes | None, message: str) -> None:
    spoiled(book)
    if content is None:
        content = (book.root / "champion/a.parquet").read_bytes()[:-500]
    (book.root / "champion/bad.parquet").write_bytes(content)
    problem = only_problem(book)
    assert problem.name == "champion/bad.parquet" and message in problem.problem


def test_a_file_with_broken_pages_stops_with_its_name(book: Book) -> None:
    spoiled(book)
    path = book.root / "champion/b.parquet"
    content = bytearray(path.read_bytes())
    content[10:2000] = os.urandom(1990)
    path.write_bytes(content)
    with pytest.raises(LogError, match=r"champion/b\.parquet: cannot be read"):
        book.scan()


COLUMN = {"request_id": ["x"], "ts": times([1]), "score": [0.5], "latency_ms": [1.0]}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"score": None}, "has no column 'score' (score); map it under [champion.columns]"),
        ({"ts": None}, "has no column 'ts' (ts)"),
        ({"request_id": None}, "has no column 'request_id'"),
        ({"score": ["high"]}, "column 'score' (score) holds text, not number"),
        ({"ts": [1]}, "column 'ts' (ts) holds number, not time"),
        ({"ts": pa.array([None], pa.timestamp("us", "UTC"))}, "'ts' (ts) is NULL in all 1 rows"),
        ({"ts": pa.nulls(1)}, "column 'ts' (ts) holds null, not time"),
        ({"request_id": [7]}, "holds number here but text in most of the log"),
        ({"latency_ms": [[1.0]]}, "column 'latency_ms' (latency_ms) holds list"),
        ({"country": [{"code": "de"}]}, "column 'country' (country) holds struct"),
        ({"ts": times([6e12])}, "times before 1970 or after 2200"),
        ({"ts": pa.array([2**62], pa.timestamp("us", "UTC"))}, "times before 1970 or after 2200"),
        ({"amount": ["12,50"]}, "column 'amount': numeric feature 'amount' holds text"),
    ],
)
def test_files_whose_columns_do_not_fit(book: Book, columns: dict[str, Any], message: str) -> None:
    spoiled(book, segments={"columns": ["country"]}, features={"numeric": ["amount"]})
    changed = {k: v for k, v in {**COLUMN, **columns}.items() if v is not None}
    book.write("champion/bad.parquet", changed)
    assert message in only_problem(book).problem


def test_a_column_twice(book: Book) -> None:
    spoiled(book)
    names = ["request_id", "ts", "score", "score"]
    book.write("champion/bad.parquet", pa.table([["x"], times([1]), [0.5], [0.6]], names=names))
    assert "has 2 columns named 'score'" in only_problem(book).problem


def test_permission_denied(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    spoiled(book)
    good = logs._footer

    def footer(rollout: Any, side: Any, file: LogFile, parquet: Any) -> LogFile:
        if file.name.endswith("b.parquet"):
            raise PermissionError(13, "Permission denied")
        return good(rollout, side, file, parquet)

    monkeypatch.setattr(logs, "_footer", footer)
    (problem,) = book.scan().problems
    assert problem.problem == "may not be read; give this user read permission"
    assert book.total("coverage", "only_challenger") == 200
    monkeypatch.undo()
    assert book.scan().problems == (), "a problem is never remembered"
    assert book.total("coverage", "matched") == 400


def test_nothing_usable_is_a_clean_stop(book: Book) -> None:
    for side in ("champion", "challenger"):
        (book.root / f"{side}.parquet").write_bytes(b"")
    book.describe()
    with pytest.raises(LogError, match=r"no log file can be used:\n  champion\.parquet: is empty"):
        book.scan()


def test_a_glob_that_matches_nothing(book: Book) -> None:
    book.describe({"paths": ["nowhere/*.parquet"]})
    with pytest.raises(LogError, match=r"\[champion\] nowhere/\*\.parquet: matches no file"):
        book.scan()


def test_logs_without_rows(book: Book) -> None:
    for side, table in zip(("champion", "challenger"), plain(10), strict=True):
        book.write(f"{side}.parquet", table.slice(0, 0))
    book.describe()
    with pytest.raises(LogError, match="hold no row with a timestamp"):
        book.scan()


def test_one_side_without_rows(book: Book) -> None:
    ours, theirs = plain(50)
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs.slice(0, 0))
    book.describe(**HOURS)
    assert book.scan().problems == ()
    assert book.total("coverage", "only_champion") == 50
    assert book.table("worst").num_rows == 0


def test_a_challenger_only(book: Book) -> None:
    ours, theirs = plain(50)
    book.write("champion.parquet", ours.slice(0, 0))
    book.write("challenger.parquet", theirs)
    book.describe(**HOURS)
    with pytest.raises(LogError, match="champion's log has no usable file"):
        book.scan()


def test_a_feature_that_one_file_lacks_counts_as_null(book: Book) -> None:
    ours, theirs = plain(400, hours=8, amount=np.arange(400.0), plan=["a"] * 400)
    book.write("champion/a.parquet", ours.slice(0, 200))
    book.write("champion/b.parquet", ours.slice(200).drop_columns(["amount", "plan"]))
    book.write("challenger/a.parquet", theirs)
    features = {"numeric": ["amount"], "categorical": ["plan"]}
    book.describe(*FOLDERS, **HOURS, features=features)
    assert book.scan().problems == ()
    assert book.total("histograms", column="amount", cell=66) == 200
    assert book.total("values", column="plan", value=None) == 200
    files = logs.survey(book.rollout, "champion")
    gaps = logs.gaps(files, book.rollout, "champion")
    assert [(f.name, c) for f, c in gaps] == [
        ("champion/b.parquet", "amount"),
        ("champion/b.parquet", "plan"),
    ]


def test_ids_null_and_twice_within_and_across_files(book: Book) -> None:
    """The earliest pairs, then the smallest score; the others are counted."""
    one = {
        "request_id": ["a", "a", None, "b"],
        "ts": times([5, 4, 6, 7]),
        "score": [0.1, 0.2, 0.3, 0.4],
    }
    two = {"request_id": ["a", "b"], "ts": times([4, 8]), "score": [0.15, 0.9]}
    book.write("champion/1.parquet", one)
    book.write("champion/2.parquet", two)
    book.write(
        "challenger/1.parquet", {"request_id": ["a", "b"], "ts": times([4, 8]), "score": [0.5, 0.5]}
    )
    book.describe(*FOLDERS, **HOURS)
    book.scan()
    (row,) = book.table("coverage").to_pylist()
    assert (row["champion_rows"], row["champion_duplicates"], row["matched"]) == (6, 3, 2)
    assert row["only_champion"] == 1, "the row without an id"
    assert book.total("rejects", reason="request id null") == 1
    found = {r["request_id"]: r["champion_score"] for r in book.table("worst").to_pylist()}
    assert found == {"a": 0.15, "b": 0.4}


def test_rows_without_ts_are_counted(book: Book) -> None:
    spoiled(book)
    at = pa.concat_arrays([times([7200, 7300]), pa.nulls(3, times([0]).type)])
    columns = {"request_id": list("vwxyz"), "ts": at, "score": [0.5, 0.5, 0.5, 0.5, None]}
    book.write("champion/holes.parquet", columns)
    book.scan()
    (row,) = [r for r in book.table("rejects").to_pylist() if r["reason"] == "ts null"]
    assert (row["n"], row["model"], hour_of(row["hour"])) == (3, "champion", 2)
    book.describe({"paths": ["champion/*"], "where": "score > 0"}, FOLDERS[1], **HOURS)
    book.scan()
    assert book.total("rejects", reason="ts null") == 2, "only the model's own rows"


def test_odd_numbers_are_counted_apart(book: Book) -> None:
    ours, theirs = plain(6)
    odd = pa.array([np.nan, np.inf, -np.inf, 1e308, None, 3.0])
    ours = ours.append_column("amount", odd).append_column("nothing", pa.nulls(6))
    ours = ours.append_column("constant", pa.array([4.0] * 6))
    ours = ours.set_column(3, "latency_ms", pa.array([-1.0, np.nan, np.inf, 1e300, None, 0.0]))
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    book.describe(features={"numeric": ["amount", "nothing", "constant"]}, **HOURS)
    book.scan()
    cells = {
        (r["column"], r["cell"]): r["n"]
        for r in book.table("histograms")
        .group_by(["column", "cell"])
        .aggregate([("n", "sum")])
        .rename_columns(["column", "cell", "n"])
        .to_pylist()
    }
    special = {cell: n for (column, cell), n in cells.items() if column == "amount" and cell > 65}
    assert special == {66: 1, 67: 1, 68: 1, 69: 1}
    assert cells["nothing", 66] == 6 and cells["constant", 0] == 6
    assert book.total("rejects", reason="latency negative or not finite") == 4
    assert book.total("cells", "latency_n", model="champion", a=None) == 1


def test_a_category_with_very_many_values(book: Book) -> None:
    rows = 30_000
    ours, theirs = plain(rows, session=[f"session {i:05}" for i in range(rows)])
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    book.describe(features={"categorical": ["session"]}, segments={"columns": ["session"]}, **HOURS)
    book.scan()
    counts = book.table("values")
    assert counts.num_rows <= 4 * 1001
    assert book.total("values", column="session", value="(other)") == rows - 1000
    assert book.table("newcomers").num_rows == 100
    assert book.table("newcomers")["value"][0].as_py() == "session 01000", "ties by value"
    values = {r["a_value"] for r in book.table("cells").to_pylist() if r["a"] == "session"}
    assert len(values) == 51, "fifty and the rest"


HOSTILE = [
    "it's",
    'say "hi"',
    "a b",
    "'; DROP TABLE logs; --",
    "<script>alert(1)</script>",
    "🚀",
    "two\nlines",
    "(other)",
    "\\(other)",
    "",
    "ünï",
    "%s{0}$x",
    "\x00nul",
    "a,b;c",
    "NULL",
]


def test_hostile_names(book: Book) -> None:
    """In columns, in segment values, in file names: data, nothing else."""
    ours, theirs = plain(300)
    values = [HOSTILE[i % len(HOSTILE)] for i in range(300)]
    columns = ['it\'s "q"; DROP--', "<b>🚀\n", "a.b", "%s $name"]
    for column in columns:
        ours = ours.append_column(column, pa.array(values))
    numeric = "n;'\" *"
    ours = ours.append_column(numeric, pa.array(np.arange(300.0)))
    book.write("champ [1]/it's <b> 🚀 *.parquet", ours)
    book.write("challenger.parquet", theirs)
    book.describe(
        {"paths": ["champ [1]/it's <b> 🚀 *.parquet"]},
        segments={"columns": columns[:2]},
        features={"categorical": columns[2:], "numeric": [numeric]},
        **HOURS,
    )
    assert book.scan().problems == ()
    wanted = {"\\" + v if v.lstrip("\\") == "(other)" else v for v in HOSTILE}
    for column in columns[2:]:
        rows = [r for r in book.table("values").to_pylist() if r["column"] == column]
        assert {r["value"] for r in rows} == wanted
    rows = [r for r in book.table("cells").to_pylist() if r["a"] == columns[0] and not r["b"]]
    assert {r["a_value"] for r in rows} - {None} == wanted
    assert book.total("histograms", column=numeric) == 300


def test_a_file_name_that_is_not_utf8(book: Book) -> None:
    spoiled(book)
    good = (book.root / "champion/a.parquet").read_bytes()
    bad = os.fsencode(book.root) + b"/champion/z\xff.parquet"
    with builtins.open(bad, "wb") as file:
        file.write(good)
    problem = only_problem(book)
    assert problem.name == "champion/z\\xff.parquet" and "not UTF-8" in problem.problem


def test_clock_skew_shows_as_lag(book: Book) -> None:
    ours, theirs = plain(300)
    late = pa.array(np.asarray(ours["ts"].cast(pa.int64())) + 90 * SECOND)
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs.set_column(1, "ts", late.cast(ours["ts"].type)))
    book.describe(**HOURS)
    book.scan()
    assert book.total("coverage", "lag_us") == book.total("coverage", "matched") * 90 * SECOND


def test_one_row_of_a_clock_gone_wrong_is_no_reference(book: Book) -> None:
    ours, theirs = plain(400, plan=["a", "b"] * 200)
    wrong = {"request_id": ["x"], "ts": pa.array([0], ours["ts"].type), "score": [0.5]}
    book.write("champion/a.parquet", ours)
    book.write("champion/wrong.parquet", {**wrong, "plan": ["odd"]})
    book.write("challenger/a.parquet", theirs)
    book.describe(*FOLDERS, features={"categorical": ["plan"]}, **HOURS)
    book.scan()
    frozen = book.store.frozen()
    assert frozen.vocabularies["plan"] == ["a", "b"]
    assert frozen.reference_start.startswith("2025-03-03")
    assert book.total("coverage", "only_champion") == 1


def test_a_file_matched_twice_counts_once(book: Book) -> None:
    ours, theirs = plain(100)
    book.write("champion/a.parquet", ours)
    book.write("challenger.parquet", theirs)
    (book.root / "link.parquet").symlink_to(book.root / "champion/a.parquet")
    book.describe(
        {"paths": ["champion/*", "champion/a.parquet", "champion", "link.parquet"]}, **HOURS
    )
    book.scan()
    assert book.total("coverage", "champion_rows") == 100
    assert book.total("coverage", "champion_duplicates") == 0


def test_the_same_rows_in_two_files_are_duplicates(book: Book) -> None:
    ours, theirs = plain(100)
    book.write("champion/a.parquet", ours)
    book.write("champion/copy.parquet", ours)
    book.write("challenger/a.parquet", theirs)
    book.describe(*FOLDERS, **HOURS)
    book.scan()
    assert book.total("coverage", "champion_duplicates") == 100
    assert book.total("coverage", "matched") == 100


def test_days_that_the_shadow_misses(book: Book) -> None:
    ours, theirs = plain(300, hours=72)
    kept = np.asarray(theirs["ts"].cast(pa.int64())) < START + 24 * 3600 * SECOND
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs.filter(pa.array(kept)))
    book.describe()
    assert len(book.scan().scanned) == 3
    by_day: dict[int, list[int]] = {}
    for row in book.table("coverage").to_pylist():
        sums = by_day.setdefault(hour_of(row["hour"]) // 24, [0, 0])
        sums[0] += row["champion_rows"]
        sums[1] += row["matched"]
    assert [by_day[day][1] > 0 for day in range(3)] == [True, False, False]
    assert sum(sums[0] for sums in by_day.values()) == 300


def test_a_where_that_is_wrong_names_statement_and_file(book: Book) -> None:
    spoiled(book)
    for where, message in (
        ("score >", "score >"),
        ("colour = 'red'", "names none of its columns"),
        ("score = 'high'", "high"),
    ):
        book.describe({"paths": ["champion/*"], "where": where}, FOLDERS[1], **HOURS)
        with pytest.raises(LogError, match=message):
            book.scan()


def test_paths_stay_as_they_were_given(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same names in messages from whatever folder the tool is run."""
    spoiled(book)
    (book.root / "champion/bad.parquet").write_bytes(b"")
    monkeypatch.chdir(Path("/"))
    assert only_problem(book).name == "champion/bad.parquet"
