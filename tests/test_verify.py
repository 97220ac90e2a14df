"""A verdict's numbers counted once more from raw logs: they agree, whatever the logs hold."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from logbook import START, Book, plain, times, write_messy

from analyzer import cli, engine, policy, sql
from analyzer.diary import Event
from analyzer.gate import gate
from analyzer.logs import SIDES
from analyzer.profiles import open_profiles
from analyzer.slo.answer import Slo, slo
from analyzer.verdict import Verdict
from analyzer.verify import Verification, verify, verify_levels
from analyzer.window import HOUR, MINUTE, Window, show

# DuckDB warns that `execute` copies Arrow results; engine.run is where that would change
pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")

GOLDEN = Path(__file__).parent / "golden"
POLICY = msgspec.structs.replace(
    policy.load(), record=msgspec.structs.replace(policy.load().record, splits=0)
)
QUERIES = ("verify_ages", "verify_nulls", "verify_pairs", "verify_parity", "verify_rows")
TYPES = {
    "string": (pa.string(), str),
    "int64": (pa.int64(), int),
    "double": (pa.float64(), float),
    "bool": (pa.bool_(), lambda text: text == "true"),
}


def table(path: Path) -> pa.Table:
    """A golden table: CSV whose header says `name:type`; an empty cell is NULL."""
    header, *lines = list(csv.reader(path.read_text().splitlines()))
    columns = {}
    for index, (name, kind) in enumerate(cell.split(":") for cell in header):
        arrow, convert = TYPES[kind]
        cells = [line[index] for line in lines]
        columns[name] = pa.array([convert(c) if c else None for c in cells], arrow)
    return pa.table(columns)


@pytest.mark.parametrize("name", QUERIES)
def test_golden(name: str) -> None:
    query = sql.load(name)
    assert set(query.header) == set(sql.HEADER)
    with engine.connect() as connection:
        for path in (GOLDEN / name).glob("*.csv"):
            if path.stem != "expected":
                connection.register(path.stem, table(path))
        parameters = json.loads((GOLDEN / name / "parameters.json").read_text())
        found = engine.run(connection, query.text, parameters)
    assert found.to_pylist() == table(GOLDEN / name / "expected.csv").to_pylist()
    assert all(column in query.header["columns"] for column in found.column_names)


def test_every_statement_has_a_golden_folder() -> None:
    assert tuple(n for n in sql.names() if n.startswith("verify_")) == QUERIES


def judged(book: Book, first: int = 0, last: int | None = None) -> Verdict:
    """The gate's verdict on a scanned book, over hours [first, last)."""
    window = Window(START + first * HOUR, START + last * HOUR) if last else None
    return gate(book.rollout, POLICY, "shadow", window=window)


def recounted(book: Book, verdict: Verdict) -> Verification:
    return verify(book.rollout, POLICY, verdict)


def assert_agrees(book: Book, first: int = 0, last: int | None = None) -> Verification:
    verdict = judged(book, first, last)
    found = recounted(book, verdict)
    assert [n for n in found.numbers if not n.same] == []
    assert found.uncounted == ()
    counted = {(check.id, name) for check in verdict.checks for name in check.counts}
    assert {(n.check, n.name) for n in found.numbers} == counted
    assert found.agrees
    return found


def value(found: Verification, name: str) -> int:
    return next(n.logs for n in found.numbers if n.name == name)


@pytest.mark.parametrize("span", [(0, 6), (1, 5), (2, 3)])
def test_messy_logs_agree_also_where_the_window_cuts_slots(
    book: Book, span: tuple[int, int]
) -> None:
    write_messy(book, slot_hours=3)
    toml = book.root / "rollout.toml"
    text = toml.read_text().replace("[features]", '[features]\ncritical = ["amount", "plan"]')
    toml.write_text(text)
    book.scan()
    found = assert_agrees(book, *span)
    for name in ("champion_duplicates", "only_challenger", "challenger_rejected", "nulls"):
        assert value(found, name) > 0, name
    assert value(found, "differing") > 0
    assert value(found, "flips") > 0


def test_one_log_with_a_model_column(book: Book) -> None:
    ours, theirs = plain(600, hours=3)
    theirs = theirs.append_column("who's", pa.array(["b"] * 600))
    ours = ours.append_column("who's", pa.array(["a"] * 600))
    book.write("log.parquet", pa.concat_tables([ours, theirs]))
    book.describe(
        {"paths": ["log.parquet"], "where": "\"who's\" = 'a'"},
        {"paths": ["log.parquet"], "where": "\"who's\" = 'b'"},
    )
    book.scan()
    found = assert_agrees(book)
    assert value(found, "matched") == 600


