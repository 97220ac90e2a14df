"""`analyzer diff`: how far the two models' predictions for the same requests lie apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.binned import fine_bins
from analyzer.histogram import bin_edges
from analyzer.logs import SIDES
from analyzer.measure import Rate, hourly, in_buckets, rate
from analyzer.profiles import Profiles
from analyzer.stats.dependence import combined_design_effect, design_effect
from analyzer.stats.distances import js_distance, ks_statistic
from analyzer.stats.paired import Sums, mean_difference, risk_ratio, welch
from analyzer.stats.psi import decile_cells, psi, regroup
from analyzer.stats.quantiles import quantile
from analyzer.stats.result import Result, Undefined

SCORE_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SegmentDivergence:
    """One value of one segment column against the rest of the pairs.

    value None is NULL; share is its part of the total absolute divergence; effect is its mean
    difference minus that of its complement; flips are pairs whose decisions differ.
    """

    segment: str
    value: str | None
    n: int
    unmatched: int
    mean: Result
    mean_absolute: float | None
    share: float
    effect: Result
    flips: int
    flip_risk_ratio: Result


@dataclass(frozen=True)
class ScoreDistribution:
    """Quantiles of one model's scores."""

    model: str
    n: int
    quantiles: dict[str, Result]


@dataclass(frozen=True)
class WorstPair:
    """One of the pairs with the largest absolute difference of scores."""

    request_id: str | None
    ts: str
    champion_score: float
    challenger_score: float


@dataclass(frozen=True)
class Divergence:
    """Paired divergence over a window; differences are challenger minus champion."""

    window: str
    coverage: dict[str, int]
    pairs: int
    without_scores: int
    mean: Result
    mean_absolute: float | None
    flips: Rate
    scores: list[ScoreDistribution]
    psi: float | None
    ks: Result
    js: Result
    segments: list[SegmentDivergence]
    worst: list[WorstPair]
    confusion: list[dict[str, object]]


def divergence(profiles: Profiles, *, confidence: float = 0.95) -> Divergence:
    """Coverage, paired differences overall and by one-way segment, score distributions, worst
    pairs. Intervals are clustered by unit bucket where the log has units.
    """
    coverage = profiles.table("coverage")
    sums = {c: int(pc.sum(coverage[c]).as_py() or 0) for c in coverage.schema.names if c != "hour"}
    pairs = hourly(profiles, "pair")
    overall = _sums(profiles, {name: pairs.total(name) for name in pairs.sums})
    deff = _deff(profiles, overall)
    psi_value, ks, js = _distances(profiles)
    return Divergence(
        str(profiles.window),
        sums,
        pairs.total("n"),
        pairs.total("nulls"),
        mean_difference(overall, confidence, deff),
        overall.absolute / overall.n if overall.n else None,
        rate(profiles, "pair", "flips", "decided", confidence=confidence),
        [_scores(profiles, model, confidence) for model in SIDES],
        psi_value,
        ks,
        js,
        _segments(profiles, overall, deff, confidence),
        _worst(profiles),
        _confusion(profiles),
    )


def _sums(profiles: Profiles, totals: dict[str, int]) -> Sums:
    quantum, scale = profiles.frozen.quantum, profiles.frozen.scale
    return Sums(
        totals["n"] - totals["nulls"],
        totals["difference_sum"] * quantum,
        totals["difference_squares"] * quantum * scale,
        totals["difference_absolute"] * quantum,
        totals["flips"],
    )


def _deff(profiles: Profiles, overall: Sums) -> float:
    buckets = in_buckets(profiles, "pair")
    if not buckets or overall.n < 2:
        return 1.0
    variance = max(overall.squares / overall.n - (overall.total / overall.n) ** 2, 0.0)
    return combined_design_effect(
        design_effect(
            buckets["difference_sum"] * profiles.frozen.quantum,
            buckets["n"] - buckets["nulls"],
            variance,
        )
    )


