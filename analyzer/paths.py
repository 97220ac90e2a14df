"""Which files the paths and globs of a log name, on this machine or in a bucket."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.fs as pafs

from analyzer.errors import LogError

Found = tuple[str, str, pafs.FileSystem]
"""Name (as people see it), path (as it is opened), file system."""


def expand(patterns: Sequence[str], root: Path, log: str) -> list[Found]:
    """All files that paths and globs of a log name, sorted by name, each once.

    root: where relative ones start. Raises LogError when one matches nothing.
    """
    found: dict[str, Found] = {}
    for pattern in patterns:
        matches = _matches(pattern, root)
        if not matches:
            raise LogError(
                f"[{log}] {pattern}: matches no file; check `paths` in rollout.toml "
                f"(relative paths start at {root})"
            )
        for name, path, system in matches:
            found.setdefault(path, (name, path, system))
    return sorted(found.values(), key=lambda item: item[0])


def _matches(pattern: str, root: Path) -> list[Found]:
    if "://" in pattern:
        return _remote_matches(pattern)
    local = pafs.LocalFileSystem()
    full = str(root / pattern)  # an absolute pattern stays what it is
    if os.path.isdir(full):
        full = os.path.join(glob.escape(full), "**", "*.parquet")
    elif os.path.exists(full):
        full = glob.escape(full)
    elif not os.path.isabs(pattern):  # the root's own name may hold brackets
        full = os.path.join(glob.escape(str(root)), pattern)
    paths = sorted(p for p in glob.glob(full, recursive=True) if not os.path.isdir(p))
    return [(readable(os.path.relpath(p, root)), os.path.realpath(p), local) for p in paths]


def readable(path: str) -> str:
    """A file name as text, also when its bytes are not UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _remote_matches(pattern: str) -> list[Found]:
    from fnmatch import fnmatchcase

    head = pattern.split("*", 1)[0].rsplit("/", 1)[0] if "*" in pattern else pattern
    try:
        system, base = pafs.FileSystem.from_uri(head)
        infos = (
            system.get_file_info(pafs.FileSelector(base, recursive=True))
            if (system.get_file_info(base).type == pafs.FileType.Directory)
            else [system.get_file_info(base)]
        )
    except (OSError, pa.ArrowInvalid) as error:
        raise LogError(f"{pattern}: cannot be listed ({error})") from None
    scheme = pattern.split("://", 1)[0]
    wanted = pattern.split("://", 1)[1] if "*" in pattern else None
    return sorted(
        (f"{scheme}://{info.path}", info.path, system)
        for info in infos
        if info.type == pafs.FileType.File
        and (wanted is None or fnmatchcase(info.path, wanted))
        and (wanted is not None or info.path.endswith(".parquet"))
    )


def partitions_of(name: str) -> dict[str, str]:
    """Hive partition columns in a path: `date=2025-03-03/part-0.parquet`."""
    folders = [part for part in name.split("/")[:-1] if "=" in part]
    return {unquote(p.split("=", 1)[0]): unquote(p.split("=", 1)[1]) for p in folders}
