"""A second look at the guessed `arrival`: do labels of single requests fit it?"""

from __future__ import annotations

from analyzer.check.arrival import contradictions
from analyzer.config import Rollout
from analyzer.errors import AnalyzerError
from analyzer.kinds import NOTHING
from analyzer.logs import LogFile, survey

MOST_ROWS = 5_000_000
"""Rows of the champion and the labels up to which a first guess looks requests up."""


def arrival(rollout: Rollout) -> tuple[str, str] | None:
    """The `arrival` that the logs speak for instead of "both", and why; None where nothing does,
    logs are too large for a first look (`analyzer check` looks at any) or cannot be read yet.
    """
    if not rollout.labels.paths or rollout.labels.arrival != "both":
        return None
    try:
        files = {
            "champion": [f for f in survey(rollout, "champion") if not f.problem],
            "labels": [f for f in survey(rollout, "labels") if not f.problem],
        }
        ends = [(f.first, f.last) for f in files["labels"]]
        firsts = [first for first, _ in ends if first is not None]
        lasts = [last for _, last in ends if last is not None]
        if not firsts or sum(f.rows for group in files.values() for f in group) > MOST_ROWS:
            return None
        span = (min(firsts), max(lasts))
        found = contradictions(rollout, files, span, _as_text(rollout, files))
    except AnalyzerError:  # `check` says it properly
        return None
    if not found or not found[0].arrival:
        return None
    return found[0].arrival, found[0].problem.split(", but")[0].split(": labels depend")[0]


def _as_text(rollout: Rollout, files: dict[str, list[LogFile]]) -> bool:
    kinds = {
        file.schema[rollout.log(source).source("request_id")]
        for source, found in files.items()
        for file in found
    }
    return len(kinds - {NOTHING}) > 1