def test_hive_partitions_decide_rows_and_strays(book: Book) -> None:
    ours, theirs = plain(800, hours=40)
    for side, log in zip(SIDES, (ours, theirs), strict=True):
        for day in (3, 4):
            # the second folder holds everything: rows of the first day lie outside of it
            part = log if day == 4 else log.slice(0, 0)
            book.write(f"logs/date=2025-03-0{day}/model={side}/a.parquet", part)
    book.describe(
        {"paths": ["logs"], "where": "model = 'champion'"},
        {"paths": ["logs"], "where": "model = 'challenger'"},
    )
    book.scan()
    found = assert_agrees(book, 0, 40)
    assert value(found, "champion_rejected") > 100
    assert value(found, "matched") == 800


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_timestamps_of_every_kind(book: Book, unit: str, zone: str | None) -> None:
    ours, theirs = plain(300, hours=4)
    kind = pa.timestamp(unit, zone)
    for name, log in (("champion", ours), ("challenger", theirs)):
        at = times(36_000 + 40 * np.arange(300), kind)
        book.write(f"{name}.parquet", log.set_column(1, "ts", at))
    book.describe(time={"zone": "Asia/Tokyo"})
    book.scan()
    found = assert_agrees(book)
    assert value(found, "matched") == 300


def test_the_hour_that_occurs_twice(book: Book) -> None:
    ours, theirs = plain(400, hours=4)
    autumn = np.datetime64("2024-10-27T00:00", "us") + np.arange(400) * np.timedelta64(36, "s")
    for name, log in (("champion", ours), ("challenger", theirs)):
        naive = pa.array(autumn, pa.timestamp("us"))
        book.write(f"{name}.parquet", log.set_column(1, "ts", naive))
    book.describe(time={"zone": "Europe/Paris"})
    book.scan()
    assert value(assert_agrees(book), "matched") == 400


@pytest.mark.parametrize(
    "errors",
    [
        [True, False, None],
        [200, 503, 1, 0, 404, None],
        ["", "ok", "timeout", " TRUE ", "503", "404", "None", None],
        [200.0, 503.0, float("nan"), 0.0, None],
    ],
    ids=["flags", "statuses", "messages", "floats"],
)
def test_errors_in_every_spelling(book: Book, errors: list[object]) -> None:
    ours, theirs = plain(240, hours=2)
    column = pa.array((errors * 240)[:240])
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs.append_column("error", column))
    book.describe()
    book.scan()
    found = assert_agrees(book)
    assert 0 < value(found, "errors") < 240


def test_ids_of_two_types_and_mapped_hostile_names(book: Book) -> None:
    ours, theirs = plain(200, hours=2)
    text = pa.array([str(i) for i in range(200)])
    ours = ours.set_column(0, 'the "id"; --', pa.array(np.arange(200.0)))
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs.set_column(0, "request_id", text))
    book.describe(
        {"paths": ["champion.parquet"], "columns": {"request_id": 'the "id"; --'}},
        {"paths": ["challenger.parquet"]},
    )
    book.scan()
    assert value(assert_agrees(book), "matched") == 200


def test_rows_without_a_time_count_where_their_file_begins(book: Book) -> None:
    ours, theirs = plain(100, hours=2)
    holes = pa.array([None if i % 10 == 9 else t for i, t in enumerate(theirs["ts"].to_pylist())])
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs.set_column(1, "ts", holes.cast(ours["ts"].type)))
    book.describe()
    book.scan()
    assert value(assert_agrees(book), "challenger_rejected") == 10


def test_logged_decisions_and_classes(book: Book) -> None:
    ours, theirs = plain(300, hours=2)
    random = np.random.default_rng(1)
    for name, log in (("champion", ours), ("challenger", theirs)):
        words = pa.array(random.choice(["accept", "reject", None], 300).tolist())
        book.write(f"{name}.parquet", log.append_column("decision", words))
    book.describe()
    book.scan()
    found = assert_agrees(book)
    assert 0 < value(found, "flips") < value(found, "decided") < 300


def test_files_of_one_log_may_differ_in_columns_and_types(book: Book) -> None:
    ours, theirs = plain(400, hours=4)
    book.write("champion.parquet", ours)
    book.write("challenger/a.parquet", theirs.slice(0, 200))
    lean = theirs.slice(200).drop_columns(["latency_ms"])
    book.write("challenger/b.parquet", lean.set_column(2, "score", lean["score"].cast("float")))
    book.describe({"paths": ["champion.parquet"]}, {"paths": ["challenger"]})
    book.scan()
    assert value(assert_agrees(book), "with_latency") == 200


def test_a_changed_log_is_seen_and_its_slot_is_named(book: Book) -> None:
    ours, theirs = plain(400, hours=4)
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    book.describe()
    book.scan()
    verdict = judged(book)
    book.write("challenger.parquet", theirs.slice(0, 390))
    found = recounted(book, verdict)
    wrong = {n.name: (n.verdict, n.logs) for n in found.numbers if not n.same}
    assert wrong["matched"] == (400, 390)
    assert found.changed == () and not found.agrees
    book.scan()
    again = recounted(book, verdict)
    assert [c.slot for c in again.changed] == ["2025-03-03T00"]
    assert again.changed[0].now is not None and not again.agrees


