"""One slot of a drill-down: both logs read, paired, and each pair kept as small codes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.drilldown.coders import Coder, Codes, coder_of
from analyzer.drilldown.margins import MISSING, UNSAID, margins
from analyzer.drilldown.plan import Task, slack_of
from analyzer.errors import StoreError
from analyzer.logs import SIDES, Side, has_column
from analyzer.reader import Batch, read
from analyzer.scan.narrow import UNKNOWN, Spool, narrow
from analyzer.scan.pairing import Identity, pair
from analyzer.serving import ERROR, HAS_LATENCY, UNKNOWN_ERROR
from analyzer.window import HOUR

PART_ROWS = 2_000_000
"""Rows a side above which a slot is split by request id, part by part through files."""

SCORE_BITS = 24
"""Scores and differences are whole multiples of scale * 2**-24."""
RATIO_BITS = 20
"""Logarithms of latency ratios are whole multiples of 2**-20."""
LEAST_LATENCY = 1e-3
"""Milliseconds below which latencies count as equal: a ratio with 0 has no bound."""
KEPT = ("ts", "key", "check", "has_id", "score", "latency", "flags", "decision", "class", "bucket")
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Part:
    """Pairs of a slot in order of the champion's `ts`; one row of each array a pair.

    codes: per column, places in its `labels` (of text sorted, None for NULL last). score: the
    challenger's; score and difference in quanta of scale * 2**-24, ratio the logarithm of
    challenger over champion latency in quanta of 2**-20; MISSING where there is none. flip: 1
    where decisions differ; error: challenger minus champion; UNSAID where unknown. hour: whole
    hours since the window's start. margins: sums per label of each column over all pairs, of
    which the arrays hold one in `Task.every`. alone: champion rows without a partner.
    """

    labels: dict[str, tuple[str | None, ...]]
    codes: dict[str, Codes]
    arrays: Arrays
    margins: dict[str, NDArray[np.int64]]
    pairs: int
    alone: int


def read_pairs(task: Task) -> Part:
    """Read, pair and code one slot. Raises LogError (a log cannot be read), StoreError (no room
    in the temporary folder).
    """
    slot = task.slot
    parts = max(1, -(-max(slot.rows(side) for side in SIDES) // PART_ROWS))
    coders = {side: [coder_of(c) for c in task.columns if c.side == side] for side in SIDES}
    try:
        with tempfile.TemporaryDirectory(prefix="analyzer-") as folder:
            spools = {s: _spool(task, s, coders[s], parts, Path(folder)) for s in SIDES}
            sides = zip(*(_sorted_rows(spools[s], coders[s]) for s in SIDES), strict=True)
            pieces = [_sampled(task, coders, *_paired(task, coders, *rows)) for rows in sides]
    except OSError as error:
        raise StoreError(
            f"the temporary folder {tempfile.gettempdir()} cannot be used ({error}); "
            "make room there or point TMPDIR elsewhere"
        ) from None
    whole = {name: np.concatenate([p.arrays[name] for p in pieces]) for name in pieces[0].arrays}
    order = _order(whole.pop("ts"), whole.pop("key"))
    if order is not None:
        whole = {name: values[order] for name, values in whole.items()}
    labels = {c.column.name: c.labels for side in SIDES for c in coders[side]}
    codes = {name: whole.pop(f"column {name}") for name in labels}
    sums = {
        name: sum((p.margins[name] for p in pieces[1:]), pieces[0].margins[name]) for name in labels
    }
    pairs, alone = sum(p.pairs for p in pieces), sum(p.alone for p in pieces)
    return Part(labels, codes, whole, sums, pairs, alone)


@dataclass(frozen=True, eq=False)
class _Piece:
    """One of the parts that a large slot is split into: its sums, and the pairs that are kept."""

    arrays: Arrays
    margins: dict[str, NDArray[np.int64]]
    pairs: int
    alone: int


def _sampled(task: Task, coders: dict[Side, list[Coder]], arrays: Arrays, alone: int) -> _Piece:
    """All pairs in the sums, one in `Task.every` by itself: what is held does not grow with the
    slot.
    """
    widths = {c.column.name: len(c.labels) for side in SIDES for c in coders[side]}
    codes = {name: arrays[f"column {name}"] for name in widths}
    sums, pairs = margins(codes, arrays, widths), len(arrays["key"])
    if task.every > 1:
        kept = arrays["key"] % np.uint64(task.every) == 0
        arrays = {name: values[kept] for name, values in arrays.items()}
    return _Piece(arrays, sums, pairs, alone)


def _order(ts: NDArray[np.int64], key: NDArray[np.uint64]) -> NDArray[np.int64] | None:
    """Places in order of time, then of the id's hash, so that no file's order shows; None where
    they are so already.
    """
    step = np.diff(ts)
    if bool((step > 0).all()):
        return None
    if bool((step >= 0).all()):
        tied = np.flatnonzero(step == 0)
        if bool((key[tied] < key[tied + 1]).all()):
            return None
    return np.lexsort((key, ts))


def _spool(task: Task, side: Side, coders: list[Coder], parts: int, folder: Path) -> Spool:
    shape, slot = task.slot.shape, task.slot
    slack = slack_of(shape)
    spool = Spool(parts, folder, side)
    columns = list(dict.fromkeys([*shape.columns(), *(c.column.name for c in coders)]))
    empty = Batch(np.zeros(0, dtype=np.int64), {"request_id": pa.array([], pa.string())})
    spool.add(_narrowed(task, empty, coders))  # so that every part has a table
    for batch in read(
        shape.rollout, side, slot.files[side], columns, slot.start - slack, slot.end + slack
    ):
        spool.add(_narrowed(task, batch, coders))
    return spool


def _narrowed(task: Task, batch: Batch, coders: list[Coder]) -> pa.RecordBatch:
    rows = narrow(task.slot.shape, batch)
    arrays = [rows.column(name) for name in KEPT]
    coded = [pa.array(coder.add(batch)) for coder in coders]
    return pa.record_batch([*arrays, *coded], names=[*KEPT, *_names(coders)])


def _names(coders: list[Coder]) -> list[str]:
    return [f"column {coder.column.name}" for coder in coders]


def _sorted_rows(spool: Spool, coders: list[Coder]) -> Iterator[Arrays]:
    """A side's rows part by part, sorted by `ts`, codes final."""
    final = {f"column {c.column.name}": c.close() for c in coders}
    for table in spool.tables():
        assert table is not None
        rows = {name: table[name].to_numpy() for name in table.schema.names}
        del table
        for name, codes in final.items():
            if codes is not None:
                rows[name] = codes[rows[name]]
        if not bool((np.diff(rows["ts"]) >= 0).all()):
            order = np.argsort(rows["ts"], kind="stable")
            rows = {name: values[order] for name, values in rows.items()}
        yield rows


