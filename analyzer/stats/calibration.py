"""Probabilities against outcomes: log loss, Brier score and its parts, calibration error, curve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .influence import interval, over_buckets, ratio
from .laws import norm_isf, norm_sf
from .proportion import clopper_pearson
from .result import Result, Significance, Undefined, estimate

Floats = NDArray[np.float64]
Loss: TypeAlias = Literal["brier", "log"]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreBins:
    """Rows by score bin, in order: how many, how many positives, sum and sum of squared scores.

    Scores are probabilities in [0, 1]. Within a bin positives and negatives are taken to have
    the same mean score: with bins narrower than 1 % of min(p, 1 - p) that is exact to 1e-4 of
    any score here, and it is exact when a bin holds a single score.
    """

    n: Floats
    positives: Floats
    total: Floats
    squares: Floats

    @property
    def mean(self) -> Floats:
        """Mean score of each bin (0 of an empty one)."""
        return np.divide(self.total, self.n, out=np.zeros_like(self.n), where=self.n > 0)


def score_bins(
    n: ArrayLike,
    positives: ArrayLike,
    total: ArrayLike,
    squares: ArrayLike | None = None,
) -> ScoreBins:
    """Build `ScoreBins`; without `squares` every bin is taken to hold its mean score only.

    Raises ValueError on other shapes, positives beyond n or scores outside [0, 1].

    >>> score_bins([2, 2], [0, 1], [0.4, 1.4]).mean.tolist()
    [0.2, 0.7]
    """
    rows, hits, sums = (np.asarray(x, dtype=np.float64) for x in (n, positives, total))
    if not rows.shape == hits.shape == sums.shape or bool(np.any((hits < 0) | (hits > rows))):
        raise ValueError("each bin needs rows, positives among them and a sum of scores")
    if bool(np.any((sums < 0) | (sums > rows * (1 + 1e-12)))):
        raise ValueError("scores must be probabilities in [0, 1]")
    plain = np.divide(sums**2, rows, out=np.zeros_like(rows), where=rows > 0)
    second = plain if squares is None else np.asarray(squares, dtype=np.float64)
    return ScoreBins(rows, hits, sums, np.maximum(second, plain))


def _mean_loss(
    bins: ScoreBins, of_positive: Floats, of_negative: Floats, deff: float, confidence: float
) -> Result:
    """Mean of a loss that takes one value per bin and label, with a normal interval."""
    n = float(bins.n.sum())
    negatives = bins.n - bins.positives
    if n <= 0:
        return Undefined("no rows")
    losses, counts = np.stack([of_positive, of_negative]), np.stack([bins.positives, negatives])
    if bool(np.any((counts > 0) & ~np.isfinite(losses))):
        return Undefined("a score of exactly 0 or 1 was wrong: the loss is infinite", n)
    losses = np.where(counts > 0, losses, 0.0)
    value, effective_n = float(np.sum(counts * losses)) / n, n / max(deff, 1.0)
    if effective_n < 2:
        return Undefined("fewer than two effective rows", effective_n)
    spread = float(np.sum(counts * (losses - value) ** 2)) / n
    error = math.sqrt(spread / (effective_n - 1))
    return interval(value, error, effective_n, "mean loss", confidence, effective_n - 1)


def bin_losses(bins: ScoreBins, loss: Loss = "brier") -> tuple[Floats, Floats]:
    """Loss of a positive and of a negative in each bin, averaged over the bin's scores.

    With them any delayed, weighted or paired mean loss is an `influence.ratio`. Infinite where a
    score is exactly 0 or 1 and the log loss of the other outcome is asked.

    >>> [x.round(2).tolist() for x in bin_losses(score_bins([2], [1], [0.4]))]
    [[0.64], [0.04]]
    """
    s = bins.mean
    second = np.divide(bins.squares, bins.n, out=np.zeros_like(s), where=bins.n > 0)
    if loss == "brier":
        return 1 - 2 * s + second, second
    spread = np.maximum(second - s**2, 0.0)
    with np.errstate(divide="ignore"):
        inside = (s > 0) & (s < 1)
        safe = np.where(inside, s, 0.5)
        # Taylor to second order: E ln s = ln mean - var / (2 mean^2).
        return (
            -np.log(s) + np.where(inside, spread / (2 * safe**2), 0.0),
            -np.log1p(-s) + np.where(inside, spread / (2 * (1 - safe) ** 2), 0.0),
        )


def log_loss(bins: ScoreBins, confidence: float = 0.95, deff: float = 1.0) -> Result:
    """Mean of -ln p of what happened, in nats, with its t interval on n / deff rows.

    Undefined without rows, or when a score of exactly 0 or 1 was wrong: the loss is infinite and
    no clipping constant is invented. Good (1952), JRSS B 14.

    >>> round(log_loss(score_bins([2, 2], [0, 2], [0.4, 1.6])).value, 6)
    0.223144
    """
    return _mean_loss(bins, *bin_losses(bins, "log"), deff, confidence)


def brier(bins: ScoreBins, confidence: float = 0.95, deff: float = 1.0) -> Result:
    """Mean of (score - outcome)^2 with its t interval on n / deff rows.

    Undefined with fewer than two effective rows. Brier (1950), Monthly Weather Review 78.

    >>> round(brier(score_bins([2, 2], [0, 1], [0.4, 1.4])).value, 3)
    0.165
    """
    return _mean_loss(bins, *bin_losses(bins, "brier"), deff, confidence)


@dataclass(frozen=True, slots=True)
class BrierParts:
    """Brier = reliability - resolution + uncertainty + within.

    `corrected` is the reliability without what chance alone puts there (can be below 0).
    """

    reliability: float
    resolution: float
    uncertainty: float
    within: float
    corrected: float


def brier_decomposition(bins: ScoreBins) -> BrierParts | Undefined:
    """Murphy's parts of the Brier score over the given bins (`coarsen` first: 10 or 20).

    reliability = sum n_b (s_b - o_b)^2 / n, resolution = sum n_b (o_b - o)^2 / n, uncertainty
    o (1 - o), within = sum of squared deviations of scores inside their bins / n; corrected =
    reliability - sum n_b / (n_b - 1) o_b (1 - o_b) / n. Undefined without rows.
    Murphy (1973), J. Applied Meteorology 12; Stephenson, Coelho, Jolliffe (2008), Weather and
    Forecasting 23; Ferro and Fricker (2012), QJRMS 138.

    >>> parts = brier_decomposition(score_bins([2, 2], [0, 1], [0.4, 1.4]))
    >>> round(parts.reliability - parts.resolution + parts.uncertainty + parts.within, 3)
    0.165
    """
    n = float(bins.n.sum())
    if n <= 0:
        return Undefined("no rows")
    held = bins.n > 0
    rows, rate = bins.n[held], bins.positives[held] / bins.n[held]
    score, base = bins.mean[held], float(bins.positives.sum()) / n
    reliability = float(rows @ (score - rate) ** 2) / n
    noise = np.where(rows > 1, rows / np.maximum(rows - 1, 1), 1.0) * rate * (1 - rate)
    return BrierParts(
        reliability,
        float(rows @ (rate - base) ** 2) / n,
        base * (1 - base),
        float(np.sum(bins.squares[held] - rows * score**2)) / n,
        reliability - float(noise.sum()) / n,
    )


def coarsen(bins: ScoreBins, groups: int = 10) -> ScoreBins:
    """Merge neighbouring bins into at most `groups` of about equal numbers of rows.

    A fine bin is never split, so there may be fewer groups.

    >>> coarsen(score_bins([1, 1, 1, 1], [0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]), 2).n.tolist()
    [2.0, 2.0]
    """
    if groups < 1:
        raise ValueError("at least one group is needed")
    middle = (np.cumsum(bins.n) - bins.n / 2) / max(float(bins.n.sum()), 1e-300)
    group = np.minimum((middle * groups).astype(np.int64), groups - 1)
    columns = (bins.n, bins.positives, bins.total, bins.squares)
    n, positives, total, squares = (
        np.bincount(group, x, groups).astype(np.float64) for x in columns
    )
    held = n > 0
    return ScoreBins(n[held], positives[held], total[held], squares[held])


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One group of rows: its mean score and the share of positives among them."""

    score: float
    rate: Result


