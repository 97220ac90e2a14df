"""`analyzer check`: what is wrong with the logs, and what the shadow gate needs of them.

Everything is read batch by batch; request ids are held for a slot or few at a time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from analyzer import engine, sql
from analyzer.config import Rollout
from analyzer.errors import LogError
from analyzer.ids import plain
from analyzer.logs import SIDES, LogFile, Side, gaps, has_column, survey
from analyzer.policy import Policy
from analyzer.reader import STRAY, Batch, null_times, read, text
from analyzer.stats.proportion import requests_needed
from analyzer.stats.result import Undefined
from analyzer.window import HOUR, Window, show

Severity = Literal["stops the job", "counted", "note"]
Files = Mapping[Side, list[LogFile]]

SEGMENT_VALUES = 50
VOCABULARY = 1_000
DAY = 24 * HOUR
HELD_ROWS = 1_500_000
"""Rows whose request ids are held at a time; a slot is never divided."""
SAMPLED_IDS = 400_000
"""Request ids of the champion that are looked for in the challenger's log."""

OURS = {"champion", "prod", "production", "control", "baseline"}
THEIRS = {"challenger", "shadow", "candidate", "treatment"}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: where, how many rows, what to do. `rows` None: not countable."""

    severity: Severity
    log: str
    file: str
    column: str
    rows: int | None
    problem: str
    remedy: str


@dataclass(frozen=True)
class Need:
    """How long the shadow phase must run to establish one limit at this traffic.

    `rate` is assumed to be true, the limit being `limit` (shares of requests); None: never.
    """

    what: str
    limit: float
    rate: float
    requests: int | None
    hours: float | None
    in_time: bool


@dataclass(frozen=True)
class Check:
    """What `check` found. Instants are ISO 8601, UTC; traffic is the champion's."""

    findings: tuple[Finding, ...]
    needs: tuple[Need, ...]
    files: Mapping[Side, int]
    rows: Mapping[Side, int]
    first: str | None
    last: str | None
    requests_per_hour: float | None

    @property
    def can_run(self) -> bool:
        """Whether nothing stops the job."""
        return all(finding.severity != "stops the job" for finding in self.findings)


@dataclass(frozen=True)
class _Logs:
    """The logs under check: usable files of both sides and the span [start, end) to look at."""

    rollout: Rollout
    files: Files
    start: int
    end: int

    def batches(
        self, side: Side, columns: Sequence[str], span: tuple[int, int] | None = None
    ) -> Iterator[tuple[LogFile, Batch]]:
        """Batches of a log and the file each comes from."""
        start, end = span or (self.start, self.end)
        for file in self.files[side]:
            for batch in read(self.rollout, side, [file], columns, start, end):
                yield file, batch

    def carries(self, side: Side, column: str) -> bool:
        """Whether any file of a log has a column."""
        return has_column(list(self.files[side]), self.rollout, side, column)


def check(rollout: Rollout, policy: Policy, window: Window | None = None) -> Check:
    """List what is wrong with the logs, and how long the shadow gate would need.

    window: look at its rows only; default all there are. Reads both logs once or twice, in
    bounded memory. Raises LogError only for what no finding can express (a `where` that is no
    SQL).
    """
    findings: list[Finding] = []
    files = {side: _surveyed(rollout, side, findings) for side in SIDES}
    usable = {side: [f for f in files[side] if not f.problem] for side in SIDES}
    counts = {side: len(files[side]) for side in SIDES}
    for side in SIDES:
        findings += _file_findings(rollout, side, files[side], usable[side])
        findings += _same_content(side, usable[side])
    spans = [(f.first, f.last) for side in SIDES for f in usable[side]]
    starts = [first for first, _ in spans if first is not None]
    if not starts or not all(usable.values()):
        return Check(_sorted(findings), (), counts, {}, None, None, None)
    end = max(last for _, last in spans if last is not None) + 1
    logs = _Logs(rollout, usable, *((window.start, window.end) if window else (min(starts), end)))
    rows = {side: _row_counts(logs, side, policy) for side in SIDES}
    totals = {side: sum(row["rows"] for row in rows[side]) for side in SIDES}
    for side in SIDES:
        findings += _row_findings(logs, side, rows[side])
        if totals[side]:
            findings += _duplicates(logs, side)
            findings += _columns(logs, side)
            findings += _versions(logs, side)
    findings += _days(rows)
    findings += _swapped_names(rollout)
    if all(totals.values()):
        findings += _pairs(logs, policy)
    findings += _features_nowhere(logs)
    traffic = _traffic(rows["champion"])
    ends = [row[key] for side in SIDES for row in rows[side] for key in ("first", "last")]
    return Check(
        _sorted(findings),
        _needs(policy, traffic),
        counts,
        totals,
        show(min(ends)) if ends else None,
        show(max(ends)) if ends else None,
        traffic,
    )


