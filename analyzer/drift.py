"""`analyzer drift`: has what a model sees, or says, moved away from a frozen reference?

Bin edges come from the reference and never from tonight's rows. NULLs, unseen values,
out-of-range values and constants are findings of their own: quantile bins hide them, and they
are the usual cause.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.errors import ConfigError
from analyzer.frozen import OTHER
from analyzer.histogram import ABOVE, BELOW, MINUS_INF, NAN, NULL, PLUS_INF, bin_edges
from analyzer.profiles import Profiles
from analyzer.stats.distances import js_distance, ks_statistic, wasserstein_normalised
from analyzer.stats.psi import Psi, decile_cells, empirical_p, null_ratio, psi, regroup
from analyzer.stats.result import Estimate, Result, Undefined
from analyzer.window import HOUR, Window

TOP_VALUES = 50
REFERENCE_DAYS = 7
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """One column in one window: cells in a fixed order, and what cells hide.

    `cells` are ordered bins or values; the last one counts NULLs (and NaN).
    """

    labels: tuple[object, ...]
    cells: Ints
    nulls: int
    rows: int
    outside: int
    newcomers: int


@dataclass(frozen=True)
class ColumnDrift:
    """One column of one model, a window against the reference.

    psi: raw; debiased: minus what chance alone gives; p: the rank among time-shifted clean
    windows, pooled over columns (Undefined with fewer than 28). Shares are of rows.
    """

    model: str
    column: str
    psi: float | None
    debiased: float | None
    p: Result
    cells: int
    n_reference: int
    n: int
    null_share_reference: float
    null_share: float
    unseen_share: float
    outside_share: float
    constant: bool
    ks: Result
    js: Result
    wasserstein: Result
    note: str


@dataclass(frozen=True)
class Drift:
    """All columns, the largest debiased PSI first."""

    window: str
    reference: str
    windows_compared: int
    columns: list[ColumnDrift]


def drift(profiles: Profiles, reference: Window, *, history: Sequence[Window] = ()) -> Drift:
    """PSI and other distances of every feature, score and latency against a reference window.

    history: clean windows of the past, each as long as the window judged; they say how large
    PSI is when nothing is wrong. PSI: shares smoothed as (c + 0.5) / (n + 0.5 B) over ten
    reference quantiles or the top 50 values, one NULL cell, one cell for values the reference
    never saw. Raises StoreError when the store holds nothing of a window, ConfigError when
    window and reference overlap.
    """
    if reference.overlaps(profiles.window.start, profiles.window.end):
        raise ConfigError(
            f"the reference {reference} overlaps the window {profiles.window}; "
            "drift would be measured against itself"
        )
    windows = [profiles, *(profiles.within(window) for window in (reference, *history))]
    # fine bins and cells must not be mixed: a cell's rows would all lie in its first bin
    whole = all(w.window.holds(m.start, m.end) for w in windows for m in w.manifests)
    new, old, *past = (counts_of(w, whole) for w in windows)
    nulls = {key: _null_psis(key, old, past) for key in old}
    ratios = _pooled_ratios(nulls)
    columns = [
        _column(profiles, key, old[key], new.get(key), nulls[key], ratios, len(history))
        for key in sorted(old)
    ]
    fresh = [_unreferenced(key, new[key]) for key in sorted(set(new) - set(old)) if new[key].rows]
    columns.sort(key=lambda c: (c.debiased is None, -(c.debiased or 0.0), c.model, c.column))
    return Drift(str(profiles.window), str(reference), len(past), [*columns, *fresh])


def default_reference(
    first: int, before: int, incidents: Sequence[tuple[int, int | None]]
) -> Window:
    """The first 7 days from `first` that touch no incident; fewer where `before` comes sooner.

    Instants in microseconds UTC. Raises ConfigError when there is no clean day before `before`.
    """
    day = 24 * HOUR
    start = -(-first // day) * day
    while start + day <= before:
        window = Window(start, min(start + REFERENCE_DAYS * day, before // day * day))
        if not any(window.overlaps(begin, end or window.end) for begin, end in incidents):
            return window
        start += day
    raise ConfigError(
        "drift needs a reference: no clean whole day lies before the window; scan older logs, "
        "or name a window with --reference FROM/TO"
    )


def past_windows(
    window: Window, reference: Window, incidents: Sequence[tuple[int, int | None]]
) -> list[Window]:
    """Clean windows of the same length and hours of the day between reference and window."""
    length = window.end - window.start
    step = -(-length // (24 * HOUR)) * 24 * HOUR
    found = []
    start = window.start - step
    while start >= reference.end:
        candidate = Window(start, start + length)
        if not any(candidate.overlaps(a, b or candidate.end) for a, b in incidents):
            found.append(candidate)
        start -= step
    return found[::-1]


Key = tuple[str, str]


def counts_of(profiles: Profiles, whole: bool) -> dict[Key, Counts]:
    """Counts of every column of both models in a window.

    whole: every window compared holds whole slots, which have fine bins; otherwise all of them
    use the 64 reference cells of each hour.
    """
    numeric = _fine(profiles) if whole else _cells(profiles)
    return {**numeric, **_serving(profiles), **_values(profiles)}


def _grouped(table: pa.Table, keys: list[str]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = (
        table.group_by(keys)
        .aggregate([("n", "sum")])
        .sort_by([(k, "ascending") for k in keys])
        .to_pylist()
    )
    return rows


def _split(table: pa.Table, by: str) -> dict[Key, tuple[Ints, Ints]]:
    """(values of `by`, summed n) for each model and column."""
    sums = table.group_by(["model", "column", by]).aggregate([("n", "sum")])
    sums = sums.sort_by([("model", "ascending"), ("column", "ascending"), (by, "ascending")])
    if not sums.num_rows:
        return {}
    model = np.asarray(sums["model"].to_pylist(), dtype=object)
    column = np.asarray(sums["column"].to_pylist(), dtype=object)
    values, n = sums[by].to_numpy().astype(np.int64), sums["n_sum"].to_numpy()
    changed = (model[1:] != model[:-1]) | (column[1:] != column[:-1])
    new = np.flatnonzero(np.concatenate(([True], changed)))
    ends = [*new[1:].tolist(), len(n)]
    return {
        (str(model[a]), str(column[a])): (values[a:b], n[a:b])
        for a, b in zip(new.tolist(), ends, strict=True)
    }


def _fine(profiles: Profiles) -> dict[Key, Counts]:
    special = _split(profiles.table("histograms"), "cell")
    fine = _split(profiles.table("fine"), "code")
    return {
        key: _numeric(special[key], *fine.get(key, (np.zeros(0, np.int64),) * 2)) for key in special
    }


def _cells(profiles: Profiles) -> dict[Key, Counts]:
    """Windows that cut slots: a cell is labelled by the code of the first fine bin in it."""
    found = {}
    for key, (cell, n) in _split(profiles.table("histograms"), "cell").items():
        bins = profiles.frozen.bins[key[1]]
        first = {**dict(enumerate(bins.starts)), BELOW: bins.starts[0] - 1, ABOVE: bins.last + 1}
        inside = np.isin(cell, list(first))
        codes = np.asarray([first[c] for c in cell[inside].tolist()], dtype=np.int64)
        order = np.argsort(codes)
        found[key] = _numeric((cell, n), codes[order], n[inside][order])
    return found


def _numeric(special: tuple[Ints, Ints], codes: Ints, n: Ints) -> Counts:
    cell, counts = special
    by_cell = dict(zip(cell.tolist(), counts.tolist(), strict=True))
    nulls = by_cell.get(NULL, 0) + by_cell.get(NAN, 0)
    infinite = by_cell.get(PLUS_INF, 0) + by_cell.get(MINUS_INF, 0)
    outside = by_cell.get(BELOW, 0) + by_cell.get(ABOVE, 0) + infinite
    return Counts(tuple(codes.tolist()), n.astype(np.int64), nulls, int(counts.sum()), outside, 0)


def _serving(profiles: Profiles) -> dict[Key, Counts]:
    found = {}
    for key, (codes, n) in _split(profiles.table("fine_hours"), "code").items():
        rows = int(n.sum())
        found[key] = Counts(tuple(codes.tolist()), n, 0, rows, 0, 0)
    return found


def _values(profiles: Profiles) -> dict[Key, Counts]:
    table = profiles.table("values")
    table = table.filter(pc.not_equal(table["column"], "version"))
    by_key: dict[Key, dict[str | None, int]] = {}
    for row in _grouped(table, ["model", "column", "value"]):
        counts = by_key.setdefault((str(row["model"]), str(row["column"])), {})
        value = row["value"]
        counts[None if value is None else str(value)] = int(str(row["n_sum"]))
    found = {}
    for key, counts in by_key.items():
        labels = tuple(value for value in counts if value is not None)
        n = np.asarray([counts[value] for value in labels], dtype=np.int64)
        found[key] = Counts(
            labels, n, counts.get(None, 0), sum(counts.values()), 0, counts.get(OTHER, 0)
        )
    return found


def _aligned(old: Counts, new: Counts) -> tuple[Ints, Ints, int]:
    """Counts of both windows in the reference's cells, NULL last; and rows it never saw."""
    if all(isinstance(label, str) for label in (*old.labels, *new.labels)):
        return _aligned_values(old, new)
    old_codes, new_codes = (np.asarray(c.labels, dtype=np.int64) for c in (old, new))
    codes = np.union1d(old_codes, new_codes)
    a, b = np.zeros(len(codes), np.int64), np.zeros(len(codes), np.int64)
    a[np.searchsorted(codes, old_codes)] = old.cells
    b[np.searchsorted(codes, new_codes)] = new.cells
    if not a.sum():
        return np.array([0, old.nulls]), np.array([int(b.sum()), new.nulls]), 0
    edges = decile_cells(a)
    grouped = [regroup(x, edges).astype(np.int64) for x in (a, b)]
    return (
        np.append(grouped[0], old.nulls),
        np.append(grouped[1], new.nulls),
        0,
    )