def _scores(profiles: Profiles, model: str, confidence: float) -> ScoreDistribution:
    codes, counts = _score_counts(profiles, model)
    bins = profiles.frozen.bins["score"]
    low, high = bin_edges(codes, bins.kind, bins.origin)
    found = (
        {
            f"P{q * 100:g}": quantile(low, high, counts, q, confidence=confidence)
            for q in SCORE_QUANTILES
        }
        if len(codes)
        else {}
    )
    return ScoreDistribution(model, int(counts.sum()), found)


def _score_counts(profiles: Profiles, model: str) -> tuple[Ints, Ints]:
    _, code, n = fine_bins(profiles, model, "score")
    codes, place = np.unique(code, return_inverse=True)
    return codes, np.bincount(place, weights=n, minlength=len(codes)).astype(np.int64)


def _distances(profiles: Profiles) -> tuple[float | None, Result, Result]:
    """Champion against challenger scores: PSI over the champion's deciles, KS, JS distance."""
    (ours, our_n), (theirs, their_n) = (_score_counts(profiles, model) for model in SIDES)
    codes = np.union1d(ours, theirs)
    if not len(ours) or not len(theirs):
        missing = Undefined("one model has no usable score")
        return None, missing, missing
    a, b = np.zeros(len(codes), np.int64), np.zeros(len(codes), np.int64)
    a[np.searchsorted(codes, ours)], b[np.searchsorted(codes, theirs)] = our_n, their_n
    edges = decile_cells(a)
    found = psi(regroup(a, edges), regroup(b, edges))
    value = None if isinstance(found, Undefined) else found.raw
    return value, ks_statistic(a, b), js_distance(regroup(a, edges), regroup(b, edges))


def _segments(
    profiles: Profiles, overall: Sums, deff: float, confidence: float
) -> list[SegmentDivergence]:
    cells = profiles.table("cells")
    one_way = cells.filter(pc.and_(pc.is_valid(cells["a"]), pc.is_null(cells["b"])))
    measures = [
        c
        for c in one_way.schema.names
        if c not in ("hour", "model", "a", "a_value", "b", "b_value")
    ]
    grouped = one_way.group_by(["model", "a", "a_value"]).aggregate([(c, "sum") for c in measures])
    rows = {
        (row["model"], row["a"], row["a_value"]): {c: row[f"{c}_sum"] or 0 for c in measures}
        for row in grouped.to_pylist()
    }
    found = []
    for (model, segment, value), totals in rows.items():
        if model != "champion":
            continue
        pair = rows.get(("pair", segment, value))
        here = _sums(profiles, pair) if pair else Sums(0, 0.0, 0.0)
        found.append(_segment(segment, value, totals["unmatched"], here, overall, deff, confidence))
    return sorted(found, key=lambda s: (-s.share, s.segment, s.value is None, s.value or ""))


def _segment(
    segment: str,
    value: str | None,
    unmatched: int,
    here: Sums,
    overall: Sums,
    deff: float,
    confidence: float,
) -> SegmentDivergence:
    rest = overall - here
    return SegmentDivergence(
        segment,
        value,
        int(here.n),
        unmatched,
        mean_difference(here, confidence, deff),
        here.absolute / here.n if here.n else None,
        here.absolute / overall.absolute if overall.absolute else 0.0,
        welch(here, rest, confidence, deff),
        int(here.flips),
        risk_ratio(here.flips, here.n, rest.flips, rest.n, confidence, deff),
    )


def _worst(profiles: Profiles, most: int = 20) -> list[WorstPair]:
    table = profiles.table("worst").sort_by(
        [("distance", "descending"), ("ts", "ascending"), ("request_id", "ascending")]
    )
    return [
        WorstPair(
            row["request_id"],
            row["ts"].isoformat().replace("+00:00", "Z"),
            row["champion_score"],
            row["challenger_score"],
        )
        for row in table.slice(0, most).to_pylist()
    ]


def _confusion(profiles: Profiles) -> list[dict[str, object]]:
    table = profiles.table("confusion")
    keys = ["champion_class", "challenger_class"]
    sums = table.group_by(keys).aggregate([("n", "sum")]).sort_by([(k, "ascending") for k in keys])
    return [
        {"champion": r["champion_class"], "challenger": r["challenger_class"], "n": r["n_sum"]}
        for r in sums.to_pylist()
    ]
