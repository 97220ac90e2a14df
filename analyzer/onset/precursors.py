"""Which features drifted right before the onset, which with it, which only afterwards?

Input are plain arrays of hourly counts, so nothing here knows of the store. Words are
"drifted before", never "caused".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import structs

from analyzer.onset.comparison import Plan, make_plan, when
from analyzer.onset.hidden import find_hidden
from analyzer.onset.records import (
    FeatureCounts,
    Finding,
    Floats,
    Hours,
    Ints,
    Label,
    Precursor,
    Precursors,
)
from analyzer.onset.same_hours import coarse_cells, overlapping, window_sums
from analyzer.onset.search import Series, first_shift
from analyzer.onset.words import precursor_sentence, refused, summary_sentences
from analyzer.stats.mix import carried
from analyzer.stats.multiplicity import benjamini_hochberg
from analyzer.stats.psi import MINIMUM_NULL_WINDOWS
from analyzer.stats.shifted import WindowPsi, drift_scores, pooled_p, window_psi
from analyzer.window import HOUR, show

__all__ = ["FeatureCounts", "Finding", "Hours", "Precursor", "Precursors", "find_precursors"]

ORDER: tuple[Label, ...] = (
    "leads",
    "coincides",
    "follows",
    "drifts, score unmoved",
    "undecided",
    "unmoved",
)
LEVEL = 0.05
"""False discovery rate: at 0.1 the share of false ones in planted runs was 10 to 14 %."""

LEAST_PSI = 0.002
"""Debiased PSI below which nothing counts as drift: among millions of rows all is significant."""

CARRIES = 0.02
"""Share of the score shift below which a feature's drift is said not to have moved the score."""

SPARKLINE = 48

NOTEWORTHY = 3.0
"""Normal score from which a feature without a p-value is ranked by what it carries."""


@dataclass(frozen=True, eq=False)
class _Measured:
    """One feature: coarse counts, their reference per hour, and scores of all windows."""

    feature: FeatureCounts
    coarse: Ints
    reference: Ints
    before: WindowPsi
    after: WindowPsi
    scores: tuple[float, float]
    past: tuple[Floats, Floats]


def find_precursors(
    hours: Hours, features: Sequence[FeatureCounts], *, q: float = LEVEL
) -> Precursors:
    """Compare every feature right before (and after) the onset with its own quiet past.

    before = [onset's lower bound - L, lower bound), L at least 6 h and 20,000 rows; after = from
    the upper bound on, at most 72 h; reference = the same hours of up to 4 earlier clean weeks
    (fewer than 2: of clean days). PSI as `stats.shifted.window_psi`; p = rank of its score among
    past clean windows pooled over features; q by Benjamini and Hochberg over features. A feature
    drifts when that is at most `q` and its debiased PSI at least 0.002. Features are ranked by
    label, then by the score shift they carry, then by first drifting hour.
    Raises ValueError when the arrays do not fit the grid.
    """
    for feature in features:
        if feature.counts.shape != (len(hours.hour_of_week), len(feature.cells)):
            raise ValueError(f"{feature.name}: counts must be hours x cells")
    plan = make_plan(hours, features)
    if isinstance(plan, str):
        return refused(hours, plan)
    measured = [_measure(plan, feature) for feature in features]
    enough = [len(p) >= MINIMUM_NULL_WINDOWS for p in (plan.past, plan.past_after)]
    p_before, q_before = _significance(measured, 0, enough[0])
    _, q_after = _significance(measured, 1, enough[1])
    found = [
        _precursor(hours, plan, m, p_before[i], (q_before[i], q_after[i]), q)
        for i, m in enumerate(measured)
    ]
    found.sort(key=_rank)
    ranked = [structs.replace(f, rank=place + 1) for place, f in enumerate(found)]
    hidden = find_hidden(hours, plan, features, q)
    leading = [f for f in ranked if f.label == "leads" and f.carried is not None][:2]
    left = 1 - sum(f.carried or 0.0 for f in leading) if leading else None
    return Precursors(
        before=_window(hours, plan.before, plan.before + plan.length),
        after=_window(hours, plan.after, plan.after + plan.after_length),
        weeks=plan.references.cycles if plan.references.weekly else 0,
        null_windows=len(plan.past),
        level=q,
        least_psi=LEAST_PSI,
        ranking_only=not enough[0],
        features=ranked,
        findings=hidden,
        left_after_top_two=left,
        refusal="",
        sentences=summary_sentences(plan, ranked, enough[0], q),
    )


