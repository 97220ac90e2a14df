"""From profiles to estimates: which counts answer a question, and how dependent they are.

Rows of a log are not independent: minutes are correlated and users return. Every interval here
divides its sample size by a design effect, the larger of 2-hour blocks and unit buckets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.binned import fine_bins
from analyzer.histogram import NULL, bin_edges
from analyzer.ids import BUCKETS
from analyzer.profiles import Profiles
from analyzer.stats.dependence import combined_design_effect, design_effect
from analyzer.stats.proportion import bernoulli_sequence, clopper_pearson, effective
from analyzer.stats.quantiles import quantile
from analyzer.stats.result import Estimate, Result, Undefined, point
from analyzer.window import HOUR

BLOCK_HOURS = 2
MIN_QUANTILE_BLOCKS = 2
"""Blocks below which a percentile's own design effect is not estimated."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Hourly:
    """Sums by hour of a window: arrays of one int64 per hour, 0 where nothing was logged."""

    start: int
    sums: Mapping[str, Ints]

    def __getitem__(self, name: str) -> Ints:
        return self.sums[name]

    def total(self, name: str, span: slice = slice(None)) -> int:
        """Sum over the window, or over a span of its hours; exact however large."""
        return sum(self.sums[name][span].tolist())

    def blocks(self, name: str) -> Ints:
        """Sums by 2-hour block from the window's start; the last may be one hour."""
        hours = self.sums[name]
        return np.add.reduceat(hours, np.arange(0, len(hours), BLOCK_HOURS))


@dataclass(frozen=True)
class Rate:
    """A share of requests: k of n, its design effect and its interval."""

    k: int
    n: int
    deff: float
    result: Result


def hourly(
    profiles: Profiles, model: str, segment: str | None = None, value: str | None = None
) -> Hourly:
    """Sums of `champion`, `challenger` or `pair` by hour, overall or of one segment value."""
    key = ("hourly", model, segment, value)
    return profiles.remember(key, lambda: _hourly(profiles, model, segment, value))


def _hourly(profiles: Profiles, model: str, segment: str | None, value: str | None) -> Hourly:
    cells = profiles.table("cells")
    chosen = pc.equal(cells["model"], model)
    chosen = pc.and_(chosen, pc.is_null(cells["b"]))
    if segment is None:
        chosen = pc.and_(chosen, pc.is_null(cells["a"]))
    else:
        chosen = pc.and_(chosen, pc.fill_null(pc.equal(cells["a"], segment), False))
        same = (
            pc.is_null(cells["a_value"])
            if value is None
            else pc.fill_null(pc.equal(cells["a_value"], value), False)
        )
        chosen = pc.and_(chosen, same)
    rows = cells.filter(chosen)
    keys = ("hour", "model", "a", "a_value", "b", "b_value")
    return by_hour(profiles, rows, [c for c in rows.schema.names if c not in keys])


def by_hour(profiles: Profiles, rows: pa.Table, columns: list[str]) -> Hourly:
    """Rows with an `hour` column, added up on the window's dense grid of hours."""
    window = profiles.window
    count = (window.end - window.start) // HOUR
    place = (rows["hour"].cast(pa.int64()).to_numpy() - window.start) // HOUR
    sums = {}
    for column in columns:
        sums[column] = _placed(rows[column].to_numpy(), place, count)
    return Hourly(window.start, sums)


def _placed(values: Ints, place: Ints, count: int) -> Ints:
    """Exact sums of values by place."""
    total = np.zeros(count, dtype=np.int64)
    with np.errstate(invalid="ignore"):  # `at` reports flags that float work elsewhere has left
        np.add.at(total, place, values)
    return total


def in_buckets(profiles: Profiles, model: str) -> dict[str, Ints]:
    """Sums by unit bucket, 256 of each, over every slot that the window touches.

    They say how alike a unit's requests are (design effects), so a slot that the window cuts
    counts whole: without it, a phase that begins at noon would know nothing of its units.
    """
    return profiles.remember(("buckets", model), lambda: _in_buckets(profiles, model))