def _aligned_values(old: Counts, new: Counts) -> tuple[Ints, Ints, int]:
    before = dict(zip(map(str, old.labels), old.cells.tolist(), strict=True))
    after = dict(zip(map(str, new.labels), new.cells.tolist(), strict=True))
    kept = sorted(before, key=lambda v: (-before[v], v))[:TOP_VALUES]
    unseen = sum(n for value, n in after.items() if value not in before)
    rest = sum(n for value, n in after.items() if value in before and value not in kept)
    a = [*(before[v] for v in kept), sum(before.values()) - sum(before[v] for v in kept), 0]
    b = [*(after.get(v, 0) for v in kept), rest, unseen]
    named = unseen - (0 if OTHER in before else after.get(OTHER, 0))  # `newcomers` counts those
    return np.asarray([*a, old.nulls]), np.asarray([*b, new.nulls]), named


def psi_of(old: Counts, new: Counts) -> Psi | Undefined:
    a, b, _ = _aligned(old, new)
    return psi(a, b)


def _null_psis(
    key: Key, old: Mapping[Key, Counts], past: Sequence[Mapping[Key, Counts]]
) -> list[float]:
    found = [psi_of(old[key], counts[key]) for counts in past if key in counts]
    return [p.raw for p in found if isinstance(p, Psi)]