def _identity(rows: Arrays, others: Callable[[NDArray[np.int64]], list[Codes]]) -> Identity:
    return Identity(
        rows["key"], rows["check"], rows["has_id"].view(bool), rows["ts"], rows["score"], others
    )


def _paired(
    task: Task, coders: dict[Side, list[Coder]], ours: Arrays, theirs: Arrays
) -> tuple[Arrays, int]:
    """Pairs of one part whose champion row lies inside the task's window."""
    names = {side: _names(coders[side]) for side in SIDES}

    def others(rows: Arrays) -> Callable[[NDArray[np.int64]], list[Codes]]:
        """What decides between equal duplicates: columns that this side lacks are zeros."""

        def chosen(at: NDArray[np.int64]) -> list[Codes]:
            every = ("latency", "flags", "decision", "class", *names["champion"])
            zeros = np.zeros(len(at), dtype=np.uint32)
            return [rows[n][at] if n in rows else zeros for n in (*every, *names["challenger"])]

        return chosen

    found = pair(_identity(ours, others(ours)), _identity(theirs, others(theirs)))
    low, high = np.searchsorted(ours["ts"], [task.keep.start, task.keep.end])
    partner = found.challenger_of[low:high]
    alone = int(np.count_nonzero((partner < 0) & ~found.champion_duplicate[low:high]))
    at = np.flatnonzero(partner >= 0) + low
    other = found.challenger_of[at]
    champion = {name: values[at] for name, values in ours.items()}
    challenger = {name: values[other] for name, values in theirs.items()}
    arrays = _measured(task, champion, challenger)
    for side, rows in (("champion", champion), ("challenger", challenger)):
        for name in names[side]:  # type: ignore[index]
            arrays[name] = rows[name]
    return arrays, alone


def _measured(task: Task, champion: Arrays, challenger: Arrays) -> Arrays:
    scale = task.slot.shape.frozen.scale
    one, two = champion["decision"], challenger["decision"]
    known = (one != UNKNOWN) & (two != UNKNOWN)
    fails = [(rows["flags"] & ERROR).astype(np.int8) for rows in (champion, challenger)]
    unsure = (champion["flags"] | challenger["flags"]) & UNKNOWN_ERROR
    timed = (champion["flags"] & challenger["flags"] & HAS_LATENCY) > 0
    with np.errstate(invalid="ignore"):
        slow = [np.maximum(rows["latency"], LEAST_LATENCY) for rows in (champion, challenger)]
        ratio = np.where(timed, np.log(slow[1] / slow[0]), np.nan)
    return {
        "ts": champion["ts"],
        "key": champion["key"],
        "bucket": (champion if _unit_of(task) == "champion" else challenger)["bucket"],
        "hour": ((champion["ts"] - task.origin) // HOUR).astype(np.uint16),
        "score": _quanta(challenger["score"], 2.0**SCORE_BITS / scale),
        "difference": _quanta(challenger["score"] - champion["score"], 2.0**SCORE_BITS / scale),
        "ratio": _quanta(ratio, 2.0**RATIO_BITS),
        "flip": np.where(known, one != two, UNSAID).astype(np.int8),
        "error": np.where(unsure, UNSAID, fails[1] - fails[0]).astype(np.int8),
    }


def _unit_of(task: Task) -> Side:
    """Whose log says which unit a request belongs to: the champion's where it does."""
    slot = task.slot
    files = list(slot.files["champion"])
    known = has_column(files, slot.shape.rollout, "champion", slot.shape.bucketed_by)
    return "champion" if known else "challenger"


def _quanta(values: NDArray[np.floating], per_unit: float) -> NDArray[np.int32]:
    """Whole multiples of 1 / per_unit, MISSING for NaN."""
    there = np.isfinite(values)
    whole = np.rint(np.where(there, values, 0.0) * per_unit)
    return np.where(there, whole, MISSING).astype(np.int32)
