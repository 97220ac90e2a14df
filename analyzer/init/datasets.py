"""Which files belong together, and a few rows of each such dataset."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from analyzer.errors import LogError
from analyzer.init.names import CHALLENGER, CHAMPION, LABELS, PROXIES, words_in
from analyzer.kinds import kind_of
from analyzer.paths import partitions_of

SAMPLE_FILES = 8
SAMPLE_ROWS = 5_000


@dataclass(frozen=True)
class Dataset:
    """Files that belong together. `columns` tells kinds of the columns, `sample` some rows."""

    name: str
    folder: str
    files: tuple[str, ...]
    columns: Mapping[str, str]
    sample: pa.Table

    @property
    def words(self) -> set[str]:
        """The words in its name."""
        return set(words_in(self.name))


def files_of(paths: Sequence[str | Path]) -> list[str]:
    """All files that paths, folders or globs name, sorted. Raises LogError where one has none."""
    found: list[str] = []
    for given in map(str, paths):
        if "://" in given:
            raise LogError(f"{given}: init reads local files; copy one file of each log here first")
        if os.path.isdir(given):
            matches = glob.glob(os.path.join(glob.escape(given), "**", "*.parquet"), recursive=True)
        elif os.path.exists(given):
            matches = [given]
        else:
            matches = [p for p in glob.glob(given, recursive=True) if os.path.isfile(p)]
        if not matches:
            raise LogError(f"{given}: holds or matches no Parquet file")
        found += matches
    return sorted({os.path.abspath(path) for path in found})


def _base(path: str) -> str:
    """The folder of a log: Hive partitions and folders named by date taken off."""
    folder = os.path.dirname(path)
    while re.fullmatch(r".*=.*|[\d\W_]*\d[\d\W_]*", os.path.basename(folder)):
        folder = os.path.dirname(folder)
    return folder


def datasets(files: Sequence[str]) -> tuple[list[Dataset], list[tuple[str, str]]]:
    """Files by folder and by the role words in their names."""
    telling = CHAMPION | CHALLENGER | LABELS | PROXIES
    groups: dict[tuple[str, str], list[str]] = {}
    for path in files:
        stem = " ".join(w for w in words_in(Path(path).stem) if w in telling)
        alone = Path(path).stem if len(files) == 2 else ""
        groups.setdefault((_base(path), stem or alone), []).append(path)
    common = os.path.commonpath([folder for folder, _ in groups])
    found, unreadable = [], []
    for (folder, stem), members in sorted(groups.items()):
        tables = []
        for path in spread(members, SAMPLE_FILES):
            try:
                tables.append(_sample(path))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
                unreadable.append((path, str(error).splitlines()[0][:120]))
        if tables:
            name = f"{os.path.relpath(folder, common)} {stem}".strip(". ")
            found.append(_dataset(name or os.path.basename(folder), folder, members, tables))
    return found, unreadable


def _dataset(name: str, folder: str, members: Sequence[str], tables: Sequence[pa.Table]) -> Dataset:
    try:
        sample = pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # types that differ: `check` names the files
        sample = tables[0]
    kinds = {column.name: kind_of(column.type) for column in sample.schema}
    return Dataset(name, folder, tuple(members), kinds, sample)


def spread(members: Sequence[str], most: int) -> list[str]:
    """At most that many of the files, evenly spread."""
    step = max(1, -(-len(members) // most))
    return [*members[::step], *members[-1:]][:most] if len(members) > most else list(members)


def _sample(path: str) -> pa.Table:
    with pq.ParquetFile(path) as file:
        groups = sorted({0, file.num_row_groups // 2, max(file.num_row_groups - 1, 0)})
        parts = []
        for group in groups[: file.num_row_groups]:
            batches = file.iter_batches(SAMPLE_ROWS, row_groups=[group], use_threads=False)
            parts += [batch for batch in (next(batches, None),) if batch is not None]
        table = pa.Table.from_batches(parts, file.schema_arrow)
    for key, value in partitions_of(path).items():
        if key not in table.column_names:
            table = table.append_column(key, pa.array([value] * len(table), pa.string()))
    return table