def _in_buckets(profiles: Profiles, model: str) -> dict[str, Ints]:
    table = profiles.whole_slots("cell_buckets")
    rows = table.filter(pc.and_(pc.equal(table["model"], model), pc.is_null(table["a"])))
    bucket = rows["bucket"].to_numpy()
    sums = {}
    for column in rows.schema.names:
        if column not in ("slot", "model", "a", "a_value", "bucket"):
            sums[column] = _placed(rows[column].to_numpy(), bucket, BUCKETS)
    return sums


def rate_of(
    k_blocks: Ints,
    n_blocks: Ints,
    k_buckets: Ints | None = None,
    n_buckets: Ints | None = None,
    *,
    confidence: float = 0.95,
    always_valid: bool = True,
) -> Rate:
    """A share of requests from its counts by 2-hour block and, where there are any, by bucket.

    Even two blocks or buckets count: their design effect is rough, but without it a service that
    is busy a few hours a day passes falsely 20 % of the time at the limit, with it 3 to 9 %.
    """
    k, n = int(k_blocks.sum()), int(n_blocks.sum())
    if n == 0:
        return Rate(k, n, 1.0, Undefined("no requests"))
    variance = k / n * (1 - k / n)
    effects = [design_effect(k_blocks, n_blocks, variance)]
    if k_buckets is not None and n_buckets is not None and n_buckets.sum():
        effects.append(design_effect(k_buckets, n_buckets, variance))
    deff = combined_design_effect(*effects, minimum_blocks=2)
    k_effective, n_effective = effective(k, n, deff)
    if always_valid:
        result = bernoulli_sequence(k_effective, n_effective, 1 - confidence)
    else:
        result = clopper_pearson(k_effective, n_effective, confidence)
    return Rate(k, n, deff, result)


def rate(
    profiles: Profiles,
    model: str,
    numerator: str,
    denominator: str = "n",
    *,
    confidence: float = 0.95,
    always_valid: bool = True,
) -> Rate:
    """Share of a model's requests, overall, from `cells` and `cell_buckets`."""
    hours = hourly(profiles, model)
    buckets = in_buckets(profiles, model)
    return rate_of(
        hours.blocks(numerator),
        hours.blocks(denominator),
        buckets.get(numerator),
        buckets.get(denominator),
        confidence=confidence,
        always_valid=always_valid,
    )


def realised(k: int, n: int, what: str) -> Result:
    """A share that describes the log itself, so nothing is estimated and it has no interval."""
    return point(k / n, n, what) if n else Undefined("no rows")