def test_forged_numbers_are_found(book: Book) -> None:
    ours, theirs = plain(200, hours=2)
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    book.describe()
    book.scan()
    verdict = judged(book)
    forged = [
        msgspec.structs.replace(check, counts={k: n + 1 for k, n in check.counts.items()})
        for check in verdict.checks
    ]
    found = recounted(book, msgspec.structs.replace(verdict, checks=forged))
    assert len(found.numbers) > 15 and not any(n.same for n in found.numbers)
    assert not found.agrees
    # one of many is enough
    found = recounted(book, msgspec.structs.replace(verdict, checks=[forged[-1], *verdict.checks]))
    assert {n.check for n in found.numbers if not n.same} == {forged[-1].id}
    assert not found.agrees


def test_an_unknown_number_is_named_and_nothing_counted_is_no_agreement(book: Book) -> None:
    ours, theirs = plain(50, hours=2)
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    book.describe()
    book.scan()
    verdict = judged(book)
    check = msgspec.structs.replace(verdict.checks[0], counts={"novelty": 1})
    found = recounted(book, msgspec.structs.replace(verdict, checks=[check]))
    assert found.uncounted == (f"{check.id}: novelty",)
    assert not found.agrees


def dated(side: str) -> pa.Table:
    """Four hours of a log: every fifth feature is a day old, of every seventh no time is known."""
    ours, theirs = plain(400, hours=4)
    log = ours if side == "champion" else theirs
    moments = log["ts"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    ages = np.where(np.arange(len(moments)) % 5 == 0, 24 * HOUR, MINUTE)
    silent = np.arange(len(moments)) % 7 == 0
    known = pa.array(moments - ages, mask=silent).cast(pa.timestamp("us", tz="UTC"))
    return log.append_column("feature_ts", known)


def levels_of(book: Book, *changes: tuple[float, float]) -> tuple[Slo, list[Event]]:
    """Service levels of four hours in which the challenger's weight changed at these hours."""
    for side in SIDES:
        book.write(f"{side}.parquet", dated(side))
    book.describe()
    book.scan()
    events = [
        Event(ts=show(START + round(hour * 60) * MINUTE), kind="weight", challenger_weight=weight)
        for hour, weight in changes
    ]
    profiles = open_profiles(book.store, Window(START, START + 4 * HOUR))
    return slo(book.rollout, POLICY, profiles, events), events


@pytest.mark.parametrize(
    "changes",
    [(), ((1, 0.3), (3, 0.0)), ((1, 1.0),), ((0, 0.5),), ((1.5, 0.3),), ((1.5, 0.3), (1.75, 0.0))],
)
def test_service_levels_are_recounted_by_who_answers(
    book: Book, changes: tuple[tuple[float, float], ...]
) -> None:
    levels, events = levels_of(book, *changes)
    found = verify_levels(book.rollout, POLICY, levels, events)
    assert [n for n in found.numbers if not n.same] == []
    counted = {(n.check, n.name): n.logs for n in found.numbers}
    hour = {s: (dated(s)["ts"].cast(pa.int64()).to_numpy() - START) / HOUR for s in SIDES}
    weight = {s: np.zeros(400) for s in SIDES}
    for at, share in changes:
        weight = {s: np.where(hour[s] >= at, share, weight[s]) for s in SIDES}
    requests = int((weight["champion"] < 1).sum() + (weight["challenger"] > 0).sum())
    assert counted["infrastructure.errors", "requests"] == requests
    assert counted["infrastructure.latency_median", "requests"] == requests
    assert 0 < counted["infrastructure.freshness", "fresh"] < 0.8 * requests + 50
    assert "infrastructure.availability: due_minutes" in found.uncounted
    assert found.agrees
    forged = [
        msgspec.structs.replace(check, counts={k: n + 1 for k, n in check.counts.items()})
        for check in levels.checks
    ]
    wrong = verify_levels(book.rollout, POLICY, replace(levels, checks=forged), events)
    assert len(wrong.numbers) > 8 and not any(n.same for n in wrong.numbers)


def test_the_command_tells_levels_from_verdicts(
    book: Book, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    levels, _ = levels_of(book)
    monkeypatch.chdir(book.root)
    (book.root / "slo.json").write_bytes(msgspec.json.encode(levels))
    assert cli.run(["verify", "slo.json"]) == 0
    assert "Service levels of" in capsys.readouterr().out
    (book.root / "slo.json").write_bytes(b'{"budgets": []}')
    assert cli.run(["verify", "slo.json"]) == 2
    assert "is no verdict of this version" in capsys.readouterr().err
