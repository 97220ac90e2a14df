"""A sample of requests whose labels should have come by now, and when those did come.

Requests are picked by a hash of their id from the last weeks of the champion's log; the labels
are streamed past them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer import ids
from analyzer.config import Rollout
from analyzer.kinds import kind_of
from analyzer.labels.events import MISSING, answers
from analyzer.logs import LogFile
from analyzer.reader import Batch, null_positions, read
from analyzer.window import DAY

SAMPLE = 50_000
"""Requests that are looked up, as many as their hashes let through."""
WEEKS = 8
"""Weeks of mature requests that are looked at, the last ones."""
UNREADABLE = -2
"""A decision that is a word for neither yes nor no."""

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Looked:
    """Sampled requests: instants in microseconds UTC (label: -1 without one), score (NaN unknown),
    called (1 yes, 0 no, -1 unknown), bucket of their unit.
    """

    ts: Ints
    label: Ints
    score: Floats
    called: Ints
    bucket: Ints

    def __len__(self) -> int:
        return len(self.ts)

    def at(self, rows: Bools | Ints) -> Looked:
        """Some of them."""
        return Looked(*(getattr(self, f.name)[rows] for f in fields(self)))

    def cells(self, rows: Bools) -> Floats:
        """Labelled rows and all rows, by bucket."""
        bucket, told = self.bucket[rows], self.label[rows] >= 0
        size = int(self.bucket.max(initial=0)) + 1
        return np.stack([np.bincount(bucket, told, size), np.bincount(bucket, None, size)], axis=1)

    def share(self, rows: Bools) -> float:
        """Labelled share of some rows."""
        return float((self.label[rows] >= 0).mean())


def looked(
    rollout: Rollout, files: Mapping[str, Sequence[LogFile]], span: tuple[int, int], as_text: bool
) -> Looked:
    """A sample of requests of the last weeks whose labels should be here, and when those came."""
    wait = rollout.labels.open_days * DAY
    ends = [file.last for file in files["champion"] if file.last is not None]
    last = min(max(ends, default=0), span[1]) + 1
    start = max(last - wait - WEEKS * 7 * DAY, span[0])
    key, seen = _picked(rollout, files["champion"], start, last, as_text)
    return mature(replace(seen, label=_stamps(rollout, files["labels"], key, as_text)), wait)


def mature(seen: Looked, wait: int) -> Looked:
    """The requests whose labels should be here: `wait` microseconds old by the last label, and not
    from before the first one. Single labels may be dated wrongly: one in a thousand tells neither.
    """
    told = seen.label[seen.label >= 0]
    if not len(told):
        return seen.at(np.zeros(len(seen), np.bool_))
    first, last = (int(x) for x in np.quantile(told, [0.001, 0.999], method="nearest"))
    return seen.at((seen.ts >= first) & (seen.ts + wait < last))


def _picked(
    rollout: Rollout, files: Sequence[LogFile], start: int, end: int, as_text: bool
) -> tuple[Keys, Looked]:
    """Keys, ascending, and what the log says of some requests of [start, end)."""
    rows = sum(
        group.rows
        for file in files
        for group in file.groups
        if group.first is not None and group.last is not None
        if group.first < end and group.last >= start
    )
    one_in = np.uint64(max(rows // SAMPLE, 1))
    parts: list[tuple[Keys, Ints, Floats, Ints, Ints]] = []
    wanted = ["request_id", "score", "decision", "unit_id"]
    for batch in read(rollout, "champion", files, wanted, start, end):
        key = ids.pairing_keys(batch.columns["request_id"], as_text)[0]
        chosen = np.flatnonzero((key != 0) & ((key >> np.uint64(8)) % one_in == 0))
        parts.append((key[chosen], batch.ts[chosen], *_of(batch, chosen, rollout)))
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return none.astype(np.uint64), Looked(none, none, none.astype(np.float64), none, none)
    key = np.concatenate([part[0] for part in parts])
    score = np.concatenate([part[2] for part in parts])
    ts, decided, bucket = (np.concatenate([part[i] for part in parts]) for i in (1, 3, 4))
    unlabelled = np.full(len(ts), -1, dtype=np.int64)
    order = np.argsort(key, kind="stable")
    return key[order], Looked(ts, unlabelled, score, _called(rollout, score, decided), bucket).at(
        order
    )


def _of(batch: Batch, chosen: Ints, rollout: Rollout) -> tuple[Floats, Ints, Ints]:
    """Score, decision and bucket of the unit of some rows; NaN and MISSING where not logged."""
    columns = {name: values.take(pa.array(chosen)) for name, values in batch.columns.items()}
    score = np.full(len(chosen), np.nan)
    decided = np.full(len(chosen), MISSING, dtype=np.int64)
    if "score" in columns and kind_of(columns["score"].type) == "number":
        score = np.asarray(columns["score"].cast(pa.float64(), safe=False).fill_null(np.nan))
    if "decision" in columns and rollout.label_kind == "binary":
        decided = answers(rollout.labels.positive_decision, columns["decision"]).astype(np.int64)
        odd = decided == MISSING
        odd[null_positions(columns["decision"])] = False
        decided[odd] = UNREADABLE
    units = columns.get("unit_id", columns["request_id"])
    if kind_of(units.type) not in ("text", "number") or pa.types.is_floating(units.type):
        units = columns["request_id"]
    return score, decided, ids.buckets(ids.plain(units))


def _called(rollout: Rollout, score: Floats, decided: Ints) -> Ints:
    """What the champion called: by its decisions where all are readable, else by the threshold."""
    if bool((decided >= 0).any()) and not bool((decided == UNREADABLE).any()):
        return decided
    if rollout.threshold is None:
        return np.full(len(score), MISSING, dtype=np.int64)
    return np.where(np.isfinite(score), score >= rollout.threshold, MISSING).astype(np.int64)


def _stamps(rollout: Rollout, files: Sequence[LogFile], wanted: Keys, as_text: bool) -> Ints:
    """Instant of the first label of each wanted request (sorted keys), -1 without one."""
    never = np.iinfo(np.int64).max
    found = np.full(len(wanted), never, dtype=np.int64)
    if not len(wanted):
        return found
    for batch in read(rollout, "labels", files, ["request_id", "label"], 0, 1 << 62):
        label = batch.columns["label"]
        usable = np.ones(len(batch), np.bool_)
        usable[null_positions(label)] = False
        if rollout.label_kind == "binary":
            usable &= answers(rollout.labels.positive, label) != MISSING
        key = ids.pairing_keys(batch.columns["request_id"], as_text)[0]
        place = np.minimum(np.searchsorted(wanted, key), len(wanted) - 1)
        met = usable & (wanted[place] == key)
        np.minimum.at(found, place[met], batch.ts[met])
    return np.where(found == never, -1, found)
