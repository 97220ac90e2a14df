"""`analyzer verify`: a verdict's numbers, counted once more from the raw logs.

Another path than the scan's: DuckDB reads the files and SQL pairs and counts, slot by slot. Only
`columns.json` is shared, for what a store has decided (score scale, list of decisions).

What SQL settles otherwise than the scan, and may show as a difference that means nothing: of
rows equal in id, time and score any one may pair; a naive time in the hour that a change of
clocks skips; text ids or classes that are spelled as numbers in one log only.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from analyzer import engine, sql
from analyzer.config import Log, Rollout
from analyzer.engine import literal, quote
from analyzer.errors import LogError, StoreError
from analyzer.frozen import Frozen
from analyzer.kinds import NOTHING, kind_of
from analyzer.logs import SIDES, LogFile, Side, has_column, survey
from analyzer.policy import PHASES, Policy
from analyzer.reader import PARTITION_DAYS
from analyzer.scan.agreement import LARGEST, PARITY_TOLERANCE
from analyzer.scan.narrow import SCORE_REACH
from analyzer.serving import LARGEST_LATENCY
from analyzer.store import Store
from analyzer.verdict import Verdict
from analyzer.window import HOUR, MINUTE, Window, parse


@dataclass(frozen=True)
class Number:
    """One of a verdict's numbers as the verdict says it and as the raw logs say it."""

    check: str
    name: str
    verdict: int
    logs: int

    @property
    def same(self) -> bool:
        """Whether both agree."""
        return self.verdict == self.logs


@dataclass(frozen=True)
class ChangedSlot:
    """A slot whose profile is not the one that the verdict rests on; `now` None: it is gone."""

    slot: str
    verdict: str
    now: str | None