def calibration_curve(
    bins: ScoreBins, groups: int = 10, confidence: float = 0.95, deff: float = 1.0
) -> tuple[CurvePoint, ...]:
    """Observed rate against mean score in groups of equal size, Clopper-Pearson each.

    Empty without rows. Bröcker and Smith (2007), Weather and Forecasting 22.

    >>> curve = calibration_curve(score_bins([40, 40], [4, 30], [4.0, 32.0]), 2)
    >>> [(round(p.score, 2), p.rate.value) for p in curve]
    [(0.1, 0.1), (0.8, 0.75)]
    """
    by, coarse = max(deff, 1.0), coarsen(bins, groups)
    return tuple(
        CurvePoint(float(score), clopper_pearson(float(k) / by, float(n) / by, confidence))
        for score, k, n in zip(coarse.mean, coarse.positives, coarse.n, strict=True)
    )


def calibration_error(
    bins: ScoreBins, groups: int = 10, confidence: float = 0.95, deff: float = 1.0
) -> Result:
    """Expected calibration error in groups of equal size, in shares.

    ECE = sum n_g / n |s_g - o_g|. It is above 0 by chance alone, so the interval is +- the
    confidence quantile of sum n_g / n |e_g|, e_g normal with variance deff o_g (1 - o_g) / n_g:
    by the triangle inequality it holds at least that often. Lower end cut at 0. Undefined
    without rows. Naeini, Cooper, Hauskrecht (2015), AAAI; Roelofs et al. (2022), AISTATS.

    >>> r = calibration_error(score_bins([400, 400], [40, 300], [40.0, 320.0]), 2)
    >>> round(r.value, 3), round(r.low, 3), round(r.high, 3)
    (0.025, 0.0, 0.053)
    """
    n = float(bins.n.sum())
    if n <= 0:
        return Undefined("no rows")
    coarse = coarsen(bins, groups)
    # One pseudo-row: a group of all negatives still has an uncertain rate.
    rate = (coarse.positives + 0.5) / (coarse.n + 1)
    weight = coarse.n / n
    value = float(weight @ np.abs(coarse.mean - coarse.positives / coarse.n))
    sd = weight * np.sqrt(max(deff, 1.0) * rate * (1 - rate) / coarse.n)
    chance = float(sd.sum()) * math.sqrt(2 / math.pi)
    half = chance + norm_isf(1 - confidence) * math.sqrt(float(sd @ sd) * (1 - 2 / math.pi))
    method = f"{len(coarse.n)} equal groups, {confidence:.0%}"
    return estimate(value, max(value - half, 0.0), value + half, n / max(deff, 1.0), method)