def _sorted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    rank = {"stops the job": 0, "counted": 1, "note": 2}
    return tuple(sorted(findings, key=lambda f: (rank[f.severity], f.log, f.file, f.column)))


def _surveyed(rollout: Rollout, side: Side, findings: list[Finding]) -> list[LogFile]:
    try:
        return survey(rollout, side)
    except LogError as error:
        findings.append(Finding("stops the job", side, "", "", None, str(error), "correct [paths]"))
        return []


def _file_findings(
    rollout: Rollout, side: Side, files: Sequence[LogFile], usable: Sequence[LogFile]
) -> Iterator[Finding]:
    for file in files:
        if file.problem:
            problem, _, remedy = file.problem.partition("; ")
            remedy = remedy or "write the file again or take it out of `paths`"
            yield Finding("counted", side, file.name, "", file.rows or None, problem, remedy)
        elif not file.rows:
            yield Finding("note", side, file.name, "", 0, "holds no row", "nothing to do")
        elif file.null_ts and (rows := null_times(rollout, side, file)):
            yield Finding(
                "counted",
                side,
                file.name,
                rollout.log(side).source("ts"),
                rows,
                "rows without a time",
                "they belong to no slot and are left out; log their time",
            )
    if files and not any(f.rows for f in usable):
        yield Finding(
            "stops the job",
            side,
            "",
            "",
            None,
            "no file of this log can be used",
            "mend the files named here",
        )
    for file, canonical in gaps(files, rollout, side):
        yield Finding(
            "counted",
            side,
            file.name,
            rollout.log(side).source(canonical),
            file.rows,
            f"column ({canonical}) is missing here but not in the log's other files",
            "its rows count as NULL; write the file again with the column",
        )


def _same_content(side: Side, files: Sequence[LogFile]) -> Iterator[Finding]:
    """Files that are one file under two names, or byte for byte the same."""
    alike: dict[tuple[object, ...], list[LogFile]] = {}
    for file in files:
        if file.rows:
            alike.setdefault((file.size, file.rows, file.first, file.last), []).append(file)
    for group in alike.values():
        known: dict[object, str] = {}
        for file in group if len(group) > 1 else []:
            other = known.setdefault(_content(file), file.name)
            if other != file.name:
                yield Finding(
                    "counted",
                    side,
                    file.name,
                    "",
                    file.rows,
                    f"is the same as {other}",
                    "every row counts twice; take one of the two out of `paths`",
                )


def _content(file: LogFile) -> object:
    """What two files share if and only if they hold the same bytes."""
    if "://" in file.name:
        return file.name
    stat = os.stat(file.path)
    if stat.st_nlink > 1:
        return stat.st_dev, stat.st_ino
    with open(file.path, "rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _ask(
    statement: str,
    sources: Mapping[str, tuple[pa.Schema, Iterable[pa.RecordBatch]]],
    parameters: Mapping[str, object],
) -> list[dict[str, int]]:
    """Rows that a statement of `queries/` gives over streams of batches."""
    with engine.connect() as connection:
        for name, (schema, batches) in sources.items():
            reader = pa.RecordBatchReader.from_batches(schema, batches)
            connection.register(name, reader)
        answer: list[dict[str, int]] = engine.run(
            connection, sql.load(statement).text, parameters
        ).to_pylist()
    return answer


