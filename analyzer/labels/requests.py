"""The requests of a day as the label join wants them: who said what, by a hash of the id.

Rows are paired slot by slot by the rules of the scan: of rows with the same id in a slot the
earliest counts. A request belongs to the day of its champion row, else of its challenger row.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer import ids
from analyzer.errors import StoreError
from analyzer.labels.calls import calls, chances, columns_of
from analyzer.labels.order import by_key
from analyzer.logs import SIDES, LogFile, Side, has_column
from analyzer.reader import read
from analyzer.scan.narrow import OK, UNKNOWN, Shape, Spool
from analyzer.scan.pairing import pair
from analyzer.scan.pairs import inside_of, leave_to_neighbours, parts_of, rows_of, spooled
from analyzer.scan.rows import Rows
from analyzer.scan.slot import Slot
from analyzer.window import MINUTE, Window

HAS = {"champion": 1, "challenger": 2}
"""Bits of the column `has`: which model was asked."""

Arrays = dict[str, NDArray[Any]]


def requests_of(slots: Sequence[Slot]) -> pa.Table:
    """The requests of a day's slots, ascending by `key`.

    Columns: key, check (hashes of the id), ts (of the prediction, microseconds UTC), has,
    champion and challenger (score, NaN where unusable; or class code, -1 where none), bucket,
    s0 .. (segment codes); of binary labels champion_called and challenger_called (`calls`), of
    explored rows `chance` (`chances`). Raises LogError (a log cannot be read), StoreError (no
    room in the temporary folder).
    """
    parts = [part for slot in slots for part in _slot_parts(slot)]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = by_key(whole["key"], whole["check"], whole["ts"])
    return pa.table({name: pa.array(values[order]) for name, values in whole.items()})


def _slot_parts(slot: Slot) -> list[Arrays]:
    parts = parts_of(slot)
    units = ["unit_id"] if slot.shape.bucketed_by == "unit_id" else []
    said = "prediction" if slot.shape.rollout.label_kind == "classes" else "score"
    own = columns_of(slot.shape.rollout)
    columns = ["request_id", "score", said, *own, *units, *slot.shape.segments]
    columns = list(dict.fromkeys(columns))  # the score also decides between duplicates
    try:
        with tempfile.TemporaryDirectory(prefix="analyzer-") as folder:
            with ThreadPoolExecutor(len(SIDES)) as threads:

                def spool(side: Side) -> Spool:
                    return spooled(slot, side, parts, Path(folder), columns)

                spools = dict(zip(SIDES, threads.map(spool, SIDES), strict=True))
            pieces = zip(*(rows_of(slot, spools[side]) for side in SIDES), strict=True)
            return [_requests(slot, ours, theirs) for ours, theirs in pieces]
    except OSError as error:
        raise StoreError(
            f"the temporary folder {tempfile.gettempdir()} cannot be used ({error}); "
            "make room there or point TMPDIR elsewhere"
        ) from None


def _requests(slot: Slot, champion: Rows, challenger: Rows) -> Arrays:
    rows: dict[Side, Rows] = {"champion": champion, "challenger": challenger}
    found = pair(champion.identity, challenger.identity)
    inside = {side: inside_of(slot, rows[side]) for side in SIDES}
    leave_to_neighbours(slot, rows, found, inside["champion"])
    ours = _at(inside["champion"], champion["has_id"].view(bool) & ~found.champion_duplicate)
    alone = challenger["has_id"].view(bool) & ~found.challenger_duplicate
    alone &= found.champion_of < 0
    theirs = _at(inside["challenger"], alone)
    partner = found.challenger_of[ours]
    paired = partner >= 0
    has = np.where(paired, HAS["champion"] | HAS["challenger"], HAS["champion"])
    both = {
        name: np.concatenate((champion[name][ours], challenger[name][theirs]))
        for name in ("key", "check", "ts", *_segments(slot))
    }
    said = {side: _said(slot, rows[side]) for side in SIDES}
    nothing = _nothing(slot, len(theirs))
    return {
        "key": both["key"],
        "check": (both["check"] >> np.uint64(32)).astype(np.uint32),
        "ts": both["ts"],
        "has": np.concatenate((has, np.full(len(theirs), HAS["challenger"]))).astype(np.uint8),
        "champion": np.concatenate((said["champion"][ours], nothing)),
        "challenger": np.concatenate(
            (_of_partner(slot, said["challenger"], partner), said["challenger"][theirs])
        ),
        "bucket": _buckets(slot, rows, ours, theirs, partner),
        **_calls(slot, rows, ours, theirs, partner),
        **{name: both[name] for name in _segments(slot)},
    }


def _calls(
    slot: Slot,
    rows: dict[Side, Rows],
    ours: NDArray[np.int64],
    theirs: NDArray[np.int64],
    partner: NDArray[np.int64],
) -> Arrays:
    """What each model called, and with which chance the champion let a row through anyway."""
    found: Arrays = {}
    labels = slot.shape.rollout.labels
    if slot.shape.rollout.label_kind == "binary":
        called = {side: calls(slot, side, rows[side]) for side in SIDES}
        of_partner = np.full(len(partner), UNKNOWN, dtype=np.int8)
        of_partner[partner >= 0] = called["challenger"][partner[partner >= 0]]
        none = np.full(len(theirs), UNKNOWN, dtype=np.int8)
        found["champion_called"] = np.concatenate((called["champion"][ours], none))
        found["challenger_called"] = np.concatenate((of_partner, called["challenger"][theirs]))
    if labels.explore:
        chance = chances(slot, rows["champion"])[ours]
        found["chance"] = np.concatenate((chance, np.zeros(len(theirs), np.int16)))
    return found


def _at(inside: slice, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.flatnonzero(chosen[inside]) + inside.start
    return found


def _segments(slot: Slot) -> list[str]:
    return [f"s{place}" for place in range(len(slot.shape.segments))]


def _said(slot: Slot, rows: Rows) -> NDArray[Any]:
    if slot.shape.rollout.label_kind == "classes":
        return rows["class"]
    return np.where(rows["state"] == OK, rows["score"], np.nan)


def _nothing(slot: Slot, rows: int) -> NDArray[Any]:
    if slot.shape.rollout.label_kind == "classes":
        return np.full(rows, -1, dtype=np.int16)
    return np.full(rows, np.nan)


def _of_partner(slot: Slot, values: NDArray[Any], partner: NDArray[np.int64]) -> NDArray[Any]:
    """What the partner said; nothing where there is none."""
    found = _nothing(slot, len(partner))
    paired = partner >= 0
    found[paired] = values[partner[paired]]
    return found


def _buckets(
    slot: Slot,
    rows: dict[Side, Rows],
    ours: NDArray[np.int64],
    theirs: NDArray[np.int64],
    partner: NDArray[np.int64],
) -> NDArray[np.uint8]:
    """Bucket of each request's unit, from the champion's row where that log names units."""
    champion, challenger = rows["champion"]["bucket"], rows["challenger"]["bucket"]
    own = champion[ours]
    files = list(slot.files["champion"])
    if not has_column(files, slot.shape.rollout, "champion", slot.shape.bucketed_by):
        own = own.copy()
        own[partner >= 0] = challenger[partner[partner >= 0]]
    found: NDArray[np.uint8] = np.concatenate((own, challenger[theirs])).astype(np.uint8)
    return found


def reaches_in(
    shape: Shape,
    span: Window,
    files: Mapping[Side, Sequence[LogFile]],
    keys: NDArray[np.uint64],
) -> bool:
    """Whether new files may change the requests of a day, whose `keys` are ascending.

    Every night the new day's first files reach into the slack after yesterday: they change it
    only if one of its requests occurs there.
    """
    slack = int(shape.rollout.time.pairing_slack_minutes * MINUTE)
    around = [(span.start - slack, span.start), (span.end, span.end + slack)]
    for side in SIDES:
        if any(file.overlaps(span.start, span.end) for file in files[side]):
            return True
        for start, end in around:
            for batch in read(shape.rollout, side, files[side], ["request_id"], start, end):
                found, _ = ids.pairing_keys(batch.columns["request_id"], shape.as_text)
                place = np.minimum(np.searchsorted(keys, found), max(len(keys) - 1, 0))
                if len(keys) and bool((keys[place] == found).any()):
                    return True
    return False