def calibration_test(bins: ScoreBins, deff: float = 1.0) -> Significance | Undefined:
    """Are the scores the probabilities of what happened? Spiegelhalter's z, two-sided.

    z = sum (y - s)(1 - 2 s) / sqrt(deff sum (1 - 2 s)^2 s (1 - s)). Undefined when no score is
    uncertain. Spiegelhalter (1986), Statistics in Medicine 5.

    >>> round(calibration_test(score_bins([400, 400], [40, 300], [40.0, 320.0])).statistic, 3)
    1.768
    """
    s = bins.mean
    variance = float(bins.n @ ((1 - 2 * s) ** 2 * s * (1 - s))) * max(deff, 1.0)
    if variance <= 0:
        return Undefined("no score is uncertain", float(bins.n.sum()))
    z = float((bins.positives - bins.total) @ (1 - 2 * s)) / math.sqrt(variance)
    return Significance(z, 2 * norm_sf(abs(z)), math.inf, float(bins.n.sum()), "Spiegelhalter")


def mean_loss_over_buckets(losses: ArrayLike, rows: ArrayLike, confidence: float = 0.95) -> Result:
    """Mean loss, or mean difference of two models' losses, when rows depend within units.

    `losses` and `rows` are sums by bucket of units. Linearised jackknife; Undefined with fewer
    than two non-empty buckets. Efron and Tibshirani (1993), 11.

    >>> round(mean_loss_over_buckets([1.0, 2.0, 3.0], [10, 10, 10]).value, 3)
    0.2
    """
    pairs = np.stack([np.asarray(x, dtype=np.float64) for x in (losses, rows)], axis=-1)
    return over_buckets(pairs, ratio, confidence)
