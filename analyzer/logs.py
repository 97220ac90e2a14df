"""Which files a model's log consists of, and what their footers say.

A file that cannot be used is kept in the list with its `problem`: it is named and shown, and a
window it may belong to is never judged as if it were whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from analyzer import kinds
from analyzer.config import CANONICAL, Rollout
from analyzer.design import OUTCOME_COLUMNS
from analyzer.footers import RowGroup, row_groups
from analyzer.paths import expand, partitions_of, readable

Side = Literal["champion", "challenger"]
SIDES: tuple[Side, Side] = ("champion", "challenger")
Source = Literal["champion", "challenger", "labels", "outcomes", "exposures"]
"""Every log there is. Of labels, `ts` is when the label became available."""

EARLIEST = 0
LATEST = 7_258_118_400_000_000
"""1970 and 2200: a `ts` outside is no clock skew but a number read in the wrong unit."""


@dataclass(frozen=True)
class LogFile:
    """One Parquet file as its footer describes it; `problem` says why it cannot be used."""

    name: str
    path: str
    size: int
    changed: int
    schema: Mapping[str, str]
    groups: tuple[RowGroup, ...]
    null_ts: int = 0
    partitions: Mapping[str, str] | None = None
    problem: str = ""

    @property
    def rows(self) -> int:
        """Rows in the file."""
        return sum(group.rows for group in self.groups)

    @property
    def first(self) -> int | None:
        """Earliest `ts`, None where there is none."""
        return min((g.first for g in self.groups if g.first is not None), default=None)

    @property
    def last(self) -> int | None:
        """Latest `ts`, None where there is none."""
        return max((g.last for g in self.groups if g.last is not None), default=None)

    def overlaps(self, start: int, end: int) -> bool:
        """Whether any row may lie in [start, end)."""
        return (
            self.first is not None
            and self.last is not None
            and (self.first < end and self.last >= start)
        )


def survey(
    rollout: Rollout, side: Source, known: Mapping[tuple[str, int, int], LogFile] | None = None
) -> list[LogFile]:
    """Every file of a log with what its footer says; `known` saves reading a footer again.

    The key of `known` is (name, size, modification time). Raises LogError when nothing matches.
    """
    known = known or {}
    found = []
    for name, path, system in expand(rollout.log(side).paths, Path(rollout.root), side):
        if readable(path) != path:  # Arrow could not open it
            problem = "has a name that is not UTF-8; rename it"
            found.append(LogFile(name, readable(path), 0, 0, {}, (), problem=problem))
            continue
        info = system.get_file_info(path)
        key = (name, info.size or 0, info.mtime_ns or 0)
        # the same relative name may lie in a folder that was copied: `path` is never remembered
        found.append(
            replace(known[key], path=path)
            if key in known
            else _inspect(rollout, side, key, path, system)
        )
    return _with_kind_changes(found, side, rollout)


def _inspect(
    rollout: Rollout,
    side: Source,
    key: tuple[str, int, int],
    path: str,
    system: pafs.FileSystem,
) -> LogFile:
    name, size, changed = key
    parts = partitions_of(name)

    def broken(problem: str) -> LogFile:
        return LogFile(name, path, size, changed, {}, (), 0, parts, problem)

    if size == 0:
        return broken("is empty (0 bytes); write it again or take it out of `paths`")
    try:
        with system.open_input_file(path) as source:
            return _footer(
                rollout,
                side,
                LogFile(name, path, size, changed, {}, (), 0, parts),
                pq.ParquetFile(source),
            )
    except PermissionError:
        return broken("may not be read; give this user read permission")
    except OSError as error:
        return broken(f"cannot be read ({str(error)[:160]})")
    except pa.ArrowException as error:
        return broken(f"is not readable Parquet, perhaps cut short ({str(error)[:160]})")


def _footer(rollout: Rollout, side: Source, file: LogFile, parquet: pq.ParquetFile) -> LogFile:
    names = parquet.schema_arrow.names
    schema = {field.name: kinds.kind_of(field.type) for field in parquet.schema_arrow}
    schema.update({k: "text" for k in file.partitions or {} if k not in schema})
    file = replace(file, schema=schema)
    problem = _missing(rollout, side, schema) or _twice(rollout, side, names)
    if problem:
        return replace(file, problem=problem)
    field = parquet.schema_arrow.field(rollout.log(side).source("ts"))
    if field.type.tz is None and rollout.time.zone is None:
        problem = f"column {field.name!r} has no time zone; declare one as `zone` under [time]"
        return replace(file, problem=problem)
    groups, nulls = row_groups(parquet, field, rollout.time.zone)
    file = replace(file, groups=groups, null_ts=nulls)
    return replace(file, problem=_odd_times(file, field.name))


def _twice(rollout: Rollout, side: Source, names: Sequence[str]) -> str:
    used = {rollout.log(side).source(column) for column in used_columns(rollout, side)}
    twice = sorted(name for name in used if names.count(name) > 1)
    return f"has {names.count(twice[0])} columns named {twice[0]!r}" if twice else ""


def _odd_times(file: LogFile, column: str) -> str:
    """Why no slot can hold the file's rows, or an empty text."""
    if file.first is None or file.last is None:
        return f"column {column!r} (ts) is NULL in all {file.rows:,} rows" if file.rows else ""
    if file.first < EARLIEST or file.last >= LATEST:
        return (
            f"column {column!r} (ts) holds times before 1970 or after 2200; "
            "perhaps it was written in another unit than it declares"
        )
    return ""