def _pooled_ratios(nulls: Mapping[Key, Sequence[float]]) -> list[float]:
    ratios = []
    for values in nulls.values():
        for position, value in enumerate(values):
            others = [*values[:position], *values[position + 1 :]]
            found = null_ratio(value, others)
            if isinstance(found, Estimate):
                ratios.append(found.value)
    return ratios


def _column(
    profiles: Profiles,
    key: Key,
    old: Counts,
    new: Counts | None,
    nulls: Sequence[float],
    ratios: Sequence[float],
    windows: int,
) -> ColumnDrift:
    model, column = key
    if new is None or not new.rows:
        return _absent(key, old)
    a, b, unseen = _aligned(old, new)
    found = psi(a, b)
    p: Result = Undefined("PSI is undefined here")
    if isinstance(found, Psi):
        ratio = null_ratio(found.raw, nulls)
        p = empirical_p(ratios, ratio.value, windows) if isinstance(ratio, Estimate) else ratio
    numeric = not all(isinstance(label, str) for label in old.labels) or not old.labels
    distances = _distances(profiles, column, old, new) if numeric else _value_distances(a, b)
    note = "" if isinstance(found, Psi) else found.reason
    return ColumnDrift(
        model,
        column,
        found.raw if isinstance(found, Psi) else None,
        found.debiased if isinstance(found, Psi) else None,
        p,
        found.cells if isinstance(found, Psi) else 0,
        old.rows,
        new.rows,
        old.nulls / max(old.rows, 1),
        new.nulls / new.rows,
        (unseen + max(new.newcomers - old.newcomers * new.rows / max(old.rows, 1), 0)) / new.rows
        if not numeric
        else 0.0,
        new.outside / new.rows,
        int(np.count_nonzero(new.cells)) == 1 and int(np.count_nonzero(old.cells)) > 1,
        *distances,
        note,
    )


def _absent(key: Key, old: Counts) -> ColumnDrift:
    gone = Undefined("not logged in the window")
    return ColumnDrift(
        key[0],
        key[1],
        None,
        None,
        gone,
        0,
        old.rows,
        0,
        old.nulls / max(old.rows, 1),
        0.0,
        0.0,
        0.0,
        False,
        gone,
        gone,
        gone,
        "not logged in the window",
    )


def _unreferenced(key: Key, new: Counts) -> ColumnDrift:
    none = Undefined("not logged in the reference")
    return ColumnDrift(
        key[0],
        key[1],
        None,
        None,
        none,
        0,
        0,
        new.rows,
        0.0,
        new.nulls / max(new.rows, 1),
        0.0,
        0.0,
        False,
        none,
        none,
        none,
        "not logged in the reference",
    )


def _distances(
    profiles: Profiles, column: str, old: Counts, new: Counts
) -> tuple[Result, Result, Result]:
    """KS, JS over reference deciles, and Wasserstein in reference IQRs, of what is not NULL."""
    bins = profiles.frozen.bins[column]
    ours, theirs = (np.asarray(c.labels, dtype=np.int64) for c in (old, new))
    codes = np.union1d(ours, theirs)
    a, b = np.zeros(len(codes), np.int64), np.zeros(len(codes), np.int64)
    a[np.searchsorted(codes, ours)], b[np.searchsorted(codes, theirs)] = old.cells, new.cells
    if not a.sum() or not b.sum():
        none = Undefined("all values are NULL")
        return none, none, none
    edges = decile_cells(a)
    low, high = bin_edges(codes, bins.kind, bins.origin)
    return (
        ks_statistic(a, b),
        js_distance(regroup(a, edges), regroup(b, edges)),
        wasserstein_normalised((low + high) / 2, a, b),
    )


def _value_distances(a: Ints, b: Ints) -> tuple[Result, Result, Result]:
    none = Undefined("values have no order")
    return none, js_distance(a[:-1], b[:-1]), none
