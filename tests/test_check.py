"""`check`: every kind of bad input is named with file, column, rows and remedy."""

import csv
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analyzer import config, engine, policy, sql
from analyzer.check import Check, Finding, check
from analyzer.diary import Event
from analyzer.errors import LogError
from analyzer.window import parse_window, show

GOLDEN = Path(__file__).parent / "golden"
START = datetime(2025, 3, 3, tzinfo=UTC)
ROWS = 480
TYPES = {
    "string": (pa.string(), str),
    "int32": (pa.int32(), int),
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


@pytest.mark.parametrize("folder", sorted(GOLDEN.glob("check_*")), ids=lambda path: path.name)
def test_golden(folder: Path) -> None:
    query = sql.load(folder.name)
    assert set(query.header) == set(sql.HEADER)
    expected = table(folder / "expected.csv")
    with engine.connect() as connection:
        for path in folder.glob("*.csv"):
            if path.stem != "expected":
                connection.register(path.stem, table(path))
        parameters = json.loads((folder / "parameters.json").read_text())
        found = engine.run(connection, query.text, parameters)
    assert found.to_pylist() == expected.to_pylist()
    described = query.header["columns"]
    assert all(name in described for name in found.column_names)


def test_every_statement_of_check_has_a_golden_folder() -> None:
    names = {name for name in sql.names() if name.startswith("check_")}
    assert names == {path.name for path in GOLDEN.glob("check_*")}


def log(side: str, **changes: object) -> dict[str, object]:
    """Two days of a healthy log; keywords replace columns, None takes one away."""
    late = timedelta(seconds=1 if side == "challenger" else 0)
    columns: dict[str, object] = {
        "request_id": [f"r{i:05d}" for i in range(ROWS)],
        "ts": [START + late + timedelta(minutes=6 * i) for i in range(ROWS)],
        "score": [i / ROWS for i in range(ROWS)],
        "latency_ms": [10.0 + i % 7 for i in range(ROWS)],
        "error": [False] * ROWS,
        "country": [("FR", "DE", "IT")[i % 3] for i in range(ROWS)],
        "age": [float(i % 60) for i in range(ROWS)],
    }
    columns.update(changes)
    return {name: values for name, values in columns.items() if values is not None}


class Logs:
    """A folder with two healthy logs, to be spoilt."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("champion/a.parquet", log("champion"))
        self.write("challenger/a.parquet", log("challenger"))
        self.extra = ""

    def write(self, name: str, columns: dict[str, object], rows: slice = slice(None)) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = pa.table(columns)
        pq.write_table(content.take(list(range(len(content)))[rows]), path)
        return path

    def check(self, window: tuple[str, str] | None = None, events: tuple[Event, ...] = ()) -> Check:
        (self.root / "rollout.toml").write_text(
            'name = "t"\n'
            '[champion]\npaths = ["champion/**/*.parquet"]\n'
            '[challenger]\npaths = ["challenger/**/*.parquet"]\n'
            '[segments]\ncolumns = ["country"]\n'
            '[features]\nnumeric = ["age"]\ncategorical = ["country"]\n' + self.extra
        )
        rollout = config.load(self.root / "rollout.toml")
        return check(rollout, policy.load(), parse_window(*window) if window else None, events)


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path)


def one(findings: Iterable[Finding], says: str) -> Finding:
    """The finding whose problem says so."""
    matching = [f for f in findings if says in f.problem]
    assert len(matching) == 1, [f.problem for f in findings]
    assert matching[0].remedy
    return matching[0]


def test_healthy_logs_have_no_finding(logs: Logs) -> None:
    found = logs.check()
    assert found.findings == ()
    assert found.can_run
    assert found.rows == {"champion": ROWS, "challenger": ROWS}
    assert found.first == "2025-03-03T00:00Z"
    assert msgspec.json.encode(found)


def test_feasibility(logs: Logs) -> None:
    found = logs.check()
    assert found.requests_per_hour == pytest.approx(10.0, rel=0.01)
    half = next(need for need in found.needs if "half" in need.what)
    assert (half.limit, half.rate, half.requests) == (0.001, 0.0005, 42_003), "read as it grows"
    assert half.hours == pytest.approx(4_200, rel=0.01)
    assert not half.in_time
    assert not [need for need in found.needs if "pairs" in need.what], "they are counted"


def test_a_running_phase_shows_its_own_needs(logs: Logs) -> None:
    began = Event(ts="2025-03-04T00:00Z", kind="phase", phase="canary", challenger_weight=0.05)
    logs.write("challenger/a.parquet", log("challenger"), slice(0, ROWS, 2))
    found = logs.check(events=(began,))
    assert found.phase == "canary"
    assert found.requests_per_hour == pytest.approx(5.0, rel=0.03), "the challenger's"
    needs = {need.what: need for need in found.needs}
    assert needs["answered requests, at least"].requests == 26_000
    assert needs["errors, at half the limit"].requests == 42_003, "read as it grows"
    assert needs["the phase's least duration"].hours == 4
    assert "missing pairs, at half the limit" not in needs
    later = Event(ts="2025-03-09T00:00Z", kind="phase", phase="canary")
    assert logs.check(events=(later,)).phase == "shadow", "it begins after these logs"


def test_feature_times_without_a_zone_are_named(logs: Logs) -> None:
    naive = [(START + timedelta(minutes=6 * i)).replace(tzinfo=None) for i in range(ROWS)]
    logs.write("champion/a.parquet", log("champion", feature_ts=naive))
    found = one(logs.check().findings, "how old features were is not known")
    assert (found.log, found.column, found.rows) == ("champion", "feature_ts", ROWS)
    assert "`zone` under [time]" in found.remedy
    aware = [START + timedelta(minutes=6 * i) for i in range(ROWS)]
    logs.write("champion/a.parquet", log("champion", feature_ts=aware))
    assert logs.check().findings == ()
    logs.write("champion/a.parquet", log("champion", feature_ts=naive))
    logs.extra = '[time]\nzone = "Europe/Paris"\n'
    assert not [f for f in logs.check().findings if "features" in f.problem]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (b"", "empty (0 bytes)"),
        (b"PAR1 and then nothing", "not readable Parquet"),
        (b"a,b\n1,2\n", "not readable Parquet"),
    ],
)
def test_a_file_that_is_no_parquet(logs: Logs, spoil: bytes, says: str) -> None:
    (logs.root / "champion/b.parquet").write_bytes(spoil)
    found = logs.check()
    finding = one(found.findings, says)
    assert (finding.severity, finding.log, finding.file) == (
        "counted",
        "champion",
        "champion/b.parquet",
    )
    assert found.can_run


def test_a_truncated_file(logs: Logs) -> None:
    path = logs.write("challenger/b.parquet", log("challenger"))
    os.truncate(path, path.stat().st_size // 2)
    assert one(logs.check().findings, "cut short").file == "challenger/b.parquet"


def test_a_log_without_usable_file_stops_the_job(logs: Logs) -> None:
    (logs.root / "challenger/a.parquet").write_bytes(b"")
    found = logs.check()
    assert one(found.findings, "no file of this log can be used").severity == "stops the job"
    assert not found.can_run


def test_a_glob_that_matches_nothing_stops_the_job(logs: Logs) -> None:
    (logs.root / "challenger/a.parquet").unlink()
    assert one(logs.check().findings, "matches no file").severity == "stops the job"


def test_a_missing_column(logs: Logs) -> None:
    logs.write("champion/a.parquet", log("champion"), slice(0, 240))
    logs.write("champion/b.parquet", log("champion", age=None), slice(240, None))
    finding = one(logs.check().findings, "is missing here")
    assert (finding.file, finding.column, finding.rows) == ("champion/b.parquet", "age", 240)


def test_a_type_that_changes(logs: Logs) -> None:
    logs.write("champion/a.parquet", log("champion"), slice(0, 300))
    words = log("champion", age=[str(i) for i in range(ROWS)])
    logs.write("champion/b.parquet", words, slice(300, None))
    assert one(logs.check().findings, "'age'").file == "champion/b.parquet"


def test_ids_that_are_null_or_repeated(logs: Logs) -> None:
    ids: list[str | None] = [f"r{i:05d}" for i in range(ROWS)]
    ids[1], ids[7], ids[9] = ids[0], None, ids[0]
    logs.write("challenger/a.parquet", log("challenger", request_id=ids))
    findings = logs.check().findings
    assert one(findings, "without a request id").rows == 1
    assert one(findings, "occur again in this file").rows == 2


def test_ids_repeated_across_files(logs: Logs) -> None:
    logs.write("challenger/b.parquet", log("challenger"), slice(0, 5))
    finding = one(logs.check().findings, "challenger/b.parquet")
    assert (finding.file, finding.rows) == ("challenger/a.parquet", 5)


def test_the_same_content_twice(logs: Logs) -> None:
    (logs.root / "champion/copy.parquet").write_bytes(
        (logs.root / "champion/a.parquet").read_bytes()
    )
    os.link(logs.root / "challenger/a.parquet", logs.root / "challenger/link.parquet")
    twice = [f for f in logs.check().findings if "is the same as" in f.problem]
    assert [(f.log, f.rows) for f in twice] == [("challenger", ROWS), ("champion", ROWS)]


def test_times_that_are_null(logs: Logs) -> None:
    ts = list(log("champion")["ts"])  # type: ignore[call-overload]
    ts[3] = None
    logs.write("champion/a.parquet", log("champion", ts=ts))
    assert one(logs.check().findings, "without a time").rows == 1


def test_scores_and_latencies_that_cannot_be(logs: Logs) -> None:
    score = [0.5] * ROWS
    score[:4] = [float("nan"), float("inf"), 1.5, -0.5]
    latency = [5.0] * ROWS
    latency[:2] = [-1.0, float("inf")]
    logs.write("challenger/a.parquet", log("challenger", score=score, latency_ms=latency))
    findings = logs.check().findings
    assert one(findings, "NaN").rows == 1
    assert one(findings, "are infinite").rows == 1
    assert one(findings, "outside [0, 1]").rows == 2
    assert one(findings, "negative or not finite").rows == 2


def test_features_that_say_nothing(logs: Logs) -> None:
    nothing = log("champion", age=pa.nulls(ROWS, pa.float64()), country=["FR"] * ROWS)
    logs.write("champion/a.parquet", nothing)
    logs.write("challenger/a.parquet", log("challenger", age=None, country=None))
    findings = logs.check().findings
    assert one(findings, "every value is NULL").column == "age"
    assert one(findings, "one value only (FR)").column == "country"


def test_too_many_values(logs: Logs) -> None:
    logs.write("champion/a.parquet", log("champion", country=[str(i) for i in range(ROWS)]))
    assert one(logs.check().findings, "largest are kept apart as segments").column == "country"


def test_a_feature_that_is_nowhere(logs: Logs) -> None:
    logs.extra = 'critical = ["age"]\n'
    for side in ("champion", "challenger"):
        logs.write(f"{side}/a.parquet", log(side, age=None))
    assert "critical" in one(logs.check().findings, "in no file of either log").problem


def test_rows_outside_their_partition(logs: Logs) -> None:
    (logs.root / "champion/a.parquet").unlink()
    logs.write("champion/date=2025-03-03/a.parquet", log("champion"))
    assert one(logs.check().findings, "outside the day of their partition").rows == 240


def test_a_missing_shadow_day(logs: Logs) -> None:
    days = [START + timedelta(minutes=9 * i) for i in range(ROWS)]
    logs.write("champion/a.parquet", log("champion", ts=days))
    logs.write("challenger/a.parquet", log("challenger", ts=days), slice(0, 100))
    logs.write("challenger/b.parquet", log("challenger", ts=days), slice(400, None))
    finding = one(logs.check().findings, "no row on 1 day(s)")
    assert (finding.log, finding.rows) == ("challenger", 160)
    assert "2025-03-04" in finding.problem


def test_logs_of_different_times_stop_the_job(logs: Logs) -> None:
    later = [START + timedelta(days=30, minutes=i) for i in range(ROWS)]
    logs.write("challenger/a.parquet", log("challenger", ts=later))
    found = logs.check()
    assert not found.can_run
    assert one(found.findings, "share no day").severity == "stops the job"


def test_a_clock_in_another_zone(logs: Logs) -> None:
    shifted = [START + timedelta(hours=2, minutes=6 * i) for i in range(ROWS)]
    logs.write("challenger/a.parquet", log("challenger", ts=shifted))
    assert one(logs.check().findings, "clock is +2 h away").rows == ROWS


def test_logs_of_different_requests_stop_the_job(logs: Logs) -> None:
    logs.write("challenger/a.parquet", log("challenger", request_id=[f"x{i}" for i in range(ROWS)]))
    assert one(logs.check().findings, "no request id occurs in both").severity == "stops the job"


def test_a_canary_answers_requests_of_its_own(logs: Logs) -> None:
    """Once the traffic is split, logs that share no request are as they should be."""
    logs.write("challenger/a.parquet", log("challenger", request_id=[f"x{i}" for i in range(ROWS)]))
    canary = Event(ts=show(int(START.timestamp()) * 1_000_000), kind="phase", phase="canary")
    assert logs.check(events=(canary,)).findings == ()
    later = Event(ts="2100-01-01T00:00Z", kind="phase", phase="canary")
    assert not logs.check(events=(later,)).can_run


def test_lost_traffic(logs: Logs) -> None:
    logs.write("challenger/a.parquet", log("challenger"), slice(0, None, 2))
    assert one(logs.check().findings, "50.0% of the champion's requests").rows == ROWS // 2


def test_swapped_logs_are_suspected(logs: Logs) -> None:
    logs.write("champion/a.parquet", log("challenger"), slice(0, None, 2))
    logs.write("challenger/a.parquet", log("champion"))
    remedies = [f.remedy for f in logs.check().findings]
    assert sum("swapped" in remedy for remedy in remedies) == 2


def test_mixed_versions(logs: Logs) -> None:
    versions = ["v1"] * (ROWS - 5) + ["v2"] * 5
    logs.write("challenger/a.parquet", log("challenger", version=versions))
    finding = one(logs.check().findings, "2 versions under one role (mostly v1)")
    assert finding.rows == 5


def test_an_empty_window_stops_the_job(logs: Logs) -> None:
    found = logs.check(("2024-01-01", "2024-01-02"))
    assert not found.can_run
    assert {f.severity for f in found.findings} == {"stops the job"}


def test_a_window_limits_what_is_counted(logs: Logs) -> None:
    found = logs.check(("2025-03-04", "2025-03-05"))
    assert found.rows == {"champion": 240, "challenger": 240}


def test_times_without_zone_need_one(logs: Logs) -> None:
    naive = [t.replace(tzinfo=None) for t in log("champion")["ts"]]  # type: ignore[attr-defined]
    logs.write("champion/a.parquet", log("champion", ts=naive))
    assert "declare one" in one(logs.check().findings, "has no time zone").remedy
    logs.extra = '[time]\nzone = "UTC"\n'
    assert logs.check().findings == ()


def test_a_damaged_page_is_named_without_the_words_of_the_engine(logs: Logs) -> None:
    file = logs.root / "challenger/a.parquet"
    content = file.read_bytes()
    middle = len(content) // 2
    file.write_bytes(b"PAR1" + b"\xff" * (middle - 4) + content[middle:])
    with pytest.raises(LogError) as raised:
        logs.check()
    message = str(raised.value)
    assert message.startswith("challenger/a.parquet: cannot be read (")
    assert "take it out of `paths`" in message
    assert "Traceback" not in message
    assert "SELECT" not in message


def test_hostile_names_are_only_names(logs: Logs) -> None:
    hostile = 'a"; DROP TABLE x; --<script>🚀'
    logs.extra = f"[champion.columns]\nage = {json.dumps(hostile, ensure_ascii=False)}\n"
    columns = log("champion", age=None)
    columns[hostile] = [1.0] * ROWS
    columns["country"] = ["'; DROP TABLE logged; --"] * ROWS
    logs.write("champion/a.parquet", columns)
    findings = logs.check().findings
    assert {f.column for f in findings} == {hostile, "country"}