def _where(rollout: Rollout, side: Source, canonical: str) -> str:
    """Where a column that is missing is given another name, in words."""
    if side not in ("outcomes", "exposures") or rollout.experiment is None:
        return f"map it under [{side}.columns]"
    if canonical in (*OUTCOME_COLUMNS, *rollout.experiment.segments):
        return "map it under [experiment.columns]"
    return "metrics name it under [experiment.metrics]"


def _missing(rollout: Rollout, side: Source, schema: Mapping[str, str]) -> str:
    """Why a file with this schema cannot be used, or an empty text."""
    log = rollout.log(side)
    needed = _needed(rollout, side)
    mapped = (c for c in log.columns if c not in needed and c in used_columns(rollout, side))
    for canonical in [*needed, *mapped]:
        source = log.source(canonical)
        if source not in schema:
            name = title(side, canonical)
            where = _where(rollout, side, canonical)
            return f"has no column {source!r} ({name}); {where}"
    for canonical, wanted in _kinds(rollout, side).items():
        kind = schema.get(log.source(canonical), kinds.NOTHING)
        if kind not in wanted and (kind != kinds.NOTHING or canonical == "ts"):
            return (
                f"column {log.source(canonical)!r} ({title(side, canonical)}) holds {kind}, "
                f"not {' or '.join(wanted)}"
            )
    for feature in rollout.features.numeric if side in SIDES else ():
        kind = schema.get(log.source(feature), kinds.NOTHING)
        if kind not in ("number", "flag", kinds.NOTHING):
            return f"column {log.source(feature)!r}: numeric feature {feature!r} holds {kind}"
    for canonical in used_columns(rollout, side):
        kind = schema.get(log.source(canonical), kinds.NOTHING)
        if kind not in (*kinds.SCALARS, kinds.NOTHING):
            return f"column {log.source(canonical)!r} ({canonical}) holds {kind}, no plain value"
    return ""


def _needed(rollout: Rollout, side: Source) -> list[str]:
    """Columns without which a log says nothing."""
    if side in SIDES:
        return ["request_id", "ts", "prediction" if rollout.score.type == "class" else "score"]
    return ["request_id", "ts", "label"] if side == "labels" else rollout.unit_columns(side)


def _kinds(rollout: Rollout, side: Source) -> kinds.Kinds:
    """What the columns of a log may hold, where that is not all the same."""
    if side in SIDES:
        return kinds.OF_MODELS
    if side == "labels":
        return kinds.OF_LABELS
    numeric = set(rollout.unit_columns(side)) & set(rollout.unit_numbers)
    return {**kinds.OF_UNITS, **dict.fromkeys(sorted(numeric), ("number", "flag"))}


def title(side: Source, canonical: str) -> str:
    """What people call a column of a log: the `ts` of a label is its `label_ts`."""
    return "label_ts" if side == "labels" and canonical == "ts" else canonical


def _with_kind_changes(files: list[LogFile], side: Source, rollout: Rollout) -> list[LogFile]:
    """Mark the files in which a used column holds another kind than in most of the log's rows."""
    log = rollout.log(side)
    used = [log.source(c) for c in used_columns(rollout, side)]
    checked = files
    for column in used:
        weights: Counter[str] = Counter()
        for file in checked:
            if not file.problem and file.schema.get(column, kinds.NOTHING) != kinds.NOTHING:
                weights[file.schema[column]] += max(file.rows, 1)
        if len(weights) < 2:
            continue
        usual = min(weights, key=lambda kind: (-weights[kind], kind))
        checked = [
            _odd(file, column, usual)
            if not file.problem and file.schema.get(column, usual) not in (usual, kinds.NOTHING)
            else file
            for file in checked
        ]
    return checked


def _odd(file: LogFile, column: str, usual: str) -> LogFile:
    problem = (
        f"column {column!r} holds {file.schema[column]} here but {usual} in most of the log; "
        "write the file again with the usual type"
    )
    return replace(file, problem=problem)


def used_columns(rollout: Rollout, side: Source = "champion") -> list[str]:
    """Canonical names of every column of a log that the product may read."""
    if side == "labels":
        return list(kinds.OF_LABELS)
    if side not in SIDES:
        return list(dict.fromkeys([*kinds.OF_UNITS, *rollout.unit_columns(side)]))
    features = [*rollout.features.numeric, *rollout.features.categorical]
    return list(dict.fromkeys([*CANONICAL, *rollout.segments.columns, *features]))


def has_column(files: list[LogFile], rollout: Rollout, side: Source, canonical: str) -> bool:
    """Whether any usable file of a log carries a column."""
    source = rollout.log(side).source(canonical)
    return any(source in file.schema for file in files if not file.problem)


def gaps(files: Sequence[LogFile], rollout: Rollout, side: Source) -> list[tuple[LogFile, str]]:
    """Files that lack a column which others of the log carry, with its canonical name.

    Their rows count as NULL there; `check` names them.
    """
    usable = [file for file in files if not file.problem]
    found = []
    for canonical in used_columns(rollout, side):
        source = rollout.log(side).source(canonical)
        lacking = [file for file in usable if source not in file.schema]
        if len(lacking) < len(usable):
            found += [(file, canonical) for file in lacking]
    return found