def _ids(batch: Batch) -> pa.Array:
    return plain(batch.columns["request_id"]).cast(pa.string())


def _number(batch: Batch, column: str) -> pa.Array:
    if column not in batch.columns:
        return pa.nulls(len(batch), pa.float64())
    return batch.columns[column].cast(pa.float64(), safe=False)


def _row_counts(logs: _Logs, side: Side, policy: Policy) -> list[dict[str, int]]:
    kind = logs.rollout.score.type
    schema = pa.schema(
        {
            "file": pa.string(),
            "ts": pa.int64(),
            "request_id": pa.string(),
            "score": pa.float64(),
            "latency_ms": pa.float64(),
            "stray": pa.bool_(),
        }
    )

    def batches() -> Iterator[pa.RecordBatch]:
        columns = ["request_id", "latency_ms", *(["score"] if kind != "class" else [])]
        for file, batch in logs.batches(side, columns):
            stray = batch.columns.get(STRAY, pa.nulls(len(batch), pa.bool_()))
            arrays = [
                pa.repeat(file.name, len(batch)),
                pa.array(batch.ts),
                _ids(batch),
                _number(batch, "score"),
                _number(batch, "latency_ms"),
                stray,
            ]
            yield pa.record_batch(arrays, schema=schema)

    low, high = (0.0, 1.0) if kind == "probability" else (float("-inf"), float("inf"))
    limits = {"low": low, "high": high, "slow": policy.shadow.latency_limit_ms}
    return _ask("check_rows", {"logged": (schema, batches())}, limits)


_ROW_PROBLEMS = (
    ("null_ids", "request_id", "rows without a request id", "they cannot be paired; log the id"),
    ("nan_scores", "score", "scores that are NaN", "they count as rejected; log NULL and an error"),
    ("infinite_scores", "score", "scores that are infinite", "they count as rejected"),
    (
        "stray_scores",
        "score",
        "scores outside [0, 1]",
        'they count as rejected; is it no probability? then [score] type = "regression"',
    ),
    (
        "bad_latencies",
        "latency_ms",
        "latencies that are negative or not finite",
        "they count as rejected; measure with a monotonic clock",
    ),
    (
        "stray",
        "ts",
        "rows outside the day of their partition",
        "they are judged by `ts`; write rows into the partition of their own day",
    ),
)


def _row_findings(logs: _Logs, side: Side, rows: Sequence[Mapping[str, int]]) -> Iterator[Finding]:
    if not sum(row["rows"] for row in rows):
        yield Finding(
            "stops the job",
            side,
            "",
            "ts",
            0,
            f"no row of this log lies in {show(logs.start)} to {show(logs.end)}",
            "choose another window, or check `where` and the column mapped to ts",
        )
    for key, canonical, problem, remedy in _ROW_PROBLEMS:
        by_file: dict[str, int] = {}
        for row in rows:
            if row[key]:
                name = str(row["file"])
                by_file[name] = by_file.get(name, 0) + row[key]
        column = logs.rollout.log(side).source(canonical)
        for name, count in by_file.items():
            yield Finding("counted", side, name, column, count, problem, remedy)


