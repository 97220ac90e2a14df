"""What quantile cells hide: NULLs, unseen values, values out of range, a value that stood still.

They are the usual cause of an incident, so each is a finding of its own, with its counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.onset.comparison import Plan, when
from analyzer.onset.records import FeatureCounts, Finding, Floats, Hours, Ints, Special
from analyzer.onset.same_hours import NULLS, OUTSIDE, window_sums
from analyzer.onset.search import Series, first_shift
from analyzer.stats.multiplicity import benjamini_hochberg
from analyzer.stats.psi import MINIMUM_NULL_WINDOWS
from analyzer.stats.shifted import medians_of_others, pooled_p
from analyzer.window import HOUR, show

LEAST_ROWS = 10
LEAST_RISE = 0.001
LEAST_RATIO = 1.25
STALE_HOURS = 3
STALE_ROWS = 30
"""Rows that an hour must hold before their all being equal says something."""

GROUPS: dict[Special, tuple[str, ...]] = {
    "null": NULLS,
    "unseen": ("(other)",),
    "out of range": OUTSIDE,
}
WORDS: dict[Special, str] = {
    "null": "rows were NULL or NaN",
    "unseen": "rows held values outside the frozen vocabulary",
    "out of range": "rows lay outside the range of the frozen reference",
    "stale": "rows in a run of hours held one and the same value or cell",
}


@dataclass(frozen=True, eq=False)
class _Count:
    """Hourly rows of one kind in one feature, with scores of the windows before and after."""

    feature: str
    what: Special
    hits: Ints
    rows: Ints
    scores: Floats
    past: tuple[Floats, Floats]
    shares: tuple[tuple[int, int, float], ...]


def find_hidden(
    hours: Hours, plan: Plan, features: Sequence[FeatureCounts], q: float
) -> list[Finding]:
    """Shares of NULL, unseen and out-of-range rows that rose, and features that stood still.

    A share's rise over the same hours of the reference, in standard errors and in units of the
    feature's own quiet past, ranked among past clean windows pooled over features; q over features
    and kinds, for each of the two windows. With fewer than 28 past windows only stale features are
    reported.
    """
    counts = [c for f in features for c in _counts(plan, f)]
    found = [_stale(hours, plan, f) for f in features]
    if counts and min(len(plan.past), len(plan.past_after)) >= MINIMUM_NULL_WINDOWS:
        adjusted = np.stack([_adjusted(counts, window) for window in (0, 1)], axis=1)
        found += [_finding(hours, plan, c, a, q) for c, a in zip(counts, adjusted, strict=True)]
    kept = [f for f in found if f is not None]
    return sorted(kept, key=lambda f: (-f.share, f.feature, f.what))


def _adjusted(counts: Sequence[_Count], window: int) -> Floats:
    """p adjusted over features and kinds, of the window before (0) or after (1) the onset."""
    null = np.concatenate([c.past[window] for c in counts])
    return benjamini_hochberg(pooled_p(null, [c.scores[window] for c in counts])).p


def _counts(plan: Plan, feature: FeatureCounts) -> list[_Count]:
    names = feature.cells[len(feature.cells) - feature.special :]
    special = feature.counts[:, len(feature.cells) - feature.special :]
    rows = feature.counts.sum(axis=1)
    counted = []
    for what, group in GROUPS.items():
        chosen = [i for i, name in enumerate(names) if name in group]
        if chosen:
            counted.append(_count(plan, feature.name, what, special[:, chosen].sum(axis=1), rows))
    return counted


def _count(plan: Plan, name: str, what: Special, hits: Ints, rows: Ints) -> _Count:
    both = np.column_stack([hits, rows])
    reference = plan.references.reference(both)
    windows = (
        (plan.before, plan.length, plan.past),
        (plan.after, plan.after_length, plan.past_after),
    )
    scores, past, shares = [], [], []
    for start, length, starts in windows:
        now, then = (window_sums(x, [start], length) for x in (both, reference))
        quiet = _rise(window_sums(both, starts, length), window_sums(reference, starts, length))
        others = np.maximum(1.4826 * medians_of_others(np.abs(quiet)), 1.0)
        unit = max(1.0, 1.4826 * float(np.median(np.abs(quiet)))) if len(quiet) else 1.0
        scores.append(float(_rise(now, then)[0]) / unit)
        past.append(quiet / others)
        shares.append((int(now[0, 0]), int(now[0, 1]), float(then[0, 0] / max(then[0, 1], 1))))
    return _Count(name, what, hits, rows, np.asarray(scores), (past[0], past[1]), tuple(shares))


def _rise(now: Ints, then: Ints) -> Floats:
    """Difference of two shares over its standard error, per window; 0 where a side is empty."""
    (k, n), (k0, n0) = (x.T.astype(np.float64) for x in (now, then))
    pooled = (k + k0 + 0.5) / (n + n0 + 1)
    size = np.maximum(n, 1), np.maximum(n0, 1)
    error = np.sqrt(pooled * (1 - pooled) * (1 / size[0] + 1 / size[1]))
    rise: Floats = np.where((n > 0) & (n0 > 0), (k / size[0] - k0 / size[1]) / error, 0.0)
    return rise


def _finding(hours: Hours, plan: Plan, count: _Count, adjusted: Floats, q: float) -> Finding | None:
    early, late = (a <= q and _matters(s) for a, s in zip(adjusted, count.shares, strict=True))
    if not early and not late:
        return None
    rows = count.rows.astype(np.float64)
    values = np.divide(count.hits, rows, out=np.full(len(rows), np.nan), where=rows > 0)
    first = first_shift(plan.timeline(hours), Series(count.feature, "", values, rows))
    place = 0 if early and adjusted[0] <= adjusted[1] else 1
    k, n, usual = count.shares[place]
    at = show(hours.start + first[0] * HOUR) if first else None
    word = "before" if place == 0 else "after"
    return Finding(
        feature=count.feature,
        what=count.what,
        rows=k,
        of=n,
        share=k / n,
        share_reference=usual,
        q=float(adjusted[place]),
        first=at,
        when="leads" if early else when(plan, first),
        sentence=(
            f"{count.feature}: {k:,} of {n:,} {WORDS[count.what]} {word} the onset, "
            f"{k / n:.2%} against {usual:.2%} in the same hours of clean weeks"
        ),
    )


def _matters(shares: tuple[int, int, float]) -> bool:
    """Whether rows enough are concerned; among millions of rows every rise is certain."""
    k, n, usual = shares
    return k >= LEAST_ROWS and k / n >= max(usual + LEAST_RISE, LEAST_RATIO * usual)


def _stale(hours: Hours, plan: Plan, feature: FeatureCounts) -> Finding | None:
    """A run of hours in which all rows lie in one cell, of a feature that usually varies."""
    ordinary = feature.counts[:, : len(feature.cells) - feature.special]
    rows = ordinary.sum(axis=1)
    still = (rows >= STALE_ROWS) & (ordinary.max(axis=1, initial=0) == rows)
    usual = plan.clean & (rows >= STALE_ROWS)
    share = float(still[usual].mean()) if bool(np.any(usual)) else 1.0
    if share > 0.01:
        return None
    run, best = 0, (0, 0)
    for hour in range(plan.before, plan.end):
        run = run + 1 if still[hour] else 0
        best = max(best, (run, -hour))
    if best[0] < STALE_HOURS:
        return None
    first, last = -best[1] - best[0] + 1, -best[1] + 1
    k, n = int(rows[first:last].sum()), int(feature.counts[plan.before : plan.end].sum())
    return Finding(
        feature=feature.name,
        what="stale",
        rows=k,
        of=n,
        share=k / n,
        share_reference=share,
        q=None,
        first=show(hours.start + first * HOUR),
        when=when(plan, (first, first, first + 1)),
        sentence=(
            f"{feature.name}: {k:,} {WORDS['stale']}, {last - first} h from "
            f"{show(hours.start + first * HOUR)} on; usually it varies every hour"
        ),
    )