def latency_quantile(
    profiles: Profiles,
    model: str,
    q: float,
    *,
    deff: float = 1.0,
    confidence: float = 0.95,
    always_valid: bool = False,
    kept: NDArray[np.bool_] | None = None,
) -> Result:
    """A latency percentile of a model over the window, in milliseconds, from fine bins.

    kept: which hours of the window count, by default all.

    Its design effect is the larger of `deff` and that of 2-hour blocks at the percentile itself:
    hours that are slower as a whole move the median far more than the share beyond a limit.
    Woodruff (1952), JASA 47.
    """
    hour, code, n = fine_bins(profiles, model, "latency_ms")
    if kept is not None:
        hour, code, n = (column[kept[hour]] for column in (hour, code, n))
    deff = max(deff, _effect_at(hour // BLOCK_HOURS, code, n, q))
    return quantile_of_bins(
        profiles, code, n, q, deff=deff, confidence=confidence, always_valid=always_valid
    )


def _effect_at(block: Ints, code: Ints, n: Ints, q: float) -> float:
    """Design effect of the share of requests up to the bin that holds the quantile q."""
    if not len(code):
        return 1.0
    codes, counts = _counted(code, n)
    cumulative = np.cumsum(counts)
    cut = codes[np.searchsorted(cumulative, q * cumulative[-1])]
    below = np.bincount(block, weights=np.where(code <= cut, n, 0))
    every = np.bincount(block, weights=n)
    share = float(below.sum() / every.sum())
    return combined_design_effect(
        design_effect(below, every, share * (1 - share)), minimum_blocks=MIN_QUANTILE_BLOCKS
    )


def quantile_of_bins(
    profiles: Profiles,
    code: Ints,
    n: Ints,
    q: float,
    *,
    deff: float = 1.0,
    confidence: float = 0.95,
    always_valid: bool = False,
) -> Result:
    """A latency percentile, in milliseconds, from fine bins in any order."""
    (found,) = quantiles_of_bins(
        profiles, code, n, [q], deff=deff, confidence=confidence, always_valid=always_valid
    )
    return found


def quantiles_of_bins(
    profiles: Profiles,
    code: Ints,
    n: Ints,
    qs: Sequence[float],
    *,
    deff: float = 1.0,
    confidence: float = 0.95,
    always_valid: bool = False,
) -> list[Result]:
    """Several latency percentiles of the same bins."""
    if not len(code):
        return [Undefined("no latency was logged") for _ in qs]
    codes, counts = _counted(code, n)
    low, high = bin_edges(codes, "distance", profiles.frozen.bins["latency_ms"].origin)
    return [
        quantile(low, high, counts, q, confidence=confidence, always_valid=always_valid, deff=deff)
        for q in qs
    ]


def _counted(code: Ints, n: Ints) -> tuple[Ints, Floats]:
    """The codes that occur, in order, and how often: a few thousand codes lie close together, so
    that counting beats sorting.
    """
    first = int(code.min())
    counts = np.bincount(code - first, weights=n).astype(np.float64)
    held = np.flatnonzero(counts).astype(np.int64)
    return held + first, counts[held]


def score_cells(profiles: Profiles, model: str) -> NDArray[np.float64]:
    """Scores by hour in ten unions of the frozen reference cells: shape hours x 10."""
    hour, code, n = fine_bins(profiles, model, "score")
    starts = np.asarray(profiles.frozen.bins["score"].starts, dtype=np.int64)
    count = min(10, len(starts))
    edges = starts[np.arange(count) * len(starts) // count]
    cell = np.maximum(np.searchsorted(edges, code, side="right") - 1, 0)
    hours = int(profiles.window.hours)
    flat = np.bincount(hour * count + cell, weights=n, minlength=hours * count)
    return flat.reshape((hours, count)).astype(np.float64)


def class_labels(profiles: Profiles) -> list[str]:
    """The classes that either model predicted in the window, sorted."""
    table = profiles.table("values")
    rows = table.filter(pc.equal(table["column"], "prediction"))
    return sorted(pc.unique(rows.filter(pc.is_valid(rows["value"]))["value"]).to_pylist())


def class_cells(
    profiles: Profiles, model: str, classes: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Predicted classes by hour: shape hours x classes, by default all of `class_labels`."""
    table = profiles.table("values")
    labels = class_labels(profiles) if classes is None else list(classes)
    rows = table.filter(pc.equal(table["column"], "prediction"))
    rows = rows.filter(pc.is_in(rows["value"], value_set=pa.array(labels, pa.string())))
    rows = rows.filter(pc.equal(rows["model"], model))
    hour = (rows["hour"].cast(pa.int64()).to_numpy() - profiles.window.start) // HOUR
    hours = int(profiles.window.hours)
    code = pc.index_in(rows["value"], value_set=pa.array(labels, pa.string())).to_numpy()
    counts = _placed(rows["n"].to_numpy(), hour * len(labels) + code, hours * len(labels))
    return counts.reshape((hours, len(labels))).astype(np.float64)


def feature_nulls(profiles: Profiles, model: str, feature: str) -> Hourly:
    """Rows (`n`) and NULLs (`nulls`) of a feature by hour; NaN counts as NULL, both unusable."""
    if feature in profiles.frozen.vocabularies:
        table = profiles.table("values")
        missing = pc.is_null(table["value"])
    else:
        table = profiles.table("histograms")
        missing = pc.is_in(table["cell"], value_set=pa.array([NULL, NULL + 1], pa.int16()))
    chosen = pc.and_(pc.equal(table["model"], model), pc.equal(table["column"], feature))
    table = table.append_column("nulls", pc.if_else(missing, table["n"], 0)).filter(chosen)
    return by_hour(profiles, table, ["n", "nulls"])


def logged(profiles: Profiles, model: str, feature: str) -> bool:
    """Whether a model's log carries a feature in this window."""
    return feature_nulls(profiles, model, feature).total("n") > 0


def scored(result: Result) -> str:
    """A result as people read it: value [low, high], or why there is none."""
    if isinstance(result, Estimate):
        return f"{result.value:.4g} [{result.low:.4g}, {result.high:.4g}]"
    return f"undefined: {result.reason}"
