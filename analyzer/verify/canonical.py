"""A log's file under canonical names and types, as SQL."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from analyzer.config import Log, Rollout
from analyzer.engine import literal, quote
from analyzer.errors import LogError
from analyzer.frozen import Frozen
from analyzer.kinds import NOTHING, kind_of
from analyzer.logs import LogFile
from analyzer.reader import PARTITION_DAYS
from analyzer.scan.narrow import SCORE_REACH

_COLUMNS = {
    "ts": "BIGINT",
    "feature_ts": "BIGINT",
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
NO_ROWS = (
    "SELECT "
    + ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in _COLUMNS.items())
    + " WHERE FALSE"
)


class File:
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
            "ts": self._time("ts"),
            "feature_ts": self._feature_time(),
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

    def _feature_time(self) -> str:
        """When features were updated; NULL where nothing says in which zone."""
        kind = self.types.get(self.log.source("feature_ts"), pa.null())
        told = pa.types.is_timestamp(kind) and (kind.tz or self.rollout.time.zone)
        return self._time("feature_ts") if told else "NULL"

    def _time(self, canonical: str) -> str:
        """Microseconds UTC; of an hour that occurs twice the earlier, as the scan reads it."""
        column, kind = self._column(canonical), self.types[self.log.source(canonical)]
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
            return f"NOT ({self._time('ts')} >= {first} AND {self._time('ts')} < {last})"
        return "FALSE"
