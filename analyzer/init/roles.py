"""Whose log is whose: two datasets, a model column or one wide row."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analyzer.engine import literal, quote
from analyzer.errors import LogError
from analyzer.init.columns import View, find
from analyzer.init.datasets import SAMPLE_FILES, Dataset, spread
from analyzer.init.names import (
    CHALLENGER,
    CHAMPION,
    MODEL_COLUMNS,
    WIDE_CHALLENGER,
    WIDE_CHAMPION,
    words_in,
)
from analyzer.paths import partitions_of


def two_views(logs: Sequence[Dataset], notes: list[str]) -> tuple[View, View]:
    """Champion and challenger from two datasets, a model column or one wide row."""
    if not logs:
        raise LogError("only labels were found; name the logs of champion and challenger too")
    if len(logs) == 1:
        views = _by_model_column(logs[0], notes) or _wide(logs[0], notes)
        if views is None:
            raise LogError(
                f"{logs[0].name}: one dataset, but neither a column that names two models "
                f"({', '.join(MODEL_COLUMNS[:4])}) nor two score columns; name the other log too"
            )
        return views
    champion, challenger = _roles(logs, notes)
    return tuple(  # type: ignore[return-value]
        View(d, {c: c for c in d.columns}, model=d.name) for d in (champion, challenger)
    )


def _roles(logs: Sequence[Dataset], notes: list[str]) -> tuple[Dataset, Dataset]:
    ours = [d for d in logs if d.words & CHAMPION and not d.words & CHALLENGER]
    theirs = [d for d in logs if d.words & CHALLENGER and not d.words & CHAMPION]
    if len(logs) == 2 and len(ours) + len(theirs) == 1:
        other = next(d for d in logs if d not in ours + theirs)
        ours, theirs = ours or [other], theirs or [other]
    if len(ours) == 1 and len(theirs) == 1:
        notes.append(f"champion: {ours[0].name}; challenger: {theirs[0].name}, by their names")
        return ours[0], theirs[0]
    if len(logs) > 2:
        names = ", ".join(d.name for d in logs)
        raise LogError(
            f"{len(logs)} logs were found ({names}); which is the champion's and which the "
            "challenger's cannot be told: name the folders of just those two"
        )
    wide_first = sorted(logs, key=lambda d: (-len(d.columns), d.name))
    notes.append(
        f"NOT SURE: took {wide_first[0].name!r} as champion and {wide_first[1].name!r} as "
        "challenger because it logs more columns; swap the two tables if that is wrong"
    )
    return wide_first[0], wide_first[1]


def _by_model_column(dataset: Dataset, notes: list[str]) -> tuple[View, View] | None:
    """One dataset that holds both models' rows, told apart by a column."""
    named = {"_".join(words_in(c)): c for c in dataset.columns if dataset.columns[c] == "text"}
    for usual in MODEL_COLUMNS:
        if usual not in named:
            continue
        values = _all_values(dataset, named[usual])
        pair = _ordered(values)
        if pair is None:
            continue
        notes.append(f"one log, two models: column {named[usual]!r} is {pair[0]!r} or {pair[1]!r}")
        if not (set(words_in(pair[0])) & CHAMPION or set(words_in(pair[1])) & CHALLENGER):
            notes.append(f"NOT SURE: took {pair[0]!r} as champion; swap the two if that is wrong")
        rest = {c: c for c in dataset.columns if c != named[usual]}
        return tuple(  # type: ignore[return-value]
            View(dataset, rest, f"{quote(named[usual])} = {literal(value)}", value)
            for value in pair
        )
    return None


def _all_values(dataset: Dataset, column: str) -> list[str]:
    """Values of a column over the sampled files, read whole: files are often sorted by model."""
    seen = set(pc.unique(dataset.sample[column]).to_pylist())
    for path in spread(dataset.files, SAMPLE_FILES):
        if column in partitions_of(path):
            continue
        try:
            table = pq.read_table(path, columns=[column], partitioning=None)
        except (pa.ArrowInvalid, OSError):
            continue
        seen |= set(pc.unique(table[column]).to_pylist())
    return sorted(value for value in seen if value is not None)


def _ordered(values: Sequence[str]) -> tuple[str, str] | None:
    """Which of two values is the champion; None where two cannot be told."""
    ours = [v for v in values if set(words_in(v)) & CHAMPION]
    theirs = [v for v in values if set(words_in(v)) & CHALLENGER]
    if len(ours) == 1 and len(theirs) == 1 and ours != theirs:
        return ours[0], theirs[0]
    if len(values) != 2:
        return None
    if len(ours) == 1 or len(theirs) == 1:
        first = ours[0] if len(ours) == 1 else next(v for v in values if v not in theirs)
        return first, next(v for v in values if v != first)
    return values[0], values[1]


def _wide(dataset: Dataset, notes: list[str]) -> tuple[View, View] | None:
    """One row per request that holds what both models said."""
    sides = []
    for own, other in ((WIDE_CHAMPION, WIDE_CHALLENGER), (WIDE_CHALLENGER, WIDE_CHAMPION)):
        columns = {}
        for name in dataset.columns:
            words = words_in(name)
            kept = "_".join(w for w in words if w not in own)
            if set(words) & own and kept and not set(words) & other:
                columns[kept] = name
        sides.append(columns)
    ours, theirs = sides
    paired = ours.keys() & theirs.keys()
    views = []
    for columns in sides:
        own_columns = {kept: columns[kept] for kept in columns if kept in paired}
        taken = {side[kept] for side in sides for kept in paired}
        shared = {c: c for c in dataset.columns if c not in taken and c not in own_columns}
        views.append(View(dataset, {**shared, **own_columns}))
    said = [
        find(View(dataset, {k: ours[k] for k in sorted(paired)}), c)
        for c in ("score", "prediction")
    ]
    if not any(said):
        return None
    shown = next(s for s in said if s)
    notes.append(f"one wide row: {ours[shown]!r} is the champion's, {theirs[shown]!r} the other's")
    return views[0], views[1]
