"""What is wrong with the labels, and where they contradict what `[labels]` declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer import ids
from analyzer.check.arrival import contradictions
from analyzer.check.files import file_findings, same_content, surveyed
from analyzer.check.finding import Finding, Severity
from analyzer.config import Rollout
from analyzer.kinds import NOTHING, kind_of
from analyzer.labels.events import MISSING, answers
from analyzer.logs import SIDES, LogFile, Side
from analyzer.reader import null_positions, read
from analyzer.window import HOUR

SAMPLE = 100_000
"""Labels whose requests are looked up in the champion's log, spread over the labels' files."""
TELLING = 100
"""Labels below which a class that never comes proves nothing."""
FEW = 0.5
"""Share of labelled requests found in the log below which it is said."""


@dataclass
class _Seen:
    """What the labels of a log hold. first, last: instants in microseconds UTC."""

    rows: int = 0
    null: int = 0
    unreadable: int = 0
    classes: list[int] = field(default_factory=lambda: [0, 0])
    first: int = 1 << 62
    last: int = 0
    sample: list[pa.Array] = field(default_factory=list)


def labels(
    rollout: Rollout, predictions: dict[Side, list[LogFile]], classes: bool = True
) -> list[Finding]:
    """Findings about the labels log; none where no labels are described. classes: whether a class
    that never comes is one.
    """
    if not rollout.labels.paths:
        return []
    findings: list[Finding] = []
    files = surveyed(rollout, "labels", findings)
    usable = [file for file in files if not file.problem]
    findings += file_findings(rollout, "labels", files, usable)
    findings += same_content("labels", usable)
    seen = _seen(rollout, usable)
    if seen.rows:
        findings += _values(rollout, seen)
        findings += _arrival(rollout, seen) if classes else ()
        as_text = _as_text(rollout, usable, predictions)
        findings += _unknown(rollout, seen, as_text, predictions)
        told = rollout.label_kind != "binary" or min(seen.classes) > 0
        if classes and told:
            findings += _contradictions(rollout, seen, as_text, usable, predictions)
    # labels stop no job: a gate answers without them
    return [_milder(finding) for finding in findings]


def _milder(found: Finding) -> Finding:
    severity: Severity = "counted" if found.severity == "stops the job" else found.severity
    return Finding(
        severity, found.log, found.file, found.column, found.rows, found.problem, found.remedy
    )


def _seen(rollout: Rollout, files: Sequence[LogFile]) -> _Seen:
    seen = _Seen()
    each = SAMPLE // max(len(files), 1) + 1
    binary = rollout.label_kind == "binary"
    for file in files:
        left = each
        for batch in read(rollout, "labels", [file], ["request_id", "label"], 0, 1 << 62):
            values = batch.columns["label"]
            seen.rows += len(batch)
            null = len(null_positions(values))
            if kind_of(values.type) == "number":
                floats = values.cast(pa.float64(), safe=False)
                null += pc.sum(pc.is_nan(floats)).as_py() or 0
            seen.null += null
            if binary:
                found = answers(rollout.labels.positive, values)
                seen.unreadable += int(np.count_nonzero(found == MISSING)) - null
                for label in (0, 1):
                    seen.classes[label] += int(np.count_nonzero(found == label))
            seen.first = min(seen.first, int(batch.ts[0]))
            seen.last = max(seen.last, int(batch.ts[-1]))
            if left > 0:
                seen.sample.append(batch.columns["request_id"].slice(0, left))
                left -= min(left, len(batch))
    return seen


def _values(rollout: Rollout, seen: _Seen) -> Iterator[Finding]:
    column = rollout.log("labels").source("label")
    if seen.null:
        yield Finding(
            "counted",
            "labels",
            "",
            column,
            seen.null,
            "labels are NULL or NaN",
            "they are left out; log a label when it is known",
        )
    if seen.unreadable:
        yield Finding(
            "counted",
            "labels",
            "",
            column,
            seen.unreadable,
            "labels are neither 0 nor 1, true nor false",
            "they are left out; say which label means yes: `positive` under [labels]",
        )


def _arrival(rollout: Rollout, seen: _Seen) -> Iterator[Finding]:
    """Where a class that should come never does, or one that should not does."""
    if rollout.label_kind != "binary":
        return
    no, yes = seen.classes
    declared = rollout.labels.arrival

    def contradiction(problem: str, remedy: str) -> Finding:
        column = rollout.log("labels").source("label")
        return Finding("counted", "labels", "", column, no + yes, problem, remedy)

    if declared != "positives" and yes >= TELLING and not no:
        yield contradiction(
            f'every label is positive, but arrival = "{declared}" expects both classes',
            'declare arrival = "positives" under [labels] if no news means not yet',
        )
    if declared == "positives" and no > yes and no >= TELLING:
        yield contradiction(
            f'{no:,} labels are negative, but arrival = "positives" expects none',
            'declare arrival = "both" under [labels], or check `positive`',
        )
    if no >= TELLING and not yes:
        yield contradiction(
            "every label is negative",
            "check `positive` under [labels]: without positives no metric of them can be said",
        )


def _contradictions(
    rollout: Rollout,
    seen: _Seen,
    as_text: bool,
    files: Sequence[LogFile],
    predictions: dict[Side, list[LogFile]],
) -> Iterator[Finding]:
    """Where a look at single requests contradicts the declared arrival."""
    column = rollout.log("labels").source("label")
    logs = {"champion": predictions["champion"], "labels": files}
    for found in contradictions(rollout, logs, (seen.first, seen.last), as_text):
        severity: Severity = "note" if found.mild else "counted"
        yield Finding(severity, "labels", "", column, found.rows, found.problem, found.remedy)


def _as_text(
    rollout: Rollout, files: Sequence[LogFile], predictions: dict[Side, list[LogFile]]
) -> bool:
    """Whether one log's ids are numbers and another's text, so that spellings are compared."""
    kinds = {file.schema[rollout.log("labels").source("request_id")] for file in files}
    for side in SIDES:
        name = rollout.log(side).source("request_id")
        kinds |= {file.schema[name] for file in predictions[side]}
    return len(kinds - {NOTHING}) > 1


def _unknown(
    rollout: Rollout, seen: _Seen, as_text: bool, predictions: dict[Side, list[LogFile]]
) -> Iterator[Finding]:
    """Labels of requests that the champion's log does not hold."""
    source = rollout.log("labels").source("request_id")
    wanted = np.unique(_keys(seen.sample, as_text))
    if not len(wanted):
        return
    start = seen.first - rollout.labels.open_days * 24 * HOUR
    met = np.zeros(len(wanted), dtype=bool)
    for batch in read(
        rollout, "champion", predictions["champion"], ["request_id"], start, seen.last + 1
    ):
        keys = _keys([batch.columns["request_id"]], as_text)
        place = np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)
        met[place[wanted[place] == keys]] = True
    share = float(met.mean())
    if share < FEW:
        yield Finding(
            "counted",
            "labels",
            "",
            source,
            int(np.count_nonzero(~met)),
            f"of {len(met):,} labelled requests looked up, {share:.0%} are in the champion's log",
            "labels without a prediction are left out; log the same request ids in both",
        )


def _keys(arrays: Sequence[pa.Array], as_text: bool) -> NDArray[np.uint64]:
    parts = [ids.pairing_keys(array.drop_null(), as_text)[0] for array in arrays]
    return np.concatenate([np.zeros(0, dtype=np.uint64), *parts])