def _measure(plan: Plan, feature: FeatureCounts) -> _Measured:
    """Coarse counts of a feature and how every window of them compares with its reference."""
    held = feature.counts[: plan.before][plan.clean[: plan.before]].sum(axis=0)
    coarse, _ = coarse_cells(feature.kind, feature.cells, feature.special, feature.counts, held)
    reference = plan.references.reference(coarse)

    def compare(starts: Sequence[int] | Ints, length: int) -> WindowPsi:
        return window_psi(
            window_sums(reference, starts, length), window_sums(coarse, starts, length)
        )

    before, after = (
        compare([plan.before], plan.length),
        compare([plan.after], plan.after_length),
    )
    past, now = drift_scores(
        compare(plan.past, plan.length), before, overlapping(plan.past, plan.length)
    )
    past_after, now_after = drift_scores(
        compare(plan.past_after, plan.after_length),
        after,
        overlapping(plan.past_after, plan.after_length),
    )
    scores = float(now[0]), float(now_after[0])
    return _Measured(feature, coarse, reference, before, after, scores, (past, past_after))


def _significance(
    measured: Sequence[_Measured], which: int, enough: bool
) -> tuple[list[float | None], list[float | None]]:
    """Pooled empirical p and its adjusted value per feature, None where there is none."""
    nothing: list[float | None] = [None] * len(measured)
    if not enough or not measured:
        return nothing, nothing
    p = np.full(len(measured), np.nan)
    for kind in ("numeric", "categorical"):  # their tails differ
        chosen = [i for i, m in enumerate(measured) if m.feature.kind == kind]
        if chosen:
            null = np.concatenate([measured[i].past[which] for i in chosen])
            p[chosen] = pooled_p(null, [measured[i].scores[which] for i in chosen])
    known = np.flatnonzero(np.isfinite(p))
    ps, qs = list(nothing), list(nothing)
    adjusted = benjamini_hochberg(p[known]).p
    for place, i in enumerate(known.tolist()):
        ps[i], qs[i] = float(p[i]), float(adjusted[place])
    return ps, qs


def _precursor(
    hours: Hours,
    plan: Plan,
    measured: _Measured,
    p: float | None,
    qs: tuple[float | None, float | None],
    level: float,
) -> Precursor:
    """One feature's figures, its label and its sentence; `rank` is given later."""
    excess = [float(w.raw[0] - w.expected[0]) for w in (measured.before, measured.after)]
    early, late = (
        value is not None and value <= level and more >= LEAST_PSI
        for value, more in zip(qs, excess, strict=True)
    )
    drifting = _drifting(hours, plan, measured, early) if early or late else None
    part = _carried(hours, plan, measured.feature)
    label = _label(plan, qs, (early, late), drifting, part)
    raw, expected = float(measured.before.raw[0]), float(measured.before.expected[0])
    after = float(measured.after.raw[0])
    at, low, high = (_at(hours, hour) for hour in drifting or (None, None, None))
    return Precursor(
        feature=measured.feature.name,
        rank=0,
        label=label,
        psi=_known(raw),
        debiased=_known(raw - expected),
        score=_known(measured.scores[0]),
        p=p,
        q=qs[0],
        psi_after=_known(after),
        q_after=qs[1],
        cells=int(measured.before.cells[0]),
        rows=int(measured.before.n_current[0]),
        rows_reference=int(measured.before.n_reference[0]),
        first=at,
        first_low=low,
        first_high=high,
        carried=part,
        sparkline=_sparkline(plan, measured),
        sentence=precursor_sentence(measured.feature.name, label, raw, expected, qs[0], at, part),
    )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _at(hours: Hours, hour: int | None) -> str | None:
    return None if hour is None else show(hours.start + hour * HOUR)


