"""The second half of a slot: the two logs paired, and everything counted over rows and pairs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from analyzer.errors import StoreError
from analyzer.logs import SIDES, Side
from analyzer.profile import Tables, merge
from analyzer.reader import Batch, read
from analyzer.scan.agreement import confusion_table, parity_table, worst_pairs
from analyzer.scan.hours import Tally
from analyzer.scan.narrow import Spool, narrow
from analyzer.scan.pairing import Pairing, pair
from analyzer.scan.rejects import rejected_rows, timeless_rows
from analyzer.scan.rows import Rows
from analyzer.scan.slot import Slot
from analyzer.window import MINUTE

PIECE = 32_768
"""Rows made narrow at a time: a column of them is small enough for the second-level cache, and
for malloc to give the same memory again (larger arrays are mapped and faulted in anew)."""

WHOLE_ROWS = 2_000_000
"""Rows a side above which a slot is split by request id, part by part through files."""

PART_ROWS = 1_000_000
"""Rows a side of such a part, about."""

HELD_PARTS = 4
"""Parts whose tables are held before they are added up."""


def pair_tables(slot: Slot) -> Tables:
    """All tables but those of features. A slot too large for memory is split by request id;
    the parts' tables add up.
    """
    parts = parts_of(slot)
    try:
        with tempfile.TemporaryDirectory(prefix="analyzer-") as folder:
            spools = {side: spooled(slot, side, parts, Path(folder)) for side in SIDES}
            pieces = zip(*(rows_of(slot, spools[side]) for side in SIDES), strict=True)
            whole = _added_up(_part_tables(slot, ours, theirs) for ours, theirs in pieces)
    except OSError as error:
        raise StoreError(
            f"the temporary folder {tempfile.gettempdir()} cannot be used ({error}); "
            "make room there or point TMPDIR elsewhere"
        ) from None
    whole["rejects"] = merge("rejects", [whole["rejects"], timeless_rows(slot)])
    return whole


def _added_up(parts: Iterable[Tables]) -> Tables:
    """Tables of parts as they come, a few held at a time: each is nearly as large as their sum."""
    held: list[Tables] = []
    for part in parts:
        held.append(part)
        if len(held) == HELD_PARTS:
            held = [_merged(held)]
    return _merged(held)


def _merged(parts: Sequence[Tables]) -> Tables:
    return {name: merge(name, [part[name] for part in parts]) for name in parts[0]}


def parts_of(slot: Slot) -> int:
    """In how many parts a slot is paired."""
    largest = max(slot.rows(side) for side in SIDES)
    return -(-largest // PART_ROWS) if largest > WHOLE_ROWS else 1


def spooled(
    slot: Slot, side: Side, parts: int, folder: Path, columns: Sequence[str] | None = None
) -> Spool:
    """A side's narrow rows within the slot's slack, of all columns or some."""
    slack = int(slot.shape.rollout.time.pairing_slack_minutes * MINUTE)
    spool = Spool(parts, folder, side)
    columns = slot.shape.columns() if columns is None else columns
    rollout = slot.shape.rollout
    files = slot.files[side]
    for batch in read(rollout, side, files, columns, slot.start - slack, slot.end + slack):
        for piece in batch.pieces(PIECE):
            spool.add(narrow(slot.shape, piece, ids_too=side == "champion"))
    return spool


def rows_of(slot: Slot, spool: Spool) -> Iterator[Rows]:
    """A side's rows part by part. They are copies: the Arrow tables are let go at once, which
    is a third of a scan's memory.
    """
    blank = narrow(slot.shape, Batch(np.zeros(0, dtype=np.int64), {"request_id": _no_ids()}))
    for table in spool.tables():
        rows = Rows(pa.Table.from_batches([blank]) if table is None else table)
        del table
        yield rows


def _part_tables(slot: Slot, champion: Rows, challenger: Rows) -> Tables:
    rows: dict[Side, Rows] = {"champion": champion, "challenger": challenger}
    pairing = pair(champion.identity, challenger.identity)
    inside = {side: inside_of(slot, rows[side]) for side in SIDES}
    leave_to_neighbours(slot, rows, pairing, inside["champion"])
    tally = Tally(slot, rows, pairing, inside)
    for hour in range(slot.hours):
        tally.add_hour(hour)
    first = inside["champion"].start
    at = np.flatnonzero(pairing.challenger_of[inside["champion"]] >= 0) + first
    other = pairing.challenger_of[at]
    return {
        **tally.tables(),
        "rejects": rejected_rows(slot, rows, inside),
        "worst": worst_pairs(slot, champion, challenger, at, other, tally.difference[at - first]),
        "parity": parity_table(slot, champion, challenger, at, other),
        "confusion": confusion_table(slot, champion, challenger, at, other),
    }


def _no_ids() -> pa.Array:
    return pa.array([], pa.string())


def inside_of(slot: Slot, rows: Rows) -> slice:
    """Which of the rows lie in the slot itself."""
    low, high = np.searchsorted(rows["ts"], [slot.start, slot.end])
    return slice(int(low), int(high))


def leave_to_neighbours(
    slot: Slot, rows: Mapping[Side, Rows], pairing: Pairing, inside: slice
) -> None:
    """Unpair from champion rows of other slots what those slots do not see within their slack.

    Otherwise a pair too far apart would be unmatched on one side and matched on the other.
    """
    ts = rows["champion"]["ts"]
    foreign = np.r_[0 : inside.start, inside.stop : len(ts)]
    foreign = foreign[pairing.challenger_of[foreign] >= 0]
    other = pairing.challenger_of[foreign]
    length = slot.end - slot.start
    slack = int(slot.shape.rollout.time.pairing_slack_minutes * MINUTE)
    start = ts[foreign] // length * length
    seen = rows["challenger"]["ts"][other]
    far = (seen < start - slack) | (seen >= start + length + slack)
    pairing.champion_of[other[far]] = -1
