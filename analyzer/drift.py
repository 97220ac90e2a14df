"""`analyzer drift`: has what a model sees, or says, moved away from a frozen reference?

Bin edges come from the reference and never from tonight's rows. NULLs, unseen values,
out-of-range values and constants are findings of their own: quantile bins hide them, and they
are the usual cause.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.column_counts import Counts, Ints, Key, counts_of
from analyzer.errors import ConfigError
from analyzer.frozen import OTHER
from analyzer.histogram import bin_edges
from analyzer.profiles import Profiles
from analyzer.stats.distances import js_distance, ks_statistic, wasserstein_normalised
from analyzer.stats.psi import Psi, decile_cells, empirical_p, null_ratio, psi, regroup
from analyzer.stats.result import Estimate, Result, Undefined
from analyzer.window import HOUR, Window

TOP_VALUES = 50
REFERENCE_DAYS = 7


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
    fresh = [
        _one_sided(key, None, new[key], "not logged in the reference")
        for key in sorted(set(new) - set(old))
        if new[key].rows
    ]
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
    """PSI of a window against the reference, in the reference's cells."""
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
        return _one_sided(key, old, None, "not logged in the window")
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


def _one_sided(key: Key, old: Counts | None, new: Counts | None, note: str) -> ColumnDrift:
    """A column that only one of the windows logged."""
    none = Undefined(note)
    return ColumnDrift(
        model=key[0],
        column=key[1],
        psi=None,
        debiased=None,
        p=none,
        cells=0,
        n_reference=old.rows if old else 0,
        n=new.rows if new else 0,
        null_share_reference=old.nulls / max(old.rows, 1) if old else 0.0,
        null_share=new.nulls / max(new.rows, 1) if new else 0.0,
        unseen_share=0.0,
        outside_share=0.0,
        constant=False,
        ks=none,
        js=none,
        wasserstein=none,
        note=note,
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