@dataclass(frozen=True)
class Verification:
    """A verdict's numbers, recounted; slots scanned again since; what else must be known."""

    window: str
    numbers: tuple[Number, ...]
    changed: tuple[ChangedSlot, ...]
    uncounted: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether something was counted, all of it agrees and the profiles are the same."""
        return bool(self.numbers) and not self.changed and all(n.same for n in self.numbers)


def verify(rollout: Rollout, policy: Policy, verdict: Verdict) -> Verification:
    """Recount every number in the checks of a verdict from the raw logs, within its window.

    Also names the slots that were scanned anew since. Reads local files only. Raises LogError (a
    log that cannot be read), StoreError (the store that the verdict came from is gone).
    """
    store = Store(rollout.store_path)
    frozen = store.frozen()
    if frozen is None:
        raise StoreError(f"{store.path}: no store here; the verdict's profiles are gone")
    window = Window(parse(verdict.window[0]), parse(verdict.window[1]))
    files = {side: survey(rollout, side) for side in SIDES}
    recount = _Recount(rollout, policy, frozen, files, window, verdict.phase)
    numbers, uncounted = [], []
    for check in verdict.checks:
        found = recount.counts(check.id) if check.counts else {}
        for name, value in check.counts.items():
            if name in found:
                numbers.append(Number(check.id, name, value, found[name]))
            else:
                uncounted.append(f"{check.id}: {name}")
    return Verification(
        str(window),
        tuple(numbers),
        tuple(_changed(store, verdict)),
        tuple(uncounted),
        tuple(_notes(policy, verdict, files)),
    )


def _changed(store: Store, verdict: Verdict) -> list[ChangedSlot]:
    now = {m.slot: m.digest for m in store.manifests().values()}
    return [
        ChangedSlot(slot, digest, now.get(slot))
        for slot, digest in sorted(verdict.profiles.items())
        if now.get(slot) != digest
    ]


def _notes(policy: Policy, verdict: Verdict, files: Mapping[Side, Sequence[LogFile]]) -> list[str]:
    notes = [
        f"{side} file {file.name} is left out: it {file.problem}"
        for side in SIDES
        for file in files[side]
        if file.problem
    ]
    if policy.digest != verdict.policy:
        notes.append(
            f"The policy is not the verdict's ({policy.digest}, then {verdict.policy}): shares "
            "over a latency limit that moved cannot agree."
        )
    return notes


class _Recount:
    """Counts over a window, each statement run once and kept."""

    def __init__(
        self,
        rollout: Rollout,
        policy: Policy,
        frozen: Frozen,
        files: Mapping[Side, Sequence[LogFile]],
        window: Window,
        phase: str,
    ) -> None:
        self.rollout = rollout
        self.limit_ms = policy.phase(phase if phase in PHASES else "shadow").latency_limit_ms
        self.frozen = frozen
        self.window = window
        self.files = {side: [f for f in files[side] if not f.problem] for side in SIDES}
        reach = frozen.scale * SCORE_REACH
        probability = rollout.score.type == "probability"
        self.ends = {
            "least": 0.0 if probability else -reach,
            "most": 1.0 if probability else reach,
        }
        self._pairs: dict[str, int] = {}
        self._rows: dict[Side, dict[str, int]] = {}

    def counts(self, check: str) -> dict[str, int]:
        """The numbers of one check by name; none for a check this module does not know."""
        family, _, about = check.partition(".")
        kind, _, detail = about.partition(".")
        if family == "infrastructure" or kind == "sample":
            return self.rows("challenger")
        if kind == "nulls":
            return self.nulls(detail)
        if kind == "parity":
            return self.parity(detail)
        if kind == "rejected":
            side: Side = "champion" if detail == "champion" else "challenger"
            rows = self.rows(side)
            return {f"{side}_rejected": rows["rejected"], f"{side}_rows": rows["requests"]}
        return self.pairs()

    def rows(self, side: Side) -> dict[str, int]:
        """Counts of one model's rows over the window."""
        if side not in self._rows:
            self._rows[side] = self._ask(
                "verify_rows",
                {"logged": (side, None)},
                self.window,
                {
                    **self.ends,
                    **self._span(self.window),
                    "limit_ms": self.limit_ms,
                    "largest_ms": LARGEST_LATENCY,
                },
            )
        return self._rows[side]

    def pairs(self) -> dict[str, int]:
        """Coverage, duplicates, decisions and minutes, added up over slots."""
        if not self._pairs:
            self._pairs = self._by_slot("verify_pairs", None, {})
        return self._pairs

    def parity(self, feature: str) -> dict[str, int]:
        """Pairs in which a feature was compared, and in which it differs."""
        return self._by_slot(
            "verify_parity", feature, {"tolerance": PARITY_TOLERANCE, "largest": LARGEST}
        )

    def nulls(self, feature: str) -> dict[str, int]:
        """Rows and NULLs of a feature: the challenger's where it logs the feature."""
        found = {"rows": 0, "nulls": 0}
        for side in reversed(SIDES):
            if has_column(self.files[side], self.rollout, side, feature) and not found["rows"]:
                found = self._ask(
                    "verify_nulls",
                    {"logged": (side, feature)},
                    self.window,
                    self._span(self.window),
                )
        return found

    @staticmethod
    def _span(span: Window) -> dict[str, int]:
        return {"start": span.start, "stop": span.end}

    def _by_slot(
        self, query: str, feature: str | None, parameters: Mapping[str, object]
    ) -> dict[str, int]:
        """Pairing is settled inside a slot, so each is counted by itself and the counts add up."""
        length = self.rollout.time.slot_hours * HOUR
        slack = int(self.rollout.time.pairing_slack_minutes * MINUTE)
        total: dict[str, int] = {}
        for start in range(self.window.start // length * length, self.window.end, length):
            wide = Window(start - slack, start + length + slack)
            inside = Window(max(start, self.window.start), min(start + length, self.window.end))
            found = self._ask(
                query,
                {side: (side, feature) for side in SIDES},
                wide,
                {
                    **parameters,
                    **self.ends,
                    **self._span(inside),
                    "low": wide.start,
                    "high": wide.end,
                    "length": length,
                    "slack": slack,
                },
            )
            total = {name: total.get(name, 0) + value for name, value in found.items()}
        return total

    def _ask(
        self,
        query: str,
        views: Mapping[str, tuple[Side, str | None]],
        span: Window,
        parameters: Mapping[str, object],
    ) -> dict[str, int]:
        statement = sql.load(query).text
        used = {name: value for name, value in parameters.items() if f"${name}" in statement}
        with engine.connect() as connection:
            for name, (side, feature) in views.items():
                engine.view(connection, name, self._source(side, feature, span))
            row = engine.run(connection, statement, used).to_pylist()[0]
        return {name: int(value or 0) for name, value in row.items()}

    def _source(self, side: Side, feature: str | None, span: Window) -> str:
        """A model's rows under canonical names, as SQL over the files that may hold them."""
        parts = [_NO_ROWS]
        for file in self.files[side]:
            timeless = file.null_ts and file.first is not None
            if file.overlaps(span.start, span.end) or timeless:
                bound = _File(self.rollout, self.frozen, self.rollout.log(side), file)
                parts.append(bound.select(feature))
        return "\nUNION ALL\n".join(parts)


_COLUMNS = {
    "ts": "BIGINT",
    "file_first": "BIGINT",
    "request_id": "VARCHAR",
    "score": "DOUBLE",
    "latency_ms": "DOUBLE",
    "status": "DOUBLE",
    "message": "VARCHAR",
    "stray": "BOOLEAN",
    "choice": "BIGINT",
    "number": "DOUBLE",
    "word": "VARCHAR",
}
_NO_ROWS = (
    "SELECT "
    + ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in _COLUMNS.items())
    + " WHERE FALSE"
)