def _window(hours: Hours, start: int, end: int) -> tuple[str, str]:
    return show(hours.start + start * HOUR), show(hours.start + end * HOUR)


def _drifting(
    hours: Hours, plan: Plan, measured: _Measured, early: bool
) -> tuple[int, int, int] | None:
    """First drifting hour and its interval [low, high), as hours of the grid; None if unknown.

    The feature's counts become one series: the mean over rows of ln(q / p) of their cell, q the
    drifted window and p its reference, in which the drift is a rise of the level.
    """
    windows = [(plan.after, plan.after_length)]
    if early:
        windows.append((plan.before, plan.length))
    now = sum(window_sums(measured.coarse, [a], n)[0] for a, n in windows)
    then = sum(window_sums(measured.reference, [a], n)[0] for a, n in windows)
    b = len(now)
    weights = np.log((now + 0.5) / (np.sum(now) + 0.5 * b)) - np.log(
        (then + 0.5) / (np.sum(then) + 0.5 * b)
    )
    rows = measured.coarse.sum(axis=1).astype(np.float64)
    means = np.divide(
        measured.coarse @ weights, rows, out=np.full(len(rows), np.nan), where=rows > 0
    )
    return first_shift(plan.timeline(hours), Series(measured.feature.name, "", means, rows))


def _carried(hours: Hours, plan: Plan, feature: FeatureCounts) -> float | None:
    """Share of the score shift that the feature's change of distribution carries by itself.

    `stats.mix.carried` over the feature's own cells, from the onset on against its reference,
    divided by the score's shift.
    """
    if feature.score_mean is None or not hours.score_shift:
        return None
    end = plan.after + plan.after_length
    then = plan.references.reference(feature.counts, plan.after, end).sum(axis=0)
    now = feature.counts[plan.after : end].sum(axis=0)
    moved = carried(then, feature.score_mean, now)
    return float(moved / hours.score_shift) if isinstance(moved, float) else None


def _label(
    plan: Plan,
    qs: tuple[float | None, float | None],
    moved: tuple[bool, bool],
    drifting: tuple[int, int, int] | None,
    part: float | None,
) -> Label:
    if not any(moved):
        return "undecided" if qs == (None, None) else "unmoved"
    if part is not None and abs(part) < CARRIES:
        return "drifts, score unmoved"
    # a drift that plainly begins in or after the onset was significant before it by chance
    if moved[0] and (drifting is None or drifting[0] < plan.onset):
        return "leads"
    return when(plan, drifting)


def _sparkline(plan: Plan, measured: _Measured) -> list[float | None]:
    """PSI of each hour against its reference, from 48 h before the onset to 48 h after it."""
    chosen = slice(
        max(plan.before + plan.length - SPARKLINE, 0),
        min(plan.end, plan.before + plan.length + SPARKLINE),
    )
    raw = window_psi(measured.reference[chosen], measured.coarse[chosen]).raw
    return [round(x, 4) if math.isfinite(x) else None for x in raw.tolist()]


def _rank(found: Precursor) -> tuple[int, float, str, float, str]:
    """Drifting features by label, carried shift and first hour; the others by their score."""
    place, score = ORDER.index(found.label), -(found.score if found.score is not None else -1e9)
    part = -abs(found.carried or 0.0)
    if found.label == "unmoved" or (found.label == "undecided" and score > -NOTEWORTHY):
        return place + 1, 0.0, "", score, found.feature
    return place, part, found.first or "9999", score, found.feature
