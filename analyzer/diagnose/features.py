"""Hourly counts of every feature, as the search for what drifted before the onset wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.config import Rollout
from analyzer.drilldown.bins import SAMPLE_CELLS
from analyzer.drilldown.sample import Cells
from analyzer.frozen import OTHER, Frozen, shown
from analyzer.histogram import (
    ABOVE,
    BELOW,
    CELLS,
    MINUS_INF,
    NAN,
    NULL,
    PLUS_INF,
    SPECIAL_CELLS,
    bin_edges,
)
from analyzer.onset.precursors import FeatureCounts
from analyzer.profiles import Profiles
from analyzer.window import HOUR

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
LEAST_RISE = 0.05
Key = tuple[str, str]
"""(model whose log it is from, feature)."""


@dataclass(frozen=True, eq=False)
class Counted:
    """Counts of one feature: hours x cells, with what the cells are called."""

    key: Key
    kind: Literal["numeric", "categorical"]
    cells: tuple[str, ...]
    special: int
    counts: Ints

    @property
    def nulls(self) -> Ints:
        """Rows by hour whose value is not there; NaN is as unusable as NULL."""
        if self.kind == "categorical":
            found: Ints = self.counts[:, -1]
            return found
        first = self.counts.shape[1] - len(SPECIAL_CELLS)
        both: Ints = self.counts[:, [first + NULL - BELOW, first + NAN - BELOW]].sum(axis=1)
        return both


def counted(profiles: Profiles, rollout: Rollout) -> dict[Key, Counted]:
    """Every feature of either log by hour of the window of `profiles`, sorted by name."""
    hours = (profiles.window.end - profiles.window.start) // HOUR
    found: dict[Key, Counted] = {}
    numeric = _dense(profiles, "histograms", "cell", hours, dict.fromkeys(rollout.features.numeric))
    for key, counts in numeric.items():
        found[key] = _numeric(profiles.frozen, key, counts)
    words = {c: profiles.frozen.vocabularies[c] for c in rollout.features.categorical}
    for key, counts in _dense(profiles, "values", "value", hours, words).items():
        labels = (*map(shown, words[key[1]]), OTHER, "null")
        found[key] = Counted(key, "categorical", labels, 2, counts)
    return dict(sorted(found.items(), key=lambda item: (item[0][1], item[0][0])))


def _numeric(frozen: Frozen, key: Key, counts: Ints) -> Counted:
    bins = frozen.bins[key[1]]
    low, _ = bin_edges(np.asarray(bins.starts, dtype=np.int64), bins.kind, bins.origin)
    labels = (*(f"{edge:.4g}" for edge in low), *SPECIAL_CELLS)
    kept = np.r_[0 : len(bins.starts), BELOW:CELLS]
    return Counted(key, "numeric", labels, len(SPECIAL_CELLS), counts[:, kept])


def _dense(
    profiles: Profiles,
    name: str,
    by: str,
    hours: int,
    columns: Mapping[str, Sequence[str] | None],
) -> dict[Key, Ints]:
    """Counts (hours x values of `by`) of every model and column."""
    place = {column: at for at, column in enumerate(columns)}
    models = ("champion", "challenger")
    widths = [CELLS if words is None else len(words) + 2 for words in columns.values()]
    wide = max(widths, default=0)
    if not wide:
        return {}
    found: dict[Key, Ints] = {}
    for m in profiles.manifests:
        table = profiles.store.read(m, name)
        hour = (table["hour"].cast(pa.int64()).to_numpy() - profiles.window.start) // HOUR
        model = _codes(table["model"], models)
        column = _codes(table["column"], tuple(place))
        value = _values(table[by], column, columns)
        keep = (hour >= 0) & (hour < hours) & (model >= 0) & (column >= 0)
        group = (model * len(place) + column)[keep]
        order = np.argsort(group, kind="stable")
        rows = [a[keep][order] for a in (hour, value, table["n"].to_numpy())]
        bounds = np.searchsorted(group[order], np.arange(len(models) * len(place) + 1))
        for at in np.flatnonzero(np.diff(bounds)).tolist():
            key = (models[at // len(place)], tuple(place)[at % len(place)])
            width = widths[at % len(place)]
            dense = found.setdefault(key, np.zeros((hours, width), dtype=np.int64))
            span = slice(int(bounds[at]), int(bounds[at + 1]))
            dense[rows[0][span], rows[1][span]] = rows[2][span]  # a slot holds a key once
    return found


def _codes(values: pa.ChunkedArray, words: tuple[str, ...]) -> Ints:
    """Place of each value in `words`, -1 for any other."""
    coded = values.combine_chunks().dictionary_encode()
    table = pc.index_in(coded.dictionary, value_set=pa.array(words, pa.string())).fill_null(-1)
    lookup = np.append(table.to_numpy(zero_copy_only=False).astype(np.int64), -1)
    found: Ints = lookup[coded.indices.fill_null(len(lookup) - 1).to_numpy()]
    return found


def _values(
    values: pa.ChunkedArray, column: Ints, columns: Mapping[str, Sequence[str] | None]
) -> Ints:
    """Cells as they are; words as places in their column's vocabulary, then other, then NULL."""
    if not pa.types.is_string(values.type):
        cells: Ints = values.to_numpy().astype(np.int64)
        return cells
    coded = values.combine_chunks().dictionary_encode()
    spelled = coded.dictionary.to_pylist()
    indices = coded.indices.fill_null(len(spelled)).to_numpy()
    found = np.zeros(len(indices), dtype=np.int64)
    for at, words in enumerate(columns.values()):
        assert words is not None
        place = {shown(word): code for code, word in enumerate(words)}
        lookup = np.asarray([*(place.get(w, len(words)) for w in spelled), len(words) + 1])
        chosen = np.flatnonzero(column == at)
        found[chosen] = lookup[indices[chosen]]
    return found


