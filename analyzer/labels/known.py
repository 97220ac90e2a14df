"""What was known on a date: the fragments of all label days before it, and what was predicted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.config import Rollout
from analyzer.errors import NothingThere
from analyzer.frozen import Frozen
from analyzer.labelling import HOUR_OF_DAY
from analyzer.labels.calls import CHANCES
from analyzer.labels.cells import (
    ALL_ROWS,
    CHALLENGER,
    CHAMPION,
    CODES,
    MODELS,
    NONE,
    Codes,
    Explored,
    Floats,
    Ints,
    Kind,
    Known,
    PairCells,
    Predicted,
    SideCells,
)
from analyzer.labels.strata import HOURS, hour_of_day
from analyzer.labels.tables import COUNTED, DAY, QUANTA, fragments, words_of
from analyzer.logs import SIDES, has_column
from analyzer.profile import hours_between, repeat
from analyzer.profiles import Profiles, open_profiles
from analyzer.store import Manifest, Store
from analyzer.window import Window


def known(rollout: Rollout, as_of: int | None = None, window: Window | None = None) -> Known:
    """What was known at `as_of` of the predictions made in `window`, both microseconds UTC.

    as_of is floored to midnight, by default the end of the last label day on which a label could
    still be joined: one that is dated far ahead is a fault, not today; window: its whole
    days, by default all that the store holds. Exact for any past date, as fragments never change.
    Raises NothingThere where nothing was scanned, or labels were never joined.
    """
    store = Store(rollout.store_path)
    frozen = store.frozen()
    made = fragments(store)
    held = made.manifests()
    if frozen is None or not held:
        raise NothingThere(
            f"{store.path}: holds no labels yet; run `analyzer scan`, then `analyzer labels`"
        )
    end = max(held) // DAY + 1
    today = as_of // DAY if as_of is not None else min(end, _closed(rollout, store))
    first, last = (window.start // DAY, -(-window.end // DAY)) if window else (0, today)
    last = min(last, today)
    chosen = [held[start] for start in sorted(held) if first <= start // DAY < today]
    coder = _Coder(rollout.label_kind, frozen)
    sides = _sides(_joined(made, chosen, "labelled", first, last), coder, frozen)
    pairs = _pairs(_joined(made, chosen, "labelled_pairs", first, last), coder, frozen)
    by_hour = rollout.labels.stratum not in ("", *rollout.segments.columns)
    predicted = _predicted(store, coder, first, last, by_hour)
    every = _made(rollout, _joined(made, chosen, "predicted_pairs", first, last), coder, frozen)
    let = _explored(rollout, _joined(made, chosen, "explored_pairs", first, last), coder, frozen)
    left = chosen if as_of is not None else [held[s] for s in sorted(held) if s // DAY >= first]
    return Known(
        rollout.label_kind,
        today,
        coder.classes,
        tuple(coder.segments),
        sides,
        pairs,
        predicted,
        _reasons(_joined(made, left, "label_faults")),
        tuple(m.start // DAY for m in chosen),
        every,
        let,
        _reasons(_joined(made, chosen, "label_basis")),
        _units(rollout, store),
        rollout.labels.stratum,
        rollout.labels.quantiles,
    )


def _units(rollout: Rollout, store: Store) -> bool:
    """Whether units are logged, by the footers that the scan read; taken to be where none is."""
    held = store.footers()
    files = {side: held.get(f"{side} {rollout.digest}", []) for side in SIDES}
    usable = {side: [f for f in found if not f.problem] for side, found in files.items()}
    if not all(usable.values()):
        return True
    return any(has_column(usable[side], rollout, side, "unit_id") for side in SIDES)


def _reasons(table: pa.Table) -> dict[str, int]:
    """Counts by reason, added up over label days."""
    counts: dict[str, int] = {}
    for reason, n in zip(table["reason"].to_pylist(), table["n"].to_pylist(), strict=True):
        counts[reason] = counts.get(reason, 0) + n
    return {reason: n for reason, n in sorted(counts.items()) if n}


def _explored(rollout: Rollout, table: pa.Table, coder: _Coder, frozen: Frozen) -> Explored | None:
    if not rollout.labels.explore:
        return None
    return Explored(_pairs(table, coder, frozen), _numbers(table, "chance") / CHANCES)


def _closed(rollout: Rollout, store: Store) -> int:
    """Day on which the window in which labels are waited for closes behind the last prediction."""
    last = max((m.end - 1 for m in store.manifests().values()), default=0)
    return last // DAY + rollout.labels.open_days


def _made(rollout: Rollout, table: pa.Table, coder: _Coder, frozen: Frozen) -> PairCells | None:
    return _pairs(table, coder, frozen) if rollout.labels.arrival in COUNTED else None


class _Coder:
    """Texts to codes: classes are frozen, segments numbered as they come, which is sorted."""

    def __init__(self, kind: Kind, frozen: Frozen) -> None:
        self.classes = words_of(kind, frozen)
        self.segments: dict[tuple[str, str | None], int] = {("", ""): ALL_ROWS}

    def words(self, values: pa.ChunkedArray) -> Codes:
        """Places in `classes`; NONE for NULL."""
        return _places(values, self.classes)

    def segment(self, column: pa.ChunkedArray, value: pa.ChunkedArray) -> NDArray[np.int32]:
        """Places in `segments`; new ones are added."""
        names = column.combine_chunks().dictionary_encode()
        words = value.combine_chunks().dictionary_encode()
        width = len(words.dictionary) + 1
        place = words.indices.fill_null(width - 1).to_numpy(zero_copy_only=False)
        code = names.indices.to_numpy(zero_copy_only=False).astype(np.int64) * width + place
        texts = [*words.dictionary.to_pylist(), None]
        columns = names.dictionary.to_pylist()
        seen = {int(c): (columns[c // width], texts[c % width]) for c in np.unique(code)}
        table = np.zeros(max(seen, default=0) + 1, dtype=np.int32)
        for at, segment in sorted(seen.items(), key=lambda item: _order(item[1])):
            table[at] = self.segments.setdefault(segment, len(self.segments))
        found: NDArray[np.int32] = table[code]
        return found


def _order(segment: tuple[str, str | None]) -> tuple[str, bool, str]:
    return segment[0], segment[1] is None, segment[1] or ""


def _places(values: pa.ChunkedArray, words: Sequence[str]) -> Codes:
    found = pc.index_in(values, value_set=pa.array(words, pa.string()))
    return np.asarray(found.fill_null(NONE).combine_chunks()).astype(np.int16)


def _joined(
    store: Store, manifests: Sequence[Manifest], name: str, first: int = 0, last: int = 0
) -> pa.Table:
    """A table of some fragments; predictions of days [first, last) where it has such a column."""
    parts = []
    for manifest in manifests:
        part = store.read(manifest, name)
        if "prediction_day" in part.schema.names:
            day = part["prediction_day"]
            part = part.filter(pc.and_(pc.greater_equal(day, first), pc.less(day, last)))
        parts.append(part)
    if not parts:
        held = list(store.manifests().values())[:1]
        parts = [store.read(m, name).slice(0, 0) for m in held]
    return pa.concat_tables(parts, promote_options="default")


def _numbers(table: pa.Table, name: str) -> Ints:
    values: Ints = table[name].to_numpy()
    return values


def _sums(table: pa.Table, frozen: Frozen) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    for name, quantum in QUANTA.items():
        if name in table.schema.names:
            found[name] = _numbers(table, name).astype(np.float64) * quantum(frozen.scale)
    return found


def _age(table: pa.Table) -> Codes:
    return (_numbers(table, "label_day") - _numbers(table, "prediction_day")).astype(np.int16)


def _sides(table: pa.Table, coder: _Coder, frozen: Frozen) -> SideCells:
    return SideCells(
        _places(table["model"], list(CODES)),
        _numbers(table, "prediction_day").astype(np.int32),
        _age(table),
        coder.segment(table["column"], table["value"]),
        _numbers(table, "bin").astype(np.int32),
        coder.words(table["called"]),
        coder.words(table["label"]),
        _numbers(table, "n"),
        _sums(table, frozen),
    )


def _pairs(table: pa.Table, coder: _Coder, frozen: Frozen) -> PairCells:
    return PairCells(
        _numbers(table, "prediction_day").astype(np.int32),
        _age(table),
        _numbers(table, "bucket").astype(np.int16),
        _numbers(table, "champion_bin").astype(np.int16),
        _numbers(table, "challenger_bin").astype(np.int16),
        coder.words(table["champion_called"]),
        coder.words(table["challenger_called"]),
        coder.words(table["label"]),
        _strata(table, coder),
        _numbers(table, "n"),
        _sums(table, frozen),
    )


def _strata(table: pa.Table, coder: _Coder) -> NDArray[np.int32]:
    """Places of the strata in `segments`; older fragments have none."""
    if "column" not in table.schema.names:
        return np.full(table.num_rows, ALL_ROWS, dtype=np.int32)
    column = table["column"]
    value = pc.if_else(pc.is_valid(column), table["value"], "")
    return coder.segment(pc.fill_null(column, ""), value)


def _predicted(store: Store, coder: _Coder, first: int, last: int, by_hour: bool) -> Predicted:
    """Rows per day, model and one-way segment from the scan's cells, duplicates taken off.

    by_hour: also by UTC hour of the day, as if it were a segment column.
    """
    try:
        profiles = open_profiles(store, Window(first * DAY, max(last, first + 1) * DAY))
    except NothingThere:  # nothing was scanned of these days
        none = np.zeros(0, dtype=np.int64)
        short = none.astype(np.int16)
        return Predicted(short, none.astype(np.int32), none.astype(np.int32), none)
    cells = _one_way(profiles)
    if by_hour:
        cells = pa.concat_tables([cells, _by_hour(cells)])
    day = cells["hour"].cast(pa.int64()).to_numpy() // DAY
    overall = cells["a"].is_null()
    segment = coder.segment(pc.fill_null(cells["a"], ""), pc.if_else(overall, "", cells["a_value"]))
    model = _places(cells["model"], list(MODELS))
    twice = _duplicates(profiles)
    keys = [np.concatenate(pair) for pair in zip((day, model, segment), twice, strict=False)]
    n = np.concatenate((_numbers(cells, "n"), twice[-1]))
    widths = (len(MODELS), len(coder.segments))
    code = (keys[0] * widths[0] + keys[1]) * widths[1] + keys[2]
    present, place = np.unique(code, return_inverse=True)
    total = np.bincount(place, weights=n, minlength=len(present)).astype(np.int64)
    return Predicted(
        (present // widths[1] % widths[0]).astype(np.int16),
        (present // widths[1] // widths[0]).astype(np.int32),
        (present % widths[1]).astype(np.int32),
        total,
    )


def _one_way(profiles: Profiles) -> pa.Table:
    """Rows by hour, model and one-way segment; most cells are two-way and let go at once."""
    parts = []
    for manifest in profiles.manifests:
        part = profiles.store.read(manifest, "cells").select(
            ["hour", "model", "a", "a_value", "b", "n"]
        )
        parts.append(part.filter(pc.is_null(part["b"])))
    cells = pa.concat_tables(parts)
    return hours_between(cells, "hour", profiles.window.start, profiles.window.end)


def _by_hour(cells: pa.Table) -> pa.Table:
    """Rows of all segments together, as if the UTC hour of the day were their segment."""
    every = cells.filter(pc.is_null(cells["a"]))
    hour = hour_of_day(every["hour"].cast(pa.int64()).to_numpy())
    names = {"a": repeat(HOUR_OF_DAY, len(hour)), "a_value": pa.array(HOURS).take(pa.array(hour))}
    for name, values in names.items():
        every = every.set_column(every.schema.get_field_index(name), name, values)
    return every


def _duplicates(profiles: Profiles) -> tuple[Ints, Ints, Ints, Ints]:
    """Day, model, segment and n: minus the duplicates of each model and hour, under ALL_ROWS."""
    coverage = profiles.table("coverage")
    day = coverage["hour"].cast(pa.int64()).to_numpy() // DAY
    counts = [-_numbers(coverage, f"{side}_duplicates") for side in ("champion", "challenger")]
    model = np.repeat([CHAMPION, CHALLENGER], len(day))
    none = np.zeros(2 * len(day), dtype=np.int64)
    return np.concatenate((day, day)), model, none + ALL_ROWS, np.concatenate(counts)
