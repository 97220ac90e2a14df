"""Files that cannot be used, lack columns, or are there twice."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence

from analyzer.check.finding import Finding
from analyzer.config import Rollout
from analyzer.errors import LogError
from analyzer.logs import LogFile, Source, gaps, survey
from analyzer.reader import null_times


def surveyed(rollout: Rollout, side: Source, findings: list[Finding]) -> list[LogFile]:
    """Every file of a log; where `paths` match nothing, a finding and no file."""
    try:
        return survey(rollout, side)
    except LogError as error:
        findings.append(Finding("stops the job", side, "", "", None, str(error), "correct [paths]"))
        return []


def file_findings(
    rollout: Rollout, side: Source, files: Sequence[LogFile], usable: Sequence[LogFile]
) -> Iterator[Finding]:
    """Files that cannot be used, hold no row or no time, or lack a column."""
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


def same_content(side: Source, files: Sequence[LogFile]) -> Iterator[Finding]:
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