class _File:
    """Binds one file's columns to canonical names and types; it decides nothing else."""

    def __init__(self, rollout: Rollout, frozen: Frozen, log: Log, file: LogFile) -> None:
        if "://" in file.name:
            raise LogError(f"{file.name}: only local files can be recounted; copy the log here")
        self.rollout = rollout
        self.frozen = frozen
        self.log = log
        self.file = file
        self.types = {field.name: field.type for field in pq.read_schema(file.path)}
        self.partitions = {
            key: value for key, value in (file.partitions or {}).items() if key not in self.types
        }

    def select(self, feature: str | None) -> str:
        """The statement that reads the file."""
        number, word = self._feature(feature)
        status, message = self._error()
        expressions = {
            "ts": self._time(),
            "file_first": str(self.file.first),
            "request_id": self._id(),
            "score": self._number("score"),
            "latency_ms": self._number("latency_ms"),
            "status": status,
            "message": message,
            "stray": self._stray(),
            "choice": self._choice(),
            "number": number,
            "word": word,
        }
        chosen = ", ".join(
            f"CAST({expressions[name]} AS {kind}) AS {name}" for name, kind in _COLUMNS.items()
        )
        where = f" WHERE ({self.log.where})" if self.log.where else ""
        return f"SELECT {chosen} FROM {self._relation()}{where}"

    def _relation(self) -> str:
        constants = "".join(
            f", {literal(value)} AS {quote(key)}" for key, value in sorted(self.partitions.items())
        )
        path = literal(glob.escape(self.file.path))
        return f"(SELECT *{constants} FROM read_parquet({path}, hive_partitioning = false))"

    def _has(self, canonical: str) -> bool:
        source = self.log.source(canonical)
        return source in self.types or source in self.partitions

    def _column(self, canonical: str) -> str:
        return quote(self.log.source(canonical))

    def _kind(self, canonical: str) -> str:
        source = self.log.source(canonical)
        return kind_of(self.types[source]) if source in self.types else "text"

    def _time(self) -> str:
        """Microseconds UTC; of an hour that occurs twice the earlier, as the scan reads it."""
        column, kind = self._column("ts"), self.types[self.log.source("ts")]
        zone = self.rollout.time.zone
        if kind.tz is not None:
            return f"epoch_us(CAST({column} AS TIMESTAMPTZ))"
        local = f"CAST({column} AS TIMESTAMP)"
        if zone in (None, "UTC"):
            return f"epoch_us({local})"
        later = f"timezone({literal(str(zone))}, {local})"
        earlier = f"({later} - INTERVAL 1 HOUR)"
        return (
            f"epoch_us(CASE WHEN timezone({literal(str(zone))}, {earlier}) = {local} "
            f"THEN {earlier} ELSE {later} END)"
        )

    def _id(self) -> str:
        column = self._column("request_id")
        kind = self.types.get(self.log.source("request_id"), pa.string())
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        fraction = pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        return f"CAST({column} AS HUGEINT)" if fraction else column

    def _number(self, canonical: str) -> str:
        return self._column(canonical) if self._has(canonical) else "NULL"

    def _error(self) -> tuple[str, str]:
        """The error column as a number, or as a message."""
        if not self._has("error") or self._kind("error") == NOTHING:
            return "NULL", "NULL"
        column = self._column("error")
        return (column, "NULL") if self._kind("error") == "number" else ("NULL", column)

    def _feature(self, feature: str | None) -> tuple[str, str]:
        """A feature as a number, or as a word."""
        if feature is None or not self._has(feature):
            return "NULL", "NULL"
        numeric = self._kind(feature) in ("number", "flag", NOTHING)
        column = self._column(feature)
        return (column, "NULL") if numeric else ("NULL", column)

    def _choice(self) -> str:
        """What was decided: as logged, else the score's side of the threshold, else the class."""
        if self._has("decision"):
            return self._place("decision", self.frozen.decisions)
        threshold = self.rollout.threshold
        if threshold is None:
            return self._place("prediction", self.frozen.classes)
        if not self._has("score"):
            return "NULL"
        score = f"CAST({self._column('score')} AS DOUBLE)"
        usable = f"{score} >= 0 AND {score} <= 1"
        if self.rollout.score.type != "probability":
            reach = self.frozen.scale * SCORE_REACH
            usable = f"abs({score}) <= {reach!r}"
        return f"CASE WHEN {usable} THEN CAST({score} >= {threshold!r} AS BIGINT) END"

    def _place(self, canonical: str, known: Sequence[str]) -> str:
        """Place of a value in a store's list; one place for all that it does not hold."""
        if not self._has(canonical):
            return "NULL"
        word = f"CAST({self._column(canonical)} AS VARCHAR)"
        listed = ", ".join(literal(value) for value in known)
        place = f"list_position(CAST([{listed}] AS VARCHAR[]), {word}) - 1"
        return f"CASE WHEN {word} IS NOT NULL THEN coalesce({place}, {len(known)}) END"

    def _stray(self) -> str:
        """Whether a row lies outside the day that its folder names."""
        for key in PARTITION_DAYS:
            try:
                day = date.fromisoformat((self.file.partitions or {}).get(key, ""))
            except ValueError:
                continue
            ends = [
                round(datetime.combine(day + timedelta(days=n), time(), zone).timestamp())
                for zone in (UTC, ZoneInfo(self.rollout.time.calendar))
                for n in (0, 1)
            ]
            first, last = min(ends) * 1_000_000, max(ends) * 1_000_000
            return f"NOT ({self._time()} >= {first} AND {self._time()} < {last})"
        return "FALSE"