def _stretches(logs: _Logs, side: Side) -> Iterator[tuple[int, int]]:
    """The span in stretches of whole slots, each of about `HELD_ROWS` rows or one slot."""
    length = logs.rollout.time.slot_hours * HOUR
    begin, held = logs.start, 0
    for start in range(logs.start // length * length, logs.end, length):
        held += sum(
            group.rows
            for file in logs.files[side]
            for group in file.groups
            if group.first is not None
            and group.last is not None
            and (group.first < start + length and group.last >= start)
        )
        if held >= HELD_ROWS:
            yield begin, min(start + length, logs.end)
            begin, held = start + length, 0
    if held:
        yield begin, logs.end


def _duplicates(logs: _Logs, side: Side) -> Iterator[Finding]:
    """Request ids logged twice. Settled inside a slot, as the scan does."""
    schema = pa.schema({"file": pa.string(), "ts": pa.int64(), "request_id": pa.string()})

    def batches(span: tuple[int, int]) -> Iterator[pa.RecordBatch]:
        for file, batch in logs.batches(side, ["request_id"], span):
            arrays = [pa.repeat(file.name, len(batch)), pa.array(batch.ts), _ids(batch)]
            yield pa.record_batch(arrays, schema=schema)

    slot = {"slot": logs.rollout.time.slot_hours * HOUR}
    found: dict[tuple[str, str], int] = {}
    for span in _stretches(logs, side):
        for row in _ask("check_duplicates", {"logged": (schema, batches(span))}, slot):
            pair = str(row["first_file"]), str(row["last_file"])
            found[pair] = found.get(pair, 0) + row["extra_rows"]
    column = logs.rollout.log(side).source("request_id")
    for (first, last), rows in found.items():
        where = "in this file" if first == last else f"in this file and {last}"
        yield Finding(
            "counted",
            side,
            first,
            column,
            rows,
            f"request ids that occur again {where}",
            "the earliest row pairs, the others are counted; log each request once",
        )


def _described(logs: _Logs, side: Side) -> tuple[list[str], list[str]]:
    """Numeric and text columns that a log carries."""
    rollout = logs.rollout
    texts = [*rollout.features.categorical, *rollout.segments.columns]
    return (
        [c for c in rollout.features.numeric if logs.carries(side, c)],
        [c for c in dict.fromkeys(texts) if logs.carries(side, c)],
    )


def _columns(logs: _Logs, side: Side) -> Iterator[Finding]:
    numeric, texts = _described(logs, side)
    numbers = pa.schema({"position": pa.int32(), "value": pa.float64()})
    counted = pa.schema({"position": pa.int32(), "value": pa.string(), "n": pa.int64()})

    def of_numbers() -> Iterator[pa.RecordBatch]:
        for _, batch in logs.batches(side, numeric):
            for position, column in enumerate(numeric):
                at = pa.repeat(pa.scalar(position, pa.int32()), len(batch))
                yield pa.record_batch([at, _number(batch, column)], schema=numbers)

    def of_texts() -> Iterator[pa.RecordBatch]:
        for _, batch in logs.batches(side, texts):
            for position, column in enumerate(texts):
                yield _value_counts(batch, column, position, counted)

    if numeric:
        for row in _ask("check_numbers", {"logged": (numbers, of_numbers())}, {}):
            yield from _number_findings(logs, side, numeric[row["position"]], row)
    if texts:
        for row in _ask("check_texts", {"logged": (counted, of_texts())}, {}):
            yield from _text_findings(logs, side, texts[row["position"]], row)


def _value_counts(batch: Batch, column: str, position: int, schema: pa.Schema) -> pa.RecordBatch:
    if column in batch.columns:
        found = pc.value_counts(text(batch.columns[column]))
        values, n = found.field("values").cast(pa.string()), found.field("counts")
    else:
        values, n = pa.nulls(1, pa.string()), pa.array([len(batch)], pa.int64())
    at = pa.repeat(pa.scalar(position, pa.int32()), len(values))
    return pa.record_batch([at, values, n], schema=schema)


def _number_findings(
    logs: _Logs, side: Side, feature: str, row: Mapping[str, int]
) -> Iterator[Finding]:
    column = logs.rollout.log(side).source(feature)
    yield from _varies(logs, side, feature, row)
    if row["not_finite"]:
        yield Finding(
            "counted",
            side,
            "",
            column,
            row["not_finite"],
            "values that are NaN or infinite",
            "they are counted apart from numbers; log NULL for what is missing",
        )


def _varies(logs: _Logs, side: Side, feature: str, row: Mapping[str, int]) -> Iterator[Finding]:
    column = logs.rollout.log(side).source(feature)
    if row["nulls"] == row["rows"]:
        critical = feature in logs.rollout.features.critical
        yield Finding(
            "counted",
            side,
            "",
            column,
            row["rows"],
            "every value is NULL" + (", and the feature is critical" if critical else ""),
            "no gate passes without it; log it" if critical else "log it or take it out",
        )
    elif row["smallest"] is not None and row["smallest"] == row["largest"]:
        yield Finding(
            "note",
            side,
            "",
            column,
            row["rows"] - row["nulls"],
            f"holds one value only ({str(row['smallest'])[:40]})",
            "nothing to compare; is it still being computed?",
        )


def _text_findings(
    logs: _Logs, side: Side, feature: str, row: Mapping[str, int]
) -> Iterator[Finding]:
    rollout = logs.rollout
    column = rollout.log(side).source(feature)
    about = row["about_distinct"]
    yield from _varies(logs, side, feature, row)
    if feature in rollout.segments.columns and about > SEGMENT_VALUES:
        yield Finding(
            "note",
            side,
            "",
            column,
            row["rows"],
            f"about {about:,} values; the {SEGMENT_VALUES} largest are kept apart as segments",
            "group the values, or take the column out of [segments]",
        )
    if feature in rollout.features.categorical and about > VOCABULARY:
        yield Finding(
            "note",
            side,
            "",
            column,
            row["rows"],
            f"about {about:,} values; {VOCABULARY:,} are kept apart, the rest is `other`",
            "is it an id? then take it out of [features] categorical",
        )


def _versions(logs: _Logs, side: Side) -> Iterator[Finding]:
    if not logs.carries(side, "version"):
        return
    counts: dict[str, int] = {}
    for _, batch in logs.batches(side, ["version"]):
        if "version" not in batch.columns or len(counts) > VOCABULARY:
            continue
        for item in pc.value_counts(text(batch.columns["version"])).to_pylist():
            name = str(item["values"])
            counts[name] = counts.get(name, 0) + item["counts"]
    if len(counts) > 1:
        usual = max(counts, key=lambda name: (counts[name], name))
        yield Finding(
            "counted",
            side,
            "",
            logs.rollout.log(side).source("version"),
            sum(counts.values()) - counts[usual],
            f"{len(counts)} versions under one role (mostly {usual[:40]})",
            "a window that mixes versions is not judged; choose a window of one version",
        )


def _days(rows: Mapping[Side, Sequence[Mapping[str, int]]]) -> Iterator[Finding]:
    """Days on which only one side logged, between the first and the last day of both."""
    days = {side: {row["day"] for row in rows[side]} for side in SIDES}
    if not all(days.values()):
        return
    both = days["champion"] & days["challenger"]
    if not both:
        yield Finding(
            "stops the job",
            "both",
            "",
            "ts",
            None,
            f"the logs share no day: champion {_span(days['champion'])}, "
            f"challenger {_span(days['challenger'])}",
            "name logs of the same time; is [time] zone right?",
        )
        return
    for side, other in (("champion", "challenger"), ("challenger", "champion")):
        missing = {d for d in days[_side(other)] - days[_side(side)] if min(both) <= d <= max(both)}
        if missing:
            lost = sum(row["rows"] for row in rows[_side(other)] if row["day"] in missing)
            yield Finding(
                "counted",
                side,
                "",
                "ts",
                lost,
                f"no row on {len(missing)} day(s) on which the {other} logged: {_list(missing)}",
                "those days have no pairs; find the files or leave the days out of the window",
            )
        outside = {d for d in days[_side(other)] - days[_side(side)] if d not in missing}
        if outside:
            yield Finding(
                "note",
                side,
                "",
                "ts",
                None,
                f"the {other}'s log has {len(outside)} day(s) before or after this one's: "
                f"{_list(outside)}",
                "choose the window accordingly",
            )


def _side(name: str) -> Side:
    return "champion" if name == "champion" else "challenger"


def _list(days: Iterable[int]) -> str:
    shown = [show(day * DAY)[:10] for day in sorted(days)]
    return ", ".join(shown[:3]) + (f" ... {shown[-1]}" if len(shown) > 3 else "")


def _span(days: Iterable[int]) -> str:
    found = sorted(days)
    return f"{show(found[0] * DAY)[:10]} to {show(found[-1] * DAY)[:10]}"


def _swapped_names(rollout: Rollout) -> Iterator[Finding]:
    """Suspicion from names alone: a champion that lies in a folder called shadow."""

    def words(side: Side) -> set[str]:
        log = rollout.log(side)
        said = " ".join([*log.paths, log.where, *log.columns.values()]).lower()
        return {word for word in OURS | THEIRS if word in said}

    ours, theirs = words("champion"), words("challenger")
    odd = (ours & THEIRS and not ours & OURS, theirs & OURS and not theirs & THEIRS)
    if any(odd):
        yield Finding(
            "note",
            "both",
            "",
            "",
            None,
            "by their names champion and challenger may be swapped",
            "compare [champion] and [challenger] in rollout.toml with who serves",
        )


def _pairs(logs: _Logs, policy: Policy) -> Iterator[Finding]:
    schema = pa.schema({"request_id": pa.string(), "ts": pa.int64()})
    share = _sampled_share(logs)

    def batches(side: Side) -> Iterator[pa.RecordBatch]:
        for _, batch in logs.batches(side, ["request_id"]):
            table = pa.record_batch([_ids(batch), pa.array(batch.ts)], schema=schema)
            yield _sampled(table, share)

    slack = int(logs.rollout.time.pairing_slack_minutes * HOUR // 60)
    sources = {str(side): (schema, batches(side)) for side in SIDES}
    row = _ask("check_pairs", sources, {"slack": slack})[0]
    yield from _match_findings(logs, row, policy)
    if row["matched"]:
        yield from _lag_findings(logs, row, policy)


def _sampled_share(logs: _Logs) -> int:
    """One id in how many is looked at, so that memory does not grow with the logs."""
    rows = max(sum(file.rows for file in logs.files[side]) for side in SIDES)
    return max(1, rows // SAMPLED_IDS)


def _sampled(table: pa.RecordBatch, share: int) -> pa.RecordBatch:
    if share == 1:
        return table
    import polars as pl

    series = pl.from_arrow(table["request_id"])
    assert isinstance(series, pl.Series)
    return table.filter((series.hash(seed=3) % share == 0).to_arrow())


def _match_findings(logs: _Logs, row: Mapping[str, int], policy: Policy) -> Iterator[Finding]:
    ours, theirs, matched = row["champion_ids"], row["challenger_ids"], row["matched"]
    if not matched:
        yield Finding(
            "stops the job",
            "both",
            "",
            "request_id",
            None,
            "no request id occurs in both logs",
            "map the column that both models log for the same request to request_id",
        )
        return
    expected = policy.shadow.min_coverage * logs.rollout.shadow.mirror_share
    if matched < expected * ours:
        yield Finding(
            "counted",
            "challenger",
            "",
            "request_id",
            ours - matched,
            f"{matched / ours:.1%} of the champion's requests are in the challenger's log "
            f"(of {ours:,} looked up); {expected:.1%} are expected",
            "find the lost traffic, or say [shadow] mirror_share if only a part is mirrored",
        )
    if theirs - matched > 0.01 * theirs and ours - matched <= 0.001 * ours:
        yield Finding(
            "note",
            "both",
            "",
            "request_id",
            theirs - matched,
            "the challenger has requests that the champion lacks, and lacks none of the champion's",
            "a shadow sees no more than the champion serves: are the two swapped?",
        )


def _lag_findings(logs: _Logs, row: Mapping[str, int], policy: Policy) -> Iterator[Finding]:
    seconds = row["median_lag"] / 1e6
    halves = round(seconds / 1800)
    if halves and abs(seconds - halves * 1800) < 60:
        yield Finding(
            "counted",
            "both",
            "",
            "ts",
            row["beyond_slack"],
            f"the challenger's clock is {halves / 2:+g} h away from the champion's",
            "one log is in another time zone: log UTC, or declare [time] zone",
        )
    elif abs(seconds) > policy.data.max_clock_skew_seconds or row["beyond_slack"]:
        yield Finding(
            "counted",
            "both",
            "",
            "ts",
            row["beyond_slack"],
            f"the challenger's rows lie {seconds:+,.1f} s (median) from the champion's; counted "
            "are requests that lie too far apart to be paired",
            "set the clocks, or raise [time] pairing_slack_minutes",
        )
    elif seconds < 0:
        yield Finding(
            "note",
            "both",
            "",
            "ts",
            None,
            f"the challenger logs {-seconds:,.3f} s (median) before the champion",
            "a shadow usually logs after it: are the two swapped?",
        )


def _features_nowhere(logs: _Logs) -> Iterator[Finding]:
    rollout = logs.rollout
    listed = [
        *rollout.features.numeric,
        *rollout.features.categorical,
        *rollout.segments.columns,
    ]
    for column in dict.fromkeys(listed):
        if not any(logs.carries(side, column) for side in SIDES):
            critical = column in rollout.features.critical
            yield Finding(
                "counted",
                "both",
                "",
                column,
                None,
                "is in no file of either log" + (", and is critical" if critical else ""),
                "map it under [champion.columns], or take it out of rollout.toml",
            )
    for canonical in ("latency_ms", "error"):
        for side in SIDES:
            if not logs.carries(side, canonical):
                yield Finding(
                    "note" if side == "champion" else "counted",
                    side,
                    "",
                    canonical,
                    None,
                    "is in no file of this log",
                    "its limits stay undecided; log it, or map it under [" + side + ".columns]",
                )


def _traffic(rows: Sequence[Mapping[str, int]]) -> float | None:
    """Requests an hour between the first and the last row."""
    if not rows:
        return None
    span = max(row["last"] for row in rows) - min(row["first"] for row in rows)
    return sum(row["rows"] for row in rows) / max(span / HOUR, 1.0)


def _needs(policy: Policy, traffic: float | None) -> tuple[Need, ...]:
    shadow = policy.shadow
    slow = f"{1 - shadow.latency_quantile:.2g} at {shadow.latency_limit_ms:g} ms or more"
    asked = [
        ("errors, if there are none", shadow.max_error_rate, 0.0),
        ("errors, at half the limit", shadow.max_error_rate, 0.5),
        (f"share of {slow}, at half", 1 - shadow.latency_quantile, 0.5),
        ("missing pairs, at half the limit", 1 - shadow.min_coverage, 0.5),
    ]
    return tuple(
        _need(what, limit, limit * part, policy, traffic)
        for what, limit, part in asked
        if 0 < limit < 1
    )


def _need(what: str, limit: float, rate: float, policy: Policy, traffic: float | None) -> Need:
    found = requests_needed(rate, limit, policy.shadow.confidence)
    if isinstance(found, Undefined):
        return Need(what, limit, rate, None, None, False)
    requests = round(found.value)
    hours = requests / traffic if traffic else None
    in_time = hours is not None and hours <= policy.shadow.max_hours
    return Need(what, limit, rate, requests, hours, in_time)