def chosen(found: Mapping[Key, Counted], differing: set[str]) -> list[Counted]:
    """One log's counts of each feature: the champion's, else the challenger's; both where the
    values that they logged for the same requests differ.
    """
    return [
        one
        for (model, feature), one in found.items()
        if model == "champion" or feature in differing or ("champion", feature) not in found
    ]


def name_of(one: Counted, found: Mapping[Key, Counted]) -> str:
    """What a feature is called: by its name alone where one log's values speak for it."""
    model, feature = one.key
    doubled = model == "challenger" and ("champion", feature) in found
    return f"{feature} (challenger)" if doubled else feature


def missing_lines(
    found: Mapping[Key, Counted], now: slice, before: slice | None, most: int = 5
) -> list[str]:
    """In words, the features whose NULLs (or values outside the vocabulary) became more by five
    points of all rows or more, hours `now` against `before`.
    """
    lines: list[tuple[float, str]] = []
    for one in found.values():
        kinds = {"NULL": one.nulls}
        if one.kind == "categorical":
            kinds["outside the frozen vocabulary"] = one.counts[:, -2]
        rows = one.counts.sum(axis=1)
        for what, hits in kinds.items():
            share, usual = (
                int(hits[part].sum()) / max(int(rows[part].sum()), 1) if part is not None else 0.0
                for part in (now, before)
            )
            if share - usual >= LEAST_RISE:
                name = name_of(one, found)
                known = "" if before is None else f", {usual:.1%} in the baseline"
                lines.append(
                    (usual - share, f"{name} is {what} in {share:.1%} of the rows{known}.")
                )
    return [line for _, line in sorted(lines)[:most]]


def score_means(one: Counted, cells: Cells, unit: float) -> Floats:
    """Mean score of the sampled rows in each cell of a feature, NaN where there are none."""
    n, score = cells.of("scored"), cells.of("score")
    last = len(cells.labels) - 1
    if one.kind == "numeric":
        inner = range(len(one.cells) - one.special)
        beyond = [SAMPLE_CELLS.index(c) for c in (BELOW, ABOVE, PLUS_INF, MINUS_INF)]
        places = [[at] for at in (*inner, beyond[0], beyond[1], last, last, beyond[2], beyond[3])]
    else:
        words = one.cells[: -one.special]
        spelled = [None if label is None else shown(label) for label in cells.labels]
        known = {word: at for at, word in enumerate(spelled)}
        rest = [at for at, w in enumerate(spelled) if w is not None and w not in set(words)]
        places = [*([known[w]] if w in known else [] for w in words), rest, [last]]
    rows, total = (np.asarray([x[at].sum() for at in places]) for x in (n, score))
    found: Floats = np.divide(total * unit, rows, out=np.full(len(rows), np.nan), where=rows > 0)
    return found


def as_counts(
    one: Counted, name: str, score_mean: Floats | None, first: int, last: int
) -> FeatureCounts:
    """The hours [first, last) of a feature."""
    return FeatureCounts(name, one.kind, one.cells, one.special, one.counts[first:last], score_mean)
